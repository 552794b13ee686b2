// Shows /openapi.json and tries its routes. Text of the document and of answers is only ever set as text, never as
// markup, and every request goes to this server.
"use strict";

const LONGEST_SHOWN = 200000;

/** Return a new element with properties and children; strings become text. */
function element(tag, properties = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name in made) made[name] = value;
    else made.setAttribute(name, value);
  }
  made.append(...children);
  return made;
}

/** Return a node that names a schema, with a link where it is one of the document's types. */
function typeName(schema) {
  if (schema.$ref) {
    const name = schema.$ref.split("/").pop();
    return element("a", { href: `#type-${name}` }, name);
  }
  if (schema.anyOf) return joined(schema.anyOf.map(typeName), " or ");
  if (schema.enum) return element("code", {}, schema.enum.map((value) => JSON.stringify(value)).join(" | "));
  if (schema.type === "array") return joined([document.createTextNode("array of"), typeName(schema.items || {})], " ");
  const bounds = [];
  if ("minimum" in schema) bounds.push(`from ${schema.minimum}`);
  if ("maximum" in schema) bounds.push(`to ${schema.maximum}`);
  return element("code", {}, [schema.format || schema.type || "any", ...bounds].join(" "));
}

function joined(nodes, separator) {
  const span = element("span");
  nodes.forEach((node, place) => span.append(...(place ? [separator, node] : [node])));
  return span;
}

/** Return the control fit for a parameter: a date field, a choice, a number or a line of text. */
function control(parameter, id) {
  const schema = parameter.schema;
  const common = { id, name: parameter.name, required: Boolean(parameter.required), "aria-describedby": `${id}-about` };
  const choices = schema.enum || (schema.type === "boolean" ? ["true", "false"] : null);
  if (choices) {
    const unset = element("option", { value: "" }, "default" in schema ? `(default: ${schema.default})` : "(not given)");
    return element("select", common, unset, ...choices.map((choice) => element("option", { value: choice }, choice)));
  }
  const placeholder = String(parameter.example ?? schema.default ?? "");
  if (schema.type === "number" || schema.type === "integer") {
    return element("input", {
      ...common,
      type: "number",
      step: schema.type === "integer" ? "1" : "any",
      min: schema.minimum ?? "",
      max: schema.maximum ?? "",
      placeholder,
    });
  }
  if (schema.format === "date") return element("input", { ...common, type: "date" });
  const value = parameter.required ? placeholder : "";
  return element("input", { ...common, type: "text", value, placeholder, spellcheck: false, autocomplete: "off" });
}

function field(parameter, id) {
  const about = element("p", { id: `${id}-about` }, parameter.description, " (", typeName(parameter.schema), ")");
  return element(
    "div",
    { className: "field" },
    element("label", { htmlFor: id, className: parameter.required ? "required" : "" }, parameter.name),
    control(parameter, id),
    about,
  );
}

/** Return the address that a filled form asks for; empty fields are left out. */
function address(path, parameters, form) {
  const query = new URLSearchParams();
  const filled = new FormData(form);
  let target = path;
  for (const parameter of parameters) {
    const value = filled.get(parameter.name);
    if (parameter.in === "path") target = target.replace(`{${parameter.name}}`, encodeURIComponent(value));
    else if (value !== "") query.append(parameter.name, value);
  }
  return String(query) ? `${target}?${query}` : target;
}

/** Return the key that was typed, or nothing; it is kept nowhere else. */
function typedKey() {
  return document.getElementById("key").value.trim();
}

/** Ask the server and show the status, time, size and body of its answer. */
async function tryOut(target, result) {
  result.replaceChildren(element("p", {}, `GET ${target} …`));
  const started = performance.now();
  try {
    const headers = { Accept: "application/json" };
    if (typedKey()) headers["X-API-Key"] = typedKey();
    const response = await fetch(target, { headers, cache: "no-store" });
    const text = await response.text();
    const elapsed = (performance.now() - started).toFixed(1);
    const facts = `${elapsed} ms, ${new Blob([text]).size.toLocaleString("en")} bytes`;
    result.replaceChildren(
      element(
        "p",
        {},
        element("span", { className: response.ok ? "good" : "bad" }, String(response.status)),
        ` ${facts}`,
      ),
      element("pre", { tabIndex: 0, "aria-label": "Body of the answer" }, shown(text)),
    );
  } catch (error) {
    result.replaceChildren(element("p", { className: "bad" }, `No answer: ${error.message}`));
  }
}

function shown(text) {
  let pretty = text;
  try {
    pretty = JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    // Not JSON: shown as it came.
  }
  return pretty.length > LONGEST_SHOWN ? `${pretty.slice(0, LONGEST_SHOWN)}\n… cut here; open the link for all` : pretty;
}

/** Return the form of a route, with a link and a curl line that follow what is filled in. */
function tryForm(path, operation) {
  const parameters = operation.parameters || [];
  const result = element("div", { role: "status", "aria-live": "polite" });
  const link = element("a", { href: path });
  const curl = element("pre", { tabIndex: 0, "aria-label": "The same with curl" });
  const fields = parameters.map((parameter) => field(parameter, `${operation.operationId}-${parameter.name}`));
  const form = element(
    "form",
    {},
    ...fields,
    element("div", { className: "actions" }, element("button", { type: "submit" }, "Try it"), link),
    curl,
  );
  const follow = () => {
    const target = address(path, parameters, form);
    link.href = target;
    link.textContent = target;
    const key = typedKey() ? '-H "X-API-Key: $KEY" ' : "";
    curl.textContent = `curl ${key}'${location.origin}${target.replaceAll("'", "%27")}'`;
  };
  form.addEventListener("input", follow);
  document.getElementById("key").addEventListener("input", follow);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    tryOut(address(path, parameters, form), result);
  });
  follow();
  return [form, result];
}

/** Return what a route may answer with: each status, its type and its examples. */
function responseList(responses) {
  const parts = [element("h3", {}, "Answers")];
  for (const [status, response] of Object.entries(responses)) {
    const media = (response.content || {})["application/json"];
    const line = element(
      "summary",
      {},
      element("span", { className: status < "400" ? "good" : "bad" }, status),
      ` ${response.description}`,
    );
    const about = element("details", {}, line);
    if (media) {
      about.append(element("p", {}, "Type: ", typeName(media.schema)));
      const examples = media.examples ? Object.values(media.examples).map((each) => each.value) : [media.example];
      for (const example of examples) {
        about.append(element("pre", { tabIndex: 0, "aria-label": "Example" }, JSON.stringify(example, null, 2)));
      }
    }
    parts.push(about);
  }
  return parts;
}

function route(path, operation) {
  return element(
    "article",
    { className: "route", id: `route-${operation.operationId}`, "aria-labelledby": `${operation.operationId}-title` },
    element(
      "h2",
      { id: `${operation.operationId}-title` },
      element("span", { className: "method" }, "GET"),
      element("span", { className: "path" }, path),
    ),
    element("p", {}, element("strong", {}, operation.summary), ` — ${operation.description}`),
    ...tryForm(path, operation),
    ...responseList(operation.responses),
  );
}

/** Return a type of the document as a table of its fields. */
function schemaTable(name, schema) {
  const rows = Object.entries(schema.properties || {}).map(([field, about]) =>
    element(
      "tr",
      {},
      element("th", { scope: "row" }, element("code", {}, field)),
      element("td", {}, typeName(about)),
      element("td", {}, about.description || ""),
    ),
  );
  return element(
    "details",
    { id: `type-${name}` },
    element("summary", {}, element("strong", {}, name), ` — ${schema.description || ""}`),
    element("table", {}, element("tbody", {}, ...rows)),
  );
}

/** Open the type that a link leads to, so that it is seen. */
function openTarget() {
  const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (target instanceof HTMLDetailsElement) {
    target.open = true;
    target.querySelector("summary").focus();
  }
}

/** Return the list of routes, those of one tag together. */
function contents(operations) {
  const groups = new Map();
  for (const [path, operation] of operations) {
    const link = element("a", { href: `#route-${operation.operationId}`, className: "path" }, path);
    const entry = element("li", {}, link, element("span", { className: "faint" }, ` ${operation.summary}`));
    for (const tag of operation.tags || ["Others"]) groups.set(tag, [...(groups.get(tag) || []), entry]);
  }
  return [...groups].map(([tag, entries]) => element("li", {}, element("strong", {}, tag), element("ul", {}, ...entries)));
}

async function show() {
  const main = document.getElementById("routes");
  try {
    const response = await fetch("/openapi.json");
    if (!response.ok) throw new Error(`/openapi.json answered ${response.status}`);
    const api = await response.json();
    document.getElementById("title").textContent = `${api.info.title} ${api.info.version}`;
    document.getElementById("description").textContent = api.info.description;
    const operations = Object.entries(api.paths).map(([path, item]) => [path, item.get]);
    document.getElementById("contents").replaceChildren(...contents(operations));
    main.replaceChildren(...operations.map(([path, operation]) => route(path, operation)));
    const schemas = document.getElementById("schemas");
    schemas.append(...Object.entries(api.components.schemas).map(([name, schema]) => schemaTable(name, schema)));
    schemas.hidden = false;
    openTarget();
  } catch (error) {
    main.replaceChildren(element("p", { className: "bad", role: "alert" }, `Cannot show the API: ${error.message}`));
  }
}

window.addEventListener("hashchange", openTarget);
show();

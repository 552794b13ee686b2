// Where we are: the address as a place, links within the page, and going there without loading it anew.
/** Return the address as a place: the view's name, the rest of the path, decoded, and the query. */
export function here() {
  const [view, ...rest] = location.pathname.split("/").slice(1).map(decoded);
  return { view: view || "home", rest: rest.join("/"), query: new URLSearchParams(location.search) };
}

function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** Return the address of a view: `link("symbol", "BRK.A", { session: "2024-01-16" })`;
 * what is null or "" is left out. */
export function link(view, rest = "", query = {}) {
  const path = view === "home" ? "/" : `/${view}${rest === "" ? "" : `/${encodeURIComponent(rest)}`}`;
  return withQuery(path, query);
}

/** Return an address with a query; what is null, undefined or "" is left out, and a list is given once for each. */
export function withQuery(path, query) {
  const given = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    for (const each of Array.isArray(value) ? value : [value]) {
      if (each !== null && each !== undefined && each !== "") given.append(name, each);
    }
  }
  return String(given) ? `${path}?${given}` : path;
}

let entries = 0;

/** Return what marks a new entry of the history: no other has it, though the page be loaded again. */
export const newEntry = () => ({ entry: `${performance.timeOrigin}-${++entries}` });

/** Go to an address of this page. */
export function go(address, { replace = false } = {}) {
  if (replace) history.replaceState(history.state, "", address);
  else history.pushState(newEntry(), "", address);
  dispatchEvent(new Event("placechange"));
}

/** Change parts of the query and stay in the view; what is null or "" is taken out. */
export function setQuery(changes, { replace = false } = {}) {
  const query = Object.fromEntries(new URLSearchParams(location.search));
  go(withQuery(location.pathname, { ...query, ...changes }), { replace });
}

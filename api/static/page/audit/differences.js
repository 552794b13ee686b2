// The differences of an audit as a table that is sifted and sorted here: the audit is not made again for it.
// Which are shown is in the address; how far the table is unrolled is not.
import { html, nothing } from "../../vendor/lit-html/lit-html.js";
import { save } from "../ask.js";
import { count, words } from "../format.js";
import { link, setQuery, withQuery } from "../place.js";

const SLICE = 200;
const PAUSE_MS = 150;
const KINDS = {
  flagged: ["▲", "warn", "a bar that fails at least one rule"],
  restated: ["↻", "warn", "a bar that the vendor said otherwise before"],
  rejected: ["✕", "bad", "a row that cannot be a bar"],
  missing: ["○", "bad", "a symbol with bars around the session and none in it"],
  overridden: ["✎", "plain", "a verdict that a person decided"],
};
const COLUMNS = [
  ["symbol", "Symbol", (row) => row.symbol ?? ""],
  ["kind", "Kind", (row) => row.kind],
  ["detail", "Detail", (row) => row.detail],
  ["rules", "Failed rules", (row) => row.failed_rules.join()],
  ["payload", "Payload", (row) => row.archive_seq ?? 0],
];

/** Return what of the query chooses differences; it is kept when another date is chosen. */
export const chosenIn = (query) =>
  Object.fromEntries(["kind", "rule", "symbol", "sort"].map((name) => [name, query.get(name) ?? ""]));

function sifted(rows, chosen) {
  const found = rows.filter((row) => isOf(row, chosen) && isNamed(row, chosen.symbol));
  const column = COLUMNS.find(([name]) => name === chosen.sort.replace(/^-/, ""));
  if (!column) return found;
  const [by, sign] = [column[2], chosen.sort.startsWith("-") ? -1 : 1];
  return found.sort((one, other) => sign * compared(by(one), by(other)));
}

const isOf = (row, { kind, rule }) => (!kind || row.kind === kind) && (!rule || row.failed_rules.includes(rule));
const isNamed = (row, text) => !text || (row.symbol ?? "").toLowerCase().includes(text.toLowerCase());
const compared = (one, other) => (one < other ? -1 : one > other ? 1 : 0);

/** The controls and the table; `unrolled` is how many rows are shown at most, `unroll` is called for more. */
export function differences(audit, chosen, unrolled, unroll) {
  const rows = audit.differences;
  const found = sifted(rows, chosen);
  const more = Math.min(SLICE, found.length - unrolled);
  return html`<h2 id="differences" tabindex="-1">Differences</h2>
    <p class="faint">Every way in which the cleaned session is not the raw one, each with its reason.</p>
    ${rows.length ? controls(audit, chosen) : nothing}
    <p role="status">${summed(rows, found, unrolled)}</p>
    ${found.length ? tableOf(audit, found.slice(0, unrolled), chosen.sort) : nothing}
    ${more > 0 ? html`<button type="button" @click=${unroll}>Show ${count(more)} more</button>` : nothing}`;
}

/** How many rows are shown at first, and how many more each time. */
export const slice = SLICE;

function summed(rows, found, unrolled) {
  if (!rows.length) return "There is none.";
  if (!found.length) return `None of the ${count(rows.length)} is of this choice.`;
  const shown = found.length > unrolled ? `, the first ${count(unrolled)} are shown` : "";
  return found.length === rows.length
    ? `All ${count(rows.length)}${shown}`
    : `${count(found.length)} of ${count(rows.length)}${shown}`;
}

function controls(audit, chosen) {
  const rows = audit.differences;
  const { kind, rule } = chosen;
  const ofChoice = rows.filter((row) => isOf(row, chosen)).length;
  const file = `${["audit", audit.session, kind, rule].filter(Boolean).join("-")}.csv`;
  return html`<div class="controls">
      ${chips("Kind", "kind", kind, rows, rows.filter((row) => isOf(row, { rule })), (row) => [row.kind])}
      ${chips("Failed rule", "rule", rule, rows, rows.filter((row) => isOf(row, { kind })), (row) => row.failed_rules)}
    </div>
    <div class="controls">
      <label>Symbol contains
        <input type="search" autocomplete="off" autocapitalize="off" spellcheck="false" .value=${chosen.symbol}
          @input=${typed} />
      </label>
      ${ofChoice
        ? html`<a class="audit-step" href=${withQuery(`/api/v1/audit/${audit.session}.csv`, { kind, rule })}
            download=${file} @click=${save}>Download ${count(ofChoice)} as CSV</a>`
        : nothing}
      ${ofChoice && chosen.symbol ? html`<span class="faint">of any symbol</span>` : nothing}
    </div>`;
}

/** Buttons of which one is pressed: each value that any row has, with how many there are among those `counted`. */
function chips(legend, name, chosen, rows, counted, valuesOf) {
  const totals = tally(rows, valuesOf);
  const values = [...totals.keys()].sort((one, other) => totals.get(other) - totals.get(one));
  if (chosen && !totals.has(chosen)) values.push(chosen);
  const numbers = tally(counted, valuesOf);
  const chip = (value, label, number, help) => html`<button type="button" aria-pressed=${String(chosen === value)}
    title=${help ?? nothing} @click=${() => setQuery({ [name]: value })}>${label} ${count(number)}</button>`;
  return html`<fieldset class="audit-chips"><legend>${legend}</legend>
    ${chip("", "any", counted.length)}
    ${values.map((value) => {
      const label = name === "kind" ? kindOf(value) : value;
      return chip(value, label, numbers.get(value) ?? 0, KINDS[value]?.[2]);
    })}
  </fieldset>`;
}

function tally(rows, valuesOf) {
  const numbers = new Map();
  for (const value of rows.flatMap(valuesOf)) numbers.set(value, (numbers.get(value) ?? 0) + 1);
  return numbers;
}

function kindOf(kind) {
  const [sign] = KINDS[kind] ?? ["•"];
  return html`<span aria-hidden="true">${sign}</span> ${words(kind)}`;
}

let timer = 0;

function typed(event) {
  clearTimeout(timer);
  const { pathname } = location;
  const symbol = event.target.value.trim();
  timer = setTimeout(() => location.pathname === pathname && setQuery({ symbol }, { replace: true }), PAUSE_MS);
}

function tableOf(audit, rows, sort) {
  const caption = `Differences of ${audit.session}`;
  return html`<div class="scroll" tabindex="0" role="group" aria-label=${caption}>
    <table class="audit-table">
      <caption class="sr-only">${caption}</caption>
      <thead><tr>${COLUMNS.map(([name, heading]) => headed(name, heading, sort))}</tr></thead>
      <tbody>${rows.map((row) => line(audit.session, row))}</tbody>
    </table>
  </div>`;
}

function headed(name, heading, sort) {
  const order = { [name]: "ascending", [`-${name}`]: "descending" }[sort];
  const next = sort === name ? `-${name}` : name;
  return html`<th scope="col" aria-sort=${order ?? nothing}>
    <button type="button" class="audit-sort" @click=${() => setQuery({ sort: next }, { replace: true })}
    >${heading}<span aria-hidden="true">${{ ascending: " ↑", descending: " ↓" }[order] ?? ""}</span></button>
  </th>`;
}

function line(session, row) {
  const [, look, help] = KINDS[row.kind] ?? [];
  const none = html`<span class="faint">none</span>`;
  const named = () => html`<a href=${link("symbol", row.symbol, { session })}>${row.symbol}</a>`;
  return html`<tr>
    <th scope="row">${row.symbol == null ? none : named()}</th>
    <td><span class="badge ${look ?? "plain"}" title=${help ?? nothing}>${kindOf(row.kind)}</span></td>
    <td>${row.detail}</td>
    <td>${row.failed_rules.join(", ")}</td>
    <td>${row.archive_seq == null ? none : payload(row.archive_seq)}</td>
  </tr>`;
}

const payload = (seq) =>
  html`<a href="/api/v1/payloads/${seq}" download="payload-${seq}" @click=${save}>payload ${seq}</a>`;

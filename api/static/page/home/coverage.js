// The heat map of coverage: symbols × months, one state a cell, and under each the days of that symbol and month.
// It is a section of a view, whose root it is given; it knows no other part of that view. What it shows is in the
// address: `find` (part of a symbol or name), `order` (worst, symbol or longest), `from` and `to` (months, as 2016-05)
// and `cursor` (where the page begins, as the page before said).
import { html, nothing, render } from "../../vendor/lit-html/lit-html.js";
import { ask } from "../ask.js";
import { count, words } from "../format.js";
import { failure, loading } from "../parts.js";
import { here, link, setQuery } from "../place.js";

const SYMBOLS = 40;
const PAUSE_MS = 250;
const LEAP = 10;
const OWN = ["find", "order", "from", "to", "cursor"];
const ORDERS = { worst: "worst first", symbol: "by symbol", longest: "longest first" };
const STATES = {
  missing: ["✕", "missing", "a bar should be there and is not: a hole of the vendor, or nobody fetched it"],
  rejected: ["⊘", "rejected", "the vendor's row came and cannot be a bar"],
  flagged: ["▲", "flagged", "a bar failed a rule, other than that a split or dividend fell on it, or is not validated"],
  whole: ["✓", "whole", "every bar that should be there is there, and no rule flags one"],
  nothing: ["·", "nothing expected", "outside its listing, without a trade, or before anybody asked for it"],
};
const START = "Point at a month, or go through the months with the arrow keys, to see what it is made of.";

let state;

/** Show the heat map in an empty section; it is asked for anew when `updateCoverage` is told of another query. */
export async function showCoverage(root, place, signal) {
  const nothingYet = { key: null, answer: null, problem: null, at: [0, 0] };
  const own = { ...nothingYet, root, signal, stop: new AbortController(), timer: 0 };
  state = own;
  signal.addEventListener("abort", () => clearTimeout(own.timer));
  for (const back of ["serverback", "retry"]) addEventListener(back, again, { signal });
  await updateCoverage(place);
}

/** Show what the address now asks for; of what is not ours in it nothing is taken notice of. */
export async function updateCoverage(place) {
  const asked = Object.fromEntries(OWN.map((name) => [name, place.query.get(name) ?? ""]));
  const key = JSON.stringify(asked);
  if (state.key === key) return;
  state.stop.abort();
  Object.assign(state, { key, asked, stop: new AbortController(), isLoading: true });
  draw();
  const signal = AbortSignal.any([state.signal, state.stop.signal]);
  try {
    const answer = tableOf(await ask("/api/v1/coverage", queryOf(asked), signal));
    if (signal.aborted) return;
    Object.assign(state, { answer, problem: null, isLoading: false, at: [0, answer.months.length] });
  } catch (error) {
    if (signal.aborted) return;
    Object.assign(state, { answer: null, problem: error, isLoading: false });
  }
  draw();
  enter();
  const heated = state.root.querySelector(".heat");
  if (heated) heated.scrollLeft = heated.scrollWidth; // where it does not fit: the newest months
}

function again() {
  if (!state.problem) return;
  state.key = null;
  updateCoverage(here());
}

const queryOf = ({ find, order, from, to, cursor }) => ({
  search: find,
  order: order || "worst",
  start: from && `${from}-01`,
  end: to && `${to}-01`,
  cursor,
  has_bars: true,
  limit: SYMBOLS,
  layout: "columns",
});

/** Return an answer in columns as a table: its months, and each symbol with a cell for each of them. */
function tableOf({ months: columns, ...answer }) {
  const names = Object.keys(columns).filter((name) => name !== "symbol");
  const rows = [];
  columns.symbol.forEach((symbol, at) => {
    if (rows.at(-1)?.symbol !== symbol) rows.push({ symbol, cells: [] });
    rows.at(-1).cells.push(Object.fromEntries(names.map((name) => [name, columns[name][at]])));
  });
  return { ...answer, rows, months: rows.length ? rows[0].cells.map((cell) => cell.month.slice(0, 7)) : [] };
}

function draw() {
  const { asked, answer, problem, isLoading } = state;
  render(
    html`<h2>Coverage by month</h2>
      <form class="controls" role="search" aria-label="Coverage" @submit=${(event) => event.preventDefault()}>
        <label>Symbol or name <input
          type="search" autocomplete="off" spellcheck="false" maxlength="64" @input=${typed}
        /></label>
        <label>Order <select @change=${(event) => setQuery({ order: event.target.value, cursor: null })}>
          ${Object.entries(ORDERS).map(option)}
        </select></label>
        ${month("From", "from", answer?.start)} ${month("To", "to", answer?.end)}
      </form>
      ${problem ? failure(problem) : answer ? found(answer, isLoading) : loading()}`,
    state.root,
  );
  const sought = state.root.querySelector("input[type=search]");
  if (sought.value.trim() !== asked.find) sought.value = asked.find; // else a person may be typing on
}

const option = ([name, said]) =>
  html`<option value=${name} .selected=${name === (state.asked.order || "worst")}>${said}</option>`;

const month = (label, name, shown) => html`<label>${label} <input
  type="month" placeholder="2016-05" pattern="\\d{4}-\\d{2}" max="9999-12"
  .value=${state.asked[name] || shown?.slice(0, 7) || ""} @change=${(event) => dated(event, name)}
/></label>`;

function dated(event, name) {
  if (event.target.validity.valid) setQuery({ [name]: event.target.value });
}

function typed(event) {
  clearTimeout(state.timer);
  const find = event.target.value.trim();
  state.timer = setTimeout(() => setQuery({ find, cursor: null }, { replace: true }), PAUSE_MS);
}

const found = (answer, isLoading) => html`${answer.rows.length ? heat(answer, isLoading) : nothing}
  <p class="heat-pages">
    <span role="status">${answer.rows.length ? shown(answer) : noRows(answer)}${isLoading ? " Asking …" : ""}</span>
    ${state.asked.cursor ? page("First symbols", null) : nothing}
    ${answer.next_cursor ? page(`Next ${SYMBOLS} symbols`, answer.next_cursor) : nothing}
  </p>`;

const shown = ({ rows, total }) => `${count(rows.length)} of ${count(total)} symbols with bars.`;

const page = (said, cursor) => html`<button type="button" @click=${() => setQuery({ cursor })}>${said}</button>`;

function noRows({ total, start }) {
  if (total && !start) return "There is no session in these months yet.";
  if (state.asked.find) return `No symbol with bars has “${state.asked.find}” in it or in its name.`;
  return "There are no bars yet.";
}

const heat = ({ months, rows, judged_up_to: judged }, isLoading) => html`
  <ul class="heat-legend" aria-label="What the signs mean">
    ${Object.entries(STATES).map(meaning)}
  </ul>
  <div class="heat scroll" aria-busy=${isLoading ? "true" : "false"}>
    <table role="grid" aria-label="Coverage by symbol and month" aria-describedby="heat-help"
      @keydown=${pressed} @focusin=${focused} @pointerover=${pointed} @pointerleave=${() => tell(null)}>
      <thead>
        <tr><th rowspan="2" scope="col">Symbol</th>${years(months).map(yearHead)}</tr>
        <tr>${months.map(monthHead)}</tr>
      </thead>
      <tbody>${rows.map(row)}</tbody>
    </table>
  </div>
  <p id="heat-line" class="heat-line">${START}</p>
  <p id="heat-help" class="faint">A month shows the first that is true of missing, rejected, flagged and whole; Enter or
    a click shows its days. A missing bar is believed up to ${judged}.</p>`;

const meaning = ([name, [sign, said, why]]) =>
  html`<li title=${why}><span class="heat-sign ${name}" aria-hidden="true">${sign}</span> ${said}</li>`;

const yearHead = ([year, span]) =>
  html`<th scope="colgroup" colspan=${span}>${span > 1 ? year : `’${year.slice(2)}`}</th>`;

const monthHead = (each) =>
  html`<th scope="col"><span aria-hidden="true">${each.slice(5)}</span><span class="sr-only">${each}</span></th>`;

function years(months) {
  const spans = new Map();
  for (const each of months) spans.set(each.slice(0, 4), (spans.get(each.slice(0, 4)) ?? 0) + 1);
  return [...spans];
}

const row = ({ symbol, cells }) => html`<tr>
  <th scope="row"><a href=${link("symbol", symbol)} tabindex="-1">${symbol}</a></th>
  ${cells.map((cell) => html`<td><a
    class=${cell.state} href=${address(symbol, cell.month)} tabindex="-1" aria-label=${described(symbol, cell)}
  >${STATES[cell.state][0]}</a></td>`)}
</tr>`;

function address(symbol, first) {
  const [year, number] = first.split("-").map(Number);
  const last = new Date(Date.UTC(year, number, 0)).toISOString().slice(0, 10);
  return link("symbol", symbol, { start: first, end: last });
}

/** AAPL 2016-05: 21 of 22 bars, 1 missing (vendor hole) */
function described(symbol, cell) {
  const whose = `${symbol} ${cell.month.slice(0, 7)}: `;
  const missing = ["vendor_hole", "not_fetched"].filter((kind) => cell[kind]);
  const absent = missing.reduce((sum, kind) => sum + cell[kind], 0);
  const kinds = missing.map((kind) => (missing.length > 1 ? `${cell[kind]} ${words(kind)}` : words(kind)));
  const beside = [
    [absent, `missing (${kinds.join(", ")})`],
    [cell.rejected, "rejected"],
    [cell.flagged, "flagged"],
    [cell.no_trade, "without a trade"],
    [cell.outside, "outside its listing"],
    [cell.not_asked, "before anybody asked for it"],
  ].filter(([sessions]) => sessions);
  const said = beside.map(([sessions, what]) => `${sessions} ${what}`);
  if (cell.expected) return whose + [`${cell.bars} of ${cell.expected} bars`, ...said].join(", ");
  return `${whose}nothing expected${said.length ? ` (${said.join(", ")})` : ""}`;
}

function tell(anchor) {
  const line = state.root.querySelector("#heat-line");
  if (line) line.textContent = anchor?.ariaLabel ?? state.root.querySelector("td a:focus")?.ariaLabel ?? START;
}

const pointed = (event) => tell(event.target.closest("td")?.firstElementChild);

/** Let the Tab key come to one cell of the table, of those that the arrow keys lead through. */
function enter() {
  for (const anchor of state.root.querySelectorAll("table a[tabindex='0']")) anchor.tabIndex = -1;
  const anchor = anchorAt(...state.at);
  if (anchor) anchor.tabIndex = 0;
}

function anchorAt(line, column) {
  const cell = state.root.querySelector("table")?.tBodies[0].rows[line]?.cells[column];
  return cell?.querySelector("a");
}

function focused(event) {
  const cell = event.target.closest("tbody th, tbody td");
  if (!cell) return;
  state.at = [cell.parentElement.sectionRowIndex, cell.cellIndex];
  enter();
  tell(cell.matches("td") ? event.target : null);
}

function pressed(event) {
  const [line, column] = state.at;
  const [lastLine, lastColumn] = [state.answer.rows.length - 1, state.answer.months.length];
  const far = event.ctrlKey || event.metaKey;
  const to = {
    ArrowLeft: [line, column - 1],
    ArrowRight: [line, column + 1],
    ArrowUp: [line - 1, column],
    ArrowDown: [line + 1, column],
    PageUp: [line - LEAP, column],
    PageDown: [line + LEAP, column],
    Home: [far ? 0 : line, 0],
    End: [far ? lastLine : line, lastColumn],
  }[event.key];
  if (!to || event.altKey || event.shiftKey) return;
  event.preventDefault();
  anchorAt(between(to[0], lastLine), between(to[1], lastColumn)).focus();
}

const between = (value, most) => Math.max(0, Math.min(most, value));

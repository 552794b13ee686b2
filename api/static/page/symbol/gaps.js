// The sessions in which a symbol has no bar: each span with its class and why, by class, and where it is on the chart.
import { html, nothing, render } from "../../vendor/lit-html/lit-html.js";
import { ask, save } from "../ask.js";
import { linkHere } from "./choices.js";
import { count, words } from "../format.js";
import { failure, loading, table } from "../parts.js";
import { setQuery, withQuery } from "../place.js";

const MEANINGS = {
  vendor_hole: "it should be there: most long series lack the session too, or so much is traded that there was a trade",
  rejected: "a row came, and we rejected it",
  not_fetched: "no good answer has spoken of it yet; the next run asks",
  no_trade: "halted, or nobody traded: it was answered without a bar, and so little is traded that this can be",
  before_listing: "nothing to trade yet",
  after_delisting: "nothing to trade any more",
};
const PAGE = 25;
const ALL = 50_000;
const AROUND_DAYS = 30;
const DAY_MS = 86_400_000;

let state = {};

/** Show the gaps of a symbol; which class is shown is in the address, as `gaps`. */
export async function showGaps(root, symbol, place, signal) {
  state = { root, symbol, signal, kind: kindOf(place), rows: [], cursor: null, answer: null, problem: null };
  await Promise.all([readCounts(state), state.kind ? readPage(state) : null]);
}

/** Show the class that the address names now. */
export function updateGaps(place) {
  if (kindOf(place) === state.kind) return;
  Object.assign(state, { kind: kindOf(place), rows: [], cursor: null });
  readPage(state);
}

const kindOf = (place) => (Object.hasOwn(MEANINGS, place.query.get("gaps")) ? place.query.get("gaps") : null);

const path = (symbol, suffix = "") => `/api/v1/gaps/${encodeURIComponent(symbol)}${suffix}`;

/** Read how many there are of each class, and with it the first page of all. */
async function readCounts(of) {
  await reading(of, async () => {
    of.answer = await ask(path(of.symbol), { limit: PAGE }, of.signal);
    if (!of.kind) Object.assign(of, { rows: of.answer.gaps, cursor: of.answer.next_cursor });
  });
}

/** Read the next page of the class that is shown. */
async function readPage(of) {
  const { kind, cursor } = of;
  await reading(of, async () => {
    const page = await ask(path(of.symbol), { class: kind, limit: PAGE, cursor }, of.signal);
    if (of.kind !== kind || of.cursor !== cursor) return;
    Object.assign(of, { rows: [...of.rows, ...page.gaps], cursor: page.next_cursor });
  });
}

async function reading(of, read) {
  Object.assign(of, { busy: true, problem: null });
  draw();
  try {
    await read();
  } catch (problem) {
    of.problem = problem;
  }
  of.busy = false;
  if (!of.signal.aborted) draw();
}

const choose = (kind) => setQuery({ gaps: kind }, { replace: true });

function draw() {
  const { root, answer, problem, busy } = state;
  render(
    html`<div class="gaps">
      <h2>Gaps</h2>
      ${answer ? filters(answer) : nothing}
      ${problem ? failure(problem) : answer ? spans() : nothing}
      ${busy ? loading("Gaps are counted …") : nothing}
    </div>`,
    root,
  );
}

function filters({ counts, judged_up_to: until }) {
  const present = Object.keys(MEANINGS).filter((kind) => counts[kind]);
  const total = present.reduce((sum, kind) => sum + counts[kind], 0);
  if (!total) return html`<p>None: every session up to ${until} has its bar.</p>`;
  const button = (kind, name, sessions) => html`<button
    type="button" aria-pressed=${state.kind === kind ? "true" : "false"} @click=${() => choose(kind)}
  >${name} <span class="amount">${count(sessions)}</span></button>`;
  const meanings = present.map((kind) => html`<div><dt>${words(kind)}</dt><dd>${MEANINGS[kind]}.</dd></div>`);
  return html`<p>Sessions of the exchange without a bar, up to ${until}, by class:</p>
    <div class="kinds" role="group" aria-label="Class of gap">
      ${button(null, "all", total)} ${present.map((kind) => button(kind, words(kind), counts[kind]))}
    </div>
    <dl class="meanings">${meanings}</dl>`;
}

function spans() {
  const { rows, symbol, kind, cursor, busy, answer } = state;
  if (!Object.values(answer.counts).some(Boolean)) return nothing;
  const columns = [["Class"], ["First"], ["Last"], ["Sessions", "number"], ["Why"], ["Look"]];
  const lines = rows.map((each) => {
    const { kind: its, first, last, sessions, why } = each;
    return [words(its), first, last, count(sessions), why, looks(each)];
  });
  const caption = kind ? `Gaps: ${words(kind)}` : "Gaps of every class";
  const more = html`<button type="button" ?disabled=${busy} @click=${() => readPage(state)}>Show more</button>`;
  const csv = withQuery(path(symbol, ".csv"), { class: kind, limit: ALL });
  return html`${table(caption, columns, lines, busy ? "…" : "None of this class.")}
    <p class="controls">
      ${cursor ? more : nothing} <a href=${csv} download="gaps-${symbol}.csv" @click=${save}>as CSV</a>
    </p>`;
}

function looks({ first, last }) {
  const around = { start: daysFrom(first, -AROUND_DAYS), end: daysFrom(last, AROUND_DAYS) };
  return html`<span class="looks">
    <button type="button" aria-label="Chart around the gap of ${first}" @click=${() => onChart(around)}>chart</button>
    <a href=${linkHere({ session: first })} aria-label="Payloads asked for ${first}">payloads</a>
  </span>`;
}

const daysFrom = (date, days) => new Date(Date.parse(date) + days * DAY_MS).toISOString().slice(0, 10);

function onChart(around) {
  setQuery(around);
  document.querySelector("main h1")?.scrollIntoView();
}

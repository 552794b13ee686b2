// As known at: a slider over the instants at which what is believed of a symbol changed. It sets `known_at` in the
// address and draws no bar.
import { html, nothing, render } from "../../vendor/lit-html/lit-html.js";
import { keyOf } from "./events.js";
import { count, time } from "../format.js";
import { failure, loading, table } from "../parts.js";
import { setQuery } from "../place.js";

const PAUSE_MS = 250;
const LISTED = 25;
const SAID = [
  ["first", "bar", "stated that was restated later"],
  ["restated", "bar", "restated"],
  ["splits", "split", "stated"],
  ["endedSplits", "split", "restated or withdrawn"],
  ["dividends", "dividend", "stated"],
  ["endedDividends", "dividend", "restated or withdrawn"],
];

let state = {};

/** Show the slider of a symbol at the instant that the address names, or at now; `told` will be the symbol's events. */
export async function showKnownAt(root, symbol, place, told, signal) {
  const of = { root, symbol, signal, given: givenIn(place), stops: null, problem: null, listed: LISTED, timer: 0 };
  state = of;
  signal.addEventListener("abort", () => clearTimeout(of.timer));
  draw();
  try {
    of.stops = stopsOf(await told);
  } catch (problem) {
    of.problem = problem;
  }
  if (!signal.aborted) draw();
}

/** Show the instant that the address names now. */
export function updateKnownAt(place) {
  clearTimeout(state.timer);
  state.given = givenIn(place);
  draw();
}

const givenIn = (place) => place.query.get("known_at") || null;

/** Return the instants at which something was stated, restated or withdrawn, in order, each with how much of what. */
function stopsOf({ revisions, splits, dividends }) {
  const stops = new Map();
  tally(stops, "first", revisions, "known_from");
  tally(stops, "restated", revisions, "restated_at");
  tally(stops, "splits", splits, "known_from");
  tally(stops, "endedSplits", splits, "known_to");
  tally(stops, "dividends", dividends, "known_from");
  tally(stops, "endedDividends", dividends, "known_to");
  return [...stops.values()].sort((one, other) => (one.key < other.key ? -1 : 1));
}

function tally(stops, what, rows, name) {
  for (const { [name]: at } of rows) {
    if (at === null) continue;
    const stop = stops.get(at) ?? { at, key: keyOf(at) };
    stop[what] = (stop[what] ?? 0) + 1;
    stops.set(at, stop);
  }
}

/** Return what was said at a stop: "14 bars restated, 1 split stated". */
const saidAt = (stop) =>
  SAID.filter(([what]) => stop[what])
    .map(([what, thing, done]) => `${count(stop[what])} ${thing}${stop[what] === 1 ? "" : "s"} ${done}`)
    .join(", ");

/** Return the place of an instant among the stops: the last one by then; after them all stands "now". */
function placeOf(given, stops) {
  const key = given && keyOf(given);
  if (!key) return stops.length;
  return Math.max(0, stops.findLastIndex((stop) => stop.key <= key));
}

/** Tell in words what the slider at a place means. */
function inWords({ given, stops }, at) {
  if (at === stops.length) return given ? `“${given}” is no instant` : "now: what is believed today";
  const stop = stops[at];
  const key = given && keyOf(given);
  if (key && key < stop.key) return `${time(given)}: before the first of these changes, ${time(stop.at)}`;
  const here = `${time(stop.at)}: ${saidAt(stop)}`;
  return key && key !== stop.key ? `${time(utc(given))}, as since ${here}` : here;
}

const utc = (given) => `${keyOf(given).slice(0, 19)}Z`;

/** Show an instant at once, and have it in the address when the hand rests. */
function slid(event) {
  const { stops } = state;
  const stop = stops[Number(event.target.value)];
  state.given = stop?.at ?? null;
  draw();
  clearTimeout(state.timer);
  state.timer = setTimeout(() => setQuery({ known_at: state.given }, { replace: true }), PAUSE_MS);
}

function typed(event) {
  const { value } = event.target;
  if (value || !event.target.validity.badInput) choose(value ? `${value.padEnd(19, ":00")}Z` : null);
}

const choose = (given) => setQuery({ known_at: given });

function draw() {
  const { root, stops, problem } = state;
  const chosen = stops ? chooser() : loading("What was restated is read …");
  render(html`<div class="known-at">${problem ? failure(problem) : chosen}</div>`, root);
}

function chooser() {
  const { stops, given, symbol } = state;
  const at = placeOf(given, stops);
  const said = html`<p class="known-said"><output for="known-at">${inWords(state, at)}</output></p>`;
  return html`<div class="known-row">
      <h2>As known at</h2>
      ${stops.length > 1 ? slider(stops, at) : html`<p>${never(stops, symbol)}</p>`}
      <button type="button" ?disabled=${!given} @click=${() => choose(null)}>Back to now</button>
    </div>
    ${stops.length > 1 ? said : nothing}
    <details>
      <summary>Any instant${stops.length > 1 ? html`, and all ${count(stops.length)} changes` : nothing}</summary>
      <p>The chart as it would have been at an instant, with the bars, splits and dividends that were known by then.</p>
      ${instant(given)} ${stops.length > 1 ? changes(stops) : nothing}
    </details>`;
}

const slider = (stops, at) => html`<input
  id="known-at" type="range" min="0" max=${stops.length} step="1" .value=${String(at)}
  aria-label="As known at" aria-valuetext=${inWords(state, at)} @input=${slid}
/>`;

const instant = (given) => html`<p class="controls">
  <label>Instant (UTC)
    <input
      type="datetime-local" step="1" .value=${given && keyOf(given) ? keyOf(given).slice(0, 19) : ""} @change=${typed}
    />
  </label>
</p>`;

function never([only], symbol) {
  const stated = only ? ` (${saidAt(only)} once, ${time(only.at)})` : "";
  return `Of ${symbol}, nothing was ever restated${stated}: there is nothing to slide through.`;
}

function changes(stops) {
  const rows = stops.toReversed().slice(0, state.listed).map((stop) => [
    html`<button type="button" @click=${() => choose(stop.at)}>${time(stop.at)}</button>`,
    saidAt(stop),
  ]);
  return html`${table(`When the vendor's word on ${state.symbol} changed`, [["At"], ["What"]], rows)}
    ${stops.length > state.listed ? html`<button type="button" @click=${more}>Show more</button>` : nothing}`;
}

function more() {
  state.listed += 4 * LISTED;
  draw();
}

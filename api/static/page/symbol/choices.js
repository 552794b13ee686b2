// What can be chosen about a chart: read from the address, offered as controls, written to the address.
import { html, nothing, svg } from "../../vendor/lit-html/lit-html.js";
import { save } from "../ask.js";
import { count, words } from "../format.js";
import { KINDS, outline } from "./marks.js";
import { here, link, setQuery, withQuery } from "../place.js";
import { monthsBefore } from "./series.js";

const DATE = /^\d{4}-\d\d-\d\d$/;
const ADJUSTED = { none: "As traded", splits: "Splits", all: "Splits + dividends" };
const TIMEFRAMES = { "1d": "Day", "1w": "Week", "1mo": "Month", "1q": "Quarter", "1y": "Year" };
const SCALES = { linear: "Linear", log: "Log" };
const HELP = {
  adjusted: "As traded: prices as they were; splits: in shares of today; dividends: less those paid since, too",
  timeframe: "Weeks and longer are made of the daily bars",
  scale: "Logarithmic: equal heights are equal percentages",
};
const RANGES = { "1M": 1, "6M": 6, "1Y": 12, "5Y": 60 };
const AROUND = 126; // bars: half a year of days
const AT_FIRST = { "1d": 12, "1w": 60 };

/** Return what the address chooses; what it does not say, or says wrongly, is as it is by itself. */
export function chosen({ query }) {
  const oneOf = (name, among, usual) => (Object.hasOwn(among, query.get(name)) ? query.get(name) : usual);
  const date = (name) => (DATE.test(query.get(name) ?? "") ? query.get(name) : null);
  return {
    adjusted: oneOf("adjusted", ADJUSTED, "splits"),
    timeframe: oneOf("timeframe", TIMEFRAMES, "1d"),
    log: query.get("scale") === "log",
    validated: query.get("validated_only") === "true",
    knownAt: query.get("known_at"),
    start: date("start"),
    end: date("end"),
    session: date("session"),
    hidden: new Set((query.get("hide") ?? "").split(",").filter(Boolean)),
    table: query.get("table") === "1",
  };
}

/** Return the parameters that the API wants for the bars chosen. */
export const barsQuery = ({ adjusted, timeframe, validated, knownAt }) => ({
  adjusted,
  timeframe,
  known_at: knownAt,
  validated_only: validated ? "true" : null,
});

/** Return the first date that the address wants to see; null where a session is to be in the middle. */
function firstDate(series, { start, end, session, timeframe }) {
  if (start) return start;
  const usual = AT_FIRST[timeframe] ? monthsBefore(series.sessions.at(-1), AT_FIRST[timeframe]) : series.sessions[0];
  return session && !end && session < usual ? null : usual;
}

/** Return the first and the last place of a series that the address wants to see, or null if there is none. */
export function rangeOf(series, choice) {
  const { start, end, session, timeframe } = choice;
  const last = series.sessions.length - 1;
  const from = firstDate(series, choice);
  if (from === null) {
    const middle = Math.max(0, series.upTo(session));
    return [Math.max(0, middle - AROUND), Math.min(last, middle + AROUND)];
  }
  const wanted = [
    timeframe === "1d" ? series.after(from) : Math.max(0, series.upTo(from)),
    end ? series.upTo(end) : last,
  ];
  if (!start && wanted[1] < wanted[0]) wanted[0] = Math.max(0, wanted[1] - 2 * AROUND);
  return wanted[0] <= wanted[1] ? wanted : null;
}

const choice = (legend, title, options, pressed, change) => html`<fieldset class="choice">
  <legend title=${title}>${legend}</legend>
  ${Object.entries(options).map(
    ([value, text]) =>
      html`<button type="button" aria-pressed=${value === pressed ? "true" : "false"} @click=${() => change(value)}>
        ${text}
      </button>`,
  )}
</fieldset>`;

/** The controls above the chart; `series` is null until the bars are there. */
export function controls(symbol, state, series) {
  const usual = (name, standard) => (value) => setQuery({ [name]: value === standard ? null : value });
  const validatedOnly = (event) => setQuery({ validated_only: event.target.checked ? "true" : null });
  const table = () => setQuery({ table: state.table ? null : "1" }, { replace: true });
  return html`<div class="controls">
    ${choice("Adjusted for", HELP.adjusted, ADJUSTED, state.adjusted, usual("adjusted", "splits"))}
    ${choice("A bar is a", HELP.timeframe, TIMEFRAMES, state.timeframe, usual("timeframe", "1d"))}
    ${choice("Scale", HELP.scale, SCALES, state.log ? "log" : "linear", usual("scale", "linear"))}
    ${ranges(state, series)}
    <label class="tick"><input type="checkbox" .checked=${state.validated} @change=${validatedOnly}>
      validated bars only</label>
    <p class="files"><a href=${csv(symbol, state)} download="${symbol}.csv" @click=${save}>CSV</a>
      <button type="button" aria-expanded=${state.table ? "true" : "false"} @click=${table}>Show as table</button></p>
  </div>`;
}

function ranges(state, series) {
  const first = series?.sessions[0];
  const newest = series?.sessions.at(-1);
  const starts = newest
    ? Object.fromEntries(Object.entries(RANGES).map(([name, months]) => [name, monthsBefore(newest, months)]))
    : {};
  const shown = (start) => Boolean(newest) && !state.end && firstDate(series, state) === start;
  const button = (name, start) => html`<button
    type="button" ?disabled=${!newest} aria-pressed=${shown(start) ? "true" : "false"}
    @click=${() => setQuery({ start, end: null })}>${name}</button>`;
  const dated = (name, label, value) => html`<label>${label}
    <input
      type="date" .value=${value ?? ""} min=${first ?? nothing} max=${newest ?? nothing}
      @change=${(event) => setQuery({ [name]: event.target.value })}></label>`;
  return html`<fieldset class="choice">
      <legend>Range</legend>
      ${Object.keys(RANGES).map((name) => button(name, starts[name]))}
      ${button("All", first)}
    </fieldset>
    ${dated("start", "From", state.start)}
    ${dated("end", "To", state.end)}`;
}

/** Return the address of this view with parts of its query changed. */
export const linkHere = (changes) => link("symbol", here().rest, { ...Object.fromEntries(here().query), ...changes });

/** Return the address of the bars chosen, as a file. */
export const csv = (symbol, state) =>
  withQuery(`/api/v1/historical/${encodeURIComponent(symbol)}.csv`, {
    ...barsQuery(state),
    start: state.start,
    end: state.end,
  });

/** The kinds of marks with how many there are of each; pressed are those shown. `places` may be null as yet. */
export function markToggles(places, hidden) {
  const toggle = (name) => {
    const changed = new Set(hidden);
    if (!changed.delete(name)) changed.add(name);
    setQuery({ hide: [...changed].join(",") }, { replace: true });
  };
  return html`<div class="marks" role="group" aria-label="Marks shown on the chart">
    ${KINDS.map(
      (kind) => html`<button
      type="button" class="mark" title=${kind.title} aria-pressed=${hidden.has(kind.name) ? "false" : "true"}
      @click=${() => toggle(kind.name)}>${shape(kind)} ${words(kind.name)}
      <span class="count">${places ? count(places[kind.name].length) : "…"}</span></button>`,
    )}
  </div>
  <details class="words"><summary>What the marks mean</summary>
    <dl>
      ${KINDS.map((kind) => html`<div><dt>${shape(kind)} ${words(kind.name)}</dt><dd>${kind.title}</dd></div>`)}
      <div><dt>a number</dt><dd>so many marks of the kind stand too close to be told apart: zoom in</dd></div>
      <div><dt>hollow or filled</dt><dd>a hollow candle closed above its open, a filled one below</dd></div></dl>
  </details>`;
}

const shape = (kind) => html`<svg class="shape ${kind.color}" viewBox="-9 -9 18 18" aria-hidden="true">
  ${svg`<polygon points=${outline(kind, 8)
    .map(([x, y]) => `${x.toFixed(1)},${y.toFixed(1)}`)
    .join(" ")}></polygon>
  <text y=${kind.corners === 3 ? 5.5 : 3.6} text-anchor="middle">${kind.letter}</text>`}
</svg>`;

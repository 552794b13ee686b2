// One bar in words, and the bars in sight as a table and as a sentence: what the chart shows as a picture.
import { html, nothing } from "../../vendor/lit-html/lit-html.js";
import { linkHere } from "./choices.js";
import { change, compact, count, price, words } from "../format.js";
import { measured, times } from "./marks.js";
import { badge, table } from "../parts.js";

const TABLE_ROWS = 100;
const PRICES = ["open", "high", "low", "close"];
const HELP = {
  gap: "open against the close before, splits and dividends of the session undone",
  ratio: "volume against the median of the 20 sessions before, splits undone",
  score: "1 less the penalty of each rule failed; of weeks and longer, that of the worst day",
};
const ADJUSTED = { none: "as traded", splits: "adjusted for splits", all: "adjusted for splits and dividends" };
const TIMEFRAMES = { "1d": "daily", "1w": "weekly", "1mo": "monthly", "1q": "quarterly", "1y": "yearly" };

/** A price of a bar: as traded with all its digits; adjusted, where they are the division's, to the cent from 1 on. */
const shown = (value, adjusted) => (adjusted === "none" || !(value >= 1) ? price(value) : value.toFixed(2));

const trend = (value) =>
  value == null ? "–" : html`<span class=${value < 0 ? "down" : "up"}>${value < 0 ? "▼" : "▲"} ${change(value)}</span>`;

/** What the rules say of a bar. */
export function verdict(bar) {
  const failed = bar.failed_rules.map((rule) => measured(rule, bar)).join("; ");
  if (!bar.validated) return badge("bad", `not validated: ${failed}`);
  if (bar.failed_rules.some((rule) => rule !== "corporate_action"))
    return badge("warn", `validated, flagged: ${failed}`);
  return badge("good", failed ? `validated (${failed})` : "validated");
}

/** A place of the series in words; `notes` is what else is known of it. */
export function legend(series, at, notes) {
  const bar = series.bar(at);
  const { adjusted, timeframe } = series.about;
  const date = html`<strong>${timeframe === "1d" ? "" : "from "}${series.sessions[at]}</strong>`;
  const prices =
    bar &&
    html`${PRICES.map(
        (name) => html`<span><abbr title=${name}>${name[0].toUpperCase()}</abbr> ${shown(bar[name], adjusted)}</span> `,
      )}
    <span><span class="sr-only">change</span> ${trend(bar.change)}</span>
    <span><abbr title="volume">V</abbr> <span title=${count(bar.volume)}>${compact(bar.volume)}</span></span>`;
  const judged =
    bar &&
    html`<p>
    ${
      timeframe === "1d"
        ? html`<span title=${HELP.gap}>gap ${change(bar.gap)}</span>
          <span title=${HELP.ratio}>volume ${times(bar.volume_ratio)} median</span>`
        : nothing
    }
    <span title=${HELP.score}>score ${bar.quality_score?.toFixed(2) ?? "…"}</span>
    ${verdict(bar)}</p>`;
  return html`<p>${date} ${prices ?? html`<span>no bar</span>`}</p>
    ${judged ?? nothing}
    ${said(notes)}`;
}

function said(notes = []) {
  const restated = notes.filter((note) => note.includes("restated ")).length;
  const more = notes.length > 4 ? html`<span class="faint">and ${notes.length - 4} more</span>` : nothing;
  return html`<p class="notes">${restated > 1 ? html`<span>restated ${restated} times</span>` : nothing}
    ${notes.slice(0, 4).map((note) => html`<span>${note}</span>`)} ${more}</p>`;
}

/** The chart in a sentence, for those who do not see it. */
export function summary(symbol, series, [from, to], places) {
  const { adjusted, timeframe, known_at: knownAt } = series.about;
  let [low, high, bars] = [Infinity, -Infinity, 0];
  for (let at = from; at <= to; at += 1) {
    const row = series.row[at];
    if (row < 0) continue;
    bars += 1;
    low = Math.min(low, series.columns.close[row]);
    high = Math.max(high, series.columns.close[row]);
  }
  const inSight = Object.entries(places ?? {})
    .map(([name, list]) => [list.filter((at) => at >= from && at <= to).length, words(name)])
    .filter(([marks]) => marks);
  const believed = knownAt ? `, as believed at ${knownAt}` : "";
  return [
    `Chart of ${symbol}, ${TIMEFRAMES[timeframe]}, ${ADJUSTED[adjusted]}${believed}:`,
    `${count(bars)} of ${count(series.answer.count)} bars, ${series.sessions[from]} to ${series.sessions[to]}`,
    bars ? `; closes from ${shown(low, adjusted)} to ${shown(high, adjusted)}` : "",
    inSight.length ? `; marks: ${inSight.map(([marks, name]) => `${marks} ${name}`).join(", ")}` : "",
    ".",
  ]
    .filter(Boolean)
    .join(" ")
    .replaceAll(" ;", ";")
    .replaceAll(" .", ".");
}

/** The bars in sight as a table. */
export function barsTable(symbol, series, [from, to]) {
  const { adjusted, timeframe } = series.about;
  const rows = [];
  for (let at = from; at <= to && rows.length < TABLE_ROWS; at += 1) if (series.row[at] >= 0) rows.push(series.bar(at));
  const columns = [
    ["Session"],
    ...["Open", "High", "Low", "Close", "Change", "Volume", "Score"].map((name) => [name, "number"]),
    ["Verdict"],
  ];
  const cells = (bar) => [
    timeframe === "1d"
      ? html`<a href=${linkHere({ session: bar.session })}>${bar.session}</a>`
      : bar.session,
    ...PRICES.map((name) => shown(bar[name], adjusted)),
    change(bar.change),
    count(bar.volume),
    bar.quality_score?.toFixed(2) ?? "…",
    verdict(bar),
  ];
  const cut = rows.length === TABLE_ROWS ? `, the first ${TABLE_ROWS}; the CSV has them all` : "";
  const caption = `Bars of ${symbol} in sight${cut}`;
  return table(caption, columns, rows.map(cells), "No bar in sight.");
}

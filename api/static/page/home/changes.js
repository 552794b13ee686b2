// What changed: what came since the last run that fetched, as counts, each with the first rows and a way to the rest.
// It asks nothing.
import { html, nothing } from "../../vendor/lit-html/lit-html.js";
import { change, count, price, time, words } from "../format.js";
import { sinceWhat } from "./cards.js";
import { link, withQuery } from "../place.js";

const SESSIONS = 5;
const EXACT = 6; // digits: some restatements are of the last of them
const LEAST_CHANGE = 0.00005; // of which two digits of a percentage tell

/** The section on what changed. */
export function changes(answer) {
  const { changed, run, since, payloads } = answer;
  const items = [
    newBars(changed.new_bars),
    flagged(changed.flagged),
    notArrived(changed.not_arrived),
    restated(changed.restated),
    rejections(changed.rejections),
    stated("split", changed.splits, (row) => `${row.split_to} for ${row.split_from}`),
    stated("dividend", changed.dividends, (row) => `${row.cash_amount} ${row.currency ?? ""}`),
  ];
  const none = items.filter((each) => !isThere(each)).map((each) => each.none);
  return html`<h2>What changed since ${sinceWhat(answer)}</h2>
    <p class="faint">
      ${run
        ? html`It began ${time(run.started_at)}; <a href=${withQuery("/", { run: run.run_id })}>what it did</a>. `
        : html`Since ${time(since)}. `}
      ${count(payloads)} ${payloads === 1 ? "payload" : "payloads"} came and ${payloads === 1 ? "is" : "are"} projected.
    </p>
    <ul class="changes">${items.filter(isThere).map(item)}</ul>
    ${none.length ? html`<p class="faint">No ${either(none)}.</p>` : nothing}`;
}

const item = ({ number, what, rows, rest }) => html`<li>
  <p><strong>${number}</strong> ${what}</p>
  ${rows?.length
    ? html`<ul class="first">
        ${rows.map((row) => html`<li>${row}</li>`)} ${rest ? html`<li class="faint">${rest}</li>` : nothing}
      </ul>`
    : nothing}
</li>`;

const isThere = ({ number }) => number !== "0";
const either = (names) => (names.length < 2 ? names[0] : `${names.slice(0, -1).join(", ")} or ${names.at(-1)}`);
const plural = (number, one, many = `${one}s`) => (number === 1 ? one : many);
const bar = (symbol, session) => html`<a href=${link("symbol", symbol, { session })}>${symbol}</a>`;
const more = (all, shown) => (all > shown ? `and ${count(all - shown)} more` : null);

function newBars({ count: found, counted_from: floor, sessions_count: sessions, sessions: newest }) {
  const shown = newest.slice(0, SESSIONS);
  const rest = more(sessions, shown.length);
  const within = sessions ? ` in ${count(sessions)} ${plural(sessions, "session")}` : "";
  const beyond = floor ? `; those before ${floor} are too many to be counted here` : "";
  return {
    none: "new bars",
    number: `${floor ? "≥ " : ""}${count(found)}`,
    what: `new ${plural(found, "bar")}${within}${beyond}`,
    rows: shown.map((row) => html`<a href=${link("audit", row.session)}>${row.session}</a> ${count(row.bars)}`),
    rest: rest && `${rest} ${plural(sessions - shown.length, "session")}`,
  };
}

function flagged({ session, bars, count: found, not_validated: bad, rules, rows }) {
  if (!session) return { none: "bars at all", number: "0" };
  const to = (query) => link("audit", session, { kind: "flagged", ...query });
  const failed = Object.entries(rules).filter(([, number]) => number > 0);
  return {
    none: `bars of ${session} flagged`,
    number: count(found),
    what: html`of ${count(bars)} bars of <a href=${to({})}>${session}</a> are flagged (failed a rule), ${count(bad)} not
      validated${failed.map(([name, number], at) =>
        html`${at ? ", " : ": "}<a href=${to({ rule: name })}>${words(name)}</a> ${count(number)}`,
      )}`,
    rows: rows.map(({ symbol, quality_score: score, failed_rules: rules }) =>
      html`${bar(symbol, session)} ${score.toFixed(2)} ${rules.map(words).join(", ")}`),
    rest: more(found, rows.length),
  };
}

function notArrived({ session, before, count: found, symbols }) {
  return {
    none: `symbols missing that had a bar of ${before ?? "the session before"}`,
    number: count(found),
    what: html`${plural(found, "symbol")} with a bar of ${before ?? "the session before"} and none of ${session
      ? html`<a href=${link("audit", session, { kind: "missing" })}>${session}</a>`
      : "the newest"}`,
    rows: symbols.map((symbol) => html`<a href=${link("symbol", symbol)}>${symbol}</a>`),
    rest: more(found, symbols.length),
  };
}

function restated({ count: found, sessions_count: sessions, last_session: last, rows }) {
  return {
    none: "bars restated",
    number: count(found),
    what: html`${plural(found, "bar")} restated${sessions
      ? html` in ${count(sessions)} ${plural(sessions, "session")}, the newest
          <a href=${link("audit", last, { kind: "restated" })}>${last}</a>`
      : nothing}`,
    rows: rows.map((row) => html`${bar(row.symbol, row.session)} ${row.session} ${restatement(row)}`),
    rest: more(found, rows.length),
  };
}

function restatement({ old_close: old, new_close: close, changed }) {
  if (!changed.includes("close")) return changed.map(words).join(", ");
  const by = old > 0 && Math.abs(close / old - 1) >= LEAST_CHANGE ? ` (${change(close / old - 1)})` : "";
  return `close ${price(old, EXACT)} → ${price(close, EXACT)}${by}`;
}

function rejections({ count: found, reasons, rows }) {
  const why = Object.entries(reasons).map(([name, number]) => `${words(name)} ${count(number)}`).join(", ");
  return {
    none: "rows rejected",
    number: count(found),
    what: `${plural(found, "row")} rejected${why ? `: ${why}` : ""}`,
    rows: rows.map((row) => html`${row.symbol ?? "–"} ${row.session
      ? html`<a href=${link("audit", row.session, { kind: "rejected" })}>${row.session}</a>`
      : html`<a href="/api/v1/payloads/${row.archive_seq}/facts">payload ${row.archive_seq}</a>`}
      ${row.reasons.map(words).join(", ")}`),
    rest: more(found, rows.length),
  };
}

const stated = (what, { count: found, rows }, say) => ({
  none: `${what}s stated`,
  number: count(found),
  what: `${plural(found, what)} stated`,
  rows: rows.map((row) => html`${bar(row.symbol, row.ex_date)} ${row.ex_date} ${say(row)}`),
  rest: more(found, rows.length),
});

// The head of a symbol's view: who it is, how fresh and how good, under which names it traded; and what else was meant.
import { html, nothing } from "../../vendor/lit-html/lit-html.js";
import { ask } from "../ask.js";
import { count, percent, words } from "../format.js";
import { badge } from "../parts.js";
import { link } from "../place.js";
import { openSearch } from "../search.js";

const HELP = {
  bars: "Validated: the quality score reaches the ruleset's threshold",
  flagged: "Opened further from the close before, or with more or less volume, than the ruleset's thresholds allow",
};
const NEAR = 12;
const OUTSIDE = new Set(["before_listing", "after_delisting"]);

/** What is known of a symbol, above its chart. */
export function header(facts) {
  const { coverage, score } = facts;
  const about = [
    facts.name,
    facts.primary_exchange,
    facts.type,
    facts.active === false ? "no longer listed" : null,
  ].filter(Boolean);
  const overall = score.overall == null ? "–" : percent(score.overall);
  const validated = html`<span class="faint">(${count(coverage.validated_bars)} validated)</span>`;
  const flagged = `${count(coverage.gaps_flagged)} large gaps, ${count(coverage.volume_anomalies)} volume anomalies`;
  return html`<h1>${facts.symbol}
      ${about.length ? html`<small class="faint">${about.join(" · ")}</small>` : nothing}</h1>
    <dl class="about">
      ${fact("Freshness", "Is the newest bar the newest there should be?", freshness(facts))}
      ${fact("Score", "The mean quality of its bars times how complete they are", overall)}
      ${fact("Bars", HELP.bars, html`${count(coverage.bars)} ${validated}`)}
      ${fact("Flagged", HELP.flagged, flagged)}
      ${fact("Restated", "How often the vendor changed a bar after it was first told", count(coverage.revisions))}
      ${fact("Rejected", "Raw rows that cannot be bars", count(coverage.rejections))}
    </dl>
    <p>${sentence(facts)}</p>
    ${otherNames(facts)}`;
}

const fact = (name, title, value) => html`<div><dt title=${title}>${name}</dt><dd>${value}</dd></div>`;

function freshness({ freshness: fresh, missing, active }) {
  if (!fresh.newest_bar) return badge("plain", "no bars");
  if (active === false || missing.after_delisting > 0) return badge("plain", `ended ${fresh.newest_bar}`);
  if (fresh.sessions_behind === 0) return badge("good", `up to date, ${fresh.newest_bar}`);
  return badge(
    "warn",
    `${count(fresh.sessions_behind)} sessions behind: ${fresh.newest_bar}, ${fresh.newest_expected} expected`,
  );
}

function sentence({ coverage, missing }) {
  if (!coverage.bars) return "No bar of it is here.";
  const lacking = Object.entries(missing).filter(([kind, sessions]) => sessions && !OUTSIDE.has(kind));
  const total = lacking.reduce((sum, [, sessions]) => sum + sessions, 0);
  const what = lacking.map(([kind, sessions]) => `${count(sessions)} ${words(kind)}`).join(", ");
  return html`Bars from ${coverage.first_session} to ${coverage.last_session}.
    ${
      total
        ? `${count(total)} ${total === 1 ? "session has" : "sessions have"} none (${what}).`
        : "No session is missing."
    }`;
}

function otherNames({ symbol, follow, ticker_changes: changes }) {
  if (follow.length < 2 && follow.every(({ ticker }) => ticker === symbol) && !changes.length) return nothing;
  const span = ({
    ticker,
    first,
    last,
  }) => html`<a href=${link("symbol", ticker, { start: first, end: last })}>${ticker}</a>
    ${first || last ? html`<span class="faint">(${first ?? "…"} to ${last ?? "now"})</span>` : nothing}`;
  return html`<p role="note">
    The same security has traded as ${follow.map((each, at) => html`${at ? ", then " : ""}${span(each)}`)}.
    ${changes.map((change) => html`From ${change.changed_on} on it was ${change.ticker}. `)}</p>`;
}

/** What is said of a symbol that is not known here: why, and which others are like it. */
export async function unknown(symbol, error, signal) {
  const near = await nearTo(symbol, signal);
  return html`<h1>${symbol}</h1>
    <div class="failure" role="alert"><p>${error.message}</p></div>
    ${
      near.length
        ? html`<h2>Did you mean</h2>
          <ul class="near">${near.map(
            (row) => html`<li><a href=${link("symbol", row.symbol)}>${row.symbol}</a> ${row.name ?? ""}
            <span class="faint">${count(row.bars)} bars</span></li>`,
          )}</ul>`
        : nothing
    }
    <p><button type="button" @click=${() => openSearch()}>Find a symbol</button></p>`;
}

/** Symbols that begin or are named like it; where none is, like its beginning. */
async function nearTo(symbol, signal) {
  for (let length = Math.min(symbol.length, 64); length > 0; length = Math.floor(length / 2)) {
    const { symbols } = await ask("/api/v1/symbols", { search: symbol.slice(0, length), limit: NEAR }, signal);
    if (symbols.length) return symbols;
  }
  return [];
}

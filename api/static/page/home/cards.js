// The cards: what is, as a number, with its trend, its range, and the same in words. It asks nothing.
import { html, nothing, svg } from "../../vendor/lit-html/lit-html.js";
import { ago, count, duration, percent, words as inWords } from "../format.js";
import { badge, loading, sparkline } from "../parts.js";
import { link, withQuery } from "../place.js";

const STRIP = 30;
const SLOTS = 15;
const WEEK_MS = 7 * 86_400_000;
const HOUR_MS = 3_600_000;

/** How an outcome of a run is shown: kind, word. */
export const OUTCOMES = {
  complete: ["good", "complete"],
  running: ["plain", "running"],
  unfinished: ["plain", "unfinished"],
  incomplete: ["warn", "incomplete"],
  stopped: ["bad", "stopped"],
  interrupted: ["bad", "killed"],
  not_passed: ["bad", "not passed"],
};

/** The cards; `lags` are the payloads that waited each time this page asked, `now` in milliseconds. */
export function cards(answers, problems, lags, now) {
  const made = [
    freshness(answers),
    run("Last nightly", "nightly", "nightlies", answers.runs, now),
    validation(answers),
    gaps(answers),
    restated(answers),
    rejected(answers),
    lag(answers, lags),
    safeguard("backup", "backups", answers, now),
    safeguard("drill", "drills", answers, now),
  ];
  const missed = problems.quality ?? problems.gaps;
  return html`<h2>In numbers</h2>
    <ul class="cards home-numbers">${made.map(card)}</ul>
    ${missed ? html`<p class="faint">Not all of it came: ${missed.message}</p>` : nothing}`;
}

const card = ({ name, help, value, words, trend, range, href }) => html`<li class="card" title=${help}>
  <h3>${href ? html`<a href=${href}>${name}</a>` : name}</h3>
  <p class="value">${value ?? "…"}</p>
  <p class="faint">${words ?? nothing}</p>
  ${trend ?? nothing}
  ${range ? html`<p class="range faint">${range}</p>` : nothing}
</li>`;

function freshness({ status, quality }) {
  const help = "The newest session of any bar; the trend is the share of the expected bars that came.";
  if (!status) return { name: "Newest session", help };
  const { newest_session: newest, newest_expected: expected, sessions_behind: behind } = status.freshness;
  const late = behind ? `${count(behind)} ${behind === 1 ? "session" : "sessions"} behind ${expected}` : null;
  const said = late ?? `${expected} is expected${newest == null ? "" : ": nothing is behind"}`;
  const share = (row) => (row.expected ? Math.min(1, row.bars / row.expected) : null);
  const seen = trendOf("Expected bars that came", sessionsOf(quality), share, (value) => percent(value, 1));
  const href = newest && link("audit", newest);
  return { name: "Newest session", help, value: newest ?? "none", words: said, href, ...seen };
}

function validation({ quality, status }) {
  const help = "Bars whose score reaches the ruleset's threshold, of all bars of the session.";
  if (!quality) return { name: "Validated", help };
  const newest = quality.sessions.findLast((row) => row.bars > 0);
  const all = status?.database.validation_rate_pct;
  const ofAll = all == null ? "" : `; ${percent(all / 100, 1)} of all`;
  return {
    name: "Validated",
    help,
    value: percent(newest?.validation_rate, 1),
    words: newest ? `of ${count(newest.bars)} bars of ${newest.session}${ofAll}` : "no bar in the last three months",
    href: newest && link("audit", newest.session, { kind: "flagged" }),
    ...trendOf("Bars validated", quality.sessions, (row) => row.validation_rate, (value) => percent(value, 1)),
  };
}

function gaps({ gaps: found, quality }) {
  const help =
    "Sessions of all symbols that were fetched and should have a bar, and have none: holes of the vendor, and " +
    "rejected rows. Beside them what was never fetched. The trend is what each session misses.";
  const missing = (row) => Math.max(0, row.expected - row.bars);
  const seen = trendOf("Bars missing", sessionsOf(quality), missing, count);
  if (!found) return { name: "Gaps", help, ...seen };
  const { vendor_hole: holes, rejected: bad, not_fetched: unfetched } = found.counts;
  const words = `${count(holes)} holes of the vendor, ${count(bad)} rejected; ${count(unfetched)} more not fetched yet`;
  return { name: "Gaps", help, value: count(holes + bad), words, ...seen };
}

function restated({ changes, quality }) {
  const help =
    "Bars that were known and of which the vendor now says something else; the trend is by the day on which it did.";
  const found = changes?.changed.restated;
  return {
    name: "Restated",
    help,
    value: found && count(found.count),
    words: found && `since ${sinceWhat(changes)}`,
    href: found?.last_session && link("audit", found.last_session, { kind: "restated" }),
    ...trendOf("Bars restated", daysOf(quality), (row) => row.bars, count, "days"),
  };
}

function rejected({ changes, quality }) {
  const help = "Rows of the vendor that cannot be a bar; the trend is by session.";
  const found = changes?.changed.rejections;
  const row = found?.rows.find((each) => each.session);
  return {
    name: "Rejected",
    help,
    value: found && count(found.count),
    words: found && `since ${sinceWhat(changes)}`,
    href: row && link("audit", row.session, { kind: "rejected" }),
    ...trendOf("Rows rejected", sessionsOf(quality), (each) => each.rejections, count),
  };
}

/** What `since` of the changes is, in words. */
export const sinceWhat = ({ run: last }) =>
  last ? `the last ${inWords(last.kind)}` : "the day before the newest payload";

function lag({ status, quality }, lags) {
  const help =
    "Payloads that are archived and not projected yet. The trend is how long after a session's close its first bars " +
    "came; sessions that came more than a week later, by a backfill, are left out.";
  const name = "Projection lag";
  if (!status) return { name, help };
  const { lag: waiting } = status.archive;
  const seen = lags.length > 1 ? `; ${rangeOf(lags, count)} while you look` : "";
  return {
    name,
    help,
    value: waiting === 0 ? "none" : count(waiting),
    words: `${waiting === 0 ? "no payload" : waiting === 1 ? "payload" : "payloads"} waiting to be projected${seen}`,
    ...trendOf("Close to first bar", sessionsOf(quality), hoursToKnow, (value) => `${value.toFixed(1)} h`),
  };
}

function hoursToKnow({ closed_at: closed, known_from: known }) {
  const wait = known == null ? Infinity : Date.parse(known) - Date.parse(closed);
  return wait > WEEK_MS ? null : wait / HOUR_MS;
}

function safeguard(kind, many, { status, runs }, now) {
  const name = `Last ${kind}`;
  const help =
    kind === "backup" ? "When a backup last ended well." : "When a backup was last restored and found to be the same.";
  if (!status) return { name, help };
  const last = status[`last_${kind}`];
  if (!last) return { name, help, value: badge("warn", "never"), words: html`run <code>ops ${kind}</code>` };
  const { trend, range, href } = run(name, kind, many, runs, now);
  const ends = { true: ["good", "passed"], false: ["bad", "failed"] };
  const [sign, state] = ends[last.passed] ?? ["plain", "has not ended"];
  const value = last.last_passed_at ? ago(last.last_passed_at, now) : "none passed";
  return {
    name,
    help,
    trend,
    range,
    href,
    value,
    words: html`${badge(sign, `last ${state}`)} ${last.error ?? nothing}`,
  };
}

function run(name, kind, many, runs, now) {
  const help = `How the last ${many} ended, the newest on the right.`;
  if (!runs) return { name, help };
  const href = withQuery("/", { kind });
  const [last, ...others] = runs.runs.filter((each) => each.kind === kind);
  if (!last) return { name, help, value: badge("warn", "never"), words: html`run <code>ingest ${kind}</code>`, href };
  const took = last.finished_at ? `, took ${tookOf(last)}` : "";
  return {
    name,
    help,
    href,
    value: outcome(last),
    words: `${ago(last.started_at, now)}${took}${last.rows == null ? "" : `, ${count(last.rows)} rows`}`,
    ...strip(many, [last, ...others].slice(0, STRIP).reverse()),
  };
}

/** How long a run took. */
export const tookOf = ({ started_at: from, finished_at: to }) =>
  duration(to && (Date.parse(to) - Date.parse(from)) / 1000);

/** A run's outcome with its sign. */
export function outcome(of) {
  const [kind, word] = OUTCOMES[of.outcome] ?? ["plain", of.outcome];
  return badge(kind, word);
}

/** The last runs as marks in a row: full where complete, half where incomplete, crossed where failed, hollow else. */
function strip(many, runs) {
  const kinds = runs.map((each) => OUTCOMES[each.outcome]?.[0] ?? "plain");
  const tally = Object.values(OUTCOMES)
    .map(([, word]) => [word, runs.filter((each) => OUTCOMES[each.outcome]?.[1] === word).length])
    .filter(([, found]) => found > 0)
    .map(([word, found]) => `${found} ${word}`)
    .join(", ");
  const ends = runs.map((each) => OUTCOMES[each.outcome]?.[1] ?? each.outcome).join(", ");
  const label = `The last ${runs.length} ${many}, oldest first: ${ends}`;
  const box = `0 0 ${10 * Math.max(SLOTS, runs.length)} 20`;
  return {
    trend: html`<svg class="strip" viewBox=${box} preserveAspectRatio="xMinYMid" role="img" aria-label=${label}>
      ${kinds.map((kind, at) => mark(kind, 10 * at))}
    </svg>`,
    range: `last ${runs.length}: ${tally}`,
  };
}

function mark(kind, x) {
  if (kind === "good") return svg`<rect class="good" x=${x + 1} y="2" width="7" height="16"></rect>`;
  if (kind === "warn") return svg`<rect class="warn" x=${x + 1} y="10" width="7" height="8"></rect>`;
  if (kind === "bad") return svg`<path class="bad" d="M${x + 1} 4L${x + 8} 16M${x + 8} 4L${x + 1} 16"></path>`;
  return svg`<rect class="plain" x=${x + 1.5} y="2.5" width="6" height="15"></rect>`;
}

const sessionsOf = (quality) => quality?.sessions ?? [];

/** Every day of the answer's range, with what was restated on it. */
function daysOf(quality) {
  if (!quality) return [];
  const found = new Map(quality.restated.map((row) => [row.day, row]));
  const days = [];
  for (let at = Date.parse(quality.start); at <= Date.parse(quality.end); at += 86_400_000) {
    const day = new Date(at).toISOString().slice(0, 10);
    days.push({ session: day, bars: found.get(day)?.bars ?? 0 });
  }
  return days;
}

function trendOf(what, rows, valueOf, show, unit = "sessions") {
  const values = rows.map(valueOf);
  const known = values.filter((value) => value != null);
  if (known.length < 2) return {};
  const range = rangeOf(known, show);
  const when = `${known.length} ${unit} from ${rows[0].session} to ${rows.at(-1).session}`;
  const label = `${what}, ${when}: ${range}, at last ${show(known.at(-1))}`;
  return { trend: sparkline(values, label), range: `${what}: ${range}, ${known.length} ${unit}` };
}

function rangeOf(values, show) {
  const [low, high] = [show(Math.min(...values)), show(Math.max(...values))];
  return low === high ? low : `${low} to ${high}`;
}

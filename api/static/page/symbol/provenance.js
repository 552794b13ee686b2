// The story of one bar: what the payloads said, raw against cleaned, the rules' verdicts and the sum that they make,
// what a person decided, and what was believed before. It draws no chart and knows no other bar.
import { html, nothing, render } from "../../vendor/lit-html/lit-html.js";
import { ask, save } from "../ask.js";
import { bytes, change, count, time, words } from "../format.js";
import { badge, failure, loading, table } from "../parts.js";
import { here, link, setQuery } from "../place.js";

const FIELDS = { open: "o", high: "h", low: "l", close: "c", volume: "v", vwap: "vw", trades: "n" };
const OUTCOMES = { current: "good", superseded: "warn", repeated: "plain", rejected: "bad" };
const REASONS_OF_FIELDS = { missing_: "is missing", not_a_number_: "is not a number", not_positive_: "is not above 0" };
const REASONS = {
  not_an_object: "it is no object",
  not_a_date: "its date is none",
  time_unknown: "its time is not a time of a daily bar",
  outside_range: "it lies outside the range that was asked for",
  not_a_session: "the exchange has no session on its date",
  duplicate_key: "the payload says another row of the same bar",
  other_ticker: "it is of another symbol than was asked for",
  control_in_ticker: "its symbol has a control character or a space in it",
  test_ticker: "exchanges test their systems with the symbol",
  undecodable_payload: "the payload could not be read",
};
const NAMED = /"(\w+)"\s*:\s*("(?:[^"\\]|\\.)*"|[^,}\]\s]+)/g;
const AROUND_DAYS = 40;
const SILENT_SHOWN = 20;
const DAY_MS = 86_400_000;
const NUMBER = new Intl.NumberFormat("en", { maximumFractionDigits: 20 });
const MEASURE = new Intl.NumberFormat("en", { maximumSignificantDigits: 6 });
const WHOLE_FROM = 1e6;
const SCORE = new Intl.NumberFormat("en", { minimumFractionDigits: 2, maximumFractionDigits: 6 });

const rulesets = new Map();
let byKeyboard = false;
let opener = null;
let neighbours = { symbol: null, start: "", end: "", days: [] };
let shown = { stop: new AbortController() };

addEventListener("keydown", () => (byKeyboard = true), { capture: true });
addEventListener("pointerdown", () => (byKeyboard = false), { capture: true });

/** Show the story of a bar, or of a row or a session that became none. */
export async function showBar(root, symbol, session, signal) {
  shown.stop.abort();
  const stop = new AbortController();
  const until = AbortSignal.any([signal, stop.signal]);
  const state = { root, symbol, session, stop, signal: until, facts: new Map(), opened: new Set(), answer: null };
  shown = state;
  const within = root.contains(document.activeElement);
  if (!within) opener = document.activeElement;
  draw(state);
  // Whoever steps from bar to bar stays on the step, as long as there is one.
  if (within ? !root.contains(document.activeElement) : byKeyboard) root.querySelector("h2").focus();
  document.addEventListener("keydown", escaped, { signal: until });
  await Promise.all([readBar(state), readNeighbours(state)]);
}

async function readBar(state) {
  try {
    const answer = await ask(`/api/v1/audit/${encodeURIComponent(state.symbol)}/${state.session}`, {}, state.signal);
    const ruleset = await readRuleset(answer.ruleset_hash, state.signal);
    Object.assign(state, { answer, ruleset });
  } catch (error) {
    state.problem = error;
  }
  if (!state.signal.aborted) draw(state);
}

/** Return a ruleset, which never changes under its digest. */
async function readRuleset(digest, signal) {
  if (!rulesets.has(digest)) rulesets.set(digest, await ask(`/api/v1/rulesets/${digest}`, {}, signal));
  return rulesets.get(digest);
}

/** Read which days around there is something to say of: bars, and the weekdays within gaps. */
async function readNeighbours(state) {
  const { symbol, session } = state;
  const at = Date.parse(session);
  if (Number.isNaN(at) || around(state).every(Boolean)) return;
  const [start, end] = [day(at - AROUND_DAYS * DAY_MS), day(at + AROUND_DAYS * DAY_MS)];
  const query = { start, end, columns: "session", layout: "columns" };
  try {
    const answer = await ask(`/api/v1/historical/${encodeURIComponent(symbol)}`, query, state.signal);
    const days = [...answer.bars.session, ...(answer.coverage?.missing ?? []).flatMap(weekdays)].sort();
    neighbours = { symbol, start, end, days };
  } catch {
    return; // the panel says what is wrong; without neighbours there is nowhere to step to
  }
  if (!state.signal.aborted) draw(state);
}

/** Return the days before and after, as far as they were read. */
function around({ symbol, session }) {
  const { start, end, days } = neighbours;
  if (neighbours.symbol !== symbol || !(start < session && session < end)) return [undefined, undefined];
  return [days.findLast((each) => each < session), days.find((each) => each > session)];
}

const day = (ms) => new Date(ms).toISOString().slice(0, 10);

function weekdays({ first, last }) {
  const days = [];
  for (let at = Date.parse(first); at <= Date.parse(last); at += DAY_MS) {
    if (![0, 6].includes(new Date(at).getUTCDay())) days.push(day(at));
  }
  return days;
}

function escaped(event) {
  if (event.key !== "Escape" || document.querySelector("dialog[open]")) return;
  if (here().query.has("session")) close();
}

function close() {
  shown.stop.abort();
  const back = opener?.isConnected && opener !== document.body ? opener : document.getElementById("main");
  setQuery({ session: null });
  back.focus();
}

function draw(state) {
  const { root, symbol, session, answer, problem } = state;
  const [before, after] = around(state);
  render(
    html`<div class="provenance">
      <div class="panel-head">
        <h2 tabindex="-1">${symbol} on ${session}</h2>
        <nav class="steps" aria-label="Sessions around">
          ${step(before, "Previous", "‹ ", "")} ${step(after, "Next", "", " ›")}
          <a href=${link("audit", session)}>the market that day</a>
          <button type="button" @click=${close} aria-keyshortcuts="Escape">Close <kbd>Esc</kbd></button>
        </nav>
      </div>
      ${problem ? failure(problem) : answer ? story(state) : loading("The bar is proved against its payloads …")}
    </div>`,
    root,
  );
}

const kept = (changes) => link("symbol", here().rest, { ...Object.fromEntries(here().query), ...changes });

const step = (session, name, left, right) =>
  session ? html`<a href=${kept({ session })} aria-label="${name}: ${session}">${left}${session}${right}</a>` : nothing;

function story(state) {
  const { said, bar, overrides: decided, actions: stated, revisions, audit } = state.answer;
  return html`
    ${summary(state)}
    <h3>What the payloads said</h3>
    ${sayings(state)}
    ${said.length ? html`<h3>Raw against cleaned</h3>${comparison(state.answer)}` : nothing}
    ${bar ? html`<h3>What the rules say</h3>${verdicts(state)}` : nothing}
    ${decided.length ? html`<h3>What a person decided</h3>${overrides(decided)}` : nothing}
    ${stated.length ? html`<h3>Splits and dividends</h3>${actions(stated)}` : nothing}
    ${revisions.length ? html`<h3>Believed before</h3>${beliefs(state.answer)}` : nothing}
    <details>
      <summary>What was proved just now</summary>
      <ul>${audit.checked.map((each) => html`<li>${each}</li>`)}</ul>
    </details>`;
}

function summary({ answer, ruleset, session }) {
  const { bar, audit } = answer;
  if (!bar) return html`<p role="status">${badge("bad", "no bar")} ${whyNone(answer, session)}</p>`;
  const flagged = answer.verdicts.filter((verdict) => !verdict.passed).length;
  return html`<p role="status">
    ${bar.validated ? badge("good", "validated") : badge("bad", "not validated")}
    ${flagged ? badge("warn", `flagged by ${flagged} ${flagged === 1 ? "rule" : "rules"}`) : nothing}
    ${audit.revised ? badge("warn", `restated ${audit.revised === 1 ? "once" : `${audit.revised} times`}`) : nothing}
    ${answer.overrides.some(stands) ? badge("warn", "overridden by a person") : nothing}
    Score ${SCORE.format(bar.quality_score)}; validated from ${SCORE.format(ruleset.validated_from)} on.
    Believed since ${time(bar.known_from)}, as payload ${bar.archive_seq} says.
  </p>`;
}

function whyNone({ audit, said, silent }, session) {
  if (!audit.is_session) return `${session} is no session of the exchange.`;
  if (said.length) return "Every row that speaks of it was rejected.";
  const missing = audit.differences.find((each) => each.kind === "missing");
  if (missing) return `Missing: ${missing.detail}.`;
  return silent.length ? "The vendor's answers leave it out." : "No payload was ever asked for it.";
}

// what the payloads said

function sayings(state) {
  const { said, silent } = state.answer;
  if (!said.length && !silent.length) return html`<p>Nothing: it is not fetched yet.</p>`;
  return html`
    ${said.length ? html`<ol class="said">${said.map((each) => html`<li>${saying(state, each)}</li>`)}</ol>` : nothing}
    ${silent.length ? silences(state, silent) : nothing}`;
}

function silences(state, silent) {
  const some = state.allSilent ? silent : silent.slice(0, SILENT_SHOWN);
  const rest = silent.length - some.length;
  return html`<p>Asked for it, and silent (a good answer without a row of it): ${count(silent.length)}.</p>
    <ul class="said">
      ${some.map((seq) => html`<li>${rawLink(seq)} ${badge("plain", "silent")} ${factsOf(state, seq)}</li>`)}
    </ul>
    ${rest
      ? html`<button type="button" @click=${() => redraw(state, { allSilent: true })}>Show ${count(rest)} more</button>`
      : nothing}`;
}

function saying(state, row) {
  const { archive_seq: seq, outcome, reasons } = row;
  const because = reasons.map((reason) => html`<li>Rejected: <code>${reason}</code>, ${reasonInWords(reason)}.</li>`);
  return html`<p>
      ${rawLink(seq)} ${badge(OUTCOMES[outcome] ?? "plain", became(outcome, row.by))}
      fetched ${time(row.fetched_at)}, ${row.source} ${words(row.endpoint)}, row index ${row.row_index}
    </p>
    <pre tabindex="0" role="group" aria-label="Row ${row.row_index} of payload ${seq}, as it was sent">${row.raw}</pre>
    ${reasons.length ? html`<ul>${because}</ul>` : nothing}
    ${factsOf(state, seq)}`;
}

function became(outcome, by) {
  if (outcome === "superseded") return `superseded by payload ${by}`;
  return outcome === "repeated" ? `repeats payload ${by}` : outcome;
}

function reasonInWords(reason) {
  for (const [start, what] of Object.entries(REASONS_OF_FIELDS)) {
    if (reason.startsWith(start)) return `${words(reason.slice(start.length))} ${what}`;
  }
  return REASONS[reason] ?? words(reason);
}

const rawLink = (seq) => html`<a
  href="/api/v1/payloads/${seq}" download="payload-${seq}" title="The vendor's bytes, proved against their SHA-256"
  @click=${save}
>payload ${seq}</a>`;

const factsOf = (state, seq) => html`<details
  ?open=${state.opened.has(seq)}
  @toggle=${(event) => toggled(state, seq, event.currentTarget.open)}
>
  <summary>Facts of payload ${seq}</summary>
  ${factList(state.facts.get(seq), seq)}
</details>`;

function toggled(state, seq, open) {
  if (open === state.opened.has(seq)) return;
  if (open) state.opened.add(seq);
  else state.opened.delete(seq);
  if (open && !state.facts.has(seq)) readFacts(state, seq);
}

async function readFacts(state, seq) {
  try {
    state.facts.set(seq, { found: await ask(`/api/v1/payloads/${seq}/facts`, {}, state.signal) });
  } catch (problem) {
    state.facts.set(seq, { problem });
  }
  redraw(state, {});
}

function factList(facts, seq) {
  if (!facts) return loading();
  if (facts.problem) return failure(facts.problem);
  const { found } = facts;
  const rows = {
    "asked for": html`<code>${found.request}</code>`,
    answer: `HTTP ${found.http_status}, ${found.transfer}, fetched ${time(found.fetched_at)}`,
    size: `${bytes(found.body_bytes)}, kept as ${bytes(found.stored_bytes)}`,
    "SHA-256": html`<code>${found.body_sha256}</code>`,
    run: html`<code>${found.run_id}</code>`,
  };
  const lines = Object.entries(rows).map(([name, what]) => html`<div><dt>${name}</dt><dd>${what}</dd></div>`);
  return html`<dl class="facts">${lines}</dl>
    <p>
      <a href="/api/v1/payloads/${seq}/facts" download="payload-${seq}-facts.json" @click=${save}>all facts as JSON</a>
    </p>`;
}

function redraw(state, changes) {
  Object.assign(state, changes);
  if (!state.signal.aborted) draw(state);
}

// raw against cleaned

/** A column for the bar, and one for each row that says something of its own: a repeated one says nothing new. */
function comparison(answer) {
  const rows = answer.said.filter(({ outcome }) => outcome !== "repeated");
  const sent = rows.map((row) => valuesSent(row, answer));
  const columns = [
    ["Field"],
    ["cleaned bar", "number"],
    ...rows.map((row) => [html`payload ${row.archive_seq}<br />${row.outcome}`, "number"]),
  ];
  const lines = Object.keys(FIELDS).map((field) => {
    const cleaned = answer.bar?.values[field] ?? null;
    return [field, exact(cleaned), ...sent.map((values) => sentCell(values.get(field), cleaned, answer.bar))];
  });
  return html`${table("Each field as it was sent, and as it is in the bar", columns, lines)}
    <p class="faint">“=” is the number of the bar, however it is written; “≠” differs from it, by so much.</p>`;
}

/** Return what a row says of each field: as written in it, or where it is no JSON, as it was read. */
function valuesSent(row, answer) {
  if (row.raw.trimStart().startsWith("{")) {
    const written = new Map([...row.raw.matchAll(NAMED)].map(([, name, text]) => [name, text]));
    return new Map(Object.entries(FIELDS).map(([field, name]) => [field, written.get(name) ?? null]));
  }
  const read = [...answer.revisions, answer.bar].find((each) => each?.archive_seq === row.archive_seq);
  return new Map(Object.keys(FIELDS).map((field) => [field, read ? exact(read.values[field]) : null]));
}

function sentCell(text, cleaned, bar) {
  if (text == null || text === "null") return html`<span class="faint">not sent</span>`;
  if (!bar) return text;
  const number = Number(text.replaceAll(",", ""));
  if (number === cleaned) return html`${text} <span class="faint">= same</span>`;
  return html`${text} <span class="warn">≠ differs ${difference(number, cleaned)}</span>`;
}

/** In percent where that is more than nothing, else as it is: a price of +0.000002. */
function difference(number, cleaned) {
  const share = number / cleaned - 1;
  if (!Number.isFinite(share)) return nothing;
  return Math.abs(share) >= 0.0001 ? change(share) : signed(number - cleaned);
}

const signed = (value) => `${value < 0 ? "−" : "+"}${MEASURE.format(Math.abs(value))}`;

const measured = (value) => {
  if (value == null) return "–";
  const format = Math.abs(value) < WHOLE_FROM ? MEASURE : NUMBER;
  return `${value < 0 ? "−" : ""}${format.format(Math.abs(value))}`;
};

const exact = (value) => (value == null ? "–" : NUMBER.format(value));

// the rules

function verdicts({ answer, ruleset }) {
  const charged = chargesOf(answer.verdicts);
  const rows = answer.verdicts.map((verdict) => [
    html`<code>${verdict.rule}</code>`,
    verdict.passed ? badge("good", "passed") : badge("bad", "failed"),
    html`${measured(verdict.measure)} <span class="faint">${limitsInWords(verdict.limits)}</span>`,
    chargeCell(verdict, charged),
  ]);
  const columns = [["Rule"], ["Verdict"], ["Measured", "number"], ["Charged", "number"]];
  const failed = answer.verdicts.filter((verdict) => !verdict.passed);
  const meanings = new Map(ruleset.rules.map((rule) => [rule.name, rule.meaning]));
  return html`${table("Verdict of each rule", columns, rows)}
    ${sum(answer, ruleset, charged)} ${meant(failed, meanings)}
    <details>
      <summary>What the rules mean</summary>
      ${meant(answer.verdicts, meanings)}
      <p class="faint">A bar starts at 1 and loses the penalty of each rule that fails; of a group only the dearest.</p>
    </details>`;
}

const limitsInWords = (limits) =>
  Object.entries(limits)
    .map(([name, limit]) => `${name} ${measured(limit)}`)
    .join(", ");

function chargeCell({ rule, passed, penalty, group }, charged) {
  if (charged.has(rule)) return `−${SCORE.format(penalty)}`;
  return html`0 <span class="faint">${passed ? `of ${SCORE.format(penalty)}` : `${group} once only`}</span>`;
}

const meant = (verdicts, meanings) => html`<dl class="meanings">
  ${verdicts.map(
    ({ rule, source }) => html`<div>
      <dt><code>${rule}</code></dt><dd>${meanings.get(rule) ?? nothing} (${source})</dd>
    </div>`,
  )}
</dl>`;

/** Return what is charged by rule: of the failed ones of a group only the dearest, the first of equals. */
function chargesOf(verdicts) {
  const dearest = new Map();
  for (const { rule, passed, penalty, group } of verdicts) {
    const key = group === null ? `rule ${rule}` : `group ${group}`;
    if (!passed && !(dearest.get(key)?.penalty >= penalty)) dearest.set(key, { rule, penalty });
  }
  return new Map([...dearest.values()].map(({ rule, penalty }) => [rule, penalty]));
}

function sum({ bar, overrides: decided }, { validated_from: from }, charged) {
  const { quality_score: score, validated } = bar;
  const total = [...charged.values()].reduce((left, penalty) => left - penalty, 1);
  const terms = [...charged].map(
    ([rule, penalty]) => html` − ${SCORE.format(penalty)} <span class="faint">(${rule})</span>`,
  );
  const enough = score >= from;
  const decision = decided.find(stands);
  return html`<p class="sum">
    Score: 1${terms.length ? terms : " − 0"} ${total < 0 ? "< 0, so" : "="} <strong>${SCORE.format(score)}</strong>;
    ${enough ? "at least" : "below"} ${SCORE.format(from)}: the rules ${enough ? "validate" : "do not validate"} it.
    ${decision ? `A person's decision stands above that: ${validated ? "validated" : "not validated"}.` : nothing}
  </p>`;
}

// what a person decided, what acts on the session, what was believed before

const stands = (version) => version.known_to == null;

const until = (version, word) => (stands(version) ? "" : ` ${word} ${time(version.known_to)}`);

const overrides = (decided) => html`<ul class="said">${decided.map(
  (each) => html`<li>
    ${badge(each.verdict === "accept" ? "good" : "bad", each.verdict === "accept" ? "accepted" : "rejected")}
    by ${each.decided_by}, ${time(each.decided_at)}, because: ${each.because}
    <span class="faint">(${rawLink(each.archive_seq)}${until(each, "held until")})</span>
  </li>`,
)}</ul>`;

const actions = (stated) => html`<ul class="said">${stated.map(
  (each) => html`<li>
    <strong>${actionName(each)}</strong>,
    ex-date ${each.ex_date}, ${each.applied_on ? `applied on ${each.applied_on}` : "not applied"};
    prices before are multiplied by ${measured(each.price_factor)}
    ${each.flags.map((flag) => badge("warn", words(flag)))}
    <span class="faint">
      as ${rawLink(each.archive_seq)} says, known from ${time(each.known_from)}${until(each, "to")}
    </span>
  </li>`,
)}</ul>`;

const actionName = ({ kind, split_from: from, split_to: to, cash }) =>
  kind === "split" ? `Split ${measured(from)} to ${measured(to)}` : `Dividend of ${exact(cash)}`;

function beliefs({ revisions, bar }) {
  const fields = Object.keys(FIELDS).filter((field) => [...revisions, bar].some((each) => each?.values[field] != null));
  const versions = [...revisions, ...(bar ? [bar] : [])];
  const rows = versions.map((each, at) => [
    html`<a href=${kept({ known_at: each.known_from })} title="The chart as known then">${time(each.known_from)}</a>
      <span class="faint">${each.known_to ? `to ${time(each.known_to)}` : "and now"}</span>`,
    ...fields.map((field) => beliefCell(each.values[field], versions[at - 1]?.values[field], at > 0)),
    rawLink(each.archive_seq),
  ]);
  const columns = [["Believed from"], ...fields.map((field) => [field, "number"]), ["As said by"]];
  return table("What was believed of this bar, in order", columns, rows);
}

const beliefCell = (value, before, later) =>
  later && value !== before ? html`${exact(value)} <span class="warn">≠ changed</span>` : exact(value);

// The story of one bar: what the payloads said, raw against cleaned, the rules' verdicts and the sum that they make,
// what a person decided, and what was believed before. It draws no chart and knows no other bar.
import { html, nothing, render } from "../../vendor/lit-html/lit-html.js";
import { ask } from "../ask.js";
import { actions, beliefs, stands } from "./believed.js";
import { linkHere } from "./choices.js";
import { time } from "../format.js";
import { score } from "./numbers.js";
import { badge, failure, loading } from "../parts.js";
import { here, link, setQuery } from "../place.js";
import { comparison, sayings } from "./said.js";
import { overrides, verdicts } from "./verdicts.js";

const PAUSE_MS = 200; // proving a bar costs the server more than a quick hand that steps on
const AROUND_DAYS = 40;
const DAY_MS = 86_400_000;

const rulesets = new Map();
let byKeyboard = false;
let opener = null;
let neighbours = { symbol: null, start: "", end: "", days: [] };
let shown = new AbortController();

addEventListener("keydown", () => (byKeyboard = true), { capture: true });
addEventListener("pointerdown", () => (byKeyboard = false), { capture: true });

/** Show the story of a bar, or of a row or a session that became none. */
export async function showBar(root, symbol, session, signal) {
  shown.abort();
  shown = new AbortController();
  const until = AbortSignal.any([signal, shown.signal]);
  const state = { root, symbol, session, signal: until, facts: new Map(), opened: new Set(), answer: null };
  state.redraw = () => !until.aborted && draw(state);
  const within = root.contains(document.activeElement);
  if (!within) opener = document.activeElement;
  draw(state);
  // Whoever steps from bar to bar stays on the step, as long as there is one.
  if (within ? !root.contains(document.activeElement) : byKeyboard) root.querySelector("h2").focus();
  document.addEventListener("keydown", escaped, { signal: until });
  const neighbours = readNeighbours(state);
  if (within) await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
  if (!until.aborted) await Promise.all([readBar(state), neighbours]);
}

async function readBar(state) {
  try {
    const answer = await ask(`/api/v1/audit/${encodeURIComponent(state.symbol)}/${state.session}`, {}, state.signal);
    const ruleset = await readRuleset(answer.ruleset_hash, state.signal);
    Object.assign(state, { answer, ruleset });
  } catch (error) {
    state.problem = error;
  }
  state.redraw();
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
  state.redraw();
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
  shown.abort();
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
        <button type="button" @click=${close} aria-keyshortcuts="Escape">Close <kbd>Esc</kbd></button>
        <nav class="steps" aria-label="Sessions around">
          ${step(before, "Previous", "‹ ", "")} ${step(after, "Next", "", " ›")}
          <a href=${link("audit", session)}>the market that day</a>
        </nav>
      </div>
      ${problem ? failure(problem) : answer ? story(state) : loading("The bar is proved against its payloads …")}
    </div>`,
    root,
  );
}

/** A step to another day; where there is none, or none as yet, its room. */
const step = (session, name, left, right) =>
  session
    ? html`<a href=${linkHere({ session })} aria-label="${name}: ${session}">${left}${session}${right}</a>`
    : html`<span class="no-step">${left}0000-00-00${right}</span>`;

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
    Score ${score(bar.quality_score)}; validated from ${score(ruleset.validated_from)} on.
    Believed since ${time(bar.known_from)}, as payload ${bar.archive_seq} says.
  </p>`;
}

function whyNone({ audit, said, silent }, session) {
  if (!audit.is_session) return `${session} is no session of the exchange.`;
  if (said.length) return "Every row that speaks of it was rejected.";
  const missing = audit.differences.find((each) => each.kind === "missing");
  if (missing) return `Missing: ${missing.detail}.`;
  return silent.length ? "The vendor's answers leave it out." : "It was never asked for.";
}

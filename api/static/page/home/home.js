// Home: is my data good today? It asks, keeps the answers, and asks again every minute while somebody looks; what is
// made of them is in verdict.js, cards.js, changes.js and runs.js.
import { html, render } from "../../vendor/lit-html/lit-html.js";
import { ask } from "../ask.js";
import { showCoverage, updateCoverage } from "./coverage.js";
import { cards } from "./cards.js";
import { changes } from "./changes.js";
import { showRuns, tellNewRuns, updateRuns } from "./runs.js";
import { verdict } from "./verdict.js";
import { failure, loading } from "../parts.js";

const MINUTE_MS = 60_000;
const SESSIONS_DAYS = 89; // some sixty sessions
const RUNS = 200;
const LAGS = 60;

let state = {};

export const title = () => "Is my data good today?";

/** Show home; the heat map and the run that is opened are in the address. */
export async function show(place, root, signal) {
  state = { signal, place, answers: {}, problems: {}, lags: [], read: null, clock: null, lookedAt: null };
  render(frame(), root);
  state.parts = Object.fromEntries(
    ["verdict", "cards", "changes", "coverage", "runs"].map((name) => [name, root.querySelector(`.home-${name}`)]),
  );
  showRuns(state.parts.runs, place, signal);
  draw();
  refreshEveryMinute(signal);
  state.covered = showCoverage(state.parts.coverage, place, signal);
  await refresh();
}

/** Show what the address names now. */
export function update(place) {
  state.place = place;
  updateRuns(place);
  updateCoverage(place);
}

const frame = () => html`<h1>Is my data good today?</h1>
  <div class="home-verdict"></div>
  <div class="home-cards"></div>
  <div class="home-changes"></div>
  <div class="home-coverage"></div>
  <div class="home-runs"></div>`;

function refreshEveryMinute(signal) {
  const again = () => document.visibilityState === "visible" && Date.now() - state.lookedAt >= MINUTE_MS && refresh();
  const timer = setInterval(again, MINUTE_MS / 12);
  document.addEventListener("visibilitychange", again, { signal });
  addEventListener("serverback", refresh, { signal });
  signal.addEventListener("abort", () => clearInterval(timer));
}

/** Ask for everything at once; what depends on the projection alone is asked again only when that has changed. */
async function refresh() {
  const of = state;
  of.lookedAt = Date.now();
  const others = [
    read(of, "fresh", "/fresh", {}, keepClock),
    read(of, "changes", "/api/v1/changes", {}, (answer) => answer),
    read(of, "runs", "/api/v1/runs", { limit: RUNS }, tellRuns),
    of.covered,
  ];
  await read(of, "status", "/api/v1/status", {}, keepLag);
  await refreshTrends(of, others);
}

/** Ask for the trends, and after all `others` for the gaps: to count the whole market's may take a server seconds. */
async function refreshTrends(of, others) {
  const { generation, archive, freshness } = of.answers.status ?? {};
  const projected = generation && `${generation.generation_id} ${archive.checkpoint} ${freshness.newest_expected}`;
  if (of.signal.aborted || !projected || projected === of.read) return;
  of.read = projected;
  const start = daysBefore(freshness.newest_expected, SESSIONS_DAYS);
  await Promise.all([...others, read(of, "quality", "/api/v1/quality", { start }, (answer) => answer)]);
  await read(of, "gaps", "/api/v1/gaps", { limit: 1 }, (answer) => answer);
  // What did not come is asked for again next time.
  if (of.problems.quality || of.problems.gaps) of.read = null;
}

async function read(of, name, path, query, keep) {
  try {
    of.answers[name] = keep(await ask(path, query, of.signal), of);
    delete of.problems[name];
  } catch (error) {
    if (of.signal.aborted || error.name === "AbortError") return;
    // A check that failed is an answer, too: it says which, and what to do.
    if (error.answer?.checks) {
      of.answers[name] = keep(error.answer, of);
      delete of.problems[name];
    } else of.problems[name] = error;
  }
  if (!of.signal.aborted) draw();
}

function keepLag(status, of) {
  of.lags = [...of.lags, status.archive.lag].slice(-LAGS);
  return status;
}

/** The clock of the server, which need not be this one's. */
function keepClock(answer, of) {
  of.clock = { said: Date.parse(answer.now), heard: performance.now() };
  return answer;
}

function tellRuns(answer) {
  tellNewRuns(answer);
  return answer;
}

const now = () => (state.clock ? state.clock.said + performance.now() - state.clock.heard : Date.now());
const daysBefore = (day, days) => new Date(Date.parse(day) - 86_400_000 * days).toISOString().slice(0, 10);

function draw() {
  const { parts, answers, problems, lags } = state;
  const isEmpty = problems.status?.code === "nothing_projected";
  render(verdict(answers, problems, now()), parts.verdict);
  render(cards(answers, problems, lags, now()), parts.cards);
  render(changed(), parts.changes);
  for (const name of ["cards", "changes", "coverage"]) parts[name].hidden = isEmpty;
}

function changed() {
  const { changes: answer } = state.answers;
  if (answer) return changes(answer);
  return html`<h2>What changed</h2>${state.problems.changes ? failure(state.problems.changes) : loading()}`;
}

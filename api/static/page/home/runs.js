// The runs: what ran and how it ended, by kind, page by page, and one of them in full; kind and run are in the address.
import { html, nothing, render } from "../../vendor/lit-html/lit-html.js";
import { ask } from "../ask.js";
import { bytes, count, time, words } from "../format.js";
import { outcome, tookOf } from "./cards.js";
import { failure, loading, table } from "../parts.js";
import { here, setQuery, withQuery } from "../place.js";

const SHOWN = 15;
const PAGE = 100;
const KINDS = ["nightly", "backfill", "flat_files", "backup", "drill", "scrub", "spot-check"];
const COLUMNS = [
  ["Run"], ["Started", "nowrap"], ["Took", "number"], ["Ended"], ["Requests", "number"],
  ["Rows", "number"], ["Came", "number"],
];

let state = {};

/** Show the runs; those of all kinds are told by `tellNewRuns`, those of one are asked for here. */
export function showRuns(root, place, signal) {
  const nothingYet = { kind: null, all: null, rows: null, cursor: null, run: null, details: null, problem: null };
  state = { ...nothingYet, root, signal, shown: SHOWN };
  updateRuns(place);
}

/** Show what the address names now: a kind, a run. */
export function updateRuns(place) {
  const [kind, run] = [place.query.get("kind"), place.query.get("run")];
  if (kind !== state.kind) {
    Object.assign(state, { kind, shown: SHOWN, ...(kind ? { rows: null, cursor: null } : firstOf(state.all)) });
    if (kind) readPage();
  }
  if (run !== state.run) {
    Object.assign(state, { run, details: null, problem: null });
    if (run) readRun(run);
  }
  draw();
}

/** Take the newest runs of all kinds in; rows that are shown already stay. */
export function tellNewRuns(answer) {
  state.all = answer;
  const isFirst = state.rows === null || state.rows.length <= answer.runs.length;
  if (state.kind === null && isFirst) Object.assign(state, firstOf(answer));
  else if (state.rows !== null) {
    const newer = answer.runs.filter((run) => !state.kind || run.kind === state.kind);
    const told = new Set(newer.map((run) => run.run_id));
    state.rows = [...newer, ...state.rows.filter((run) => !told.has(run.run_id))];
    state.rows.sort((one, other) => other.started_at.localeCompare(one.started_at));
  }
  const opened = answer.runs.find((run) => run.run_id === state.run);
  if (opened && state.details && opened.outcome !== state.details.run.outcome) readRun(state.run);
  draw();
}

const firstOf = (answer) => ({ rows: answer?.runs ?? null, cursor: answer?.next_cursor ?? null });

async function readPage() {
  const of = state;
  const { kind, cursor } = of;
  try {
    const page = await ask("/api/v1/runs", { kind, limit: PAGE, cursor }, of.signal);
    if (of.kind !== kind || of.cursor !== cursor) return;
    Object.assign(of, { rows: [...(of.rows ?? []), ...page.runs], cursor: page.next_cursor, problem: null });
  } catch (error) {
    if (of.signal.aborted) return;
    of.problem = error;
  }
  draw();
}

async function readRun(run) {
  const of = state;
  try {
    const details = await ask(`/api/v1/runs/${encodeURIComponent(run)}`, {}, of.signal);
    if (of.run !== run) return;
    const isNew = of.details === null;
    Object.assign(of, { details, problem: null });
    draw();
    if (isNew) of.root.querySelector("#run-title")?.focus();
  } catch (error) {
    if (of.signal.aborted || of.run !== run) return;
    of.problem = error;
    draw();
  }
}

function showMore() {
  state.shown += PAGE;
  if (state.shown > state.rows.length && state.cursor) readPage();
  draw();
}

function draw() {
  const { root, run, details, problem } = state;
  render(
    html`<h2 id="runs">Runs</h2>
      ${run && details ? inFull(details) : nothing}
      ${problem ? failure(problem) : run && !details ? loading() : nothing}
      <div class="controls">
        <label>Kind <select @change=${(event) => setQuery({ kind: event.target.value, run: null })}>
          <option value="" ?selected=${!state.kind}>all</option>
          ${[...new Set([...KINDS, ...(state.kind ? [state.kind] : [])])].map(
            (kind) => html`<option value=${kind} ?selected=${kind === state.kind}>${words(kind)}</option>`,
          )}
        </select></label>
      </div>
      ${state.rows ? listed() : problem ? nothing : loading()}`,
    root,
  );
}

function listed() {
  const { kind, rows, shown, cursor } = state;
  const empty = kind
    ? `There was no ${words(kind)} yet.`
    : html`Nothing ran yet; <code>ingest nightly</code> is what should run every night.`;
  const caption = `${kind ? words(kind) : "All"} runs, newest first`;
  return html`${table(caption, COLUMNS, rows.slice(0, shown).map(line), empty)}
    ${rows.length > shown || cursor
      ? html`<button type="button" @click=${showMore}>Show more runs</button>`
      : nothing}`;
}

const line = (run) => [
  html`<a
    href=${withQuery("/", { ...Object.fromEntries(here().query), run: run.run_id })}
    aria-current=${run.run_id === state.run ? "true" : nothing}
  >${words(run.kind)}<span class="sr-only"> of ${time(run.started_at)}</span></a>`,
  time(run.started_at),
  tookOf(run),
  html`${outcome(run)} ${run.failed ? `${count(run.failed)} not got` : nothing} ${run.stopped_by ?? nothing}`,
  count(run.requests),
  count(run.rows),
  bytes(run.body_bytes),
];

function inFull({ run, error, plan, result, steps }) {
  return html`<section class="run" aria-labelledby="run-title">
    <h3 id="run-title" tabindex="-1">${words(run.kind)} of ${time(run.started_at)} ${outcome(run)}</h3>
    ${error ? html`<p class="failure">${error}</p>` : nothing}
    <dl>
      ${fact("run", run.run_id)} ${fact("took", tookOf(run))}
      ${Object.entries({ ...plan, ...result })
        .filter(([name]) => name !== "run_id" && name !== "error")
        .map(([name, value]) => fact(words(name), said(value)))}
    </dl>
    ${steps.length
      ? table(
          "How its parts ended",
          [["Parts", "number"], ["Asked for"], ["Ended"], ["Why"], ["Of"]],
          steps.map((step) => [
            count(step.steps),
            words(step.endpoint ?? "–"),
            words(step.ending ?? "–"),
            step.why ?? "",
            `${step.subjects.slice(0, 10).join(", ")}${step.steps > step.subjects.length ? " …" : ""}`,
          ]),
        )
      : nothing}
    <p><button type="button" @click=${() => setQuery({ run: null })}>Close</button></p>
  </section>`;
}

const fact = (name, value) => html`<div><dt>${name}</dt><dd>${value}</dd></div>`;

/** What a run left in the ledger under a name, whatever it is. */
function said(value) {
  if (value === null || value === "") return "–";
  if (typeof value === "number") return count(value);
  if (Array.isArray(value)) return value.length ? value.map(said).join(", ") : "none";
  if (typeof value !== "object") return String(value);
  return Object.entries(value).map(([name, each]) => `${name} ${said(each)}`).join(", ") || "none";
}

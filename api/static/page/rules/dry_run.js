// The dry run: a form made of a ruleset, whose every edit stands in the address, and the run of what it says. What is
// found is shown by dry_run_report.js. It writes nothing: the command line promotes.
import { html, nothing, render } from "../../vendor/lit-html/lit-html.js";
import { ask } from "../ask.js";
import { badge, failure } from "../parts.js";
import { here, link, setQuery } from "../place.js";
import { report } from "./dry_run_report.js";
import { rulesetLink, rulesetOptions, rulesFile } from "./rules_parts.js";
import { asEdit, countEdits, edited, fileOf, obstacle, tickersEdit, unknownEdits } from "./rules_file.js";

const TICK_MS = 1000;
let state = null;

/** Show the form of the ruleset that the address names, with the edits of the address. */
export async function showDryRun(place, root, signal) {
  state = { root, signal, known: [], base: null, run: null, said: null };
  signal.addEventListener("abort", stop, { once: true });
  state.known = (await ask("/api/v1/rulesets", {}, signal)).rulesets;
  await takeBase(nameOfBase(place));
}

/** Show what the address says now. */
export async function updateDryRun(place) {
  if (nameOfBase(place) !== state.asked) await takeBase(nameOfBase(place));
  else draw();
}

const nameOfBase = (place) => place.query.get("base") ?? "live";

async function takeBase(name) {
  state.asked = name;
  const base = await ask(`/api/v1/rulesets/${encodeURIComponent(name)}`, {}, state.signal);
  if (state.asked !== name) return;
  state.base = base;
  draw();
}

async function run(event) {
  event.preventDefault();
  const text = fileOf(edited(state.base, here().query));
  const stopping = new AbortController();
  const mine = { text, stopping, began: performance.now(), answer: null, error: null, ended: false };
  state.run = mine;
  state.said = null;
  const ticking = setInterval(draw, TICK_MS);
  draw();
  document.getElementById("cancel").focus();
  try {
    mine.answer = await ask("/api/v1/dry-run", { rules: text }, stopping.signal);
  } catch (error) {
    mine.error = error;
  } finally {
    clearInterval(ticking);
    mine.ended = true;
    mine.seconds = (performance.now() - mine.began) / 1000;
  }
  if (state.run !== mine || state.signal.aborted) return;
  if (mine.error?.name === "AbortError") state.run = null;
  draw();
  document.getElementById(mine.answer ? "report" : "run")?.focus({ preventScroll: true });
  if (mine.answer) document.getElementById("report").scrollIntoView({ block: "start" });
}

const elapsed = (mine) => Math.floor((performance.now() - mine.began) / 1000);

/** End the run: the server ends the replay as soon as nobody waits for it. */
function stop() {
  state.run?.stopping.abort();
}

function say(text) {
  state.said = text;
  draw();
}

function draw() {
  const { base, root, signal, run: mine } = state;
  if (signal.aborted || !base) return;
  const { query } = here();
  const edits = edited(base, query);
  const problem = obstacle(edits);
  const isRunning = mine !== null && !mine.ended;
  const isOfThese = mine?.answer && !problem && mine.text === fileOf(edits);
  render(
    html`<h1>Dry run</h1>
      <p>Edit the rules and see what a rebuild by them would change, before anything is built. Nothing is written; the
        edits stand in the address, so that they can be sent to somebody. <a href=${link("rules")}>All rulesets</a></p>
      <form class="dry-run" @submit=${run}>
        ${head(edits)} ${unknown(unknownEdits(base, query))}
        <fieldset>
          <legend>Settings</legend>
          <div class="edits">${edits.settings.map(input)} ${tickers(edits.tickers)}</div>
        </fieldset>
        <h2>Rules</h2>
        <p class="faint">A score starts at 1 and loses the penalty of each failed rule; of the rules of one group that
          fail only the largest penalty counts.</p>
        <div class="rule-grid">${edits.rules.map(rule)}</div>
        <p class="controls run-line">
          <button id="run" class="primary" ?disabled=${isRunning || problem !== null}>Dry run</button>
          <button type="button" id="cancel" ?hidden=${!isRunning} @click=${stop}>Cancel</button>
          <span role="status">${isRunning ? "Replaying the archive …" : (problem ?? nothing)}</span>
          ${isRunning ? html`<span class="faint" aria-hidden="true">${elapsed(mine)} s</span>` : nothing}
        </p>
        <p class="faint">It takes as long as a rebuild: seconds for a few hundred symbols, a minute or two for the whole
          market; one is made at a time, behind everything else the machine has to do.</p>
      </form>
      ${mine?.error ? refusal(mine.error) : nothing}
      ${mine?.answer && !isOfThese
        ? html`<p>${badge("warn", "edited since")} The report below is of the rules before your last edits.</p>`
        : nothing}
      ${mine?.answer ? report(mine.answer, mine.seconds, state.said, say) : file(edits, problem)}`,
    root,
  );
}

function head(edits) {
  const { base, known } = state;
  const many = countEdits(edits);
  const choose = (event) => setQuery({ base: event.target.value });
  const values = ["live", ...known.map(({ hash }) => hash)];
  const asked = values.find((value) => value === state.asked || value === base.ruleset.hash) ?? "live";
  return html`<p class="controls">
      <label>Begin with
        <select id="base" @change=${choose}>
          <option value="live" ?selected=${asked === "live"}>the live rules</option>
          ${rulesetOptions(known, asked)}
        </select>
      </label>
      <span>${rulesetLink(base.ruleset.hash)}</span>
      <span role="status">${many ? badge("warn", `${many} edited`) : badge("plain", "nothing edited")}</span>
      ${many ? html`<a href=${link("rules", "dry-run", { base: state.asked })}>Undo all edits</a>` : nothing}
    </p>
    ${base.ruleset.runs_here
      ? nothing
      : html`<p>${badge("warn", "other code")} This software lacks a rule of this ruleset, or has another version of
          it: it cannot judge as it did then.</p>`}`;
}

const unknown = (names) =>
  names.length
    ? html`<p class="failure" role="alert">The address says <code>${names.join(", ")}</code>, which these rules do not
        have; it is left out.</p>`
    : nothing;

function input(field) {
  const id = `edit-${field.name.replaceAll(".", "-")}`;
  const typed = (event) => setQuery({ [field.name]: asEdit(field, event.target.value) }, { replace: true });
  return html`<div class="edit ${field.isEdited ? "edited" : ""}">
    <label for=${id}>${field.label}</label>
    <input
      id=${id} type="text" inputmode="decimal" autocomplete="off" spellcheck="false"
      .value=${field.given} @input=${typed}
      aria-invalid=${field.problem ? "true" : "false"} aria-describedby="${id}-note"
    />
    <span id="${id}-note" class="note">${note(field)}</span>
  </div>`;
}

const note = ({ problem, isEdited, was }) =>
  html`${problem ? html`<span class="bad">✕ ${problem}</span> ` : nothing} ${isEdited ? formerly(was) : nothing}`;

const formerly = (was) => html`<span class="warn">▲ was ${was}</span>`;

function tickers({ given, isEdited }) {
  const typed = (event) => setQuery({ test_tickers: tickersEdit(state.base, event.target.value) }, { replace: true });
  return html`<div class="edit wide ${isEdited ? "edited" : ""}">
    <label for="edit-test-tickers">test tickers, whose rows are rejected</label>
    <input
      id="edit-test-tickers" type="text" autocomplete="off" spellcheck="false" .value=${given} @change=${typed}
      aria-describedby="edit-test-tickers-note"
    />
    <span id="edit-test-tickers-note" class="note">
      ${isEdited ? formerly(state.base.test_tickers.join(" ") || "none") : nothing}
    </span>
  </div>`;
}

function rule(one) {
  const turned = (event) => setQuery({ [one.name]: event.target.checked ? null : "off" }, { replace: true });
  return html`<fieldset class=${one.isOn ? "" : "edited"}>
    <legend>
      <label class="switch">
        <input type="checkbox" .checked=${one.isOn} @change=${turned} /> <strong>${one.name}</strong>
      </label>
      ${one.isOn ? nothing : html`<span class="warn">▲ off</span>`}
    </legend>
    <p class="faint">
      ${one.meaning ?? "This software does not have this rule."} ${one.group == null ? nothing : `Group ${one.group}.`}
    </p>
    ${one.isOn ? html`<div class="edits">${one.fields.map(input)}</div>` : nothing}
  </fieldset>`;
}

const refusal = (error) =>
  error.code === "too_busy"
    ? html`<div class="failure" role="alert"><strong>Busy</strong><p>${error.message}.</p></div>`
    : failure(error);

const file = (edits, problem) =>
  problem
    ? nothing
    : html`<details>
        <summary>The rules file of these edits</summary>
        ${rulesFile(fileOf(edits), "rules.toml", state.said, say)}
      </details>`;


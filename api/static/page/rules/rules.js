// The rules: the rulesets that were ever used and the generations they judged, one of them whole, and how two differ.
// The dry run of an edited one is dry_run.js.
import { html, nothing, render } from "../../vendor/lit-html/lit-html.js";
import { ask } from "../ask.js";
import { count, time } from "../format.js";
import { badge, table } from "../parts.js";
import { go, link, setQuery } from "../place.js";
import { showDryRun, updateDryRun } from "./dry_run.js";
import { differenceTable, rulesetLink, rulesetOptions, rulesFile, short } from "./rules_parts.js";

const DRY_RUN = "dry-run";
let state = null;

export function title(place) {
  if (place.rest === DRY_RUN) return "Dry run";
  return place.rest ? `Ruleset ${short(place.rest)}` : "Rules";
}

export async function show(place, root, signal) {
  state = { root, signal, said: null };
  if (place.rest === DRY_RUN) await showDryRun(place, root, signal);
  else if (place.rest) await showOne(place);
  else await showAll();
}

export async function update(place) {
  if (place.rest === DRY_RUN) await updateDryRun(place);
  else if (place.rest) await compare(place);
}

async function showAll() {
  const [{ rulesets }, generations] = await Promise.all([
    ask("/api/v1/rulesets", {}, state.signal),
    ask("/api/v1/generations", {}, state.signal),
  ]);
  const newest = rulesets.toReversed();
  render(
    html`<h1>Rules</h1>
      <p>A ruleset is the rules that judge every bar, with their thresholds and penalties; a generation is the archive
        judged by one of them. Rules change, history is rebuilt, and nothing is fetched anew.</p>
      <p><a href=${link("rules", DRY_RUN)}>Dry run: try other rules</a> and see what they would change.</p>
      <h2>Generations</h2>
      ${generationTable(generations)}
      <p class="faint">
        ${NEXT[generations.next_state]}
        ${generations.previous
          ? html`<code>project --rollback</code> makes the previous one live again, at once.`
          : "There is no previous one to go back to."}
      </p>
      <h2>Rulesets</h2>
      ${table(
        "Rulesets ever used, the newest first",
        [["Ruleset"], ["First used"], ["State"], ["Runs here"], ["Rules", "number"]],
        newest.map((each) => [
          rulesetLink(each.hash),
          time(each.recorded_at),
          roles(each),
          runs(each),
          count(each.rules.length),
        ]),
      )}
      <h2>Compare two</h2>
      ${pair(newest)}`,
    state.root,
  );
}

const NEXT = {
  none: "No other generation is being built.",
  being_built: "The next generation is being built, or was left unfinished by a rebuild that was killed.",
  complete: "The next generation is complete, and not live yet.",
};

const CONTENT = "Hash of all bars: equal content, equal hash.";

const OTHER_VERSION = badge("warn", "built by another version of the software");

const generationTable = ({ live, next, previous }) =>
  table(
    "Generations: all bars, by one ruleset and one calendar",
    [["State"], ["Ruleset"], ["Payloads up to", "number"], ["Built"], ["Caught up"], ["Content hash"], ["Calendar"]],
    [["live", live], ["next", next], ["previous", previous]]
      .filter(([, generation]) => generation !== null)
      .map(([name, generation]) => [
        html`${role(name)} ${generation.readable ? nothing : OTHER_VERSION}`,
        rulesetLink(generation.ruleset_hash),
        count(generation.checkpoint),
        time(generation.built_at),
        time(generation.caught_up_at),
        html`<code title=${CONTENT}>${short(generation.content_hash)}</code>`,
        generation.calendar_version,
      ]),
  );

const role = (name) => badge(name === "live" ? "good" : "plain", name);

const roles = ({ judged }) =>
  judged.length ? judged.map((name) => html`${role(name)} `) : html`<span class="faint">–</span>`;

const runs = ({ runs_here: here }) =>
  here
    ? badge("good", "yes")
    : html`<span title="This software lacks one of its rules, or its version.">${badge("warn", "no")}</span>`;

function pair(rulesets) {
  if (rulesets.length < 2) {
    return html`<p class="faint">There is one ruleset only; a rebuild by other rules makes a second.</p>`;
  }
  const live = rulesets.find(({ judged }) => judged.includes("live"))?.hash;
  const other = rulesets.find(({ hash }) => hash !== live)?.hash;
  const chosen = (event) => {
    event.preventDefault();
    const given = new FormData(event.target);
    go(link("rules", given.get("before"), { against: given.get("after") }));
  };
  return html`<form class="controls" @submit=${chosen}>
    <label>Before <select name="before">${rulesetOptions(rulesets, other)}</select></label>
    <label>After <select name="after">${rulesetOptions(rulesets, live)}</select></label>
    <button>Compare</button>
  </form>`;
}

async function showOne(place) {
  const digest = encodeURIComponent(place.rest);
  const [one, { rulesets }] = await Promise.all([
    ask(`/api/v1/rulesets/${digest}`, {}, state.signal),
    ask("/api/v1/rulesets", {}, state.signal),
  ]);
  Object.assign(state, { one, rulesets, difference: null });
  await compare(place);
}

/** Show the ruleset, set against the one that the address names, if it does. */
async function compare(place) {
  const against = place.query.get("against");
  state.against = against;
  const [digest, other] = [state.one.ruleset.hash, against].map(encodeURIComponent);
  const difference = against ? await ask(`/api/v1/rulesets/${digest}/diff/${other}`, {}, state.signal) : null;
  if (state.against !== against) return;
  state.difference = difference;
  drawOne();
}

function say(text) {
  state.said = text;
  drawOne();
}

function drawOne() {
  const { one, root, said } = state;
  const { hash } = one.ruleset;
  render(
    html`<h1>Ruleset <code>${short(hash)}</code></h1>
      <p>
        <a href=${link("rules")}>All rulesets</a> ·
        <a href=${link("rules", DRY_RUN, { base: hash })}>Dry run: edit these rules</a>
      </p>
      <dl class="ruleset-facts">
        <div><dt>Hash</dt><dd><code>${hash}</code></dd></div>
        <div><dt>First used</dt><dd>${time(one.ruleset.recorded_at)}</dd></div>
        <div><dt>State</dt><dd>${roles(one.ruleset)}</dd></div>
        <div><dt>Runs here</dt><dd>${runs(one.ruleset)}</dd></div>
        <div><dt>Validated from</dt><dd>a score of ${one.validated_from}</dd></div>
        <div><dt>Volume's median</dt><dd>of ${count(one.volume_window)} sessions</dd></div>
        <div><dt>Test tickers</dt><dd>${one.test_tickers.join(", ") || "none"}</dd></div>
      </dl>
      ${table(
        "Its rules, in their order",
        [["Rule"], ["Fails where"], ["Thresholds"], ["Penalty", "number"], ["Group"], ["Source"]],
        one.rules.map((rule) => [
          html`<strong>${rule.name}</strong> ${rule.version > 1 ? `version ${rule.version}` : nothing}`,
          rule.meaning?.replace(/^Fail where /, "") ?? "not in this software",
          Object.entries(rule.limits).map(([name, limit]) => `${name} ${limit}`).join(", ") || "–",
          rule.penalty,
          rule.group ?? "–",
          rule.source ?? "–",
        ]),
      )}
      <p class="faint">A score starts at 1 and loses the penalty of each failed rule; of the rules of one group that
        fail only the largest penalty counts.</p>
      <h2>Compare with another</h2>
      ${comparison()}
      <h2>As a rules file</h2>
      ${rulesFile(one.text, `rules-${short(hash)}.toml`, said, say)}`,
    root,
  );
}

function comparison() {
  const { one, rulesets, difference } = state;
  const others = rulesets.toReversed().filter(({ hash }) => hash !== one.ruleset.hash);
  if (!others.length && !difference) return html`<p class="faint">There is no other ruleset yet.</p>`;
  const chosen = (event) => setQuery({ against: event.target.value });
  return html`<p class="controls">
      <label>Against
        <select id="against" @change=${chosen}>
          <option value="" ?selected=${!difference}>none</option>
          ${rulesetOptions(others, difference?.after)}
        </select>
      </label>
    </p>
    <div aria-live="polite">
      ${difference
        ? differenceTable(
            difference.differences,
            `Before: ${short(difference.before)}`,
            `After: ${short(difference.after)}`,
          )
        : nothing}
    </div>`;
}

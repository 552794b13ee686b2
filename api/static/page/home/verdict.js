// The verdict: a sentence with a sign, made of named checks, each with what was found and what to do. It asks nothing.
import { html, nothing } from "../../vendor/lit-html/lit-html.js";
import { ago, count, percent, time, words } from "../format.js";
import { badge, failure, loading } from "../parts.js";
import { link } from "../place.js";

const KINDS = { ok: "good", warn: "warn", failed: "bad" };
const NAMES = {
  sessions: "newest session",
  projector: "projection",
  nightly: "last nightly",
  calendar: "calendar",
  projection: "projection",
  database: "database",
};
// How old the last good one may be, as `ops watch` has it unless told otherwise.
const SAFEGUARDS = [
  ["backup", 8, "run: ops backup"],
  ["drill", 35, "run: ops drill, which restores the newest backup beside the live database and compares the two"],
  ["scrub", 3, "run: ops scrub"],
];
const USUAL_DROP = 0.05;
const DAY_MS = 86_400_000;
const NOTHING = "nothing_projected";
const START =
  "run: ops up, which sets everything up, fetches and projects; where payloads are archived already: `project`";

/** The verdict; `now` in milliseconds. */
export function verdict(answers, problems, now) {
  if (problems.fresh && !answers.fresh) return failure(problems.fresh);
  if (!answers.fresh || !(answers.status || problems.status)) return loading("Looking …");
  const checks = [...freshness(answers.fresh), ...validation(answers.quality), ...safeguards(answers.status, now)];
  const failed = checks.filter((check) => check.kind !== "good");
  const passed = checks.filter((check) => check.kind === "good");
  const kind = ["bad", "warn"].find((each) => checks.some((check) => check.kind === each)) ?? "good";
  return html`<section class="verdict ${kind}" aria-label="Verdict">
    <p class="verdict-line" role="status">${sentence(kind, failed, answers.fresh)}</p>
    ${answers.status ? html`<p class="faint">${size(answers)}</p>` : nothing}
    ${failed.length ? list(failed) : nothing}
    ${passed.length
      ? html`<details>
          <summary>${count(passed.length)} ${passed.length === 1 ? "check" : "checks"} passed</summary>
          ${list(passed)}
        </details>`
      : nothing}
  </section>`;
}

function sentence(kind, failed, fresh) {
  const names = (each) => failed.filter((check) => check.kind === each).map((check) => check.name).join(", ");
  if (isEmpty(fresh)) return html`<span aria-hidden="true">✕</span> <strong>Not good:</strong> there is no data yet.`;
  if (kind === "bad") return html`<span aria-hidden="true">✕</span> <strong>Not good:</strong> ${names("bad")}.`;
  if (kind === "warn") {
    return html`<span aria-hidden="true">▲</span> <strong>Look here:</strong> ${names("warn")}. The data itself is as
      new as it should be.`;
  }
  return html`<span aria-hidden="true">✓</span> <strong>Good:</strong> ${fresh.newest_session} is the
    newest session, as it should be.`;
}

const isEmpty = (fresh) => fresh.checks.some((check) => check.value === NOTHING);

function size({ status: { database } }) {
  const validated = database.validation_rate_pct == null ? "–" : percent(database.validation_rate_pct / 100);
  return `${count(database.symbols_available)} symbols, ${count(database.total_records)} bars ` +
    `up to ${database.latest_data ?? "none"}, ${validated} of them validated.`;
}

const list = (checks) => html`<ul class="checks">
  ${checks.map(
    (check) => html`<li>
      ${badge(check.kind, check.name)}
      <span>${spoken(check.message)}${check.href ? html` <a href=${check.href}>Look at it</a>` : nothing}</span>
      ${check.todo ? html`<span class="todo">What to do: ${spoken(check.todo)}</span>` : nothing}
    </li>`,
  )}
</ul>`;

/** A sentence with its commands as such: those after "run: ", and those in backticks. */
const spoken = (text) =>
  text
    .replace(/\brun: ([^;,`]+)/g, "run `$1`")
    .split("`")
    .map((part, at) => (at % 2 ? html`<code>${part}</code>` : part));

function freshness({ checks }) {
  return checks.map(({ name, status, value, message, todo }) => ({
    name: NAMES[name] ?? words(name),
    kind: KINDS[status] ?? "warn",
    message: value === NOTHING ? "nothing is projected yet" : message,
    todo: value === NOTHING ? START : todo,
  }));
}

/** Whether the newest session is validated as those before it are. */
function validation(quality) {
  const rated = (quality?.sessions ?? []).filter((row) => row.validation_rate != null);
  if (rated.length < 5) return [];
  const newest = rated.at(-1);
  const rates = rated.slice(0, -1).map((row) => row.validation_rate).sort((one, other) => one - other);
  const usual = rates[Math.floor(rates.length / 2)];
  const isLow = newest.validation_rate < usual - USUAL_DROP;
  return [{
    name: "validation",
    kind: isLow ? "warn" : "good",
    message: `${percent(newest.validation_rate, 1)} of the bars of ${newest.session} are validated; ` +
      `${percent(usual, 1)} is usual.`,
    href: link("audit", newest.session, { kind: "flagged" }),
    todo: isLow
      ? "look at the bars that failed a rule; if the vendor erred, it will restate them, and the next nights ask again"
      : null,
  }];
}

function safeguards(status, now) {
  return status ? SAFEGUARDS.map(([name, days, todo]) => safeguard(name, days, todo, status[`last_${name}`], now)) : [];
}

/** One that is overdue is to be looked at; one that failed is bad where no good one is recent, and a scrub always. */
function safeguard(name, days, todo, last, now) {
  const label = `last ${name}`;
  if (!last) return { name: label, kind: "warn", message: `There was no ${name} yet.`, todo };
  const { finished_at: finished, last_passed_at: passed } = last;
  const isOld = passed == null || now - Date.parse(passed) > days * DAY_MS;
  const good = passed ? `The last good one ended ${time(passed)}, ${ago(passed, now)}.` : "None has passed yet.";
  if (last.passed === false) {
    const kind = isOld || name === "scrub" ? "bad" : "warn";
    return { name: label, kind, message: `It failed: ${last.error ?? "it does not say why"}. ${good}`, todo };
  }
  if (!isOld) return { name: label, kind: "good", message: good };
  const message = finished === null
    ? `One began ${ago(last.started_at, now)} and has not ended. ${good}`
    : `${good} One is due every ${days} days.`;
  return { name: label, kind: "warn", message, todo };
}

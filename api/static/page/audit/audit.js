// The audit: a date is chosen, and its session is shown raw against cleaned, as the API has proved it just now.
// One audit is asked for and one only: what is shown of its differences is chosen in differences.js.
import { html, nothing, render } from "../../vendor/lit-html/lit-html.js";
import { ask } from "../ask.js";
import { chosenIn, differences, slice } from "./differences.js";
import { proof, sums } from "./sums.js";
import { count, percent } from "../format.js";
import { failure, loading, table } from "../parts.js";
import { go, link, withQuery } from "../place.js";

const DATE = /^\d{4}-\d{2}-\d{2}$/;
const DAY_MS = 86_400_000;
const NEAR_DAYS = 14; // the exchange was shut for a week in September 2001
const STEPS = { ArrowLeft: "audit-before", ArrowRight: "audit-after" };
const COLUMNS = [
  ["Session", "audit-date"],
  ["Bars of expected", "number"],
  ["Validated", "number"],
  ["Flagged, by rule", "audit-date"],
  ["Rejected", "number"],
  ["Restated", "number"],
];
const NOT_PROVED = {
  audit_failed: html`The tables do not hold what the payloads say. Run <code>project --verify</code> to see whether the
    whole projection is off, then <code>project --rebuild</code>: it makes the tables again from the payloads, which
    stay as they are. <code>audit --all</code> then tells whether everything adds up.`,
  payload_damaged: html`The bytes of this payload are no longer those that were archived. Run
    <code>archive verify</code> to see which are damaged, and bring them back from a backup.`,
};

export const shortcuts = [
  ["Shift ←", "audit the session before"],
  ["Shift →", "audit the session after"],
];

export const title = (place) => (place.rest ? `Audit of ${place.rest}` : "Audit");

let state = {};
let near = { from: "", to: "", sessions: [], newest: null }; // the sessions around the date that was shown last
let focusOn = null;

export async function show(place, root, signal) {
  const { rest } = place;
  const date = isDate(rest) ? rest : null;
  state = { place, root, signal, date, audit: null, recent: null, problem: null, told: "", unrolled: slice };
  addEventListener("keydown", stepByKey, { signal });
  draw();
  if (focusOn) root.querySelector(`#${focusOn}`)?.focus();
  focusOn = null;
  if (rest === "") await findRecent();
  else if (state.date) await Promise.all([findNear(), makeAudit()]);
}

export function update(place) {
  const moved = place.query.get("end") !== state.place.query.get("end");
  Object.assign(state, { place, unrolled: slice });
  if (place.rest === "" && moved) findRecent();
  draw();
}

function isDate(text) {
  if (!DATE.test(text)) return false;
  const time = new Date(`${text}T00:00:00Z`);
  return !Number.isNaN(time.getTime()) && time.toISOString().startsWith(text);
}

/** The date some days away, as the API takes it; null where it cannot be written so. */
function away(date, days) {
  const text = new Date(Date.parse(date) + days * DAY_MS).toISOString().slice(0, 10);
  return DATE.test(text) ? text : null;
}

/** Make the audit and show it. */
async function makeAudit() {
  const { date, signal } = state;
  const told = `Auditing ${date}: every payload that may speak of it is decoded again …`;
  Object.assign(state, { audit: null, problem: null, told });
  draw();
  try {
    const audit = await ask(`/api/v1/audit/${date}`, {}, signal);
    Object.assign(state, { audit, told: `Audited ${date} just now.` });
  } catch (problem) {
    if (signal.aborted) return;
    Object.assign(state, { problem, told: "" });
  }
  draw();
}

/** Find the sessions before and after the date; without them the view only lacks its steps. */
async function findNear() {
  const { date, signal } = state;
  if (neighbours().before && neighbours().after) return;
  const [from, to] = [away(date, -NEAR_DAYS), away(date, NEAR_DAYS)];
  try {
    const [quality, status] = await Promise.all([
      ask("/api/v1/quality", { start: from, end: to }, signal),
      ask("/api/v1/status", {}, signal),
    ]);
    const sessions = quality.sessions.map((row) => row.session);
    near = { from: from ?? "", to: to ?? "9999-12-31", sessions, newest: status.freshness.newest_session };
  } catch {
    return;
  }
  draw();
}

function neighbours() {
  const { date } = state;
  const { from, to, sessions, newest } = near;
  if (!date || date < from || date > to) return { newest };
  const before = sessions.findLast((session) => session < date) ?? (newest && newest < date ? newest : undefined);
  return { before, after: sessions.find((session) => session > date), newest };
}

async function findRecent() {
  const { place, signal } = state;
  const end = place.query.get("end");
  Object.assign(state, { recent: null, problem: null });
  try {
    const recent = await ask("/api/v1/quality", { end }, signal);
    if (state.place.query.get("end") !== end) return;
    state.recent = recent;
    if (!end) near.newest = recent.sessions.findLast((row) => row.bars)?.session ?? null;
  } catch (problem) {
    if (signal.aborted) return;
    state.problem = problem;
  }
  draw();
}

function draw() {
  if (state.signal.aborted) return;
  const { place, root } = state;
  render(html`<h1>${title(place)}</h1>
    <p class="faint">What the vendor sent for a session, decoded again and set against what the warehouse holds.</p>
    ${steps()}
    ${place.rest === "" ? recentSessions() : audited()}`, root);
}

function steps() {
  const { before, after, newest } = neighbours();
  return html`<div class="audit-go">
    <form @submit=${chosen}>
      <label>Date <input type="date" name="date" required .value=${state.date ?? ""} /></label>
      <button class="primary">${state.audit ? "Audit again" : "Audit"}</button>
    </form>
    ${state.place.rest ? step("audit-before", "Previous", before, "Shift+ArrowLeft") : nothing}
    ${state.place.rest ? step("audit-after", "Next", after, "Shift+ArrowRight") : nothing}
    ${newest || state.place.rest ? step("audit-newest", "Newest", newest === state.date ? null : newest) : nothing}
  </div>`;
}

/** A link to another session; it can be focused before its address is known, and where there is none. */
const step = (id, name, session, keys) => html`<a id=${id} class="audit-step" tabindex="0" role="link"
  href=${session ? withQuery(link("audit", session), chosenIn(state.place.query)) : nothing}
  aria-disabled=${session ? nothing : "true"} aria-keyshortcuts=${keys ?? nothing}
  title=${keys ? `Shift + ${name === "Next" ? "→" : "←"}` : nothing}
  @click=${stepped}>${name}${session ? ` ${session}` : ""}</a>`;

function stepped(event) {
  if (!event.ctrlKey && !event.metaKey && !event.shiftKey) focusOn = event.currentTarget.id;
}

function stepByKey(event) {
  const id = STEPS[event.key];
  if (!id || !event.shiftKey || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target.closest("input, textarea, select, dialog")) return;
  const anchor = state.root.querySelector(`#${id}[href]`);
  if (!anchor) return;
  event.preventDefault();
  anchor.click();
}

function chosen(event) {
  event.preventDefault();
  const date = new FormData(event.currentTarget).get("date");
  if (date === state.place.rest) makeAudit();
  else go(withQuery(link("audit", date), chosenIn(state.place.query)));
}

function audited() {
  const { place, date, audit, problem, told } = state;
  if (!date) return noDate(place.rest);
  return html`<p role="status" class="faint">${told}</p>
    ${problem ? refused(problem) : nothing}
    ${audit ? ofSession(audit) : nothing}`;
}

const noDate = (text) => html`<div class="failure" role="alert">
  <strong>No such date</strong>
  <p>${text} is no date; a date is written YYYY-MM-DD.</p>
</div>`;

function refused(problem) {
  const todo = NOT_PROVED[problem.code];
  if (!todo) return failure(problem);
  return html`<div class="failure" role="alert">
    <strong class="bad"><span aria-hidden="true">✕</span> The audit of ${state.date} fails</strong>
    <p>${problem.message}</p>
    <p>${todo}</p>
    <p class="faint">${problem.status} ${problem.code}; no counts are shown, since they are not proved.</p>
  </div>`;
}

function ofSession(audit) {
  const empty = !audit.raw_rows && !audit.differences.length;
  return html`${audit.is_session ? nothing : noSession(empty)}
    ${empty && !audit.is_session
      ? nothing
      : html`<h2>Raw against cleaned</h2>
          ${audit.is_session && !audit.raw_rows ? html`<p>No payload has a row of this session.</p>` : nothing}
          <div @click=${leadOn}>${sums(audit)} ${proof(audit)}</div>
          ${differences(audit, chosenIn(state.place.query), state.unrolled, unroll)}`}`;
}

function noSession(empty) {
  const { before, after } = neighbours();
  const to = (session) => html`<a href=${link("audit", session)}>${session}</a>`;
  return html`<p>
    <strong>${state.date} is no session:</strong> by the calendar the exchange is closed.
    ${empty ? "No payload has a row of it." : nothing}
    ${before ? html`The session before is ${to(before)}.` : nothing}
    ${after ? html`The session after is ${to(after)}.` : nothing}
  </p>`;
}

/** After a link on a count, go down to the differences that it chose. */
function leadOn(event) {
  if (!event.target.closest("a[href^='/audit/']") || event.ctrlKey || event.metaKey || event.shiftKey) return;
  requestAnimationFrame(() => state.root.querySelector("#differences")?.focus());
}

/** Show more rows, and go on from the first of them. */
function unroll() {
  const first = state.unrolled;
  state.unrolled += slice;
  draw();
  state.root.querySelectorAll(".audit-table tbody tr")[first]?.querySelector("a")?.focus();
}

function recentSessions() {
  if (state.problem) return failure(state.problem);
  if (!state.recent) return loading();
  const rows = state.recent.sessions;
  if (!rows.length) return html`<p>There is no session to show.</p>`;
  const [first, last] = [rows[0].session, rows.at(-1).session];
  const to = (address, text) => html`<a class="audit-step" href=${address}>${text}</a>`;
  return html`<h2>Sessions</h2>
    <p class="faint">
      Flagged are bars that fail a rule, rejected are rows that cannot be a bar, restated are bars that the vendor has
      changed since.
    </p>
    ${table(`From ${first} to ${last}`, COLUMNS, rows.toReversed().map(sessionLine))}
    <p class="controls">
      ${to(link("audit", "", { end: away(first, -1) }), "Older sessions")}
      ${state.place.query.get("end") ? to("/audit", "Newest sessions") : nothing}
    </p>`;
}

function sessionLine(row) {
  const to = (query, text) => html`<a href=${link("audit", row.session, query)}>${text}</a>`;
  const failed = Object.entries(row.flagged).filter(([, bars]) => bars);
  return [
    to({}, row.session),
    `${count(row.bars)} of ${count(row.expected)}`,
    percent(row.validation_rate),
    failed.length ? failed.map(([rule, bars], at) => [at ? ", " : "", to({ rule }, `${rule} ${count(bars)}`)]) : "0",
    row.rejections ? to({ kind: "rejected" }, count(row.rejections)) : "0",
    row.restatements ? to({ kind: "restated" }, count(row.restatements)) : "0",
  ];
}

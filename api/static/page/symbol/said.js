// What the payloads said of a bar: each row as it was sent and what became of it, and its fields against the bar's.
import { html, nothing } from "../../vendor/lit-html/lit-html.js";
import { ask, save } from "../ask.js";
import { bytes, change, count, time, words } from "../format.js";
import { exact, signed } from "./numbers.js";
import { badge, failure, loading, table } from "../parts.js";

/** The fields of a bar, and what the vendor calls them. */
export const FIELDS = { open: "o", high: "h", low: "l", close: "c", volume: "v", vwap: "vw", trades: "n" };
const OUTCOMES = { current: "good", superseded: "warn", repeated: "plain", rejected: "bad" };
const REASONS_OF_FIELDS = { missing_: "is missing", not_a_number_: "is not a number", not_positive_: "is not above 0" };
const REASONS = {
  not_an_object: "it is not an object",
  not_a_date: "it has no date",
  time_unknown: "its time is not a time of a daily bar",
  outside_range: "it lies outside the range that was asked for",
  not_a_session: "the exchange has no session on its date",
  duplicate_key: "the payload has another row for the same bar",
  other_ticker: "it is of another symbol than was asked for",
  control_in_ticker: "its symbol has a control character or a space in it",
  test_ticker: "it is a symbol exchanges use for tests",
  undecodable_payload: "the payload could not be read",
};
const NAMED = /"(\w+)"\s*:\s*("(?:[^"\\]|\\.)*"|[^,}\]\s]+)/g;
const SILENT_SHOWN = 20;

/** The rows of all payloads that speak of the bar, and the payloads that were asked for it and say nothing. */
export function sayings(state) {
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
      ? html`<button type="button" @click=${() => showAll(state)}>Show ${count(rest)} more</button>`
      : nothing}`;
}

function showAll(state) {
  state.allSilent = true;
  state.redraw();
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
/** A link to the bytes of a payload. */
export const rawLink = (seq) => html`<a
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
  state.redraw();
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

/** A column for the bar, and one for each row that says something of its own: a repeated one says nothing new. */
export function comparison(answer) {
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

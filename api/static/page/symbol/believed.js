// What was believed of a bar before, and the splits and dividends that act on its session.
import { html } from "../../vendor/lit-html/lit-html.js";
import { linkHere } from "./choices.js";
import { time, words } from "../format.js";
import { exact, measured } from "./numbers.js";
import { badge, table } from "../parts.js";
import { FIELDS, rawLink } from "./said.js";

/** Tell whether a version of something is believed still. */
export const stands = (version) => version.known_to == null;

/** Until when a version was believed, after a word; nothing where it is still. */
export const until = (version, word) => (stands(version) ? "" : ` ${word} ${time(version.known_to)}`);

/** The splits and dividends of the session. */
export const actions = (stated) => html`<ul class="said">${stated.map(
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

/** Each version of the bar, in order. */
export function beliefs({ revisions, bar }) {
  const fields = Object.keys(FIELDS).filter((field) => [...revisions, bar].some((each) => each?.values[field] != null));
  const versions = [...revisions, ...(bar ? [bar] : [])];
  const rows = versions.map((each, at) => [
    html`<a href=${linkHere({ known_at: each.known_from })} title="The chart as known then">${time(each.known_from)}</a>
      <span class="faint">${each.known_to ? `to ${time(each.known_to)}` : "and now"}</span>`,
    ...fields.map((field) => beliefCell(each.values[field], versions[at - 1]?.values[field], at > 0)),
    rawLink(each.archive_seq),
  ]);
  const columns = [["Believed from"], ...fields.map((field) => [field, "number"]), ["As said by"]];
  return table("What was believed of this bar, in order", columns, rows);
}

const beliefCell = (value, before, later) =>
  later && value !== before ? html`${exact(value)} <span class="warn">≠ changed</span>` : exact(value);

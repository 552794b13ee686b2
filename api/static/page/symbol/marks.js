// What is marked on the chart: the kinds, where each stands, and what it says in words; it draws nothing.
import { change, price, time, words } from "../format.js";
import { missingSessions } from "./series.js";

/** Each kind of mark: its letter, its shape (corners; turn, in eighths of a circle), its colour, and what it means. */
export const KINDS = [
  {
    name: "flagged",
    letter: "F",
    corners: 3,
    turn: -2,
    color: "warn",
    title: "failed a rule other than corporate_action, which only says that a split or dividend took effect",
  },
  {
    name: "not_validated",
    letter: "N",
    corners: 4,
    turn: 1,
    color: "bad",
    title: "its quality score is below the ruleset's threshold",
  },
  {
    name: "rejected",
    letter: "X",
    corners: 4,
    turn: 0,
    color: "bad",
    title: "a raw row that cannot be a bar; it is kept with every reason",
  },
  {
    name: "restated",
    letter: "R",
    corners: 5,
    turn: -2,
    color: "restated",
    title: "the vendor changed the bar after it was first told; the old values are kept",
  },
  {
    name: "split",
    letter: "S",
    corners: 6,
    turn: 0,
    color: "split",
    title: "the first session after a split, or the one it was applied on",
  },
  { name: "dividend", letter: "D", corners: 24, turn: 0, color: "dividend", title: "the ex-date of a dividend" },
  {
    name: "missing",
    letter: "M",
    corners: 8,
    turn: 0.5,
    color: "faint",
    title: "a session that should have a bar between the first and the last, and has none",
  },
];

const NO_FAULT = new Set(["no_trade", "rejected"]);

/** Return the corners of a kind's shape around 0, 0 as [x, y]; y is downwards. */
export const outline = ({ corners, turn }, radius) =>
  Array.from({ length: corners }, (_, at) => {
    const angle = (2 * Math.PI * at) / corners + (turn * Math.PI) / 4;
    return [radius * Math.cos(angle), radius * Math.sin(angle)];
  });

/** Return the sessions without a bar that deserve a place of their own on the chart: missing ones and rejected rows. */
export function sessionsWithout(answer, rejections) {
  const { session } = answer.bars;
  if (answer.timeframe !== "1d" || session.length === 0) return [];
  const rejected = rejections.map((row) => row.session).filter((day) => day > session[0] && day < session.at(-1));
  return [...missingSessions(answer).map(([day]) => day), ...rejected];
}

/** Return the marks of a series, `{ kind: [places in order] }`, and what to say at a place, `Map(place → [texts])`. */
export function marksOf(series, events) {
  const places = Object.fromEntries(KINDS.map(({ name }) => [name, []]));
  const notes = new Map();
  const put = (kind, session, text) => {
    const at = series.placeOf(session);
    if (at < 0) return;
    if (kind) places[kind].push(at);
    if (!notes.has(at)) notes.set(at, []);
    notes.get(at).push(series.about.timeframe === "1d" ? text : `${session}: ${text}`);
  };
  judged(series, places);
  for (const row of events.rejections)
    if (row.session) put("rejected", row.session, `rejected row: ${row.reasons.map(words).join(", ")}`);
  for (const row of events.splits) put("split", row.applied_on ?? row.ex_date, splitText(row));
  for (const row of events.dividends) put("dividend", row.applied_on ?? row.ex_date, dividendText(row));
  for (const row of [...events.revisions].reverse())
    put("restated", row.session, `restated ${time(row.restated_at)}: ${row.changed.join(", ")}`);
  for (const [day, gap] of missingSessions(series.answer))
    put(NO_FAULT.has(gap.kind) ? null : "missing", day, gapText(gap));
  for (const list of Object.values(places)) list.sort((one, other) => one - other);
  return { places, notes };
}

function judged(series, places) {
  const { failed_rules: failed, validated } = series.columns;
  series.row.forEach((row, at) => {
    if (row < 0) return;
    if (failed[row].length && failed[row].some((rule) => rule !== "corporate_action")) places.flagged.push(at);
    if (!validated[row]) places.not_validated.push(at);
  });
}

const stated = (row) => (row.flags.length ? ` (${row.flags.map(words).join(", ")})` : "");
const splitText = (row) => `split ${row.split_to} for ${row.split_from}${stated(row)}`;
const dividendText = (row) => `dividend ${price(row.cash_amount)} ${row.currency ?? ""}${stated(row)}`;
const spanText = (gap) => (gap.sessions > 1 ? `, ${gap.sessions} sessions from ${gap.first} to ${gap.last}` : "");
const gapText = (gap) => `${words(gap.kind)}${spanText(gap)}: ${gap.why ?? ""}`;

/** Return what a failed rule measured at a bar, in words. */
export function measured(rule, bar) {
  if (rule === "large_gap" && bar.gap != null) return `large gap ${change(bar.gap)} (open against the close before)`;
  if (rule === "volume_anomaly" && bar.volume_ratio != null)
    return `volume anomaly ${times(bar.volume_ratio)} the median`;
  if (rule === "move_bounded") return `move bounded ${change(bar.close / bar.open - 1)} (close against open)`;
  return words(rule);
}

/** 1.4453 → 1.45 × */
export const times = (ratio) => (ratio == null ? "–" : `${ratio < 10 ? ratio.toFixed(2) : ratio.toFixed(0)} ×`);

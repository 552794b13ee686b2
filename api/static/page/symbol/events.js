// What happened to a symbol besides its bars: rejected rows, restatements, splits and dividends, with all that was ever
// believed of them; and of it what was known at an instant. It draws nothing.
import { ask } from "../ask.js";

const MOST = 50_000;
const NEVER = "9999"; // after every instant

export const NO_EVENTS = { answers: [], rejections: [], revisions: [], splits: [], dividends: [] };

/** Ask for all of a symbol; `answers` are those that it came with. */
export async function askForEvents(symbol, signal) {
  const about = { symbol, limit: MOST };
  const answers = await Promise.all([
    ask("/api/v1/rejections", { ...about, columns: "archive_seq,session,reasons" }, signal),
    ask("/api/v1/revisions", { ...about, columns: "session,known_from,restated_at,changed" }, signal),
    ask("/api/v1/splits", { ...about, history: true }, signal),
    ask("/api/v1/dividends", { ...about, history: true }, signal),
  ]);
  const [{ rejections }, { revisions }, { splits }, { dividends }] = answers;
  return { answers, rejections, revisions, splits, dividends };
}

/** Return what of it was known at an instant; null is now. */
export function knownBy(events, instant) {
  const at = instant === null ? NEVER : keyOf(instant);
  const stood = (row) => keyOf(row.known_from) <= at && (row.known_to === null || keyOf(row.known_to) > at);
  return {
    ...events,
    revisions: events.revisions.filter((row) => keyOf(row.restated_at) <= at),
    splits: events.splits.filter(stood),
    dividends: events.dividends.filter(stood),
  };
}

/** Return an instant as a text that sorts by time: …:00Z and …:00.123456Z do not; null where it is none. */
export function keyOf(text) {
  const [, whole, fraction] = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,6}))?Z$/.exec(text) ?? [];
  if (whole) return `${whole}.${(fraction ?? "").padEnd(6, "0")}`;
  const ms = Date.parse(text);
  return Number.isNaN(ms) ? null : keyOf(new Date(ms).toISOString());
}

// The bars of an answer as the chart counts them: points in time, with a bar or without; it draws nothing.

/** A chart's places in time: `sessions[at]` is a date, `row[at]` the row of its bar in `columns`, or -1 without one. */
export class Series {
  constructor(answer, without = []) {
    const { bars, ...about } = answer;
    Object.assign(this, { answer, about, columns: bars });
    this.sessions = merged(bars.session, without);
    let row = 0;
    this.row = Int32Array.from(this.sessions, (session) => (session === bars.session[row] ? row++ : -1));
  }

  /** Return the first place at a date or after it; the length where there is none. */
  after(date) {
    let [low, high] = [0, this.sessions.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.sessions[middle] < date) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** Return the last place at a date or before it, or -1: of weeks and longer, the window that holds the date. */
  upTo(date) {
    const at = this.after(date);
    return this.sessions[at] === date ? at : at - 1;
  }

  /** Return where something of a session is shown: its own place; of weeks and longer, the window's; or -1. */
  placeOf(session) {
    if (this.about.timeframe !== "1d") return this.upTo(session);
    const at = this.after(session);
    return at === this.sessions.length || (at === 0 && this.sessions[0] !== session) ? -1 : at;
  }

  /** Return the bar at a place as an object, or null; its details may still be under way. */
  bar(at) {
    const row = this.row[at] ?? -1;
    if (row < 0) return null;
    const bar = Object.fromEntries(Object.entries(this.columns).map(([name, values]) => [name, values[row]]));
    const before = row > 0 ? this.columns.close[row - 1] : null;
    return { ...bar, change: before > 0 ? bar.close / before - 1 : null };
  }
}

/** Return the sessions between the first bar and the last that a gap lacks, with the gap: [session, gap]. */
export function missingSessions(answer) {
  const { session } = answer.bars;
  if (answer.timeframe !== "1d" || session.length === 0) return [];
  const found = [];
  for (const gap of answer.coverage.missing) {
    if (gap.first < session[0] || gap.last > session.at(-1)) continue;
    for (let day = Date.parse(gap.first); day <= Date.parse(gap.last); day += 86_400_000) {
      if (new Date(day).getUTCDay() % 6) found.push([new Date(day).toISOString().slice(0, 10), gap]);
    }
  }
  return found;
}

/** Return an answer's date less some months, as a date. */
export function monthsBefore(date, months) {
  const [year, month, day] = date.split("-").map(Number);
  const last = new Date(Date.UTC(year, month - months, 0)).getUTCDate();
  return new Date(Date.UTC(year, month - 1 - months, Math.min(day, last))).toISOString().slice(0, 10);
}

function merged(sessions, without) {
  if (without.length === 0) return sessions;
  return [...new Set([...sessions, ...without])].sort();
}

// Numbers, dates and times as people read them; the same in every view, and in no locale but this one.
const NONE = "–";
const NBSP = "\u00a0"; // between a number and its unit no line ends
const COUNT = new Intl.NumberFormat("en");
const COMPACT = new Intl.NumberFormat("en", { notation: "compact", maximumSignificantDigits: 3 });
const UNITS = [
  [86_400, "d"],
  [3_600, "h"],
  [60, "min"],
];

/** 1234567 → 1,234,567 */
export const count = (value) => (value == null ? NONE : COUNT.format(value));

/** 1234567 → 1.23M */
export const compact = (value) => (value == null ? NONE : COMPACT.format(value));

/** A price with as many digits as it needs, at least two, and so many at most. */
export const price = (value, most = value < 1 ? 6 : 4) =>
  value == null ? NONE : value.toLocaleString("en", { minimumFractionDigits: 2, maximumFractionDigits: most });

/** 0.98765 → 98.77 % */
export const percent = (value, digits = 2) => (value == null ? NONE : `${(100 * value).toFixed(digits)}${NBSP}%`);

/** +3.21 % */
export const change = (value, digits = 2) =>
  value == null ? NONE : `${value < 0 ? "−" : "+"}${Math.abs(100 * value).toFixed(digits)}${NBSP}%`;

/** 2026-11-22T07:04:11.123Z → 2026-11-22 07:04 UTC */
export const time = (text) => (text == null ? NONE : `${text.slice(0, 10)} ${text.slice(11, 16)} UTC`);

/** Seconds between two instants as 3.2 s, 4 min, 5 h or 6 d. */
export function duration(seconds) {
  if (seconds == null) return NONE;
  for (const [size, unit] of UNITS) if (seconds >= size) return `${Math.round(seconds / size)}${NBSP}${unit}`;
  return `${seconds < 10 ? seconds.toFixed(1) : Math.round(seconds)}${NBSP}s`;
}

/** How long ago an instant was, as of `now` (milliseconds). */
export const ago = (text, now) =>
  text == null ? "never" : `${duration(Math.max(0, (now - Date.parse(text)) / 1000))} ago`;

/** 12345678 bytes → 12.3 MB */
export function bytes(value) {
  if (value == null) return NONE;
  const power = value < 1000 ? 0 : Math.min(4, Math.floor(Math.log10(value) / 3));
  return `${power ? (value / 1000 ** power).toPrecision(3) : value}${NBSP}${["B", "kB", "MB", "GB", "TB"][power]}`;
}

/** A name of the API's as words: not_fetched → not fetched */
export const words = (name) => name.replaceAll("_", " ");

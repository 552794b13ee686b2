// The numbers of a bar's story in words: prices with all their digits, what was measured, scores.
const NUMBER = new Intl.NumberFormat("en", { maximumFractionDigits: 20 });
const MEASURE = new Intl.NumberFormat("en", { maximumSignificantDigits: 6 });
const WHOLE_FROM = 1e6;
const SCORE = new Intl.NumberFormat("en", { minimumFractionDigits: 2, maximumFractionDigits: 6 });

/** A number with all its digits, however many. */
export const exact = (value) => (value == null ? "–" : NUMBER.format(value));

/** What was measured, to six digits; large numbers in full. */
export const measured = (value) => {
  if (value == null) return "–";
  const format = Math.abs(value) < WHOLE_FROM ? MEASURE : NUMBER;
  return `${value < 0 ? "−" : ""}${format.format(Math.abs(value))}`;
};

/** A difference of two numbers, with its sign. */
export const signed = (value) => `${value < 0 ? "−" : "+"}${MEASURE.format(Math.abs(value))}`;

/** A score or a penalty, which has two digits at least. */
export const score = (value) => SCORE.format(value);

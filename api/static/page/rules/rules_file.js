// A ruleset and edits of it: the edits as an address has them, what they may be, and the text of the rules file that
// they make. It knows no API and draws nothing.
const NUMBER = /^[+-]?(\d+(\.\d*)?|\.\d+)(e[+-]?\d+)?$/i;
const BARE_KEY = /^[A-Za-z0-9_-]+$/;
const BOUNDS = {
  validated_from: { low: 0, high: 1, says: "a number from 0 to 1" },
  volume_window: { low: 1, high: 250, whole: true, says: "a whole number of sessions from 1 to 250" },
  penalty: { low: 0, high: 1, says: "a number from 0 to 1" },
  limit: { low: 0, high: Number.MAX_VALUE, says: "a number of at least 0" },
};

/** Return what can be edited of a ruleset, each with the name it has in an address, what it was, and what is given:
 * fields of { name, label, was, given, isEdited, problem }; rules have their fields and whether they are on. */
export function edited(base, query) {
  const field = (name, label, was, bound) => {
    const given = (query.get(name) ?? String(was)).trim();
    const value = NUMBER.test(given) ? Number(given) : NaN;
    return { name, label, was, given, value, isEdited: value !== was, problem: problemOf(value, bound) };
  };
  const rules = base.rules.map((rule) => ({
    ...rule,
    isOn: query.get(rule.name) !== "off",
    fields: [
      field(`${rule.name}.penalty`, "penalty", rule.penalty, BOUNDS.penalty),
      ...Object.entries(rule.limits).map(([limit, was]) => field(`${rule.name}.${limit}`, limit, was, BOUNDS.limit)),
    ],
  }));
  const tickers = query.has("test_tickers") ? listed(query.get("test_tickers")) : base.test_tickers;
  return {
    settings: [
      field("validated_from", "validated from a score of", base.validated_from, BOUNDS.validated_from),
      field("volume_window", "volume's median, sessions", base.volume_window, BOUNDS.volume_window),
    ],
    tickers: { given: tickers.join(" "), list: tickers, isEdited: tickers.join(" ") !== base.test_tickers.join(" ") },
    rules,
  };
}

/** Return the names in an address that mean nothing to a ruleset. */
export function unknownEdits(base, query) {
  const { settings, rules } = edited(base, query);
  const known = new Set(["base", "test_tickers", ...settings.map((field) => field.name)]);
  for (const rule of rules) [rule, ...rule.fields].forEach(({ name }) => known.add(name));
  return [...query.keys()].filter((name) => !known.has(name));
}

/** Return what is typed as an address has it: null where it is what the base says. */
export const asEdit = (field, typed) => (typed.trim() === String(field.was) ? null : typed.trim() || " ");

/** Return a list of tickers as an address has it: sorted, each once; null where it is the base's. */
export function tickersEdit(base, typed) {
  const tickers = listed(typed).sort();
  return tickers.join(" ") === base.test_tickers.join(" ") ? null : tickers.join(" ") || " ";
}

/** Return how many things differ from the base. */
export function countEdits({ settings, tickers, rules }) {
  const ofRules = rules.flatMap((rule) => (rule.isOn ? rule.fields.map((field) => field.isEdited) : [true]));
  return [...settings.map((field) => field.isEdited), tickers.isEdited, ...ofRules].filter(Boolean).length;
}

/** Return what stands in the way of a rules file, null where nothing does. */
export function obstacle({ settings, rules }) {
  const on = rules.filter((rule) => rule.isOn);
  if (!on.length) return "At least one rule must be on.";
  const wrong = [...settings, ...on.flatMap((rule) => rule.fields)].find((field) => field.problem);
  return wrong ? `${wrong.name} ${wrong.problem}.` : null;
}

/** Return the text of the rules file: `project --rebuild --rules` takes it. */
export function fileOf({ settings, tickers, rules }) {
  return [
    ...settings.map((field) => `${field.name} = ${number(field.value)}`),
    `test_tickers = [${tickers.list.map(text).join(", ")}]`,
    "",
    "[rules]",
    ...rules.filter((rule) => rule.isOn).map(line),
    "",
  ].join("\n");
}

function line(rule) {
  const [penalty, ...limits] = rule.fields;
  const parts = [
    `penalty = ${number(penalty.value)}`,
    ...(rule.group == null ? [] : [`group = ${text(rule.group)}`]),
    ...limits.map((limit) => `${key(limit.label)} = ${number(limit.value)}`),
  ];
  return `${key(rule.name)} = { ${parts.join(", ")} }${rule.meaning ? `  # ${rule.meaning}` : ""}`;
}

function problemOf(value, { low, high, whole, says }) {
  const isWithin = value >= low && value <= high && (!whole || Number.isInteger(value));
  return isWithin ? null : `must be ${says}`;
}

const listed = (typed) => [...new Set(typed.split(/[\s,]+/).filter(Boolean))];
const number = (value) => String(value);
const key = (name) => (BARE_KEY.test(name) ? name : text(name));
const text = (value) => JSON.stringify(value).replaceAll("\x7f", "\\u007f");

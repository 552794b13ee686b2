// The report of a dry run: what would change, what that means for a rebuild, and how to make it so. It asks nothing.
import { html, nothing } from "../../vendor/lit-html/lit-html.js";
import { change, count, price, words } from "../format.js";
import { badge, table } from "../parts.js";
import { link } from "../place.js";
import { copy, differenceTable, rulesFile, short } from "./rules_parts.js";

const COUNTS = [
  ["before", "bars before", "Live bars that were set beside the replay."],
  ["after", "bars after", "Bars that these rules would give."],
  ["gained", "gained", "Bars that are not live, and would be."],
  ["lost", "lost", "Live bars that would be gone: of test tickers, say."],
  ["newly_validated", "newly validated", "Their score would be enough; it is not now."],
  ["no_longer_validated", "no longer validated", "Their score is enough now, and would not be."],
  ["rejudged", "rejudged", "Bars that fail other rules or have another score, validated or not."],
  ["restated", "restated", "Bars with other values: prices, volume."],
];
const OF_LINES = ["changed", "newly_validated", "no_longer_validated", "gained", "lost", "rejudged", "restated"];

/** The report; `said` and `say` are of what was copied or saved last. */
export const report = (answer, seconds, said, say) => {
  const { changes } = answer;
  return html`<section class="dry-report" aria-labelledby="report">
    <h2 id="report" tabindex="-1">What would change</h2>
    ${verdict(answer)}
    <p class="faint">
      Payloads 1 to ${count(answer.checkpoint)} were replayed in ${seconds.toFixed(1)} s and set beside what is live.
      ${answer.archive_head > answer.checkpoint
        ? `Of the ${count(answer.archive_head)} that there are, the live projection lacks the others, too.`
        : nothing}
      ${answer.calendar_before === answer.calendar_after
        ? nothing
        : `The calendar is another one, too: ${answer.calendar_before} → ${answer.calendar_after}.`}
    </p>
    <ul class="cards">
      ${COUNTS.map(
        ([name, label, help]) => html`<li class="card" title=${help}>
          <h3>${label}</h3>
          <p class="value">${count(changes.counts[name])}</p>
        </li>`,
      )}
    </ul>
    ${changes.counts.changed ? details(changes) : html`<p>No bar would change in any way.</p>`}
    <h3>How these rules differ from the live ones</h3>
    ${differenceTable(
      answer.differences,
      `Live: ${short(changes.ruleset_before)}`,
      `Tried: ${short(changes.ruleset_after)}`,
    )}
    ${promotion(answer, said, say)}
  </section>`;
};

const RULE_COLUMNS = [
  "Now",
  "Then",
  "Newly failing",
  "Of those, no longer validated",
  "No longer failing",
  "Of those, newly validated",
];
const SAMPLE_COLUMNS = [
  ["Bar"],
  ["Change"],
  ["Score", "number"],
  ["Fails now"],
  ["Would fail"],
  ["Gap", "number"],
  ["Volume ratio", "number"],
];
const MANY = 12;

const statusChanged = ({ newly_validated, no_longer_validated, lost }) => newly_validated + no_longer_validated + lost;

/** A share so that one beyond the budget never looks like one within: 1.0004 % is no 1 %. */
const share = (value) => `${Number((100 * value).toPrecision(3))} %`;

function verdict({ changes, max_change: most, within_budget: within }) {
  const changed = statusChanged(changes.counts);
  return html`<p class="rules-verdict">
    ${within ? badge("good", "within the budget") : badge("warn", "over the budget")}
    <strong>${count(changed)} of ${count(changes.counts.before)} live bars (${share(changes.changed_share)})</strong>
    would change between validated and not, or be lost.
    ${within
      ? `A rebuild may change ${share(most)}: it would go live without asking.`
      : `A rebuild may change ${share(most)}: it would stop before it goes live, unless you allow more.`}
  </p>`;
}

const details = (changes) => html`
  ${table(
    "By rule: bars that fail it",
    [["Rule"], ...RULE_COLUMNS.map((heading) => [heading, "number"])],
    Object.entries(changes.by_rule).map(([name, rule]) => [
      name, count(rule.before), count(rule.after), count(rule.newly_failing), count(rule.no_longer_validated),
      count(rule.no_longer_failing), count(rule.newly_validated),
    ]),
  )}
  ${table(
    "Some of the bars that change",
    SAMPLE_COLUMNS,
    changes.samples.map((sample) => [
      html`<a href=${link("symbol", sample.ticker, { session: sample.session })}
        >${sample.ticker} ${sample.session}</a>`,
      words(sample.kind) + (sample.restated.length ? `: ${sample.restated.join(", ")}` : ""),
      `${price(sample.score_before)} → ${price(sample.score_after)}`,
      failing(sample.rules_before),
      failing(sample.rules_after),
      change(sample.gap, 1),
      sample.volume_ratio?.toFixed(2) ?? "–",
    ]),
  )}
  ${folded("By symbol: those that change most", "symbol", [
    ...Object.entries(changes.by_symbol).map(([symbol, counts]) => [symbolLink(symbol), counts]),
    ...(changes.other_symbols ? [[`and ${count(changes.other_symbols)} more`, changes.others]] : []),
  ])}
  ${folded("By year", "year", Object.entries(changes.by_year).filter(([, counts]) => counts.changed))}
`;

const symbolLink = (symbol) => html`<a href=${link("symbol", symbol)}>${symbol}</a>`;

/** What is long is folded, and one click away. */
const folded = (caption, first, rows) =>
  html`<details ?open=${rows.length <= MANY}>
    <summary>${caption} <span class="faint">(${count(rows.length)} lines)</span></summary>
    ${counted(caption, first, rows)}
  </details>`;

const counted = (caption, first, rows) =>
  table(
    caption,
    [[first], ["bars", "number"], ...OF_LINES.map((name) => [words(name), "number"])],
    rows.map(([name, counts]) => [name, count(counts.before), ...OF_LINES.map((each) => count(counts[each]))]),
  );

const failing = (rules) => (rules === null ? "no bar" : rules.join(", ") || "none");

function promotion(answer, said, say) {
  const file = `rules-${short(answer.ruleset_hash)}.toml`;
  const allowed = Math.ceil(1000 * answer.changes.changed_share) / 10;
  const command = `project --rebuild --rules ${file}${answer.within_budget ? "" : ` --max-change ${allowed}%`}`;
  return html`<h3>Make it so</h3>
    <p>This page only reads. Save the rules file, and run this where the warehouse runs:</p>
    <pre class="rules-command" tabindex="0" role="region" aria-label="Command">${command}</pre>
    <p class="controls"><button type="button" @click=${() => copy(command, say)}>Copy the command</button></p>
    ${answer.within_budget
      ? nothing
      : html`<p><code>--max-change ${allowed}%</code> allows as much as this dry run found, and no more;
          <code>--yes</code> in its place allows anything.</p>`}
    <p>Readers see the old bars until the new ones are whole; <code>project --rollback</code> goes back. Let
      <code>RULES</code> name the file afterwards, else the next rebuild is by the old one.</p>
    <h3>The rules file</h3>
    ${rulesFile(answer.text, file, said, say)}`;
}

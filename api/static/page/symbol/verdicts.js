// What the rules say of a bar, the sum that their penalties make, and what a person decided above it.
import { html, nothing } from "../../vendor/lit-html/lit-html.js";
import { time } from "../format.js";
import { stands, until } from "./believed.js";
import { measured, score } from "./numbers.js";
import { badge, table } from "../parts.js";
import { rawLink } from "./said.js";

/** The verdict of each rule, and the score as a sum. */
export function verdicts({ answer, ruleset }) {
  const charged = chargesOf(answer.verdicts);
  const rows = answer.verdicts.map((verdict) => [
    html`<code>${verdict.rule}</code>`,
    verdict.passed ? badge("good", "passed") : badge("bad", "failed"),
    html`${measured(verdict.measure)} <span class="faint">${limitsInWords(verdict.limits)}</span>`,
    chargeCell(verdict, charged),
  ]);
  const columns = [["Rule"], ["Verdict"], ["Measured", "number"], ["Charged", "number"]];
  const failed = answer.verdicts.filter((verdict) => !verdict.passed);
  const meanings = new Map(ruleset.rules.map((rule) => [rule.name, rule.meaning]));
  return html`${table("Verdict of each rule", columns, rows)}
    ${sum(answer, ruleset, charged)} ${meant(failed, meanings)}
    <details>
      <summary>What the rules mean</summary>
      ${meant(answer.verdicts, meanings)}
      <p class="faint">A bar starts at 1 and loses the penalty of each rule that fails; of a group only the largest.</p>
    </details>`;
}

const limitsInWords = (limits) =>
  Object.entries(limits)
    .map(([name, limit]) => `${name} ${measured(limit)}`)
    .join(", ");

function chargeCell({ rule, passed, penalty, group }, charged) {
  if (charged.has(rule)) return `−${score(penalty)}`;
  return html`0 <span class="faint">${passed ? `of ${score(penalty)}` : `${group} once only`}</span>`;
}

const meant = (verdicts, meanings) => html`<dl class="meanings">
  ${verdicts.map(
    ({ rule, source }) => html`<div>
      <dt><code>${rule}</code></dt><dd>${meanings.get(rule) ?? nothing} (${source})</dd>
    </div>`,
  )}
</dl>`;

/** Return what is charged by rule: of the failed ones of a group only the largest, the first of equals. */
function chargesOf(verdicts) {
  const dearest = new Map();
  for (const { rule, passed, penalty, group } of verdicts) {
    const key = group === null ? `rule ${rule}` : `group ${group}`;
    if (!passed && !(dearest.get(key)?.penalty >= penalty)) dearest.set(key, { rule, penalty });
  }
  return new Map([...dearest.values()].map(({ rule, penalty }) => [rule, penalty]));
}

function sum({ bar, overrides: decided }, { validated_from: from }, charged) {
  const { quality_score: reached, validated } = bar;
  const total = [...charged.values()].reduce((left, penalty) => left - penalty, 1);
  const terms = [...charged].map(
    ([rule, penalty]) => html` − ${score(penalty)} <span class="faint">(${rule})</span>`,
  );
  const enough = reached >= from;
  const decision = decided.find(stands);
  return html`<p class="sum">
    Score: 1${terms.length ? terms : " − 0"} ${total < 0 ? "< 0, so" : "="} <strong>${score(reached)}</strong>;
    ${enough ? "at least" : "below"} ${score(from)}: the rules ${enough ? "validate" : "do not validate"} it.
    ${decision ? `A person's decision stands above that: ${validated ? "validated" : "not validated"}.` : nothing}
  </p>`;
}
/** What persons decided of the bar. */
export const overrides = (decided) => html`<ul class="said">${decided.map(
  (each) => html`<li>
    ${badge(each.verdict === "accept" ? "good" : "bad", each.verdict === "accept" ? "accepted" : "rejected")}
    by ${each.decided_by}, ${time(each.decided_at)}, because: ${each.because}
    <span class="faint">(${rawLink(each.archive_seq)}${until(each, "held until")})</span>
  </li>`,
)}</ul>`;

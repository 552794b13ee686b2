// What the views of the rules share: a ruleset's short name, how two differ, in a table and in words, and a rules file
// to look at, to save and to copy.
import { html, nothing } from "../../vendor/lit-html/lit-html.js";
import { table } from "../parts.js";
import { link } from "../place.js";

const SHORT = 12;

/** The beginning of a hash, by which a person tells rulesets apart. */
export const short = (hash) => hash.slice(0, SHORT);

/** A ruleset as a link to all of it. */
export const rulesetLink = (hash) => html`<a href=${link("rules", hash)}><code>${short(hash)}</code></a>`;

/** Rulesets to choose from. */
export const rulesetOptions = (rulesets, chosen) =>
  rulesets.map(
    ({ hash, judged }) =>
      html`<option value=${hash} ?selected=${hash === chosen}>${short(hash)} ${judged.join(", ")}</option>`,
  );

/** How two rulesets differ: in words, then each thing before and after. */
export const differenceTable = (differences, before, after) => html`<ul class="in-words">
    ${differences.map((each) => html`<li>${inWords(each)}</li>`)}
  </ul>
  ${table(
    "Differences",
    [["Rule"], ["What"], [before], [after]],
    differences.map(({ rule, what, before: was, after: is }) => [rule ?? "(all)", what, value(was), value(is)]),
    "None: these are the same rules.",
  )}`;

const value = (text) => (text === null ? html`<span class="faint">–</span>` : html`<code>${text}</code>`);

/** One difference as a sentence. */
export function inWords({ rule, what, before, after }) {
  if (what === "rule") return before === null ? `${rule} is a new rule.` : `${rule} is no longer a rule.`;
  if (what === "penalty") return `A bar that fails ${rule} loses ${after} of its score instead of ${before}.`;
  if (what === "version") return `${rule} is judged by version ${after} of its code instead of ${before}.`;
  if (what === "group") return group(rule, after);
  if (rule !== null) return `The threshold ${what} of ${rule} is ${after ?? "none"} instead of ${before ?? "none"}.`;
  if (what === "validated_from") return `A bar is validated from a score of ${after} on instead of ${before}.`;
  if (what === "volume_window") return `The volume's median is that of ${after} sessions instead of ${before}.`;
  if (what === "test_tickers") return after === null ? `${before} is no test ticker.` : `${after} is a test ticker.`;
  return `The rules stand in another order: ${after}.`;
}

const group = (rule, name) =>
  name === null
    ? `${rule} is in no group: its penalty counts beside those of others.`
    : `${rule} is in the group ${name}: of those that fail only the largest penalty counts.`;

/** A rules file: its text, and buttons that save and copy it. `said` is what was done last, `say` sets it. */
export const rulesFile = (text, name, said, say) => html`<p class="controls">
    <button type="button" @click=${() => saveText(text, name, say)}>Download ${name}</button>
    <button type="button" @click=${() => copy(text, say)}>Copy</button>
    <span role="status">${said ?? nothing}</span>
  </p>
  <pre class="rules-text" tabindex="0" role="region" aria-label="Rules file">${text}</pre>`;

function saveText(text, name, say) {
  const url = URL.createObjectURL(new Blob([text], { type: "application/toml" }));
  Object.assign(document.createElement("a"), { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
  say(`${name} is saved.`);
}

/** Put a text on the clipboard, and say whether it is there: browsers give it to pages of a safe origin only. */
export async function copy(text, say) {
  try {
    await navigator.clipboard.writeText(text);
    say("Copied.");
  } catch {
    say("This browser does not let the page copy; select the text instead.");
  }
}

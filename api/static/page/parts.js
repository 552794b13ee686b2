// The pieces that every view is made of: what waits, what failed, tables, marks with a word, and small trends.
import { html, nothing, svg } from "../vendor/lit-html/lit-html.js";

/** What is shown until the answer is there. */
export const loading = (what = "Loading …") => html`<p class="faint" role="status">${what}</p>`;

/** What is shown in place of an answer. */
export const failure = (error) => html`<div class="failure" role="alert">
  <strong>${error.status ? "Refused" : "No answer"}</strong>
  <p>${error.message}</p>
  ${error.code ? html`<p class="faint">${error.status} ${error.code}</p>` : nothing}
</div>`;

/** A state with its sign, so that nobody needs the colour: kind is good, warn, bad or plain. */
const SIGNS = { good: "✓", warn: "▲", bad: "✕", plain: "•" };
export const badge = (kind, text) => html`<span class="badge ${kind}"><span aria-hidden="true">${SIGNS[kind]}</span> ${text}</span>`;

/** A table: columns are [heading, kind] with kind "" or "number"; cells are text or templates. */
export const table = (caption, columns, rows, empty = "None.") => html`<div class="scroll" tabindex="0" role="group" aria-label=${caption}>
  <table>
    <caption>${caption}</caption>
    <thead><tr>${columns.map(([heading, kind]) => html`<th scope="col" class=${kind ?? ""}>${heading}</th>`)}</tr></thead>
    <tbody>
      ${rows.length
        ? rows.map((row) => html`<tr>${row.map((cell, at) => html`<td class=${columns[at][1] ?? ""}>${cell}</td>`)}</tr>`)
        : html`<tr><td colspan=${columns.length} class="faint">${empty}</td></tr>`}
    </tbody>
  </table>
</div>`;

/** A small trend of numbers, null where there is none; `label` says in words what it shows. */
export function sparkline(values, label) {
  const known = values.filter((value) => value != null);
  if (known.length < 2) return nothing;
  const [low, high] = [Math.min(...known), Math.max(...known)];
  const x = (at) => ((100 * at) / (values.length - 1)).toFixed(2);
  const y = (value) => (high === low ? 12 : 22 - (20 * (value - low)) / (high - low)).toFixed(2);
  const runs = [];
  let pen = "M";
  values.forEach((value, at) => {
    if (value == null) pen = "M";
    else {
      runs.push(`${pen}${x(at)} ${y(value)}`);
      pen = "L";
    }
  });
  return html`<svg class="sparkline" viewBox="-1 0 102 24" preserveAspectRatio="none" role="img" aria-label=${label}>
    ${svg`<path d=${runs.join("")} vector-effect="non-scaling-stroke"></path>`}
  </svg>`;
}

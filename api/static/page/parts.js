// The pieces that every view is made of: what waits, what failed, tables, marks with a word, and small trends.
import { html, nothing, svg } from "../vendor/lit-html/lit-html.js";

/** What is shown until the answer is there. */
export const loading = (what = "Loading …") => html`<p class="faint" role="status">${what}</p>`;

// What a person can do about a refusal that only the operator's hand can mend.
const REMEDIES = {
  nothing_projected: html`Run <code>ops up</code>, which fetches and projects; where
    payloads are archived already, <code>project</code>.`,
  projection_outdated: html`Run <code>project --rebuild</code>; nothing is fetched anew.`,
  database_away: html`Start the database, or see what <code>DATABASE_URL</code> says; the
    page answers once it is back.`,
};

/** What is shown in place of an answer; whoever listens to "retry" on the window shows the view again. */
export const failure = (error) => html`<div class="failure" role="alert">
  <strong>${headline(error)}</strong>
  ${Object.hasOwn(REMEDIES, error.code)
    ? html`<p>${error.message.split("; run: ")[0]}</p><p>${REMEDIES[error.code]}</p>`
    : html`<p>${error.message ?? String(error)}</p>`}
  ${error.status ? html`<p class="faint">${error.status} ${error.code}</p>` : nothing}
  ${mayPass(error) ? html`<button type="button" @click=${retry}>Try again</button>` : nothing}
</div>`;

const retry = () => dispatchEvent(new Event("retry"));
const mayPass = ({ status, code }) =>
  code !== "unknown_page" && (!status || status === 401 || status === 429 || status >= 500);

function headline({ status, code }) {
  if (code === "server_away") return "No answer";
  if (code === "unknown_page" || status === 404) return "Not found";
  if (status === 401) return "A key is wanted";
  if (status >= 500) return "Not ready";
  return status ? "Refused" : "Something in this page went wrong";
}

/** A state with its sign, so that nobody needs the colour: kind is good, warn, bad or plain. */
const SIGNS = { good: "✓", warn: "▲", bad: "✕", plain: "•" };
export const badge = (kind, text) =>
  html`<span class="badge ${kind}"><span aria-hidden="true">${SIGNS[kind]}</span> ${text}</span>`;

/** A table: columns are [heading, kind] with kind "" or "number"; cells are text or templates. */
export const table = (caption, columns, rows, empty = "None.") => html`<div
  class="scroll" tabindex="0" role="group" aria-label=${caption}
>
  <table>
    <caption>${caption}</caption>
    <thead>
      <tr>${columns.map(([heading, kind]) => html`<th scope="col" class=${kind ?? ""}>${heading}</th>`)}</tr>
    </thead>
    <tbody>
      ${rows.length
        ? rows.map((row) =>
            html`<tr>${row.map((cell, at) => html`<td class=${columns[at][1] ?? ""}>${cell}</td>`)}</tr>`)
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

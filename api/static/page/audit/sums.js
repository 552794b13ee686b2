// The counts of an audit, drawn so that anybody can add them up; and what was proved, of which state of the warehouse.
import { html, nothing, svg } from "../../vendor/lit-html/lit-html.js";
import { count } from "../format.js";
import { badge } from "../parts.js";
import { link, withQuery } from "../place.js";

/** The equations of an audit as the API answers it; the counts that have differences lead to them. */
export function sums(audit) {
  const to = (kind) => withQuery(link("audit", audit.session), { kind });
  const raw = [
    [audit.current, "current", "rows that are the bars now"],
    [audit.superseded, "superseded", "rows that no longer stand"],
    [audit.rejected, "rejected", "rows that cannot be a bar", to("rejected")],
  ];
  return html`<ul class="audit-sums">
    ${equation([audit.raw_rows, "raw rows", `${count(audit.payloads)} payloads may speak of it`], raw, share(audit))}
    ${equation([audit.superseded, "superseded", "rows that no longer stand"], [
      [audit.revised, "revised", "believed until restated", to("restated")],
      [audit.repeated, "repeated", "said what was known already"],
    ])}
    ${equation([audit.current, "current", "rows that are the bars now"], [
      [audit.validated, "validated", "by score, or by a person"],
      [audit.current - audit.validated, "not validated", "see the flagged", to("flagged")],
    ])}
  </ul>`;
}

function equation(total, parts, below = nothing) {
  const sum = parts.reduce((all, [value]) => all + value, 0);
  const said = `${parts.map(([value]) => count(value)).join(" + ")} = ${count(sum)}`;
  return html`<li>
    ${figure("", total)} ${parts.map((part, at) => figure(at ? "+" : "=", part))}
    <span class="audit-holds">
      ${sum === total[0] ? badge("good", `${said}, it adds up`) : badge("bad", `${said}, not ${count(total[0])}`)}
    </span>
    ${below}
  </li>`;
}

const figure = (sign, [value, name, meaning, address]) => html`<span class="audit-figure">
  <span class="audit-sign">${sign}</span>
  <span>
    <strong>${count(value)}</strong>
    ${address && value ? html`<a href=${address}>${name}</a>` : html`<b>${name}</b>`}
    <small>${meaning}</small>
  </span>
</span>`;

function share(audit) {
  if (!audit.raw_rows) return nothing;
  let from = 0;
  const parts = ["current", "superseded", "rejected"].map((name) => {
    const wide = (100 * audit[name]) / audit.raw_rows;
    from += wide;
    return svg`<rect class=${name} x=${from - wide} width=${wide} height="4"></rect>`;
  });
  return html`<svg class="audit-bar" viewBox="0 0 100 4" preserveAspectRatio="none" aria-hidden="true">${parts}</svg>`;
}

/** What was proved of a session, and of which generation and ruleset. */
export function proof({ session, missing, checked, generation }) {
  const { generation_id: id, checkpoint, ruleset_hash: hash } = generation;
  const symbols = `${count(missing)} ${missing === 1 ? "symbol" : "symbols"}`;
  return html`<dl class="audit-facts">
    <dt>Missing</dt>
    <dd>
      ${missing ? html`<a href=${withQuery(link("audit", session), { kind: "missing" })}>${symbols}</a>` : symbols}
      <span class="faint">with bars around the session and none in it</span>
    </dd>
    <dt>Checked</dt>
    <dd><ul>${checked.map((line) => html`<li><span class="good" aria-hidden="true">✓</span> ${line}</li>`)}</ul></dd>
    <dt>Generation</dt>
    <dd><code>${id}</code>, with every payload up to ${count(checkpoint)}</dd>
    <dt>Ruleset</dt>
    <dd><a href=${link("rules", hash)}><code>${hash.slice(0, 12)}</code></a></dd>
  </dl>`;
}

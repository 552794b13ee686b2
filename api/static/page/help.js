// The dialog that lists the keys of the keyboard, those of the shown view as well, and can silence the single ones.
import { html, render } from "../vendor/lit-html/lit-html.js";
import { browser } from "./kept.js";

const KEPT = "warehouse-single-keys";
const EVERYWHERE = [
  ["/", "find a symbol; Ctrl K does so too, while typing as well"],
  ["?", "this list"],
];
const root = document.createElement("div");
document.getElementById("dialogs").append(root);

/** Tell whether single characters are shortcuts; a person may have switched them off. */
export const singleKeysWork = () => browser.get(KEPT) !== "off";

/** Open the list; `ofView` are the shown view's keys, as [key, what it does]. */
export function openHelp(ofView = []) {
  render(template([...EVERYWHERE, ...ofView]), root);
  const dialog = root.querySelector("dialog");
  if (!dialog.open) dialog.showModal();
}

const template = (keys) => html`<dialog id="help" aria-labelledby="help-title" closedby="any">
  <form method="dialog">
    <h2 id="help-title">Keyboard</h2>
    <table class="keys">
      <thead><tr><th scope="col">Key</th><th scope="col">What it does</th></tr></thead>
      <tbody>${keys.map(([key, what]) => html`<tr><th scope="row"><kbd>${key}</kbd></th><td>${what}</td></tr>`)}</tbody>
    </table>
    <label class="check">
      <input type="checkbox" .checked=${singleKeysWork()} @change=${switched} /> Single characters are shortcuts
    </label>
    <p><button class="primary">Close</button></p>
  </form>
</dialog>`;

function switched(event) {
  browser.set(KEPT, event.target.checked ? "on" : "off");
}

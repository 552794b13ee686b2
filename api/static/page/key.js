// Asking the person for the key of this server. It is kept in this tab only, and is never in an address or a link.
import { html, render } from "../vendor/lit-html/lit-html.js";

const root = document.createElement("div");
document.getElementById("dialogs").append(root);
let asked = null;

/** Ask for a key; the promise is of what was typed, or of null. Askers at the same time share one dialog. */
export function askForKey(why) {
  asked ??= new Promise((resolve) => {
    render(template(why), root);
    const dialog = root.querySelector("dialog");
    const input = root.querySelector("input");
    dialog.returnValue = "";
    dialog.addEventListener("close", () => {
      asked = null;
      resolve(dialog.returnValue === "ok" ? input.value.trim() || null : null);
      input.value = "";
    }, { once: true });
    dialog.showModal();
  });
  return asked;
}

const template = (why) => html`<dialog id="key" aria-labelledby="key-title">
  <form method="dialog">
    <h2 id="key-title">This server asks for a key</h2>
    <p id="key-why" role="status">${why}</p>
    <label for="key-text">API key</label>
    <input
      id="key-text" type="password" autocomplete="off" spellcheck="false" required aria-describedby="key-why key-kept"
    />
    <p id="key-kept" class="faint">Kept in this tab only, until it is closed or you forget it.
      <code>api keys create NAME</code> makes one.</p>
    <p><button class="primary" value="ok">Use it</button> <button value="" formnovalidate>Not now</button></p>
  </form>
</dialog>`;

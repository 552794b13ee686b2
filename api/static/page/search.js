// The dialogs that any view may need: finding a symbol with the keyboard, and giving the key.
import { html, nothing, render } from "../vendor/lit-html/lit-html.js";
import { ask } from "./ask.js";
import { count } from "./format.js";
import { go, link } from "./place.js";

const PAUSE_MS = 120;
const SHOWN = 12;
const dialogs = document.getElementById("dialogs");
const state = { text: "", found: [], chosen: 0, problem: null, asking: new AbortController(), timer: 0 };

/** Open the search; what is typed is looked for among the symbols and names. */
export function openSearch() {
  Object.assign(state, { text: "", found: [], chosen: 0, problem: null });
  draw();
  const dialog = document.getElementById("search");
  if (!dialog.open) dialog.showModal();
  dialog.querySelector("input").value = "";
  find("");
}

async function find(text) {
  state.asking.abort();
  state.asking = new AbortController();
  const { signal } = state.asking;
  try {
    const answer = await ask("/api/v1/symbols", { search: text, limit: SHOWN }, signal);
    Object.assign(state, { text, found: answer.symbols, chosen: 0, problem: null });
  } catch (error) {
    if (signal.aborted) return;
    Object.assign(state, { text, found: [], problem: error.message });
  }
  draw();
}

function typed(event) {
  clearTimeout(state.timer);
  const text = event.target.value.trim();
  state.timer = setTimeout(() => find(text), PAUSE_MS);
}

function pressed(event) {
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (step && state.found.length) {
    event.preventDefault();
    state.chosen = (state.chosen + step + state.found.length) % state.found.length;
    draw();
    document.getElementById(`found-${state.chosen}`).scrollIntoView({ block: "nearest" });
  } else if (event.key === "Enter") {
    event.preventDefault();
    const typed = event.target.value.trim();
    const symbol = typed === state.text ? state.found[state.chosen]?.symbol : typed;
    if (symbol) open(symbol);
  }
}

function open(symbol) {
  document.getElementById("search").close();
  go(link("symbol", symbol));
}

function draw() {
  const options = state.found.map(
    (row, at) => html`<li
      id="found-${at}"
      role="option"
      aria-selected=${at === state.chosen ? "true" : "false"}
      @click=${() => open(row.symbol)}
    ><strong>${row.symbol}</strong> <span>${row.name ?? ""}</span> <span class="faint">${count(row.bars)} bars, ${row.first_session ?? "–"} to ${row.last_session ?? "–"}</span></li>`,
  );
  render(
    html`<dialog id="search" aria-label="Find a symbol">
        <form method="dialog" class="find">
          <label for="search-text">Symbol or name</label>
          <input
            id="search-text" type="text" role="combobox" aria-expanded="true" aria-controls="search-list" aria-autocomplete="list"
            aria-activedescendant=${state.found.length ? `found-${state.chosen}` : nothing}
            autocomplete="off" autocapitalize="off" spellcheck="false" autofocus @input=${typed} @keydown=${pressed}
          />
          <ul id="search-list" role="listbox" aria-label="Symbols found">${options}</ul>
          <p class="faint" role="status">${state.problem ?? (state.found.length ? nothing : `Nothing found for “${state.text}”.`)}</p>
          <p class="faint"><kbd>↑</kbd> <kbd>↓</kbd> choose, <kbd>Enter</kbd> opens, <kbd>Esc</kbd> closes; symbols are case-sensitive.</p>
        </form>
      </dialog>
      <dialog id="key" aria-label="API key">
        <form method="dialog">
          <p id="key-why"></p>
          <label for="key-text">API key (kept in this tab only)</label>
          <input id="key-text" type="password" autocomplete="off" spellcheck="false" required />
          <p><button value="ok">Use it</button> <button value="" formnovalidate>Not now</button></p>
        </form>
      </dialog>`,
    dialogs,
  );
}

let asked = null;

/** Ask the person for a key; the promise is of what was typed, or of null. Askers at the same time share one dialog. */
export function askForKey(why) {
  asked ??= new Promise((resolve) => {
    draw();
    const dialog = document.getElementById("key");
    const input = dialog.querySelector("input");
    document.getElementById("key-why").textContent = why;
    input.value = "";
    dialog.returnValue = "";
    dialog.addEventListener("close", () => {
      asked = null;
      resolve(dialog.returnValue === "ok" ? input.value.trim() : null);
    }, { once: true });
    dialog.showModal();
  });
  return asked;
}

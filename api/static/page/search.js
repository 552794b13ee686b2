// Finding a symbol with the keyboard: a dialog with a combobox; what is typed is looked for in symbols and names.
import { html, nothing, render } from "../vendor/lit-html/lit-html.js";
import { ask } from "./ask.js";
import { count } from "./format.js";
import { browser, keptList } from "./kept.js";
import { go, link } from "./place.js";

const PAUSE_MS = 100;
const SHOWN = 12;
const LONGEST_TEXT = 64;
const RECENT = "warehouse-recent";
const MOST_RECENT = 8;
const COLUMNS = "symbol,name,bars,first_session,last_session";

const root = document.createElement("div");
document.getElementById("dialogs").append(root);
let state = fresh();
let asking = new AbortController();
let timer = 0;

/** Nothing typed, nothing found; `text` is what `found` was found for, null while nothing was. */
function fresh() {
  return { text: null, found: [], total: 0, chosen: 0, problem: null, isRecent: false };
}

/** Return the symbols that were found here lately, the last one first. */
function recent() {
  return keptList(browser, RECENT).filter((each) => typeof each === "string" && each !== "");
}

/** Open the search. */
export function openSearch() {
  state = fresh();
  draw();
  const dialog = root.querySelector("dialog");
  if (dialog.open) return;
  root.querySelector("input").value = "";
  dialog.showModal();
  find("");
}

/** Look for a text, and show what was found unless something else was typed meanwhile. */
async function find(text) {
  clearTimeout(timer);
  asking.abort();
  asking = new AbortController();
  const { signal } = asking;
  if (text === "" && recent().length) {
    const found = recent().map((symbol) => ({ symbol }));
    state = { ...fresh(), text, found, total: found.length, isRecent: true };
  } else {
    state = await answer(text, signal);
  }
  if (!signal.aborted) draw();
}

async function answer(text, signal) {
  const query = { search: text, order: "match", limit: SHOWN, columns: COLUMNS };
  try {
    const { symbols, total } = await ask("/api/v1/symbols", query, signal);
    return { ...fresh(), text, found: symbols, total };
  } catch (error) {
    return signal.aborted ? state : { ...fresh(), text, problem: error.message };
  }
}

const typedText = () => root.querySelector("input").value.trim();

function typed() {
  clearTimeout(timer);
  timer = setTimeout(() => find(typedText()), PAUSE_MS);
}

function pressed(event) {
  if (event.isComposing) return;
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (step) {
    event.preventDefault();
    choose((state.chosen + step + state.found.length) % Math.max(1, state.found.length));
  } else if (event.key === "Enter") {
    event.preventDefault();
    openChosen();
  }
}

function choose(at) {
  state.chosen = at;
  draw();
  document.getElementById(`found-${at}`)?.scrollIntoView({ block: "nearest" });
}

/** Open what is chosen; where the answer to what was typed is still to come, the best of it. */
async function openChosen() {
  const text = typedText();
  if (text !== state.text) await find(text);
  const chosen = state.found[state.chosen];
  if (chosen && text === state.text && text === typedText()) open(chosen.symbol);
}

function open(symbol) {
  const others = recent().filter((each) => each !== symbol);
  browser.set(RECENT, JSON.stringify([symbol, ...others].slice(0, MOST_RECENT)));
  asking.abort();
  root.querySelector("dialog").close();
  go(link("symbol", symbol));
}

function option(row, at) {
  const facts = row.bars === undefined
    ? nothing
    : row.bars > 0
      ? html`<span class="faint">${count(row.bars)} bars, ${row.first_session} to ${row.last_session}</span>`
      : html`<span class="faint">no bars</span>`;
  const isChosen = at === state.chosen;
  return html`<li
    id="found-${at}" role="option" aria-selected=${isChosen ? "true" : "false"} @click=${() => open(row.symbol)}
  >
    <bdi><strong>${row.symbol}</strong></bdi> ${row.name ? html`<bdi>${row.name}</bdi>` : nothing} ${facts}
  </li>`;
}

/** Say in words what the list shows. */
function status() {
  if (state.problem) return state.problem;
  if (state.text === null) return "";
  if (state.isRecent) return "Opened here lately.";
  if (!state.found.length) return state.text ? "No symbol and no name has this in it." : "There is no symbol yet.";
  return state.total > state.found.length
    ? `The best ${state.found.length} of ${count(state.total)}.`
    : `${count(state.total)} found.`;
}

function draw() {
  const isFilled = state.found.length > 0;
  render(
    html`<dialog id="search" class="find" aria-label="Find a symbol" closedby="any" @close=${() => asking.abort()}>
      <form method="dialog">
        <label for="search-text">Symbol or name</label>
        <p class="line">
          <input
            id="search-text" type="text" role="combobox" aria-expanded=${isFilled ? "true" : "false"}
            aria-controls="search-list" aria-autocomplete="list"
            aria-activedescendant=${isFilled ? `found-${state.chosen}` : nothing} maxlength=${LONGEST_TEXT}
            autocomplete="off" autocapitalize="off" spellcheck="false" autofocus @input=${typed} @keydown=${pressed}
          />
          <button value="">Close</button>
        </p>
        <ul id="search-list" role="listbox" aria-label="Symbols found">${state.found.map(option)}</ul>
        <p class=${state.problem ? "bad" : "faint"} role="status">${status()}</p>
        <p class="faint keyboard"><kbd>↑</kbd> <kbd>↓</kbd> choose, <kbd>Enter</kbd> opens, <kbd>Esc</kbd> closes.</p>
      </form>
    </dialog>`,
    root,
  );
}

// The page: shows the view that the address names, and goes from one to the next without being loaded again.
import { html, render } from "../vendor/lit-html/lit-html.js";
import { forgetKey, holdsKey, onKeyWanted } from "./ask.js";
import { openHelp, singleKeysWork } from "./help.js";
import { askForKey } from "./key.js";
import "./notices.js";
import { failure, loading } from "./parts.js";
import { go, here } from "./place.js";
import { leaveEntry, returnToEntry } from "./scroll.js";
import { openSearch } from "./search.js";

const VIEWS = {
  home: () => import("./home/home.js"),
  symbol: () => import("./symbol/symbol.js"),
  audit: () => import("./audit/audit.js"),
  rules: () => import("./rules/rules.js"),
};
const LONGEST_TITLE = 80;

const main = document.getElementById("main");
const forget = document.getElementById("forget");
let shown = { key: null, address: null, view: null, root: main, stop: new AbortController() };

/** Show the view of the address; where it is shown already and only the query has changed, it is told so. */
async function show() {
  const place = here();
  const key = `${place.view}/${place.rest}`;
  const address = location.pathname + location.search;
  if (address === shown.address) return; // only the fragment is another
  const isFirst = shown.key === null;
  if (!isFirst) leaveEntry();
  shown.address = address;
  if (shown.key === key && shown.view?.update) {
    entitle(place);
    await guarded(() => shown.view.update(place));
    return;
  }
  renew(key, address);
  mark(place.view);
  returnToEntry(shown.root, shown.stop.signal);
  if (!isFirst) main.focus({ preventScroll: true });
  const { signal } = shown.stop;
  await guarded(async () => {
    const view = await load(place);
    if (signal.aborted) return;
    shown.view = view;
    entitle(place);
    if (!isFirst) document.getElementById("announced").textContent = document.title;
    await view.show(place, shown.root, signal);
  });
}

/** Begin a new view in the place of the shown one, whose requests and listeners end. */
function renew(key, address) {
  shown.stop.abort();
  const root = document.createElement("div");
  root.className = "view";
  shown = { key, address, view: null, root, stop: new AbortController() };
  main.replaceChildren(root);
  render(loading(), root);
}

/** Do what a view does; what it throws is shown in its place, unless it was left meanwhile. */
async function guarded(act) {
  const { root, stop } = shown;
  try {
    await act();
  } catch (error) {
    if (stop.signal.aborted || error.name === "AbortError") return;
    if (!error.code) console.error(error);
    // Anew from here: what the view has made of its root is of no use any more.
    const instead = document.createElement("div");
    root.replaceChildren(instead);
    shown.view = null;
    render(html`<h1>${document.title.split(" · ")[0]}</h1>${failure(error)}`, instead);
  }
}

async function load(place) {
  const isNamed = place.view !== "symbol" || place.rest !== "";
  if (!Object.hasOwn(VIEWS, place.view) || !isNamed) {
    document.title = "No such page · Market data warehouse";
    throw Object.assign(new Error(`There is no page ${location.pathname} here.`), { code: "unknown_page" });
  }
  return VIEWS[place.view]();
}

function entitle(place) {
  document.title = `${shown.view.title(place).slice(0, LONGEST_TITLE)} · Market data warehouse`;
}

function mark(view) {
  for (const anchor of document.querySelectorAll("nav a[data-view]")) {
    if (anchor.dataset.view === view) anchor.setAttribute("aria-current", "page");
    else anchor.removeAttribute("aria-current");
  }
}

/** Show the view again from its beginning. */
function again() {
  Object.assign(shown, { key: "", address: null });
  show();
}

/** Follow links within the page without loading it anew. */
function follow(event) {
  const anchor = event.target.closest("a[href]");
  const plain = event.button === 0 && !event.metaKey && !event.ctrlKey && !event.shiftKey && !event.altKey;
  if (!anchor || !plain || event.defaultPrevented || anchor.target || anchor.hasAttribute("download")) return;
  const to = new URL(anchor.href);
  const view = to.pathname.split("/")[1] || "home";
  if (to.origin !== location.origin || !Object.hasOwn(VIEWS, view) || to.hash) return;
  event.preventDefault();
  go(to.pathname + to.search);
}

function pressed(event) {
  const isTyping = event.target.closest("input, textarea, select, [contenteditable], dialog");
  const isPlain = !event.ctrlKey && !event.metaKey && !event.altKey && !isTyping && singleKeysWork();
  if ((event.key === "/" && isPlain) || (event.key.toLowerCase() === "k" && (event.ctrlKey || event.metaKey))) {
    event.preventDefault();
    openSearch();
  } else if (event.key === "?" && isPlain) {
    openHelp(shown.view?.shortcuts);
  }
}

addEventListener("placechange", show);
addEventListener("popstate", show);
addEventListener("retry", again);
addEventListener("serverback", () => {
  if (main.querySelector(".failure")) again();
});
addEventListener("keychange", () => (forget.hidden = !holdsKey()));
document.addEventListener("click", follow);
document.addEventListener("keydown", pressed);
document.getElementById("find").addEventListener("click", openSearch);
document.getElementById("help-open").addEventListener("click", () => openHelp(shown.view?.shortcuts));
forget.addEventListener("click", () => {
  forgetKey();
  location.reload(); // so that nothing stays that was read with it
});
forget.hidden = !holdsKey();
onKeyWanted(askForKey);
show();

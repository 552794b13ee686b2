// The page: shows the view that the address names, and goes from one to the next without being loaded again.
import { html, render } from "../vendor/lit-html/lit-html.js";
import { onKeyWanted } from "./ask.js";
import { failure, loading } from "./parts.js";
import { go, here } from "./place.js";
import { askForKey, openSearch } from "./search.js";

const VIEWS = {
  home: () => import("./home.js"),
  symbol: () => import("./symbol.js"),
  audit: () => import("./audit.js"),
  rules: () => import("./rules.js"),
};

const main = document.getElementById("main");
let shown = { key: null, view: null, stop: new AbortController() };

/** Show the view of the address; where it is shown already and only the query has changed, it is told so. */
async function show() {
  const place = here();
  const key = `${place.view}/${place.rest}`;
  if (shown.key === key && shown.view?.update) {
    shown.view.update(place);
    return;
  }
  shown.stop.abort();
  const stop = new AbortController();
  shown = { key, view: null, stop };
  for (const anchor of document.querySelectorAll("nav a[data-view]")) {
    if (anchor.dataset.view === place.view) anchor.setAttribute("aria-current", "page");
    else anchor.removeAttribute("aria-current");
  }
  const fresh = document.createElement("div");
  fresh.className = "view";
  main.replaceChildren(fresh);
  render(loading(), fresh);
  try {
    if (!(place.view in VIEWS)) throw new Error(`there is no page ${location.pathname}`);
    const view = await VIEWS[place.view]();
    if (stop.signal.aborted) return;
    shown.view = view;
    document.title = `${view.title(place)} · Market data warehouse`;
    await view.show(place, fresh, stop.signal);
  } catch (error) {
    if (!stop.signal.aborted) render(failure(error), fresh);
  }
}

/** Follow links within the page without loading it anew. */
function follow(event) {
  const anchor = event.target.closest("a[href]");
  const plain = event.button === 0 && !event.metaKey && !event.ctrlKey && !event.shiftKey && !event.altKey;
  if (!anchor || !plain || event.defaultPrevented || anchor.target || anchor.hasAttribute("download")) return;
  const to = new URL(anchor.href);
  const view = to.pathname.split("/")[1] || "home";
  if (to.origin !== location.origin || !(view in VIEWS) || (to.hash && to.pathname === location.pathname)) return;
  event.preventDefault();
  const moved = to.pathname !== location.pathname;
  go(to.pathname + to.search);
  if (moved) {
    scrollTo(0, 0);
    main.focus({ preventScroll: true });
  }
}

addEventListener("placechange", show);
addEventListener("popstate", show);
document.addEventListener("click", follow);
document.addEventListener("keydown", (event) => {
  const typing = event.target.closest("input, textarea, select, [contenteditable]");
  const slash = event.key === "/" && !typing && !event.ctrlKey && !event.metaKey && !event.altKey;
  if (slash || (event.key.toLowerCase() === "k" && (event.ctrlKey || event.metaKey))) {
    event.preventDefault();
    openSearch();
  }
});
document.getElementById("find").addEventListener("click", () => openSearch());
onKeyWanted(askForKey);
show();

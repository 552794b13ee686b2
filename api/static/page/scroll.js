// How far each entry of the history was scrolled: views come when their answers do, so the browser cannot know.
import { keptList, tab } from "./kept.js";
import { newEntry } from "./place.js";

const KEPT = "warehouse-scroll";
const MOST = 100;
const PATIENCE_MS = 20_000;
const HANDS_ON = ["wheel", "touchmove", "keydown", "pointerdown"];
const heights = new Map(keptList(tab, KEPT));

history.scrollRestoration = "manual";
if (!history.state?.entry) history.replaceState(newEntry(), "");
let entry = history.state.entry;

/** Remember how far the entry is scrolled that is left now; call it before anything else is shown. */
export function leaveEntry() {
  heights.delete(entry);
  heights.set(entry, scrollY);
  entry = history.state?.entry;
}

/** Scroll to where the entry was left, as soon as `root` is as long as that; not once a person scrolls. */
export function returnToEntry(root, signal) {
  const height = heights.get(entry) ?? 0;
  scrollTo(0, height);
  if (height === 0) return;
  const stop = () => growth.disconnect();
  const growth = new ResizeObserver(() => {
    scrollTo(0, height);
    if (scrollY >= height - 1) stop();
  });
  growth.observe(root);
  setTimeout(stop, PATIENCE_MS);
  signal.addEventListener("abort", stop);
  for (const hands of HANDS_ON) addEventListener(hands, stop, { once: true, passive: true, signal });
}

addEventListener("pagehide", () => {
  heights.delete(entry);
  heights.set(entry, scrollY);
  tab.set(KEPT, JSON.stringify([...heights].slice(-MOST)));
});

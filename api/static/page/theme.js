// Light, dark, or as the system has it: the choice is kept in this browser; whoever draws by hand is told.
import { browser } from "./kept.js";

const KEPT = "warehouse-theme";
const NEXT = { system: "light", light: "dark", dark: "system" };
const SHOWN = { system: "◐ system", light: "☀ light", dark: "☾ dark" };
const TOLD = ["(prefers-color-scheme: dark)", "(forced-colors: active)"];
const probe = Object.assign(document.createElement("span"), { className: "probe", hidden: true });

function chosen() {
  const kept = browser.get(KEPT);
  return Object.hasOwn(NEXT, kept) ? kept : "system";
}

function apply() {
  document.documentElement.dataset.theme = chosen();
  const button = document.getElementById("theme");
  button.textContent = SHOWN[chosen()];
  button.setAttribute("aria-label", `Theme: ${chosen()}; change to ${NEXT[chosen()]}`);
  dispatchEvent(new Event("themechange"));
}

/** Return a colour of page.css as a canvas takes it: `color("up")`. */
export function color(name) {
  if (!probe.isConnected) document.body.append(probe);
  probe.style.color = `var(--${name})`;
  return getComputedStyle(probe).color;
}

document.getElementById("theme").addEventListener("click", () => {
  browser.set(KEPT, NEXT[chosen()]);
  apply();
});
for (const query of TOLD) matchMedia(query).addEventListener("change", () => dispatchEvent(new Event("themechange")));
apply();

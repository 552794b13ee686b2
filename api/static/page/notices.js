// What concerns the whole page: the server is away, or something in it went wrong. Both are said, never swallowed.
import { html, nothing, render } from "../vendor/lit-html/lit-html.js";

const FIRST_PAUSE_S = 2;
const LONGEST_PAUSE_S = 30;
const root = document.getElementById("notices");
let pause = 0;
let timer = 0;
let wrong = null;

/** Say that the server is away, and knock until it is back; "serverback" then tells whoever listens. */
function serverAway() {
  if (pause) return;
  pause = FIRST_PAUSE_S;
  wait();
}

function wait() {
  timer = setTimeout(knock, 1000 * pause);
  draw();
}

async function knock() {
  clearTimeout(timer);
  try {
    await fetch("/health", { cache: "no-store" });
  } catch {
    pause = Math.min(LONGEST_PAUSE_S, 2 * pause);
    wait();
    return;
  }
  pause = 0;
  draw();
  dispatchEvent(new Event("serverback"));
}

/** Say what nobody has caught. */
function uncaught(error) {
  // Browsers report so what only waits for the next frame.
  if (String(error?.message ?? error).startsWith("ResizeObserver loop")) return;
  wrong = error;
  draw();
}

function dismiss() {
  wrong = null;
  draw();
}

function draw() {
  render(
    html`${pause
      ? html`<div class="notice">
          <p><strong>The server does not answer.</strong> Trying again in ${pause} s;
            <code>ops up</code> or <code>api</code> starts it.</p>
          <button type="button" @click=${knock}>Try now</button>
        </div>`
      : nothing}
    ${wrong && wrong.code !== "server_away"
      ? html`<div class="notice">
          <p><strong>${wrong.status ? "Refused." : "Something in this page went wrong."}</strong>
            ${wrong.message ?? String(wrong)}</p>
          <button type="button" @click=${() => location.reload()}>Load it again</button>
          <button type="button" @click=${dismiss}>Dismiss</button>
        </div>`
      : nothing}`,
    root,
  );
}

addEventListener("serveraway", serverAway);
addEventListener("error", (event) => uncaught(event.error ?? event));
addEventListener("unhandledrejection", (event) => {
  if (event.reason?.name === "AbortError") event.preventDefault(); // an answer nobody waits for any more
  else uncaught(event.reason);
});

// Asking the API of this server, with the key where one is wanted; nothing else is ever asked.
import { tab } from "./kept.js";
import { withQuery } from "./place.js";

const KEY = "warehouse-key";
const SLOW_MS = 400;
const MOST_PATIENCE_S = 20;
const NO_KEY = "a key has letters, digits and signs only: paste it as it was shown";

/** A refusal of the API, in its words; `retryAfter` is in seconds, null where it says none. */
export class Refused extends Error {
  constructor(status, { code, message, parameter }, retryAfter = null) {
    super(message);
    Object.assign(this, { status, code, parameter, retryAfter });
  }
}

/** No answer came: the server is not there, or the way to it is cut. */
export class Away extends Error {
  constructor(cause) {
    super("This page cannot reach its server: it was stopped, or the network between is down.", { cause });
    this.code = "server_away";
  }
}

let wanted = null;

/** Say who asks the person for a key: a function of the refusal's words that returns a promise of it, or of null. */
export function onKeyWanted(asking) {
  wanted = asking;
}

/** Tell whether this tab holds a key. */
export const holdsKey = () => tab.get(KEY) !== null;

/** Forget the key of this tab. */
export const forgetKey = () => keep(null);

/** Return the answer of a route as JSON: `await ask("/api/v1/gaps/AAPL", { limit: 100 }, signal)`.
 * Throws Refused; Away where no answer came; AbortError. */
export const ask = (path, query = {}, signal = undefined) =>
  answered(withQuery(path, query), "application/json", signal, (response) => response.json());

/** Save what a route answers as a file: a link's click handler, for routes that a key may be wanted for. */
export async function save(event) {
  const anchor = event.currentTarget;
  if (!holdsKey()) return; // the browser can do it by itself
  event.preventDefault();
  const target = anchor.getAttribute("href");
  const body = await answered(target, "*/*", undefined, (response) => response.blob());
  const url = URL.createObjectURL(body);
  const name = anchor.download || decodeURIComponent(anchor.pathname.split("/").pop());
  Object.assign(document.createElement("a"), { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}

/** Ask until there is an answer: with a key once one was given, and again after the short pauses of a busy server. */
async function answered(target, accept, signal, read) {
  for (let patience = MOST_PATIENCE_S; ; ) {
    const key = tab.get(KEY);
    const [answer, refused] = await sent(target, accept, key, signal, read);
    if (!refused) return answer;
    const pause = refused.retryAfter;
    if (refused.status === 401 && wanted) await another(key, refused);
    else if (pause > 0 && pause <= patience) {
      await waited(pause, signal);
      patience -= pause;
    } else throw refused;
    signal?.throwIfAborted();
  }
}

/** See to it that another key is held than the one that was refused; throws the refusal where none is given. */
async function another(key, refused) {
  if (tab.get(KEY) !== key) return; // given meanwhile to somebody else who asked
  keep(null);
  for (let why = refused.message; ; why = NO_KEY) {
    const typed = await wanted(why);
    if (!typed) throw refused;
    if (/^[\x21-\x7e]+$/.test(typed)) return keep(typed);
  }
}

function keep(key) {
  if (key === null) tab.remove(KEY);
  else tab.set(KEY, key);
  dispatchEvent(new Event("keychange"));
}

async function sent(target, accept, key, signal, read) {
  const headers = key ? { Accept: accept, "X-API-Key": key } : { Accept: accept };
  const done = begun();
  try {
    const response = await fetch(target, { headers, signal });
    return response.ok ? [await read(response), null] : [null, await refusal(response)];
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    dispatchEvent(new Event("serveraway"));
    throw new Away(error);
  } finally {
    done();
  }
}

async function refusal(response) {
  const retryAfter = response.headers.has("Retry-After") ? Number(response.headers.get("Retry-After")) : null;
  const text = await response.text();
  try {
    const answer = JSON.parse(text);
    // /fresh and /ready answer with 503 what is not well.
    const notWell = { code: "not_well", message: "Not all checks passed." };
    if (answer.checks) return Object.assign(new Refused(response.status, notWell), { answer });
    return new Refused(response.status, answer.error, retryAfter);
  } catch {
    return new Refused(response.status, { code: "no_answer", message: `The server answered ${response.status}.` });
  }
}

function waited(seconds, signal) {
  const done = begun();
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, 1000 * seconds);
    signal?.addEventListener("abort", () => {
      clearTimeout(timer);
      reject(signal.reason);
    }, { once: true });
  }).finally(done);
}

let underWay = 0;
let slow = 0;

/** Count what is waited for; while some of it takes long, the page shows so. Returns what ends it. */
function begun() {
  const line = document.getElementById("progress");
  if (underWay++ === 0) slow = setTimeout(() => (line.hidden = false), SLOW_MS);
  return () => {
    if (--underWay > 0) return;
    clearTimeout(slow);
    line.hidden = true;
  };
}

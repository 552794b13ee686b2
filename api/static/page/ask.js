// Asking the API of this server, with the key where one is wanted; nothing else is ever asked.
import { withQuery } from "./place.js";

const KEY = "warehouse-key";

/** A refusal of the API, in its words. */
export class Refused extends Error {
  constructor(status, { code, message, parameter }) {
    super(message);
    Object.assign(this, { status, code, parameter });
  }
}

let wanted = null;

/** Say who asks the person for a key: a function that returns a promise of it, or of null. */
export function onKeyWanted(asking) {
  wanted = asking;
}

/** Return the answer of a route as JSON: `await ask("/api/v1/gaps/AAPL", { limit: 100 }, signal)`.
 * Throws Refused; TypeError where the server is away; AbortError. */
export async function ask(path, query = {}, signal = undefined) {
  const response = await answered(withQuery(path, query), "application/json", signal);
  return response.json();
}

/** Save what a route answers as a file: a link's click handler, for routes that a key may be wanted for. */
export async function save(event) {
  const anchor = event.currentTarget;
  if (!sessionStorage.getItem(KEY)) return; // the browser can do it by itself
  event.preventDefault();
  const response = await answered(anchor.getAttribute("href"), "*/*");
  const url = URL.createObjectURL(await response.blob());
  Object.assign(document.createElement("a"), { href: url, download: anchor.download || "payload" }).click();
  URL.revokeObjectURL(url);
}

async function answered(target, accept, signal) {
  for (;;) {
    const key = sessionStorage.getItem(KEY);
    const response = await fetch(target, { headers: key ? { Accept: accept, "X-API-Key": key } : { Accept: accept }, signal });
    if (response.ok) return response;
    const refused = await refusal(response);
    if (response.status !== 401 || !wanted) throw refused;
    const typed = await wanted(refused.message);
    if (typed === null) throw refused;
    sessionStorage.setItem(KEY, typed);
  }
}

async function refusal(response) {
  try {
    return new Refused(response.status, (await response.json()).error);
  } catch {
    return new Refused(response.status, { code: "no_answer", message: `the server answered ${response.status}` });
  }
}

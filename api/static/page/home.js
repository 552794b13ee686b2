// stub
import { html, render } from "../vendor/lit-html/lit-html.js";

export const title = (place) => place.rest || "home";

export async function show(place, root, signal) {
  render(html`<h1>${title(place)}</h1>`, root);
}

// The frame of a symbol's view: its parts, empty as yet, each of the class `symbol-…`.
import { html } from "../../vendor/lit-html/lit-html.js";

export const frame = html`<div class="symbol-header"></div>
  <section class="symbol-controls" aria-label="What the chart shows"></section>
  <div class="symbol-believed"></div>
  <div class="symbol-body">
    <section class="symbol-figure" aria-label="Chart">
      <div class="symbol-legend" role="region" aria-label="The bar at the cursor"></div>
      <div class="symbol-state" aria-live="polite"></div>
      <div
        class="symbol-chart" role="application" tabindex="0"
        aria-label="Chart, on its way" aria-describedby="chart-keys"
      >
        <div class="symbol-canvas" aria-hidden="true"></div>
      </div>
      <div class="symbol-marks"></div>
      <section class="symbol-known-at" aria-label="As known at"></section>
      <p class="symbol-hint faint"><span id="chart-keys">
          <kbd>←</kbd> <kbd>→</kbd> bar by bar, <kbd>Home</kbd> <kbd>End</kbd> first and last,
          <kbd>+</kbd> <kbd>−</kbd> zoom,
          <kbd>Enter</kbd> or a click: where the bar comes from.</span>
        Drawn by TradingView Lightweight Charts™, Copyright © 2026 TradingView, Inc.
        <a href="https://www.tradingview.com/" rel="noreferrer">https://www.tradingview.com/</a></p>
      <div class="symbol-table"></div>
      <div class="symbol-rejections"></div>
    </section>
    <section class="symbol-bar" aria-label="Where the bar comes from" hidden></section>
  </div>
  <section class="symbol-gaps" aria-label="Gaps"></section>`;

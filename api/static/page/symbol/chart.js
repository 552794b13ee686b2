// The chart: candles and volume of a series on a canvas, its cursor and its range; it asks nobody and knows no address.
import { CandlestickSeries, HistogramSeries, createChart } from "../../vendor/lightweight-charts/lightweight-charts.js";
import { compact } from "../format.js";
import { Lanes } from "./lanes.js";
import { color } from "../theme.js";

const SETTLED_MS = 250;
const LOGARITHMIC = 1;
const LINEAR = 0;

/** 0.0123 → 0.0123, 12.3456 → 12.35: as many digits as the axis needs; the room below nothing has no price. */
function axisPrice(value) {
  if (value < 0) return "";
  return value.toFixed(value >= 1 || value < 1e-9 ? 2 : value >= 0.01 ? 4 : 6);
}

/** A chart in an element; it tells `hovered(place or null)`, `picked(place)` and, once a person moved it, `moved()`. */
export class BarChart {
  constructor(host, { hovered, picked, moved }, signal) {
    Object.assign(this, { host, cursor: null, wanted: null, isMoved: false });
    this.chart = createChart(host, options());
    this.candles = this.chart.addSeries(CandlestickSeries, { priceLineVisible: false }, 0);
    this.volume = this.chart.addSeries(HistogramSeries, { priceLineVisible: false, lastValueVisible: false }, 1);
    this.volume.applyOptions({ priceFormat: { type: "custom", minMove: 1, formatter: compact } });
    this.lanes = new Lanes();
    const [prices, volumes] = this.chart.panes();
    prices.attachPrimitive(this.lanes);
    prices.setStretchFactor(4);
    volumes.setStretchFactor(1);
    this.recolor();
    const inside = (at) => (at != null && at >= 0 && at < this.series.sessions.length ? at : null);
    this.chart.subscribeCrosshairMove(({ logical, point, sourceEvent }) => {
      if (point && sourceEvent) this.cursor = null;
      if (this.cursor === null) hovered(point ? inside(logical) : null);
    });
    this.chart.subscribeClick(({ logical }) => inside(logical) !== null && picked(logical));
    this.chart.timeScale().subscribeVisibleLogicalRangeChange(() => {
      this.wanted = null;
      // The library leaves its crosshair where it was on the screen; ours stays at its bar.
      if (this.cursor !== null) this.drawCursor();
    });
    this.tellMoved(moved, signal);
    const resized = new ResizeObserver(() => this.makeRoom());
    resized.observe(host);
    addEventListener("themechange", () => this.recolor(), { signal });
    signal.addEventListener("abort", () => {
      resized.disconnect();
      this.chart.remove();
    });
  }

  /** Draw a series; the range is the caller's to set. */
  show(series) {
    this.series = series;
    const { columns } = series;
    const times = series.sessions.map((session) => Date.parse(session) / 1000);
    this.candles.applyOptions({
      priceFormat: { type: "custom", minMove: smallestMove(columns.low), formatter: axisPrice },
    });
    this.candles.setData(
      times.map((time, at) => {
        const row = series.row[at];
        if (row < 0) return { time };
        return {
          time,
          open: columns.open[row],
          high: columns.high[row],
          low: columns.low[row],
          close: columns.close[row],
        };
      }),
    );
    this.volume.setData(
      times.map((time, at) => (series.row[at] < 0 ? { time } : { time, value: columns.volume[series.row[at]] ?? 0 })),
    );
  }

  /** Draw marks: [{ kind, places }]. */
  mark(lanes) {
    this.lanes.show(lanes);
    this.makeRoom();
  }

  setLog(log) {
    this.candles.priceScale().applyOptions({ mode: log ? LOGARITHMIC : LINEAR });
  }

  /** Bring two places and all between them into sight. */
  setRange(from, to) {
    this.isMoved = false;
    this.wanted = { from: from - 0.5, to: to + 0.5 + (to - from) * 0.01 }; // until the library's next frame
    this.chart.timeScale().setVisibleLogicalRange(this.wanted);
  }

  /** Return the first and the last place in sight, or about to be. */
  range() {
    const range = this.wanted ?? this.chart.timeScale().getVisibleLogicalRange();
    const last = this.series.sessions.length - 1;
    if (!range) return [0, last];
    return [Math.min(last, Math.max(0, Math.ceil(range.from))), Math.max(0, Math.min(last, Math.floor(range.to)))];
  }

  /** Where a place is out of sight, move the range so that it is in the middle. */
  reveal(at) {
    const [from, to] = this.range();
    if (at >= from && at <= to) return;
    const span = to - from;
    const last = this.series.sessions.length - 1;
    const first = Math.max(0, Math.min(last - span, at - (span >> 1)));
    this.setRange(first, first + span);
    this.settle();
  }

  /** Put the cursor at a place, and move the range where the place is out of sight; null takes it away. */
  setCursor(at) {
    this.cursor = at;
    if (at === null) {
      this.chart.clearCrosshairPosition();
      return;
    }
    const [from, to] = this.range();
    if (at < from || at > to) {
      this.setRange(...(at < from ? [at, at + to - from] : [at - to + from, at]));
      this.settle();
    }
    this.drawCursor();
  }

  drawCursor() {
    const at = this.cursor;
    let row = -1;
    for (let place = at; row < 0 && place >= 0; place -= 1) row = this.series.row[place];
    this.chart.setCrosshairPosition(
      this.series.columns.close[Math.max(0, row)],
      Date.parse(this.series.sessions[at]) / 1000,
      this.candles,
    );
  }

  /** Mark the place whose bar is looked into, or none. */
  choose(at) {
    this.lanes.choose(at);
  }

  /** Show fewer bars around the cursor, or more: 0.5 halves them. */
  zoom(factor) {
    const [from, to] = this.range();
    const half = Math.max(2, (factor * (to - from)) / 2);
    const middle = this.cursor ?? (from + to) / 2;
    const last = this.series.sessions.length - 1;
    this.setRange(Math.max(0, middle - half), Math.min(last, middle + half));
    this.settle();
  }

  makeRoom() {
    const height = this.chart.panes()[0].getHeight();
    if (height > 0)
      this.candles
        .priceScale()
        .applyOptions({ scaleMargins: { top: 0.05, bottom: Math.min(0.6, (this.lanes.height + 8) / height) } });
  }

  recolor() {
    const [ground, ink, faint, line, up, down] = ["ground", "ink", "faint", "line", "up", "down"].map(color);
    const crosshair = { color: faint, labelBackgroundColor: ink };
    this.chart.applyOptions({
      layout: {
        background: { color: ground },
        textColor: ink,
        panes: { separatorColor: line, separatorHoverColor: line },
      },
      grid: { vertLines: { color: line }, horzLines: { color: line } },
      crosshair: { vertLine: crosshair, horzLine: crosshair },
      rightPriceScale: { borderColor: line },
      timeScale: { borderColor: line },
    });
    // Rising candles are hollow, falling ones filled: nobody needs the colours.
    this.candles.applyOptions({
      upColor: "transparent",
      downColor: down,
      borderUpColor: up,
      borderDownColor: down,
      wickUpColor: up,
      wickDownColor: down,
    });
    this.volume.applyOptions({ color: faint });
    this.lanes.recolor();
  }

  tellMoved(moved, signal) {
    let timer = 0;
    this.settle = () => {
      this.isMoved = true;
      clearTimeout(timer);
      timer = setTimeout(() => !signal.aborted && this.series && moved(), SETTLED_MS);
    };
    for (const name of ["wheel", "pointerup", "touchend", "dblclick"]) {
      this.host.addEventListener(name, this.settle, { signal, passive: true, capture: true });
    }
  }
}

function smallestMove(lows) {
  const least = lows.reduce((one, other) => (other > 0 && other < one ? other : one), Infinity);
  return least >= 1 ? 0.01 : least >= 0.01 ? 0.0001 : 0.000001;
}

function options() {
  const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
  return {
    autoSize: true,
    // The library's logo comes with a <style> that our policy refuses; its makers are named under the chart.
    layout: {
      attributionLogo: false,
      fontFamily: "system-ui, sans-serif",
      fontSize: 12,
      panes: { enableResize: false },
    },
    crosshair: { mode: 0 },
    handleScroll: { vertTouchDrag: false },
    kineticScroll: { touch: !still, mouse: false },
    localization: { locale: "en", timeFormatter: (seconds) => new Date(seconds * 1000).toISOString().slice(0, 10) },
    timeScale: { minBarSpacing: 0.01, enableConflation: true, lockVisibleTimeRangeOnResize: true },
  };
}

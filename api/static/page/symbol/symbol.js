// The view of a symbol: asks for its bars and what is known of them, and leads chart, legend, marks and panels.
import { html, nothing, render } from "../../vendor/lit-html/lit-html.js";
import { ask } from "../ask.js";
import { barsQuery, chosen, controls, markToggles, rangeOf } from "./choices.js";
import { time } from "../format.js";
import { barsTable, legend, summary } from "./legend.js";
import { KINDS, marksOf, sessionsWithout } from "./marks.js";
import { failure, loading, table } from "../parts.js";
import { link, setQuery } from "../place.js";
import { Series } from "./series.js";
import { header, unknown } from "./header.js";

const DRAWN = "session,open,high,low,close,volume,validated,failed_rules";
const DETAILS = "quality_score,gap,volume_ratio";
const MOST = 50_000;
const NOTHING_YET = { rejections: [], revisions: [], splits: [], dividends: [] };

/** The keys of this view, for the list of all. */
export const shortcuts = [
  ["← →", "in the chart: bar by bar"],
  ["Home End", "in the chart: first and last bar"],
  ["Page ↑ ↓", "in the chart: as many bars as are in sight"],
  ["+ −", "in the chart: show fewer or more bars"],
  ["Enter", "in the chart: where the bar comes from; of a week or longer, its days"],
];

let view = null;

export const title = (place) => place.rest;

export async function show(place, root, signal) {
  // Asked for before anything is drawn: the bars, and the library that draws them.
  const library = import("./chart.js");
  view = new SymbolView(place, root, signal, library);
  await view.start();
}

export function update(place) {
  view.change(place);
}

class SymbolView {
  constructor(place, root, signal, library) {
    Object.assign(this, { symbol: place.rest, place, signal, library, kept: new Map(), events: NOTHING_YET });
    this.choice = chosen(place);
    Object.assign(this, { series: null, marks: null, at: null, isUnknown: false, panels: {} });
    this.loading = new AbortController();
    performance.clearMarks("chart-drawn");
    const first = this.askForBars();
    render(frame, root);
    this.part = (name) => root.querySelector(`.symbol-${name}`);
    render(html`<h1>${this.symbol}</h1>${loading()}`, this.part("header"));
    this.first = first;
  }

  async start() {
    this.drawControls();
    this.listen();
    const bars = this.load(this.first);
    this.askForFacts();
    await bars;
    await this.showPanels();
  }

  /** The answer of a route; the same is asked once only, unless it failed. */
  answerOf(path, query, signal) {
    const key = `${path} ${JSON.stringify(query)}`;
    if (!this.kept.has(key)) {
      const answer = ask(path, query, AbortSignal.any([this.signal, signal]));
      this.kept.set(key, answer);
      answer.catch(() => this.kept.delete(key));
    }
    return this.kept.get(key);
  }

  askForBars() {
    const path = `/api/v1/historical/${encodeURIComponent(this.symbol)}`;
    return this.answerOf(path, { ...barsQuery(this.choice), layout: "columns", columns: DRAWN }, this.loading.signal);
  }

  async askForFacts() {
    try {
      const facts = await this.answerOf(`/api/v1/symbols/${encodeURIComponent(this.symbol)}`, {}, this.signal);
      if (!this.signal.aborted) render(header(facts), this.part("header"));
    } catch (error) {
      if (this.signal.aborted || this.isUnknown) return;
      if (error.code !== "unknown_symbol") render(html`<h1>${this.symbol}</h1>${failure(error)}`, this.part("header"));
    }
  }

  /** Draw the bars that are chosen now; what was under way for others is given up. */
  async load(asked) {
    const { signal } = this.loading;
    this.part("chart").setAttribute("aria-busy", "true");
    let drawn = false;
    try {
      const answer = await asked;
      const { BarChart } = await this.library;
      if (signal.aborted || this.signal.aborted) return;
      this.drawBars(answer, BarChart);
      drawn = true;
      await painted();
      if (signal.aborted || this.signal.aborted) return;
      if (this.series) performance.mark("chart-drawn");
      if (answer.count) this.askForDetails(answer, signal);
      await this.askForEvents(answer, signal);
    } catch (error) {
      if (signal.aborted || this.signal.aborted) return;
      if (!error.code) console.error(error);
      if (!drawn) this.showChart(false);
      await this.drawFailure(error);
    } finally {
      if (!signal.aborted) this.part("chart").removeAttribute("aria-busy");
    }
  }

  async askForDetails(answer, signal) {
    const path = `/api/v1/historical/${encodeURIComponent(this.symbol)}`;
    const query = { ...barsQuery(this.choice), layout: "columns", columns: DETAILS };
    try {
      const details = await this.answerOf(path, query, signal);
      if (JSON.stringify(details.generation) === JSON.stringify(answer.generation))
        Object.assign(answer.bars, details.bars);
      if (!signal.aborted) this.drawWords();
    } catch {
      // The legend goes without.
    }
  }

  async askForEvents(answer, signal) {
    const about = { symbol: this.symbol, limit: MOST };
    const knownAt = this.choice.knownAt;
    const [rejections, revisions, splits, dividends] = await Promise.all([
      this.answerOf("/api/v1/rejections", { ...about, columns: "archive_seq,session,reasons" }, signal),
      this.answerOf("/api/v1/revisions", { ...about, until: knownAt, columns: "session,restated_at,changed" }, signal),
      this.answerOf("/api/v1/splits", { ...about, known_at: knownAt }, signal),
      this.answerOf("/api/v1/dividends", { ...about, known_at: knownAt }, signal),
    ]);
    if (signal.aborted || this.signal.aborted) return;
    this.events = {
      rejections: rejections.rejections,
      revisions: revisions.revisions,
      splits: splits.splits,
      dividends: dividends.dividends,
    };
    if (answer.count === 0) {
      this.drawRejections();
      return;
    }
    const series = new Series(answer, sessionsWithout(answer, this.events.rejections));
    if (series.sessions.length !== this.series.sessions.length) {
      this.series = series;
      this.chart.show(series);
      this.drawRange();
    }
    this.drawMarks();
  }

  drawBars(answer, BarChart) {
    this.marks = null;
    this.chart?.mark([]);
    const none = answer.count === 0;
    this.showChart(!none);
    render(nothing, this.part("rejections"));
    render(none ? html`<p class="empty">${answer.reason}</p>` : nothing, this.part("state"));
    if (none) {
      this.drawControls();
      return;
    }
    this.series = new Series(answer, sessionsWithout(answer, this.events.rejections));
    this.chart ??= new BarChart(
      this.part("canvas"),
      {
        hovered: (at) => this.look(at, "off"),
        picked: (at) => this.open(at),
        moved: () => this.moved(),
      },
      this.signal,
    );
    this.chart.show(this.series);
    this.chart.setLog(this.choice.log);
    this.drawRange();
    this.drawControls();
  }

  showChart(shown) {
    for (const name of ["chart", "legend", "marks", "hint"]) this.part(name).hidden = !shown;
    if (!shown) this.series = null;
  }

  drawRange() {
    const range = rangeOf(this.series, this.choice);
    const { sessions } = this.series;
    this.chart.setRange(...(range ?? [0, sessions.length - 1]));
    const { start, end } = this.choice;
    const wanted = [start && `from ${start}`, end && `to ${end}`].filter(Boolean).join(" ");
    const said = range
      ? nothing
      : html`<p class="empty">No bar ${wanted}; shown are all, ${sessions[0]} to ${sessions.at(-1)}.</p>`;
    render(said, this.part("state"));
    this.chart.choose(this.chosenPlace());
    this.look(null, "off");
  }

  drawMarks() {
    this.marks = marksOf(this.series, this.events);
    const lanes = KINDS.map((kind) => ({ kind, places: this.marks.places[kind.name] }));
    this.chart.mark(lanes.filter(({ kind, places }) => places.length && !this.choice.hidden.has(kind.name)));
    render(markToggles(this.marks.places, this.choice.hidden), this.part("marks"));
    this.chart.choose(this.chosenPlace());
    this.drawWords();
  }

  drawControls() {
    render(controls(this.symbol, this.choice, this.series), this.part("controls"));
    if (!this.marks) render(markToggles(null, this.choice.hidden), this.part("marks"));
    const { knownAt } = this.choice;
    const now = link("symbol", this.symbol, { ...Object.fromEntries(this.place.query), known_at: null });
    const believed = html`<p role="note">
      As believed at <strong>${knownAt && time(new Date(knownAt).toJSON())}</strong>: what was told later is left out.
      <a href=${now}>Show what is believed now</a>
    </p>`;
    render(knownAt ? believed : nothing, this.part("believed"));
  }

  /** The legend, the sentence and the table follow what is in sight. */
  drawWords() {
    if (!this.series) return;
    const range = this.chart.range();
    const at = this.at ?? this.usualPlace(range);
    render(legend(this.series, at, this.marks?.notes.get(at)), this.part("legend"));
    const chart = this.part("chart");
    const sentence = summary(this.symbol, this.series, range, this.marks?.places);
    if (chart.getAttribute("aria-label") !== sentence) chart.setAttribute("aria-label", sentence);
    render(this.choice.table ? barsTable(this.symbol, this.series, range) : nothing, this.part("table"));
  }

  /** The place of the session that the address names, or null. */
  chosenPlace() {
    const { session } = this.choice;
    const place = session ? this.series.upTo(session) : -1;
    return this.series.sessions[place] === session ? place : null;
  }

  usualPlace([, to]) {
    return this.chosenPlace() ?? to;
  }

  /** Tell of a place in the legend; null is the usual one. Only the keyboard's is read aloud. */
  look(at, live) {
    this.at = at;
    this.part("legend").setAttribute("aria-live", live);
    if (this.pending) return;
    this.pending = requestAnimationFrame(() => {
      this.pending = 0;
      if (!this.signal.aborted) this.drawWords();
    });
  }

  /** Open what is known of a day; of a longer bar, its days. */
  open(at) {
    const first = this.series.sessions[at];
    if (this.choice.timeframe === "1d") {
      setQuery({ session: first });
      return;
    }
    const next = this.series.sessions[at + 1];
    const last = next && new Date(Date.parse(next) - 86_400_000).toISOString().slice(0, 10);
    setQuery({ timeframe: null, start: first, end: last ?? null, session: null });
  }

  /** A person moved the chart: the address follows. */
  moved() {
    const [from, to] = this.chart.range();
    const { sessions } = this.series;
    const query = { start: sessions[from], end: to >= sessions.length - 1 ? null : sessions[to] };
    if (query.start === this.choice.start && query.end === this.choice.end) return;
    const usual = rangeOf(this.series, this.choice);
    this.drawWords();
    if (usual && usual[0] === from && usual[1] === to) return;
    this.byHand = true;
    setQuery(query, { replace: true });
  }

  change(place) {
    const before = this.choice;
    this.place = place;
    this.choice = chosen(place);
    const now = this.choice;
    const byHand = this.byHand;
    this.byHand = false;
    if (JSON.stringify(barsQuery(before)) !== JSON.stringify(barsQuery(now))) {
      this.loading.abort();
      this.loading = new AbortController();
      this.load(this.askForBars());
    } else if (this.series) {
      this.chart.setLog(now.log);
      if (!byHand && (before.start !== now.start || before.end !== now.end)) this.drawRange();
      if (this.marks) this.drawMarks();
      this.drawWords();
    }
    this.drawControls();
    this.changePanels(before, now);
  }

  async drawFailure(error) {
    if (error.code === "unknown_symbol") {
      this.isUnknown = true;
      render(await unknown(this.symbol, error, this.signal), this.part("header"));
      for (const name of ["controls", "believed", "body", "gaps"]) this.part(name).hidden = true;
      return;
    }
    render(failure(error), this.part("state"));
  }

  drawRejections() {
    const rows = this.events.rejections.map((row) => [
      row.session ?? "–",
      row.reasons.join(", "),
      html`<a href="/api/v1/payloads/${row.archive_seq}/facts">${row.archive_seq}</a>`,
    ]);
    if (rows.length)
      render(
        table("Rows that were rejected", [["Session"], ["Reasons"], ["Payload", "number"]], rows),
        this.part("rejections"),
      );
  }

  listen() {
    const { signal } = this;
    this.part("chart").addEventListener("keydown", (event) => this.pressed(event), { signal });
    this.part("chart").addEventListener("blur", () => this.forget(), { signal });
  }

  forget() {
    if (!this.series) return;
    this.chart.setCursor(null);
    this.look(null, "off");
  }

  pressed(event) {
    if (!this.series || event.ctrlKey || event.metaKey || event.altKey) return;
    const [from, to] = this.chart.range();
    const last = this.series.sessions.length - 1;
    const at = this.at ?? this.usualPlace([from, to]);
    const page = Math.max(1, to - from);
    const steps = { ArrowLeft: at - 1, ArrowRight: at + 1, PageUp: at - page, PageDown: at + page, Home: 0, End: last };
    if (event.key in steps) this.moveTo(Math.min(last, Math.max(0, steps[event.key])));
    else if (event.key === "Enter") this.open(at);
    else if (event.key === "Escape" && this.at !== null) this.forget();
    else if (event.key === "+" || event.key === "-") this.chart.zoom(event.key === "+" ? 0.5 : 2);
    else return;
    event.preventDefault();
  }

  moveTo(at) {
    this.chart.setCursor(at);
    this.look(at, "polite");
  }

  async showPanels() {
    if (this.signal.aborted || this.isUnknown) return;
    const [bar, gaps, knownAt] = await Promise.all([
      import("./provenance.js"),
      import("./gaps.js"),
      import("./known_at.js"),
    ]);
    if (this.signal.aborted) return;
    this.panels = { bar, gaps, knownAt };
    this.showBar();
    knownAt.showKnownAt(this.part("known-at"), this.symbol, this.place, this.signal);
    gaps.showGaps(this.part("gaps"), this.symbol, this.place, this.signal);
  }

  showBar() {
    this.showingBar?.abort();
    const { session } = this.choice;
    this.part("body").classList.toggle("with-bar", Boolean(session));
    this.part("bar").hidden = !session;
    if (!session) return;
    this.showingBar = new AbortController();
    this.panels.bar.showBar(
      this.part("bar"),
      this.symbol,
      session,
      AbortSignal.any([this.signal, this.showingBar.signal]),
    );
    this.part("bar").scrollIntoView({ block: "nearest" });
  }

  changePanels(before, now) {
    if (!this.panels.bar) return;
    if (before.session !== now.session) this.showBar();
    this.panels.gaps.updateGaps?.(this.place);
    this.panels.knownAt.updateKnownAt?.(this.place);
  }
}

/** Resolves once the next frame is on the screen. */
const painted = () => new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve)));

const frame = html`<div class="symbol-header"></div>
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

// The view of a symbol: asks for its bars and what is known of them, and leads chart, legend, marks and panels.
import { html, nothing, render } from "../../vendor/lit-html/lit-html.js";
import { ask } from "../ask.js";
import { barsQuery, chosen, controls, linkHere, markToggles, rangeOf } from "./choices.js";
import { NO_EVENTS, askForEvents, knownBy } from "./events.js";
import { time } from "../format.js";
import { frame } from "./frame.js";
import { barsTable, legend, summary } from "./legend.js";
import { KINDS, marksOf, sessionsWithout } from "./marks.js";
import { failure, loading, table } from "../parts.js";
import { setQuery } from "../place.js";
import { Panels } from "./panels.js";
import { Series } from "./series.js";
import { header, unknown } from "./header.js";

const DRAWN = "session,open,high,low,close,volume,validated,failed_rules";
const DETAILS = "quality_score,gap,volume_ratio";

/** The keys of this view, for the list of all. */
export const shortcuts = [
  ["← →", "in the chart: bar by bar"],
  ["Home End", "in the chart: first and last bar"],
  ["Page ↑ ↓", "in the chart: as many bars as are in sight"],
  ["+ −", "in the chart: show fewer or more bars"],
  ["Enter", "in the chart: where the bar comes from; of a week or longer, its days"],
  ["Esc", "closes the story of the bar"],
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
    Object.assign(this, { symbol: place.rest, place, signal, library, choice: chosen(place), events: NO_EVENTS });
    Object.assign(this, { series: null, marks: null, at: null, isUnknown: false, loading: new AbortController() });
    performance.clearMarks("chart-drawn");
    render(frame, root);
    this.part = (name) => root.querySelector(`.symbol-${name}`);
    render(html`<h1>${this.symbol}</h1>${loading()}`, this.part("header"));
    this.panels = new Panels(this.part, this.symbol, signal);
    this.panels.makeRoom(this.choice.session);
  }

  async start() {
    const bars = this.load();
    this.drawControls();
    this.listen();
    this.askForFacts();
    await bars;
    if (!this.signal.aborted && !this.isUnknown) await this.panels.show(this.place, this.told ?? this.askForEvents());
  }

  askForBars(columns, signal) {
    const path = `/api/v1/historical/${encodeURIComponent(this.symbol)}`;
    return ask(path, { ...barsQuery(this.choice), layout: "columns", columns }, signal);
  }

  askForEvents() {
    this.told = askForEvents(this.symbol, this.signal);
    this.told.catch(() => {}); // whoever waits for it says what is wrong
    return this.told;
  }

  async askForFacts() {
    try {
      const facts = await ask(`/api/v1/symbols/${encodeURIComponent(this.symbol)}`, {}, this.signal);
      if (!this.signal.aborted) render(header(facts), this.part("header"));
    } catch (error) {
      if (this.signal.aborted || this.isUnknown) return;
      if (error.status !== 404) render(html`<h1>${this.symbol}</h1>${failure(error)}`, this.part("header"));
    }
  }

  /** Draw the bars that are chosen now; what was under way for others is given up. */
  async load() {
    this.loading.abort();
    this.loading = new AbortController();
    const signal = AbortSignal.any([this.signal, this.loading.signal]);
    this.part("chart").setAttribute("aria-busy", "true");
    let drawn = false;
    try {
      const answer = await this.askForBars(DRAWN, signal);
      const { BarChart } = await this.library;
      signal.throwIfAborted();
      this.drawBars(answer, BarChart);
      drawn = true;
      await painted();
      signal.throwIfAborted();
      if (this.series) performance.mark("chart-drawn");
      const [details, told] = await Promise.all([this.askForBars(DETAILS, signal), this.askForEvents()]);
      signal.throwIfAborted();
      const generations = [answer, details, ...told.answers].map(({ generation }) => JSON.stringify(generation));
      if (new Set(generations).size === 1) this.drawDetails(answer, details, told);
      else this.load(); // more was projected meanwhile
    } catch (error) {
      if (signal.aborted) return;
      if (!error.code) console.error(error);
      if (!drawn) this.showChart(false);
      await this.drawFailure(error);
    } finally {
      if (!signal.aborted) this.part("chart").removeAttribute("aria-busy");
    }
  }

  drawDetails(answer, details, told) {
    Object.assign(answer.bars, details.bars);
    this.events = knownBy(told, answer.known_at);
    if (answer.count === 0) {
      this.drawRejections();
      return;
    }
    const series = new Series(answer, sessionsWithout(answer, this.events.rejections));
    if (series.sessions.length !== this.series.sessions.length) this.extend(series);
    this.drawMarks();
  }

  /** Show the sessions without a bar, too; a person who has moved chart or cursor meanwhile finds both there. */
  extend(series) {
    const { sessions } = this.series;
    const place = (at) => series.after(sessions[at]);
    const at = this.at === null ? null : place(this.at);
    const inSight = this.chart.isMoved ? this.chart.range().map(place) : null;
    this.series = series;
    this.chart.show(series);
    this.drawRange();
    if (inSight) this.chart.setRange(...inSight);
    if (this.chart.cursor !== null) this.chart.setCursor(at);
    this.look(at, "off");
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
    const believed = html`<p role="note">
      As believed at <strong>${knownAt && time(new Date(knownAt).toJSON())}</strong>: what was told later is left out.
      <a href=${linkHere({ known_at: null })}>Show what is believed now</a>
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

  /** The place of the session that the address names, of weeks and longer the one that holds it, or null. */
  chosenPlace() {
    const { session, timeframe } = this.choice;
    const place = session ? this.series.upTo(session) : -1;
    return place >= 0 && (timeframe !== "1d" || this.series.sessions[place] === session) ? place : null;
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
      this.load();
    } else if (this.series) {
      this.chart.setLog(now.log);
      if (!byHand && (before.start !== now.start || before.end !== now.end)) this.drawRange();
      else if (before.session !== now.session && this.chosenPlace() !== null) this.chart.reveal(this.chosenPlace());
      if (this.marks) this.drawMarks();
      this.drawWords();
    }
    this.drawControls();
    this.panels.change(place, now.session);
  }

  async drawFailure(error) {
    if (error.status === 404) {
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
}

/** Resolves once the next frame is on the screen. */
const painted = () => new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve)));

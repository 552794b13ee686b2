// The marks as they are painted: a lane for each kind under the candles, counted together where they would not fit.
import { color } from "../theme.js";
import { KINDS, outline } from "./marks.js";

const LANE = 19;
const RADIUS = 9;
const APART = 22;

/** A primitive of a pane; `show` takes [{ kind, places }], `choose` the place whose bar is looked into, or null. */
export class Lanes {
  constructor() {
    this.lanes = [];
    this.chosen = null;
    this.recolor();
    this.views = [
      {
        zOrder: () => "top",
        renderer: () => ({ draw: (target) => target.useMediaCoordinateSpace((scope) => this.paint(scope)) }),
      },
    ];
  }

  attached({ chart, requestUpdate }) {
    Object.assign(this, { chart, requestUpdate });
  }

  paneViews() {
    return this.views;
  }

  recolor() {
    this.colors = Object.fromEntries(
      ["ground", "faint", "accent", ...KINDS.map((kind) => kind.color)].map((name) => [name, color(name)]),
    );
  }

  show(lanes) {
    this.lanes = lanes;
    this.requestUpdate();
  }

  choose(at) {
    this.chosen = at;
    this.requestUpdate();
  }

  /** How much room they need at the bottom, in pixels. */
  get height() {
    return this.lanes.length ? this.lanes.length * LANE + 4 : 0;
  }

  paint({ context, mediaSize }) {
    const scale = this.chart.timeScale();
    const range = scale.getVisibleLogicalRange();
    if (!range) return;
    if (this.chosen !== null) this.line(context, scale.logicalToCoordinate(this.chosen), mediaSize.height);
    const top = mediaSize.height - this.height;
    context.font = "bold 10px system-ui, sans-serif";
    context.textBaseline = "middle";
    this.lanes.forEach(({ kind, places }, lane) => {
      const y = top + LANE * (lane + 0.5) + 2;
      const step = Math.max(1, Math.ceil(APART / scale.options().barSpacing));
      for (const { at, count } of together(places, range, step)) {
        this.mark(
          context,
          kind,
          scale.logicalToCoordinate(Math.round(at)),
          y,
          count === 1 ? kind.letter : String(count),
        );
      }
    });
  }

  line(context, x, height) {
    context.strokeStyle = this.colors.accent;
    context.lineWidth = 2;
    context.beginPath();
    context.moveTo(x, 0);
    context.lineTo(x, height);
    context.stroke();
  }

  mark(context, kind, x, y, text) {
    context.beginPath();
    for (const [dx, dy] of outline(kind, RADIUS)) context.lineTo(x + dx, y + dy);
    context.closePath();
    context.fillStyle = context.strokeStyle = this.colors[kind.color];
    context.lineWidth = 1.5;
    if (text === kind.letter) context.fill();
    else {
      context.fillStyle = this.colors.ground;
      context.fill();
      context.stroke();
    }
    context.fillStyle = text === kind.letter ? this.colors.ground : this.colors[kind.color];
    context.textAlign = "center";
    context.fillText(text, x, y + (kind.corners === 3 ? 2 : 0.5));
  }
}

/** Return the places in sight; those that share a stretch of `step` bars as one, with how many they are. */
export function together(places, { from, to }, step) {
  const found = [];
  for (let at = firstFrom(places, from - step); at < places.length && places[at] <= to + step; at += 1) {
    const stretch = Math.floor(places[at] / step);
    const last = found.at(-1);
    if (last?.stretch === stretch) {
      last.at += (places[at] - last.at) / (last.count += 1);
    } else found.push({ stretch, at: places[at], count: 1 });
  }
  return found;
}

function firstFrom(places, least) {
  let [low, high] = [0, places.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (places[middle] < least) low = middle + 1;
    else high = middle;
  }
  return low;
}

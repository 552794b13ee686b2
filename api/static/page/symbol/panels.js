// The panels of a symbol's view: the story of a bar, the gaps, as known at. They are loaded once the chart is there;
// the room of the story is kept free from the beginning.

/** The panels of a symbol; `part(name)` is where each is shown. */
export class Panels {
  constructor(part, symbol, signal) {
    Object.assign(this, { part, symbol, signal, loaded: null, session: null, showing: new AbortController() });
  }

  /** Keep the room of the story free that the address wants, or of none. */
  makeRoom(session) {
    this.session = session;
    this.part("body").classList.toggle("with-bar", Boolean(session));
    this.part("bar").hidden = !session;
  }

  /** Show all; `told` are the symbol's events, which are under way. */
  async show(place, told) {
    const [story, gaps, knownAt] = await Promise.all([
      import("./provenance.js"),
      import("./gaps.js"),
      import("./known_at.js"),
    ]);
    if (this.signal.aborted) return;
    this.loaded = { story, gaps, knownAt };
    this.showStory();
    knownAt.showKnownAt(this.part("known-at"), this.symbol, place, told, this.signal);
    gaps.showGaps(this.part("gaps"), this.symbol, place, this.signal);
  }

  /** Show what the address names now. */
  change(place, session) {
    const another = session !== this.session;
    if (another) this.makeRoom(session);
    if (!this.loaded) return;
    if (another) this.showStory();
    this.loaded.gaps.updateGaps(place);
    this.loaded.knownAt.updateKnownAt(place);
  }

  showStory() {
    this.showing.abort();
    if (!this.session) return;
    this.showing = new AbortController();
    const until = AbortSignal.any([this.signal, this.showing.signal]);
    this.loaded.story.showBar(this.part("bar"), this.symbol, this.session, until);
    this.part("bar").scrollIntoView({ block: "nearest" });
  }
}

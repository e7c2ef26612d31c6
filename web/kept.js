// What is remembered over a lost connection: which lines of the room are already shown, and which of our own nobody may have
// heard.
const LINES_MAX = 1000;

/** What everybody hears, so that the history of a room that is entered again is not shown twice. */
export class History {
  #shown = [];
  #told = null; // the history, while it comes

  begin() { this.#told = []; }

  /** Whether a line is part of the history, which is shown at its end. */
  takes(text, what) {
    if (this.#told) {
      this.#told.push(text);
      return true;
    }
    if (what.kind === 'said' || what.kind === 'action') this.#keep([text]);
    return false;
  }

  /** The history's lines that are not shown yet. */
  end() {
    const told = this.#told ?? [];
    this.#told = null;
    const isShown = (count) => this.#shown.slice(-count).every((text, at) => text === told[at]);
    let known = Math.min(told.length, this.#shown.length);
    while (known > 0 && !isShown(known)) known -= 1;
    const fresh = told.slice(known);
    this.#keep(fresh);
    return fresh;
  }

  #keep(lines) {
    this.#shown.push(...lines);
    if (this.#shown.length > 2 * LINES_MAX) this.#shown = this.#shown.slice(-LINES_MAX);
  }
}

/** Lines that were sent and have not come back from the room. */
export class Unheard {
  #lines = [];

  say(text) {
    // What a command does comes back in other words.
    if ((!text.startsWith('/') || text.startsWith('//')) && this.#lines.length < LINES_MAX) this.#lines.push(text);
  }

  note(what) {
    if (what.own && what.kind === 'said' || what.kind === 'error') this.#lines.shift();
  }

  take() {
    return this.#lines.splice(0).join(' ');
  }
}

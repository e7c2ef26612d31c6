// What is remembered over a lost connection: the lines of the room that are already shown, and our own lines that may not have
// reached the room.
const LINES_MAX = 1000;

/** The lines for everyone, so that the history is not shown again after joining again. */
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
    // The room answers a command in other words.
    if ((!text.startsWith('/') || text.startsWith('//')) && this.#lines.length < LINES_MAX) this.#lines.push(text);
  }

  note(what) {
    if (what.own && what.kind === 'said' || what.kind === 'error') this.#lines.shift();
  }

  take() {
    return this.#lines.splice(0).join(' ');
  }
}

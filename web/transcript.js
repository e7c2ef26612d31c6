// The room's lines since the view was opened. Of private messages it has only the length.
const LINES_MAX = 20_000;
const NAMES_MAX = 5_000;

export class Transcript {
  #lines = [];
  #names = new Map(); // by peer

  get length() { return this.#lines.length; }

  learn(peer, name) {
    if (name && this.#names.size < NAMES_MAX) this.#names.set(peer, name);
  }

  take({ event, peer, text }, when) {
    const name = this.#names.get(peer) ?? peer;
    if (event === 'joined') {
      this.learn(peer, text);
      this.#write(when, `${text} has joined the chat!`);
    } else if (event === 'message' && this.#names.has(peer)) {
      this.#write(when, text.startsWith('/me ') ? `* ${name} ${text.slice(4)}` : `${name}: ${text}`);
    } else if (event === 'closed' && this.#names.delete(peer)) {
      this.#write(when, `${name} has left the chat.`);
    } else if (event === 'control') {
      this.#write(when, `(${text})`);
    }
  }

  text() {
    return this.#lines.map((line) => `${line}\n`).join('');
  }

  #write(when, line) {
    if (this.#lines.push(`${when.toISOString()} ${line}`) > LINES_MAX) this.#lines.shift();
  }
}

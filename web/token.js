// The teacher's token: it came in the address' fragment, and goes out in the first message of a WebSocket alone.
import { open } from './dom.js';

let token = null;

export const known = () => token;

export function learn(value) {
  token = value;
}

/** A service that wants the token first, and then `first`. */
export function openGuarded(service, first, hear, lose) {
  const socket = open(service);
  let isIn = false;
  socket.onopen = () => socket.send(token);
  socket.onmessage = (event) => {
    if (isIn) return hear(event.data);
    if (event.data !== 'OK') return lose(event.data);
    isIn = true;
    if (first) socket.send(first);
  };
  socket.onclose = (event) => { if (isIn || event.code !== 1008) lose(null); };
  return socket;
}

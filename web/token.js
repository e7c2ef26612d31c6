// The teacher's token: it comes in the fragment of the address, and is sent only in the first message of a WebSocket.
import { open } from './dom.js';

let token = null;

export const known = () => token;

export function learn(value) {
  token = value;
}

/** Opens a service that requires the token; sends the token, and then `first`. */
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

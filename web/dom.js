// Used by every view. Data from others reaches the document only as text, through the functions here.
import texts from './texts.js';

export const at = (id) => document.getElementById(id);

/** A sentence with its gaps filled, in order. */
export const fill = (text, ...parts) => parts.reduce((filled, part) => filled.replace('{}', () => part), text);

/** An element with this text. */
export function make(tag, text = '', className = '') {
  const element = document.createElement(tag);
  if (text !== '') element.textContent = text;
  if (className) element.className = className;
  return element;
}

/** The WebSocket of a service. */
export function open(service, protocols = []) {
  const scheme = location.protocol === 'https:' ? 'wss' : 'ws';
  return new WebSocket(`${scheme}://${location.host}/${service}`, protocols);
}

/** Closes a WebSocket that is not needed any more. The browser warns if one is closed before it is open. */
export function quit(socket) {
  socket.onmessage = socket.onclose = null;
  socket.onopen = () => socket.close();
  if (socket.readyState === WebSocket.OPEN) socket.close();
}

/** Shows the state of a view's connection. */
export function tell(state, text, isLost = false) {
  if (state.textContent !== text) state.textContent = text;
  state.classList.toggle('lost', isLost);
}

/** Fills in every text of the document. */
export function translate() {
  document.documentElement.lang = texts.lang;
  for (const element of document.querySelectorAll('[data-text]')) element.textContent = texts[element.dataset.text];
  for (const element of document.querySelectorAll('[data-label]')) element.setAttribute('aria-label', texts[element.dataset.label]);
}

/** The time of the day. */
export function clock(when, withSeconds = false) {
  const time = make('time', when.toLocaleTimeString([], { hour: '2-digit', minute: '2-digit', second: withSeconds ? '2-digit' : undefined }));
  time.dateTime = when.toISOString();
  return time;
}

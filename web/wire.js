// Multiply, with every frame in both directions, as bytes and as text.
import { at, fill, make, open } from './dom.js';
import MISTAKES from './mistakes.js';
import texts from './texts.js';
import { visible } from './visible.js';

const ROWS_MAX = 200;
const [frames, form, numbers, lesson] = ['frames', 'ask', 'numbers', 'lesson'].map(at);
const encoder = new TextEncoder();
const decoder = new TextDecoder();
const HINTS = 'ipcd.hints'; // asks for hints too: each is a binary frame after the reply

let socket = null;
let begun = 0; // when the connection was asked for

const hex = (bytes) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join(' ');

/** The header of a text frame. A page cannot see the mask of the frames that its browser sends. */
export function head(length, isMasked) {
  const [mask, hidden] = isMasked ? [0x80, ' ·· ·· ·· ··'] : [0, ''];
  const size = length < 126 ? [length | mask] : [126 | mask, length >> 8, length & 255];
  return hex([0x81, ...size]) + hidden;
}

function row(...cells) {
  const item = make('p');
  item.append(make('span', fill(texts.milliseconds, (performance.now() - begun).toFixed(1)), 'when'), ...cells);
  frames.append(item);
  while (frames.childElementCount > ROWS_MAX) frames.firstElementChild.remove();
  frames.scrollTop = frames.scrollHeight;
  return item;
}

function frame(direction, text) {
  const bytes = encoder.encode(text);
  const shown = make('code', '', 'hex');
  shown.append(make('span', `${head(bytes.length, direction === 'out')} `, 'frame-head'), hex(bytes));
  row(make('b', direction === 'out' ? texts.out : texts.in), make('span', fill(texts.bytes, bytes.length)), shown, make('code', visible(text), 'text'))
    .className = direction;
}

/** Shows the hint about the message that was just sent. */
function advise(text) {
  const hint = fill(texts.hintIs, visible(text));
  row(make('i', hint, 'hint'));
  if (!lesson.dataset.mistake) lesson.append(make('p', hint));
}

/** Sends each message in its own frame; `reads`: closes after this many replies. */
function send(messages, reads = Infinity) {
  const sendAll = () => {
    for (const text of messages) {
      frame('out', text);
      socket.send(text);
    }
  };
  const hear = (event) => {
    if (typeof event.data !== 'string') return advise(decoder.decode(event.data));
    frame('in', event.data);
    reads -= 1;
    if (reads === 0) event.target.close();
  };
  if (socket?.readyState === WebSocket.OPEN) {
    socket.onmessage = hear;
    return sendAll();
  }
  begun = performance.now();
  const opening = socket = open('multiply', HINTS);
  opening.binaryType = 'arraybuffer';
  opening.onopen = () => {
    row(make('i', texts.opened));
    sendAll();
  };
  opening.onmessage = hear;
  opening.onclose = (event) => row(make('i', fill(texts.closed, event.code)));
}

function show(mistake) {
  const calls = make('ol', '', 'calls');
  calls.append(...mistake.calls.map((call) => {
    const item = make('li');
    item.append(make('code', call));
    return item;
  }));
  const hint = make('p');
  if (mistake.hint) hint.append(make('b', `${texts.watchSays}: `), make('q', mistake.hint));
  else hint.textContent = texts.watchIsSilent;
  lesson.replaceChildren(make('h4', mistake.name), make('p', mistake.what), make('p', `${texts.onTcp}:`), calls, hint);
  lesson.dataset.mistake = mistake.id;
}

form.addEventListener('submit', (event) => {
  event.preventDefault();
  lesson.replaceChildren();
  delete lesson.dataset.mistake;
  if (numbers.value.trim()) send([numbers.value]);
  numbers.select();
});
at('clear').addEventListener('click', () => frames.replaceChildren());
at('mistakes').append(...MISTAKES.map((mistake) => {
  const button = make('button', mistake.name);
  button.type = 'button';
  button.dataset.mistake = mistake.id;
  button.addEventListener('click', () => {
    show(mistake);
    send(mistake.sends, mistake.reads);
  });
  return button;
}));

// The room.
import { at, clock, fill, make, open, tell as tellIn } from './dom.js';
import { read, welcomed } from './line.js';
import { append } from './links.js';
import { History, Unheard } from './kept.js';
import texts from './texts.js';

const LINES_MAX = 5000;
const PAUSE_MAX = 30;
const [log, line, form, send, prompt, state, members, newest, view] =
  ['log', 'line', 'say', 'send', 'prompt', 'state', 'members', 'newest', 'view-chat'].map(at);

let socket = null;
let name = null;      // as the room has it, once it has
let wanted = null;    // the name to join again with
let present = new Set();
let asksWho = false;  // the next list of members answers our own question
let waits = false;    // for the answer to the name
let quits = false;
let pause = 1;
let unread = 0;
let tries = 0;
let isUnsent = false; // the user was told that a line could not be sent
let last = '';        // the name that was tried
const history = new History();
const unheard = new Unheard();

const tell = (text, isLost) => tellIn(state, text, isLost);
const isSeen = () => !document.hidden && !view.hidden;

function ask(text, button, hint = texts.everybody) {
  prompt.textContent = text;
  send.textContent = button;
  at('hint').textContent = hint;
}

function isAtEnd() {
  return log.scrollHeight - log.scrollTop - log.clientHeight < 40;
}

function toEnd() {
  log.scrollTop = log.scrollHeight;
  newest.hidden = true;
}

// Lines wait for the next frame: a thousand of them are one layout.
let pending = [];
function show(what, when = new Date()) {
  if (pending.length > 2 * LINES_MAX) pending = pending.slice(-LINES_MAX);
  if (pending.push([what, when]) === 1) (document.hidden ? setTimeout : requestAnimationFrame)(draw, 0);
}

function draw() {
  const follows = isAtEnd();
  const fragment = document.createDocumentFragment();
  for (const [what, when] of pending.splice(0).slice(-LINES_MAX)) fragment.append(paragraph(what, when));
  log.append(fragment);
  while (log.childElementCount > LINES_MAX) log.firstElementChild.remove();
  if (follows) toEnd();
  else newest.hidden = false;
}

// The lines of the history have no times.
function paragraph(what, when) {
  const p = make('p', '', [what.kind, what.own ? 'own' : ''].join(' ').trim());
  p.append(when ? clock(when) : make('small', texts.earlier));
  if (what.name) p.append(make('b', what.name), ': ');
  append(p, what.text);
  return p;
}

function count() {
  const bare = document.title.replace(/^\(\d+\) /, '');
  document.title = unread ? `(${unread}) ${bare}` : bare;
}

function noteSeen() {
  if (isSeen()) unread = 0;
  count();
}

function showPeople() {
  at('people-title').textContent = name ? fill(texts.peopleCount, present.size) : texts.people;
  const sorted = [...present].sort((a, b) => a.localeCompare(b));
  members.replaceChildren(...sorted.map((who) => {
    const item = make('li');
    const button = make('button', who);
    button.type = 'button';
    button.title = fill(texts.whisper, who);
    button.addEventListener('click', () => {
      const before = [...present].map((other) => `/msg ${other} `).find((start) => line.value.startsWith(start)) ?? '';
      line.value = `/msg ${who} ${line.value.slice(before.length)}`;
      line.focus();
    });
    item.append(button);
    return item;
  }));
}

function hear(text) {
  const welcome = name === null && welcomed(text);
  if (welcome) {
    name = wanted = welcome;
    waits = false;
    pause = 1;
    tries = 0;
    ask(fill(texts.message, name), texts.send, texts.hint);
    tell(texts.connected);
    asksWho = true;
    history.begin();
    socket.send('/who');
    return;
  }
  if (text === '{quit}') { quits = true; return; }
  if (name === null) {
    if (text.startsWith('Greetings from the cave!')) return;
    if (text.startsWith('What is the passphrase')) return askPassphrase();
    if (text.startsWith('Error: wrong passphrase')) {
      show({ kind: 'error', text });
      return askPassphrase();
    }
    if (text.startsWith('Error: ')) refuse(text);
    else show({ kind: 'note', text });
    return;
  }
  const what = read(text, name);
  if (what.who && asksWho) {
    asksWho = false;
    present = new Set(what.who);
    history.end().forEach((told) => show(read(told, name), null));
    return showPeople();
  }
  if (history.takes(text, what)) return;
  unheard.note(what);
  if (what.joined) present.add(what.joined);
  if (what.left) present.delete(what.left);
  if (what.joined || what.left) showPeople();
  if (!isSeen() && !what.joined && !what.left) { unread += 1; count(); }
  show(what);
}

function askPassphrase() {
  waits = false;
  ask(texts.passphrase, texts.send);
  line.type = 'password';
}

// The name is taken, perhaps by our own lost connection, which the daemon still has.
function refuse(text) {
  waits = false;
  if (wanted && tries < 5 && text.includes('is taken')) {
    tries += 1;
    setTimeout(() => { if (socket?.readyState === 1 && name === null) socket.send(wanted); }, 1000);
    return;
  }
  wanted = null;
  show({ kind: 'error', text });
  line.value ||= last;
  ask(texts.name, texts.join);
  line.type = 'text';
}

function connect() {
  tell(texts.connecting);
  socket = open('chat');
  let wasOpen = false;
  socket.addEventListener('open', () => {
    wasOpen = true;
    isUnsent = false;
    tell(texts.connected);
    if (wanted) {
      show({ kind: 'note', text: texts.back });
      socket.send(wanted);
    } else ask(texts.name, texts.join);
  });
  socket.addEventListener('message', (event) => hear(event.data));
  socket.addEventListener('close', () => {
    name = null;
    asksWho = false;
    present.clear();
    showPeople();
    history.end().forEach((told) => show(read(told, wanted), null));
    const lost = unheard.take();
    if (quits) return tell(texts.left);
    if (lost && !line.value) {
      line.value = lost;
      show({ kind: 'note', text: texts.unheard });
    }
    if (wasOpen) pause = 1;
    let left = pause;
    pause = Math.min(pause * 2, PAUSE_MAX);
    const wait = () => {
      if (left <= 0) return connect();
      tell(fill(texts.lost, left), true);
      left -= 1;
      setTimeout(wait, 1000);
    };
    wait();
  });
}

// As a line of the room, because the state shows the seconds until the next try.
function sayUnsent() {
  if (isUnsent) return;
  isUnsent = true;
  show({ kind: 'error', text: texts.unsent });
}

form.addEventListener('submit', (event) => {
  event.preventDefault();
  const text = line.value.trim();
  if (!text || waits) return;
  if (socket?.readyState !== 1 || (name === null && wanted && line.type !== 'password')) return sayUnsent();
  if (name === null && line.type === 'text') { waits = true; last = text; }
  if (name !== null) unheard.say(text);
  socket.send(text);
  line.value = '';
  line.type = 'text';
  toEnd();
});
newest.addEventListener('click', () => { toEnd(); line.focus(); });
log.addEventListener('scroll', () => { if (isAtEnd()) newest.hidden = true; });
document.addEventListener('visibilitychange', noteSeen);
addEventListener('resize', () => { if (newest.hidden) toEnd(); });

export function enter() {
  noteSeen();
  if (newest.hidden) toEnd();
  line.focus();
}

showPeople();
connect();

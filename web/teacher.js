// The teacher's view: who fails and why, the connections, the events, and messages to the room.
import { at, clock, fill, make, quit, tell } from './dom.js';
import { Transcript } from './transcript.js';
import { known, learn, openGuarded } from './token.js';
import { ago, trouble, sorted } from './class.js';
import { visible } from './visible.js';
import texts from './texts.js';

const EVERY = 2000; // milliseconds
const ROWS_MAX = 200;
const FAILING_MAX = 50;
const EVENTS_MAX = 500;
const PEERS_MAX = 5000;
const OWN = ['status', 'watch'];
const LAST = ['page', ...OWN]; // what pages, including this one, need for themselves
const [state, desk, form, failing, limits, table, only, address, events, more] =
  ['teacher-state', 'desk', 'token-form', 'failing', 'limits', 'connections', 'only-service', 'only-address', 'events', 'more'].map(at);
const body = table.tBodies[0];

let sockets = [];
let timer = 0;
let connections = [];
let pending = [];
const peers = new Map(); // from watch, for each: the numbers of messages, the last one, the last hint
const transcript = new Transcript();

// ---- who fails

function showClients(clients) {
  const troubled = sorted(clients).filter(trouble);
  failing.replaceChildren(...troubled.slice(0, FAILING_MAX).map((client) => {
    const why = trouble(client);
    const item = make('li');
    const names = [client.name, client.host, client.client].filter(Boolean).join(' · ');
    item.append(make('b', visible(names)), make('p', visible(why.text)));
    item.append(make('p', `${fill(texts.because, why.service, ago(why.age), fill(texts.asked, client.requests, client.errors))}`, 'small'));
    return item;
  }));
  const summary = clients.length ? fill(texts.ofAll, troubled.length, clients.length) : texts.allWell;
  failing.append(make('li', troubled.length ? summary : texts.allWell, 'well'));
}

function showLimits(report) {
  const lines = [];
  for (const { service, refused, too_slow: tooSlow, dropped, dropped_by_reason: why } of report.services) {
    if (refused) lines.push(fill(texts.refused, service, refused));
    if (tooSlow) lines.push(fill(texts.tooSlow, service, tooSlow));
    const reasons = Object.entries(why ?? {}).filter(([, count]) => count).map(([reason, count]) => `${reason}: ${count}`);
    if (dropped) lines.push(fill(texts.dropped, service, dropped, reasons.join(', ')));
  }
  const { descriptors, descriptors_max: most, log_lines_dropped: lost } = report;
  if (descriptors > most * 0.8) lines.push(fill(texts.descriptors, descriptors, most));
  if (lost) lines.push(fill(texts.logLines, lost));
  limits.replaceChildren(...lines.map((line) => make('li', line)));
  if (!lines.length) limits.append(make('li', texts.noLimits, 'well'));
}

// ---- connections

function isWanted({ service, peer }) {
  const wanted = address.value.trim();
  return (!only.value || service === only.value) && (!wanted || peer.includes(wanted));
}

function showConnections() {
  const isLast = ({ service }) => LAST.includes(service);
  const wanted = connections.filter(isWanted).sort((a, b) => isLast(a) - isLast(b));
  body.replaceChildren(...wanted.slice(0, ROWS_MAX).map((connection) => {
    const { peer, name, service, kind, state: phase, reason } = connection;
    const seen = peers.get(peer);
    const row = make('tr');
    const cells = [
      name ? `${name} · ${peer}` : peer, service, kind ?? '–', reason ?? phase,
      seen ? `${seen.in} / ${seen.out}` : '0 / 0', seen?.last ?? '', seen?.hint ?? '',
    ];
    row.append(...cells.map((cell, column) => column ? make('td', visible(cell)) : header(visible(cell))));
    return row;
  }));
  more.textContent = wanted.length > ROWS_MAX ? fill(texts.moreConnections, wanted.length - ROWS_MAX) : '';
}

function header(text) {
  const cell = make('th', text);
  cell.scope = 'row';
  return cell;
}

function showServices(report) {
  if (only.options.length > 1) return;
  only.append(...report.services.map(({ service }) => new Option(service, service)));
}

function hearReport(text) {
  // The token was accepted.
  if (sockets.length === 1) {
    sockets.push(openGuarded('watch', 'json', hearEvent, lose), openGuarded('watch', 'json service=chat', hearRoom, lose));
  }
  const report = JSON.parse(text);
  connections = report.connections ?? [];
  for (const { peer, name } of connections) transcript.learn(peer, name);
  showClients(report.clients ?? []);
  showLimits(report);
  showServices(report);
  showConnections();
  tell(state, texts.watching);
  timer = setTimeout(() => sockets[0]?.readyState === WebSocket.OPEN && sockets[0].send('status'), EVERY);
}

// ---- events

function note(event) {
  const { peer, event: what, text } = event;
  const seen = peers.get(peer) ?? { in: 0, out: 0, last: '', hint: '' };
  if (what === 'message') seen.in += 1;
  if (what === 'reply') seen.out += 1;
  if (what === 'message' || what === 'error') seen.last = text;
  if (what === 'hint') seen.hint = text;
  if (what === 'closed' || peers.size > PEERS_MAX) peers.delete(peer);
  else peers.set(peer, seen);
}

function hearEvent(text) {
  if (text.startsWith('Error: ')) return;
  const event = JSON.parse(text);
  // Commands from ipcctl. Messages from this view are noted when the daemon has confirmed them.
  if (event.event === 'control' && !event.endpoint?.startsWith('http')) noteRoom(event);
  // This view's own requests, every two seconds, are not shown.
  if (event.event === 'watching' || OWN.includes(event.service) || !isWanted({ service: '', peer: '', ...event })) return;
  if (event.peer) note(event);
  if (pending.push([event, new Date()]) > EVENTS_MAX) pending.shift();
  if (pending.length === 1) (document.hidden ? setTimeout : requestAnimationFrame)(draw, 0);
}

function draw() {
  const follows = events.scrollHeight - events.scrollTop - events.clientHeight < 40;
  events.append(...pending.splice(0).map(([event, when]) => {
    const { event: what, service, peer, text, count } = event;
    const item = make('p', '', what);
    const words = what === 'missed' ? fill(texts.missed, count) : [peer, service, what].filter(Boolean).join(' ');
    item.append(clock(when, true), ` ${words}`, text ? `: ${visible(text)}` : '');
    return item;
  }));
  while (events.childElementCount > EVENTS_MAX) events.firstElementChild.remove();
  if (follows) events.scrollTop = events.scrollHeight;
}

function hearRoom(text) {
  noteRoom(JSON.parse(text));
}

function noteRoom(event) {
  transcript.take(event, new Date());
  at('transcript-note').textContent = fill(texts.transcriptLines, transcript.length);
}

// ---- connecting

function lose(why) {
  if (!sockets.length) return;
  leave();
  if (why === null) {
    tell(state, texts.lostTeacher, true);
    timer = setTimeout(enter, EVERY);
    return;
  }
  learn(null);
  tell(state, why, true);
  form.hidden = false;
  desk.hidden = true;
}

export function enter() {
  form.hidden = Boolean(known());
  desk.hidden = !known();
  if (!known()) return;
  sockets = [openGuarded('status', null, hearReport, lose)];
}

export function leave() {
  clearTimeout(timer);
  const left = sockets;
  sockets = [];
  left.forEach(quit);
}

form.addEventListener('submit', (event) => {
  event.preventDefault();
  learn(at('token').value.trim().replace(/^.*teacher=/, ''));
  at('token').value = '';
  history.replaceState({ token: known() }, '', '#teacher');
  enter();
});
at('proclaim').addEventListener('submit', (event) => {
  event.preventDefault();
  const text = at('sentence').value.trim();
  if (!text) return;
  const socket = openGuarded('control', `say ${text}`, (answer) => {
    const isSaid = answer.startsWith('OK');
    tell(state, answer, !isSaid);
    if (isSaid) noteRoom({ event: 'control', text: fill(texts.saidToRoom, text) });
    at('sentence').value = '';
    socket.close();
  }, (why) => { if (why) tell(state, why, true); });
});
at('transcript').addEventListener('click', () => {
  const link = make('a');
  link.href = URL.createObjectURL(new Blob([transcript.text()], { type: 'text/plain' }));
  link.download = `chat-${new Date().toISOString().slice(0, 16).replace(':', '')}.txt`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
});
at('filter').addEventListener('input', () => {
  showConnections();
  // The daemon filters the events too, as far as its filter can.
  const wanted = address.value.trim();
  const isWhole = /^\d+(\.\d+){3}$|^[0-9a-f]*:[0-9a-f:.]*$/i.test(wanted);
  const words = ['json', only.value && `service=${only.value}`, isWhole && `address=${wanted}`];
  if (sockets[1]?.readyState === WebSocket.OPEN) sockets[1].send(words.filter(Boolean).join(' '));
});
at('filter').addEventListener('submit', (event) => event.preventDefault());

// The machines that report to stats, each with three small charts.
import { at, fill, make, open, quit, tell } from './dom.js';
import texts from './texts.js';

const EVERY = 2000;      // milliseconds
const SAMPLES_MAX = 60;  // as many as the daemon keeps, or more
const MACHINES_MAX = 200;
const SILENT = 30;       // seconds without a report
const [list, state, chart] = ['machines', 'machines-state', 'chart'].map(at);
const machines = new Map(); // by name: its card, and its samples

let socket = null;
let timer = 0;
let heard = new Set();

const percent = (value) => value === null ? '–' : `${Math.round(value)} %`;
const number = (value) => value === null ? '–' : value.toFixed(2);
const FIGURES = [
  { name: texts.cpu, of: (sample) => sample.cpu_percent, shown: percent, full: () => 100 },
  { name: texts.memory, of: (sample) => sample.memory_percent, shown: percent, full: () => 100 },
  { name: texts.load, of: (sample) => sample.load, shown: number, full: (values) => Math.max(1, ...values) },
];

const finite = (value) => Number.isFinite(value) ? value : null;

function sample(report, now) {
  const { age, cpu_percent, virtual_memory, getloadavg } = report;
  return {
    at: now - 1000 * (finite(age) ?? 0),
    cpu_percent: finite(cpu_percent),
    memory_percent: finite(virtual_memory?.percent),
    load: finite(getloadavg?.[0]),
  };
}

function card(host) {
  const item = make('li', '', 'machine');
  const age = make('p', '', 'age');
  const figures = FIGURES.map((figure) => {
    const box = make('div', '', 'figure');
    const svg = chart.content.firstElementChild.cloneNode(true);
    const value = make('span', '–', 'value');
    box.append(make('span', figure.name, 'label'), value, svg);
    return { ...figure, value, svg, line: svg.firstElementChild };
  });
  item.append(make('h3', host), age, ...figures.map((figure) => figure.value.parentElement));
  return { item, age, figures, samples: [] };
}

function draw(host, machine, now) {
  const { samples, figures } = machine;
  const last = samples.at(-1);
  for (const { name, of, shown, full, value, svg, line } of figures) {
    const drawn = samples.map((one, x) => [x, of(one)]).filter(([, y]) => y !== null);
    const values = drawn.map(([, y]) => y);
    const top = full(values);
    const step = 60 / Math.max(1, SAMPLES_MAX - 1);
    const left = 60 - step * (samples.length - 1);
    line.setAttribute('points', drawn.map(([x, y]) => `${(left + step * x).toFixed(2)},${(19.5 - 19 * y / top).toFixed(2)}`).join(' '));
    value.textContent = shown(of(last));
    const [low, high] = values.length ? [Math.min(...values), Math.max(...values)] : [null, null];
    svg.setAttribute('aria-label', fill(texts.charted, host, name, shown(low), shown(high)));
  }
  const silence = Math.round((now - last.at) / 1000);
  machine.age.textContent = silence > SILENT ? fill(texts.silent, `${silence} s`) : '';
  machine.item.classList.toggle('old', silence > SILENT);
}

/** The card before which a machine is inserted, in alphabetical order. */
function place(host) {
  const after = [...machines.keys()].filter((other) => other.localeCompare(host) > 0);
  after.sort((a, b) => a.localeCompare(b));
  return machines.get(after[0])?.item ?? null;
}

function take(report) {
  const { host } = report;
  if (typeof host !== 'string') return;
  const now = Date.now();
  let machine = machines.get(host);
  if (!machine) {
    if (machines.size >= MACHINES_MAX) return;
    machine = card(host);
    list.insertBefore(machine.item, place(host));
    machines.set(host, machine);
    socket.send(`history ${host}`);
  }
  if (Array.isArray(report.history)) {
    machine.samples = report.history.map((one) => sample(one, now));
  } else {
    heard.add(host);
    const latest = sample(report, now);
    // The same report again.
    if (machine.samples.length && Math.abs(machine.samples.at(-1).at - latest.at) < 50) machine.samples.pop();
    machine.samples.push(latest);
  }
  machine.samples = machine.samples.slice(-SAMPLES_MAX);
  if (machine.samples.length) draw(host, machine, now);
}

function hear(event) {
  let told;
  try { told = JSON.parse(event.data); } catch { return; }
  if (!Number.isInteger(told?.machines)) return take(told ?? {});
  for (const [host, machine] of machines) {
    if (heard.has(host)) continue;
    machine.item.remove();
    machines.delete(host);
  }
  heard = new Set();
  tell(state, told.machines ? fill(texts.machineCount, told.machines) : texts.noMachines);
  timer = setTimeout(ask, EVERY);
}

function ask() {
  if (socket.readyState === WebSocket.OPEN) socket.send('latest');
}

function connect() {
  socket = open('stats');
  socket.onopen = ask;
  socket.onmessage = hear;
  socket.onclose = (event) => {
    if (event.target !== socket) return;
    tell(state, fill(texts.lost, 2), true);
    timer = setTimeout(connect, EVERY);
  };
}

export function enter() {
  connect();
}

export function leave() {
  clearTimeout(timer);
  const left = socket;
  socket = null;
  if (left) quit(left);
}

const { hostname } = location;
at('report').textContent = `ipcctl --to tcp://${hostname}:33001 report\n\n`
  + `python3 -c 'import json, os, socket; s = socket.create_connection(("${hostname.replace(/[[\]]/g, '')}", 33001)); `
  + `s.sendall((json.dumps({"host": socket.gethostname(), "getloadavg": os.getloadavg()}) + "\\n").encode())'`;

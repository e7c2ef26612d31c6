// Where others find the page: the address, large, and as a QR code.
import { at, fill, make } from './dom.js';
import { generate } from './qr.js';
import { known, openGuarded } from './token.js';
import texts from './texts.js';

const QUIET = 4; // light modules around a code (ISO 18004)
const isLoopback = (host) => host === 'localhost' || host === '[::1]' || host.endsWith('.localhost') || /^127\./.test(host);

function code(address) {
  const { size, get } = generate(address);
  const canvas = make('canvas');
  canvas.width = canvas.height = size + 2 * QUIET;
  const context = canvas.getContext('2d');
  context.fillStyle = '#fff';
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.fillStyle = '#000';
  for (let y = 0; y < size; y += 1) {
    for (let x = 0; x < size; x += 1) if (get(x, y)) context.fillRect(x + QUIET, y + QUIET, 1, 1);
  }
  canvas.setAttribute('role', 'img');
  canvas.setAttribute('aria-label', fill(texts.joinCode, address));
  return canvas;
}

function show(addresses) {
  at('only-here').hidden = addresses.length > 0;
  at('addresses').replaceChildren(...addresses.map((address) => {
    const item = make('li');
    item.append(make('p', texts.scan), make('p', address, 'address'), code(address));
    return item;
  }));
}

export function enter() {
  show(isLoopback(location.hostname) ? [] : [`${location.origin}/`]);
  if (!known()) return;
  const socket = openGuarded('status', 'status', (report) => {
    const { pages } = JSON.parse(report);
    if (pages?.length) show(pages);
    socket.close();
  }, () => {});
}

at('listen').textContent = `[page]\nlisten = ["${location.protocol}//0.0.0.0:${location.port || (location.protocol === 'https:' ? 443 : 80)}"]`;

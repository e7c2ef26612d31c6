// The cases of RFC 6455 with Node's `ws`: `node websockets.js MODULE ws://HOST:PORT`. The room must take messages of 1 MiB.
const assert = require('assert');
const WebSocket = require(process.argv[2]);
const url = process.argv[3];
const TIMEOUT = 60000;
let cases = 0;

// An open WebSocket, whose messages are waited for one by one.
function open(path, options) {
  const ws = new WebSocket(url + path, options);
  const waiting = [], heard = [];
  ws.on('message', (data, isBinary) => {
    assert(!isBinary);
    const message = data.toString();
    waiting.length ? waiting.shift()(message) : heard.push(message);
  });
  ws.on('error', () => {});
  ws.hear = () => within(heard.length ? Promise.resolve(heard.shift()) : new Promise(done => waiting.push(done)));
  ws.ends = within(new Promise(done => ws.on('close', (code, reason) => done([code, reason.toString()]))));
  return within(new Promise((done, fail) => { ws.on('open', () => done(ws)); ws.on('error', fail); }));
}
function within(promise) {
  const late = new Promise((_, fail) => setTimeout(() => fail(new Error('waited in vain')), TIMEOUT).unref());
  return Promise.race([promise, late]);
}
async function member(name) {
  const ws = await open('/chat', { maxPayload: 2 ** 24 });
  assert.equal(await ws.hear(), 'Greetings from the cave! Now type your name and press enter!');
  ws.send(name);
  assert((await ws.hear()).startsWith(`Welcome ${name}!`));
  return ws;
}
function is(what, found, right) {
  cases += 1;
  assert.deepEqual(found, right, what);
}

async function main() {
  const ann = await member('ann');
  is('permessage-deflate was offered, and is declined', ann.extensions, '');
  for (const length of [1, 125, 126, 127, 128, 65535, 65536, 500000]) {
    const text = 'x'.repeat(length);
    ann.send(text);
    is(`1.1: ${length} bytes`, await ann.hear(), `ann: ${text}`);
    ann.send(Buffer.from(text));
    is(`1.2: ${length} bytes, binary`, await ann.hear(), `ann: ${text}`);
    ann.send(text.slice(0, length / 2), { fin: false });
    ann.ping();
    ann.send(text.slice(length / 2), { fin: true });
    is(`5: ${length} bytes in fragments, a ping between`, await ann.hear(), `ann: ${text}`);
  }
  for (const data of ['', 'x', 'y'.repeat(125)]) {
    ann.ping(data);
    const pong = await within(new Promise(done => ann.on('pong', seen => seen.toString() === data && done(seen))));
    is('2: a ping', pong.toString(), data);
    ann.pong('nobody asked');
  }
  ann.close(1000, 'bye');
  is('7.1: an ordinary close', (await ann.ends)[0], 1000);
  for (const code of [1001, 1011, 3000, 4999]) {
    const ws = await member(`c${code}`);
    ws.close(code);
    is(`7.7: ${code}`, (await ws.ends)[0], code);
  }
  const hello = await open('/hello');
  hello.send('Hello from client');
  is('a service', await hello.hear(), 'Hello from server');
  is('7.1.6: the service closes', (await hello.ends)[0], 1000);
  for (const [what, bytes, code] of [
    ['3: a reserved bit', [0xc1, 0x81, 0, 0, 0, 0, 120], 1002],
    ['4: an opcode', [0x83, 0x80, 0, 0, 0, 0], 1002],
    ['5: a continuation of nothing', [0x80, 0x81, 0, 0, 0, 0, 120], 1002],
    ['6: text that is none', [0x81, 0x81, 0, 0, 0, 0, 0xff], 1007],
    ['7: half a code', [0x88, 0x81, 0, 0, 0, 0, 3], 1002],
    ['no mask', [0x81, 1, 120], 1002],
  ]) {
    const ws = await open('/multiply');
    ws._socket.write(Buffer.from(bytes)); // past the library, which would send none of these
    is(what, (await ws.ends)[0], code);
  }
  const missing = await open('/nothing').then(() => 'open', error => error.message);
  is('no such service', missing, 'Unexpected server response: 404');
  console.log('ok', cases, 'cases');
}
main().then(() => process.exit(0), error => { console.error(error); process.exit(1); });

#!/usr/bin/env bash
# Two less common WebSocket clients (npm) with a server that sends what RFC 6455 allows:
# - websocket 1.0.35 (theturtle32): it reports a Close frame without a body, which most servers send, to the application as
#   1006, "connection dropped by remote peer", and not as 1005 (7.1.5: no status code was present).
# - nodejs-websocket 1.7.2: a character that is split over two fragments of one text message (5.4 allows it; 5.6: only
#   the whole message must be UTF-8) arrives as three U+FFFD, because each fragment is decoded by itself.
# ws 8.23.0 reports 1005, and receives the character, in the same run.
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init -y > /dev/null
npm install --silent --no-audit --no-fund websocket@1.0.35 nodejs-websocket@1.7.2 ws@8.23.0
cat > run.js <<'JS'
const crypto = require('crypto'), net = require('net'), assert = require('assert');
const EURO_IN_TWO = Buffer.concat([Buffer.from([0x01, 1, 0xe2]), Buffer.from([0x80, 2, 0x82, 0xac])]);
const CLOSE_WITHOUT_BODY = Buffer.from([0x88, 0]);
function server(bytes, listening) {
  const it = net.createServer(socket => {
    let head = '';
    socket.on('error', () => {});
    socket.on('data', data => {
      if (head.includes('\r\n\r\n')) return;
      head += data.toString('latin1');
      if (!head.includes('\r\n\r\n')) return;
      const key = /sec-websocket-key: *(.*)\r/i.exec(head)[1];
      const accept = crypto.createHash('sha1').update(key + '258EAFA5-E914-47DA-95CA-C5AB0DC85B11').digest('base64');
      socket.write('HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n' +
        `Sec-WebSocket-Accept: ${accept}\r\n\r\n`);
      setTimeout(() => socket.write(bytes), 50);
    });
  }).listen(0, '127.0.0.1', () => listening(it.address().port, it));
}
const clients = {
  'websocket': (port, told) => {
    const client = new (require('websocket').client)();
    client.on('connect', c => { c.on('message', m => told(m.utf8Data)); c.on('close', told); });
    client.connect(`ws://127.0.0.1:${port}`);
  },
  'nodejs-websocket': (port, told) => {
    const c = require('nodejs-websocket').connect(`ws://127.0.0.1:${port}`);
    c.on('text', told); c.on('close', told); c.on('error', () => {});
  },
  'ws': (port, told) => {
    const c = new (require('ws'))(`ws://127.0.0.1:${port}`);
    c.on('message', m => told(String(m))); c.on('close', told);
  },
};
(async () => {
  const seen = {};
  for (const name in clients) {
    seen[name] = [];
    for (const bytes of [CLOSE_WITHOUT_BODY, EURO_IN_TWO]) {
      seen[name].push(await new Promise(done => server(bytes, (port, it) =>
        clients[name](port, what => { it.close(); done(what); }))));
    }
  }
  console.log('close without a body, a character in two fragments:', JSON.stringify(seen));
  assert.deepStrictEqual(seen, {
    'websocket': [1006, '€'],
    'nodejs-websocket': [1005, '\ufffd\ufffd\ufffd'],
    'ws': [1005, '€'],
  });
  process.exit(0);
})();
JS
timeout 60 node run.js

#!/usr/bin/env bash
# faye-websocket 0.11.4 with websocket-driver 0.8.0 (npm): if a server closes with 1012 (service restart), 1013 (try
# again later) or 1014 (bad gateway), all of which are in IANA's registry of close codes, the client treats this as a violation of
# the protocol: both the application and the server get 1002. ws 8.23.0 passes the code on. A server for both kinds of client
# has to use 1001.
# Seen: 1001 -> 1001; 1012, 1013, 1014 -> 1002 (faye), 1012, 1013, 1014 (ws).
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init -y > /dev/null
npm install --silent --no-audit --no-fund faye-websocket@0.11.4 websocket-driver@0.8.0 ws@8.23.0
cat > run.js <<'JS'
const crypto = require('crypto'), net = require('net'), assert = require('assert');
function server(code, listening) {
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
      socket.write(Buffer.from([0x88, 2, code >> 8, code & 255]));
    });
  }).listen(0, '127.0.0.1', () => listening(it.address().port, it));
}
const clients = {
  faye: (port, closed) => new (require('faye-websocket').Client)(`ws://127.0.0.1:${port}`).on('close', e => closed(e.code)),
  ws: (port, closed) => new (require('ws'))(`ws://127.0.0.1:${port}`).on('close', closed),
};
(async () => {
  const seen = {};
  for (const name in clients) {
    seen[name] = [];
    for (const code of [1001, 1012, 1013, 1014]) {
      seen[name].push(await new Promise(done => server(code, (port, it) =>
        clients[name](port, told => { it.close(); done(told); }))));
    }
  }
  console.log('sent 1001 1012 1013 1014; told', JSON.stringify(seen));
  assert.deepStrictEqual(seen, { faye: [1001, 1002, 1002, 1002], ws: [1001, 1012, 1013, 1014] });
  process.exit(0);
})();
JS
timeout 60 node run.js

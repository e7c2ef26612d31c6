#!/usr/bin/env bash
# Two npm packages for the PROXY protocol, version 2, compared with its specification (2.2):
# - @balena/proxy-protocol-parser 1.0.2, v2_encode(): byte 13 is 0x20, LOCAL, instead of 0x21, PROXY, and the length
#   is in the wrong byte: 12 is written as 3072, 36 as 9216. Its own decode() checks neither. A receiver that
#   does (here HAProxy 2.6, Debian 12) waits for 3,060 more bytes of addresses, so it drops the client's first 3,060 bytes
#   and never learns the address.
# - proxy-protocol-js 4.0.6, V2ProxyProtocol.parse(): fields after the addresses (TLV: 2.2 includes them in the header's
#   length; a network load balancer or HAProxy's options add them) are returned as the first bytes of the application's data.
#   V1ProxyProtocol.parse() rejects "PROXY UNKNOWN\r\n", the short form of 2.1 for everything except TCP4 and TCP6.
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
cd "$folder"
apt-get -q -o APT::Sandbox::User=root download haproxy=2.6.12-1+deb12u4 liblua5.3-0=5.3.6-2 > apt.log 2>&1 \
    || { cat apt.log; exit 1; }
for package in *.deb; do dpkg -x "$package" root; done
export LD_LIBRARY_PATH=$folder/root/usr/lib/x86_64-linux-gnu
npm init -y > /dev/null
npm install --silent --no-audit --no-fund @balena/proxy-protocol-parser@1.0.2 proxy-protocol-js@4.0.6
cat > run.js <<'JS'
const assert = require('assert'), fs = require('fs'), net = require('net'), { spawn } = require('child_process');
const { v2_encode, decode } = require('@balena/proxy-protocol-parser');
const { V1ProxyProtocol, V2ProxyProtocol } = require('proxy-protocol-js');
const peer = { remoteFamily: 'IPv4', remoteAddress: '192.0.2.7', remotePort: 4711, localAddress: '198.51.100.9', localPort: 80 };
const right = Buffer.from('0d0a0d0a000d0a515549540a' + '21' + '11' + '000c' + 'c0000207' + 'c6336409' + '1267' + '0050', 'hex');
const wait = ms => new Promise(done => setTimeout(done, ms));
const listening = server => new Promise(done => server.listen(0, '127.0.0.1', () => done(server.address().port)));

// HAProxy takes the header and tells the server behind it, in a header of version 1, whom it took for the client.
async function throughHaproxy(header) {
  let heard = '';
  const behind = net.createServer(socket => {
    socket.on('data', data => { heard += data.toString('latin1'); });
    socket.on('error', () => {});
  });
  const back = await listening(behind);
  const free = net.createServer();
  const front = await listening(free);
  await new Promise(done => free.close(done));
  fs.writeFileSync('haproxy.cfg', `
defaults
  mode tcp
  timeout connect 5s
  timeout client 5s
  timeout server 5s
frontend front
  bind 127.0.0.1:${front} accept-proxy
  default_backend back
backend back
  server behind 127.0.0.1:${back} send-proxy
`);
  const haproxy = spawn('root/usr/sbin/haproxy', ['-db', '-f', 'haproxy.cfg'], { stdio: 'ignore' });
  let client;
  for (let tries = 0; !client && tries < 200; tries++) {
    client = await new Promise(done => {
      const socket = net.connect(front, '127.0.0.1', () => done(socket)).on('error', () => done(null));
    });
    if (!client) await wait(50);
  }
  const own = client.localPort;
  client.write(Buffer.concat([header, Buffer.alloc(3060, '.'), Buffer.from('hello\n')]));
  for (let tries = 0; !heard.includes('hello\n') && tries < 200; tries++) await wait(50);
  client.destroy(); haproxy.kill(); behind.close();
  const [line, ...rest] = heard.split('\r\n');
  const source = line.split(' ');
  return [source[4] === String(own) ? 'the connection itself' : `${source[2]} ${source[4]}`, rest.join('\r\n').length];
}

(async () => {
  const made = v2_encode(peer);
  assert.deepStrictEqual({ ...decode(made) }, { protocol: 'tcp', ...peer });
  const six = v2_encode({ ...peer, remoteFamily: 'IPv6', remoteAddress: '2001:db8::7', localAddress: '2001:db8::9' });
  const seen = {
    'balena, command and length': [made[12].toString(16), made.readUInt16BE(14), six.readUInt16BE(14)],
    'HAProxy, client and bytes of 3066, with a right header': await throughHaproxy(right),
    'HAProxy, client and bytes of 3066, with balena\'s header': await throughHaproxy(made),
  };
  const fields = Buffer.from([0x04, 0, 2, 0x41, 0x42]);  // one field of padding, type 4, two bytes long
  const withFields = Buffer.concat([right, fields, Buffer.from('hello')]);
  withFields.writeUInt16BE(12 + fields.length, 14);
  const data = bytes => Buffer.from(V2ProxyProtocol.parse(bytes).data).toString();
  seen['proxy-protocol-js, data without and with a field'] =
    [data(Buffer.concat([right, Buffer.from('hello')])), data(withFields)];
  try {
    seen['proxy-protocol-js, short UNKNOWN'] = V1ProxyProtocol.parse('PROXY UNKNOWN\r\nhello').data;
  } catch (error) {
    seen['proxy-protocol-js, short UNKNOWN'] = error.message;
  }
  for (const what in seen) console.log(`${what}: ${JSON.stringify(seen[what])}`);
  assert.deepStrictEqual(Object.values(seen), [
    ['20', 3072, 9216],
    ['192.0.2.7 4711', 3066],
    ['the connection itself', 6],
    ['hello', '\u0004\u0000\u0002ABhello'],
    "given data isn't suitable for V1 PROXY protocols definition",
  ]);
  process.exit(0);
})();
JS
timeout 60 node run.js

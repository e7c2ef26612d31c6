#!/usr/bin/env bash
# @logtape/syslog 1.3.10 (npm), getSyslogSink() over TCP ("automatic connection handling", "guarantees that log messages reach
# the server"): after one message that could not be sent, the sink sends nothing more for the rest of the process's life.
# Each message waits for the promise of the previous one; after that was rejected, all later ones are rejected with the same
# error. A restart of the syslog server, or starting it after the program, is enough. Only a program with a listener for
# 'unhandledRejection' notices it, as services have. @n8n/syslog-client 1.11.0 connects again.
# Its structured data (off by default) does not follow RFC 5424, although the README says so: it writes a property's name
# unchanged, and a space or "=" in the name breaks the whole element (6.3.3: PARAM-NAME contains neither).
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init -y > /dev/null
npm install --silent --no-audit --no-fund @logtape/syslog@1.3.10 @logtape/logtape@1.3.10 @n8n/syslog-client@1.11.0
cat > run.js <<'JS'
const assert = require('assert');
const net = require('net');
const { configure, getLogger } = require('@logtape/logtape');
const { getSyslogSink } = require('@logtape/syslog');
const { SyslogClient, Transport } = require('@n8n/syslog-client');

const pause = milliseconds => new Promise(done => setTimeout(done, milliseconds));
const errors = [];
process.on('unhandledRejection', error => errors.push(error.code));

/** A syslog server that can be stopped and started again at its address; what it hears is in `heard`. */
class Server {
  heard = [];
  sockets = [];
  async start(port) {
    this.server = net.createServer(socket => {
      this.sockets.push(socket);
      socket.on('data', data => this.heard.push(...String(data).trimEnd().split('\n').map(line => line.split(/ - (?:- )?/).pop())));
      socket.on('error', () => {});
    });
    await new Promise(done => this.server.listen(port, '127.0.0.1', done));
    return this.server.address().port;
  }
  async stop() {
    const closed = new Promise(done => this.server.close(done));
    this.sockets.forEach(socket => socket.destroy());
    await closed;
  }
}
const common = { hostname: '127.0.0.1', protocol: 'tcp', syslogHostname: 'host', appName: 'app', processId: '1' };
async function logtape(port, extra) {
  const sinks = { syslog: getSyslogSink({ ...common, port, ...extra }) };
  const loggers = [{ category: [], sinks: ['syslog'], lowestLevel: 'info' },
    { category: ['logtape', 'meta'], sinks: [], lowestLevel: 'error' }];
  await configure({ reset: true, sinks, loggers });
  return (...message) => getLogger().info(...message);
}
async function n8n(port) {
  const client = new SyslogClient('127.0.0.1', { port, transport: Transport.Tcp, rfc3164: false, syslogHostname: 'host' });
  client.on('error', () => {});
  return message => client.log(message).catch(() => {});
}
async function restart(make) {
  const server = new Server();
  const port = await server.start(0);
  const log = await make(port);
  log('before');
  await pause(300);
  await server.stop();
  for (const n of [1, 2]) { log(`while down ${n}`); await pause(300); }
  await server.start(port);
  for (const n of [1, 2, 3]) { log(`after ${n}`); await pause(300); }
  await server.stop();
  return server.heard;
}
(async () => {
  const seen = { 'n8n': await restart(n8n), 'logtape': await restart(logtape) };
  console.log(seen, 'rejections:', errors);
  const server = new Server();
  const log = await logtape(await server.start(0), { includeStructuredData: true });
  log('text', { user: 'Ann', 'user name': 'Ann', 'a=b': 1 });
  await pause(300);
  console.log(server.heard);
  assert.deepStrictEqual(seen, { n8n: ['before', 'after 1', 'after 2', 'after 3'], logtape: ['before'] }, 'this has changed');
  assert.deepStrictEqual(server.heard, ['[logtape@32473 user="Ann" user name="Ann" a=b="1"] text'], 'this has changed');
  process.exit();
})().catch(error => { console.error(error); process.exit(1); });
JS
timeout 60 node --no-warnings run.js

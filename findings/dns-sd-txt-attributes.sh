#!/usr/bin/env bash
# Attributes of a DNS-SD service (TXT record, RFC 6763, 6.4: no attribute, one without a value, one with an empty value and one
# with a value are four different things; 6.5: a value is opaque binary data) in libraries for Node:
# - bonjour-service 1.4.4 reads "note=" as an attribute named "note=" without a value, drops attributes of one character,
#   cuts a value at a line end, and makes two of "T" and "t" (6.4: case is ignored, the first counts). It cannot read
#   what it writes itself: {note: ''} comes back as {'note=': undefined}. It writes {duplex: true} as "duplex=true" (6.4: an
#   attribute that is either present or absent has no "=").
# - node-dns-sd 1.0.1 drops all attributes without a value, and cuts a value at a line end.
# bonjour 3.5.1, the predecessor of bonjour-service, follows the RFC. No packet is sent: the libraries' browser and
# parser get the answer of a printer, created with dns-packet 5.6.1.
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init -y > /dev/null
npm install --silent --no-audit --no-fund bonjour-service@1.4.4 bonjour@3.5.1 node-dns-sd@1.0.1 dns-packet@5.6.1
cat > run.js <<'JS'
const assert = require('assert');
const { EventEmitter } = require('events');
const packets = require('dns-packet');
const parser = require('node-dns-sd/lib/dns-sd-parser');
const { Browser } = require('bonjour-service/dist/lib/browser');
const { Service } = require('bonjour-service/dist/lib/service');
const OlderBrowser = require('bonjour/lib/browser');
const OlderService = require('bonjour/lib/service');

const name = 'Printer._ipp._tcp.local';
const answer = items => packets.encode({
  type: 'response',
  answers: [{ type: 'PTR', name: '_ipp._tcp.local', ttl: 120, data: name }],
  additionals: [
    { type: 'SRV', name, ttl: 120, data: { port: 631, target: 'host.local' } },
    { type: 'TXT', name, ttl: 120, data: items },
    { type: 'A', name: 'host.local', ttl: 120, data: '127.0.0.1' }],
});
function browse(Browser, packet) {
  let found;
  const network = Object.assign(new EventEmitter(), { query() {} });
  new Browser(network, { type: 'ipp' }, service => { found = service.txt; });
  network.emit('response', packet, { address: '127.0.0.1' });
  return found;
}
const txt = packet => packet.additionals.find(record => record.type === 'TXT');
const readers = {
  'bonjour-service': bytes => browse(Browser, packets.decode(bytes)),
  'node-dns-sd': bytes => txt(parser.parse(bytes)).rdata,
  bonjour: bytes => {
    const packet = packets.decode(bytes);  // its own dns-packet leaves the record's data as it is
    txt(packet).data = Buffer.concat(txt(packet).data.map(item => Buffer.concat([Buffer.from([item.length]), item])));
    return browse(OlderBrowser, packet);
  },
};
const expected = {
  'bonjour-service': { txtvers: '1', 'note=': undefined, Duplex: undefined, text: 'one', T: 'one', t: 'two' },
  'node-dns-sd': { txtvers: '1', note: '', text: 'one', T: 'one', t: 'two' },
  bonjour: { txtvers: '1', note: '', duplex: true, x: true, text: 'one\ntwo', t: 'one' },
};
const printer = answer(['txtvers=1', 'note=', 'Duplex', 'x', 'text=one\ntwo', 'T=one', 't=two'].map(item => Buffer.from(item)));
const seen = Object.fromEntries(Object.entries(readers).map(([reader, read]) => [reader, { ...read(printer) }]));
for (const reader in seen) console.log(reader, seen[reader]);

const options = { name: 'Printer', type: 'ipp', port: 631, host: 'host.local', txt: { note: '', duplex: true } };
const items = new Service(options).records().find(record => record.type === 'TXT').data;
const older = new OlderService(options)._records().find(record => record.type === 'TXT').data;
const written = { 'bonjour-service': items.map(String), bonjour: [String(older.slice(1, 6)), String(older.slice(7))] };
const again = { ...browse(Browser, packets.decode(answer(items))) };
console.log('written:', written, 'read again by bonjour-service:', again);
assert.deepStrictEqual(seen, expected, 'this has changed');
assert.deepStrictEqual(written, { 'bonjour-service': ['note=', 'duplex=true'], bonjour: ['note=', 'duplex'] });
assert.deepStrictEqual(again, { 'note=': undefined, duplex: 'true' });
JS
timeout 60 node --no-deprecation run.js

#!/usr/bin/env bash
# QR codes of version 23 (109 modules; 1,004 to 1,091 bytes at level L) have alignment patterns at 6, 30, 54, 78 and 102
# (ISO/IEC 18004, Annex E, table E.1). jsqr 1.4.0 and its fork jsqr-es6 1.2.0 (npm) have 74 instead of 78, so they read a pattern
# as data and data as a pattern: at level L they cannot read even a perfect picture; versions 22 and 24 work. If a sender
# chooses the version by the length of the text, scanners with these libraries fail only at those lengths. At higher levels the
# error correction repairs the damage. qr 0.7.0 (npm) reads all three; uqr 0.1.3 creates the codes.
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init -y > /dev/null
npm install --silent --no-audit --no-fund jsqr@1.4.0 jsqr-es6@1.2.0 qr@0.7.0 uqr@0.1.3
cat > run.mjs <<'JS'
import decode from 'qr/decode.js';
import { encode } from 'uqr';
import { createRequire } from 'module';
const require = createRequire(import.meta.url);
const readers = {
  jsqr: ({ data, width, height }) => require('jsqr')(data, width, height).data,
  'jsqr-es6': ({ data, width, height }) => require('jsqr-es6').default(data, width, height).data,
  qr: image => decode(image),
};

/** The code as a picture, 4 pixels a module. */
function picture(rows) {
  const scale = 4, size = (rows.length + 8) * scale, data = new Uint8ClampedArray(size * size * 4).fill(255);
  for (let y = 0; y < size; y++) for (let x = 0; x < size; x++) {
    const dark = rows[Math.floor(y / scale) - 4]?.[Math.floor(x / scale) - 4];
    if (dark) data.fill(0, (y * size + x) * 4, (y * size + x) * 4 + 3);
  }
  return { data, width: size, height: size };
}

const seen = [];
for (const [length, version] of [[1003, 22], [1004, 23], [1050, 23], [1091, 23], [1092, 24]]) {
  const text = Array.from({ length }, (_, i) => 'abcdefghijklmnopqrstuvwxyz'[(i * i + (i >> 3)) % 26]).join('');
  const code = encode(text, { ecc: 'L', boostEcc: false, border: 0 });
  const able = Object.entries(readers).filter(([, read]) => {
    try { return read(picture(code.data)) === text; } catch { return false; }
  }).map(([name]) => name);
  console.log(`${length} bytes, version ${code.version}: read by ${able.join(', ')}`);
  if (code.version !== version) throw new Error('another version');
  seen.push(able.length);
}
if (seen.join() !== '3,1,1,1,3') throw new Error('this has changed');
JS
timeout 120 node run.mjs

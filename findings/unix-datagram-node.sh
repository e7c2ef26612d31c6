#!/usr/bin/env bash
# Two npm packages for Unix datagrams in Node silently cut long ones: unix-dgram 2.0.7 returns the
# first 65,536 bytes, node-unix-socket 0.2.7 (DgramSocket) the first 65,535: they read into a buffer of that size and
# ignore MSG_TRUNC (recv(2)). The sender gets no error. The size of a Unix datagram is limited only by the sender's
# SO_SNDBUF (unix(7)), 212,992 bytes by default; UDP's limit of 65,507 does not apply. Neither README mentions a limit.
# node-unix-socket's SeqpacketServer returns messages of 150,000 bytes whole.
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init -y > /dev/null
npm install --silent --no-audit --no-fund unix-dgram@2.0.7 node-unix-socket@0.2.7
cat > receive.js <<'JS'
const { DgramSocket, SeqpacketServer } = require('node-unix-socket');
const tell = name => data => console.log(JSON.stringify([name, data.length]));
const first = require('unix-dgram').createSocket('unix_dgram', tell('unix-dgram'));
first.bind('first');
const second = new DgramSocket();
second.on('data', tell('node-unix-socket'));
second.bind('second');
const third = new SeqpacketServer();
third.on('connection', socket => socket.on('data', tell('node-unix-socket, seqpacket')));
third.listen('third');
console.log('"ready"');
JS
cat > run.py <<'PY'
import json, socket, subprocess
PATHS = {"unix-dgram": "first", "node-unix-socket": "second", "node-unix-socket, seqpacket": "third"}
SIZES = [0, 1, 65535, 65536, 65537, 150000]
node = subprocess.Popen(["node", "receive.js"], stdout=subprocess.PIPE, text=True)
try:
    assert json.loads(node.stdout.readline()) == "ready"
    seen = {name: [] for name in PATHS}
    for name, path in PATHS.items():
        sender = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET if path == "third" else socket.SOCK_DGRAM)
        sender.connect(path)
        for size in SIZES:
            if path == "third" and size == 0:
                continue  # as good as the end, in this family
            assert sender.send(bytes(size)) == size
            told, length = json.loads(node.stdout.readline())
            assert told == name
            seen[name].append(length)
finally:
    node.terminate()
    node.wait()
print("sent:", SIZES)
for name, lengths in seen.items():
    print(f"{name}: {lengths}")
assert seen == {
    "unix-dgram": [0, 1, 65535, 65536, 65536, 65536],
    "node-unix-socket": [0, 1, 65535, 65535, 65535, 65535],
    "node-unix-socket, seqpacket": [1, 65535, 65536, 65537, 150000],
}, "this has changed"
PY
timeout 60 python3 run.py

#!/usr/bin/env bash
# telnet-stream 1.1.0 (npm), TelnetSocket: the buffer that a 'sub' listener gets is reused for
# the next subnegotiation. A server that keeps the window's size (NAWS, RFC 1073) until it needs it finds
# part of the terminal's speed or name there. Neither the README nor Node's streams suggest that.
# The events also precede the data before them: of "Password: " IAC WILL ECHO "x" IAC GA in one segment, 'will'
# and 'command' come first, then 'data' with all the text in one piece; the position of the options in the text, which
# gives them their meaning (RFC 854, GA and "TELNET SYNCH"; RFC 857), is lost.
# Client: inetutils-telnet 2.4 (Debian 12) on a terminal of 80 x 24. Seen: 80 x 24 in the listener, 51 x 14388 afterwards.
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
cd "$folder"
apt-get -q -o APT::Sandbox::User=root download inetutils-telnet=2:2.4-2+deb12u3 > apt.log 2>&1 || { cat apt.log; exit 1; }
dpkg -x inetutils-telnet_*.deb root
npm init -y > /dev/null
npm install --silent --no-audit --no-fund telnet-stream@1.1.0
cat > serve.js <<'JS'
const net = require('net');
const { TelnetSocket } = require('telnet-stream');
const TTYPE = 24, NAWS = 31, TSPEED = 32, SEND = Buffer.from([1]);
const size = buffer => `${buffer.readUInt16BE(0)} x ${buffer.readUInt16BE(2)}`;
const server = net.createServer(socket => {
  const telnet = new TelnetSocket(socket);
  const seen = {};
  telnet.on('will', option => {
    if (option === TTYPE || option === TSPEED) telnet.writeSub(option, SEND);
  });
  telnet.on('sub', (option, buffer) => {
    seen[option] = buffer;
    if (option === NAWS) seen.told = size(buffer);
    if (TTYPE in seen && NAWS in seen && TSPEED in seen) {
      console.log(JSON.stringify({ told: seen.told, kept: size(seen[NAWS]) }));
      socket.end();
    }
  });
  telnet.on('data', () => {});
  telnet.writeDo(TTYPE);
  telnet.writeDo(NAWS);
  telnet.writeDo(TSPEED);
});
server.listen(0, '127.0.0.1', () => console.log(JSON.stringify(server.address().port)));
JS
cat > read.js <<'JS'
const net = require('net');
const { TelnetSocket } = require('telnet-stream');
const telnet = new TelnetSocket(net.connect(Number(process.argv[2]), '127.0.0.1'));
const order = [];
for (const name of ['will', 'command']) telnet.on(name, what => order.push(`${name} ${what}`));
telnet.on('data', text => order.push(`data ${text}`));
telnet.on('end', () => console.log(JSON.stringify(order)));
JS
cat > run.py <<'PY'
import fcntl, glob, json, os, pty, socket, struct, subprocess, termios

master, terminal = pty.openpty()
fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
node = subprocess.Popen(["node", "serve.js"], stdout=subprocess.PIPE, text=True)
try:
    port = json.loads(node.stdout.readline())
    client = subprocess.Popen([*glob.glob("root/usr/bin/inetutils-telnet"), "127.0.0.1", str(port)], start_new_session=True,
                              stdin=terminal, stdout=terminal, stderr=terminal, env=os.environ | {"TERM": "xterm"})
    sizes = json.loads(node.stdout.readline())
    client.wait()
finally:
    node.terminate()
    node.wait()

listener = socket.create_server(("127.0.0.1", 0))
node = subprocess.Popen(["node", "read.js", str(listener.getsockname()[1])], stdout=subprocess.PIPE, text=True)
with listener.accept()[0] as connection:
    connection.sendall(b"Password: \xff\xfb\x01x\xff\xf9")
order = json.loads(node.communicate()[0])
print("the window's size, in the listener and after all three subnegotiations:", sizes)
print("Password: IAC WILL ECHO x IAC GA:", order)
assert sizes == {"told": "80 x 24", "kept": "51 x 14388"}, "this has changed"
assert order == ["will 1", "command 249", "data Password: x"], "this has changed"
PY
timeout 60 python3 run.py

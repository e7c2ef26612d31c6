// Multiplies over TLS, in Node. Usage: node multiply_tls.js CA HOST PORT [A B], for example ca.pem localhost 65443
const fs = require('fs');
const net = require('net');
const readline = require('readline');
const tls = require('tls');

const [ca, host, port, a = '5', b = '10'] = process.argv.slice(2);
if (!port) {
  console.error('Usage: node multiply_tls.js CA HOST PORT [A B]');
  process.exit(1);
}
const fail = error => {
  console.error(`${host}:${port}: ${error.message || error.code}`);
  process.exit(1);
};
let authority;
try {
  authority = fs.readFileSync(ca);
} catch (error) {
  fail(error);
}
// Only this authority is trusted, and the certificate must name the host. An address is not a server name (SNI).
const options = { host, port: Number(port), ca: authority, servername: net.isIP(host) ? '' : host };
const socket = tls.connect(options, () => {
  socket.write(`${a} ${b}\n`);
});
const replies = [];
readline.createInterface({ input: socket }).on('line', line => {
  replies.push(line);
  if (replies.length < 2) return console.error(line); // Data received
  const wrong = line.startsWith('Error: ');
  (wrong ? console.error : console.log)(line); // 50.0
  process.exitCode = wrong ? 1 : 0;
  socket.end();
});
socket.on('error', fail);

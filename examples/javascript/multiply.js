// Multiplies with lines, in Node. Usage: node multiply.js [PORT [A B]]
const net = require('net');
const readline = require('readline');

const [port = '65432', a = '5', b = '10'] = process.argv.slice(2);
const socket = net.connect(Number(port), 'localhost', () => {
  socket.write(`${a} ${b}\n`); // on the wire: "5 10\n"
});
// A 'data' event is whatever has arrived: half a reply, or two. readline splits it into lines.
const replies = [];
readline.createInterface({ input: socket }).on('line', line => {
  replies.push(line);
  if (replies.length < 2) return console.error(line); // Data received
  const wrong = line.startsWith('Error: ');
  (wrong ? console.error : console.log)(line); // 50.0
  process.exitCode = wrong ? 1 : 0;
  socket.end();
});
socket.on('error', error => {
  console.error(`localhost:${port}: ${error.message || error.code}`);
  process.exit(1);
});

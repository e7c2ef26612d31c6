// Chats, in Node. Usage: node chat.js [PORT [NAME]]
const net = require('net');
const readline = require('readline');

const [port = '33000', name = 'alice'] = process.argv.slice(2);
const socket = net.connect(Number(port), 'localhost', () => {
  socket.write(name + '\n'); // the first line is the name
  const keyboard = readline.createInterface({ input: process.stdin });
  keyboard.on('line', line => socket.write(line + '\n')); // one line is one message
  keyboard.on('close', () => socket.write('{quit}\n')); // the daemon says {quit} and closes
});
// Nothing blocks: Node calls back for input from the keyboard and from the room.
readline.createInterface({ input: socket }).on('line', line => console.log(line));
socket.on('end', () => process.exit(0));
socket.on('error', error => {
  console.error(`localhost:${port}: ${error.message || error.code}`);
  process.exit(1);
});

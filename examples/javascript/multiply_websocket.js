// Multiplies through a WebSocket, in Node 22, or 20 with --experimental-websocket. In a browser the same works without the line
// that reads arguments. Usage: node multiply_websocket.js [PORT [A B]]
const [port = '33080', a = '5', b = '10'] = process.argv.slice(2);
const socket = new WebSocket(`ws://localhost:${port}/multiply`);
socket.onopen = () => socket.send(`${a} ${b}`); // one message, without a line end
// Each event is one whole message: nothing has to be split.
socket.onmessage = event => {
  if (event.data === 'Data received') return console.error(event.data);
  const wrong = event.data.startsWith('Error: ');
  (wrong ? console.error : console.log)(event.data); // 50.0
  process.exitCode = wrong ? 1 : 0;
  socket.close();
};
socket.onerror = () => {
  console.error(`localhost:${port}: nobody answers, or no WebSocket`);
  process.exitCode = 1;
};

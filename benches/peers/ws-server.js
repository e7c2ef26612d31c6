// The server in Node.js with the package ws. IPCD_WS names the package.
//
//     node ws-server.js multiply|chat PORT
const { WebSocketServer } = require(process.env.IPCD_WS || "ws");

const [service, port] = process.argv.slice(2);
const server = new WebSocketServer({ host: "127.0.0.1", port: Number(port), backlog: 4096, perMessageDeflate: false });
const members = new Map();

function everybody(text) {
  for (const member of members.keys()) member.send(text);
}

function multiply(socket) {
  socket.on("message", (data) => {
    const [a, b] = data.toString().split(" ").map(Number);
    socket.send("Data received");
    socket.send((a * b).toFixed(1));
  });
}

function chat(socket) {
  socket.send("Greetings from the cave! Now type your name and press enter!");
  socket.on("message", (data) => {
    const name = members.get(socket);
    if (name !== undefined) return everybody(`${name}: ${data}`);
    socket.send(`Welcome ${data}! If you ever want to quit, type {quit} to exit.`);
    everybody(`${data} has joined the chat!`);
    members.set(socket, data.toString());
  });
  socket.on("close", () => {
    const name = members.get(socket);
    if (members.delete(socket)) everybody(`${name} has left the chat.`);
  });
}

server.on("connection", (socket) => {
  socket.on("error", () => {});
  (service === "chat" ? chat : multiply)(socket);
});

#!/usr/bin/env bash
# Ten WebSocket clients and one server with a `Connection` field that is a list, as RFC 9110, 7.6.1 allows:
# - Clients that reject a server's answer with `Connection: keep-alive, Upgrade`: aiohttp 3.14.5, tornado 6.6.1 (an
#   AssertionError in its log), picows 2.3.1, websocket 1.0.35 and faye-websocket 0.11.4, which compare the whole value with
#   "upgrade". RFC 6455, 4.1: the field has to contain that token. Clients that accept it: websocket-client 1.9.2, websockets 17.4,
#   lomond 0.3.4, nodejs-websocket 1.7.2 and ws 8.23.0.
# - picows 2.3.1 as a server answers 400 to `Connection: keep-alive, Upgrade`, which Firefox sends (RFC 6455, 4.2.1).
# - An interim 103 before the 101 (RFC 9110, 15.2: a client must be able to read past it; RFC 6455, 4.1: other statuses than 101
#   are handled as in HTTP) makes websocket-client, websockets, lomond, picows and nodejs-websocket fail.
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install -q --disable-pip-version-check aiohttp==3.14.5 tornado==6.6.1 picows==2.3.1 lomond==0.3.4 \
    websocket-client==1.9.2 websockets==17.4
npm init -y > /dev/null
npm install --silent --no-audit --no-fund websocket@1.0.35 faye-websocket@0.11.4 nodejs-websocket@1.7.2 ws@8.23.0
cat > clients.js <<'JS'
const url = process.argv[3];
const clients = {
  'websocket': told => {
    const client = new (require('websocket').client)();
    client.on('connect', c => c.on('message', m => told(m.utf8Data)));
    client.on('connectFailed', () => told('refused'));
    client.connect(url);
  },
  'faye-websocket': told => {
    const c = new (require('faye-websocket').Client)(url);
    c.on('message', e => told(e.data)); c.on('error', () => told('refused'));
  },
  'nodejs-websocket': told => {
    const c = require('nodejs-websocket').connect(url);
    c.on('text', told); c.on('error', () => told('refused'));
  },
  'ws': told => {
    const c = new (require('ws'))(url);
    c.on('message', m => told(String(m))); c.on('error', () => told('refused'));
  },
};
clients[process.argv[2]](what => { console.log(what); process.exit(); });
JS
cat > run.py <<'PY'
import asyncio, base64, hashlib, logging, re, subprocess

HEAD = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: {}\r\nSec-WebSocket-Accept: {}\r\n\r\n"

async def serve(reader, writer):
    request = (await reader.readuntil(b"\r\n\r\n")).decode()
    key = re.search(r"(?i)^sec-websocket-key: *(\S+)", request, re.M)[1]
    accept = hashlib.sha1(key.encode() + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest()
    path = request.split()[1]
    if path == "/interim":
        writer.write(b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>\r\n\r\n")
    connection = "keep-alive, Upgrade" if path == "/list" else "Upgrade"
    writer.write(HEAD.format(connection, base64.b64encode(accept).decode()).encode())
    await asyncio.sleep(0.1)
    writer.write(b"\x81\x05hello")
    try:
        await reader.read()
    except ConnectionError:
        pass

async def with_aiohttp(url):
    import aiohttp
    async with aiohttp.ClientSession() as session, session.ws_connect(url) as socket:
        return await socket.receive_str()

async def with_tornado(url):
    from tornado.websocket import websocket_connect
    return await (await websocket_connect(url)).read_message()

async def with_picows(url):
    import picows
    heard = asyncio.get_running_loop().create_future()
    class Listener(picows.WSListener):
        def on_ws_frame(self, transport, frame):
            heard.set_result(frame.get_payload_as_utf8_text())
    await picows.ws_connect(Listener, url)
    return await heard

async def with_websockets(url):
    from websockets.asyncio.client import connect
    async with connect(url, close_timeout=0.1, proxy=None) as socket:
        return await socket.recv()

async def with_websocket_client(url):
    import websocket
    return await asyncio.to_thread(lambda: websocket.create_connection(url, timeout=10).recv())

async def with_lomond(url):
    from lomond import WebSocket
    def first():
        for event in WebSocket(url).connect(ping_rate=0):
            if event.name == "text":
                return event.text
            if event.name in ("rejected", "protocol_error", "connect_fail"):
                raise ValueError(event.name)
    return await asyncio.to_thread(first)

def with_node(name):
    async def ask(url):
        node = await asyncio.create_subprocess_exec("node", "clients.js", name, url, stdout=subprocess.PIPE)
        return (await node.communicate())[0].decode().strip()
    return ask

CLIENTS = {"aiohttp": with_aiohttp, "tornado": with_tornado, "picows": with_picows,
           "websocket-client": with_websocket_client, "websockets": with_websockets, "lomond": with_lomond}
CLIENTS |= {name: with_node(name) for name in ("websocket", "faye-websocket", "nodejs-websocket", "ws")}
REFUSED = {"/plain": set(), "/list": {"aiohttp", "tornado", "picows", "websocket", "faye-websocket"},
           "/interim": {"websocket-client", "websockets", "lomond", "picows", "nodejs-websocket"}}

async def picows_server(connection):
    import picows
    server = await picows.ws_create_server(lambda request: picows.WSListener(), "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    writer.write(f"GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: {connection}\r\n"
                 "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n".encode())
    status = (await reader.readline()).split()[1].decode()
    writer.close()
    server.close()
    return status

async def main():
    logging.disable(logging.CRITICAL)
    port = (await asyncio.start_server(serve, "127.0.0.1", 0)).sockets[0].getsockname()[1]
    changed = False
    for path, expected in REFUSED.items():
        refused = set()
        for name, client in CLIENTS.items():
            try:
                heard = await asyncio.wait_for(client(f"ws://127.0.0.1:{port}{path}"), 20)
            except TimeoutError:
                raise
            except Exception:
                heard = "refused"
            if heard != "hello":
                assert heard == "refused", (name, path, heard)
                refused.add(name)
        print(f"{path}: refused by {', '.join(sorted(refused)) or 'nobody'}")
        changed |= refused != expected
    statuses = [await picows_server(connection) for connection in ("Upgrade", "keep-alive, Upgrade")]
    print("picows as a server, Upgrade, and keep-alive, Upgrade:", *statuses)
    assert not changed and statuses == ["101", "400"], "this has changed"
asyncio.run(main())
PY
timeout 180 venv/bin/python -W ignore run.py

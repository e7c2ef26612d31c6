#!/usr/bin/env bash
# Nine WebSocket clients with permessage-deflate and compressed messages that RFC 7692 allows:
# - A Ping between the fragments of a compressed message (allowed by RFC 6455, 5.4): tornado 6.6.1 and
#   wsproto 1.3.2 apply the Ping's RSV1 to the rest of the message, and read it as if it were not compressed; the connection
#   fails. The server is websockets 17.4, whose send() of an iterator makes fragments; its own keep-alives have the same effect.
# - A message that ends with BFINAL set (7.2.3.4): it is read correctly, but tornado and undici 7.30.2 read every later compressed
#   message as an empty one, without an error.
# - A message of two blocks, the first with BFINAL set (7.2.1 allows both values of BFINAL; the next block
#   follows the padding): all but aiohttp 3.14.5 return the text of the first block as the whole message, without
#   an error.
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install -q --disable-pip-version-check aiohttp==3.14.5 tornado==6.6.1 websockets==17.4 wsproto==1.3.2 \
    lomond==0.3.4 autobahn==26.10.2
npm init -y > /dev/null
npm install --silent --no-audit --no-fund ws@8.23.0 faye-websocket@0.11.4 permessage-deflate@0.1.7 undici@7.30.2
cat > clients.js <<'JS'
const [,, name, url] = process.argv;
const told = text => { console.log(JSON.stringify(text)); if (text === 'end' || text === null) process.exit(); };
if (name === 'ws') {
  const c = new (require('ws'))(url);
  c.on('message', m => told(String(m))); c.on('error', () => told(null));
} else {
  const { Client } = require('faye-websocket');
  const c = name === 'undici' ? new (require('undici').WebSocket)(url)
    : new Client(url, [], { extensions: [require('permessage-deflate')] });
  c.onmessage = e => told(e.data); c.onerror = () => told(null);
}
JS
cat > run.py <<'PY'
import asyncio, base64, hashlib, json, logging, re, subprocess, zlib
from urllib.parse import urlsplit

HEAD = ("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {}\r\n"
        "Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover\r\n\r\n")

def blocks(text, flush):
    compressor = zlib.compressobj(wbits=-15)
    return compressor.compress(text) + compressor.flush(flush)

def message(payload):
    """A text message in one frame, with RSV1."""
    return bytes([0xc1, len(payload)]) + payload

def usual(text):
    """7.2.1: the last four octets, 00 00 ff ff, are taken away."""
    return message(blocks(text, zlib.Z_SYNC_FLUSH)[:-4])

RFC = message(bytes.fromhex("f348cdc9c9070000"))  # the example in 7.2.3.4, "Hello"
TWO = message(blocks(b"first half, ", zlib.Z_FINISH) + blocks(b"second half", zlib.Z_SYNC_FLUSH)[:-4])
SENT = {"usual": usual(b"one") + usual(b"two"), "BFINAL at the end": RFC + usual(b"two"), "BFINAL inside": TWO}

async def serve_bytes(reader, writer):
    request = (await reader.readuntil(b"\r\n\r\n")).decode()
    assert "permessage-deflate" in request
    key = re.search(r"(?i)^sec-websocket-key: *(\S+)", request, re.M)[1]
    accept = hashlib.sha1(key.encode() + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest()
    what = list(SENT)[int(request.split()[1][1:])]
    writer.write(HEAD.format(base64.b64encode(accept).decode()).encode())
    await asyncio.sleep(0.1)
    writer.write(SENT[what] + b"\x81\x03end")
    try:
        await reader.read()
    except ConnectionError:
        pass

async def serve_fragments(socket):
    async def parts():
        yield "first half, "
        if socket.request.path == "/ping":
            await socket.ping()
        yield "second half"
    try:
        await socket.send(parts())
        await socket.send("end")
        await socket.wait_closed()
    except Exception:
        pass

async def with_aiohttp(url, told):
    import aiohttp
    async with aiohttp.ClientSession() as session, session.ws_connect(url, compress=15) as socket:
        while told[-1:] != ["end"]:
            told.append(await socket.receive_str())
        socket._response.close()

async def with_tornado(url, told):
    from tornado.websocket import websocket_connect
    socket = await websocket_connect(url, compression_options={})
    while told[-1:] not in (["end"], [None]):
        told.append(await socket.read_message())

async def with_websockets(url, told):
    from websockets.asyncio.client import connect
    async with connect(url, close_timeout=0.1, proxy=None) as socket:
        while told[-1:] != ["end"]:
            told.append(await socket.recv())

async def with_wsproto(url, told):
    from wsproto import ConnectionType, WSConnection
    from wsproto.events import CloseConnection, Ping, Request, TextMessage
    from wsproto.extensions import PerMessageDeflate
    server = urlsplit(url)
    connection = WSConnection(ConnectionType.CLIENT)
    reader, writer = await asyncio.open_connection(server.hostname, server.port)
    writer.write(connection.send(Request(host=server.netloc, target=server.path, extensions=[PerMessageDeflate()])))
    text = ""
    while told[-1:] not in (["end"], [None]):
        connection.receive_data(await reader.read(1000))
        for event in connection.events():
            if isinstance(event, TextMessage):
                text += event.data
                if event.message_finished:
                    told.append(text)
                    text = ""
            elif isinstance(event, Ping):
                writer.write(connection.send(event.response()))
            elif isinstance(event, CloseConnection):
                told.append(None)
    writer.close()

async def with_lomond(url, told):
    from lomond import WebSocket
    def read():
        for event in WebSocket(url, compress=True).connect(ping_rate=0):
            if event.name == "text":
                told.append(event.text)
                if event.text == "end":
                    return
    await asyncio.to_thread(read)

async def with_autobahn(url, told):
    from autobahn.asyncio.websocket import WebSocketClientFactory, WebSocketClientProtocol
    from autobahn.websocket import compress
    done = asyncio.Event()
    class Client(WebSocketClientProtocol):
        def onMessage(self, payload, binary):
            told.append(payload.decode())
            if payload == b"end":
                done.set()
        def onClose(self, *_):
            done.set()
    factory = WebSocketClientFactory(url)
    factory.protocol = Client
    factory.setProtocolOptions(perMessageCompressionOffers=[compress.PerMessageDeflateOffer()],
                               perMessageCompressionAccept=compress.PerMessageDeflateResponseAccept)
    transport, _ = await asyncio.get_running_loop().create_connection(factory, urlsplit(url).hostname, urlsplit(url).port)
    await done.wait()
    transport.abort()

def with_node(name):
    async def read(url, told):
        node = await asyncio.create_subprocess_exec("node", "clients.js", name, url, stdout=subprocess.PIPE)
        told.extend(json.loads(line) for line in (await node.communicate())[0].splitlines())
    return read

CLIENTS = {"aiohttp": with_aiohttp, "tornado": with_tornado, "websockets": with_websockets, "wsproto": with_wsproto,
           "lomond": with_lomond, "autobahn": with_autobahn}
CLIENTS |= {name: with_node(name) for name in ("ws", "faye-websocket", "undici")}
WHOLE, HALF = ["first half, second half", "end"], ["first half, ", "end"]
EXPECTED = {"usual": (["one", "two", "end"], {}),
            "BFINAL at the end": (["Hello", "two", "end"], dict.fromkeys(("tornado", "undici"), ["Hello", "", "end"])),
            "BFINAL inside": (HALF, {"aiohttp": WHOLE}),
            "two fragments": (WHOLE, {}),
            "a Ping between": (WHOLE, dict.fromkeys(("tornado", "wsproto"), [None]))}

async def main():
    logging.disable(logging.CRITICAL)
    from websockets.asyncio.server import serve
    first = await asyncio.start_server(serve_bytes, "127.0.0.1", 0)
    second = await serve(serve_fragments, "127.0.0.1", 0)
    urls = ["ws://127.0.0.1:{}/{}".format(first.sockets[0].getsockname()[1], n) for n in range(3)]
    urls += ["ws://127.0.0.1:{}/{}".format(second.sockets[0].getsockname()[1], path) for path in ("plain", "ping")]
    changed = False
    for url, (what, (most, others)) in zip(urls, EXPECTED.items(), strict=True):
        for name, client in CLIENTS.items():
            told = []
            await asyncio.wait_for(client(url, told), 20)
            print(f"{what}: {name}: {told}")
            changed |= told != others.get(name, most)
    assert not changed, "this has changed"
asyncio.run(main())
PY
timeout 240 venv/bin/python -W ignore run.py

#!/usr/bin/env bash
# Three Python WebSocket servers with opening handshakes in forms that the standards allow and browsers do not use:
# - aiohttp 3.14.5: it reads only the first line of Sec-WebSocket-Protocol and of Sec-WebSocket-Extensions. RFC 6455 lets a
#   client split both over several lines (11.3.4, 11.3.2, 9.1), as RFC 9110, 5.3 does for every list: no subprotocol is
#   agreed, although the server has one of the second line, and no compression.
# - tornado 6.6.1 with compression: server_max_window_bits=8 gets 500 (zlib has no raw window of 8 bits), even if the
#   client offers in the same line to work without it. RFC 7692, 7.1.2.1: 8 to 15 are valid; a server that cannot do it declines.
# - wsproto 1.3.2: ValueError at a quoted value, server_max_window_bits="10"; RFC 6455, 9.1 allows both token and quoted-string
#   (aiohttp continues without compression).
# Each form works with at least one of the other two servers.
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install -q --disable-pip-version-check aiohttp==3.14.5 tornado==6.6.1 wsproto==1.3.2
cat > run.py <<'PY'
import asyncio, logging
import tornado.httpserver, tornado.netutil, tornado.web, tornado.websocket
from aiohttp import web
from wsproto import ConnectionType, WSConnection
from wsproto.events import AcceptConnection, Request
from wsproto.extensions import PerMessageDeflate

DEFLATE = "Sec-WebSocket-Extensions: permessage-deflate"
OFFERS = {
    "subprotocols on one line": ["Sec-WebSocket-Protocol: other, line"],
    "subprotocols on two lines": ["Sec-WebSocket-Protocol: other", "Sec-WebSocket-Protocol: line"],
    "extensions on two lines": ["Sec-WebSocket-Extensions: x-other", DEFLATE],
    "window of 9": [DEFLATE + "; server_max_window_bits=9"],
    "window of 8, or any": [DEFLATE + "; server_max_window_bits=8, permessage-deflate"],
    "window of 10, quoted": [DEFLATE + '; server_max_window_bits="10"'],
}
WRONG = {
    "aiohttp": {"subprotocols on two lines": "101", "extensions on two lines": "101",
                "window of 10, quoted": "101"},
    "tornado": {"window of 8, or any": "500"},
    "wsproto": {"window of 10, quoted": "ValueError"},
}
RIGHT = ["101 line", "101 line", "101 permessage-deflate", "101 permessage-deflate; server_max_window_bits=9",
         "101 permessage-deflate", "101 permessage-deflate; server_max_window_bits=10"]

async def offer(port, lines):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    head = ["GET / HTTP/1.1", f"Host: 127.0.0.1:{port}", "Upgrade: websocket", "Connection: Upgrade",
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Version: 13", *lines]
    writer.write("\r\n".join([*head, "", ""]).encode())
    answer = (await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10)).decode().split("\r\n")
    writer.close()
    agreed = [line.split(": ", 1)[1] for line in answer
              if line.lower().startswith(("sec-websocket-protocol", "sec-websocket-extensions"))]
    return " ".join([answer[0].split()[1], *agreed])

async def aiohttp_server():
    async def handle(request):
        socket = web.WebSocketResponse(protocols=["line"])
        await socket.prepare(request)
        await socket.receive()
        return socket
    application = web.Application()
    application.router.add_get("/", handle)
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    return runner.addresses[0][1]

async def tornado_server():
    class Handler(tornado.websocket.WebSocketHandler):
        def select_subprotocol(self, subprotocols):
            return "line" if "line" in subprotocols else None
        def get_compression_options(self):
            return {}
        def on_message(self, message):
            pass
    sockets = tornado.netutil.bind_sockets(0, "127.0.0.1")
    tornado.httpserver.HTTPServer(tornado.web.Application([("/", Handler)])).add_sockets(sockets)
    return sockets[0].getsockname()[1]

async def wsproto_server():
    async def handle(reader, writer):
        connection = WSConnection(ConnectionType.SERVER)
        connection.receive_data(await reader.readuntil(b"\r\n\r\n"))
        for event in connection.events():
            if isinstance(event, Request):
                subprotocol = "line" if "line" in event.subprotocols else None
                accept = AcceptConnection(subprotocol=subprotocol, extensions=[PerMessageDeflate()])
                try:
                    writer.write(connection.send(accept))
                except ValueError:
                    writer.write(b"HTTP/1.1 ValueError\r\n\r\n")
    return (await asyncio.start_server(handle, "127.0.0.1", 0)).sockets[0].getsockname()[1]

async def main():
    logging.disable(logging.CRITICAL)
    changed = False
    for name, server in {"aiohttp": aiohttp_server, "tornado": tornado_server, "wsproto": wsproto_server}.items():
        port = await server()
        for (what, lines), right in zip(OFFERS.items(), RIGHT, strict=True):
            seen = await offer(port, lines)
            print(f"{name}, {what}: {seen}")
            changed |= seen != WRONG[name].get(what, right)
    assert not changed, "this has changed"
asyncio.run(main())
PY
timeout 120 venv/bin/python run.py

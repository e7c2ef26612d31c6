#!/usr/bin/env bash
# simple-websocket 1.1.0 (PyPI): a frame that arrives in the same read as the handshake's response is held until another
# frame arrives. So a server's greeting is not delivered until it sends more, and a close that is sent this way is never answered.
# RFC 6455, 4.1: after the handshake the client is OPEN, and everything after the response is a frame.
# Seen: "hello" sent with the 101 is still undelivered after 2 s, although the bytes have arrived; when a second frame follows,
# both are delivered at once. Sent 0.3 s after the 101 it is delivered immediately.
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check simple-websocket==1.1.0 wsproto==1.3.2 h11==0.16.0
cat > "$folder/run.py" <<'PY'
import base64, hashlib, socket, threading, time
from importlib.metadata import version
import simple_websocket

def server(pause, again):
    listener = socket.create_server(("127.0.0.1", 0))
    def serve():
        connection, _ = listener.accept()
        head = b""
        while b"\r\n\r\n" not in head:
            head += connection.recv(4096)
        key = next(line.split(b":", 1)[1].strip() for line in head.split(b"\r\n")
                   if line.lower().startswith(b"sec-websocket-key"))
        digest = hashlib.sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest()
        response = (b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                    b"Sec-WebSocket-Accept: " + base64.b64encode(digest) + b"\r\n\r\n")
        hello = b"\x81\x05hello"
        if pause:
            connection.sendall(response)
            time.sleep(pause)
            connection.sendall(hello)
        else:
            connection.sendall(response + hello)
        again.wait(10)
        connection.sendall(b"\x81\x05again")
        time.sleep(1)
    threading.Thread(target=serve, daemon=True).start()
    return listener.getsockname()[1]

seen = []
for pause in (0, 0.3):
    again = threading.Event()
    client = simple_websocket.Client(f"ws://127.0.0.1:{server(pause, again)}/")
    first = client.receive(timeout=2)
    again.set()
    rest = [client.receive(timeout=2)]
    if first is None:
        rest.append(client.receive(timeout=2))
    seen.append((first, rest))
print("simple-websocket", version("simple-websocket"), "with the 101:", seen[0], "later:", seen[1])
assert seen[0] == (None, ["hello", "again"]), "a frame that comes with the 101 is heard now"
assert seen[1] == ("hello", ["again"])
PY
"$folder/venv/bin/python" "$folder/run.py"

#!/usr/bin/env bash
# proxy-protocol 0.11.3 (PyPI) rejects HAProxy's PROXY header if it has a checksum and any field of a lower type:
# it computes the CRC32c over the fields sorted by their type, not over the received bytes. HAProxy 2.6 (Debian 12) writes
# the checksum (type 3) before the ALPN (1) and the authority (2), so every connection is closed unread, although
# HAProxy's configuration is right. (The checksum is checked only if the package crc32c is installed.)
# The PROXY protocol (2.2, 2.2.3) does not order the fields, and computes the checksum over the whole header as received.
# Seen: rejected with crc32c and a name (SNI) or ALPN, accepted with only one of them.
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
cd "$folder"
apt-get -q -o APT::Sandbox::User=root download haproxy=2.6.12-1+deb12u4 liblua5.3-0=5.3.6-2 > apt.log 2>&1 \
    || { cat apt.log; exit 1; }
for package in *.deb; do dpkg -x "$package" root; done
export LD_LIBRARY_PATH=$folder/root/usr/lib/x86_64-linux-gnu
python3 -m venv venv
venv/bin/pip install -q --disable-pip-version-check proxy-protocol==0.11.3 crc32c==2.9.post0 typing-extensions==4.16.0
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout key.pem -out cert.pem -subj /CN=localhost \
    -days 30 2> /dev/null
cat key.pem cert.pem > both.pem
cat > run.py <<'PY'
import asyncio, socket, ssl, subprocess
from proxyprotocol.reader import ProxyProtocolReader
from proxyprotocol.version import ProxyProtocolVersion

CONFIGURATION = """
defaults
  mode tcp
  timeout connect 5s
  timeout client 5s
  timeout server 5s
frontend front
  bind 127.0.0.1:{front} ssl crt both.pem {bind}
  default_backend back
backend back
  server behind 127.0.0.1:{behind} send-proxy-v2 {options}
"""

async def run(options, alpn):
    heard = asyncio.get_running_loop().create_future()
    async def connected(reader, writer, info):
        if not heard.done():
            heard.set_result(info.peername)
        writer.close()
    reader = ProxyProtocolReader(ProxyProtocolVersion.get("v2"))
    server = await asyncio.start_server(reader.get_callback(connected), "127.0.0.1", 0)
    with socket.create_server(("127.0.0.1", 0)) as free:
        front = free.getsockname()[1]
    bind = "alpn line" if alpn else ""
    with open("haproxy.cfg", "w") as file:
        file.write(CONFIGURATION.format(front=front, bind=bind, behind=server.sockets[0].getsockname()[1], options=options))
    haproxy = subprocess.Popen(["root/usr/sbin/haproxy", "-db", "-f", "haproxy.cfg"], stderr=subprocess.DEVNULL)
    try:
        context = ssl.create_default_context(cafile="cert.pem")
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        if alpn:
            context.set_alpn_protocols(["line"])
        for _ in range(200):
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", front, ssl=context, server_hostname="room.example")
                break
            except ConnectionRefusedError:
                await asyncio.sleep(0.05)
        writer.write(b"hello\n")
        own = writer.get_extra_info("sockname")
        peer = await asyncio.wait_for(heard, 10)
        writer.close()
    finally:
        haproxy.terminate()
        haproxy.wait()
        server.close()
    return "taken" if peer == own else "refused" if peer is None else peer

seen = {}
for options, alpn in (("", False), ("proxy-v2-options crc32c", False), ("proxy-v2-options authority", False),
                      ("proxy-v2-options crc32c,authority", False), ("", True), ("proxy-v2-options crc32c", True)):
    seen[f"send-proxy-v2 {options}{' with ALPN' if alpn else ''}"] = asyncio.run(run(options, alpn))
for what, end in seen.items():
    print(f"{what}: {end}")
assert list(seen.values()) == ["taken", "taken", "taken", "refused", "taken", "refused"], "this has changed"
PY
root/usr/sbin/haproxy -v | sed -n 1p
timeout 120 venv/bin/python -W ignore run.py

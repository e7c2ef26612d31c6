#!/usr/bin/env bash
# telnetlib3 5.0.1 (PyPI): open_connection() with its default encoding, utf8, writes '?' for every character that is
# not ASCII as long as the server has not agreed to the BINARY option (RFC 856). A server that speaks plain lines never
# does, so text is lost without an error; with force_binary=True it is sent as UTF-8.
# Seen: "né" arrives as b"n?"; with force_binary as b"n\xc3\xa9".
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check telnetlib3==5.0.1
cat > "$folder/run.py" <<'PY'
import asyncio
from importlib.metadata import version
import telnetlib3

async def send(**options):
    line = asyncio.get_running_loop().create_future()
    async def serve(reader, writer):
        line.set_result(await reader.readline())
        writer.close()
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    _, writer = await telnetlib3.open_connection("127.0.0.1", port, encoding="utf8", **options)
    writer.write("n\u00e9\r\n")
    got = await asyncio.wait_for(line, 10)
    writer.close()
    server.close()
    return got

async def main():
    seen = [await send(), await send(force_binary=True)]
    print("telnetlib3", version("telnetlib3"), seen)
    assert seen == [b"n?\r\n", b"n\xc3\xa9\r\n"]
asyncio.run(main())
PY
timeout 60 "$folder/venv/bin/python" "$folder/run.py"

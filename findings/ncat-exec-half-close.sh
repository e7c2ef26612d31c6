#!/usr/bin/env bash
# ncat 7.93 (Debian 12), listening with --exec or --sh-exec: it loses the reply of a program that answers at the end of its input
# if the client ends its side of the connection (shutdown(SHUT_WR)), as `nc -N` and `printf | socat` do.
# As a client, ncat keeps reading after its own half-close; as a server, it drops the connection when it reads the end
# of file. Seen: 0 bytes through ncat; the whole reply through socat EXEC with the same program and client.
set -euo pipefail
folder=$(mktemp -d)
trap 'kill $servers 2>/dev/null || true; rm -rf "$folder"' EXIT
servers=
cd "$folder"
apt-get -q -o APT::Sandbox::User=root download ncat=7.93+dfsg1-1 liblua5.3-0=5.3.6-2 socat=1.7.4.4-2 > apt.log 2>&1 \
    || { cat apt.log; exit 1; }
for package in *.deb; do dpkg -x "$package" root; done
export LD_LIBRARY_PATH=$folder/root/usr/lib/$(gcc -print-multiarch 2>/dev/null || echo x86_64-linux-gnu)
export PATH=$folder/root/usr/bin:$PATH
printf '#!/bin/sh\nn=$(wc -c)\nsleep 0.2\necho "got $n"\n' > answer
chmod +x answer
ncat -l -k 127.0.0.1 27101 --exec "$folder/answer" & servers="$servers $!"
ncat -l -k 127.0.0.1 27102 --sh-exec "$folder/answer" & servers="$servers $!"
socat TCP-LISTEN:27103,bind=127.0.0.1,fork,reuseaddr EXEC:"$folder/answer" & servers="$servers $!"
cat > ask.py <<'PY'
import socket, sys, time
def ask(port):
    deadline = time.monotonic() + 10
    while True:
        try:
            s = socket.create_connection(("127.0.0.1", port), timeout=5)
            break
        except ConnectionRefusedError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
    s.sendall(b"hello")
    s.shutdown(socket.SHUT_WR)
    reply = b""
    while piece := s.recv(100):
        reply += piece
    return reply
seen = [ask(port) for port in (27101, 27102, 27103)]
print("ncat --exec:", seen[0], " ncat --sh-exec:", seen[1], " socat EXEC:", seen[2])
assert seen == [b"", b"", b"got 5\n"], "a half-closing client hears the program now"
PY
ncat --version 2>&1 | head -1
python3 ask.py

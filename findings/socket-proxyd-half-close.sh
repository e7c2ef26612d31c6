#!/usr/bin/env bash
# systemd-socket-proxyd 252.39 (Debian 12) loses the reply to a client that has ended its side of the connection
# (shutdown(SHUT_WR), as `nc -N` and `printf | socat` do). At the client's end of file the proxy closes both
# connections as soon as it has passed the request on, while the server is still answering.
# systemd-socket-proxyd(8) promises to forward in both directions, compares itself with socat, and lists what it does not
# forward; the half-close is not in the list. By RFC 9293, 3.6, a side that has closed may continue to receive until the other has.
# Seen, with a server that answers 0.2 s after the end of its input: 0 bytes through the proxy, the whole reply through
# socat; and through the proxy too if the server answers at the end of a line and the client does not close.
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
cd "$folder"
apt-get -q -o APT::Sandbox::User=root download systemd=252.39-1~deb12u2 libsystemd-shared=252.39-1~deb12u2 \
    socat=1.7.4.4-2 > apt.log 2>&1 || { cat apt.log; exit 1; }
for package in *.deb; do dpkg -x "$package" root; done
export LD_LIBRARY_PATH=$folder/root/usr/lib/x86_64-linux-gnu/systemd
cat > ask.py <<'PY'
import os, socket, subprocess, sys, threading, time
root = sys.argv[1]

def serve(listener):
    def answer(connection):
        heard = b""
        while b"\n" not in heard and (piece := connection.recv(100)):
            heard += piece
        time.sleep(0.2)
        try:
            connection.sendall(b"got %d\n" % len(heard))
        except OSError:
            pass  # nobody is there any more
        connection.close()
    while True:
        threading.Thread(target=answer, args=(listener.accept()[0],), daemon=True).start()

def ask(port, request, half_close):
    deadline = time.monotonic() + 10
    while True:
        try:
            connection = socket.create_connection(("127.0.0.1", port), timeout=5)
            break
        except ConnectionRefusedError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
    connection.sendall(request)
    if half_close:
        connection.shutdown(socket.SHUT_WR)
    reply = b""
    while piece := connection.recv(100):
        reply += piece
    return reply

server = socket.create_server(("127.0.0.1", 0))
threading.Thread(target=serve, args=(server,), daemon=True).start()
target = f"127.0.0.1:{server.getsockname()[1]}"
handed = socket.create_server(("127.0.0.1", 0))  # what a socket unit would hand over, as descriptor 3
start = f'exec 3<&{handed.fileno()}; LISTEN_PID=$$ LISTEN_FDS=1 exec "$@"'
proxy = subprocess.Popen(["sh", "-c", start, "sh", f"{root}/lib/systemd/systemd-socket-proxyd", target],
                         pass_fds=[handed.fileno()])
free = socket.create_server(("127.0.0.1", 0))
socat_port = free.getsockname()[1]
free.close()
socat = subprocess.Popen([f"{root}/usr/bin/socat", "-t", "5",
                          f"TCP-LISTEN:{socat_port},bind=127.0.0.1,fork,reuseaddr", f"TCP:{target}"])
try:
    port = handed.getsockname()[1]
    seen = {
        "directly, half-closed": ask(server.getsockname()[1], b"hello", True),
        "socat, half-closed": ask(socat_port, b"hello", True),
        "systemd-socket-proxyd, half-closed": ask(port, b"hello", True),
        "systemd-socket-proxyd, open": ask(port, b"hello\n", False),
    }
finally:
    proxy.terminate()
    socat.terminate()
for how, reply in seen.items():
    print(f"{how}: {reply}")
assert list(seen.values()) == [b"got 5\n", b"got 5\n", b"", b"got 6\n"], "this has changed"
PY
root/lib/systemd/systemd-socket-proxyd --version | sed -n 1p
timeout 60 python3 ask.py "$folder/root"

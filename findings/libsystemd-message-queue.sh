#!/usr/bin/env bash
# libsystemd 0.7.2 (crates.io), receive_descriptors(): a POSIX message queue from systemd (ListenMessageQueue=) is reported as a special
# file, so is_mq() is false for every queue: the crate asks first whether the descriptor is a regular file, which a queue is for fstat(2).
# A character device (ListenSpecial=), for which sd_is_special(3) is true, is reported as unknown. A FIFO and sockets are right.
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
cd "$folder"
mkdir -p probe/src
cat > probe/Cargo.toml <<'TOML'
[package]
name = "probe"
version = "0.1.0"
edition = "2021"
[dependencies]
libsystemd = "=0.7.2"
TOML
cat > probe/src/main.rs <<'RS'
use libsystemd::activation::{receive_descriptors, IsType};

fn main() {
    for given in receive_descriptors(true).unwrap() {
        println!("{given:?} is_mq={} is_special={} is_fifo={} is_unix={}", given.is_mq(), given.is_special(), given.is_fifo(), given.is_unix());
    }
}
RS
cat > give.py <<'PY'
import ctypes, os, socket

libc = ctypes.CDLL(None, use_errno=True)
name = b"/probe-%d" % os.getpid()
queue = libc.mq_open(name, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600, None)
assert queue >= 0, os.strerror(ctypes.get_errno())
libc.mq_unlink(name)
os.mkfifo("fifo")
unix = socket.socket(socket.AF_UNIX)
unix.bind("socket")
unix.listen()
given = [queue, os.open("/dev/null", os.O_RDWR), os.open("fifo", os.O_RDWR), unix.fileno()]

def as_systemd_does():
    high = [os.dup2(fd, 100 + nth) for nth, fd in enumerate(given)]
    for nth, fd in enumerate(high):
        os.dup2(fd, 3 + nth)
    os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS=str(len(given)))
    os.execv("target/debug/probe", ["probe"])

read, write = os.pipe()
if os.fork() == 0:
    os.dup2(write, 1)
    as_systemd_does()
os.close(write)
os.wait()
seen = os.read(read, 10000).decode().splitlines()
print("\n".join(f"{what}: {line}" for what, line in zip(["message queue", "/dev/null", "FIFO", "Unix socket"], seen)))
kinds = [line.split("(")[1] for line in seen]
assert kinds == ["Special", "Unknown", "Fifo", "Unix"], "this has changed"
assert "is_mq=false is_special=true" in seen[0] and "is_special=false" in seen[1], "this has changed"
PY
timeout 600 cargo build -q --manifest-path probe/Cargo.toml --target-dir target
python3 give.py

#!/usr/bin/env bash
# tokio 1.48.0 (mio 1.2.4), Linux 6.18: a server on a Unix stream socket is woken twice for each request, on TCP once. A connection is
# registered once, edge-triggered, for reading and writing. When the client reads the reply, a Unix socket reports that there is room
# for more, although the server never lacked room; TCP only reports it after a write that found none. So each reply that is read wakes
# the server's epoll_wait for nothing. By the kernel's count of voluntary context switches, 1,000 requests with 2 ms between answer,
# reading and the next request: 1.0 for each over TCP, 2.0 over a Unix socket.
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
mio = "=1.2.4"
tokio = { version = "=1.48.0", features = ["net", "io-util", "macros", "rt"] }
TOML
cat > probe/src/main.rs <<'RS'
use std::io;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, UnixListener};

async fn echo(mut stream: impl AsyncRead + AsyncWrite + Unpin) -> io::Result<()> {
    let mut buffer = [0; 100];
    loop {
        match stream.read(&mut buffer).await? {
            0 => return Ok(()),
            count => stream.write_all(&buffer[..count]).await?,
        }
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> io::Result<()> {
    if std::env::args().nth(1).as_deref() == Some("tcp") {
        return echo(TcpListener::bind("127.0.0.1:27141").await?.accept().await?.0).await;
    }
    echo(UnixListener::bind("socket")?.accept().await?.0).await
}
RS
cat > ask.py <<'PY'
import socket, subprocess, sys, time

REQUESTS = 1000

def connect(kind):
    for _ in range(500):
        client = socket.socket(socket.AF_INET if kind == "tcp" else socket.AF_UNIX)
        try:
            client.connect(("127.0.0.1", 27141) if kind == "tcp" else "socket")
            return client
        except OSError:
            client.close()
            time.sleep(0.02)
    sys.exit("no server")

def wake_ups(pid):
    for line in open(f"/proc/{pid}/status"):
        if line.startswith("voluntary_ctxt_switches"):
            return int(line.split()[1])

def each(kind):
    server = subprocess.Popen(["target/debug/probe", kind])
    client = connect(kind)
    client.settimeout(10)
    before = None
    for nth in range(REQUESTS + 1):
        if nth == 1:
            before = wake_ups(server.pid)  # the first one also woke it to accept
        client.sendall(b"5 10\n")
        time.sleep(0.002)
        assert client.recv(100) == b"5 10\n"
        time.sleep(0.002)
    found = (wake_ups(server.pid) - before) / REQUESTS
    client.close()
    server.wait()
    return found

tcp, unix = each("tcp"), each("unix")
print(f"wake-ups of a tokio server for each request: TCP {tcp:.1f}, Unix socket {unix:.1f}")
assert tcp < 1.2 and unix > 1.8, "this has changed"
PY
uname -r
timeout 600 cargo build -q --manifest-path probe/Cargo.toml --target-dir target
timeout 120 python3 ask.py

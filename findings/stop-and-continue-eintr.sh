#!/usr/bin/env bash
# Linux: a receive with a timeout (SO_RCVTIMEO; Rust's set_read_timeout) fails with EINTR when the process is stopped and continued
# (SIGSTOP, Ctrl-Z and fg; also a cgroup that is frozen and thawed), without any signal handler; so does semop. A receive
# without a timeout continues (signal(7), "Interruption of system calls and library functions by stop signals").
# What clients make of it, seen after one stop while they wait for a valid answer:
# - snmp2 0.5.3 (crates.io), SyncSession: the request fails with "Receive"; the next one has the same request id, so get() of the next
#   OID returns Ok with the answer to the previous one, and the request after that fails with RequestIdMismatch.
#   (Upstream has an issue, 35, about AsyncSession and a cancelled request; not about this.)
# - a2s 0.6.1 (crates.io), A2SClient: the next request, to another server, returns the answer of the first server.
# - redis 1.8.1 (crates.io) with a read timeout: BLPOP fails with Interrupted, and the connection later drops its reply. Asking again
#   is the usual answer to EINTR; here it loses the element, which the server has already removed.
# - msmtp 1.8.23 with --timeout: after the end of the message it stops with "operation aborted" and 74, although nobody has aborted it and
#   the server has the mail: who sends it again sends it twice. mpop 1.4.18 stops in the same way, by default (its timeout is 180 s).
# - sysv_ipc 1.2.0 (PyPI): Semaphore.acquire() raises Error('Signaled while waiting'); Python's own calls try again (PEP 475).
# Guesses before the run: snmp2, a2s, msmtp, mpop and sysv_ipc as seen. redis: that the next command gets the interrupted one's reply;
# wrong, it counts the replies that it must drop. That msgrcv fails too; wrong, it continues, as poll and select do.
# Programs should call the receive again at EINTR, below the layer that counts requests, as std's read_exact and read_line do.
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
cd "$folder"
apt-get -q -o APT::Sandbox::User=root download msmtp=1.8.23-1 mpop=1.4.18-1 libgsasl18=2.2.0-1+deb12u2 libgssglue1=0.7-1.1 libntlm0=1.6-4 \
    libidn12=1.41-1 libsecret-1-0=0.20.5-3 > apt.log 2>&1 || { cat apt.log; exit 1; }
for package in *.deb; do dpkg -x "$package" root; done
python3 -m venv venv
venv/bin/pip install -q --disable-pip-version-check sysv_ipc==1.2.0
mkdir -p probe/src
cat > probe/Cargo.toml <<'TOML'
[package]
name = "probe"
version = "0.1.0"
edition = "2021"
[dependencies]
a2s = "=0.6.1"
redis = { version = "=1.8.1", default-features = false }
snmp2 = { version = "=0.5.3", default-features = false }
TOML
cat > probe/src/main.rs <<'RS'
use std::{io::Read, net::TcpStream, time::Duration};
fn main() {
    let words: Vec<String> = std::env::args().collect();
    let port = |i: usize| words[i].parse::<u16>().unwrap();
    let timeout = Duration::from_secs(60);
    match words[1].as_str() {
        "std" | "std without a timeout" => {
            let mut stream = TcpStream::connect(("127.0.0.1", port(2))).unwrap();
            if words[1] == "std" {
                stream.set_read_timeout(Some(timeout)).unwrap();
            }
            println!("{:?}", stream.read(&mut [0; 100]).map_err(|e| e.kind()));
        }
        "snmp2" => {
            let mut session = snmp2::SyncSession::new_v2c(("127.0.0.1", port(2)), b"public", Some(timeout), 1).unwrap();
            for last in 1..=3 {
                let oid = snmp2::Oid::from(&[1, 3, 6, 1, 4, last]).unwrap();
                let answer = session.get(&oid).map(|mut pdu| pdu.varbinds.next().map(|(oid, value)| format!("{oid} {value:?}")));
                println!("{oid}: {answer:?}");
            }
        }
        "a2s" => {
            let mut client = a2s::A2SClient::new().unwrap();
            client.set_timeout(timeout).unwrap();
            for (name, port) in [("first", port(2)), ("second", port(3))] {
                let answer = client.info(("127.0.0.1", port)).map(|info| info.name);
                println!("{name}: {}", answer.unwrap_or_else(|e| e.to_string()));
            }
        }
        _ => {
            let client = redis::Client::open(format!("redis://127.0.0.1:{}/", port(2))).unwrap();
            let mut connection = client.get_connection().unwrap();
            connection.set_read_timeout(Some(timeout)).unwrap();
            for _ in 0..2 {
                let mut command = redis::cmd("BLPOP");
                let element = command.arg("queue").arg(30).query::<Option<(String, String)>>(&mut connection);
                println!("{:?}", element.map_err(|e| e.to_string()));
            }
        }
    }
}
RS
cargo build -q --manifest-path probe/Cargo.toml --target-dir target
cat > run.py <<'PY'
import glob, os, re, signal, socket, subprocess, sys, time

def look(client):
    """The client's state, and how often it has fallen asleep."""
    with open(f"/proc/{client.pid}/status") as status:
        text = status.read()
    return re.search(r"^State:\s*(\S)", text, re.M)[1], int(re.search(r"^voluntary_ctxt_switches:\s*(\d+)", text, re.M)[1])

def until(condition):
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, "nothing happens"
        time.sleep(0.02)

def asleep(client, since=0):
    seen = look(client)
    time.sleep(0.1)
    return seen[0] == "Z" or seen[0] == "S" and seen[1] >= since and seen == look(client)

def stop_and_continue(client):
    """Stops and continues a client that waits, and returns when it waits again or has ended."""
    until(lambda: asleep(client))
    times = look(client)[1]
    client.send_signal(signal.SIGSTOP)
    until(lambda: look(client)[0] == "T")
    client.send_signal(signal.SIGCONT)
    until(lambda: asleep(client, times + 2))

def start(*command, **more):
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **more)

def server(kind):
    listener = socket.socket(socket.AF_INET, kind)
    listener.bind(("127.0.0.1", 0))
    listener.settimeout(30)
    return listener, str(listener.getsockname()[1])

def end(client):
    output = client.communicate(timeout=60)[0]
    return output.splitlines()

def std(name):
    listener, port = server(socket.SOCK_STREAM)
    listener.listen()
    client = start("target/debug/probe", name, port)
    with listener.accept()[0] as connection:
        stop_and_continue(client)
        connection.sendall(b"hello")
        return end(client)

def field(tag, value):
    return bytes([tag, len(value)]) + value

def snmp2():
    agent, port = server(socket.SOCK_DGRAM)
    client = start("target/debug/probe", "snmp2", port)
    for number in range(3):
        request, address = agent.recvfrom(1500)
        number or stop_and_continue(client)
        id, oid = re.search(rb"public\xa0.\x02\x01(.).*\x06\x05(.{5})\x05\x00$", request, re.S).groups()
        binding = field(0x30, field(0x30, field(6, oid) + field(4, b"value %d" % oid[-1])))
        pdu = field(0xa2, field(2, id) + field(2, b"\0") + field(2, b"\0") + binding)
        agent.sendto(field(0x30, field(2, b"\1") + field(4, b"public") + pdu), address)
    return end(client)

def a2s():
    servers = {name: server(socket.SOCK_DGRAM) for name in ("first", "second")}
    client = start("target/debug/probe", "a2s", *(port for _, port in servers.values()))
    for name, (listener, _) in servers.items():
        address = listener.recvfrom(1500)[1]
        name == "second" or stop_and_continue(client)
        listener.sendto(b"\xff\xff\xff\xffI\x11name of the %s\0map\0folder\0game\0\x0a\0\0\x10\0dl\0\0001.0\0\0" % name.encode(), address)
    return end(client)

def redis():
    listener, port = server(socket.SOCK_STREAM)
    listener.listen()
    client = start("target/debug/probe", "redis", port)
    queue = [b"element"]
    with listener.accept()[0] as connection, connection.makefile("rb") as lines:
        while line := lines.readline():
            words = [lines.read(int(lines.readline()[1:]) + 2)[:-2] for _ in range(int(line[1:]))]
            if words[0] != b"BLPOP":
                connection.sendall(b"+OK\r\n")
            elif queue:
                stop_and_continue(client)
                connection.sendall(b"*2\r\n$5\r\nqueue\r\n$7\r\n%s\r\n" % queue.pop())
            else:
                connection.sendall(b"*-1\r\n")
    return end(client) + [f"left in the queue: {queue}"]

LIBRARIES = os.environ | {"LD_LIBRARY_PATH": glob.glob("root/usr/lib/*-linux-gnu")[0]}

def msmtp():
    listener, port = server(socket.SOCK_STREAM)
    listener.listen()
    with open("mail", "w") as mail:
        mail.write("Subject: test\n\nbody\n")
    with open("mail") as mail:
        client = start("root/usr/bin/msmtp", "--host=127.0.0.1", f"--port={port}", "--timeout=60", "--from=a@example.org", "b@example.org",
                       stdin=mail, env=LIBRARIES)
    accepted = 0
    with listener.accept()[0] as connection, connection.makefile("rb") as lines:
        connection.sendall(b"220 example.org\r\n")
        while line := lines.readline():
            if line == b".\r\n":
                accepted += 1
                stop_and_continue(client)
            if re.match(rb"(EHLO|MAIL|RCPT|\.\r)", line):
                connection.sendall(b"250 ok\r\n")
            elif line == b"DATA\r\n":
                connection.sendall(b"354 go on\r\n")
    return end(client) + [f"exit {client.returncode}, mails accepted: {accepted}"]

def mpop():
    listener, port = server(socket.SOCK_STREAM)
    listener.listen()
    client = start("root/usr/bin/mpop", "--host=127.0.0.1", f"--port={port}", "--user=u", "--passwordeval=echo p", "--tls=off",
                   "--delivery=mbox,box", "--uidls-file=uidls", stdin=subprocess.DEVNULL, env=LIBRARIES)
    with listener.accept()[0]:
        stop_and_continue(client)
    return [line for line in end(client) if "abort" in line] + [f"exit {client.returncode}"]

SEMAPHORE = """
import sysv_ipc
semaphore = sysv_ipc.Semaphore(None, sysv_ipc.IPC_CREX)
try:
    print("waits", flush=True)
    semaphore.acquire()
except sysv_ipc.Error as error:
    print(repr(error))
finally:
    semaphore.remove()
"""

def sysv_ipc():
    client = start("venv/bin/python", "-c", SEMAPHORE)
    client.stdout.readline()
    stop_and_continue(client)
    return end(client)

seen = {
    "std, with a timeout": std("std"),
    "std, without": std("std without a timeout"),
    "snmp2 0.5.3": snmp2(),
    "a2s 0.6.1": a2s(),
    "redis 1.8.1": redis(),
    "msmtp 1.8.23": msmtp(),
    "mpop 1.4.18": mpop(),
    "sysv_ipc 1.2.0": sysv_ipc(),
}
for name, lines in seen.items():
    print(name, *lines, sep="\n    ")
assert seen == {
    "std, with a timeout": ["Err(Interrupted)"],
    "std, without": ["Ok(5)"],
    "snmp2 0.5.3": [
        "1.3.6.1.4.1: Err(Receive)",
        '1.3.6.1.4.2: Ok(Some("1.3.6.1.4.1 OCTET STRING: value 1"))',
        "1.3.6.1.4.3: Err(RequestIdMismatch)",
    ],
    "a2s 0.6.1": ["first: IO error Interrupted system call (os error 4)", "second: name of the first"],
    "redis 1.8.1": ['Err("Interrupted system call (os error 4)")', "Ok(None)", "left in the queue: []"],
    "msmtp 1.8.23": ["msmtp: operation aborted", "msmtp: could not send mail", "exit 74, mails accepted: 1"],
    "mpop 1.4.18": ["mpop: operation aborted", "exit 74"],
    "sysv_ipc 1.2.0": ["Error('Signaled while waiting')"],
}, "this has changed"
PY
timeout 300 python3 run.py

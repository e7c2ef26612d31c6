#!/usr/bin/env bash
# listen-fds 0.1.0 (crates.io), ListenFds::new(): accepts one descriptor and no more. It takes the size of a C int in bytes, 4,
# as the maximum of 3 + LISTEN_FDS, and so returns OutOfRangeListenFds to a service with two sockets, although its README
# takes "all FDs named "http"". It returns the error after it has removed LISTEN_PID, LISTEN_FDS and LISTEN_FDNAMES,
# so another library cannot find the sockets either.
# sd_listen_fds(3): the number of descriptors, counted from 3, has no such limit.
# The sockets come from systemd-socket-activate 252.39 (Debian 12); sd-notify 0.5.0 and listenfd 1.0.2 (crates.io) accept all of
# them.
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
cd "$folder"
apt-get -q -o APT::Sandbox::User=root download systemd=252.39-1~deb12u2 libsystemd-shared=252.39-1~deb12u2 \
    > apt.log 2>&1 || { cat apt.log; exit 1; }
for package in *.deb; do dpkg -x "$package" root; done
mkdir src
cat > Cargo.toml <<'TOML'
[package]
name = "probe"
version = "0.1.0"
edition = "2021"
[dependencies]
listen-fds = "=0.1.0"
listenfd = "=1.0.2"
sd-notify = "=0.5.0"
TOML
cat > src/main.rs <<'RS'
use listen_fds::ListenFds;

/// Prints how many descriptors the named library has, and whether the variables are still there.
fn main() {
    let library = std::env::args().nth(1).unwrap();
    let seen = match library.as_str() {
        "sd-notify" => sd_notify::listen_fds().unwrap().len().to_string(),
        "listenfd" => listenfd::ListenFd::from_env().len().to_string(),
        // SAFETY: no other thread runs, and this is the only call.
        _ => match unsafe { ListenFds::new() } {
            Ok(fds) => fds.len().to_string(),
            Err(error) => format!("{error:?}"),
        },
    };
    let left = if std::env::var_os("LISTEN_FDS").is_some() { "left" } else { "removed" };
    println!("{seen}, variables {left}");
}
RS
cargo build -q
cat > run.py <<'PY'
import os, socket, subprocess, time
SHARED = os.path.abspath("root/usr/lib/x86_64-linux-gnu/systemd")
EXPECTED = {"sd-notify": ["1, variables left", "2, variables left", "3, variables left"],
            "listenfd": ["1, variables removed", "2, variables removed", "3, variables removed"],
            "listen-fds": ["1, variables removed"] + 2 * ["OutOfRangeListenFds, variables removed"]}

def activate(library, count):
    paths = [f"{library}-{count}-{n}" for n in range(count)]
    command = ["root/usr/bin/systemd-socket-activate"]
    for path in paths:
        command += ["-l", os.path.abspath(path)]
    activator = subprocess.Popen([*command, os.path.abspath("target/debug/probe"), library], stdout=subprocess.PIPE, text=True,
                                 stderr=subprocess.DEVNULL, env=os.environ | {"LD_LIBRARY_PATH": SHARED})
    end = time.monotonic() + 20
    while True:
        try:
            client = socket.socket(socket.AF_UNIX)
            client.connect(paths[-1])
            break
        except OSError:
            assert time.monotonic() < end
            time.sleep(0.05)
    return activator.communicate(timeout=20)[0].strip()

changed = False
for library, expected in EXPECTED.items():
    seen = [activate(library, count) for count in (1, 2, 3)]
    print(f"{library}, with one, two and three sockets:", "; ".join(seen))
    changed |= seen != expected
assert not changed, "this has changed"
PY
timeout 60 python3 run.py

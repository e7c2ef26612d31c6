#!/usr/bin/env bash
# /proc/net/unix contains a socket's path unescaped, and two libraries treat it as a single word:
# - procfs 0.18.0 (crates.io), net::unix(): it cuts the path at its first space; if the path of any socket on the machine contains
#   a line feed, reading the whole table fails.
# - psutil 7.2.2 (PyPI), net_connections(kind="unix"): a socket whose path contains a space has no path ("") at all.
# The format can be read: unix(7) has no escapes, but the path is the last field of its line.
# Seen: procfs "/…/two" for "/…/two words"; psutil "".
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install -q --disable-pip-version-check psutil==7.2.2
mkdir -p probe/src
cat > probe/Cargo.toml <<'TOML'
[package]
name = "probe"
version = "0.1.0"
edition = "2021"
[dependencies]
procfs = { version = "=0.18.0", default-features = false }
TOML
cat > probe/src/main.rs <<'RS'
use std::os::unix::net::UnixListener;
fn paths(folder: &str) -> Result<Vec<String>, String> {
    let table = procfs::net::unix().map_err(|_| "error".to_owned())?;
    let text = |path: std::path::PathBuf| path.to_string_lossy().into_owned();
    Ok(table.into_iter().filter_map(|e| e.path).map(text).filter(|p| p.starts_with(folder)).collect())
}
fn main() {
    let folder = std::env::args().nth(1).unwrap();
    let blank = UnixListener::bind(format!("{folder}/two words")).unwrap();
    let seen = paths(&folder);
    println!("procfs 0.18.0: {:?}", seen.as_ref().map(|p| p.iter().map(|p| p.replace(&folder, "…")).collect::<Vec<_>>()));
    assert_eq!(seen, Ok(vec![format!("{folder}/two")]));
    drop(blank);
    let _line = UnixListener::bind(format!("{folder}/a\nb")).unwrap();
    let seen = paths(&folder);
    println!("procfs 0.18.0, a line feed in one path: {}", if seen.is_err() { "error" } else { "a table" });
    assert!(seen.is_err());
}
RS
cargo run -q --manifest-path probe/Cargo.toml -- "$folder"
cat > run.py <<'PY'
import os, socket, sys
import psutil
seen = {}
for name in ("word", "three words here"):
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(os.path.join(sys.argv[1], name))
    listener.listen()
    seen[name] = [os.path.basename(c.laddr) for c in psutil.Process().net_connections(kind="unix")]
    listener.close()
print("psutil", psutil.__version__, seen)
assert seen == {"word": ["word"], "three words here": [""]}
PY
venv/bin/python run.py "$folder"

#!/usr/bin/env bash
# crossterm 0.29.0 (crates.io): enable_raw_mode() does nothing if it was called before, even if the terminal has left raw mode
# since. A shell resets the terminal while a program is stopped; after `fg` the program calls enable_raw_mode() again, gets Ok,
# and the terminal stays in its ordinary mode: keys arrive only with Enter. It works only after disable_raw_mode(), which
# restores the settings of the first call.
# Seen: raw after the first call; ordinary after `stty sane` and a second call that returns Ok; raw after disable and enable.
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
mkdir "$folder/src"
cat > "$folder/Cargo.toml" <<'TOML'
[package]
name = "again"
version = "0.0.0"
edition = "2021"
[dependencies]
crossterm = { version = "=0.29.0", default-features = false, features = ["events"] }
TOML
cat > "$folder/src/main.rs" <<'RS'
use crossterm::terminal::{disable_raw_mode, enable_raw_mode};
use std::process::{Command, Stdio};

fn mode() -> &'static str {
    let all = Command::new("stty").arg("-a").stdin(Stdio::inherit()).output().unwrap();
    let text = String::from_utf8_lossy(&all.stdout).into_owned();
    if text.contains("-icanon") { "raw" } else { "ordinary" }
}

fn main() {
    let mut seen = vec![];
    enable_raw_mode().unwrap();
    seen.push(mode());
    assert!(Command::new("stty").arg("sane").status().unwrap().success()); // as a shell does when a job stops
    enable_raw_mode().unwrap();
    seen.push(mode());
    disable_raw_mode().unwrap();
    enable_raw_mode().unwrap();
    seen.push(mode());
    disable_raw_mode().unwrap();
    println!("crossterm 0.29.0 {}", seen.join(" "));
}
RS
cargo build -q --manifest-path "$folder/Cargo.toml" --target-dir "$folder/target"
said=$(timeout 60 python3 -c 'import pty, sys; sys.exit(pty.spawn(sys.argv[1:]) >> 8)' "$folder/target/debug/again" < /dev/null | tr -d '\r')
echo "$said"
[ "$said" = "crossterm 0.29.0 raw ordinary raw" ]

#!/usr/bin/env bash
# Three terminal emulator libraries, outside a scrolling region (a program with a fixed header or status line). The
# sequences are those of the VT100 and VT102 User Guides and the VT510 Reference Manual:
# - vt100 0.18.1 (crates.io): DECSTBM moves the cursor into the region (VT510, DECSTBM: column 1, line 1 of the page), so
#   the next text is on the wrong line. RI above the region scrolls it (VT100: only at the top margin), and one of its lines
#   is lost. CUU and CUD cross the margins (VT510, CUU: stops at the top margin unless already above it).
# - avt 0.19.0 (crates.io): IL and DL outside the region also move lines, and one is lost (VT102, IL and DL:
#   ignored when the cursor is outside the scrolling region).
# - pyte 0.8.2 (PyPI): a line feed, a wrap or CUD below the region jumps back into it, over its contents (VT510, CUD: stops
#   at the bottom line if already below the margin).
# @xterm/headless 6.0.0 (npm) is right in all cases. All are right inside the region (last line).
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install -q --disable-pip-version-check pyte==0.8.2
npm init -y > /dev/null
npm install --silent --no-audit --no-fund @xterm/headless@6.0.0
mkdir src
cat > Cargo.toml <<'TOML'
[package]
name = "probe"
version = "0.1.0"
edition = "2021"
[dependencies]
vt100 = "=0.18.1"
avt = "=0.19.0"
TOML
cat > src/main.rs <<'RS'
use std::num::NonZero;

/// Reads sequences in hexadecimal, one a line; prints the screens of both libraries.
fn main() {
    for line in std::io::stdin().lines() {
        let line = line.unwrap();
        let bytes: Vec<u8> =
            (0..line.len()).step_by(2).map(|i| u8::from_str_radix(&line[i..i + 2], 16).unwrap()).collect();
        let mut first = vt100::Parser::new(NonZero::new(5).unwrap(), NonZero::new(10).unwrap(), 0);
        first.process(&bytes);
        println!("{}", join(first.screen().rows(0, 10)));
        let mut second = avt::Terminal::new(10, 5).unwrap();
        second.feed(std::str::from_utf8(&bytes).unwrap());
        println!("{}", join(second.screen().visible_lines().map(|line| line.text())));
    }
}

fn join(rows: impl Iterator<Item = String>) -> String {
    rows.map(|row| row.trim_end().to_owned()).collect::<Vec<_>>().join("|")
}
RS
cat > screen.js <<'JS'
const { Terminal } = require('@xterm/headless');
(async () => {
  for (const line of require('fs').readFileSync(0, 'utf8').trim().split('\n')) {
    const terminal = new Terminal({ cols: 10, rows: 5, allowProposedApi: true });
    await new Promise(done => terminal.write(Buffer.from(line, 'hex'), done));
    const rows = [0, 1, 2, 3, 4].map(row => terminal.buffer.active.getLine(row).translateToString(true).trimEnd());
    console.log(rows.join('|'));
  }
  process.exit();
})();
JS
cat > run.py <<'PY'
import subprocess, pyte
FULL = "A\r\nB\r\nC\r\nD\r\nE"
CASES = [  # what, sequence, right, who has it otherwise
    ("region 2-4, then X", "\x1b[2;4rX", "X|B|C|D|E", {"vt100": "A|X|C|D|E"}),
    ("RI on line 1, region 2-4", "\x1b[2;4r\x1b[1;1H\x1bM", "A|B|C|D|E", {"vt100": "A||B|C|E"}),
    ("CUU 9 from line 5, region 2-3", "\x1b[2;3r\x1b[5;1H\x1b[9AX", "A|X|C|D|E", {"vt100": "X|B|C|D|E"}),
    ("CUD 9 from line 1, region 2-3", "\x1b[2;3r\x1b[1;1H\x1b[9BX", "A|B|X|D|E", {"vt100": "A|B|C|D|X"}),
    ("IL on line 1, region 3-4", "\x1b[3;4r\x1b[1;1H\x1b[L", "A|B|C|D|E", {"avt": "|A|B|C|E"}),
    ("DL on line 1, region 3-4", "\x1b[3;4r\x1b[1;1H\x1b[M", "A|B|C|D|E", {"avt": "B|C|D||E"}),
    ("DL on line 5, region 1-3", "\x1b[1;3r\x1b[5;1H\x1b[M", "A|B|C|D|E", {"avt": "A|B|C|D|"}),
    ("LF on line 5, region 1-3", "\x1b[1;3r\x1b[5;1H\nX", "A|B|C|D|X", {"pyte": "A|B|X|D|E"}),
    ("wrap on line 5, region 1-3", "\x1b[1;3r\x1b[5;1H0123456789X", "A|B|C|D|X123456789", {"pyte": "A|B|X|D|0123456789"}),
    ("CUD 9 from line 4, region 2-3", "\x1b[2;3r\x1b[4;1H\x1b[9BX", "A|B|C|D|X", {"pyte": "A|B|X|D|E"}),
    ("DL and LF inside, region 2-4", "\x1b[2;4r\x1b[2;1H\x1b[M\x1b[4;1H\nX", "A|D||X|E", {}),
]
text = "\n".join((FULL + sequence).encode().hex() for _, sequence, _, _ in CASES) + "\n"

def lines(*command):
    return subprocess.run(command, input=text, stdout=subprocess.PIPE, text=True, check=True).stdout.splitlines()

both, third = lines("cargo", "run", "-q"), lines("node", "screen.js")
changed = False
for i, (what, sequence, right, others) in enumerate(CASES):
    screen = pyte.Screen(10, 5)
    pyte.Stream(screen).feed(FULL + sequence)
    seen = {"vt100": both[2 * i], "avt": both[2 * i + 1], "xterm": third[i],
            "pyte": "|".join(row.rstrip() for row in screen.display)}
    wrong = {name: rows for name, rows in seen.items() if rows != right}
    print(f"{what}: {right}", *(f"{name}: {rows}" for name, rows in wrong.items()), sep="; ")
    changed |= wrong != others
assert not changed, "this has changed"
PY
timeout 300 venv/bin/python run.py

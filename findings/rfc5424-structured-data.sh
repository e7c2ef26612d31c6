#!/usr/bin/env bash
# Three readers of syslog messages (RFC 5424) with structured data that its section 6.3 allows; each reads the RFC's
# own examples (6.5), and none raises an error here:
# - nsyslog-parser 0.10.1 (npm): it reads the element that logger(1) (util-linux 2.38) writes by default with --rfc5424,
#   [timeQuality tzKnown="1" isSynced="0"], as the message, and cuts off its name: in 6.3.2, names without "@" are those
#   that IANA has registered; 7.1 registers this one. The same happens to an element without parameters, and to one with an
#   escaped quote (6.3.3). A "=" after a space in a value is lost. A host that is an IPv6 address (6.2.4) becomes "", and all
#   fields from it on become the message.
# - syslog_rfc5424 0.10.0 (crates.io): drops a backslash that escapes nothing, which 6.3.3 says to keep (C:\temp becomes C:temp);
#   if a parameter occurs twice, as 6.3.3 allows and 7.2.1 shows for "ip", only the last is kept.
# - syslog-rfc5424-parser 0.3.2 (PyPI): leaves the escapes in the value, and keeps only the last of a repeated parameter.
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
cd "$folder"
apt-get -q -o APT::Sandbox::User=root download bsdutils=1:2.38.1-5+deb12u3 > apt.log 2>&1 || { cat apt.log; exit 1; }
dpkg -x bsdutils_*.deb root
python3 -m venv venv
venv/bin/pip install -q --disable-pip-version-check syslog-rfc5424-parser==0.3.2 lark-parser==0.6.7
npm init -y > /dev/null
npm install --silent --no-audit --no-fund nsyslog-parser@0.10.1
mkdir src
cat > Cargo.toml <<'TOML'
[package]
name = "probe"
version = "0.1.0"
edition = "2021"
[dependencies]
syslog_rfc5424 = "=0.10.0"
TOML
cat > src/main.rs <<'RS'
fn main() {
    for line in std::io::stdin().lines() {
        let message = syslog_rfc5424::parse_message(line.unwrap()).unwrap();
        let mut elements = Vec::new();
        for (name, parameters) in message.sd.iter() {
            let mut parameters: Vec<_> = parameters.iter().map(|(k, v)| format!(" {k}={v}")).collect();
            parameters.sort();
            elements.push(format!("{name}{}", parameters.concat()));
        }
        println!("{}|{}|{}", message.hostname.unwrap_or_default(), elements.join(";"), message.msg);
    }
}
RS
cat > read.js <<'JS'
const parse = require('nsyslog-parser');
for (const line of require('fs').readFileSync(0, 'utf8').trimEnd().split('\n')) {
  const { host, structuredData, message } = parse(line);
  const elements = structuredData.map(({ $id, ...rest }) =>
    [$id, ...Object.entries(rest).map(([k, v]) => `${k}=${v}`).sort()].join(' '));
  console.log([host, elements.join(';'), message].join('|'));
}
JS
cat > read.py <<'PY'
import sys
from syslog_rfc5424_parser import SyslogMessage
for line in sys.stdin:
    message = SyslogMessage.parse(line.rstrip("\n"))
    elements = [" ".join([name, *sorted(f"{k}={v}" for k, v in parameters.items())]) for name, parameters in message.sd.items()]
    print(message.hostname, ";".join(elements), message.msg, sep="|")
PY
cat > run.py <<'PY'
import re, socket, subprocess
listener = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
listener.bind(("127.0.0.1", 0))
listener.settimeout(10)
subprocess.run(["root/usr/bin/logger", "--rfc5424", "--udp", "--server", "127.0.0.1", "--port",
                str(listener.getsockname()[1]), "--tag", "app", "hello"], check=True)
logger = re.sub(r"(?<=^<13>1 )\S+ \S+", "2026-11-29T11:27:17.395Z host", listener.recv(1000).decode())
logger = re.sub(r"\[timeQuality .*?\]", '[timeQuality tzKnown="1" isSynced="0"]', logger)  # what it says of this clock
head = "<13>1 2026-11-29T11:27:17.395Z"
wrong = {
    logger: {"nsyslog-parser": 'host||tzKnown="1" isSynced="0"] hello'},
    rf'{head} host app - - [x@32473] hello': {"nsyslog-parser": "host||[x@32473] hello"},
    rf'{head} host app - - [x@32473 k="a = b"] hello': {"nsyslog-parser": "host|x@32473 k=a b|hello"},
    rf'{head} host app - - [x@32473 k="say \"a\""] hello': {
        "nsyslog-parser": r'host||[x@32473 k="say \"a\""] hello',
        "syslog-rfc5424-parser": r'host|x@32473 k=say \"a\"|hello'},
    rf'{head} host app - - [x@32473 k="C:\temp"] hello': {"syslog_rfc5424": "host|x@32473 k=C:temp|hello"},
    rf'{head} host app - - [origin ip="192.0.2.1" ip="192.0.2.129"] hello': {
        "nsyslog-parser": 'host||ip="192.0.2.1" ip="192.0.2.129"] hello',
        "syslog_rfc5424": "host|origin ip=192.0.2.129|hello",
        "syslog-rfc5424-parser": "host|origin ip=192.0.2.129|hello"},
    f'{head} 2001:db8::1 app 7 - - hello': {"nsyslog-parser": "||2001:db8::1 app 7 - - hello"},
}
right = ["host|timeQuality isSynced=0 tzKnown=1|hello", "host|x@32473|hello", "host|x@32473 k=a = b|hello",
         'host|x@32473 k=say "a"|hello', r"host|x@32473 k=C:\temp|hello", None, "2001:db8::1||hello"]
changed = False
for name, command in {"nsyslog-parser": ["node", "read.js"], "syslog_rfc5424": ["cargo", "run", "-q"],
                      "syslog-rfc5424-parser": ["venv/bin/python", "read.py"]}.items():
    lines = subprocess.run(command, input="\n".join(wrong) + "\n", stdout=subprocess.PIPE, text=True, check=True).stdout
    for line, seen, good in zip(wrong, lines.splitlines(), right, strict=True):
        expected = wrong[line].get(name, good)
        print(f"{name}: {line[len(head):]}: {seen}{'' if seen == good else '   (wrong)'}")
        changed |= seen != expected
assert not changed, "this has changed"
PY
timeout 300 venv/bin/python run.py

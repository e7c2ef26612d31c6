#!/usr/bin/env bash
# systemdunitparser 0.4 (PyPI) and continuation lines (systemd.syntax(7): a line that ends in a backslash continues on the
# next line that is not a comment). An option that occurs once is read correctly. But:
# - An option that occurs again after a continued one: each continuation line becomes a value of its own, and cannot be
#   distinguished from a further `ExecStartPre=`. When the file is written back, the continuation gets an `ExecStartPre=`, after
#   a line that still ends in a backslash; systemd reads that as an argument of the previous command. So reading and writing
#   changes the unit's commands.
# - The second of two options is continued: AttributeError ('tuple' object has no attribute 'append').
# - A comment between the two lines, which the manual page allows, is a ParsingError; a continuation that is not indented
#   and contains a `=` becomes an option.
# README: "to properly parse systemd unit files".
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install -q --disable-pip-version-check systemdunitparser==0.4
cat > run.py <<'PY'
import configparser
from SystemdUnitParser import SystemdUnitParser

def read(*lines):
    with open("a.service", "w") as file:
        file.write("\n".join(["[Service]", *lines, ""]))
    unit = SystemdUnitParser()
    try:
        unit.read("a.service")
    except (AttributeError, configparser.ParsingError) as error:
        return type(error).__name__, unit
    return dict(unit["Service"]), unit

MKDIR, CHOWN = ["ExecStartPre=/bin/mkdir /run/a"], ["ExecStartPre=/bin/chown \\", "  a:a /run/b"]
seen = {
    "once": read(*CHOWN)[0],
    "twice, the first continued": read(*CHOWN, *MKDIR)[0],
    "twice, the second continued": read(*MKDIR, *CHOWN)[0],
    "with a comment": read("ExecStart=/bin/server \\", "# the port", "  --port 80")[0],
    "not indented": read("ExecStart=/bin/server \\", "--port=80")[0],
}
with open("written.service", "w") as file:
    read(*CHOWN, *MKDIR)[1].write(file)
with open("written.service") as file:
    seen["twice, the first continued, written back"] = file.read()
for what, value in seen.items():
    print(f"{what}: {value!r}")
assert list(seen.values()) == [
    {"ExecStartPre": "/bin/chown \\\na:a /run/b"},
    {"ExecStartPre": ("/bin/chown \\", "a:a /run/b", "/bin/mkdir /run/a")},
    "AttributeError",
    "ParsingError",
    {"ExecStart": "/bin/server \\", "--port": "80"},
    "[Service]\nExecStartPre=/bin/chown \\\nExecStartPre=a:a /run/b\nExecStartPre=/bin/mkdir /run/a\n\n",
], "this has changed"
PY
venv/bin/python run.py

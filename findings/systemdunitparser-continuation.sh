#!/usr/bin/env bash
# systemdunitparser 0.4 (PyPI) and continuation lines (systemd.syntax(7): a line that ends in a backslash goes on with the
# next one that is no comment). An option given once is read whole. But:
# - An option that is given again after one that was continued: each continuation line is a value of its own, and nothing
#   tells it from a further `ExecStartPre=`. What is then written back has an `ExecStartPre=` before it, behind a line that
#   still ends in a backslash: for systemd that is an argument of the command before. The unit's commands have changed by
#   reading and writing.
# - The second of two that is continued: AttributeError ('tuple' object has no attribute 'append').
# - A comment between the two lines, which the manual page allows, is a ParsingError; a continuation that is not indented
#   and has a `=` becomes an option.
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

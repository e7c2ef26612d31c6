#!/usr/bin/env bash
# systemd-watchdog 1.0.1 (PyPI), WatchDog.ping(): it uses the wall clock to decide whether a keep-alive is due. When the clock is
# set back (an NTP step after a boot with a wrong clock, a suspended guest, an administrator), none is due until the clock has
# caught up: all calls of ping() send nothing, and systemd, which uses the monotonic clock, kills a
# healthy service.
# sd_watchdog_enabled(3): a keep-alive every half of WATCHDOG_USEC; README: ping() is the only method that is required.
# Seen with WatchdogSec=0.4s and 1.5 s of pings: 5 or more keep-alives before, none after a step of an hour backwards.
# libfaketime (Debian 12) makes the step, only in the wall clock.
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
cd "$folder"
apt-get -q -o APT::Sandbox::User=root download libfaketime=0.9.10-2.1 > apt.log 2>&1 || { cat apt.log; exit 1; }
dpkg -x libfaketime_*.deb root
python3 -m venv venv
venv/bin/pip install -q --disable-pip-version-check systemd-watchdog==1.0.1
cat > run.py <<'PY'
import os, select, socket, time
manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
manager.bind("notify")
manager.setblocking(False)
os.environ |= {"NOTIFY_SOCKET": "notify", "WATCHDOG_USEC": "400000", "WATCHDOG_PID": str(os.getpid())}
from systemd_watchdog import WatchDog

watchdog = WatchDog()

def keep_alives():
    """Pings for 1.5 s; how many datagrams came of it."""
    end = time.monotonic() + 1.5
    heard = 0
    while time.monotonic() < end:
        watchdog.ping()
        select.select([], [], [], 0.02)
        try:
            heard += manager.recv(100) == b"WATCHDOG=1\n"
        except BlockingIOError:
            pass
    return heard

before, wall = keep_alives(), time.time()
with open(os.environ["FAKETIME_TIMESTAMP_FILE"], "w") as file:
    file.write("-1h")
stepped = time.time() - wall
after = keep_alives()
print(f"keep-alives before: {before}; the clock then went {stepped:.0f} s; keep-alives after: {after}")
assert -3601 < stepped < -3590 and before >= 5 and after == 0, "this has changed"
PY
echo +0 > offset
export FAKETIME_TIMESTAMP_FILE=$folder/offset FAKETIME_NO_CACHE=1 FAKETIME_DONT_FAKE_MONOTONIC=1
LD_PRELOAD=$folder/root/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1 timeout 60 venv/bin/python run.py

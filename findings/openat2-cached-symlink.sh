#!/usr/bin/env bash
# Linux 6.18, openat2(2) with RESOLVE_CACHED (since 5.12): a path that is completely in the cache fails with EAGAIN
# if it contains a symbolic link whose access time has to be updated under relatime, the default of mount(8): one older
# than a day. If the link is followed once without the flag, the time is updated, and the same call succeeds. So a lookup that is
# meant to be fast fails on links that were not used for a day, although nothing has left the cache.
# Seen on ext4: "fresh: opened", "five days old: EAGAIN", "followed once: opened".
set -euo pipefail
folder=$(mktemp -d -p "${FINDINGS_FOLDER:-/var/tmp}"); trap 'rm -rf "$folder"' EXIT
cat > "$folder/run.py" <<'PY'
import ctypes, errno, os, platform, struct, sys, time

libc = ctypes.CDLL(None, use_errno=True)
OPENAT2, AT_FDCWD, RESOLVE_CACHED = 437, -100, 0x20  # the number is the same on all architectures but alpha

def cached(path):
    how = struct.pack("QQQ", os.O_PATH | os.O_CLOEXEC, 0, RESOLVE_CACHED)
    fd = libc.syscall(OPENAT2, AT_FDCWD, path.encode(), how, len(how))
    if fd < 0:
        return errno.errorcode[ctypes.get_errno()]
    os.close(fd)
    return "opened"

os.chdir(sys.argv[1])
os.mkdir("there")
os.symlink("there", "link")
os.stat("link")  # everything is in the cache
seen = [("fresh", cached("link"))]
old = time.time() - 5 * 86400
os.utime("link", (old, old), follow_symlinks=False)
seen.append(("five days old", cached("link")))
seen.append(("again", cached("link")))
os.stat("link")
seen.append(("followed once", cached("link")))
print(f"Linux {platform.release()}:", "; ".join(f"{what}: {how}" for what, how in seen))
assert seen == [("fresh", "opened"), ("five days old", "EAGAIN"), ("again", "EAGAIN"), ("followed once", "opened")]
PY
python3 "$folder/run.py" "$folder"

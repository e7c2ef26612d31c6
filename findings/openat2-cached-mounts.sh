#!/usr/bin/env bash
# Linux 6.18, openat2(2) with RESOLVE_CACHED (since 5.12): a path that is completely in the cache, and that nobody changes, fails
# with EAGAIN while another process makes or ends mounts anywhere on the machine, also in a namespace of its own, as each start of
# a container does. The manual page names only components that are not in the cache. Several calls in a row fail, up to 67 seen,
# because a copy of a namespace takes the kernel's one lock for each mount: a loop with a few tries is not enough, and one without
# an end waits for ever at a path that really is not in the cache.
# Seen with 300 mounts: "alone: 0 of 50000 failed; beside copies of a namespace: 2203 of 500000 failed, up to 20 in a row".
set -euo pipefail
folder=$(mktemp -d -p "${FINDINGS_FOLDER:-/var/tmp}"); trap 'rm -f "$folder/go-on"; wait; rm -rf "$folder"' EXIT
cat > "$folder/run.py" <<'PY'
import ctypes, errno, os, platform, struct, subprocess, sys

libc = ctypes.CDLL(None, use_errno=True)
OPENAT2, AT_FDCWD, RESOLVE_CACHED = 437, -100, 0x20  # the number is the same on all architectures but alpha
CALLS = 500_000

def failures(path, calls=CALLS):
    how = struct.pack("QQQ", os.O_PATH | os.O_CLOEXEC, 0, RESOLVE_CACHED)
    failed = row = longest = 0
    for _ in range(calls):
        fd = libc.syscall(OPENAT2, AT_FDCWD, path, how, len(how))
        if fd >= 0:
            os.close(fd)
            row = 0
            continue
        assert ctypes.get_errno() == errno.EAGAIN
        failed, row = failed + 1, row + 1
        longest = max(longest, row)
    return failed, longest

os.chdir(sys.argv[1])
pinned = open("file", "w")  # its path stays in the cache
path = os.path.abspath("file").encode()
open("go-on", "w").close()
os.mkdir("mounts")
alone = min(failures(path, CALLS // 10)[0] for _ in range(20))  # the machine may have other work with mounts
copies = subprocess.Popen(
    ["unshare", "--user", "--map-root-user", "--mount", "sh", "-ec",
     "for n in $(seq 300); do mkdir $n; mount -t tmpfs none $n; done; echo ready; "
     "while [ -e ../go-on ]; do unshare --mount true; done"], cwd="mounts", stdout=subprocess.PIPE, text=True)
assert copies.stdout.readline() == "ready\n"
beside, longest = failures(path)
os.remove("go-on")
copies.wait()
print(f"Linux {platform.release()}: alone: {alone} of {CALLS // 10} failed; "
      f"beside copies of a namespace: {beside} of {CALLS} failed, up to {longest} in a row")
assert alone == 0 and beside > 20 and longest > 1
PY
python3 "$folder/run.py" "$folder"

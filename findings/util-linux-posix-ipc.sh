#!/usr/bin/env bash
# util-linux 2.41.5 (Debian 13, x86-64, as root; 2.41 is the first release whose ipcmk, lsipc and ipcrm know POSIX queues, shared memory and semaphores):
# - lsipc does not find shared memory by the name under which ipcmk has made it and ipcrm removes it ("/room"), only without the slash,
#   as it lists it; a queue it finds only with the slash. Its exit status is 0 even if it has found nothing.
# - lsipc -Q leaves out queues that the caller may not read, without a word; lsipc -M lists such shared memory.
# - lsipc -M lists a directory in /dev/shm as shared memory, and ipcrm --all=pshm stops at it: what comes behind it stays.
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
chmod 755 "$folder"
cd "$folder"
mkdir -p lists/partial
site=$(apt-get indextargets --format '$(REPO_URI)' | grep -v security | head -1)
echo "deb $site trixie main" > sources
apt=(apt-get -q -o APT::Sandbox::User=root -o "Dir::Etc::SourceList=$folder/sources" -o Dir::Etc::SourceParts=/dev/null -o "Dir::State::Lists=$folder/lists")
{ "${apt[@]}" update && "${apt[@]}" download util-linux=2.41.5-0+deb13u1 libsmartcols1=2.41.5-0+deb13u1 libc6; } > apt.log 2>&1 || { cat apt.log; exit 1; }
for package in *.deb; do dpkg -x "$package" root; done
cat > probe <<'SH'
set -eu
mount -t tmpfs none /dev
mkdir -m 1777 /dev/mqueue /dev/shm
mount -t mqueue none /dev/mqueue
mount -t tmpfs none /dev/shm
libraries=$(dirname "$(find "$PWD/root" -name 'libc.so.6')")
run() { name=$1; shift; "$libraries/ld-linux-x86-64.so.2" --library-path "$libraries" "$PWD/root/usr/bin/$name" "$@" 2>&1; }
as_nobody() { name=$1; shift; setpriv --reuid 65534 --regid 65534 --clear-groups "$libraries/ld-linux-x86-64.so.2" --library-path "$libraries" "$PWD/root/usr/bin/$name" "$@" 2>&1; }
seen=
expect() { # WHAT EXPECTED SEEN
    printf '%s: %s\n' "$1" "$3"
    [ "$2" = "$3" ] || { echo "this has changed; it was: $2"; seen=changed; }
}
run lsipc --version
expect "ipcmk" "POSIX shared memory name: /room" "$(run ipcmk --posix-shmem 1000 --name /room)"
status=0
found=$(run lsipc --posix-shmems --name /room) || status=$?
expect "lsipc --name /room" "lsipc: shm /room not found, status 0" "$found, status $status"
expect "lsipc --name room" "room" "$(run lsipc --posix-shmems --name room | awk '$1 == "Name:" { print $2 }')"
run ipcmk --posix-mqueue --name /queue --mode 0600 > made
run ipcmk --posix-mqueue --name /read-by-all --mode 0644 >> made
expect "lsipc --name queue" "lsipc: mqueue name must start with '/': queue" "$(run lsipc --posix-mqueues --name queue || true)"
names() { sed 1d | awk '{ print $1 }' | sort | tr '\n' ' '; }
expect "queues for root" "/queue /read-by-all " "$(run lsipc --posix-mqueues | names)"
expect "queues for nobody" "/read-by-all " "$(as_nobody lsipc --posix-mqueues | names)"
run ipcmk --posix-shmem 1000 --name /secret --mode 0600 >> made
expect "shared memory for nobody" "room secret " "$(as_nobody lsipc --posix-shmems | names)"
mkdir /dev/shm/folder
run ipcmk --posix-shmem 1000 --name /later >> made
expect "shared memory beside a directory" "folder later room secret " "$(run lsipc --posix-shmems | names)"
expect "ipcrm --all=pshm" "ipcrm: name failed: Is a directory" "$(run ipcrm --all=pshm || true)"
expect "what stays" "folder room secret " "$(run lsipc --posix-shmems | names)"
[ -z "$seen" ]
SH
unshare --mount --ipc sh probe

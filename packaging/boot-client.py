"""The clients of packaging/test-boot. Each mode prints what it saw, and fails if a client would expect something else."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time

CHAT = ("127.0.0.1", 33000)
MULTIPLY = ("127.0.0.1", 65432)
MUX = "/run/ipcd/ipcd.sock"
TIMEOUT = 10


class Member:
    """A member of the chat room."""

    def __init__(self, name):
        self.name = name
        self.heard = b""
        self.socket = socket.create_connection(CHAT, timeout=TIMEOUT)
        self.say(name)
        self.hear(f"Welcome {name}!")

    def say(self, text):
        self.socket.sendall(text.encode() + b"\n")

    def hear(self, text):
        """Waits until this text arrives."""
        end = time.monotonic() + TIMEOUT
        while text.encode() not in self.heard:
            if time.monotonic() > end:
                sys.exit(f"{self.name} never heard {text!r} but {self.heard!r}")
            try:
                data = self.socket.recv(4096)
            except OSError as error:
                sys.exit(f"{self.name} waited for {text!r}, heard {self.heard!r}, then: {error}")
            if not data:
                sys.exit(f"{self.name} waited for {text!r}, heard {self.heard!r}, then the end")
            self.heard += data

    def end(self):
        """Reads everything until the end of the connection."""
        try:
            while data := self.socket.recv(4096):
                self.heard += data
        except OSError as error:
            self.heard += f" [{error}]".encode()
        return self.heard.decode()


def run(command):
    started = time.monotonic()
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{command}: status {done.returncode}: {done.stdout}{done.stderr}")
    return time.monotonic() - started


def survive(command):
    """A member that is in the room before the command is still there afterwards, with the same name."""
    alice = Member("alice")
    took = run(command)
    bob = Member("bob")
    alice.say("still here")
    bob.hear("alice: still here")
    alice.hear("bob has joined")
    for sign in (b"shutting down", b"alice has left"):
        if sign in alice.heard + bob.heard:
            sys.exit(f"alice heard {alice.heard!r}, bob {bob.heard!r}")
    for member in (alice, bob):
        member.say("{quit}")
        member.end()
    print(f"{took:.2f} s, and alice is still in the room")


def goodbye(command):
    """A member is told that the server stops."""
    alice = Member("alice")
    took = run(command)
    heard = alice.end()
    if "Server is shutting down." not in heard:
        sys.exit(f"alice heard {heard!r}")
    print(f"{took:.2f} s, and alice was told")


def stream(command):
    """A steady stream of connections while the command runs: each one gets its answer."""
    stop = threading.Event()
    outcomes = {}
    lock = threading.Lock()

    def count(outcome):
        with lock:
            outcomes[outcome] = outcomes.get(outcome, 0) + 1

    def visit(address):
        family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET
        while not stop.is_set():
            with socket.socket(family) as peer:
                peer.settimeout(TIMEOUT)
                try:
                    peer.connect(address)
                    peer.sendall(b"6 7\n")
                    heard = b""
                    while b"42.0\n" not in heard:
                        data = peer.recv(4096)
                        if not data:
                            raise ConnectionError(f"ended after {heard!r}")
                        heard += data
                    count("answered")
                except OSError as error:
                    count(str(error))
            # A steady stream, not a flood: the machine has other work.
            time.sleep(0.002)

    threads = [threading.Thread(target=visit, args=(address,)) for address in (MULTIPLY, MUX, MULTIPLY)]
    for thread in threads:
        thread.start()
    try:
        took = run(command)
        time.sleep(0.3)
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    print(f"{took:.2f} s: {outcomes}")
    if set(outcomes) != {"answered"}:
        sys.exit("not everybody was answered")


def many(number, *command):
    """Many connections from before the command are still open afterwards, and each still gets answers."""
    crowd = [socket.create_connection(MULTIPLY, timeout=TIMEOUT) for _ in range(int(number))]
    for peer in crowd:
        peer.sendall(b"6")
    took = run(command)
    for count, peer in enumerate(crowd):
        peer.sendall(b" 7\n")
        heard = b""
        while b"42.0\n" not in heard:
            try:
                data = peer.recv(4096)
            except OSError as error:
                sys.exit(f"number {count} heard {heard!r}, then: {error}")
            if not data:
                sys.exit(f"number {count} heard {heard!r}, then the end")
            heard += data
    print(f"{took:.2f} s, and {number} are still answered")


def all_instances():
    """The reports of all instances, by their directories."""
    said = subprocess.run(["ipcctl", "status", "--all", "--json"], capture_output=True, text=True)
    if said.returncode or said.stderr:
        sys.exit(f"status --all: {said.returncode}: {said.stderr}")
    # The machine's Python is the minimal one, without json. These reports are also valid Python literals.
    found = eval(said.stdout, {"__builtins__": {}, "true": True, "false": False, "null": None})
    reports = {one["endpoint"].split("/")[-2]: one["report"] for one in found["instances"]}
    return reports, found["sums"]


def ask(peer):
    """Sends a request; False if the connection has ended."""
    try:
        peer.sendall(b"6 7\n")
    except (ConnectionResetError, BrokenPipeError):
        return False
    return True


def is_answered(peer):
    """Whether a request that was sent gets its answer; False if the connection has ended."""
    heard = b""
    try:
        while b"42.0\n" not in heard:
            data = peer.recv(4096)
            if not data:
                return False
            heard += data
    except ConnectionResetError:
        return False
    return True


def crowd(number):
    """Connections that have sent a request."""
    peers = [socket.create_connection(MULTIPLY, timeout=TIMEOUT) for _ in range(number)]
    for peer in peers:
        ask(peer)
    return peers


def count_served(peers):
    """How many get an answer to one more request."""
    return sum(ask(peer) and is_answered(peer) for peer in peers)


def connections(report):
    """The connections of multiply."""
    return [one for one in report["connections"] if one["service"] == "multiply"]


def wait_for(what, look):
    end = time.monotonic() + TIMEOUT
    while not (found := look()):
        if time.monotonic() > end:
            sys.exit(f"timed out waiting: {what}")
        time.sleep(0.05)
    return found


def instances():
    """Two instances on one port: each is reached; one restarts, and one stops."""
    peers = crowd(64)

    def shared():
        reports, sums = all_instances()
        counts = {name: len(connections(report)) for name, report in reports.items()}
        return counts if sum(counts.values()) == 64 and sums["instances"] == 2 else None

    counts = wait_for("64 connections on two instances", shared)
    if not all(is_answered(peer) for peer in peers):
        sys.exit("not everybody was answered")
    if set(counts) != {"ipcd-1", "ipcd-2"} or not all(counts.values()):
        sys.exit(f"not both were reached: {counts}")
    pids = {name: report["pid"] for name, report in all_instances()[0].items()}
    run(["systemctl", "reload", "ipcd@1.service", "ipcd@2.service"])
    run(["systemctl", "restart", "ipcd@1.service"])
    after = {name: report["pid"] for name, report in all_instances()[0].items()}
    if after["ipcd-1"] == pids["ipcd-1"] or after["ipcd-2"] != pids["ipcd-2"]:
        sys.exit(f"the processes were {pids} and are {after}")
    if (served := count_served(peers)) != 64:
        sys.exit(f"{served} of {counts} came through a restart of ipcd@1")
    run(["systemctl", "stop", "ipcd@2.service"])
    left = count_served(peers)
    if left != counts["ipcd-1"]:
        sys.exit(f"{left} are answered after the stop of ipcd@2, of {counts}")
    if not all(is_answered(peer) for peer in crowd(64)):
        sys.exit("not everybody was answered by the one that is left")
    print(f"{counts['ipcd-1']} and {counts['ipcd-2']} connections; none lost by a restart, {left} left after a stop")


def killed():
    """Counts the connections that are lost with the queue of an instance that is killed while it hangs."""
    lost = {}
    for migrates in ("0", "1"):
        with open("/proc/sys/net/ipv4/tcp_migrate_req", "w", encoding="ascii") as setting:
            setting.write(migrates)
        pid = all_instances()[0]["ipcd-2"]["pid"]
        os.kill(pid, signal.SIGSTOP)
        peers = crowd(64)
        os.kill(pid, signal.SIGKILL)
        lost[migrates] = sum(not is_answered(peer) for peer in peers)
        for peer in peers:
            peer.close()
        wait_for("ipcd@2 is back", lambda: all_instances()[0].get("ipcd-2", {}).get("pid", pid) != pid)
    with open("/proc/sys/net/ipv4/tcp_migrate_req", "w", encoding="ascii") as setting:
        setting.write("0")
    if not 0 < lost["0"] < 64 or lost["1"]:
        sys.exit(f"lost: {lost}")
    print(f"{lost['0']} of 64 reset, with net.ipv4.tcp_migrate_req {lost['1']}")


def kept(command):
    """Connections to several instances outlive the command, which restarts them."""
    peers = crowd(64)
    if not all(is_answered(peer) for peer in peers):
        sys.exit("not everybody was answered")
    before = {name: report["pid"] for name, report in all_instances()[0].items()}
    took = run(command)
    after = {name: report["pid"] for name, report in all_instances()[0].items()}
    if before.keys() != after.keys() or set(before.values()) & set(after.values()):
        sys.exit(f"the processes were {before} and are {after}")
    if (served := count_served(peers)) != 64:
        sys.exit(f"{served} of 64 are still answered")
    print(f"{took:.2f} s, and 64 connections to {len(after)} instances are still answered")


def room():
    """A member of one instance reaches those of the other, even after its own instance was restarted."""

    def whole():
        reports = all_instances()[0].values()
        rooms = [report.get("shared_room", {}) for report in reports]
        return len(rooms) == 2 and all(one.get("state") == "whole" and one["machines"] == 2 for one in rooms)

    wait_for("the room is whole on both", whole)
    members = [Member(f"m{number}") for number in range(12)]
    names = {
        name: [one["name"] for one in report["connections"] if one["name"]]
        for name, report in all_instances()[0].items()
    }
    if not all(names.values()):
        sys.exit(f"not both instances have members: {names}")
    here, there = (next(one for one in members if one.name == names[name][0]) for name in ("ipcd-1", "ipcd-2"))
    here.say("from here")
    there.hear(f"{here.name}: from here")
    took = run(["systemctl", "restart", "ipcd@1.service"])
    here.say("still here")
    there.hear(f"{here.name}: still here")
    there.say("and there")
    here.hear(f"{there.name}: and there")
    if b" has left" in there.heard:
        sys.exit(f"somebody left: {there.heard!r}")
    print(f"{ {name: len(of) for name, of in names.items()} } members hear each other; restart {took:.2f} s")


if __name__ == "__main__":
    mode, *rest = sys.argv[1:]
    if mode == "many":
        many(*rest)
    elif mode in ("instances", "killed", "room"):
        {"instances": instances, "killed": killed, "room": room}[mode]()
    else:
        {"survive": survive, "goodbye": goodbye, "stream": stream, "kept": kept}[mode](rest)

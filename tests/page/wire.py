"""Multiply with the wire laid open: `wire.py all URL HOST PORT SOCKET`. What the page says of each mistake is what a program on TCP
sees, and what watch says of it. Says `ok` at the end, or what was expected.
"""
import ast, json, re, socket, sys, time

from browser import ENTER, TIMEOUT, Browser, chromium, fail, without_complaints

URL, HOST, PORT, SOCKET = sys.argv[2:]
ROWS = "[...document.querySelectorAll('#frames p[class]')].map((row) => [row.className, row.querySelector('.hex').textContent, row.querySelector('.text').textContent])"


class Watch:
    """The daemon's hints, by the port of who made the mistake."""

    def __init__(self):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(TIMEOUT)
        self.socket.connect(SOCKET)
        self.lines = self.socket.makefile("rw", encoding="utf-8", newline="\n")
        for word in ("watch", "hints json"):
            print(word, file=self.lines, flush=True)
        self.next()  # that it watches

    def next(self):
        return json.loads(self.lines.readline())

    def until(self, port):
        """The hints before the first one about this port, and that one."""
        others = []
        while not (hint := self.next())["peer"].endswith(f":{port}"):
            others.append(hint)
        return others, hint["text"]


def on_tcp(calls):
    """Does what a program does, and compares what it sees; returns its port."""
    with socket.create_connection((HOST, int(PORT)), timeout=TIMEOUT) as program:
        sends = 0
        for call in calls:
            bytes_of = lambda text: ast.literal_eval(re.search(r"b'.*'", text)[0])
            if call.startswith("send("):
                if sends:
                    time.sleep(0.5)  # what makes two sends of them: a pause that the daemon sees
                sends += 1
                program.sendall(bytes_of(call))
            elif call.startswith("recv()"):
                expected, heard = bytes_of(call), b""
                while len(heard) < len(expected) and (piece := program.recv(len(expected) - len(heard))):
                    heard += piece
                if heard != expected:
                    fail(f"{calls}: {heard!r} in place of {expected!r}")
        return program.getsockname()[1]


def compare(watch, calls, hint):
    """A hint depends on moments that a busy machine may miss: then once more."""
    end = time.monotonic() + TIMEOUT
    while True:
        port = on_tcp(calls)
        if hint is None:
            # No hint before the one about somebody who comes later.
            later = on_tcp(["send(b'5,10\\n')", "recv() == b'Data received\\n'"])
            others, _ = watch.until(later)
            if any(other["peer"].endswith(f":{port}") for other in others):
                fail(f"{calls}: watch says {others}")
            return
        _, told = watch.until(port)
        if told == hint:
            return
        if time.monotonic() > end:
            fail(f"{calls}: watch says {told!r}, the page {hint!r}")


def main(browser):
    browser.open(URL + "#multiply")
    browser.wait("the first focus", "document.querySelector('#mistakes button')")
    browser.run("document.getElementById('numbers').focus(); document.getElementById('numbers').select()")
    browser.type("6 7" + ENTER)
    browser.wait("the result", f"{ROWS}.length === 3")
    expected = [["out", "81 83 ·· ·· ·· ·· 36 20 37", "6 7"],
                ["in", "81 0d 44 61 74 61 20 72 65 63 65 69 76 65 64", "Data received"], ["in", "81 04 34 32 2e 30", "42.0"]]
    if (rows := browser.run(f"return {ROWS}")) != expected:
        fail(f"{rows} in place of {expected}")
    watch = Watch()
    # What is typed has the hint that watch has, as it comes.
    for typed, hint in [("7", "'7' is one number: write both on one line, for example 5 10"), ("6; 7", None), ("multiply 6 7", None)]:
        browser.press("#clear")
        browser.run("document.getElementById('numbers').focus(); document.getElementById('numbers').select()")
        browser.type(typed + ENTER)
        told = browser.wait("the hint", "document.querySelector('#frames .hint')?.textContent").removeprefix("Hint: ")
        said = watch.next()["text"]
        if told != said or hint not in (None, said) or browser.run("return document.getElementById('lesson').textContent") != f"Hint: {said}":
            fail(f"{typed}: the page says {told!r}, watch {said!r}")
    frames = {
        "newline": ["out 5 10", "in Data received", "in 50.0"],
        "one-recv": ["out 5 10", "in Data received"],
        "comma": ["out 5,10", "in Data received", "in Error: expected two numbers, for example: 5 10"],
        "two-sends": ["out 5", "out 10"] + ["in Data received", "in Error: expected two numbers, for example: 5 10"] * 2,
        "c-string": ["out 5 10\\0", "in Data received", "in 50.0"],
    }
    ids = browser.run("return [...document.querySelectorAll('#mistakes button')].map((button) => button.dataset.mistake)")
    if ids != list(frames):
        fail(f"the mistakes are {ids}")
    for mistake, expected in frames.items():
        browser.press("#clear")
        browser.press(f"#mistakes [data-mistake={mistake}]")
        seen = f"{ROWS}.map(([direction, , text]) => `${{direction}} ${{text}}`)"
        browser.wait(f"{mistake}: {expected}", f"JSON.stringify({seen}) === {json.dumps(json.dumps(expected, separators=(',', ':')))}")
        if mistake == "one-recv":
            browser.wait("it has left", "document.querySelector('#frames p:last-child').textContent.includes('The WebSocket is closed')")
        calls = browser.run("return [...document.querySelectorAll('#lesson .calls code')].map((code) => code.textContent)")
        hint = browser.run("return document.querySelector('#lesson q')?.textContent ?? null")
        compare(watch, calls, hint)
    without_complaints(browser)


with chromium() as driver:
    main(Browser(driver))
print("ok")

"""Drives Chromium with chromedriver (WebDriver, W3C), for the tests beside this file."""
import base64, json, os, socket, subprocess, sys, time, urllib.request
from contextlib import contextmanager

ENTER = "\ue007"
TAB = "\ue004"
TIMEOUT = 60  # seconds: far longer than anything takes
PHONE = (390, 844)
PROJECTOR = (1920, 1080)

OPEN = []  # browsers


def fail(what):
    sys.exit(what)


def until(what, look):
    """What `look` returns, once it is something."""
    end = time.monotonic() + TIMEOUT
    while not (seen := look()):
        if time.monotonic() > end:
            fail(f"{what}: not seen")
        time.sleep(0.05)
    return seen


class Browser:
    def __init__(self, driver, size=PHONE, scheme="light", *further):
        width, height = size
        arguments = ["--headless=new", "--no-sandbox", "--disable-gpu", f"--window-size={width},{height}"]
        options = {"args": [*arguments, *further], "prefs": {}}
        wanted = {"capabilities": {"alwaysMatch": {"browserName": "chrome", "goog:chromeOptions": options,
                                                   "goog:loggingPrefs": {"browser": "ALL"}}}}
        self.driver = driver
        self.session = self.ask("POST", "/session", wanted)["sessionId"]
        OPEN.append(self)
        self.resize(width, height)
        self.prefer(scheme)

    def ask(self, method, path, body=None):
        data = json.dumps(body).encode() if body is not None else None
        request = urllib.request.Request(self.driver + path, data=data, method=method)
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)["value"]

    def on(self, method, path, body=None):
        return self.ask(method, f"/session/{self.session}{path}", body)

    def cdp(self, command, parameters):
        return self.on("POST", "/goog/cdp/execute", {"cmd": command, "params": parameters})

    def open(self, url):
        self.on("POST", "/url", {"url": url})

    def run(self, script):
        return self.on("POST", "/execute/sync", {"script": script, "args": []})

    def type(self, text):
        """What somebody types, wherever the focus is."""
        element = self.on("GET", "/element/active")
        self.on("POST", f"/element/{next(iter(element.values()))}/value", {"text": text})

    def wait(self, what, script):
        end = time.monotonic() + TIMEOUT
        while not (seen := self.run(f"return {script}")):
            if time.monotonic() > end:
                fail(f"{what}: not seen; the page: {self.run('return document.body.innerText')!r}")
            time.sleep(0.05)
        return seen

    def wait_for_line(self, text):
        self.wait(text, f"[...document.querySelectorAll('#log p')].some((p) => p.textContent.endsWith({json.dumps(text)}))")

    def resize(self, width, height):
        self.cdp("Emulation.setDeviceMetricsOverride",
                 {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600})

    def prefer(self, scheme):
        self.cdp("Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": scheme}]})

    def wait_for_view(self, name):
        self.wait(f"the view {name}", f"document.querySelector('#view-{name}:not([hidden])')")

    def press(self, selector):
        """A click on what may lie below the visible part."""
        self.run(f"document.querySelector({json.dumps(selector)}).click()")

    def picture(self, path):
        with open(path, "wb") as file:
            file.write(base64.b64decode(self.on("GET", "/screenshot")))

    def complaints(self):
        """What the console of the browser has: blocked code, what is missing."""
        return [entry["message"] for entry in self.on("POST", "/se/log", {"type": "browser"})]

    def key(self, name, text=""):
        """One key, by its name in a browser."""
        code = {"Tab": 9, "Enter": 13, "PageUp": 33, "End": 35}[name]
        for kind in ("keyDown", "keyUp"):
            self.cdp("Input.dispatchKeyEvent", {"type": kind, "key": name, "code": name, "windowsVirtualKeyCode": code,
                                                **({"text": text} if text and kind == "keyDown" else {})})

    def close(self):
        OPEN.remove(self)
        self.on("DELETE", "")


@contextmanager
def chromium():
    """Where to ask for browsers."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    driver = subprocess.Popen(["chromedriver", f"--port={port}"], stdout=subprocess.DEVNULL)
    address = f"http://127.0.0.1:{port}"

    def answers():
        try:
            return urllib.request.urlopen(address + "/status", timeout=5).read()
        except OSError:
            return None

    try:
        until("chromedriver", answers)
        yield address
    finally:
        # A test that fails leaves its browsers to us.
        for browser in [*OPEN]:
            browser.close()
        driver.terminate()
        driver.wait()


def without_complaints(*browsers):
    """Ends browsers whose consoles have nothing to complain of."""
    complaints = [complaint for browser in browsers for complaint in browser.complaints()]
    if complaints:
        fail(f"the browser complains: {complaints}")
    for browser in browsers:
        browser.close()

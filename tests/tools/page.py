"""Two browsers and a line client in one room, by keyboard alone: `page.py meet PAGE_URL CHAT_HOST CHAT_PORT [DIRECTORY]`; or one in a
room with the passphrase `open sesame`, whose connection a command closes: `page.py enter PAGE_URL COMMAND...`.

Drives Chromium with chromedriver (WebDriver, W3C). Says `ok` at the end, or what was expected. With a directory: pictures go there.
"""
import base64, json, os, socket, subprocess, sys, time, urllib.request

MODE, URL, REST = sys.argv[1], sys.argv[2], sys.argv[3:]
PICTURES = REST[2] if MODE == "meet" and len(REST) > 2 else None
ENTER = "\ue007"


class Browser:
    def __init__(self, driver, width, height, scheme="light"):
        arguments = ["--headless=new", "--no-sandbox", "--disable-gpu", f"--window-size={width},{height}"]
        options = {"args": arguments, "prefs": {}}
        wanted = {"capabilities": {"alwaysMatch": {"browserName": "chrome", "goog:chromeOptions": options,
                                                   "goog:loggingPrefs": {"browser": "ALL"}}}}
        self.driver = driver
        self.session = self.ask("POST", "/session", wanted)["sessionId"]
        self.cdp("Emulation.setDeviceMetricsOverride",
                 {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600})
        self.cdp("Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": scheme}]})

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
        end = time.monotonic() + 60
        while not (seen := self.run(f"return {script}")):
            if time.monotonic() > end:
                sys.exit(f"{what}: not seen; the page: {self.run('return document.body.innerText')!r}")
            time.sleep(0.05)
        return seen

    def wait_for_line(self, text):
        self.wait(text, f"[...document.querySelectorAll('#log p')].some((p) => p.textContent.endsWith({json.dumps(text)}))")

    def picture(self, name):
        if PICTURES:
            with open(os.path.join(PICTURES, name), "wb") as file:
                file.write(base64.b64decode(self.on("GET", "/screenshot")))

    def complaints(self):
        """What the console of the browser has: blocked code, what is missing."""
        return [entry["message"] for entry in self.on("POST", "/se/log", {"type": "browser"})]

    def close(self):
        self.on("DELETE", "")


def main():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    driver = subprocess.Popen(["chromedriver", f"--port={port}"], stdout=subprocess.DEVNULL)
    try:
        address = f"http://127.0.0.1:{port}"
        end = time.monotonic() + 60
        while True:
            try:
                urllib.request.urlopen(address + "/status", timeout=5).read()
                break
            except OSError:
                if time.monotonic() > end:
                    raise
                time.sleep(0.1)
        if MODE == "enter":
            enter(Browser(address, 390, 844))
        else:
            meet(Browser(address, 390, 844), Browser(address, 1920, 1080, "dark"))
    finally:
        driver.terminate()
        driver.wait()
    print("ok")


def meet(phone, projector):
    for browser in (phone, projector):
        browser.open(URL)
        browser.wait("the field for the name", "document.getElementById('state').textContent === 'Connected'")
    phone.type("Ann" + ENTER)
    phone.wait("Ann is in", "document.querySelector('#prompt').textContent === 'Your message, Ann'")
    projector.type("Ann" + ENTER)
    projector.wait_for_line("Error: the name 'Ann' is taken; choose another")
    if projector.run("return document.getElementById('line').value") != "Ann":
        sys.exit("the name that was refused is gone")
    projector.run("document.getElementById('line').value = ''")
    projector.type("Ben <b>x" + ENTER)
    projector.wait("a name with markup is refused", "document.querySelectorAll('#log .error').length === 2")
    projector.run("document.getElementById('line').value = ''")
    projector.type("Ben" + ENTER)
    phone.wait_for_line("Ben has joined the chat!")
    with socket.create_connection((REST[0], int(REST[1]))) as nc:
        lines = nc.makefile("rw", encoding="utf-8", newline="\n")
        print("carol", file=lines, flush=True)
        for browser in (phone, projector):
            browser.wait_for_line("carol has joined the chat!")
        print("<img src=x onerror=alert(1)> & hello", file=lines, flush=True)
        for browser in (phone, projector):
            browser.wait_for_line("carol: <img src=x onerror=alert(1)> & hello")
            if browser.run("return document.querySelectorAll('#log img').length"):
                sys.exit("a message has become markup")
        print("eve has joined the chat!", file=lines, flush=True)
        phone.wait_for_line("carol: eve has joined the chat!")
        projector.type("good morning" + ENTER)
        phone.wait_for_line("Ben: good morning")
        projector.type("/me waves" + ENTER)
        phone.wait_for_line("* Ben waves")
        projector.type("/msg Ann just for you" + ENTER)
        phone.wait_for_line("Ben (to you): just for you")
        while not lines.readline().startswith("* Ben waves"):
            pass
        members = "[...document.querySelectorAll('#members button')].map((b) => b.textContent).join()"
        phone.wait("who is there", f"{members} === 'Ann,Ben,carol'")
        projector.wait("who is there", f"{members} === 'Ann,Ben,carol'")
        if phone.run("return document.documentElement.scrollWidth > innerWidth"):
            sys.exit("a phone would have to scroll sideways")
        phone.picture("phone.png")
        projector.picture("projector.png")
        lines.close()
    phone.wait_for_line("carol has left the chat.")
    complaints = phone.complaints() + projector.complaints()
    if complaints:
        sys.exit(f"the browser complains: {complaints}")
    phone.close()
    projector.close()


def enter(browser):
    is_in = "document.querySelector('#prompt').textContent === 'Your message, Ann'"
    asks = "document.querySelector('#prompt').textContent === 'The passphrase of this room'"
    browser.open(URL)
    browser.wait("the field for the name", "document.getElementById('state').textContent === 'Connected'")
    browser.type("Ann" + ENTER)
    browser.wait("the question", asks)
    browser.type("open, please" + ENTER)
    browser.wait_for_line("Error: wrong passphrase; try again")
    browser.wait("the question again", asks)
    if browser.run("const line = document.getElementById('line'); return line.type + line.value") != "password":
        sys.exit("the next try could be read")
    browser.type("open sesame" + ENTER)
    browser.wait("Ann is in", is_in)
    subprocess.run(REST, check=True, stdout=subprocess.DEVNULL)
    browser.wait("the question after the connection was lost", asks)
    browser.type("open sesame" + ENTER)
    browser.wait("Ann is in again", is_in)
    browser.close()


main()

"""What holds for all of the page: `rules.py all URL`. Every sentence is from the file of texts, and neither inline code nor anything from
elsewhere is taken. Says `ok` at the end, or what was expected.
"""
import json, os, re, sys, threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

from browser import Browser, chromium, fail

URL = sys.argv[2]
WEB = os.path.join(os.path.dirname(__file__), "..", "..", "web")
VIEWS = ["chat", "multiply", "machines", "join", "teacher"]
# A program's name, and what is code.
SAME = {"ipcd"}


class Translated(SimpleHTTPRequestHandler):
    """The files as they are, with every text between marks, as another language would have it."""

    def __init__(self, *arguments):
        super().__init__(*arguments, directory=WEB)

    def do_GET(self):
        if self.path != "/texts.js":
            return super().do_GET()
        with open(os.path.join(WEB, "texts.js"), encoding="utf-8") as file:
            texts = re.sub(r"""^(  \w+: )(['"])(.*)\2,$""", r"\1\2⟦\3⟧\2,", file.read(), flags=re.M)
        if texts.count("⟦") < 100:
            fail("the texts cannot be read")
        self.send_response(200)
        self.send_header("Content-Type", "text/javascript; charset=utf-8")
        self.end_headers()
        self.wfile.write(texts.encode())

    def log_message(self, *_):
        pass


def translated(browser):
    server = ThreadingHTTPServer(("127.0.0.1", 0), Translated)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    browser.open(f"http://127.0.0.1:{server.server_port}/")
    for view in VIEWS:
        browser.run(f"location.hash = '#{view}'")
        browser.wait_for_view(view)
        browser.wait("its title", f"document.title.startsWith('⟦') && document.title.endsWith('⟧ · ipcd')")
    browser.wait("the buttons", "document.querySelector('#mistakes button')")
    browser.press("#mistakes button")
    told = browser.run("""
        const told = [], walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT | NodeFilter.SHOW_ELEMENT);
        for (let node = walker.nextNode(); node; node = walker.nextNode()) {
          if (node.nodeType === 1) told.push(...['aria-label', 'title', 'placeholder', 'alt'].map((name) => node.getAttribute(name)));
          else if (!node.parentElement.closest('pre, code, time, noscript')) told.push(node.data);
        }
        return told.filter((text) => text?.trim());""")
    if len(told) < 60:
        fail(f"so little is to be seen: {told}")
    for text in told:
        rest = re.sub("⟦.*?⟧", "", text, flags=re.S)
        if re.search(r"\w", rest) and text.strip() not in SAME:
            fail(f"{text!r} is not from texts.js")
    server.shutdown()


def strict(browser):
    """Code in the document, and what is elsewhere, is refused by the browser itself."""
    browser.open(URL)
    refused = browser.on("POST", "/execute/async", {"args": [], "script": """
        const [done] = arguments, refused = new Set();
        document.addEventListener('securitypolicyviolation', ({ effectiveDirective }) => {
          refused.add(effectiveDirective);
          if (refused.size === 6) done([...refused].sort());
        });
        const add = (tag, more) => document.body.append(Object.assign(document.createElement(tag), more));
        add('script', { textContent: 'window.taken = 1' });
        document.body.setAttribute('onclick', 'window.taken = 1');
        document.body.setAttribute('style', 'color: red');
        add('img', { src: 'https://elsewhere.example/x.png' });
        add('iframe', { src: 'https://elsewhere.example/' });
        fetch('https://elsewhere.example/').catch(() => {});
        document.body.click();"""})
    expected = ["connect-src", "frame-src", "img-src", "script-src-attr", "script-src-elem", "style-src-attr"]
    if refused != expected or browser.run("return window.taken ?? null"):
        fail(f"{refused} in place of {expected}")
    if cookies := browser.on("GET", "/cookie"):
        fail(f"there are cookies: {cookies}")


with chromium() as driver:
    browser = Browser(driver)
    translated(browser)
    strict(browser)
    browser.close()
print("ok")

"""The teacher's view: `teacher.py all URL HOST IPCCTL UNIX`. Says `ok` at the end, or what was expected."""
import json, os, socket, subprocess, sys

from browser import ENTER, TIMEOUT, PROJECTOR, Browser, chromium, fail, without_complaints

URL, HOST, IPCCTL, UNIX = sys.argv[2:]
STATE = "document.getElementById('teacher-state').textContent"
DESK = "!document.getElementById('desk').hidden"


def page(*options):
    done = subprocess.run([IPCCTL, "--to", UNIX, "page", *options], check=True, capture_output=True, text=True)
    return done.stdout.split()


class Line:
    def __init__(self, port, *said, source=""):
        self.socket = socket.create_connection((HOST, port), timeout=TIMEOUT, source_address=(source, 0))
        self.lines = self.socket.makefile("rw", encoding="utf-8", newline="\n")
        self.say(*said)

    def say(self, *said):
        for line in said:
            print(line, file=self.lines, flush=True)

    def hear(self, expected):
        while (line := self.lines.readline()) != expected + "\n":
            if not line:
                fail(f"{expected!r} is not heard")


def is_in_list(selector, text):
    return f"[...document.querySelectorAll('{selector}')].some((item) => item.textContent.includes({json.dumps(text)}))"


def refuse(browser, token):
    """Nobody without the token is told anything, and who has it may give no order."""
    if page() != [URL]:
        fail(f"ipcctl page says {page()}, not {URL}")
    browser.open(URL + "#teacher=wrong")
    browser.wait("the refusal", f"{STATE}.startsWith('Error: wrong token')")
    if browser.run(f"return {DESK} || document.getElementById('token-form').hidden"):
        fail("the view is open")
    script = """
        const [token, service, said, done] = arguments, heard = [];
        const socket = new WebSocket(`ws://${location.host}/${service}`);
        socket.onopen = () => [token, said].forEach((text) => socket.send(text));
        socket.onmessage = ({ data }) => { heard.push(data); if (heard.length === 2) socket.close(); };
        socket.onclose = () => done(heard);"""
    ask = lambda *arguments: browser.on("POST", "/execute/async", {"script": script, "args": list(arguments)})
    for service in ("status", "watch", "control"):
        heard = ask("wrong", service, "status")
        if len(heard) != 1 or not heard[0].startswith("Error: wrong token"):
            fail(f"{service}: {heard}")
    for order in ("reload", "token", "kick ann", "close 127.0.0.1"):
        heard = ask(token, "control", order)
        if heard != ["OK", "Error: a client of the page may only use say"]:
            fail(f"{order}: {heard}")


def same_order(browser):
    """The class is in the order that ipcctl class has: one table of cases is for both."""
    with open(os.path.join(os.path.dirname(__file__), "class.json"), encoding="utf-8") as file:
        cases = json.load(file)
    found = browser.on("POST", "/execute/async", {"args": [cases], "script": """
        const [cases, done] = arguments;
        import('/class.js').then(({ sorted, trouble }) => done(cases.map(({ clients }) => {
          const order = sorted(clients);
          return { order: order.map(({ client }) => client), troubles: order.map((client) => trouble(client)?.text ?? null) };
        })));"""})
    for case, order in zip(cases, found, strict=True):
        if order != {"order": case["order"], "troubles": case["troubles"]}:
            fail(f"{case['name']}: {order}")


def filters(browser, student):
    """One service, and one address, among the connections and among what happens."""
    pick = lambda service, address: browser.run(
        f"document.getElementById('only-service').value = {json.dumps(service)};"
        f"document.getElementById('only-address').value = {json.dumps(address)};"
        "document.getElementById('filter').dispatchEvent(new Event('input'))")
    rows = "[...document.querySelectorAll('#connections tbody tr')]"
    other = Line(65432, source="127.0.0.9")
    pick("multiply", "")
    kinds = f"{rows}.map((row) => row.cells[2].textContent).sort().join()"
    browser.wait("each with its kind", f"{kinds} === 'line,–'")
    pick("", "127.0.0.9")
    browser.wait("one address", f"{rows}.length === 1 && {rows}[0].cells[0].textContent.startsWith('127.0.0.9:')")
    student.say("1 2")
    student.hear("2.0")
    other.say("3 4")
    other.hear("12.0")
    browser.wait("what that address does", is_in_list("#events p", "message: 3 4"))
    browser.wait("its traffic", f"{rows}[0].cells[4].textContent === '1 / 2'")
    if browser.run("return " + is_in_list("#events p", "message: 1 2")):
        fail("what another address does is shown too")
    pick("", "")


def limits(browser):
    """A limit that somebody has reached."""
    if browser.run("return document.getElementById('limits').textContent") != "None.":
        fail("a limit is reached already")
    first, second = Line(8080), Line(8080)
    second.hear("Error: too many connections, try again later")
    browser.wait("the limit", "document.getElementById('limits').textContent === 'hello: connections refused: 1'")
    first.socket.close()


def main(browser):
    token = page("--teacher")[0].partition("#teacher=")[2]
    if len(token) != 32:
        fail(f"the token is {token!r}")
    refuse(browser, token)
    browser.run("document.getElementById('token').focus()")
    browser.type(token + ENTER)
    browser.wait("the view", f"{DESK} && {STATE}.startsWith('Watching')")
    browser.open("about:blank")
    browser.open(f"{URL}#teacher={token}")
    browser.wait("the view by its address", f"{DESK} && {STATE}.startsWith('Watching')")
    if browser.run("return location.hash") != "#teacher":
        fail("the token is still to be seen")
    browser.on("POST", "/refresh", {})
    browser.wait("the view after a reload", f"document.getElementById('desk') && {DESK} && {STATE}.startsWith('Watching')")
    same_order(browser)
    student = Line(65432, "5,10")
    student.hear("Error: expected two numbers, for example: 5 10")
    browser.wait("who fails and why", is_in_list("#failing li", "'5,10' has a comma between its numbers"))
    browser.wait("its hint among what happens", is_in_list("#events .hint", "has a comma"))
    browser.wait("its hint beside its connection", is_in_list("#connections td", "has a comma"))
    student.say("5 10")
    student.hear("50.0")
    browser.wait("who fails no longer", "document.querySelectorAll('#failing li').length === 1")
    ann, bob = Line(33000, "ann"), Line(33000, "bob")
    for member in (ann, bob):
        member.hear("Welcome ann! If you ever want to quit, type {quit} to exit." if member is ann
                    else "Welcome bob! If you ever want to quit, type {quit} to exit.")
    ann.say("good <i>morning</i>", "/msg bob the key is 4711", "/me waves")
    bob.hear("* ann waves")
    browser.wait("what she said", is_in_list("#events p", "good <i>morning</i>"))
    browser.wait("a whisper's length", is_in_list("#events p", "(private, "))
    browser.wait("the members' names", is_in_list("#connections th", "ann · "))
    browser.run("document.getElementById('only-service').value = 'chat';"
                "document.getElementById('filter').dispatchEvent(new Event('input'))")
    browser.wait("the room's connections alone", "[...document.querySelectorAll('#connections tbody tr')].length === 2")
    filters(browser, student)
    limits(browser)
    browser.run("document.getElementById('sentence').focus()")
    browser.type("five more minutes" + ENTER)
    bob.hear("[teacher] five more minutes")
    browser.wait("that it was said", f"{STATE} === 'OK: sent to 2 members'")
    browser.wait("what she did", is_in_list("#events p", "/me waves"))
    browser.run("URL.createObjectURL = (blob) => { blob.text().then((text) => { window.saved = text; }); return 'about:blank#'; };"
                "HTMLAnchorElement.prototype.click = () => {}; document.getElementById('transcript').click()")
    saved = browser.wait("the transcript", "window.saved")
    for line in ("ann: good <i>morning</i>", "ann: (private, ", "* ann waves", "five more minutes"):
        if line not in saved:
            fail(f"{line!r} is not in the transcript: {saved}")
    shown = browser.run("return document.body.textContent") + saved
    if "4711" in shown or token in shown or browser.run("return document.querySelectorAll('#view-teacher i').length"):
        fail("what is private is shown, or text has become markup")
    without_complaints(browser)


with chromium() as driver:
    main(Browser(driver, PROJECTOR))
print("ok")

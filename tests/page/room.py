"""The room in browsers: `room.py meet URL CHAT_HOST CHAT_PORT`, two browsers and a line client, by keyboard alone;
`room.py details URL CHAT_HOST CHAT_PORT`, a room with a history, as a screen reader and a keyboard have it; `room.py enter URL COMMAND...`, a room with the passphrase `open sesame`, whose connection the command closes; `room.py restart URL
IPCD CONFIG`, over a restart of the daemon; `room.py many URL CHAT_HOST CHAT_PORT`, thousands of lines. Says `ok` at the end, or
what was expected.
"""
import json, socket, subprocess, sys, time

from browser import ENTER, TIMEOUT, PHONE, PROJECTOR, TAB, Browser, chromium, fail, until, without_complaints

MODE, URL, REST = sys.argv[1], sys.argv[2], sys.argv[3:]


def enter_page(browser):
    browser.open(URL)
    browser.wait("the field for the name", "document.getElementById('state').textContent === 'Connected'")


def join(browser, name):
    enter_page(browser)
    browser.type(name + ENTER)
    browser.wait(f"{name} is in", f"document.querySelector('#prompt').textContent === 'Your message, {name}'")


def meet(phone, projector):
    for browser in (phone, projector):
        enter_page(browser)
    phone.type("Ann" + ENTER)
    phone.wait("Ann is in", "document.querySelector('#prompt').textContent === 'Your message, Ann'")
    projector.type("Ann" + ENTER)
    projector.wait_for_line("Error: the name 'Ann' is taken; choose another")
    if projector.run("return document.getElementById('line').value") != "Ann":
        fail("the name that was refused is gone")
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
                fail("a message has become markup")
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
            fail("a phone would have to scroll sideways")
        lines.close()
    phone.wait_for_line("carol has left the chat.")
    without_complaints(phone, projector)


def details(browser):
    with socket.create_connection((REST[0], int(REST[1]))) as nc:
        lines = nc.makefile("rw", encoding="utf-8", newline="\n")

        def say(*said):
            for line in said:
                print(line, file=lines, flush=True)

        say("bob", "first", "/me yawns")
        until("bob has spoken", lambda: lines.readline().startswith("* bob yawns"))
        join(browser, "Ann")
        browser.wait_for_line("* bob yawns")
        row = "[...document.querySelectorAll('#log p')].map((p) => [p.className, p.textContent.replace(p.firstChild.textContent, ''), p.firstChild.tagName, p.firstChild.dateTime ?? p.firstChild.textContent])"
        expected = [["said", "bob: first", "SMALL", "earlier"], ["action", "* bob yawns", "SMALL", "earlier"]]
        if (rows := browser.run(f"return {row}")) != expected:
            fail(f"the history is {rows}, not {expected}")
        browser.type("hello" + ENTER)
        browser.wait_for_line("Ann: hello")
        kind, _, tag, when = browser.run(f"return {row}")[-1]
        age = browser.run(f"return Date.now() - Date.parse({json.dumps(when)})")
        if (kind, tag) != ("said own", "TIME") or not 0 <= age < 1000 * TIMEOUT:
            fail(f"her line is {kind} of {when}")
        say("/msg Ann psst")
        browser.wait("a whisper is marked", "document.querySelector('#log .whisper b')?.textContent === 'bob (to you)'")
        title(browser, say)
        by_keyboard(browser, lines)
        as_heard(browser)
    without_complaints(browser)


def title(browser, say):
    """What is unread is counted, whatever other view is seen."""
    for view, name, count in (("multiply", "Multiply", 1), ("machines", "Machines", 2)):
        browser.run(f"location.hash = '#{view}'")
        browser.wait_for_view(view)
        say(f"unread in {view}")
        browser.wait(f"{count} unread", f"document.title === '({count}) {name} · ipcd'")
    browser.run("location.hash = '#chat'")
    browser.wait("they are read", "document.title === 'Chat · ipcd'")


def by_keyboard(browser, lines):
    """A whisper to somebody in the list, and a look at older lines, without a mouse."""
    browser.run("document.querySelector('nav a').focus()")
    reached = []
    for _ in range(30):
        browser.key("Tab")
        reached.append(browser.run("return document.activeElement.id || document.activeElement.textContent"))
        if reached[-1] == "bob":
            break
    if not {"log", "line", "send", "bob"} <= set(reached):
        fail(f"the Tab key reaches {reached}")
    browser.key("Enter", "\r")
    browser.wait("the whisper is begun", "document.activeElement.id === 'line' && document.activeElement.value === '/msg bob '")
    browser.type("by hand" + ENTER)
    until("bob hears it", lambda: lines.readline() == "Ann (to you): by hand\n")
    browser.wait_for_line("you (to bob): by hand")
    for number in range(60):
        print(f"line {number}", file=lines, flush=True)
    browser.wait_for_line("bob: line 59")
    browser.wait("it follows", "(({ scrollTop, scrollHeight, clientHeight }) => scrollHeight - scrollTop - clientHeight < 40)(document.getElementById('log'))")
    browser.run("document.getElementById('log').focus()")
    browser.key("PageUp")
    browser.wait("older lines", "(({ scrollTop, scrollHeight, clientHeight }) => scrollHeight - scrollTop - clientHeight > 40)(document.getElementById('log'))")
    print("while she reads", file=lines, flush=True)
    browser.wait("the way back is shown", "!document.getElementById('newest').hidden")


def as_heard(browser):
    """What a screen reader is told: names, roles, and what speaks by itself."""
    nodes = browser.cdp("Accessibility.getFullAXTree", {})["nodes"]
    told = {}
    for node in nodes:
        if not node.get("ignored"):
            properties = {one["name"]: one["value"].get("value") for one in node.get("properties", [])}
            key = (node["role"]["value"], node.get("name", {}).get("value", ""))
            told[key] = (node.get("description", {}).get("value", ""), properties.get("live"))
    for key, description, live in [
        (("log", "Messages"), "", "polite"),
        (("textbox", "Your message, Ann"), "/me waves", None),
        (("status", ""), "", "polite"),
        (("navigation", "Views"), "", None),
        (("button", "bob"), "Whisper to bob", None),
        (("heading", "In the room (2)"), "", None),
        (("button", "Send"), "", None),
    ]:
        if key not in told or not told[key][0].startswith(description) or live and told[key][1] != live:
            fail(f"{key} is told as {told.get(key)} among {sorted(told)}")


def enter(browser):
    is_in = "document.querySelector('#prompt').textContent === 'Your message, Ann'"
    asks = "document.querySelector('#prompt').textContent === 'The passphrase of this room'"
    enter_page(browser)
    browser.type("Ann" + ENTER)
    browser.wait("the question", asks)
    browser.type("open, please" + ENTER)
    browser.wait_for_line("Error: wrong passphrase; try again")
    browser.wait("the question again", asks)
    if browser.run("const line = document.getElementById('line'); return line.type + line.value") != "password":
        fail("the next try could be read")
    browser.type("open sesame" + ENTER)
    browser.wait("Ann is in", is_in)
    subprocess.run(REST, check=True, stdout=subprocess.DEVNULL)
    browser.wait("the question after the connection was lost", asks)
    browser.type("open sesame" + ENTER)
    browser.wait("Ann is in again", is_in)
    browser.close()


def restart(driver):
    """The daemon stops while somebody types: the line stays, the page says so, and comes back by itself, once."""
    def start():
        daemon = subprocess.Popen([REST[0], "--config", REST[1]], stderr=subprocess.PIPE, text=True)
        for line in daemon.stderr:
            if "is ready" in line:
                return daemon
        fail("the daemon does not start")

    daemon = start()
    browser = Browser(driver)
    try:
        join(browser, "Ann")
        browser.type("before" + ENTER)
        browser.wait_for_line("Ann: before")
        browser.type("half a li")
        daemon.terminate()
        daemon.wait()
        browser.wait("a note", "document.querySelector('#state.lost').textContent.startsWith('Connection lost.')")
        browser.type("ne" + ENTER)
        browser.wait_for_line("Not sent: there is no connection. Your line is still there.")
        daemon = start()
        browser.wait("Ann is in again", "document.querySelector('#prompt').textContent === 'Your message, Ann'")
        browser.wait_for_line("Connected again.")
        if browser.run("return document.getElementById('line').value") != "half a line":
            fail("what was typed is gone")
        browser.type(ENTER)
        browser.wait_for_line("Ann: half a line")
        browser.type("{quit}" + ENTER)
        browser.wait("the farewell", "document.querySelector('#state').textContent.startsWith('You have left')")
    finally:
        daemon.terminate()
        daemon.wait()
    browser.close()


def many(driver):
    """Thousands of lines: all come, few stay, and the page is still quick. What comes from others is no trap."""
    browser = Browser(driver)
    join(browser, "Ann")
    with socket.create_connection((REST[0], int(REST[1]))) as nc:
        lines = nc.makefile("rw", encoding="utf-8", newline="\n")
        print("bob", file=lines, flush=True)
        browser.wait_for_line("bob has joined the chat!")
        links(browser, lines)
        browser.run("document.querySelector('nav a[href=\"#multiply\"]').click()")
        browser.wait_for_view("multiply")
        print("psst", file=lines, flush=True)
        browser.wait("unread messages are counted", "document.title.startsWith('(1) ')")
        browser.run("document.querySelector('nav a[href=\"#chat\"]').click()")
        browser.wait("they are read", "document.title === 'Chat · ipcd'")
        for number in range(12_000):
            print(f"line {number}", file=lines)
        lines.flush()
        browser.wait_for_line("bob: line 11999")
        count = browser.run("return document.querySelectorAll('#log p').length")
        if count != 5000:
            fail(f"{count} lines are kept, not 5000")
        # A letter typed beside them: the time to the next frame but one.
        took = browser.on("POST", "/execute/async", {"args": [], "script": """
            const [done] = arguments, begun = performance.now();
            document.getElementById('line').value += 'x';
            document.getElementById('log').scrollTop = 0;
            requestAnimationFrame(() => requestAnimationFrame(() => done(performance.now() - begun)));"""})
        print(f"two frames beside 5000 lines: {took:.0f} ms", file=sys.stderr)
        if took > 2000:
            fail(f"two frames take {took} ms")
    browser.close()


def links(browser, lines):
    for text, href in [
        ("see https://example.org/a?b=c#d, soon", "https://example.org/a?b=c#d"),
        ("http://127.0.0.1:8000/", "http://127.0.0.1:8000/"),
        ("https://bank.example@evil.example/", None),
        ("https://xn--bnk-example.example/", None),
        ("https://b\u0430nk.example/", None),
        ("https://example.org\u0430/", None),
        ("javascript:alert(1) data:text/html,x file:///etc/passwd", None),
        ("https:example.org https://0x7f000001/ https://example.org\\\\@evil.example", None),
    ]:
        print(text, file=lines, flush=True)
        browser.wait_for_line(f"bob: {text}")
        found = browser.run("return [...document.querySelectorAll('#log p:last-child a')].map((a) => [a.href, a.rel, a.textContent])")
        expected = [] if href is None else [[href, "noopener noreferrer nofollow", href]]
        if found != expected:
            fail(f"{text!r} leads to {found}")


with chromium() as driver:
    match MODE:
        case "meet":
            meet(Browser(driver), Browser(driver, PROJECTOR, "dark"))
        case "details":
            details(Browser(driver, PROJECTOR))
        case "enter":
            enter(Browser(driver))
        case "restart":
            restart(driver)
        case "many":
            many(driver)
        case _:
            fail(f"unknown: {MODE}")
print("ok")

"""The way in, on a machine that only loopback reaches: `join.py all URL IPCD`. What the page says to write into the configuration is what
the daemon takes. Says `ok` at the end, or what was expected.
"""
import os, subprocess, sys, tempfile

from browser import Browser, chromium, fail, without_complaints

URL, IPCD = sys.argv[2:]


def main(browser):
    browser.open(URL + "#join")
    browser.wait("what to do", "document.getElementById('only-here')?.offsetHeight && document.getElementById('listen').textContent")
    if browser.run("return document.querySelectorAll('#addresses li').length"):
        fail("it offers an address that nobody else reaches")
    told = browser.run("return document.getElementById('listen').textContent")
    if told != '[page]\nlisten = ["http://0.0.0.0:33080"]':
        fail(told)
    with tempfile.TemporaryDirectory() as directory:
        file = os.path.join(directory, "ipcd.toml")
        with open(file, "w", encoding="utf-8") as config:
            config.write(told + "\n")
        checked = subprocess.run([IPCD, "--config", file, "--check"], capture_output=True, text=True)
        if checked.returncode or not checked.stdout.startswith("OK: "):
            fail(f"{checked}")
    without_complaints(browser)


with chromium() as driver:
    main(Browser(driver))
print("ok")

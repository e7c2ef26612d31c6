"""Machines that report, live: `machines.py all URL`. Says `ok` at the end, or what was expected."""
import json, socket, subprocess, sys
from urllib.parse import urlsplit

from browser import PROJECTOR, Browser, chromium, fail, without_complaints

URL = sys.argv[2]
STATS = 33001


def main(browser):
    browser.open(URL + "#machines")
    browser.wait("nobody yet", "document.getElementById('machines-state').textContent === 'No machine has reported yet.'")
    with socket.create_connection((urlsplit(URL).hostname, STATS)) as connection:
        lines = connection.makefile("rw", encoding="utf-8", newline="\n")

        def report(host, cpu, memory, load):
            figures = {"host": host, "cpu_percent": cpu, "virtual_memory": {"percent": memory}, "getloadavg": [load, 1, 1]}
            print(json.dumps(figures), file=lines, flush=True)
            if (said := lines.readline()) != "Data received\n":
                fail(said)

        report("pc7", 37.4, 41, 0.5)
        report("<b>pc8</b>", None, 5, 2)
        values = "[...document.querySelectorAll('.machine')].map((li) => [li.querySelector('h3').textContent, ...[...li.querySelectorAll('.value')].map((value) => value.textContent)].join())"
        browser.wait("two machines", f"JSON.stringify({values}) === JSON.stringify(['<b>pc8</b>,–,5 %,2.00', 'pc7,37 %,41 %,0.50'])")
        report("pc7", 90, 42, 1.5)
        browser.wait("the next figures", f"{values}[1] === 'pc7,90 %,42 %,1.50'")
        browser.wait("both in the charts", "document.querySelectorAll('.machine')[1].querySelector('polyline').getAttribute('points').split(' ').length >= 2")
        label = browser.run("return document.querySelectorAll('.machine')[1].querySelector('svg').getAttribute('aria-label')")
        if label != "pc7: Processor, over time from 37 % to 90 %":
            fail(label)
    example = browser.run("return document.getElementById('report').textContent")
    if "ipcctl --to tcp://" not in example or "python3 -c" not in example:
        fail(example)
    # The line of Python that the page shows.
    subprocess.run(example[example.index("python3"):], shell=True, check=True)
    browser.wait("the machine that ran it", f"{values}.length === 3")
    without_complaints(browser)


with chromium() as driver:
    main(Browser(driver, PROJECTOR))
print("ok")

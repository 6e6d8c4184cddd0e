#!/usr/bin/python3
"""The page of truce replay --report in a browser without a window: that its script runs, what it draws, and what hands do to it."""
import json
import os
import re
import shutil
import struct
import subprocess
import tempfile
import zlib

from harness import TRUCE, check, expect, run_tests, test

EVIL = "<script>alert(1)</script>"
SCENARIO = {
    "scenario": f"keys that look like {EVIL}, and bytes that are no text",
    "datacenters": {"us": {"nodes": 2, "priority": 20}, "eu": {"nodes": 2, "priority": 10}, "ap": {}},
    "links": {"*": {"latency": "40ms"}},
    "tables": {"*": {"conflict": "record"}},
    "seed": 7,
    "steps": [
        {"at": "0s", "dc": "us", "do": f"SET '{EVIL}' \"\\xff\\xfe</script>\""},
        {"at": "500ms", "cut": "us ap | eu"},
        {"at": "600ms", "dc": "us", "do": f"SET '{EVIL}' '<img src=x onerror=alert(2)>'"},
        {"at": "700ms", "dc": "eu", "do": f"SET '{EVIL}' \"\\xc3\\x28\""},
        {"at": "800ms", "cut": "us > ap"},
        {"at": "1s", "kill": "us-2"},
        {"at": "2s", "start": "us-2"},
        {"at": "3s", "heal": "*"},
        {"settle": "10s"},
        {"expect": "conflicts *", "count": 1},
        {"expect": "GET nothing", "is": "<b>something</b>"}]}

folder = tempfile.mkdtemp(prefix="truce-report-")


def browser(page, *arguments):
    """The document after its script has run, and what the browser's console said."""
    chromium = shutil.which("chromium")
    check(chromium, "chromium is not installed (deploy/packages)")
    flags = ["--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr", "--hide-scrollbars", f"--user-data-dir={folder}/profile",
             "--virtual-time-budget=3000"]
    run = subprocess.run([chromium, *flags, *arguments, f"file://{page}"], capture_output=True, text=True, timeout=120, check=False)
    return run.stdout, [line for line in run.stderr.splitlines() if "CONSOLE" in line]


def report():
    """A page of a play that fails at its last expectation; made once."""
    page = os.path.join(folder, "out.html")
    if not os.path.exists(page):
        scenario = os.path.join(folder, "evil.json")
        with open(scenario, "w", encoding="utf-8") as f:
            json.dump(SCENARIO, f)
        run = subprocess.run([TRUCE, "replay", scenario, "--report", page], capture_output=True, text=True, timeout=120, check=False)
        expect(run.returncode, 1, run.stdout + run.stderr)
    return page


def drawn(document):
    """The picture that the script drew."""
    found = re.search(r'<svg id="drawn".*?</svg>', document, re.S)
    check(found, "the script drew nothing")
    return found.group(0)


def count(text, kind):
    return len(re.findall(rf'class="{kind}[ "]', text))


# A browser without a window paints no frames of its own accord.
HANDS = """
        window.requestAnimationFrame = call => setTimeout(call, 0);
        const svg = document.getElementById('drawn'), seen = {};
        const wait = () => new Promise(done => setTimeout(done, 50));
"""


def with_hands(script):
    """The page with a further script of its own, which moves it as hands do and leaves what it saw in the title."""
    with open(report(), encoding="utf-8") as f:
        page = f.read()
    nonce = re.search(r"nonce='([0-9a-f]{16})'", page).group(1)
    path = os.path.join(folder, "hands.html")
    with open(path, "w", encoding="utf-8") as f:
        f.write(page.replace("</body>", f"<script nonce='{nonce}'>\n(async () => {{\n{HANDS}{script}\n}})();\n</script>\n</body>"))
    document, console = browser(path, "--window-size=1280,1000", "--dump-dom")
    expect(console, [])
    return json.loads(re.search(r"<title>(.*?)</title>", document, re.S).group(1).replace("&amp;", "&").replace("&lt;", "<").replace("&gt;", ">"))


def pixels(path):
    """Width, height, and the different colours of a PNG of eight-bit RGB or RGBA."""
    with open(path, "rb") as f:
        data = f.read()
    expect(data[:8], b"\x89PNG\r\n\x1a\n", "a PNG")
    width, height, depth, kind = struct.unpack(">IIBB", data[16:26])
    expect(depth, 8)
    body, at = b"", 8
    while at < len(data):
        size, name = struct.unpack(">I4s", data[at:at + 8])
        body += data[at + 8:at + 8 + size] if name == b"IDAT" else b""
        at += 12 + size
    step = {2: 3, 6: 4}[kind]
    raw, row_bytes = zlib.decompress(body), width * step
    return width, height, len({raw[y * (row_bytes + 1):(y + 1) * (row_bytes + 1)] for y in range(height)})


@test("the page runs without an error, and draws the lanes, the writes, the cuts, the conflict and the expectations")
def _():
    document, console = browser(report(), "--window-size=1280,1000", "--dump-dom")
    expect(console, [])
    picture = drawn(document)
    expect(count(picture, "band"), 3, "bands of datacenters")
    expect(count(picture, "write"), 3, "writes")
    expect(count(picture, "fault"), 3, "cuts: eu from us and from ap, ap from us one way")
    check(count(picture, "way") > 0, "the cut that is one-way is not drawn so")
    expect(count(picture, "down"), 1, "us-2 was killed")
    check(count(picture, "leader") >= 3, "each datacenter had a leader")
    check(count(picture, "apply") >= 4 and count(picture, "follows") >= 3, "arrivals are missing")
    check(count(picture, "conflict") >= 5, "every node saw the conflict")
    expect(count(picture, "rowspan"), 1, "the row was in conflict once")
    expect((count(picture, "failed"), count(picture, "failline")), (1, 1), "the expectation that failed")
    check(count(picture, "curve") >= 6, "curves are missing")


@test("what comes from data is text: no element of it, no script of it")
def _():
    document, console = browser(report(), "--dump-dom")
    expect(console, [])
    expect(len(re.findall(r"<script", document)), 2)
    expect(len(re.findall(r"<img|<b>something", document)), 0)
    check("&lt;script&gt;alert(1)&lt;/script&gt;" in document, "the key does not show")
    check(r"\xc3(" in document and r"\xff\xfe" in document, "the bytes do not show")


@test("nothing is loaded from elsewhere, and the page says that nothing may be")
def _():
    with open(report(), encoding="utf-8") as f:
        page = f.read()
    check("default-src 'none'" in page, "anything may be loaded")
    expect(re.findall(r"<(?:link|iframe|img|object|embed)\b|\ssrc=|href=['\"]?(?:https?:)?//|@import|url\((?!#)", page.replace(EVIL, "")
                      .replace("&lt;img src=x", "").replace("\\u003cimg src=x", "")), [])


@test("without the script the picture, the panel of the conflict and the tables are there")
def _():
    with open(report(), encoding="utf-8") as f:
        page = re.sub(r"<script nonce=.*?</script>", "", f.read(), flags=re.S)
    path = os.path.join(folder, "still.html")
    with open(path, "w", encoding="utf-8") as f:
        f.write(page)
    document, console = browser(path, "--dump-dom")
    expect(console, [])
    check('id="drawn"' not in document, "the script ran")
    lanes = re.search(r'<div id="lanes">.*?</svg>', document, re.S).group(0)
    expect((count(lanes, "band"), count(lanes, "lane"), count(lanes, "write"), count(lanes, "fault")), (3, 5, 3, 3))
    for words in ["Readers see", "none of them", "an expectation failed", "open conflict"]:
        check(words in document, f"not there: {words}")


@test("keys zoom, move, go from mark to mark, and show what is there")
def _():
    seen = with_hands("""
        const press = async key => { svg.dispatchEvent(new KeyboardEvent('keydown', {key, bubbles: true, cancelable: true})); await wait(); };
        const ticks = () => [...svg.querySelectorAll('.tick')].map(t => t.textContent);
        svg.focus();
        seen.focused = document.activeElement === svg;
        seen.all = ticks();
        for (let i = 0; i < 6; i++) await press('+');
        seen.near = ticks();
        await press('ArrowRight');
        seen.moved = ticks();
        await press('Home');
        seen.again = ticks();
        await press('.');
        await press('.');
        seen.detail = document.getElementById('detail').textContent;
        seen.ring = svg.querySelectorAll('.ring').length;
        seen.tip = !document.getElementById('tip').hidden;
        await press('Escape');
        seen.hidden = document.getElementById('tip').hidden;
        document.querySelector('#conflicts button.at').click();
        await wait();
        seen.cursor = svg.querySelectorAll('.cursor').length;
        document.title = JSON.stringify(seen);""")
    check(seen["focused"] and seen["ring"] == 1 and seen["tip"] and seen["hidden"], str(seen))
    check(seen["all"] == seen["again"] and seen["all"] != seen["near"] != seen["moved"], str(seen))
    check(re.match(r"2 of \d+: ", seen["detail"]), seen["detail"])
    expect(seen["cursor"], 1, "a time that was clicked is shown")


@test("the mouse shows what is under it, drags, and zooms with Ctrl and the wheel alone")
def _():
    seen = with_hands("""
        const mouse = (name, x, y) => svg.dispatchEvent(new PointerEvent(name, {clientX: x, clientY: y, button: 0, pointerId: 1, bubbles: true}));
        const ticks = () => [...svg.querySelectorAll('.tick')].map(t => t.textContent).join();
        const wheel = async ctrlKey => {
          const e = new WheelEvent('wheel', {deltaY: -60, ctrlKey, clientX: 700, clientY: 500, bubbles: true, cancelable: true});
          svg.dispatchEvent(e);
          await wait();
          return e.defaultPrevented;
        };
        svg.setPointerCapture = () => {};
        const write = svg.querySelectorAll('.write')[0].getBoundingClientRect();
        mouse('pointermove', write.x + write.width / 2, write.y + write.height / 2);
        seen.tip = document.getElementById('tip').textContent;
        const cut = svg.querySelector('.fault.cut').getBoundingClientRect();
        mouse('pointermove', cut.right - 5, cut.y + 2);
        seen.cut = document.getElementById('tip').textContent;
        const all = ticks();
        seen.scrolls = !(await wheel(false)) && ticks() === all;
        seen.zooms = await wheel(true) && ticks() !== all;
        for (let i = 0; i < 4; i++) await wheel(true);
        const before = ticks();
        mouse('pointerdown', 700, 500); mouse('pointermove', 500, 500); mouse('pointerup', 500, 500);
        await wait();
        seen.drags = ticks() !== before;
        document.title = JSON.stringify(seen);""")
    check("SET" in seen["tip"], str(seen))
    check(seen["cut"].startswith("cut: "), str(seen))
    check(seen["scrolls"] and seen["zooms"] and seen["drags"], str(seen))


@test("at 1280 and at 800 columns, light and dark, nothing is wider than the window")
def _():
    for width in [1280, 800]:
        shown = set()
        for dark in [0, 1]:
            picture = os.path.join(folder, f"{width}-{dark}.png")
            _document, console = browser(report(), f"--window-size={width},1200", f"--blink-settings=preferredColorScheme={1 - dark}",
                                         f"--screenshot={picture}")
            expect(console, [])
            wide, high, rows = pixels(picture)
            expect((wide, high), (width, 1200))
            check(rows > 100, f"the page is empty: {rows} different rows of pixels")
            with open(picture, "rb") as f:
                shown.add(f.read())
        expect(len(shown), 2, "light and dark are the same")
    for width in [1280, 800]:
        path = os.path.join(folder, "wide.html")
        with open(report(), encoding="utf-8") as f:
            page = f.read()
        nonce = re.search(r"nonce='([0-9a-f]{16})'", page).group(1)
        measure = "document.title = document.documentElement.scrollWidth - document.documentElement.clientWidth;"
        with open(path, "w", encoding="utf-8") as f:
            f.write(page.replace("</body>", f"<script nonce='{nonce}'>{measure}</script></body>"))
        document, _console = browser(path, f"--window-size={width},1000", "--dump-dom")
        expect(re.search(r"<title>(.*?)</title>", document).group(1), "0", f"too wide by, at {width}")


try:
    run_tests()
finally:
    shutil.rmtree(folder, ignore_errors=True)

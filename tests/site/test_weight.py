"""What a page costs its reader: bytes until it is shown, and how much it jumps meanwhile.

`python run.py test tests/site/test_weight.py -n 0 -s` prints the figures of each page.
"""

import gzip
import sys
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from built_site import page_names
from showing import PHONE, WIDE

pytestmark = pytest.mark.browser

KIB = 1024
LIMIT_WITHOUT_FIGURES = 400 * KIB
LIMIT = 1000 * KIB
PICTURES = {".png", ".svg", ".jpg", ".webp"}
PACKED = {".png", ".woff", ".woff2", ".jpg", ".webp"}  # nothing to gain from compressing again
LEDGER_LIMIT = 600 * KIB  # every claim and every check on one page
# Layout shift as browsers measure it: the share of the screen that moved times how far it moved;
# 0.1 is what is commonly called good. Most pages stay below 0.03.
LARGEST_SHIFT = 0.05
WATCH_SHIFTS = """() => {
  window.__shifts = [];
  new PerformanceObserver(list => {
    for (const entry of list.getEntries()) { window.__shifts.push(entry.value); }
  }).observe({type: 'layout-shift', buffered: true});
  window.__paint = 0;
  new PerformanceObserver(list => {
    for (const entry of list.getEntries()) { window.__paint = entry.startTime; }
  }).observe({type: 'largest-contentful-paint', buffered: true});
}"""
STILL = """async () => {
  if (document.readyState !== 'complete') {
    await new Promise(done => addEventListener('load', done));
  }
  if (window.MathJax) { await MathJax.startup.promise; }
  await document.fonts.ready;
}"""


def compressed(file: Path) -> int:
    data = file.read_bytes()
    return len(data) if file.suffix in PACKED else len(gzip.compress(data, 9, mtime=0))


@pytest.mark.parametrize("name", page_names())
def test_first_load(browser, site, name):
    for width in (WIDE, PHONE):
        page = browser.new_context(viewport={"width": width, "height": 850}).new_page()
        loaded = set()
        page.on("request", lambda r, loaded=loaded: loaded.add(unquote(urlsplit(r.url).path)))
        page.add_init_script(f"({WATCH_SHIFTS})()")
        page.goto((site / f"{name}.html").as_uri())
        page.evaluate(STILL)
        shift = sum(page.evaluate("window.__shifts"))
        paint = page.evaluate("window.__paint")  # reported: a busy machine proves nothing
        page.context.close()
        files = [f for f in map(Path, loaded) if f.is_file()]
        pictures = sum(compressed(f) for f in files if f.suffix in PICTURES)
        rest = sum(compressed(f) for f in files if f.suffix not in PICTURES)
        said = f"{name} at {width} px: {rest / KIB:.0f} KiB and {pictures / KIB:.0f} KiB of figures"
        sys.stdout.write(f"{said}, shift {shift:.3f}, largest paint {paint / 1000:.2f} s\n")
        assert len(files) > 10, "the page, its styles, scripts and fonts"
        limit = LEDGER_LIMIT if name == "book/ledger" else LIMIT_WITHOUT_FIGURES
        assert rest < limit, sorted((compressed(f) // KIB, f.name) for f in files)
        assert rest + pictures < LIMIT, sorted((compressed(f) // KIB, f.name) for f in files)
        assert shift < LARGEST_SHIFT

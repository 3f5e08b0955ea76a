"""The built site read as files: it needs nothing from elsewhere, and nothing in it is missing."""

import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote, urlsplit

from built_site import PAGES_NOT_OURS, Page

LOADED_LINKS = {
    "stylesheet",
    "icon",
    "shortcut",
    "preload",
    "prefetch",
    "modulepreload",
    "manifest",
}
CSS_TARGET = re.compile(r"""url\(\s*["']?([^"')]+)|@import\s+["']([^"']+)""")
BUNDLE_LIMIT_KIB = 1000


def loaded(page: Page) -> Iterator[str]:
    """Yield the address of everything that a browser fetches in order to show the page."""
    for a in page.all("script", "img", "iframe", "source", "video", "audio", "embed", "track"):
        yield from filter(None, [a.get("src")])
        yield from (part.split()[0] for part in a.get("srcset", "").split(",") if part.strip())
    yield from (a["data"] for a in page.all("object") if a.get("data"))
    for a in page.all("link"):
        if LOADED_LINKS & set(a.get("rel", "").split()):
            yield a["href"]
    for style in re.findall(r"<style[^>]*>(.*?)</style>", page.text, re.DOTALL):
        yield from css_targets(style)
    for _, a in page.elements:
        yield from css_targets(a.get("style", ""))


def css_targets(text: str) -> Iterator[str]:
    """Yield what a style sheet loads."""
    for match in CSS_TARGET.finditer(re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL)):
        yield (match[1] or match[2]).strip()


def is_elsewhere(address: str) -> bool:
    return address.startswith("//") or urlsplit(address).scheme in (
        "http",
        "https",
        "ftp",
        "ws",
        "wss",
    )


def resolve(origin: Path, address: str) -> tuple[Path, str]:
    """Return the file and the anchor that an address on a page means."""
    parts = urlsplit(address)
    path = unquote(parts.path)
    return ((origin.parent / path).resolve() if path else origin.resolve()), unquote(parts.fragment)


def test_nothing_is_loaded_from_elsewhere(pages):
    foreign = [(p.name, a) for p, page in pages.items() for a in loaded(page) if is_elsewhere(a)]
    assert foreign == []


def test_style_sheets_load_nothing_from_elsewhere(site):
    foreign = [
        (sheet.name, target)
        for sheet in site.rglob("*.css")
        for target in css_targets(sheet.read_text(encoding="utf-8"))
        if is_elsewhere(target)
    ]
    assert foreign == []


def test_everything_loaded_is_there(pages):
    missing = [
        (path.name, address)
        for path, page in pages.items()
        for address in loaded(page)
        if not is_elsewhere(address) and not address.startswith(("data:", "#"))
        if not resolve(path, address)[0].exists()
    ]
    assert missing == []


def test_every_internal_link_and_anchor_resolves(pages):
    by_path = {path.resolve(): page for path, page in pages.items()}
    broken = []
    for path, page in pages.items():
        for a in page.all("a"):
            address = a.get("href", "")
            if not address or urlsplit(address).scheme or is_elsewhere(address):
                continue
            target, anchor = resolve(path, address)
            known = by_path.get(target)
            if not target.exists() or (anchor and known and anchor not in known.anchors):
                broken.append((path.name, address))
    assert broken == []


def test_every_link_has_an_address_that_a_reader_can_open(pages):
    """No `file:` links, no absolute paths of the machine that built the site."""
    local = [
        (path.name, a["href"])
        for path, page in pages.items()
        for a in page.all("a", "link")
        if a.get("href", "").startswith(("file:", "/"))
    ]
    assert local == []


def test_every_picture_has_a_text(pages):
    bare = [
        (path.name, a.get("src", "")[-60:])
        for path, page in pages.items()
        for a in page.all("img")
        if not a.get("alt", "").strip() or a["alt"].startswith(("../", "_images"))
    ]
    assert bare == []


def test_every_explorable_has_a_text(pages):
    figures = [a for page in pages.values() for a in page.all("figure")]
    explorables = [a for a in figures if "explorable" in a.get("class", "").split()]
    assert all(len(a.get("aria-label", "")) > 20 for a in explorables)


def test_no_page_shows_a_traceback(pages):
    signs = (
        "Traceback (most recent call last)",
        "output traceback",
        "system-message",
        "problematic",
    )
    shown = [(p.name, s) for p, page in pages.items() for s in signs if s in page.text]
    assert shown == []


def test_no_page_shows_a_widget_that_needs_a_kernel(pages):
    signs = ("widget-view+json", "jupyter-widgets", "VBox(children", "interactive(children")
    shown = [(p.name, s) for p, page in pages.items() for s in signs if s in page.text]
    assert shown == []


def test_the_script_of_the_charts_is_linked_exactly_where_it_is_needed(pages):
    for path, page in pages.items():
        assert not any("vega-bundle.js" in a.get("src", "") for a in page.all("script")), path
        linked = any("explorable.js" in a.get("src", "") for a in page.all("script"))
        needed = any("explorable" in a.get("class", "").split() for a in page.all("figure"))
        assert linked == needed, path


def test_chapters_explain_the_words_they_use(pages):
    for path, page in pages.items():
        if re.match(r"0[1-7]_", path.stem):
            links = [a for a in page.all("a") if "klrl-term" in a.get("class", "").split()]
            assert len(links) >= 5, path
            assert all(len(a["title"]) > 20 and "\\" not in a["title"] for a in links), path
            assert len({a["href"] for a in links}) == len(links), path


def test_pages_have_a_title_and_a_language(pages):
    for path, page in pages.items():
        if path.stem not in PAGES_NOT_OURS:
            assert re.search(r"<title>[^<]{3,}</title>", page.text), path
            assert page.all("html")[0].get("lang"), path


def test_heavy_parts_of_the_theme_are_left_out(site):
    assert (site / "_static/scripts/fontawesome.js").stat().st_size < 1000
    assert not list(site.rglob("*.map"))


def test_the_bundle_lets_out_one_name(site):
    bundle = site / "_static/vega-bundle.js"
    text = bundle.read_text(encoding="utf-8")
    assert text.startswith("(function () {")
    assert len(set(re.findall(r"\bwindow\.(\w+)\s*=[^=]", text))) == 1
    assert bundle.stat().st_size < BUNDLE_LIMIT_KIB * 1024


def test_anchors_of_a_page_are_unique(pages):
    for path, page in pages.items():
        ids = [a["id"] for _, a in page.elements if a.get("id")]
        double = {name for name in ids if ids.count(name) > 1}
        # Not ours: the theme's search field for wide and for narrow screens, and the wrappers that
        # sphinx-proof and sphinx-exercise put around each of their blocks. Nothing links to them.
        double = {d for d in double if not d.startswith(("search", "pst-", "__"))}
        double -= {"proof", "proof-content", "exercise-content", "solution-content"}
        assert not double, (path.name, double)

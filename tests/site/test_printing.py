"""The printed book: sheets in order, links that lead inside, folds open, numbers right."""

import json
import subprocess
import sys
import zipfile
from urllib.parse import urlsplit

import pytest
from _tools import formats
from built_site import ROOT, find_chromium

pytestmark = pytest.mark.browser

MENU = """<nav class="bd-links bd-docs-nav">
<p class="caption"><span class="caption-text">Part one</span></p>
<a href="01.html">First</a><a href="02.html">Second</a></nav>"""
PAGE = """<!DOCTYPE html><html lang="en"><body>{menu}<main><article class="bd-article">
{body}</article></main></body></html>"""
FACTS = {"title": "A book", "subtitle": "Short", "author": "Nobody", "edition": "9", "licence": "-"}


@pytest.fixture(scope="module")
def printed(tmp_path_factory):
    """A site of three pages, printed; its folder has a space in its name."""
    chromium = find_chromium()
    if chromium is None:
        pytest.skip("no Chromium on PATH and none named by KLRL_CHROMIUM")
    pytest.importorskip("playwright.sync_api", reason="`python run.py test` installs playwright")
    pypdf = pytest.importorskip("pypdf", reason="`python run.py test` installs pypdf")
    site = tmp_path_factory.mktemp("a site")
    (site / "book").mkdir()
    long = "<p>words</p>" * 90
    bodies = {
        "index": '<h1>Start</h1><p><a href="02.html#deep">to a place</a></p>',
        "01": "<h1>First<a>#</a></h1><section id='s'><h2>Section one</h2>"
        "<p><a href='02.html'>on</a> <a href='../other.txt'>nowhere</a>"
        " <a href='https://example.org/x'>out</a></p></section>"
        "<details><summary>fold</summary><p>opened</p></details>" + long,
        "02": f"<h1>Second</h1>{long}<p id='deep'>here it is</p>",
    }
    for name, body in bodies.items():
        text = PAGE.format(menu=MENU, body=body)
        (site / "book" / f"{name}.html").write_text(text, encoding="utf-8")
    target = site / "made.pdf"
    script = ROOT / "book" / "_tools" / "printing.py"
    command = [sys.executable, script, site, target, chromium, json.dumps(FACTS)]
    subprocess.run([str(p) for p in command], check=True, capture_output=True, timeout=120)
    return pypdf.PdfReader(target)


def texts(reader):
    return [page.extract_text() for page in reader.pages]


def sheet_with(reader, words):
    return next(i for i, text in enumerate(texts(reader)) if words in text)


def test_sheets_follow_the_menu_and_carry_their_numbers(printed):
    shown = texts(printed)
    assert "A book" in shown[0]
    assert "Contents" in shown[1]
    starts = [
        sheet_with(printed, words) for words in ("to a place", "Section one", "Second\nwords")
    ]
    assert starts == sorted(starts)
    for title, start in zip(("Start", "First", "Second"), starts, strict=True):
        assert f"{title} {start + 1}" in shown[1].replace("\n", " "), shown[1]
        assert shown[start].split()[-2:] == [title, str(start + 1)], shown[start]


def test_folds_are_open(printed):
    assert any("opened" in text for text in texts(printed))


def test_links_lead_inside_the_file_or_out_of_it_and_nowhere_else(printed):
    inside, outside = [], []
    for page in printed.pages:
        for link in page.get("/Annots", []):
            link = link.get_object()
            if "/Dest" in link:
                inside.append(printed.get_page_number(link["/Dest"][0].get_object()))
            else:
                outside.append(urlsplit(str(link["/A"]["/URI"])))
    assert [part.netloc for part in outside] == ["example.org"]
    deep = sheet_with(printed, "here it is")
    assert deep in inside
    assert deep > sheet_with(printed, "Second\nwords")


def test_the_outline_has_parts_chapters_and_sections(printed):
    names = [item.title for item in flat(printed.outline)]
    assert names == ["Start", "Part one", "First", "Section one", "Second"]


def flat(items):
    for item in items:
        if isinstance(item, list):
            yield from flat(item)
        else:
            yield item


def test_the_offline_archive_opens_from_where_it_is_unpacked(browser, site, tmp_path):
    formats.pack(site, tmp_path / "book.zip", "read me")
    folder = tmp_path / "un packed"
    with zipfile.ZipFile(tmp_path / "book.zip") as archive:
        archive.extractall(folder)
    files = {p.relative_to(folder / "klrl-book") for p in folder.rglob("*") if p.is_file()}
    of_site = {p.relative_to(site) for p in site.rglob("*") if p.is_file()}
    assert {p.as_posix() for p in of_site - files} <= formats.LEFT_OUT
    context = browser.new_context(offline=True)
    page = context.new_page()
    failed = []
    page.on("requestfailed", lambda request: failed.append(request.url))
    page.goto((folder / "klrl-book" / "index.html").as_uri())
    page.wait_for_url("**/book/index.html")
    page.locator(".klrl-map a").first.click()
    page.wait_for_load_state()
    assert "02_two_kls" in page.url
    assert failed == []
    context.close()


def test_each_notebook_lies_beside_its_page(site, pages):
    notebooks = {path.name for path in (ROOT / "book").glob("*.ipynb")}
    shown = set()
    for path, page in pages.items():
        links = [a for a in page.all("a") if "download" in a]
        for link in links:
            assert (path.parent / link["href"]).read_bytes() == (
                ROOT / "book" / link["href"]
            ).read_bytes()
            shown.add(link["href"])
    assert shown == notebooks

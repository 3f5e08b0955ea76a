"""`run.py pdf`: every page printed by a browser, put together as one book with numbers and links.

Runs inside the environment: python printing.py SITE TARGET CHROMIUM

The pages are printed one by one, as they look without scripts of their own for figures and with all
folds open. Then a title page and contents are printed in front, a line with page numbers on top of
each page, and every link that means another page of the book leads there inside the file.
"""

import io
import json
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from playwright.sync_api import Browser, Page, sync_playwright
from pypdf import PdfReader, PdfWriter
from pypdf.generic import ArrayObject, DictionaryObject, FloatObject, NameObject, NullObject

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from _tools.console import say

QUIET = ["--disable-quic", "--no-first-run", "--disable-background-networking", "--no-sandbox"]
QUIET += ["--disable-component-update", "--disable-sync", "--disable-gpu"]
PAPER: dict[str, Any] = {"format": "A4", "print_background": True, "tagged": True}
MARGIN = {"top": "18mm", "bottom": "20mm", "left": "20mm", "right": "20mm"}
SCALE = 0.8  # 12 px to 9.6 pt: lines of code fit
# The theme prints a page's own contents at its head; in a book they stand once, in front.
STYLE = "#jb-print-toc { display: none !important; }"
FONT = "Arial, 'Liberation Sans', sans-serif"
# Explorables stay the still pictures that they are before their script has run.
NOT_LOADED = re.compile(r"/_static/(explorable|vega-bundle)\.js")
SETTLE = """async anchors => {
  if (document.readyState !== 'complete') {
    await new Promise(done => addEventListener('load', done));
  }
  if (window.MathJax && MathJax.startup) { await MathJax.startup.promise; }
  document.querySelectorAll('details').forEach(fold => { fold.removeAttribute('name'); });
  document.querySelectorAll('details:not(.klrl-quiz-wrong)').forEach(fold => { fold.open = true; });
  document.querySelectorAll('.toggle-hidden').forEach(e => e.classList.remove('toggle-hidden'));
  for (const image of document.images) { image.loading = 'eager'; }
  await Promise.all([...document.images].map(i => i.decode().catch(() => null)));
  await document.fonts.ready;
  // The browser notes where an anchor is printed if something on its own page leads to it.
  for (const anchor of anchors) {
    const link = document.createElement('a');
    link.href = '#' + encodeURIComponent(anchor);
    document.body.append(link);
  }
}"""
HEADINGS = """() => [...document.querySelectorAll('.bd-article section > h2')].map(h => [
  h.parentElement.id, h.textContent.replace(/#$/, '').trim()])"""
TITLE = "() => document.querySelector('.bd-article h1').textContent.replace(/#$/, '').trim()"


@dataclass
class Printed:
    """One page of the site on paper."""

    file: Path
    title: str
    part: str  # caption of the part that begins with it, if one does
    headings: list[tuple[str, str]]  # (anchor, text)
    reader: PdfReader
    first: int = 0  # its first sheet in the whole, from 0
    places: dict[str, tuple[int, float]] = field(default_factory=dict)  # anchor -> sheet, height


def book_order(site: Path) -> Iterator[tuple[Path, str]]:
    """Yield the pages in order with the caption of the part that begins there, from the sidebar."""
    first = site / "book" / "index.html"
    text = first.read_text(encoding="utf-8")
    menu = text.split('class="bd-links', 1)[-1].split("</nav>")[0]
    yield first, ""
    caption = ""
    for found in re.finditer(r'class="caption-text">(.*?)</span>|href="([^"#]+\.html)"', menu):
        if found[1]:
            caption = found[1]
        elif (page := (first.parent / found[2]).resolve()) != first.resolve():
            yield page, caption
            caption = ""


def anchors_wanted(site: Path, pages: list[Path]) -> dict[Path, set[str]]:
    """Collect, for each page, the anchors to which other pages lead."""
    wanted: dict[Path, set[str]] = {page: set() for page in pages}
    for page in pages:
        text = page.read_text(encoding="utf-8").split("<article", 1)[-1].split("</article>")[0]
        for address in re.findall(r'href="([^"]+#[^"]+)"', text):
            path, _, anchor = address.partition("#")
            target = (page.parent / unquote(path)).resolve() if path else page
            if target in wanted and not urlsplit(address).scheme:
                wanted[target].add(unquote(anchor))
    return wanted


def print_page(browser: Browser, file: Path, part: str, anchors: set[str]) -> Printed:
    """Print one page of the site."""
    context = browser.new_context(color_scheme="light", viewport={"width": 800, "height": 1100})
    context.route(NOT_LOADED, lambda route: route.abort())
    page = context.new_page()
    page.emulate_media(media="print", color_scheme="light")
    page.goto(file.as_uri())
    page.add_style_tag(content=STYLE)
    title, headings = page.evaluate(TITLE), page.evaluate(HEADINGS)
    page.evaluate(SETTLE, sorted(anchors | {anchor for anchor, _ in headings}))
    content = page.pdf(**PAPER, margin=MARGIN, scale=SCALE)
    context.close()
    return Printed(file, title, part, headings, PdfReader(io.BytesIO(content)))


def print_html(page: Page, body: str, style: str, margin: dict[str, str]) -> PdfReader:
    """Print a page that is written here."""
    page.set_content(f"<!DOCTYPE html><html lang='en'><style>{style}</style>{body}</html>")
    return PdfReader(io.BytesIO(page.pdf(**PAPER, margin=margin)))


FRONT_STYLE = f"body {{ font: 11pt/1.45 {FONT}; margin: 0; }}"
FRONT_STYLE += """
.title { height: 240mm; break-after: page; padding-top: 45mm; box-sizing: border-box; }
.title h1 { font-size: 30pt; font-weight: 600; line-height: 1.2; margin: 0 0 8mm; }
.title p { color: #444; margin: 0 0 3mm; }
.title img { width: 100%; margin: 12mm 0; }
h2 { font-size: 18pt; font-weight: 600; margin: 0 0 6mm; }
h3 { font-size: 11pt; margin: 5mm 0 1mm; break-after: avoid; }
.row { margin: 0; }
.row a { display: flex; gap: 2mm; color: inherit; text-decoration: none; }
.row i { flex: 1; border-bottom: 1px dotted #999; margin-bottom: 1.4mm; }
"""


def front(page: Page, facts: dict[str, str], printed: list[Printed], shift: int) -> PdfReader:
    """Print the title page and the contents; pages are counted from the first after them."""
    rows = []
    for one in printed:
        if one.part:
            rows.append(f"<h3>{escape(one.part)}</h3>")
        title, number = escape(one.title), one.first + shift + 1
        rows.append(
            f'<p class="row"><a href="{one.file.as_uri()}"><span>{title}</span><i></i>'
            f"<span>{number}</span></a></p>"
        )
    picture = f'<img src="{facts["picture"]}" alt="">' if facts.get("picture") else ""
    body = (
        f'<div class="title"><h1>{escape(facts["title"])}</h1><p>{escape(facts["subtitle"])}</p>'
        f"{picture}<p>{escape(facts['author'])}</p><p>Edition {escape(facts['edition'])}</p>"
        f"<p>{escape(facts['licence'])}</p></div><h2>Contents</h2>{''.join(rows)}"
    )
    return print_html(page, body, FRONT_STYLE, MARGIN)


def running_lines(page: Page, printed: list[Printed], shift: int, total: int) -> PdfReader:
    """Print, for each sheet, the line with the name of the chapter and the number."""
    names = [""] * shift
    for one in printed:
        names += [one.title] * len(one.reader.pages)
    sheets = "".join(
        f"<div class='sheet'><p><span>{escape(name)}</span><span>{number}</span></p></div>"
        if name
        else "<div class='sheet'></div>"
        for number, name in enumerate(names[:total], 1)
    )
    style = (
        f"body {{ margin: 0; font: 8.5pt {FONT}; color: #555; }}"
        ".sheet { height: 297mm; position: relative; break-after: page; overflow: hidden; }"
        "p { position: absolute; left: 20mm; right: 20mm; bottom: 10mm; margin: 0;"
        " display: flex; justify-content: space-between; }"
    )
    return print_html(page, sheets, style, dict.fromkeys(MARGIN, "0"))


def find_places(printed: Printed) -> None:
    """Note on which sheet, and at which height, each anchor of a page has been printed."""
    for name, target in printed.reader.named_destinations.items():
        sheet = printed.reader.get_destination_page_number(target)
        if sheet is not None:
            top = float(target.top) if isinstance(target.top, int | float) else 0.0
            printed.places[unquote(str(name).lstrip("/"))] = (printed.first + sheet, top)


def bind(front_matter: PdfReader, printed: list[Printed], lines: PdfReader) -> PdfWriter:
    """Put everything into one file: sheets, running lines, links, outline."""
    writer = PdfWriter()
    shift = len(front_matter.pages)
    for sheet in front_matter.pages:
        writer.add_page(sheet)
    for one in printed:
        one.first += shift
        find_places(one)
        for sheet in one.reader.pages:
            writer.add_page(sheet)
    for sheet, line in zip(writer.pages, lines.pages, strict=True):
        sheet.merge_page(line)
        sheet.compress_content_streams()
    owners: list[Printed | None] = [None] * shift
    for one in printed:
        owners += [one] * len(one.reader.pages)
    for sheet, owner in zip(writer.pages, owners, strict=True):
        relink(writer, sheet, owner, {one.file: one for one in printed})
    outline(writer, printed)
    return writer


def relink(
    writer: PdfWriter, sheet: Any, owner: Printed | None, known: dict[Path, Printed]
) -> None:
    """Let each link of a sheet lead into this file, out into the web, or be dropped."""
    kept = ArrayObject()
    for reference in sheet.get("/Annots", ArrayObject()):
        link = reference.get_object()
        if link.get("/Subtype") != "/Link":
            kept.append(reference)
            continue
        place = target_of(link, owner, known)
        if place == "outside":
            kept.append(reference)
        elif isinstance(place, tuple):
            number, top = place
            link.pop("/A", None)
            link[NameObject("/Dest")] = destination(writer, number, top)
            kept.append(reference)
    if "/Annots" in sheet:
        sheet[NameObject("/Annots")] = kept


def target_of(
    link: DictionaryObject, owner: Printed | None, known: dict[Path, Printed]
) -> tuple[int, float] | str | None:
    """Return (sheet, height) of what a link means, "outside", or None if it leads nowhere here."""
    action = link.get("/A", DictionaryObject()).get_object()
    address = str(action.get("/URI", ""))
    parts = urlsplit(address)
    if parts.scheme in ("http", "https", "mailto"):
        return "outside"
    if parts.scheme == "file":
        one = known.get(Path(unquote(parts.path)).resolve())
        if one is None:
            return None
        return one.places.get(unquote(parts.fragment), (one.first, 10_000.0))
    name = link.get("/Dest", action.get("/D"))
    if owner is None or name is None:
        return None
    return owner.places.get(unquote(str(name).lstrip("/")))


def destination(writer: PdfWriter, number: int, top: float) -> ArrayObject:
    """Return a destination in the form that PDF has for it."""
    page = writer.pages[number].indirect_reference
    spot = [NameObject("/XYZ"), NullObject(), FloatObject(top), NullObject()]
    return ArrayObject([page, *spot])


def outline(writer: PdfWriter, printed: list[Printed]) -> None:
    """Add the outline that readers show beside the sheets: parts, chapters, sections."""
    part = None
    for one in printed:
        if one.part:
            part = writer.add_outline_item(one.part, one.first)
        chapter = writer.add_outline_item(one.title, one.first, parent=part)
        for anchor, text in one.headings:
            if anchor in one.places:
                writer.add_outline_item(text, one.places[anchor][0], parent=chapter)


def make(site: Path, target: Path, chromium: str, facts: dict[str, str]) -> int:
    """Print the site; return the number of sheets."""
    pages = [(file.resolve(), part) for file, part in book_order(site)]
    wanted = anchors_wanted(site, [file for file, _ in pages])
    with sync_playwright() as started:
        browser = started.chromium.launch(executable_path=chromium, args=QUIET)
        printed = []
        for file, part in pages:
            printed.append(print_page(browser, file, part, wanted[file]))
            say(f"  {len(printed[-1].reader.pages):>3} pages  {printed[-1].title}")
        first = 0
        for one in printed:
            one.first, first = first, first + len(one.reader.pages)
        page = browser.new_page()
        page.goto((site / "book" / "index.html").as_uri())  # so that its picture may be loaded
        shift = len(front(page, facts, printed, 0).pages)  # the contents need their own length
        matter = front(page, facts, printed, shift)
        total = shift + first
        writer = bind(matter, printed, running_lines(page, printed, shift, total))
        browser.close()
    writer.add_metadata({"/Title": facts["title"], "/Author": facts["author"]})
    writer.root_object[NameObject("/PageMode")] = NameObject("/UseOutlines")
    writer.compress_identical_objects(remove_identicals=True, remove_orphans=True)
    temporary = target.with_suffix(".tmp")
    with temporary.open("wb") as out:
        writer.write(out)
    temporary.replace(target)
    return total


if __name__ == "__main__":
    where, made, executable, said = sys.argv[1:5]
    count = make(Path(where), Path(made), executable, json.loads(said))
    say(f"{count} pages")

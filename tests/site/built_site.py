"""The built site as the tests see it: where it is, which pages it has, what a page consists of."""

import os
import shutil
from html.parser import HTMLParser
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SITE = ROOT / "_build" / "html"
PAGES_NOT_OURS = {"genindex", "search", "index"}  # written by Sphinx; `index` only forwards


def page_names() -> list[str]:
    """Name every page of the book that lies in the site; at collection, so it may be empty."""
    found = (p.relative_to(SITE).with_suffix("").as_posix() for p in SITE.glob("book/**/*.html"))
    return sorted(name for name in found if "_static" not in name)


class Page(HTMLParser):
    """The elements of a page, as (tag, attributes) in order, with the text of its own scripts."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path
        self.text = path.read_text(encoding="utf-8")
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.feed(self.text)
        self.anchors = {a[key] for _, a in self.elements for key in ("id", "name") if a.get(key)}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {k: v or "" for k, v in attrs}))

    def all(self, *tags: str) -> list[dict[str, str]]:
        """Return the attributes of every element with one of these tags."""
        return [attributes for tag, attributes in self.elements if tag in tags]


def find_chromium() -> str | None:
    """Return the path of a Chromium; KLRL_CHROMIUM goes first."""
    named = os.environ.get("KLRL_CHROMIUM")
    known = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
    return next((p for n in ([named] if named else known) if (p := shutil.which(n))), None)

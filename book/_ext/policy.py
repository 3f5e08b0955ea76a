"""Forbids each page to load or run anything but the book's own files: a content-security policy.

The browser enforces it, whatever a script or a style sheet of the theme may ask for, and reports
what it stopped. Scripts that stand in a page are allowed by the hash of their text, all others by
place; none may turn a text into code ('unsafe-eval'): the explorables interpret their formulas.

- `file:` stands beside 'self' for readers who open the pages from a folder: there, a browser may
  take each file for an origin of its own. Pages from a server cannot load `file:` addresses anyway.
- 'unsafe-inline' for styles: MathJax writes the style sheet of its fonts into the page, Vega and
  the theme set the style of elements. Styles can load nothing that the other rules do not allow.
- `connect-src` has no `file:`: only the search asks for pages, for a few words around what it
  found, and from a folder browsers refuse that anyway.
"""

import base64
import hashlib
import re
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx

HERE = "'self' file:"
RULES = {
    "default-src": "'none'",
    "script-src": HERE,  # and the hashes of the page's own scripts
    "style-src": f"{HERE} 'unsafe-inline'",
    "img-src": f"{HERE} data:",
    "font-src": f"{HERE} data:",
    "connect-src": "'self'",
    "form-action": HERE,  # the field of the search
    "base-uri": "'none'",
}
SCRIPT = re.compile(r"<script\b([^>]*)>(.*?)</script>", re.DOTALL | re.IGNORECASE)
META = re.compile(r'<meta http-equiv="Content-Security-Policy"[^>]*>\n?')
CHARSET = re.compile(r"<meta charset=[^>]*>", re.IGNORECASE)


def hashes(page: str) -> list[str]:
    """Return the sources that allow the scripts written in a page; data are no scripts."""
    texts = {
        text
        for attributes, text in SCRIPT.findall(page)
        if text and "src=" not in attributes and "json" not in attributes
    }
    digests = (hashlib.sha256(text.encode()).digest() for text in texts)
    return sorted(f"'sha256-{base64.b64encode(digest).decode()}'" for digest in digests)


def policy(page: str) -> str:
    """Return the policy of a page."""
    rules = RULES | {"script-src": " ".join([RULES["script-src"], *hashes(page)])}
    return "; ".join(f"{name} {sources}" for name, sources in rules.items())


def with_policy(page: str) -> str:
    """Return the page with its policy as the first thing after the declaration of its letters."""
    page = META.sub("", page)
    meta = f'<meta http-equiv="Content-Security-Policy" content="{policy(page)}">\n'
    declared = CHARSET.search(page)
    place = declared.end() if declared else 0
    return f"{page[:place]}{meta}{page[place:]}"


def write(site: Path) -> None:
    """Put a policy into every page of a finished site."""
    for path in sorted(site.rglob("*.html")):
        if "_static" not in path.relative_to(site).parts:
            page = path.read_text(encoding="utf-8")
            path.write_text(with_policy(page), encoding="utf-8")


def finish(app: Sphinx, exception: Exception | None) -> None:
    if exception is None and app.builder.format == "html":
        write(Path(app.outdir))


def setup(app: Sphinx) -> dict[str, Any]:
    app.connect("build-finished", finish, priority=950)  # the pages do not change any more
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}

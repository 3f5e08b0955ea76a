"""Keeps together what no line may part: a formula and its comma, 20 and %, 1e-12.

Browsers may break a line on either side of a formula, even before a full stop or behind an opening
bracket. Here such signs and their formula become one piece, unless the formula is so long that it
fills a phone's line itself. Claims are stored as HTML and mended as such.
"""

import re
from typing import Any

from docutils import nodes
from formulas import width
from sphinx.application import Sphinx

LONGEST = 14.0  # em; a phone shows 18 to 22 of them
BEFORE = re.compile(r"[(\[“‘@/-]+$")
AFTER = re.compile(r"^[.,;:!?)\]’”-]+")
PERCENT = re.compile(r"(?<=\d) (?=%)")
NUMBER = re.compile(r"(\b\d[\d.]*e-\d+|(?<=[\s(=>])-[\w^]+)")  # 1e-12, -Var
OUTSIDE_TAGS = re.compile(r">[^<]+<")
IN = (nodes.paragraph, nodes.caption, nodes.term, nodes.Inline)
NOT_IN = (nodes.literal, nodes.math, nodes.raw)
WHOLE = "klrl-whole"


def join_formulas(doctree: nodes.document) -> None:
    """Let a formula take the signs that touch it into its piece of the line."""
    for formula in list(doctree.findall(nodes.math)):
        parent = formula.parent
        if width(formula.astext()) > LONGEST or WHOLE in parent.get("classes", ()):
            continue
        place = parent.index(formula)
        signs = []
        for beside, pattern in ((place - 1, BEFORE), (place + 1, AFTER)):
            text = parent[beside] if 0 <= beside < len(parent) else None
            found = pattern.search(text) if isinstance(text, nodes.Text) else None
            signs.append(found[0] if found else "")
            if found:
                parent[beside] = nodes.Text(text[: found.start()] + text[found.end() :])
        if any(signs):
            before, after = (nodes.Text(s) for s in signs)
            parent[place] = nodes.inline("", "", before, formula, after, classes=[WHOLE])


def join_numbers(doctree: nodes.document) -> None:
    """Let a number keep its unit and its exponent."""
    for text in list(doctree.findall(nodes.Text)):
        if not isinstance(text.parent, IN) or isinstance(text.parent, NOT_IN):
            continue
        if not (PERCENT.search(text) or NUMBER.search(text)):
            continue
        parts = NUMBER.split(PERCENT.sub("\N{NO-BREAK SPACE}", text))
        new: list[nodes.Node] = []
        for place, part in enumerate(parts):
            if place % 2:
                new.append(nodes.inline("", part, classes=[WHOLE]))
            elif part:
                new.append(nodes.Text(part))
        text.parent.replace(text, new)


def join_claims(doctree: nodes.document) -> None:
    """Do the same to the claims, which are stored as HTML."""
    for node in doctree.findall(nodes.raw):
        if 'class="klrl-claim' in node.astext():
            html = OUTSIDE_TAGS.sub(
                lambda text: NUMBER.sub(rf'<span class="{WHOLE}">\1</span>', text[0]),
                node.astext(),
            )
            node.children = [nodes.Text(html)]
            node.rawsource = html


def join(app: Sphinx, doctree: nodes.document, page: str) -> None:
    if app.builder.format == "html":
        join_numbers(doctree)
        join_formulas(doctree)
        join_claims(doctree)


def setup(app: Sphinx) -> dict[str, Any]:
    app.connect("doctree-resolved", join, priority=900)  # after all that write text
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}

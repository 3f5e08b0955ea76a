"""The index of figures: every numbered figure of the book with its caption and a link.

Figures that can be moved carry no number; they are listed beside those of their page with the
first sentence of their description. All of it is collected when the pages are written.
"""

import json
import re
from collections.abc import Iterator
from typing import Any

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

SPEC = re.compile(r'class="explorable-spec">(.*?)</script>', re.DOTALL)


class listing(nodes.General, nodes.Element):
    """Where the figures will be listed once every page has been read."""


class FigureIndex(SphinxDirective):
    """`{figure-index}`."""

    def run(self) -> list[nodes.Node]:
        self.env.ledger_pages = getattr(self.env, "ledger_pages", set()) | {self.env.docname}
        return [listing()]


def number_explorables(app: Sphinx, doctree: nodes.document) -> None:
    """Give each explorable of a page an address: `explorable-1`, `explorable-2`."""
    found = (node for node in doctree.findall(nodes.raw) if node.get("explorable"))
    for number, node in enumerate(found, 1):
        start = f'<figure id="explorable-{number}" class="explorable"'
        text = node.astext().replace('<figure class="explorable"', start, 1)
        node.children = [nodes.Text(text)]
        node.rawsource = text


def fill(app: Sphinx, doctree: nodes.document, page: str) -> None:
    """Write the list, page by page in the order of the book."""
    for place in list(doctree.findall(listing)):
        # The formulas of this page are written here only: without this, MathJax is left out.
        app.env.domains["math"].data["has_equations"][page] = True
        sections = []
        for source in in_order(app):
            base = app.builder.get_relative_uri(page, source)
            items = [*numbered(app, page, source, base), *explorables(app, source, base)]
            if items:
                section = nodes.section(ids=[f"figures-{source.replace('/', '-')}"])
                section += nodes.title("", "", *copied(app, page, app.env.titles[source]))
                section += nodes.bullet_list("", *items, classes=["klrl-figures"])
                sections.append(section)
        place.replace_self(sections)


def in_order(app: Sphinx) -> list[str]:
    """Pages in the order of the table of contents."""
    root = app.config.root_doc
    return [root, *app.env.toctree_includes.get(root, ())]


def numbered(app: Sphinx, page: str, source: str, base: str) -> Iterator[nodes.Node]:
    """The numbered figures of a page."""
    numbers = app.env.toc_fignumbers.get(source, {}).get("figure", {})
    for figure in app.env.get_doctree(source).findall(nodes.figure):
        name = next((name for name in figure["ids"] if name in numbers), None)
        caption = next(figure.findall(nodes.caption), None)
        if name and caption is not None:
            label = "Figure " + ".".join(map(str, numbers[name]))
            yield item(label, f"{base}#{name}", copied(app, page, caption))


def explorables(app: Sphinx, source: str, base: str) -> Iterator[nodes.Node]:
    """The figures of a page that can be moved."""
    found = (n for n in app.env.get_doctree(source).findall(nodes.raw) if n.get("explorable"))
    for number, node in enumerate(found, 1):
        description = json.loads(SPEC.search(node.astext())[1])["description"]
        sentence = re.split(r"(?<=[.:?])\s", description)[0]
        sentence = re.sub(r":$", ".", sentence)
        yield item("To move", f"{base}#explorable-{number}", [nodes.Text(sentence)])


def item(label: str, address: str, text: list[nodes.Node]) -> nodes.Node:
    """One line of the list."""
    link = nodes.reference("", label, refuri=address, internal=True)
    return nodes.list_item("", nodes.paragraph("", "", link, nodes.Text(". "), *text))


def copied(app: Sphinx, page: str, node: nodes.Element) -> list[nodes.Node]:
    """The children of a caption or title, with links that hold from this page."""
    box = nodes.Element("", *(child.deepcopy() for child in node.children))
    for link in list(box.findall(addnodes.pending_xref)):
        domain = app.env.domains[link["refdomain"] or "std"]
        kind, target, text = link["reftype"], link["reftarget"], link.children[0].deepcopy()
        found = domain.resolve_xref(app.env, page, app.builder, kind, target, link, text)
        link.replace_self(found or nodes.Text(link.astext()))
    return box.children


def setup(app: Sphinx) -> dict[str, Any]:
    app.add_node(listing)
    app.add_directive("figure-index", FigureIndex)
    app.connect("doctree-read", number_explorables)
    app.connect("doctree-resolved", fill, priority=400)  # before links in captions are looked for
    return {"version": "1", "parallel_read_safe": False, "parallel_write_safe": True}

"""The map of the argument on the first page: stages, the chapters of each, and what leads on.

It is a list in a figure, so it reads in order without any style; `_static/book.css` lays the stages
out in a round where there is room for two columns, and one under the other on a phone. The words
stand on the page, in YAML::

    stages:
      - title: Equilibrium
        says: What training aims at.
        chapters: {02_two_kls: which KL sets the landscape}
        leads: falls along
"""

from typing import Any

import yaml
from docutils import nodes
from docutils.statemachine import StringList
from ledger import CHAPTERS
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective, SphinxTranslator


class element(nodes.General, nodes.Element):
    """An HTML element that docutils has no node for: `tag`, and `attributes` as written."""


class ArgumentMap(SphinxDirective):
    """`{argument-map}` with the stages as YAML."""

    has_content = True

    def run(self) -> list[nodes.Node]:
        try:
            stages = yaml.safe_load("\n".join(self.content))["stages"]
        except (yaml.YAMLError, TypeError, KeyError) as error:
            raise self.error(f"argument-map: no list of stages: {error}") from error
        figure = element(tag="figure", attributes={"aria-label": "Map of the argument"})
        figure["classes"] = ["klrl-map"]
        rows = element(tag="ol")
        rows += [self.stage(number, **stage) for number, stage in enumerate(stages, 1)]
        figure += rows
        return [figure]

    def stage(self, number: int, title: str, says: str, chapters: dict, leads: str = "") -> Any:
        """One stage: its card, and the word on the arrow to the next."""
        row = element(tag="li", classes=[f"klrl-stage-{number}"])
        card = nodes.container(classes=["klrl-map-card"])
        card += nodes.paragraph("", title, classes=["klrl-map-title"])
        card += self.parsed(says)
        links = nodes.bullet_list()
        links += [self.chapter(name, text) for name, text in chapters.items()]
        card += links
        row += card
        if leads:
            arrow = nodes.container(classes=["klrl-map-leads"])
            arrow += self.parsed(leads)
            row += arrow
        return row

    def chapter(self, name: str, says: str) -> nodes.Node:
        """One chapter: a link with its number and name, and what it says."""
        number, _, _ = name.partition("_")
        link = addnodes.pending_xref(
            "", refdomain="std", reftype="doc", reftarget=name, refexplicit=True, refwarn=True
        )
        link["refdoc"] = self.env.docname
        link += nodes.inline("", f"{number} {CHAPTERS[number]}", classes=["doc"])
        parts = [child for p in self.parsed(says) for child in p.children]
        return nodes.list_item("", nodes.paragraph("", "", link, nodes.Text(": "), *parts))

    def parsed(self, text: str) -> list[nodes.Node]:
        """Text with formulas and links in it."""
        box = nodes.Element()
        self.state.nested_parse(StringList(text.splitlines(), self.env.docname), 0, box)
        return box.children


def visit(translator: SphinxTranslator, node: element) -> None:
    attributes = node.get("attributes", {})
    translator.body.append(translator.starttag(node, node["tag"], **attributes))


def depart(translator: SphinxTranslator, node: element) -> None:
    translator.body.append(f"</{node['tag']}>\n")


def setup(app: Sphinx) -> dict[str, Any]:
    app.add_node(element, html=(visit, depart))
    app.add_directive("argument-map", ArgumentMap)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}

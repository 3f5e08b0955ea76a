"""Repairs what programs that read pages aloud stumble over, and the theme or Sphinx writes.

The list of references is called a list, but its entries are no list items, and the role that they
have instead was withdrawn from the standard. Without roles it reads as what it is: paragraphs.

A heading of a table without a word in it heads nothing: it becomes a plain cell.
"""

import re
from typing import Any

from sphinx.application import Sphinx

ROLES = (' role="list" class="citation-list"', ' role="doc-biblioentry"')
EMPTY_HEADING = re.compile(r"<th\b([^>]*)>((?:\s|</?p>)*)</th>")


def repair(app: Sphinx, page: str, template: str, context: dict[str, Any], _: Any) -> None:
    body = context.get("body", "")
    body = body.replace(ROLES[0], ' class="citation-list"').replace(ROLES[1], "")
    context["body"] = EMPTY_HEADING.sub(r"<td\1>\2</td>", body)


def setup(app: Sphinx) -> dict[str, Any]:
    app.connect("html-page-context", repair)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}

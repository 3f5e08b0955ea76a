"""Links the first use of each glossary term in a chapter to its entry, with the gist to point at.

Nothing has to be marked in the notebooks. The gist is the first sentence of the entry, which must
not need a formula: it is shown by the browser as a plain text.
"""

import re
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util import logging

PAGE = "book/glossary"
CHAPTER = re.compile(r"^book/\d\d_")
NOT_IN = (nodes.reference, nodes.literal, nodes.title, nodes.caption, nodes.math, nodes.target)
IN = (nodes.paragraph,)

logger = logging.getLogger(__name__)


def entries(app: Sphinx) -> dict[str, tuple[str, str]]:
    """Return term -> (id of its entry, first sentence), longest terms first."""
    found = {}
    for item in app.env.get_doctree(PAGE).findall(nodes.definition_list_item):
        term = next(item.findall(nodes.term))
        paragraph = next(item.findall(nodes.paragraph))
        found[term.astext()] = (term["ids"][0], gist(paragraph))
    return dict(sorted(found.items(), key=lambda pair: -len(pair[0])))


def gist(paragraph: nodes.paragraph) -> str:
    """Return the first sentence of an entry, in one line."""
    marked = "".join("$" if isinstance(n, nodes.math) else n.astext() for n in paragraph.children)
    sentence = re.split(r"(?<=[.:])\s", " ".join(marked.split()))[0]
    if "$" in sentence:
        logger.warning("glossary: the first sentence needs a formula: %s", sentence)
    return sentence.replace(":", ".") if sentence.endswith(":") else sentence


def link_first_uses(app: Sphinx, doctree: nodes.document, page: str) -> None:
    if not CHAPTER.match(page) or PAGE not in app.env.found_docs:
        return
    address = app.builder.get_relative_uri(page, PAGE)
    for term, (anchor, sentence) in entries(app).items():
        use = re.compile(rf"\b{re.escape(term)}(?:s|es)?\b", re.IGNORECASE)
        for text in doctree.findall(nodes.Text):
            match = use.search(text)
            if match and allowed(text):
                replace(text, match, f"{address}#{anchor}", sentence)
                break


def allowed(text: nodes.Text) -> bool:
    """Say whether this is running text of a paragraph, and not a link, code or a heading."""
    above, node = [], text.parent
    while node is not None:
        above.append(node)
        node = node.parent
    inside = [n for n in above if isinstance(n, IN)]
    return bool(inside) and not any(isinstance(n, NOT_IN) for n in above)


def replace(text: nodes.Text, match: re.Match[str], address: str, sentence: str) -> None:
    """Put the link in the place of the word."""
    link = nodes.reference("", match[0], refuri=address, internal=True, reftitle=sentence)
    link["classes"] = ["klrl-term"]
    parts = [nodes.Text(text[: match.start()]), link, nodes.Text(text[match.end() :])]
    text.parent.replace(text, [part for part in parts if part.astext()])


def outdated(app: Sphinx, env: Any, added: set[str], changed: set[str], removed: set[str]) -> set:
    """Read the chapters again when the glossary has changed."""
    touched = PAGE in added | changed
    return {page for page in env.found_docs if CHAPTER.match(page)} if touched else set()


def setup(app: Sphinx) -> dict[str, Any]:
    app.connect("doctree-resolved", link_first_uses)
    app.connect("env-get-outdated", outdated)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}

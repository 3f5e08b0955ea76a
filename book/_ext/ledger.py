"""The claims in the book: the ledger page, lists of open claims, links between cell and ledger.

The numbers come from the executed notebooks, where each check leaves its record; nothing on the
ledger is typed. Claims that the numbers contradict, or that a finished chapter leaves out, are
warnings, and warnings are errors.
"""

import re
from pathlib import Path
from typing import Any

from docutils import nodes
from docutils.statemachine import StringList
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective

from klrl_lite import claims
from klrl_lite.ledger import by_claim, problems, records_in

logger = logging.getLogger(__name__)

LOOKS = {"holds with a condition": "condition", "false as stated": "false"}
CHAPTERS = {
    "01": "Mirror descent",
    "02": "Two KLs",
    "03": "TRPO",
    "04": "PPO",
    "05": "GRPO",
    "06": "Replicator flow",
    "07": "Gibbs thresholds",
    "08": "Diagnostics",
    "09": "What the analogy does not claim",
    "10": "GRPO's own phase transition",
    "11": "Which KL do you descend?",
    "12": "The thermodynamics in full",
    "13": "When does it sharpen?",
    "14": "Support and pass@k",
    "15": "On a real network",
    "16": "Your own runs",
}


class results(nodes.General, nodes.Element):
    """Where the checks of one claim will be listed once every notebook has run."""


class count(nodes.Inline, nodes.Element):
    """Where a number about all claims will stand."""


class _ClaimsDirective(SphinxDirective):
    """What the directives share: the claims file as a dependency, and text with formulas in it."""

    @property
    def entries(self) -> dict[str, Any]:
        path = Path(self.env.srcdir) / "book" / "claims.yml"
        self.env.note_dependency(str(path))
        return claims.load(path)

    def parsed(self, text: str) -> list[nodes.Node]:
        box = nodes.Element()
        self.state.nested_parse(StringList(text.splitlines(), "claims.yml"), 0, box)
        return box.children

    def claim(self, name: str, entry: dict[str, Any], *, detailed: bool) -> nodes.Node:
        look = LOOKS.get(entry["verdict"], entry["verdict"])
        box = nodes.container(classes=["klrl-claim", look])
        head = nodes.paragraph()
        head += nodes.inline("", name, classes=["klrl-id"])
        head += nodes.inline("", entry["verdict"], classes=["klrl-verdict"])
        where = "beyond the post" if entry["section"] == "beyond" else f"post {entry['section']}"
        head += nodes.inline("", where, classes=["klrl-what"])
        box += head
        box += self.parsed(entry["statement"])
        if detailed:
            box["ids"] = [f"ledger-{slug(name)}"]
            if entry.get("formula"):
                box += nodes.math_block("", entry["formula"], nowrap=False, number=None, label=None)
            for key in ("condition", "counterexample", "correction", "note"):
                if entry.get(key):
                    box += self.parsed(f"*{key.capitalize()}:* {entry[key]}")
            box += results(claim=name)
        return box


class Ledger(_ClaimsDirective):
    """`{claims-ledger}`: every claim with its verdict, measured error and rivals, by chapter."""

    def run(self) -> list[nodes.Node]:
        self.env.ledger_pages = getattr(self.env, "ledger_pages", set()) | {self.env.docname}
        out: list[nodes.Node] = []
        for chapter, title in CHAPTERS.items():
            mine = {n: e for n, e in self.entries.items() if e["chapter"] == chapter}
            if not mine:
                continue
            section = nodes.section(ids=[f"ledger-chapter-{chapter}"])
            section += nodes.title("", f"{chapter} {title}")
            section += [self.claim(n, e, detailed=True) for n, e in mine.items()]
            out.append(section)
        return out


class OpenClaims(_ClaimsDirective):
    """`{claims-open} 02`: the claims that a chapter still to be written will have to answer."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        chapters = self.arguments[0].split(",")
        mine = {n: e for n, e in self.entries.items() if e["chapter"] in chapters}
        boxes = [self.claim(n, e, detailed=False) for n, e in mine.items()]
        for box in boxes:
            mark_open(box)
        return boxes


def count_role(name, rawtext, text, lineno, inliner, options=None, content=None):
    """`{claims-count}` with one of checked, open, all, checks, rivals."""
    env = inliner.document.settings.env
    env.ledger_pages = getattr(env, "ledger_pages", set()) | {env.docname}
    return [count(what=text)], []


def mark_open(box: nodes.Element) -> None:
    """Show a claim as open: what its verdict is expected to be has not been checked."""
    box["classes"] = ["klrl-claim", "open"]
    verdict = next(n for n in box.findall(nodes.inline) if "klrl-verdict" in n["classes"])
    expected = verdict.astext()
    verdict.clear()
    verdict += nodes.Text(f"open, expected: {expected}")


def slug(name: str) -> str:
    """Return a claim's id as it may stand in an address."""
    return name.replace(".", "-")


def executed(app: Sphinx) -> dict[str, list[dict[str, Any]]]:
    """Records of all checks, by page, from the notebooks that this build has run or found run."""
    folder = Path(app.outdir).parent / "jupyter_execute"
    pages = sorted(d for d in app.env.found_docs if app.env.doc2path(d).endswith(".ipynb"))
    found = {}
    for page in pages:
        path = folder / f"{page}.ipynb"
        found[page] = records_in(path) if path.is_file() else []
    return found


def audit(app: Sphinx, env: BuildEnvironment) -> None:
    """Warn of every claim that the numbers do not support."""
    records = executed(app)
    finished = {Path(page).name[:2] for page in records}
    entries = claims.load(Path(app.srcdir) / "book" / "claims.yml")
    for sentence in problems(entries, [r for rs in records.values() for r in rs], finished):
        logger.warning("claims: %s", sentence)


def again(app: Sphinx, env: BuildEnvironment, added, changed, removed) -> set[str]:
    """Read pages with numbers on them again whenever anything else was read."""
    pages = getattr(env, "ledger_pages", set()) & env.found_docs
    return pages if added or changed or removed else set()


def fill(app: Sphinx, doctree: nodes.document, page: str) -> None:
    """Put numbers and links where the directives and the cells left places for them."""
    link_cells(app, doctree, page)
    if not list(doctree.findall(lambda n: isinstance(n, results | count))):
        return
    records = executed(app)
    flat = [r for rs in records.values() for r in rs]
    entries = claims.load(Path(app.srcdir) / "book" / "claims.yml")
    testable = {n for n, e in entries.items() if e["verdict"] != "analogy"}
    done = testable & by_claim(flat).keys()
    numbers = {
        "all": len(entries),
        "checked": len(done),
        "open": len(testable - done),
        "checks": len(flat),
        "rivals": sum(len(r["rivals"]) for r in flat),
    }
    for node in list(doctree.findall(count)):
        node.replace_self(nodes.Text(str(numbers[node["what"]])))
    for node in list(doctree.findall(results)):
        rows = checks_of(app, page, node["claim"], records)
        if rows:
            node.replace_self(rows)
        else:
            mark_open(node.parent)
            node.parent.remove(node)


def checks_of(app: Sphinx, page: str, name: str, records: dict[str, list]) -> list[nodes.Node]:
    """List the checks of a claim: what, measured error, tolerance, rivals, link to the cell."""
    rows = []
    for source, found in records.items():
        mine = [r for r in found if name in r["ids"]]
        for number, record in enumerate(mine):
            rows.append(row(app, page, name, source, number, record))
    if not rows:
        return []
    box = nodes.bullet_list(classes=["klrl-checks"])
    box += rows
    return [box]


def row(app, page, name, source, number, record) -> nodes.Node:
    anchor = f"claim-{slug(name)}" + (f"-{number + 1}" if number else "")
    address = f"{app.builder.get_relative_uri(page, source)}#{anchor}"
    line = nodes.paragraph()
    line += nodes.reference("", record["what"] or "check", refuri=address, internal=True)
    kind = {"estimate": "|z| = ", "at most": "exceeded by "}.get(record["kind"], "off by ")
    line += nodes.Text(f": {kind}{record['error']:.1e}, allowed {record['tol']:.0e}")
    item = nodes.list_item("", line)
    if record["rivals"]:
        rivals = nodes.bullet_list()
        for rival in record["rivals"]:
            miss = "infinitely far" if rival["error"] is None else f"off by {rival['error']:.2g}"
            text = f"{claims._LABELS[rival['kind']]}: {rival['name']}, {miss}: rejected"
            rivals += nodes.list_item("", nodes.paragraph("", text))
        item += rivals
    return item


def link_cells(app: Sphinx, doctree: nodes.document, page: str) -> None:
    """Give each claim box of a chapter an address, and its ids a link to the ledger."""
    seen: dict[str, int] = {}
    for node in doctree.findall(nodes.raw):
        text = node.astext()
        if "klrl-claim" not in text:
            continue
        names = re.findall(r'data-claim="([^"]+)"', text)
        for name in names:
            seen[name] = seen.get(name, 0) + 1
            anchor = f"claim-{slug(name)}" + (f"-{seen[name]}" if seen[name] > 1 else "")
            address = f"{app.builder.get_relative_uri(page, 'book/ledger')}#ledger-{slug(name)}"
            text = text.replace(
                f'<span class="klrl-id" data-claim="{name}">{name}</span>',
                f'<a class="klrl-id" id="{anchor}" href="{address}">{name}</a>',
            )
        node.children = [nodes.Text(text)]
        node.rawsource = text


def setup(app: Sphinx) -> dict[str, Any]:
    app.add_node(results)
    app.add_node(count)
    app.add_directive("claims-ledger", Ledger)
    app.add_directive("claims-open", OpenClaims)
    app.add_role("claims-count", count_role)
    app.connect("env-get-outdated", again)
    app.connect("env-check-consistency", audit)
    app.connect("doctree-resolved", fill)
    return {"version": "1", "parallel_read_safe": False, "parallel_write_safe": True}

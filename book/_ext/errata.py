"""The errata page: what the post says that does not hold as written, and what holds instead.

Everything on it comes from `claims.yml` and from the records of the executed notebooks: which
claims are false or conditional, why, what is true, and the measured error of the statement as it
stands. Claims that say the same are one entry. The helpers of the ledger do the links.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from docutils import nodes
from ledger import _ClaimsDirective, executed, slug
from sphinx.application import Sphinx

from klrl_lite import claims
from klrl_lite.ledger import told_once

FALSE, CONDITION = "false as stated", "holds with a condition"
#: What a rival is called on this page, by its kind.
EVIDENCE = {FALSE: "as_stated", CONDITION: "without"}


class guards(nodes.General, nodes.Element):
    """Where the checks that guard an entry will be listed once every notebook has run."""


class tally(nodes.Inline, nodes.Element):
    """Where a number of statements of the post will stand."""


def of_the_post(entries: dict[str, Any]) -> dict[str, Any]:
    """Claims of the post alone."""
    return {name: e for name, e in entries.items() if e["section"] != "beyond"}


class Errata(_ClaimsDirective):
    """`{claims-errata} false` or `{claims-errata} conditions`."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        pages = getattr(self.env, "ledger_pages", set())
        self.env.ledger_pages = pages | {self.env.docname}
        verdict = {"false": FALSE, "conditions": CONDITION}[self.arguments[0]]
        entries = of_the_post(self.entries)
        groups = told_once(entries, verdict)
        if verdict == FALSE:
            return [self.erratum(group, entries) for group in groups]
        return list(self.by_section(groups, entries))

    def inline(self, text: str) -> list[nodes.Node]:
        """Text of one paragraph, without the paragraph."""
        return [child for p in self.parsed(text) for child in p.children]

    def links(self, group: list[str]) -> list[nodes.Node]:
        """Ids of an entry, each with a link to the ledger and an address of its own."""
        builder = self.env.app.builder
        page = builder.get_relative_uri(self.env.docname, "book/ledger")
        out: list[nodes.Node] = []
        for name in group:
            look = {"ids": [f"errata-{slug(name)}"], "classes": ["klrl-id"], "internal": True}
            address = f"{page}#ledger-{slug(name)}"
            out += [nodes.reference("", name, refuri=address, **look), nodes.Text(" ")]
        return out

    def erratum(self, group: list[str], entries: dict[str, Any]) -> nodes.Node:
        """One false statement in full."""
        box = nodes.container(classes=["klrl-claim", "false", "klrl-erratum"])
        head = nodes.paragraph("", "", *self.links(group))
        sections = dict.fromkeys(entries[name]["section"] for name in group)
        head += nodes.inline("", FALSE, classes=["klrl-verdict"])
        head += nodes.inline("", "post " + ", ".join(sections), classes=["klrl-what"])
        box += head
        rows = nodes.definition_list()
        for title, key in (
            ("The post says", "statement"),
            ("Counterexample", "counterexample"),
            ("What is true", "correction"),
            ("Note", "note"),
        ):
            texts = [entries[name].get(key, "") for name in group]
            if any(texts):
                rows += self.row(title, texts)
        rows += nodes.definition_list_item(
            "",
            nodes.term("", "What guards it"),
            nodes.definition("", guards(claims=group, verdict=FALSE)),
        )
        box += rows
        return box

    def row(self, title: str, texts: list[str]) -> nodes.Node:
        """One heading of an entry with what its claims say under it, each text once."""
        body = nodes.definition()
        for text in dict.fromkeys(t for t in texts if t):
            body += self.parsed(text)
        return nodes.definition_list_item("", nodes.term("", title), body)

    def by_section(self, groups: list[list[str]], entries: dict[str, Any]) -> Iterator[nodes.Node]:
        """Conditions in the order of the post: statement, then condition and evidence."""
        found: dict[str, list[list[str]]] = {}
        for group in groups:
            found.setdefault(entries[group[0]]["section"], []).append(group)
        for section, mine in found.items():
            block = nodes.section(
                ids=[f"errata-section-{slug(section.strip('§').replace(' ', '-'))}"]
            )
            block += nodes.title("", f"Post {section}")
            rows = nodes.definition_list(classes=["klrl-conditions"])
            for group in mine:
                rows += self.conditional(group, entries)
            block += rows
            yield block

    def conditional(self, group: list[str], entries: dict[str, Any]) -> nodes.Node:
        """One statement that needs a condition, compact."""
        term = nodes.term("", "", *self.links(group))
        term += self.inline(entries[group[0]]["statement"])
        body = nodes.definition()
        for text in dict.fromkeys(entries[name]["condition"] for name in group):
            body += self.parsed(text)
        body += guards(claims=group, verdict=CONDITION)
        return nodes.definition_list_item("", term, body)


def tally_role(name, rawtext, text, lineno, inliner, options=None, content=None):
    """`{claims-tally}` with a verdict: how many statements of the post have it; or "post"."""
    env = inliner.document.settings.env
    env.ledger_pages = getattr(env, "ledger_pages", set()) | {env.docname}
    return [tally(what=text)], []


def fill(app: Sphinx, doctree: nodes.document, page: str) -> None:
    """Put the measured errors and the links where the directives left places for them."""
    places = list(doctree.findall(lambda n: isinstance(n, guards | tally)))
    if not places:
        return
    records = executed(app)
    entries = of_the_post(claims.load(Path(app.srcdir) / "book" / "claims.yml"))
    for node in places:
        if isinstance(node, tally):
            hits = [e for e in entries.values() if node["what"] in ("post", e["verdict"])]
            node.replace_self(nodes.Text(str(len(hits))))
        else:
            node.replace_self(evidence(app, page, node["claims"], node["verdict"], records))


def evidence(
    app: Sphinx, page: str, group: list[str], verdict: str, records: dict[str, list]
) -> nodes.Node:
    """List the checks that show a statement to fail: link, what was put in, how far off it is."""
    items = []
    for source, found in records.items():
        told = set()
        for name in group:
            for number, record in enumerate(r for r in found if name in r["ids"]):
                if id(record) not in told:
                    told.add(id(record))
                    items += list(misses(app, page, source, name, number, record, verdict))
    if not items:
        return nodes.paragraph("", "Not checked yet.", classes=["klrl-open"])
    return nodes.bullet_list("", *items, classes=["klrl-checks"])


def misses(app, page, source, name, number, record, verdict) -> Iterator[nodes.Node]:
    """What one check says against the statement: the error of the statement as it stands."""
    anchor = f"claim-{slug(name)}" + (f"-{number + 1}" if number else "")
    address = f"{app.builder.get_relative_uri(page, source)}#{anchor}"
    unit = {"estimate": "|z| = ", "at most": "too large by "}.get(record["kind"], "off by ")
    allowed = f"{record['tol']:g}" if record["kind"] == "estimate" else f"{record['tol']:.0e}"
    allowed = allowed if record["tol"] else "0"
    for rival in record["rivals"]:
        if rival["kind"] != EVIDENCE[verdict]:
            continue
        far = rival["error"]
        by = "infinitely far off" if far is None else f"{unit}{far:.2g}"
        line = nodes.paragraph()
        if verdict == FALSE:
            line += nodes.reference("", record["what"], refuri=address, internal=True)
            line += nodes.Text(
                f". In its place “{rival['name']}”: {by}, where {allowed} is allowed"
            )
        else:
            line += nodes.Text("without it: ")
            line += nodes.reference("", rival["name"], refuri=address, internal=True)
            line += nodes.Text(f", {by} ({allowed} allowed)")
        yield nodes.list_item("", line)


def setup(app: Sphinx) -> dict[str, Any]:
    app.add_node(guards)
    app.add_node(tally)
    app.add_directive("claims-errata", Errata)
    app.add_role("claims-tally", tally_role)
    app.connect("doctree-resolved", fill)
    return {"version": "1", "parallel_read_safe": False, "parallel_write_safe": True}

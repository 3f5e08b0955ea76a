"""The quiz: tempting statements of the book's rivals, three answers to open, numbers by the build.

A question names a claim, and the answer that its verdict must bear out::

    :::{quiz} S8.10 false
    The tempting statement.

    ---

    What is true, and why one could think otherwise.
    :::

The reader opens one of three folds, which works with the keyboard and without scripts. Under the
answer stand the measured errors, of the true formula and of the tempting one, from the records of
the executed check, with a link to its cell. An answer that the verdict contradicts is a warning.
"""

from typing import Any, ClassVar

from argument import element
from docutils import nodes
from docutils.parsers.rst import directives
from docutils.statemachine import StringList
from ledger import _ClaimsDirective, executed, slug
from sphinx.application import Sphinx
from sphinx.util import logging

logger = logging.getLogger(__name__)

#: Answer -> (what the reader opens, verdict that it stands for, evidence that shows it).
ANSWERS = {
    "true": ("True", "holds", "rival"),
    "false": ("False", "false as stated", "as_stated"),
    "only-if": ("Only if …", "holds with a condition", "without"),
}
NOT_THIS = "No; one of the other two."
TEMPTING = {"rival": "the tempting formula", "as_stated": "as stated", "without": "without it"}


class measured(nodes.General, nodes.Element):
    """Where the numbers of a check will stand once every notebook has run."""


class Quiz(_ClaimsDirective):
    """`{quiz} S8.10 false`: statement, a line of dashes, answer."""

    required_arguments = 2
    has_content = True
    # Start of the name of the check whose numbers are shown, if it is not the first that fits.
    option_spec: ClassVar = {"check": directives.unchanged}

    def run(self) -> list[nodes.Node]:
        name, answer = self.arguments
        text = "\n".join(self.content)
        if answer not in ANSWERS or "\n---\n" not in text:
            raise self.error(f"quiz: {', '.join(ANSWERS)}; then statement, ---, answer")
        verdict = self.entries.get(name, {}).get("verdict", "missing")
        if verdict != ANSWERS[answer][1]:
            where = self.get_location()
            logger.warning("quiz: %s is %r, not %r", name, verdict, answer, location=where)
        self.env.ledger_pages = getattr(self.env, "ledger_pages", set()) | {self.env.docname}
        statement, explanation = text.split("\n---\n", 1)
        number = self.env.new_serialno("quiz") + 1
        box = nodes.container(classes=["klrl-quiz"], ids=[f"quiz-{slug(name)}"])
        head = nodes.strong("", f"{number}. ")
        said = self.lines(statement)
        said[0].insert(0, head)
        box += said
        for key, (label, _, evidence) in ANSWERS.items():
            fold = element(tag="details", attributes={"name": f"quiz-{number}"})
            fold["classes"] = ["klrl-quiz-right" if key == answer else "klrl-quiz-wrong"]
            fold += element("", nodes.Text(label), tag="summary")
            if key == answer:
                fold += self.lines(explanation)
                check = self.options.get("check", "")
                fold += measured(claim=name, evidence=evidence, check=check)
            else:
                fold += nodes.paragraph("", NOT_THIS)
            box += fold
        return [box]

    def lines(self, text: str) -> list[nodes.Node]:
        """Text with formulas and links in it."""
        box = nodes.Element()
        lines = StringList(text.strip().splitlines(), self.env.docname)
        self.state.nested_parse(lines, self.content_offset, box)
        return box.children


def fill(app: Sphinx, doctree: nodes.document, page: str) -> None:
    """Put in the numbers."""
    places = list(doctree.findall(measured))
    records = executed(app) if places else {}
    for node in places:
        shown = numbers(app, page, node["claim"], node["evidence"], node["check"], records)
        if shown is None:
            if any(records.values()):  # a build that ran nothing has nothing to show
                logger.warning("quiz: no check of %s has what its answer needs", node["claim"])
            shown = nodes.paragraph("", "Not checked yet.", classes=["klrl-open"])
        node.replace_self(shown)


def numbers(
    app: Sphinx, page: str, name: str, evidence: str, start: str, records: dict[str, list]
) -> nodes.Node | None:
    """The check of a claim that has this evidence: its own error, and that of what it rejects."""
    for source, found in records.items():
        for number, record in enumerate(r for r in found if name in r["ids"]):
            rivals = [r for r in record["rivals"] if r["kind"] == evidence]
            if not rivals or not record["what"].startswith(start):
                continue
            anchor = f"claim-{slug(name)}" + (f"-{number + 1}" if number else "")
            address = f"{app.builder.get_relative_uri(page, source)}#{anchor}"
            line = nodes.paragraph("", "The check: ")
            line += nodes.reference("", record["what"] or name, refuri=address, internal=True)
            line += nodes.Text(f", {distance(record, record['error'], '.0e')}; {allowed(record)}.")
            items = [nodes.list_item("", line)]
            for rival in rivals:
                text = f"{rival['name']}, {distance(record, rival['error'], '.2g')}."
                label = TEMPTING[evidence].capitalize()
                items.append(nodes.list_item("", nodes.paragraph("", f"{label}: {text}")))
            return nodes.bullet_list("", *items, classes=["klrl-checks"])
    return None


def distance(record: dict[str, Any], error: float | None, digits: str) -> str:
    """How far off a formula is, in the words of its kind of check."""
    if error is None:
        return "infinitely far off"
    unit = {"estimate": "|z| = ", "at most": "too large by "}.get(record["kind"], "off by ")
    digits = ".2g" if record["kind"] == "estimate" else digits
    return f"{unit}{error:{digits}}" if error else f"{unit}0"


def allowed(record: dict[str, Any]) -> str:
    """What the check lets pass."""
    if record["kind"] == "estimate":
        return f"up to {record['tol']:g} is allowed"
    return f"{record['tol']:.0e} is allowed" if record["tol"] else "nothing more is allowed"


def setup(app: Sphinx) -> dict[str, Any]:
    app.add_node(measured)
    app.add_directive("quiz", Quiz)
    app.connect("doctree-resolved", fill)
    return {"version": "1", "parallel_read_safe": False, "parallel_write_safe": True}

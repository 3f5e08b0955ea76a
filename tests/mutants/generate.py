"""Lists the mutants of modules as mutmut makes them, one JSON object a line.

    python tests/mutants/generate.py ROOT klrl_lite/gibbs.py ...

This is the only part that needs mutmut (requirements-mutation.txt). A mutant is one edit of the
text of one function: where it begins in the file, what goes and what comes. What mutmut leaves
alone is left alone here: code outside functions, decorated functions, type annotations, docstrings.
The spelling of error messages is left alone too: the tests ask an error for the name, the value and
the rule in it, and no more.
"""

import difflib
import hashlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import libcst as cst
from libcst.metadata import MetadataWrapper
from mutmut.mutation.file_mutation import Mutation, MutationVisitor, deep_replace
from mutmut.mutation.mutators import mutation_operators
from mutmut.mutation.pragma_handling import IgnoredCode


class _Refusals(cst.CSTVisitor):
    """Collects what refuses wrong input: calls of `_checks`, and raise with what leads to it."""

    def __init__(self) -> None:
        self.nodes: set[cst.CSTNode] = set()
        self.messages: set[cst.CSTNode] = set()

    def visit_Raise(self, node: cst.Raise) -> None:
        self.nodes.update(_below(node))
        self.messages.update(n for n in _below(node) if isinstance(n, cst.SimpleString))

    def visit_If(self, node: cst.If) -> None:
        lines = [
            line.body[0] if isinstance(line, cst.SimpleStatementLine) else line
            for line in node.body.body
        ]
        if node.orelse is None and all(isinstance(line, cst.Raise) for line in lines):
            self.nodes.update(_below(node.test))

    def visit_Call(self, node: cst.Call) -> None:
        owner = getattr(node.func, "value", None)
        if isinstance(owner, cst.Name) and owner.value == "_checks":
            self.nodes.update(_below(node))


def _below(node: cst.CSTNode) -> Iterator[cst.CSTNode]:
    yield node
    for child in node.children:
        yield from _below(child)


def functions(module: cst.Module) -> dict[cst.CSTNode, tuple[str, cst.CSTNode]]:
    """Return functions and methods with their qualified names and the statements they are in."""
    found: dict[cst.CSTNode, tuple[str, cst.CSTNode]] = {}
    for statement in module.body:
        if isinstance(statement, cst.FunctionDef):
            found[statement] = (statement.name.value, statement)
        elif isinstance(statement, cst.ClassDef):
            for child in statement.body.body:
                if isinstance(child, cst.FunctionDef):
                    found[child] = (f"{statement.name.value}.{child.name.value}", statement)
    return found


def edit(old: str, new: str) -> tuple[int, str, str]:
    """Return where two texts begin to differ, and what stands there in each of them."""
    start = next((i for i, (a, b) in enumerate(zip(old, new, strict=False)) if a != b), len(old))
    end = 0
    while end < min(len(old), len(new)) - start and old[-1 - end] == new[-1 - end]:
        end += 1
    return start, old[start : len(old) - end], new[start : len(new) - end]


def changed_lines(old: str, new: str) -> tuple[str, str]:
    """Return the lines that differ, stripped and joined, before and after."""
    lines = list(difflib.unified_diff(old.splitlines(), new.splitlines(), n=0, lineterm=""))[3:]
    return (
        " ".join(line[1:].strip() for line in lines if line.startswith("-")),
        " ".join(line[1:].strip() for line in lines if line.startswith("+")),
    )


def mutants(root: Path, path: str) -> Iterator[dict[str, object]]:
    """Yield the mutants of one file."""
    wrapper = MetadataWrapper(cst.parse_module((root / path).read_text(encoding="utf-8")))
    visitor = MutationVisitor(mutation_operators, IgnoredCode(set(), set(), set()))
    module = wrapper.visit(visitor)
    refusals = _Refusals()
    module.visit(refusals)
    places = functions(module)
    known = set()
    for mutation in visitor.mutations:
        function, node = mutation.contained_by_top_level_function, mutation.original_node
        if function not in places or node in refusals.messages:
            continue
        name, statement = places[function]
        old, new = _texts(module, function, mutation)
        if old == new or _same_number(mutation):
            continue
        key = "\0".join([path, name, old, *map(str, edit(old, new))])
        digest = hashlib.sha256(key.encode()).hexdigest()[:12]
        if digest in known:  # two operators may give the same text
            continue
        known.add(digest)
        before, after = changed_lines(old, new)
        row = {"id": digest, "path": path, "function": name, "before": before, "after": after}
        row["refusal"] = node in refusals.nodes
        old, new = _texts(module, statement, mutation)  # in a class the lines are indented
        start, was, now = edit(old, new)
        if was == now:  # an edit of a part that is not printed
            continue
        yield row | {"start": _offset(module.code, old) + start, "old": was, "new": now}


def _same_number(mutation: Mutation) -> bool:
    """Adding one to 1e26 gives 1e26 in another spelling."""
    pair = mutation.original_node, mutation.mutated_node
    return all(isinstance(n, cst.BaseNumber) for n in pair) and (
        pair[0].evaluated_value == pair[1].evaluated_value
    )


def _texts(module: cst.Module, whole: cst.CSTNode, mutation: Mutation) -> tuple[str, str]:
    changed = deep_replace(whole, mutation.original_node, mutation.mutated_node)
    return module.code_for_node(whole), module.code_for_node(changed)


def _offset(whole: str, part: str) -> int:
    if whole.count(part) != 1:
        raise ValueError(f"a function must be found once: {part[:80]!r}")
    return whole.index(part)


if __name__ == "__main__":
    for name in sys.argv[2:]:
        for row in mutants(Path(sys.argv[1]), name):
            sys.stdout.write(json.dumps(row) + "\n")

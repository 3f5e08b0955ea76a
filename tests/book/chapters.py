"""Runs the code of a chapter outside a kernel and returns the records of its checks.

    python tests/book/chapters.py book/01_mirror_descent.ipynb

prints them as JSON; more arguments are claims, and once each has failed the run ends. Nothing is
raised: a check that fails is a record with a failure, a cell that breaks is a record without an id.
Tests sabotage a copy of the package and run a chapter on it in a process of its own.
"""

import ast
import json
import sys
import warnings
from contextlib import redirect_stdout
from pathlib import Path

# Drawing is checked elsewhere, and takes most of the time.
DRAWING = ("plots.", "explore.", "labs.")


def code_of(path):
    """Sources of the code cells that compute something."""
    cells = json.loads(Path(path).read_text(encoding="utf-8"))["cells"]
    for cell in cells:
        source = "".join(cell["source"])
        if cell["cell_type"] == "code":
            lines = source.splitlines()
            for statement in ast.parse(source).body:
                first, last = statement.lineno - 1, statement.end_lineno
                if lines[first].startswith(DRAWING):
                    lines[first:last] = [""] * (last - first)
            yield "\n".join(lines)


def run(path, until=()):
    """Run a chapter; return its records, with broken cells among them.

    If claims are named in `until`, the run ends as soon as each of them has failed.
    """
    from klrl_lite.claims import collect

    scope, broken = {}, []
    with collect() as records, warnings.catch_warnings(), redirect_stdout(sys.stderr):
        warnings.simplefilter("error")
        for number, source in enumerate(code_of(path)):
            try:
                exec(compile(source, f"{Path(path).name}, cell {number}", "exec"), scope)
            except Exception as error:
                broken.append({"ids": [], "failure": f"cell {number}: {error!r}", "rivals": []})
            if until and set(until) <= {n for r in records if r["failure"] for n in r["ids"]}:
                break
    return records + broken


if __name__ == "__main__":
    json.dump(run(sys.argv[1], sys.argv[2:]), sys.stdout)

"""Which functions a chapter introduces.

A public function or class of `klrl_lite` belongs to the first chapter whose code names it at least
twice; one that no chapter names twice, to the first that names it. (A single mention may be a curve
in a picture.) With it go the private functions of its module that it calls, unless an earlier
chapter has reached them. Not counted are claims, drawing, labs and exercises, and the solvers.

    python tests/mutants/introduced.py

prints a JSON object: for each chapter the places, `path:function`.
"""

import ast
import importlib
import json
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

OUT_OF_SCOPE = {"plots", "explore", "labs", "exercises", "claims", "ledger", "verdicts"}
OUT_OF_SCOPE |= {"_checks", "solvers"}


def code(notebook: Path) -> ast.Module:
    """Return the code cells of a notebook as one tree."""
    cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    return ast.parse("\n".join("".join(c["source"]) for c in cells if c["cell_type"] == "code"))


def named(tree: ast.Module) -> Iterator[object]:
    """Yield the things of the package that the code names."""
    known: dict[str, object] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and str(node.module).split(".")[0] == "klrl_lite":
            module = importlib.import_module(str(node.module))
            for alias in node.names:
                thing = getattr(module, alias.name, None)
                if thing is None:
                    thing = importlib.import_module(f"{node.module}.{alias.name}")
                known[alias.asname or alias.name] = thing
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and node.id in known:
            yield known[node.id]
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            owner = known.get(node.value.id)
            if isinstance(owner, ModuleType) and hasattr(owner, node.attr):
                yield getattr(owner, node.attr)


def reached(root: Path, path: str, name: str) -> Iterator[str]:
    """Yield a function, or the methods of a class, and the private ones that are called."""
    tree = ast.parse((root / path).read_text(encoding="utf-8"))
    top = {n.name: n for n in tree.body if isinstance(n, ast.FunctionDef | ast.ClassDef)}
    waiting, seen = [name], set()
    while waiting:
        current = waiting.pop()
        if current in seen or current not in top:
            continue
        seen.add(current)
        node = top[current]
        if isinstance(node, ast.ClassDef):
            inner = [n.name for n in node.body if isinstance(n, ast.FunctionDef)]
            yield from (f"{path}:{current}.{method}" for method in inner)
        else:
            yield f"{path}:{current}"
        used = {n.id for n in ast.walk(node) if isinstance(n, ast.Name)}
        waiting += sorted(n for n in used if n.startswith("_"))


def introduced(root: Path) -> dict[str, list[str]]:
    """Return the places that each chapter introduces, in the order of the book."""
    notebooks = sorted((root / "book").glob("[0-9][0-9]_*.ipynb"))
    names: dict[str, Counter[object]] = {}
    for notebook in notebooks:
        names[notebook.name[:2]] = Counter(t for t in named(code(notebook)) if callable(t))
    home: dict[str, list[object]] = {chapter: [] for chapter in names}
    for thing in dict.fromkeys(t for found in names.values() for t in found):
        often = [chapter for chapter in names if names[chapter][thing] > 1]
        home[(often or [chapter for chapter in names if names[chapter][thing]])[0]].append(thing)
    taken: set[str] = set()
    chapters = {}
    for chapter, things in home.items():
        mine: list[str] = []
        for thing in things:
            if place := _place(root, thing):
                found = reached(root, *place)
                mine += [p for p in found if p not in taken and p not in mine]
        taken.update(mine)
        chapters[chapter] = mine
    return chapters


def _place(root: Path, thing: object) -> tuple[str, str] | None:
    """Return file and name of what is in scope."""
    module, name = str(getattr(thing, "__module__", "")), getattr(thing, "__qualname__", "")
    layers = module.split(".")
    if not name or layers[0] != "klrl_lite" or len(layers) < 2 or layers[1] in OUT_OF_SCOPE:
        return None
    source = sys.modules[module].__file__
    assert source is not None
    return Path(source).relative_to(root).as_posix(), name


if __name__ == "__main__":
    sys.path.insert(0, str(Path.cwd()))
    json.dump(introduced(Path.cwd()), sys.stdout, indent=1)

"""Imports point one way, and what an algorithm cannot import it cannot know."""

import ast
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import klrl_lite

PACKAGE = Path(klrl_lite.__file__).parent
#: From the ground up; a module may import only from layers below its own (and a folder from
#: itself). `thresholds` stands above `problems`, which knows how to read a support.
LAYERS = (
    *("_types", "_checks", "sweeps", "solvers", "simplex", "gibbs", "policies", "problems", "flow"),
    *("thresholds", "equilibria", "signals", "algorithms", "diagnostics"),
    # What the book needs around them: claims, exercises, figures, charts, labs.
    *("verdicts", "claims", "ledger", "plots", "diagnose", "exercises", "explore", "labs"),
)
#: What algorithms must not see: the solution, and the problem that has it.
ANSWERS = {"gibbs", "problems", "flow", "thresholds", "equilibria"}
#: Beside NumPy, SciPy and the standard library: where, and whether only inside functions.
THIRD_PARTY = {
    "sweeps": {"joblib (lazy)", "distributed (lazy)", "cloudpickle (lazy)"},
    "plots": {"matplotlib"},
    "diagnose": {"matplotlib (lazy)"},
    "verdicts": {"yaml (lazy)"},
    "claims": {"IPython (lazy)"},
    "labs": {"ipywidgets (lazy)", "matplotlib (lazy)", "IPython (lazy)"},
    "explore": {"IPython (lazy)"},
}


def modules():
    """Dotted name below the package -> syntax tree."""
    files = sorted(PACKAGE.rglob("*.py"))
    names = [".".join(f.relative_to(PACKAGE).with_suffix("").parts) for f in files]
    trees = [ast.parse(f.read_text(encoding="utf-8")) for f in files]
    return {n.removesuffix(".__init__"): t for n, t in zip(names, trees, strict=True)}


TREES = modules()
IS_FOLDER = {p.parent.relative_to(PACKAGE).as_posix() for p in PACKAGE.rglob("*/__init__.py")}


def imported(name):
    """Modules of the package, and top-level foreign packages, that a module imports."""
    inside, foreign = set(), set()
    functions = [n for n in ast.walk(TREES[name]) if isinstance(n, ast.FunctionDef | ast.Lambda)]
    lazy = {id(n) for f in functions for n in ast.walk(f)}
    for node in ast.walk(TREES[name]):
        if isinstance(node, ast.Import):
            found = {(alias.name.split(".")[0], "") for alias in node.names}
            own = {a.name for a in node.names if a.name.split(".")[0] == "klrl_lite"}
            assert not own, f"{name} must import its siblings relatively; got {own}"
        elif isinstance(node, ast.ImportFrom):
            if node.level:
                inside |= relative(name, node)
                continue
            found = {(node.module.split(".")[0], "")}
        else:
            continue
        mark = " (lazy)" if id(node) in lazy else ""
        foreign |= {top + mark for top, _ in found}
    return inside, foreign


def relative(name, node):
    """Modules meant by `from .x import y`: x.y where that is a module, else x."""
    parts = name.split(".") if name else []
    here = parts if name in IS_FOLDER or name == "__init__" else parts[:-1]
    here = [p for p in here if p != "__init__"]
    base = here[: len(here) - node.level + 1] + (node.module.split(".") if node.module else [])
    targets = set()
    for alias in node.names:
        full = ".".join([*base, alias.name])
        targets.add(full if full in TREES else ".".join(base))
    return targets


def layer(name):
    return name.split(".")[0]


NAMES = [name for name in TREES if name != "__init__"]


def test_the_reader_of_imports_sees_them():
    # A test that finds nothing would also pass: these edges are known to exist.
    inside, foreign = imported("algorithms.region")
    assert {"simplex", "solvers", "_checks"} <= inside
    assert foreign >= {"numpy"}
    assert "problems" in imported("thresholds.binary")[0]
    assert "yaml (lazy)" in imported("verdicts")[1]
    assert "matplotlib" in imported("plots.style")[1]


@pytest.mark.parametrize("name", NAMES)
def test_imports_point_one_way(name):
    assert layer(name) in LAYERS, f"give {name} a place in LAYERS"
    for other in imported(name)[0]:
        below = LAYERS.index(layer(other)) < LAYERS.index(layer(name))
        sibling = layer(other) == layer(name)
        assert below or sibling, f"{name} must not import {other}"


def test_there_is_no_cycle():
    graph = {name: imported(name)[0] - {name} for name in NAMES if name not in IS_FOLDER}
    graph = {name: {o for o in others if o not in IS_FOLDER} for name, others in graph.items()}
    assert list(TopologicalSorter(graph).static_order())


@pytest.mark.parametrize("name", [n for n in NAMES if layer(n) == "algorithms"])
def test_algorithms_cannot_know_the_answer(name):
    seen, todo = set(), {name}
    while todo:
        here = todo.pop()
        seen.add(here)
        todo |= imported(here)[0] - seen
    assert not {layer(other) for other in seen} & ANSWERS


@pytest.mark.parametrize("name", NAMES)
def test_foreign_packages(name):
    allowed = THIRD_PARTY.get(layer(name), set())
    for other in imported(name)[1]:
        plain = other.removesuffix(" (lazy)")
        known = plain in ("numpy", "scipy") or plain in sys.stdlib_module_names
        # What may be imported at the top may be imported inside a function too.
        assert known or other in allowed or plain in allowed, f"{name} must not import {other}"


def test_the_package_itself_loads_nothing_heavy():
    # In a fresh interpreter: the computations do not pull in a plotting library or a notebook.
    core = [n for n in NAMES if layer(n) not in ("plots", "explore", "labs")]
    code = "import sys\n" + "".join(f"import klrl_lite.{n}\n" for n in core)
    code += (
        "print([m for m in ('matplotlib', 'IPython', 'yaml', 'ipywidgets') if m in sys.modules])"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=PACKAGE.parent
    )
    assert run.stdout.strip() == "[]"


def test_global_state():
    # No module sets NumPy's error state, the random state or a warnings filter for everybody.
    banned = {"seterr", "seed", "simplefilter", "filterwarnings", "set_printoptions", "print"}
    for name, tree in TREES.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call):
                called = getattr(node.func, "attr", getattr(node.func, "id", ""))
                assert called not in banned, f"{name} calls {called}"

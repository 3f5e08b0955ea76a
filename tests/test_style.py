"""Style, format and types: what `run.py lint` checks, so that `run.py test` covers it too."""

import ast
import importlib
import inspect
import subprocess
import sys
from pathlib import Path

import pytest

import klrl_lite

PACKAGE = Path(klrl_lite.__file__).parent
FILES = sorted(PACKAGE.rglob("*.py"))


def passes(root: Path, *command: str) -> None:
    """Run a module of this interpreter on the project; what it has to say is the failure."""
    found = subprocess.run(
        [sys.executable, "-m", *command], cwd=root, capture_output=True, text=True
    )
    assert found.returncode == 0, found.stdout + found.stderr


# Of ".", ruff takes the files that git knows or would add.
def test_the_rules_of_ruff(root):
    passes(root, "ruff", "check", ".")


def test_the_format_of_ruff(root):
    passes(root, "ruff", "format", "--check", ".")


@pytest.mark.slow
def test_the_types(root):
    passes(root, "mypy")


def module_name(path: Path) -> str:
    parts = ("klrl_lite", *path.relative_to(PACKAGE).with_suffix("").parts)
    return ".".join(parts).removesuffix(".__init__")


def load(path: Path):
    if {"plots", "explore", "labs"} & set(path.parts):
        pytest.importorskip("matplotlib").use("agg")
    return importlib.import_module(module_name(path))


def public_functions(module):
    """Functions defined in the module, and methods of its classes, `__init__` included."""
    for name, wrapped in vars(module).items():
        thing = inspect.unwrap(wrapped) if callable(wrapped) else wrapped
        if name.startswith("_") or inspect.getmodule(thing) is not module:
            continue
        if inspect.isfunction(thing):
            yield name, thing
        elif inspect.isclass(thing):
            for method, found in vars(thing).items():
                function = found.fget if isinstance(found, property) else found
                mine = getattr(function, "__code__", None)
                if (
                    mine
                    and mine.co_filename == module.__file__
                    and (method == "__init__" or not method.startswith("_"))
                ):
                    yield f"{name}.{method}", function


@pytest.mark.parametrize("path", FILES, ids=[module_name(f) for f in FILES])
def test_public_functions_say_their_types(path):
    module = load(path)
    for name, function in public_functions(module):
        signature = inspect.signature(function)
        bare = [
            p.name
            for p in signature.parameters.values()
            if p.annotation is p.empty and p.name != "self"
        ]
        assert not bare, f"{module.__name__}.{name} must say the types of {', '.join(bare)}"
        said = signature.return_annotation is not signature.empty
        assert said, f"{module.__name__}.{name} must say what it returns"


def test_the_functions_were_found():
    # Were the finder to miss them, the test above would pass and prove nothing.
    found = {n for path in FILES for n, _ in public_functions(load(path))}
    assert {"kl", "bisect", "claim", "collect", "Claim.same", "Problem.n_actions"} <= found
    written = [
        node
        for path in FILES
        for node in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_")
    ]
    assert len(found) >= len({node.name for node in written})


def test_the_hints_are_shipped():
    assert (PACKAGE / "py.typed").is_file()

"""Docstrings: every public name has one, with an example that runs; and files stay short."""

import ast
import doctest
import importlib
import inspect
import re
from pathlib import Path

import pytest

import klrl_lite

PACKAGE = Path(klrl_lite.__file__).parent
FILES = sorted(PACKAGE.rglob("*.py"))
#: Drawings and widgets: their example is the page that shows them.
SHOWN_IN_THE_BOOK = ("plots", "explore", "labs", "exercises")
#: Arguments over actions; a docstring must say where the action axis is.
OVER_ACTIONS = re.compile(
    r"log_\w*(p|q|pi|pi0|ref|gibbs|mass)|advantage|reward|values|direction|logits|gradient|u|v|x|y|x0"
)
LONGEST = 350


def module_name(path):
    parts = ("klrl_lite", *path.relative_to(PACKAGE).with_suffix("").parts)
    return ".".join(parts).removesuffix(".__init__")


def load(path):
    if path.stem == "pools":
        for name in ("joblib", "distributed"):
            pytest.importorskip(name)
    if "labs" in path.parts:
        pytest.importorskip("ipywidgets")
    if {"plots", "explore", "labs"} & set(path.parts):
        pytest.importorskip("matplotlib").use("agg")
    return importlib.import_module(module_name(path))


def public(module):
    """Functions and classes defined in the module, and the public methods of the classes."""
    for name, wrapped in vars(module).items():
        thing = inspect.unwrap(wrapped) if callable(wrapped) else wrapped
        if name.startswith("_") or inspect.getmodule(thing) is not module:
            continue
        if inspect.isfunction(thing) or inspect.isclass(thing):
            yield name, thing
        if inspect.isclass(thing) and not issubclass(thing, tuple):
            for method, function in vars(thing).items():
                if inspect.isfunction(function) and not method.startswith("_"):
                    yield f"{name}.{method}", function


def wants_example(name, thing):
    """Functions and classes with behaviour; not records, exceptions or methods."""
    if inspect.isclass(thing):
        return not issubclass(thing, tuple | Exception | str)
    return "." not in name


ALL = pytest.mark.parametrize("path", FILES, ids=[module_name(f) for f in FILES])


@ALL
def test_every_public_name_is_documented(path):
    module = load(path)
    assert inspect.getdoc(module), f"{module.__name__} must say what it is for"
    for name, thing in public(module):
        text = inspect.getdoc(thing) or ""
        assert len(text) > 10, f"{module.__name__}.{name} must have a docstring"


@ALL
def test_every_public_name_has_an_example(path):
    module = load(path)
    layer = module.__name__.split(".")[1] if "." in module.__name__ else ""
    if layer in SHOWN_IN_THE_BOOK or layer.startswith("_"):
        return
    for name, thing in public(module):
        text = inspect.getdoc(thing)
        # A class may point to the function that makes it.
        pointed = re.search(r"see `(\w+)`", text)
        if not wants_example(name, thing) or (pointed and hasattr(module, pointed[1])):
            continue
        head = re.search(r"^Examples\n-{8}\n(?=.*>>>)", text, re.M | re.S)
        assert head, f"{module.__name__}.{name} must have an Examples section with >>>"


@ALL
def test_the_action_axis_is_named(path):
    module = load(path)
    layer = module.__name__.split(".")[1] if "." in module.__name__ else ""
    if layer not in ("simplex", "gibbs", "flow", "algorithms"):
        return
    for name, thing in public(module):
        if not inspect.isfunction(thing) or "." in name:
            continue
        # Arrays come first; what must be named, such as direction="new_old", is an option.
        arguments = inspect.signature(thing).parameters.values()
        arrays = [a.name for a in arguments if a.kind is not a.KEYWORD_ONLY]
        if any(OVER_ACTIONS.fullmatch(name) for name in arrays):
            text = inspect.getdoc(thing)
            shape = re.search(r"shape \(\.\.\., [An]\)|as in `\w+`", text, re.I)
            assert shape, f"{module.__name__}.{name} must say which axis holds the actions"


@ALL
def test_examples_run(path):
    module = load(path)
    flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    finder = doctest.DocTestFinder(exclude_empty=True)
    for test in finder.find(module):
        result = doctest.DocTestRunner(optionflags=flags, verbose=False)
        said = []
        result.run(test, out=said.append)
        assert result.failures == 0, "".join(said)


def test_enough_examples_were_found():
    # Were the finder to miss them, the test above would pass and prove nothing.
    core = [f for f in FILES if not set(f.parts) & set(SHOWN_IN_THE_BOOK)]
    count = sum(len(t.examples) for f in core for t in doctest.DocTestFinder().find(load(f)))
    assert count > 50


@ALL
def test_files_are_short(path):
    lines = path.read_text(encoding="utf-8").count("\n")
    assert lines <= LONGEST, f"{path.name} has {lines} lines; split it at {LONGEST}"


@ALL
def test_parameters_in_the_docstring_are_those_of_the_function(path):
    # A renamed argument whose description keeps the old name is worse than none.
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.FunctionDef):
            continue
        text = ast.get_docstring(node) or ""
        section = re.search(r"^Parameters\n-+\n(.*?)(?=^\w+\n-{3,}|\Z)", text, re.M | re.S)
        if not section:
            continue
        a = node.args
        names = {x.arg for x in (*a.posonlyargs, *a.args, *a.kwonlyargs, a.vararg, a.kwarg) if x}
        for line in re.findall(r"^([\w, *]+?)(?: : .*)?$", section[1], re.M):
            if re.fullmatch(r"[\w*]+(, [\w*]+)*", line):
                described = {word.strip(" *") for word in line.split(",")}
                assert described <= names, f"{path.name}: {node.name} has no {described - names}"

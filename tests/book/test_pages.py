"""The pages and the package refer to each other correctly."""

import ast
import json
import re

import numpy as np
import pytest

from klrl_lite import exercises


@pytest.fixture(scope="module")
def text(root):
    """Everything that is written in the book, page by page."""
    pages = {}
    for path in sorted((root / "book").glob("*.ipynb")):
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        pages[path.stem] = "\n\n".join("".join(cell["source"]) for cell in cells)
    for path in sorted((root / "book").glob("*.md")):
        pages[path.stem] = path.read_text(encoding="utf-8")
    return pages


def test_equations_that_docstrings_cite_are_in_the_book(root, text):
    labels = set(re.findall(r"\$\$ \((eq-[\w-]+)\)", "\n".join(text.values())))
    cited = {}
    for path in sorted((root / "klrl_lite").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.ClassDef | ast.Module):
                for label in re.findall(r"Book: (eq-[\w-]+)", ast.get_docstring(node) or ""):
                    cited[label] = f"{path.name}: {getattr(node, 'name', '')}"
    assert len(cited) > 20
    assert {label: where for label, where in cited.items() if label not in labels} == {}


def test_equation_labels_are_defined_once(text):
    labels = re.findall(r"\$\$ \((eq-[\w-]+)\)", "\n".join(text.values()))
    assert sorted(labels) == sorted(set(labels))


def test_exercises_and_answers_belong_together(text):
    in_book = set(re.findall(r":label: (ex-[\w-]+)", "\n".join(text.values())))
    assert in_book == exercises.ANSWERS.keys()
    for chapter, page in text.items():
        count = len(re.findall(r":label: ex-", page))
        assert count == 0 or count >= 4, f"{chapter} has only {count} exercises"


@pytest.mark.parametrize("label", exercises.ANSWERS)
def test_a_right_answer_is_told_from_a_wrong_one(label):
    right = np.atleast_1d(exercises.ANSWERS[label][0]())
    assert exercises.check_exercise(label, right) == f"{label}: right"
    assert "not yet" in exercises.check_exercise(label, right * 1.1)
    with pytest.raises(ValueError, match="entries"):
        exercises.check_exercise(label, [*right, 1.0])


def test_an_unknown_exercise_is_named():
    with pytest.raises(ValueError, match="ex-nothing"):
        exercises.check_exercise("ex-nothing", 1.0)


def test_the_cover_is_what_its_command_draws(root, tmp_path):
    from klrl_lite.plots import cover

    cover.draw(tmp_path)
    for path in sorted(tmp_path.iterdir()):
        stored = (root / "book" / "figures" / path.name).read_bytes()
        assert path.read_bytes() == stored, "python -m klrl_lite.plots.cover book/figures"

"""The commands: each test runs run.py as a reader would, on a small copy of the project.

The copies borrow the environment of this project: making one takes a minute.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from _tools import environment, failures, hashing, site_build, store

ROOT = Path(__file__).resolve().parents[1]
MACHINERY = ("run.py", "pyproject.toml", "requirements.lock", "_config.yml", "LICENSE")


def notebook(*sources: str) -> str:
    """Return a notebook with these code cells, not run."""
    cells = [
        {"cell_type": "code", "metadata": {}, "source": s, "outputs": [], "execution_count": None}
        for s in sources
    ]
    return json.dumps({"nbformat": 4, "nbformat_minor": 4, "metadata": {}, "cells": cells})


# Extensions that need the claims and the chapters of the real book.
ABOUT_CLAIMS = ("argument.py", "errata.py", "figures.py", "ledger.py", "quiz.py")


@pytest.fixture
def project(tmp_path) -> Path:
    """A copy of the machinery with a book of two pages, in a folder with a space in its name."""
    folder = tmp_path / "a book"
    (folder / "book").mkdir(parents=True)
    for name in MACHINERY:
        shutil.copy(ROOT / name, folder / name)
    for name in ("_tools", "_static"):
        shutil.copytree(ROOT / "book" / name, folder / "book" / name)
    shutil.copytree(ROOT / "book" / "_ext", folder / "book" / "_ext")
    for name in ABOUT_CLAIMS:
        (folder / "book" / "_ext" / name).write_text("def setup(app):\n    return {}\n")
    (folder / "klrl_lite").mkdir()
    (folder / "klrl_lite" / "__init__.py").write_text('"""Small."""\n')
    (folder / "_toc.yml").write_text(
        "format: jb-book\nroot: book/index\nchapters:\n- file: book/page\n"
    )
    (folder / "book" / "index.md").write_text("# Start\n")
    (folder / "book" / "references.bib").write_text("")
    (folder / "book" / "page.ipynb").write_text(
        notebook("value = 2", "print(value)").replace(
            '"cells": [',
            '"cells": [{"cell_type": "markdown", "metadata": {}, "source": "# Page"}, ',
        )
    )
    return folder


@pytest.fixture
def run(project, tmp_path_factory):
    """Call run.py in the project, with an environment that counts as finished."""
    venv = tmp_path_factory.mktemp("environment")
    _borrow_environment(project, venv)

    def call(*arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess:
        variables = os.environ | {"KLRL_VENV": str(venv), "PYTHONUTF8": "1"}
        variables.pop("KLRL_BOOK_FAILED", None)
        command = [sys.executable, str(project / "run.py"), *arguments]
        return subprocess.run(
            command, cwd=cwd or project, env=variables, capture_output=True, text=True, timeout=120
        )

    return call


def _borrow_environment(project: Path, venv: Path) -> None:
    """Let `venv` be this test's interpreter under another name, marked as complete."""
    scripts = venv / ("Scripts" if os.name == "nt" else "bin")
    scripts.mkdir()
    wrapper = scripts / "python"
    wrapper.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    wrapper.chmod(0o755)
    marks = environment.wanted(project, venv)
    environment.Environment(project, venv).write_mark(**marks)


def test_help_names_every_command():
    shown = subprocess.run(
        [sys.executable, ROOT / "run.py", "--help"], capture_output=True, text=True, check=True
    ).stdout
    for command in ("book", "test", "live", "offline", "pdf", "refresh", "lock", "clean", "lint"):
        assert f"\n{command} " in shown or f" {command} " in shown


def test_no_command_is_an_error_with_a_usage():
    result = subprocess.run([sys.executable, ROOT / "run.py"], capture_output=True, text=True)
    assert result.returncode == 2
    assert "usage: run.py" in result.stderr


def test_an_old_python_gets_a_clear_message():
    """The check stands before anything that an old Python cannot parse or import."""
    before, check, _ = (ROOT / "run.py").read_text().partition("if sys.version_info")
    assert check
    assert "from " not in before.split('"""')[2]


@pytest.mark.slow
def test_book_from_another_folder_then_again_then_after_an_edit(project, run, tmp_path):
    first = run("book", cwd=tmp_path)
    assert first.returncode == 0, first.stdout + first.stderr
    page = project / "_build" / "html" / "book" / "page.html"
    assert (project / "_build" / "html" / "index.html").as_uri() in first.stdout
    assert ">2\n" in page.read_text()

    again = run("book")
    assert again.returncode == 0
    assert "up to date" in again.stdout

    # A change of the text alone: the results come out of the cache, records of checks included.
    path = project / "book" / "page.ipynb"
    path.write_text(path.read_text().replace("# Page", "# Another title"))
    cached = run("book")
    assert cached.returncode == 0
    assert "running" not in cached.stdout
    executed = json.loads((project / "_build/jupyter_execute/book/page.ipynb").read_text())
    assert executed["cells"][-1]["outputs"][0]["text"] in ("2\n", ["2\n"])

    (project / "klrl_lite" / "__init__.py").write_text('"""Changed."""\n')
    edited = run("book")
    assert edited.returncode == 0
    assert "every notebook runs again" in edited.stdout
    assert "running  book/page.ipynb" in edited.stdout


@pytest.mark.slow
def test_a_failed_cell_fails_the_build_and_leaves_no_pages(project, run):
    (project / "book" / "page.ipynb").write_text(
        notebook("value = 2", "# the culprit\nraise ValueError('tau = -1')")
    )
    for command in ("book", "refresh"):
        before = (project / "book" / "page.ipynb").read_bytes()
        result = run(command)
        assert result.returncode != 0
        said = result.stdout.strip().splitlines()[-5:]
        assert any("page.ipynb, code cell 2:" in line for line in said), result.stdout
        assert any("# the culprit" in line for line in said)
        assert any("ValueError: tau = -1" in line for line in said)
        assert "Traceback" not in result.stdout + result.stderr
        assert (project / "book" / "page.ipynb").read_bytes() == before
    assert not (project / "_build" / "html").exists()
    assert not (project / "_build" / "site.json").exists()


@pytest.mark.slow
def test_refresh_gives_the_same_bytes_twice(project, run):
    path = project / "book" / "page.ipynb"
    assert run("refresh").returncode == 0
    first = path.read_bytes()
    path.write_text(path.read_text().replace('"id": "cell-000"', '"id": "kept"'))
    assert run("refresh", "book/page.ipynb").returncode == 0
    second = path.read_bytes()
    assert second == first.replace(b'"id": "cell-000"', b'"id": "kept"')
    assert run("refresh").returncode == 0
    assert path.read_bytes() == second
    assert "stored anew" not in run("refresh").stdout
    assert [p.name for p in path.parent.glob(".*")] == []


def test_refresh_drops_what_differs_between_machines():
    cell = {
        "cell_type": "code",
        "metadata": {"execution": {"iopub.status.busy": "2026-01-01T00:00:00Z"}, "tags": ["x"]},
        "source": "1",
        "execution_count": 1,
        "outputs": [
            {"output_type": "stream", "name": "stdout", "text": "a"},
            {"output_type": "stream", "name": "stdout", "text": "b"},
            {
                "output_type": "display_data",
                "metadata": {"klrl": {"error": 1e-16}, "kept": 1},
                "data": {"text/plain": "x", "text/html": "<p>x</p>"},
            },
            {
                "output_type": "display_data",
                "metadata": {},
                "data": {"text/plain": "VBox()", store.WIDGET_VIEW: {"model_id": "random"}},
            },
        ],
    }
    raw = {
        "nbformat": 4,
        "nbformat_minor": 4,
        "metadata": {"widgets": {}, "language_info": {"version": "3.11.7"}},
        "cells": [cell, {**cell, "outputs": []}],
    }
    made = store.normalise(store.read(json.dumps(raw)))
    assert [c.id for c in made.cells] == ["cell-000", "cell-001"]
    assert made.metadata == {"kernelspec": store.KERNEL, "language_info": store.LANGUAGE}
    assert made.cells[0].metadata == {"tags": ["x"]}
    stream, display = made.cells[0].outputs
    assert stream.text == "ab"
    assert display.metadata == {"kept": 1}


def test_a_foreign_folder_is_never_taken_for_the_environment(project, tmp_path):
    foreign = tmp_path / "precious"
    foreign.mkdir()
    (foreign / "thesis.tex").write_text("years of work")
    result = subprocess.run(
        [sys.executable, project / "run.py", "book"],
        env=os.environ | {"KLRL_VENV": str(foreign)},
        capture_output=True,
        text=True,
    )
    assert result.returncode == 1
    assert "was not made by run.py" in result.stdout
    assert (foreign / "thesis.tex").exists()


def test_the_environment_is_remade_when_the_lock_or_its_place_changes(project, tmp_path):
    venv = project / ".venv"
    first = environment.wanted(project, venv)
    assert environment.wanted(project, venv) == first
    assert environment.wanted(project, tmp_path / "moved")["base"] != first["base"]
    (project / "requirements.lock").write_text("changed")
    assert environment.wanted(project, venv)["base"] != first["base"]


def test_another_copy_of_the_project_takes_only_itself_into_an_environment(project, tmp_path):
    """Two copies may share one by KLRL_VENV; it is not made anew each time they take turns."""
    venv = tmp_path / "shared"
    copy = tmp_path / "copy"
    shutil.copytree(project, copy)
    first, second = (environment.wanted(root, venv) for root in (project, copy))
    assert first["base"] == second["base"]
    assert first["project"] != second["project"]


def test_an_environment_is_not_made_with_the_python_that_goes_with_it(tmp_path, monkeypatch):
    env = environment.Environment(tmp_path, tmp_path / "venv")
    asked = []
    monkeypatch.setattr(environment, "logged", lambda command, *_, **__: asked.append(command[0]))
    environment._create(env)
    monkeypatch.setattr(sys, "executable", str(env.python))
    environment._create(env)
    assert asked == [asked[0], sys._base_executable]
    assert asked[0] not in (str(env.python), env.python)


def test_a_half_made_environment_is_not_taken_for_a_finished_one(tmp_path):
    env = environment.Environment(tmp_path, tmp_path)
    env.write_mark()
    assert env.mark.exists()
    assert env.read_mark() == {}
    env.mark.write_text("{half a fi")
    assert env.read_mark() == {}


def test_a_hash_sees_contents_names_and_missing_files_but_not_caches(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "x").write_text("1")
    seen = {hashing.digest(tmp_path, ["a", "b"])}
    (tmp_path / "a" / "__pycache__").mkdir()
    (tmp_path / "a" / "__pycache__" / "x.pyc").write_text("1")
    assert hashing.digest(tmp_path, ["a", "b"]) in seen
    for change in ("rename", "edit", "add"):
        if change == "rename":
            (tmp_path / "a" / "x").rename(tmp_path / "a" / "y")
        elif change == "edit":
            (tmp_path / "a" / "y").write_text("2")
        else:
            (tmp_path / "b").write_text("")
        value = hashing.digest(tmp_path, ["a", "b"])
        assert value not in seen, change
        seen.add(value)


def test_what_decides_over_a_rebuild_exists(root):
    for name in {*site_build.INPUTS, *site_build.COMPUTED_FROM, *site_build.READ_WITH}:
        assert (root / name).exists(), name


def test_the_message_of_a_failure_takes_the_last_error_and_says_when_a_cell_is_not_unique(tmp_path):
    path = tmp_path / "n.ipynb"
    path.write_text(notebook("x = 1", "f()", "f()"))
    ruler = "-" * 18
    report = (
        "An error occurred while executing the following cell:\n"
        f"{ruler}\nf()\n{ruler}\n\nKeyError: 'inner'\nDuring handling ...\n"
        "\x1b[31mValueError\x1b[0m: outer\n"
    )
    message = failures.describe(path, report, root=tmp_path)
    assert message == "n.ipynb, code cell 2 or 3:\n  f()\n  ValueError: outer"

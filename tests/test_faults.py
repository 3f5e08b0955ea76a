"""What may happen to a build: killed, disk full, no right to write, two at once, damaged results.

Each time there is a clear message, and the next build is right. Jupyter Book is played by a script,
so that a build takes no time; `test_run` has the real one.
"""

import ctypes
import errno
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest
from _tools import console, environment, reproduce, site_build

try:
    import resource
except ImportError:  # not on Windows
    resource = None

ROOT = Path(__file__).resolve().parents[1]

#: Stands in for the interpreter that runs Jupyter Book: reads the page, writes the site.
BUILDER = """
import json, pathlib, sys, time
build, mode = pathlib.Path("_build"), pathlib.Path("mode").read_text()
seen = {name: (build / name).exists() for name in (".doctrees", ".jupyter_cache", "html")}
pathlib.Path("seen.json").write_text(json.dumps(seen))
for name in (".doctrees", "html"):
    (build / name).mkdir(exist_ok=True)
print("book/page.ipynb: Executing notebook", flush=True)
(build / "html" / "index.html").write_text("half a pa")
while mode == "hang":
    print(".", flush=True)
    time.sleep(0.02)
if mode == "slow":
    time.sleep(0.5)
if mode == "talk":
    print("x" * 99_999)
if mode == "stop":
    sys.exit("MemoryError: ")
if mode == "fault":
    print("book/page.md:1: WARNING: no such label", flush=True)
    sys.exit(1)
(build / "html" / "index.html").write_text(pathlib.Path("book/index.md").read_text())
"""


@pytest.fixture
def project(tmp_path) -> Path:
    folder = tmp_path / "book of faults"
    (folder / "book").mkdir(parents=True)
    for name in ("run.py", "pyproject.toml", "requirements.lock"):
        shutil.copy(ROOT / name, folder / name)
    shutil.copytree(
        ROOT / "book" / "_tools", folder / "book" / "_tools",
        ignore=shutil.ignore_patterns("__pycache__"),
    )  # fmt: skip
    (folder / "book" / "index.md").write_text("# Start\n")
    venv = tmp_path / "environment"
    (venv / "bin").mkdir(parents=True)
    (venv / "builder.py").write_text(BUILDER)
    python = venv / "bin" / "python"
    python.write_text(f'#!/bin/sh\nexec "{sys.executable}" -S "{venv}/builder.py" "$@"\n')
    python.chmod(0o755)
    environment.Environment(folder, venv).write_mark(**environment.wanted(folder, venv))
    return folder


def start(project: Path, mode: str | None = "good", **options) -> subprocess.Popen:
    """Start a build; it minds Ctrl-C even if the tests were started by something that does not."""
    if mode:
        (project / "mode").write_text(mode)
    prepare = options.pop("preexec_fn", lambda: None)

    def listening():
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        prepare()

    if os.name == "posix":
        options["preexec_fn"] = listening
    return subprocess.Popen(
        [sys.executable, project / "run.py", "book"],
        cwd=project,
        env=os.environ | {"KLRL_VENV": str(project.parent / "environment"), "PYTHONUTF8": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        **options,
    )


def book(project: Path, mode: str | None = "good", **options) -> tuple[int, str]:
    process = start(project, mode, **options)
    said, _ = process.communicate(timeout=60)
    assert "Traceback" not in said, said
    return process.returncode, said


@pytest.fixture
def started():
    """Processes of a test that are to be ended with it, whatever happens."""
    processes: list[subprocess.Popen] = []
    yield processes
    for process in processes:
        process.kill()
        if not process.stdout.closed:
            process.communicate()


def wait_for(happened, seconds: float = 20.0) -> None:
    end = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < end, "nothing happened"
        time.sleep(0.01)


def found_by_last_build(project: Path) -> dict[str, bool]:
    return json.loads((project / "seen.json").read_text())


def page(project: Path) -> Path:
    return project / "_build" / "html" / "index.html"


def assert_next_build_is_right(project: Path) -> str:
    code, said = book(project)
    assert code == 0, said
    assert page(project).read_text() == "# Start\n"
    code, again = book(project)
    assert (code, "up to date" in again) == (0, True)
    return said


def test_a_killed_build_leaves_nothing_that_the_next_one_believes(project, started):
    process = start(project, "hang")
    started.append(process)
    half = page(project)
    wait_for(lambda: half.exists() and half.read_text())
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert_next_build_is_right(project)
    assert not found_by_last_build(project)[".doctrees"]


def test_an_interrupted_build_says_so_and_leaves_no_pages(project, started):
    process = start(project, "hang")
    started.append(process)
    wait_for(page(project).exists)
    process.send_signal(signal.SIGINT)
    said, _ = process.communicate(timeout=20)
    assert process.returncode == 130
    assert said.rstrip().endswith("Interrupted.")
    assert not page(project).exists()
    assert_next_build_is_right(project)


def test_a_builder_that_just_stops_is_not_trusted_with_what_it_left(project):
    code, said = book(project, "stop")
    assert code != 0
    assert "The build stopped: MemoryError" in said
    assert not page(project).exists()
    assert_next_build_is_right(project)
    assert not found_by_last_build(project)[".doctrees"]


def test_after_a_fault_of_the_book_what_was_read_is_kept(project):
    code, said = book(project, "fault")
    assert code == 1
    assert "no such label" in said
    assert_next_build_is_right(project)
    assert found_by_last_build(project)[".doctrees"]


@pytest.mark.skipif(resource is None, reason="no limits of this kind on this system")
@pytest.mark.parametrize("room", [0, 4000], ids=["for nothing", "for half of the log"])
def test_no_room_left(project, room):
    def nearly_full():
        resource.setrlimit(resource.RLIMIT_FSIZE, (room, room))

    code, said = book(project, "talk", preexec_fn=nearly_full)
    assert code == 1
    assert "File too large. Make room and start again" in said
    assert not page(project).exists()
    assert_next_build_is_right(project)


def test_a_full_disk_is_named():
    full = OSError(errno.ENOSPC, "No space left on device", "page.html")
    assert console.cause(full).startswith("page.html: No space left on device. Make room")
    closed = OSError(errno.EROFS, "Read-only file system", "_build")
    assert "work on a copy that you may write to" in console.cause(closed)
    assert console.cause(OSError(errno.ENOENT, "No such file or directory")) == (
        "No such file or directory"
    )


def like_anybody():
    """Take from root, whom no right stops, the power to write where the rights forbid it."""
    if os.geteuid() == 0:
        drop, write_anywhere = 24, 1  # PR_CAPBSET_DROP, CAP_DAC_OVERRIDE
        if ctypes.CDLL(None).prctl(drop, write_anywhere, 0, 0, 0):
            raise OSError("this system does not let root be like anybody")


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="rights of another kind")
def test_no_right_to_write(project):
    (project / "mode").write_text("good")
    project.chmod(0o555)
    try:
        code, said = book(project, mode=None, preexec_fn=like_anybody)
    except subprocess.SubprocessError:
        pytest.skip("this system does not let root be like anybody")
    finally:
        project.chmod(0o755)
    assert code == 1
    assert "Permission denied. What is made is written into the book's own folder" in said
    assert_next_build_is_right(project)


@pytest.mark.skipif(os.name != "posix", reason="builds do not wait there")
def test_of_two_builds_the_second_waits(project, started):
    first = start(project, "slow")
    started.append(first)
    wait_for(page(project).exists)
    code, said = book(project, "slow")
    assert first.wait(timeout=20) == 0
    assert code == 0
    assert f"Another build is at work in this folder (process {first.pid})" in said
    assert "up to date" in said
    assert page(project).read_text() == "# Start\n"


def stored_results(project: Path) -> Path:
    """A cache as jupyter-cache makes it, with one notebook."""
    cache = project / "_build" / ".jupyter_cache"
    (cache / "executed" / "abc").mkdir(parents=True)
    (cache / "executed" / "abc" / "base.ipynb").write_text('{"cells": []}')
    database = sqlite3.connect(cache / "global.db")
    database.execute("CREATE TABLE nbcache (hashkey VARCHAR(255))")
    database.execute("INSERT INTO nbcache VALUES ('abc')")
    database.commit()
    database.close()
    return cache


def garble(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:100] + bytes(4000))


DAMAGES = {
    "garbage in the database": lambda c: (c / "global.db").write_bytes(b"not a database" * 99),
    "half of the database": lambda c: garble(c / "global.db"),
    "an empty database": lambda c: (c / "global.db").write_bytes(b""),
    "no database": lambda c: (c / "global.db").unlink(),
    "half of a notebook": lambda c: (c / "executed/abc/base.ipynb").write_text('{"cells": ['),
    "no notebook": lambda c: (c / "executed/abc/base.ipynb").unlink(),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_results_are_computed_again(project, damage):
    assert book(project)[0] == 0
    DAMAGES[damage](stored_results(project))
    (project / "book" / "other.md").write_text("a change of the text alone")
    said = assert_next_build_is_right(project)
    assert "The stored results are damaged: every notebook runs again." in said
    assert not found_by_last_build(project)[".jupyter_cache"]


def test_sound_results_are_kept(project):
    assert book(project)[0] == 0
    stored_results(project)
    (project / "book" / "other.md").write_text("a change of the text alone")
    assert "damaged" not in assert_next_build_is_right(project)
    assert found_by_last_build(project)[".jupyter_cache"]


@pytest.mark.parametrize("name", ["site.json", "attempt.json"])
@pytest.mark.parametrize("content", ["", "{half", "[]", "null"])
def test_a_damaged_stamp_is_no_stamp(project, name, content):
    assert book(project)[0] == 0
    (project / "_build" / name).write_text(content)
    assert_next_build_is_right(project)


# --- reproduce ---


def test_two_builds_are_compared_byte_for_byte(tmp_path):
    sites = [tmp_path / "one", tmp_path / "other"]
    for site in sites:
        (site / "book").mkdir(parents=True)
        (site / "book" / "page.html").write_text("first\nsecond line\n")
        (site / "picture.png").write_bytes(b"\xff\x00" * 50)
        (site / ".buildinfo").write_text(str(site))
    assert list(reproduce.differences(*sites)) == []
    (sites[1] / "book" / "page.html").write_text("first\nsecond lime\n")
    (sites[1] / "picture.png").write_bytes(b"\xff\x00" * 49 + b"\xff\x01")
    (sites[0] / "more.js").write_text("")
    assert list(reproduce.differences(*sites)) == [
        "book/page.html: line 2: 'second line' and 'second lime'",
        "more.js: only in one",
        "picture.png: 100 and 100 bytes, first difference at byte 99",
    ]


def test_a_copy_uses_its_own_package(project):
    copy = reproduce.Copy(project, project.parent / "environment")
    assert copy.variables()["PYTHONPATH"] == str(project)
    assert copy.build == project / "_build"
    assert site_build.INPUTS[0] == "book"

"""Starts tests/mutants/engine.py, several side by side if asked, and says how far they are."""

import contextlib
import json
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from .console import Failure, say, tail
from .environment import Environment
from .hashing import digest
from .reproduce import NOT_COPIED, Copy

ENGINE = "tests/mutants/engine.py"
REPORT_EVERY = 60.0  # seconds


@contextlib.contextmanager
def copied(env: Environment) -> Iterator[Copy]:
    """Copy the project: a mutant may write anywhere in it, and it may be edited meanwhile."""
    with tempfile.TemporaryDirectory(prefix="klrl-") as folder:
        copy = Copy(Path(folder).resolve() / "klrl", env.folder)
        shutil.copytree(env.root, copy.root, ignore=shutil.ignore_patterns(*NOT_COPIED))
        yield copy


def by_chapter(
    copy: Copy, place: Path, waiting: list[dict], results: Path, notebook: Path, jobs: int
) -> None:
    """Try mutants on the claims of a chapter."""
    _side_by_side(copy, place, _parts(waiting, jobs), results, ["chapter"], [results, notebook])


def by_tests(
    copy: Copy,
    place: Path,
    waiting: list[dict],
    results: Path,
    tests: Sequence[str],
    seconds: float,
    jobs: int,
) -> None:
    """Try mutants on those of these tests that enter their functions."""
    mark = digest(copy.root, ["klrl_lite", "tests/unit/conftest.py", *tests])[:12]
    cover = place / f"cover-{mark}.json"
    if not cover.exists():
        say("Running every test once, to learn which functions each of them enters")
        with _started(copy, place / "cover.log", ["cover", cover, *tests]) as engine:
            engine.wait()
        if not cover.exists():
            raise Failure(f"The tests could not be run:\n{tail(place / 'cover.log')}")
    parts = _parts(waiting, jobs)
    after = [results, cover, seconds, *tests]
    _side_by_side(copy, place, parts, results, ["tests"], after)


def _parts(waiting: list[dict], jobs: int) -> list[list[dict]]:
    return [part for n in range(jobs) if (part := waiting[n::jobs])]


def _side_by_side(
    copy: Copy,
    place: Path,
    parts: Sequence[list[dict]],
    results: Path,
    before: Sequence[object],
    after: Sequence[object],
) -> None:
    """Run one engine for each part; each appends its results line by line to the same file."""
    began = said = time.monotonic()
    known, whole = _count(results), sum(map(len, parts))
    logs = [place / f"{results.stem}-{n}.log" for n in range(len(parts))]
    with contextlib.ExitStack() as stack:
        engines = []
        for number, part in enumerate(parts):
            todo = logs[number].with_suffix(".todo")
            todo.write_text("".join(json.dumps(m) + "\n" for m in part), encoding="utf-8")
            command = [*before, todo, *after]
            engines.append(stack.enter_context(_started(copy, logs[number], command)))
        while any(engine.poll() is None for engine in engines):
            time.sleep(0.2)
            if time.monotonic() - said > REPORT_EVERY:
                said = time.monotonic()
                minutes = (said - began) / 60
                say(f"  {_count(results) - known} of {whole} after {minutes:.0f} minutes")
        for engine, log in zip(engines, logs, strict=True):
            if engine.returncode:
                raise Failure(f"The mutants could not be tried:\n{tail(log)}")
    say(f"  {whole} tried in {(time.monotonic() - began) / 60:.1f} minutes")


@contextlib.contextmanager
def _started(
    copy: Copy, log: Path, arguments: Sequence[object]
) -> Iterator[subprocess.Popen[bytes]]:
    """Start an engine; it does not outlive the block."""
    command = [str(part) for part in (copy.python, ENGINE, *arguments)]
    variables = copy.variables(MPLBACKEND="agg")
    with log.open("wb") as file:
        engine = subprocess.Popen(
            command, cwd=copy.root, env=variables, stdout=file, stderr=subprocess.STDOUT
        )
    try:
        yield engine
    finally:
        engine.terminate()
        engine.wait()


def _count(results: Path) -> int:
    return results.read_bytes().count(b"\n") if results.exists() else 0

"""`run.py test`: build the book, then one pytest run over code, notebooks and pages."""

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from . import site_build
from .console import Failure, say
from .environment import Environment, ensure_extra
from .tasks import notebooks

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def test(env: Environment, rest: Sequence[str]) -> int:
    """Build and test; the exit code is bad if either is.

    A book that cannot be built does not hide the results of the other tests: they run, and the
    tests of the pages fail with the reason.
    """
    variables: dict[str, str] = {}
    failed = 0
    try:
        site_build.book(env)
        variables["KLRL_BOOK_BUILT"] = "1"
    except Failure as failure:
        say(f"\n{failure}\n")
        failed, variables["KLRL_BOOK_FAILED"] = failure.code, str(failure)
    if browser := find_browser():
        ensure_extra(env, "browser")
        variables["KLRL_CHROMIUM"] = browser
    command = [env.python, "-m", "pytest", *_parallel(rest), "--nbval", *rest]
    if not any(_is_path(env.root, word) for word in rest):
        command += ["tests", *notebooks(env.root)]
    code = subprocess.call(
        [str(part) for part in command], cwd=env.root, env=env.variables(**variables)
    )
    return code or failed


def find_browser() -> str | None:
    """Return the path of a Chromium on this machine; KLRL_CHROMIUM goes first."""
    named = os.environ.get("KLRL_CHROMIUM")
    candidates = [named] if named else BROWSERS
    return next((path for name in candidates if (path := shutil.which(name))), None)


def _parallel(rest: Sequence[str]) -> list[str]:
    """Use both cores, a file (so a kernel) on one of them, unless the caller says otherwise."""
    if any(word.startswith(("-n", "--pdb", "--co", "--collect-only")) for word in rest):
        return []
    return ["-n", "2", "--dist", "loadfile"]


def _is_path(root: Path, word: str) -> bool:
    return not word.startswith("-") and (root / word.split("::")[0]).exists()

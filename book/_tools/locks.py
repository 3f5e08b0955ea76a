"""`run.py lock`: exact versions and hashes for every system and Python, from the ranges."""

import os
import shutil
import sys
import tempfile
from pathlib import Path

from .console import Failure, logged, say, tail

SETS = ("requirements", "requirements-browser", "requirements-mutation")
HEADER = """\
# Exact versions and hashes of what {source} asks for, on every system and Python >= 3.11.
# Made by `python run.py lock`; do not edit.
"""
OPTIONS = [
    "--universal",
    "--generate-hashes",
    "--python-version=3.11",
    "--no-header",
    "--no-emit-index-url",
    "--no-emit-find-links",
    "--upgrade",
]


def renew(root: Path) -> int:
    """Resolve each set anew and write its lock."""
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        uv = shutil.which("uv") or _temporary_uv(scratch)
        for name in SETS:
            _renew_one(root, name, uv, scratch)
    return 0


def _renew_one(root: Path, name: str, uv: str | Path, scratch: Path) -> None:
    made = scratch / f"{name}.lock"
    log = root / "_build" / "logs" / "lock.log"
    command = [uv, "pip", "compile", *OPTIONS, f"{name}.txt", "-o", made]
    if logged(command, log, cwd=root):
        raise Failure(f"Could not resolve {name}.txt:\n{tail(log)}")
    text = HEADER.format(source=f"{name}.txt") + made.read_text(encoding="utf-8")
    target = root / f"{name}.lock"
    temporary = target.with_suffix(".tmp")
    temporary.write_text(text, encoding="utf-8", newline="\n")
    os.replace(temporary, target)
    say(f"{target.name}: {text.count('==')} packages")


def _temporary_uv(scratch: Path) -> Path:
    """Install uv into an environment that is thrown away."""
    say("Fetching uv, which resolves for all systems at once")
    venv = scratch / "uv"
    log = scratch / "uv.log"
    bin_folder = venv / ("Scripts" if os.name == "nt" else "bin")
    for command in (
        [sys.executable, "-m", "venv", venv],
        [bin_folder / "python", "-m", "pip", "install", "--quiet", "uv"],
    ):
        if logged(command, log, cwd=scratch):
            raise Failure(f"Could not install uv:\n{tail(log)}")
    return bin_folder / "uv"

"""`run.py reproduce`: two clean builds in two places have to give the same site, byte for byte."""

import shutil
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

from . import site_build
from .console import say
from .environment import Environment
from .hashing import IGNORED, files

# Where the two builds stand: names of unequal length, one with a space and an accent.
PLACES = ("a", "another place, à côté")
NOT_COPIED = (*IGNORED, ".git", ".venv", "_build", ".hypothesis", ".mypy_cache")
# Sphinx notes here how it was configured, the folder of the book included. No page reads it.
STAMPS = frozenset({".buildinfo"})


@dataclass(frozen=True)
class Copy(Environment):
    """A copy of the project that uses its own files and the environment of the original."""

    def variables(self, **more: str) -> dict[str, str]:
        """As in the original, with the package of the copy going before the installed one."""
        return super().variables(PYTHONPATH=str(self.root), **more)


def reproduce(env: Environment) -> int:
    """Build twice, compare, and say where the two sites differ."""
    with tempfile.TemporaryDirectory(prefix="klrl-") as folder:
        sites = []
        for name in PLACES:
            copy = Copy(Path(folder) / name, env.folder)
            shutil.copytree(env.root, copy.root, ignore=shutil.ignore_patterns(*NOT_COPIED))
            say(f"\nBuilding in {copy.root}")
            start = time.monotonic()
            site_build.book(copy)
            say(f"{time.monotonic() - start:.0f} s")
            sites.append(copy.build / "html")
        found = list(differences(*sites))
    for line in found:
        say(line)
    count = "The two sites are the same." if not found else f"{len(found)} files differ."
    say(f"\n{count} Not compared: {', '.join(sorted(STAMPS))}.")
    return 1 if found else 0


def differences(one: Path, other: Path) -> Iterator[str]:
    """Yield a description of each file that is not the same in both folders."""
    names = {file.relative_to(site) for site in (one, other) for file in files(site)}
    for name in sorted(names):
        pair = [site / name for site in (one, other)]
        missing = [file for file in pair if not file.exists()]
        if name.name in STAMPS:
            continue
        if missing:
            yield f"{name}: only in one"
        elif pair[0].read_bytes() != pair[1].read_bytes():
            yield f"{name}: {_first_difference(*(file.read_bytes() for file in pair))}"


def _first_difference(one: bytes, other: bytes) -> str:
    """Say where two files differ: the first unequal lines, shortened around the place."""
    try:
        lines = [text.decode().splitlines() for text in (one, other)]
    except UnicodeDecodeError:
        place = next((i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), -1)
        return f"{len(one)} and {len(other)} bytes, first difference at byte {place}"
    for number, (here, there) in enumerate(zip_longest(*lines, fillvalue=""), 1):
        if here != there:
            at = next((n for n, (a, b) in enumerate(zip(here, there, strict=False)) if a != b), 0)
            part = slice(max(0, at - 40), at + 80)
            return f"line {number}: {here[part]!r} and {there[part]!r}"
    return "line ends differ"

"""Content hashes: what decides whether something has to be done again."""

import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path

# Made by tools while one works, never an input.
IGNORED = {"__pycache__", ".ipynb_checkpoints", ".ruff_cache", ".pytest_cache", ".DS_Store"}


def files(path: Path) -> Iterator[Path]:
    """Yield the files under `path` (or `path` itself) in a fixed order."""
    if path.is_file():
        yield path
    elif path.is_dir():
        for entry in sorted(path.rglob("*")):
            if entry.is_file() and not IGNORED.intersection(entry.relative_to(path).parts):
                yield entry


def digest(root: Path, inputs: Iterable[str], *more: str) -> str:
    """Hash names and contents of the inputs, with further strings; a missing input counts too."""
    total = hashlib.sha256("\0".join(more).encode())
    for name in inputs:
        total.update(f"\0{name}\0".encode())
        for file in files(root / name):
            content = hashlib.sha256(file.read_bytes()).hexdigest()
            total.update(f"{file.relative_to(root).as_posix()} {content}\n".encode())
    return total.hexdigest()

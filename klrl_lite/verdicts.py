"""The claims of the book and their verdicts, as `book/claims.yml` lists them."""

import re
from functools import cache
from pathlib import Path
from typing import Any

#: What a verdict needs to be shown with: evidence of a check -> verdict.
EVIDENCE = {
    "as_stated": "false as stated",
    "without": "holds with a condition",
    "other": "convention",
}
VERDICTS = ("holds", *EVIDENCE.values(), "analogy")


@cache
def registry() -> dict[str, Any]:
    """All claims of `book/claims.yml` by id; empty where the file is not at hand.

    The file is looked for beside the package and above the current folder, so that a notebook
    downloaded on its own still runs its checks, only without the verdicts.

    Examples
    --------
    >>> all(entry["verdict"] in VERDICTS for entry in registry().values())
    True
    """
    here = [Path(__file__).resolve().parents[1], Path.cwd(), *Path.cwd().parents]
    for folder in here:
        path = folder / "book" / "claims.yml"
        if path.is_file():
            return load(path)
    return {}


def load(path: str | Path) -> dict[str, Any]:
    """Read and check a claims file; ValueError names the claim and what is wrong with it.

    Examples
    --------
    >>> load("no-such-claims.yml")
    Traceback (most recent call last):
    FileNotFoundError: [Errno 2] No such file or directory: 'no-such-claims.yml'
    """
    import yaml

    text = Path(path).read_text(encoding="utf-8")
    # YAML keeps the last of two equal keys without a word.
    names = re.findall(r"^([\w.]+):", text, re.MULTILINE)
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"claim {twice[0]} must be defined once; it is defined more than once")
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    entries = yaml.load(text, Loader=loader) or {}
    needed = {"holds with a condition": "condition", "false as stated": "correction"}
    for name, entry in entries.items():
        if not isinstance(entry, dict):
            raise ValueError(f"claim {name} must have keys and values; got {entry!r}")
        for key in ("section", "chapter", "statement", "verdict"):
            if not entry.get(key):
                raise ValueError(f"claim {name} must have a {key}")
        if entry["verdict"] not in VERDICTS:
            raise ValueError(f"claim {name} has the unknown verdict {entry['verdict']!r}")
        extra = needed.get(entry["verdict"])
        if extra and not entry.get(extra):
            raise ValueError(f"claim {name} ({entry['verdict']}) must have a {extra}")
    return entries

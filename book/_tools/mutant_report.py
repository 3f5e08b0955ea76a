"""What `run.py mutants` says and records: scores with intervals, survivors, equivalent mutants."""

import csv
import json
import math
import platform
import re
import time
import tomllib
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from .console import say

FOLDER = Path("tests/mutants")
CAUGHT = ("killed", "timeout", "crashed")
SLICE = 150  # killed mutants that the tests may draw from
FIELDS = ("id", "path", "function", "before", "after")
Z = 1.96


class Equivalents:
    """The mutants that change nothing that could be noticed, each with the reason."""

    def __init__(self, entries: Iterable[dict]) -> None:
        self.entries = list(entries)
        self.reasons = {
            (e["path"], e["function"], before, after): e["why"]
            for e in self.entries
            for before, after in e["edits"]
        }

    def why(self, mutant: dict) -> str | None:
        """Return the reason why a mutant is equivalent; None if it is not listed."""
        return self.reasons.get(tuple(mutant[k] for k in FIELDS[1:]))


def equivalents(root: Path) -> Equivalents:
    """Read tests/mutants/equivalents.toml."""
    text = (root / FOLDER / "equivalents.toml").read_text(encoding="utf-8")
    return Equivalents(tomllib.loads(text).get("equivalent", []))


def interval(caught: int, total: int) -> tuple[float, float]:
    """Wilson's 95 % interval of a share.

    Examples
    --------
    >>> [round(x, 3) for x in interval(95, 100)]
    [0.888, 0.978]
    """
    if total == 0:
        return 0.0, 1.0
    p, n = caught / total, total
    middle = (p + Z * Z / (2 * n)) / (1 + Z * Z / n)
    half = Z / (1 + Z * Z / n) * math.sqrt(p * (1 - p) / n + Z * Z / (4 * n * n))
    return middle - half, middle + half


def module(path: str) -> str:
    """Return the module or the folder under which a file is counted."""
    return path.split("/")[1].removesuffix(".py")


def table(chosen: Sequence[dict], done: dict[str, dict], known: Equivalents) -> list[dict]:
    """Count by module, for the formulas, and in all: tried, equivalent, caught, survived.

    The formulas are what is left without the refusals, which look for wrong input and say so.
    """
    counts: dict[str, Counter[str]] = {}
    for mutant in chosen:
        if mutant["id"] not in done:
            continue
        status = done[mutant["id"]]["status"]
        kind = "caught" if status in CAUGHT else status
        if kind == "survived" and known.why(mutant) is not None:
            kind = "equivalent"
        names = [module(mutant["path"]), "all"]
        if not mutant["refusal"]:  # what is not about wrong input
            names.append("formulas")
        for name in names:
            counts.setdefault(name, Counter())[kind] += 1
    rows = []
    for name in sorted(counts, key=lambda n: (n == "all", n == "formulas", n)):
        found = counts[name]
        total = found["caught"] + found["survived"] + found["error"]
        low, high = interval(found["caught"], total)
        rows.append(
            {"module": name, "tried": sum(found.values())}
            | {k: found[k] for k in ("caught", "survived", "equivalent", "error")}
            | {"score": round(found["caught"] / total, 4) if total else None}
            | {"low": round(low, 4), "high": round(high, 4)}
        )
    return rows


def report(
    root: Path,
    chosen: Sequence[dict],
    done: dict[str, dict],
    *,
    chapter: bool = False,
    record: tuple[str, str] | None = None,
) -> int:
    """Print survivors and scores; `record`, a name and the command, also writes them down."""
    known = equivalents(root)
    rows = table(chosen, done, known)
    left = [m for m in chosen if done.get(m["id"], {}).get("status") in ("survived", "error")]
    left = [m for m in left if known.why(m) is None]
    for mutant in sorted(left, key=lambda m: (m["path"], m["start"])):
        say(f"{mutant['path']}  {mutant['function']}\n  - {mutant['before']}")
        say(f"  + {mutant['after']}")
    say(f"\n{'':<14}{'tried':>7}{'caught':>8}{'left':>6}{'equivalent':>12}   score (95 %)")
    for row in rows:
        score = "" if row["score"] is None else f"{row['score']:.1%}"
        span = f"({row['low']:.1%} to {row['high']:.1%})"
        say(
            f"{row['module']:<14}{row['tried']:>7}{row['caught']:>8}{row['survived']:>6}"
            f"{row['equivalent']:>12}   {score} {span}"
        )
    if record:
        tried = [m for m in chosen if m["id"] in done]
        entry = _entry(root, chosen, tried, done) | {
            "scores": rows[-2:] if chapter else rows,
            "survivors": [{k: m[k] for k in FIELDS} for m in left],
        }
        _record(root, "chapters" if chapter else "unit tests", record, entry)
        if not chapter:
            _write_slice(root, tried, done)
    return 0


def _entry(
    root: Path, chosen: Sequence[dict], tried: Sequence[dict], done: dict[str, dict]
) -> dict:
    return {
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
        "made": len(chosen),
        "tried": len(tried),
        "wall_seconds": round(sum(done[m["id"]]["seconds"] for m in tried)),
        # The others were killed by a failing test, or broke a cell before a claim was made.
        "by a claim": sum(done[m["id"]]["by"].startswith("claim") for m in tried),
        "versions": _versions(root),
    }


def _record(root: Path, kind: str, record: tuple[str, str], entry: dict) -> None:
    path = root / FOLDER / "results.json"
    found = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    name, command = record
    found[kind] = dict(sorted((found.get(kind, {}) | {name: {"command": command} | entry}).items()))
    path.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    say(f"\nrecorded in {path.relative_to(root)}")


def _write_slice(root: Path, tried: Sequence[dict], done: dict[str, dict]) -> None:
    """Write killed mutants, each with the test that killed it, for the tests to draw from."""
    rows = [
        [*(m[k] for k in FIELDS), done[m["id"]]["by"]]
        for m in tried
        if done[m["id"]]["status"] == "killed" and "/" in done[m["id"]]["by"]
    ]
    with (root / FOLDER / "killed.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([*FIELDS, "test"])
        writer.writerows(rows[:SLICE])


def _versions(root: Path) -> dict[str, str]:
    locks = "".join(
        (root / f"{name}.lock").read_text(encoding="utf-8")
        for name in ("requirements", "requirements-mutation")
    )
    names = ("numpy", "scipy", "pytest", "hypothesis", "mutmut")
    found = {name: re.search(rf"^{name}==([\w.]+)", locks, re.M) for name in names}
    said = {name: match[1] for name, match in found.items() if match}
    return {"python": platform.python_version()} | said

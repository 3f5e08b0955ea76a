"""Time several things in turns, and compare them round by round.

A machine is never quiet: what is timed an hour or a second apart is not comparable. Here every
round times each candidate once, one after the other, and a ratio is taken within the round. The
median of the rounds is reported, with the middle half of them as its spread. What is timed is the
processor's time of this process: other programs then count less (they still share its caches).
"""

import time
from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np


class Row(NamedTuple):
    """One line of the table: a ratio, the middle half of its rounds, and what it was made of."""

    what: str
    ratio: float
    low: float
    high: float
    note: str = ""


def rounds(candidates: Mapping[str, Callable[[], object]], repeats: int) -> dict[str, np.ndarray]:
    """Processor seconds of each candidate in each round; short ones are repeated within it."""
    inner, clock = {}, time.process_time
    for name, run in candidates.items():
        run()  # imports, caches, memory
        start = clock()
        run()
        inner[name] = max(1, int(2e-3 / (clock() - start + 1e-7)))
    taken = {name: np.empty(repeats) for name in candidates}
    for i in range(repeats):
        for name, run in candidates.items():
            start = clock()
            for _ in range(inner[name]):
                run()
            taken[name][i] = (clock() - start) / inner[name]
    return taken


def row(what: str, above: np.ndarray, below: np.ndarray, note: str = "") -> Row:
    """Row for a ratio of two candidates, taken round by round."""
    low, middle, high = np.quantile(above / below, [0.25, 0.5, 0.75])
    return Row(what, float(middle), float(low), float(high), note)


def seconds(value: float) -> str:
    """Format a time with three digits and a unit that suits it."""
    unit, size = next(
        (unit for unit in (("s", 1.0), ("ms", 1e-3)) if value >= unit[1]), ("µs", 1e-6)
    )
    return f"{value / size:.3g} {unit}"


def table(rows: list[Row]) -> str:
    """Lay the rows out as text."""
    width = max(len(r.what) for r in rows)
    head = f"{'':{width}}  {'median':>8}  {'middle half':>15}"
    lines = [
        f"{r.what:{width}}  {r.ratio:8.3g}  {r.low:7.3g}-{r.high:<7.3g}  {r.note}".rstrip()
        for r in rows
    ]
    return "\n".join([head, "-" * len(head), *lines])

"""Runs of a sweep: rows put together, units and duplicates checked."""

import math
import re
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .._types import Array, ArrayLike
from .messages import BadInput, Message, some
from .options import COLUMNS, TEXT, Options
from .rows import Row, lookup
from .sources import Table

#: Columns with a number for each logged step.
SERIES = ("reward", "reward_std", "zero_std", "kl", "entropy", "length")


@dataclass
class Run:
    """One run: what was logged, at one beta; see `of_numbers`.

    Attributes
    ----------
    name, prompt : str
    beta : float
    step, success, n : numpy.ndarray, shape (T,)
        n, answers behind each success rate, is NaN where unknown.
    group : float
        Answers in a group; NaN where unknown.
    where : list of str
        Where each entry stands.
    extra : dict
        Further columns, (T,).
    settings : dict
    """

    name: str
    beta: float
    prompt: str
    step: Array
    success: Array
    n: Array
    group: float
    where: list[str]
    extra: dict[str, Array] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)


def number(value: Any, place: str, column: str) -> float:
    """Read one cell as a number; an empty one, or null, is NaN.

    Examples
    --------
    >>> number("0.5", "a.csv, line 2", "success"), number(None, "", "kl")
    (0.5, nan)
    """
    if value is None or (isinstance(value, str) and not value.strip()):
        return math.nan
    try:
        return float(value)
    except (TypeError, ValueError):
        advice = "Use plain numbers, with --percent." if "%" in str(value) else "Correct it."
        raise BadInput(f"{value!r} in column {column!r} is no number.", advice, place) from None


def of_numbers(beta: float, success: ArrayLike, n: float = 64.0, **extra: ArrayLike) -> Run:
    """Run with these success rates, as if it had been logged: for examples and tests.

    Examples
    --------
    >>> of_numbers(0.1, [0.2, 0.4]).n.tolist()
    [64.0, 64.0]
    """
    rate = np.asarray(success, float)
    step = np.arange(1.0, len(rate) + 1)
    where = [f"entry {i}" for i in range(1, len(rate) + 1)]
    columns = {k: np.asarray(v, float) for k, v in extra.items()}
    return Run(f"beta {beta:g}", beta, "", step, rate, np.full(len(rate), n), np.nan, where,
               columns)  # fmt: skip


def find_columns(table: Table, options: Options) -> dict[str, str]:
    """Which column holds what; BadInput if a column that was named is not there.

    Examples
    --------
    >>> rows = [Row("line 2", {"kl_coef": "0.1", "acc": "0.5"})]
    >>> find_columns(Table("a.csv", rows, {}), Options({"success": "acc"}))
    {'beta': 'kl_coef', 'success': 'acc'}
    """
    names = {key for row in table.rows for key in row.values}

    def has(column: str) -> bool:
        inside = (lookup(row.values, column) for row in table.rows[:50])
        return column in names or any(value is not None for value in inside)

    found = {}
    for key, usual in COLUMNS.items():
        given = options.columns.get(key)
        if given and not has(given):
            raise BadInput(f"there is no column {given!r} (for {key}).",
                           f"It has {some(sorted(names), 12)}.", table.label)  # fmt: skip
        column = given or next((c for c in usual if has(c)), None)
        if column:
            found[key] = column
    if "success" not in found and "logp" not in found:
        means = sorted(c for c in names if re.fullmatch(r"(train/)?rewards/.+/mean", c))
        if len(means) > 1:
            raise BadInput(f"several rewards were logged: {some(means)}.", "Say which one is 1 for "
                           f"right and 0 for wrong: --map success={means[0]}.",
                           table.label)  # fmt: skip
        column = means[0] if means else found.get("reward")
        if column is None:
            raise BadInput("no column with a success rate.", "Name it with --map success=COLUMN. "
                           f"It has {some(sorted(names), 12)}.", table.label)  # fmt: skip
        found["success"] = column
    return found


def runs_of(table: Table, options: Options, messages: list[Message]) -> list[Run]:
    """Put the rows of a table together to runs.

    Parameters
    ----------
    table : Table
    options : Options
    messages : list of Message
        What was left out, and why, is added here.

    Returns
    -------
    list of Run
        Success rates as they stand in the file; see `check_units`.

    Examples
    --------
    >>> rows = [Row(f"line {i}", {"beta": "0.1", "step": i, "success": "0.5"}) for i in (2, 3)]
    >>> [run.success.tolist() for run in runs_of(Table("a.csv", rows, {}), Options(), [])]
    [[0.5, 0.5]]
    """
    columns = find_columns(table, options)
    fixed = table.settings | _from_path(table.label, options) | options.settings

    def value(row: Row, key: str) -> Any:
        cell = lookup(row.values, columns[key]) if key in columns else None
        known = {"group": "num_generations"}.get(key, key)
        return fixed.get(known) if cell is None or cell == "" else cell

    groups: dict[tuple[Any, ...], list[Row]] = {}
    for number_of_row, row in enumerate(table.rows):
        if table.trl and lookup(row.values, columns["success"]) is None:
            continue  # entries of an evaluation, or the summary at the end
        key: tuple[Any, ...] = tuple(value(row, k) for k in ("run", "seed", "prompt"))
        if "run" not in columns and not table.trl:
            key += (value(row, "beta"),) if "step" in columns else (number_of_row,)
        groups.setdefault(key, []).append(row)
    if not groups:
        raise BadInput(f"column {columns['success']!r} is empty throughout.",
                       "Name another with --map success=COLUMN.", table.label)  # fmt: skip
    made = []
    for key, rows in groups.items():
        try:
            made.append(_run(table, rows, key, value, columns, fixed, options, messages))
        except BadInput as error:
            if len(groups) == 1:
                raise
            messages.append(error.message._replace(kind="left out"))
    return made


def _from_path(label: str, options: Options) -> dict[str, Any]:
    if not options.from_path:
        return {}
    try:
        match = re.search(options.from_path, label)
    except re.error as error:
        raise BadInput(f"no regular expression ({error}).", where="--from-path") from None
    if match is None:
        raise BadInput(f"--from-path {options.from_path!r} does not match this path.",
                       "Correct the pattern, or leave the file out.", label)  # fmt: skip
    return {k: v for k, v in match.groupdict().items() if v is not None}


def _run(table, rows, key, value, columns, fixed, options, messages):
    run, seed, prompt = (str(k) if k is not None else "" for k in key[:3])
    parts = [run or table.label, f"seed {seed}" if seed and not table.trl else "", prompt]
    by_number = "run" not in columns and not table.trl
    if by_number:
        parts[0] = f"{table.label} {rows[0].where}" if "step" not in columns else table.label
        if "step" in columns:
            parts.append(f"beta {key[3]}")
    name = ", ".join(p for p in parts if p)
    place = [f"{table.label}, {row.where}" for row in rows]
    numbers = {
        k: np.array([number(value(r, k), p, columns.get(k, k))
                     for r, p in zip(rows, place, strict=True)])
        for k in ("step", "beta", "success", "n", "group", *SERIES) if k not in TEXT
    }  # fmt: skip
    beta = numbers["beta"]
    if np.isnan(beta).all():
        raise BadInput(f"beta of run {name!r} is not known.", "Name its column with --map "
                       "beta=COLUMN, or use --set beta=VALUE or --from-path 'beta-(?P<beta>"
                       "[0-9.e-]+)'.", place[0])  # fmt: skip
    changed = np.flatnonzero(beta[1:] != beta[:-1])
    if changed.size:
        i = int(changed[0]) + 1
        raise BadInput(f"beta changes from {beta[i - 1]:g} to {beta[i]:g} within run {name!r}.",
                       "A law of equilibrium needs one beta per run: split it, or map a column "
                       "that tells the runs apart (--map run=COLUMN).", place[i])  # fmt: skip
    if beta[0] == np.inf:
        raise BadInput(f"beta is infinite in run {name!r}.", "Correct it, or leave the run out.",
                       place[0])  # fmt: skip
    if not beta[0] > 0:
        raise BadInput(f"beta is {beta[0]:g} in run {name!r}.", "Without a reference KL there is "
                       "no equilibrium to test; leave the run out.", place[0])  # fmt: skip
    wrong = np.flatnonzero(numbers["n"] <= 0)
    if wrong.size:
        raise BadInput(f"a success rate of run {name!r} is of {numbers['n'][wrong[0]]:g} answers.",
                       "Map the number of answers behind it, or leave the row out.",
                       place[int(wrong[0])])  # fmt: skip
    numbers, place = _clean(name, numbers, place, messages)
    step = numbers.pop("step")
    if np.isnan(step).any():
        step = np.arange(1.0, len(step) + 1)
    n = numbers.pop("n")
    if fixed.get("per_step") and np.isnan(n).all():
        n = np.diff(step, prepend=0.0) * float(fixed["per_step"])
    if options.samples is not None:
        n = np.full(len(step), float(options.samples))
    settings = {k: fixed[k] for k in fixed if k not in ("beta", "per_step")}
    settings |= {k: value(rows[0], k) for k in ("scale_rewards", "use_bias_correction_kl")
                 if value(rows[0], k) is not None}  # fmt: skip
    extra = {k: numbers[k] for k in SERIES if np.isfinite(numbers[k]).any()}
    return Run(name, float(beta[0]), prompt, step, numbers["success"], n,
               float(numbers["group"][0]), place, extra, settings)  # fmt: skip


def _clean(name, numbers, place, messages):
    """Sort by step, drop doubled entries and the few that are not numbers."""
    success, step = numbers["success"], numbers["step"]
    bad = ~np.isfinite(success)
    if bad.any():
        first = place[int(np.argmax(bad))]
        if bad.mean() > 0.1:
            raise BadInput(f"{bad.sum()} of {len(bad)} success rates of run {name!r} are not "
                           "numbers.", "The run has diverged or its log is damaged.",
                           first)  # fmt: skip
        messages.append(Message("note", f"{bad.sum()} of {len(bad)} success rates of run {name!r} "
                                "are not numbers; skipped.", where=first))  # fmt: skip
    keep = ~bad
    order = np.argsort(np.where(np.isnan(step), np.arange(len(step)), step), kind="stable")
    kept: list[int] = []
    for i in order[keep[order]]:
        if kept and step[kept[-1]] == step[i]:
            if success[kept[-1]] != success[i]:
                raise BadInput(
                    f"step {step[i]:g} of run {name!r} is there twice, with {success[kept[-1]]:g} "
                    f"and {success[i]:g}: two runs under one name?",
                    "Map a column that tells them apart (--map run=COLUMN, --map seed=COLUMN).",
                    place[i],
                )
            continue
        kept.append(i)
    if len(kept) < keep.sum():
        messages.append(Message("note", f"{keep.sum() - len(kept)} doubled entries of run "
                                f"{name!r} skipped.", where=place[0]))  # fmt: skip
    return {k: v[kept] for k, v in numbers.items()}, [place[i] for i in kept]

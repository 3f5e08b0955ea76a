"""Effective temperature of a run from the log-probabilities of its answers."""

from typing import Any, NamedTuple

import numpy as np

from .._types import Array
from .messages import Message
from .options import Options
from .rows import lookup
from .runs import find_columns, number
from .sources import Table


class Slope(NamedTuple):
    """Regression of log(pi/pi_ref) on the reward, within prompts.

    Attributes
    ----------
    run : str
    beta : float
        NaN if the file does not have it.
    answers, prompts, levels : int
        How many; levels of the reward.
    inverse_tau, error : float
        Slope, and its standard error (White's).
    r_squared : float
        Share of the variance that the reward explains.
    distance : float
        KL to the nearest Gibbs policy, to leading order: half of what is not explained.
    """

    run: str
    beta: float
    answers: int
    prompts: int
    levels: int
    inverse_tau: float
    error: float
    r_squared: float
    distance: float


def regress(log_ratio: Array, reward: Array, prompt: Array) -> tuple[float, float, float, float]:
    """Slope, White's error, R^2 and half the unexplained variance. Book: eq-tau-eff.

    Parameters
    ----------
    log_ratio, reward : numpy.ndarray, shape (answers,)
        At answers drawn from the policy.
    prompt : numpy.ndarray, shape (answers,)
        Each prompt has a constant of its own, its partition function.

    Returns
    -------
    tuple of float
        NaN where the reward is constant within prompts.

    Examples
    --------
    >>> r = np.array([0.0, 1.0, 0.0, 1.0])
    >>> values = regress(2.0 * r + [0, 0, 5, 5], r, np.array([0, 0, 1, 1]))
    >>> [round(float(v), 12) for v in values]
    [2.0, 0.0, 1.0, 0.0]
    """
    _, index = np.unique(prompt, return_inverse=True)
    count = np.bincount(index)

    def within(x):
        return x - (np.bincount(index, x) / count)[index]

    u, r = within(np.asarray(log_ratio, float)), within(np.asarray(reward, float))
    size, total = r @ r, u @ u
    if size <= 1e-12 * len(r):
        return np.nan, np.nan, np.nan, np.nan
    slope = r @ u / size
    rest = u - slope * r
    free = len(r) - len(count)
    share = 1.0 - rest @ rest / total if total > 0 else np.nan
    error = np.sqrt(np.sum((r * rest) ** 2)) / size
    return float(slope), float(error), float(share), float(0.5 * (rest @ rest) / max(free, 1))


def slopes_of(table: Table, options: Options, messages: list[Message]) -> list[Slope]:
    """Regressions for a table with one row per answer; none if it has no log-probabilities.

    Parameters
    ----------
    table : Table
    options : Options
    messages : list of Message

    Returns
    -------
    list of Slope
        One for each run (or beta, where runs have no names).

    Examples
    --------
    >>> from .rows import Row
    >>> rows = [Row(f"line {r}", {"logp": 3.0 * r, "ref_logp": r, "reward": r}) for r in (0, 1)]
    >>> slopes_of(Table("a.jsonl", rows, {}), Options(), [])[0].inverse_tau
    2.0
    """
    columns = find_columns(table, options)
    if not {"logp", "ref_logp"} <= set(columns) or "reward" not in columns:
        lost = [k for k in ("logp", "ref_logp", "reward") if k not in columns]
        if "logp" in columns or "ref_logp" in columns:
            messages.append(Message("note", f"no effective temperature: {', '.join(lost)} missing.",
                                    f"Name it with --map {lost[0]}=COLUMN.",
                                    table.label))  # fmt: skip
        return []
    fixed = table.settings | options.settings
    groups: dict[tuple[str, float], list[tuple[Any, ...]]] = {}
    skipped = 0
    for row in table.rows:
        place = f"{table.label}, {row.where}"
        cell = {k: lookup(row.values, c) for k, c in columns.items()}
        new, ref, reward = (number(cell[k], place, columns[k])
                            for k in ("logp", "ref_logp", "reward"))  # fmt: skip
        beta = number(cell.get("beta", fixed.get("beta")), place, "beta")
        if not np.isfinite([new, ref, reward]).all():
            skipped += 1
            continue
        key = (str(cell.get("run") or table.label), beta)
        groups.setdefault(key, []).append((new - ref, reward, str(cell.get("prompt"))))
    if skipped:
        messages.append(Message("note", f"{skipped} answers without a finite log-probability or "
                                "reward skipped.", where=table.label))  # fmt: skip
    found = []
    for (run, beta), answers in groups.items():
        ratios, rewards, prompts = map(np.array, zip(*answers, strict=True))
        levels = len(np.unique(rewards))
        found.append(Slope(run, beta, len(ratios), len(np.unique(prompts)), levels,
                           *regress(ratios, rewards, prompts)))  # fmt: skip
    return found

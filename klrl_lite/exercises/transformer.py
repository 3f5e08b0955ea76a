"""Answers to the exercises of chapter 15."""

import numpy as np

from ..equilibria import grpo_folds, rule_crossing


def _crossings():
    """Midpoints of two rules for a task of three steps, from the package's general solver."""
    q = [0.5, 0.2, 0.4]
    return np.array([rule_crossing(q), rule_crossing(q, penalty="k3", per_token=True)])


def _updates(p, samples, chance=0.9):
    """Updates until a run has seen a right answer with the given chance, counted one by one."""
    missed, n = 1.0, 0
    while missed > 1.0 - chance:
        missed, n = missed * (1.0 - p) ** samples, n + 1
    return float(n)


def _window(p, size):
    return grpo_folds(p, size)[0]


def _silence(success, group, groups):
    """Chance that an update of several groups holds no wrong answer."""
    return success ** (group * groups)


ANSWERS = {
    "ex-transformer-crossing": (_crossings, 2e-3),
    "ex-transformer-find": (lambda: _updates(1e-4, 64), 1e-3),
    "ex-transformer-window": (lambda: _window(0.01, 32), 5e-3),
    "ex-transformer-silence": (lambda: _silence(0.9999, 64, 2), 1e-3),
}

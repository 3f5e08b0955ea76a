"""Answers to the exercises of chapter 05."""

import numpy as np

from .. import equilibria, thresholds
from ..solvers import bisect


def _smallest_group(p, share=0.5):
    """Smallest G for which at least this share of the groups has both outcomes."""
    size = np.arange(1, 1000)
    return size[np.argmax(1 - p**size - (1 - p) ** size >= share)]


def _pair():
    force = equilibria.std_advantage_force(0.3, 2)
    return np.array([force, 0.5 * 3.0 / force])


def _touching(beta):
    """Support whose spinodal is at beta, and the success at which it is reached."""
    p, _ = bisect(lambda p: np.vectorize(equilibria.grpo_spinodal)(p) - beta, 0.01, 0.45)
    roots, _ = equilibria.grpo_equilibria(float(p), beta * (1 + 1e-9))
    return np.array([p, np.mean(roots)])


def _k3_midpoint(p):
    return bisect(lambda beta: equilibria.k3_fixed_point(p, beta) - 0.5, 0.3, 0.9)[0]


ANSWERS = {
    "ex-group-heat": (lambda: 0.04 * np.array([8 / 7, 7 / 8]), 1e-3),
    "ex-group-tie": (lambda: _smallest_group(0.02), 1e-3),
    "ex-group-two": (_pair, 1e-3),
    "ex-group-touch": (lambda: _touching(1.0), 5e-3),
    "ex-group-k3": (lambda: [_k3_midpoint(1e-3), thresholds.critical_tau(1e-3)], 2e-3),
}

"""Answers to the exercises of chapter 10."""

import numpy as np
from scipy.special import expit

from .. import equilibria
from ..solvers import bisect


def _edge(success):
    """Spinodal, and support, of the prompt that loses its low branch at this success."""
    p, _ = bisect(
        lambda p: np.vectorize(lambda q: equilibria.grpo_folds(q)[1][0])(p) - success, 1e-4, 0.5
    )
    return np.array([float(equilibria.grpo_spinodal(p)), float(p)])


def _failure(p, beta, size):
    """1 - P on the upper branch, from the odds so that nothing is lost near 1."""
    price = np.log((1 - p) / p)
    return expit(price - np.sqrt(size - 1) / beta)


def _four():
    price = equilibria.grpo_fold_price(4)
    return np.array([price, expit(-price)])


def _gain(p, size):
    """Ratio of the speeds at small P: the pull at the start, and the whole way."""
    return np.array([(1 / (2 * p)) / p**-0.5, equilibria.std_advantage_force(0.0, size)])


ANSWERS = {
    "ex-transition-edge": (lambda: _edge(0.75), 1e-3),
    "ex-transition-up": (lambda: _failure(1e-3, 0.2, 16), 1e-2),
    "ex-transition-four": (_four, 1e-2),
    "ex-transition-gain": (lambda: _gain(1e-4, 8), 1e-2),
}

"""Answers to the exercises of chapter 14."""

import numpy as np

from .. import thresholds
from ..solvers import bisect


def _first_behind():
    """Whole number of samples from which on the base passes more than half of the prompts."""
    k = np.arange(1, 500)
    base = 0.5 * (1 - 0.7**k) + 0.5 * (1 - 0.99**k)
    return k[np.argmax(base > 0.5)]


def _last_kept():
    """Trail of a logit, in nats, at which its probability is rounded to zero in half precision."""
    low, high = 1.0, 40.0
    while high - low > 1e-9:
        middle = 0.5 * (low + high)
        low, high = (middle, high) if np.float16(np.exp(-middle)) > 0 else (low, middle)
    return low


def _budget():
    """Support that half of the runs discover, and the one that equilibrium needs (log 10)."""
    found, _ = bisect(lambda x: 1920 * np.log1p(-np.exp(x)) + np.log(2), -20.0, -1.0)
    needed, _ = bisect(lambda x: thresholds.critical_tau(x, log_p=True) - 0.02, -99.0, -9.0)
    return np.array([found, needed]) / np.log(10)


def _effective_tau():
    return bisect(lambda t: thresholds.success_probability(0.2, 1.0, t) - 0.9, 0.05, 5.0)[0]


ANSWERS = {
    "ex-support-samples": (lambda: 1000 / 50, 1e-3),
    "ex-support-cross": (_first_behind, 1e-3),
    "ex-support-half": (_last_kept, 5e-3),
    "ex-support-budget": (_budget, 2e-3),
    "ex-support-slope": (_effective_tau, 1e-3),
}

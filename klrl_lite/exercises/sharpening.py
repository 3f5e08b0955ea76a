"""Answers to the exercises of chapter 13."""

import numpy as np

from .. import problems
from ..solvers import bisect


def _half_enough():
    """All of the steps, and 60 % of them: the slope of the price L between two sizes."""
    prices = [
        problems.chain(0.3, k, credit=lambda m: 1.0 * (m >= 0.6 - 1e-9)) for k in (5000, 10000)
    ]
    logs = [np.logaddexp.reduce(p.log_ref[p.reward > 0]) for p in prices]
    # The price also has half a logarithm of K: the same for all steps, none.
    per_step = (logs[0] - logs[1] - 0.5 * np.log(2.0)) / 5000
    return np.array([1 / -np.log(0.3), 1 / per_step])


def _cubed_credit():
    """Support at which the inverse temperature stops rising with m, and where it does."""
    m = np.linspace(0.5, 0.8, 300_001)
    log_odds = np.log(m / (1 - m)) - 1 / (2 * (1 - m))
    best = log_odds.argmax()
    return np.array([1 / (1 + np.exp(-log_odds[best])), m[best]])


def _noise_budget():
    tau_c = problems.random_energy(1, 0.5, rng=np.random.default_rng(0)).known["critical_tau"]
    return np.array([tau_c, 100 * 0.5**2 / (2 * (2 * tau_c) ** 2)])


def _two_kinds():
    """Where the averaged success of 20,000-step tasks passes 3/4 and 1/4."""
    success = problems.chain(np.array([0.5, 0.9]), 20_000).known["success_probability"]
    levels = np.array([0.75, 0.25])
    return bisect(lambda t: success(t[:, None]).mean(-1) - levels, np.ones(2), np.full(2, 20.0))[0]


def _moods():
    """Boundary from the chance of 4,000 right steps, followed state by state."""
    alive, log_p = np.array([0.5, 0.5]), 0.0
    for step in range(1, 4001):
        right = alive * np.array([0.9, 0.5])
        alive = 0.9 * right + 0.1 * right[::-1]
        log_p += np.log(alive.sum()) * (step > 2000)
        alive /= alive.sum()
    return 2000 / -log_p


ANSWERS = {
    "ex-half-enough": (_half_enough, 1e-2),
    "ex-cubed-credit": (_cubed_credit, 1e-2),
    "ex-noise-budget": (_noise_budget, 1e-2),
    "ex-two-kinds": (_two_kinds, 1e-2),
    "ex-moods": (_moods, 1e-2),
}

"""Answers to the exercises of chapter 08."""

import numpy as np

from .. import thresholds
from ..solvers import bisect


def _least_bill(length, n_steps):
    """KL of equal steps along a geodesic of the simplex with two answers, counted."""
    angle = 0.25 + 0.5 * np.linspace(0.0, length, n_steps + 1)
    p = np.sin(angle) ** 2
    new, old = np.stack([p, 1 - p])[:, 1:], np.stack([p, 1 - p])[:, :-1]
    return np.sum(new * np.log(new / old))


def _group_moments(p, size):
    """Mean and variance of the mean-centred gradient of one group, over all its members."""
    groups = np.stack(np.meshgrid(*[[0.0, 1.0]] * size), axis=-1).reshape(-1, size)
    chance = np.prod(np.where(groups > 0, p, 1 - p), axis=-1)
    gradient = groups.var(axis=-1)
    mean = chance @ gradient
    return mean, chance @ np.square(gradient - mean)


def _first_steps(p, eta):
    """Smallest number of mirror steps that reach one half at some (low) temperature."""
    n = np.arange(1, 1000)
    tau = 1e-6
    done = -np.expm1(n * np.log1p(-eta * tau)) / tau
    return n[np.argmax(done >= thresholds.log_odds_against(p))]


def _last_k(p):
    k = np.arange(1, 1000)
    return k[np.flatnonzero(1 - (1 - p) ** k < 0.5)[-1]]


def _flipped(p, share):
    """Temperature at which the tilt by the expected reward of a noisy grader is half right."""
    rewards = np.array([share, 1.0 - share])

    def excess(tau):
        weight = np.array([1 - p, p]) * np.exp(rewards / tau)
        return weight[1] / weight.sum() - 0.5

    return bisect(np.vectorize(excess), 0.05, 5.0)[0]


ANSWERS = {
    "ex-diag-bill": (lambda: [_least_bill(2.2, 40), _least_bill(2.2, 400)], 1e-2),
    "ex-diag-flips": (lambda: _flipped(0.01, 0.1), 5e-3),
    "ex-diag-steps": (lambda: _first_steps(1e-4, 0.1), 1e-3),
    "ex-diag-half": (lambda: [0.5, _group_moments(0.5, 4)[1]], 1e-3),
    "ex-diag-pass": (lambda: _last_k(0.02), 1e-3),
}

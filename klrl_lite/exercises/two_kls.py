"""Answers to the exercises of chapter 02."""

import numpy as np

from .. import gibbs, problems
from ..algorithms.mirror import explicit_step
from ..solvers import bisect


def _multiplier(tau=1.0):
    """Lambda from the stationarity condition at one action of the Gibbs policy."""
    ref, reward = np.log([0.5, 0.5]), np.array([0.0, 1.0])
    log_pi = gibbs.log_gibbs(ref, reward, tau)
    return reward[1] - tau * (log_pi[1] - ref[1]) - tau


def _exponential(tau, mean=3.0, n=400_000, far=500.0):
    """Coldest tau, and the mean of the Gibbs policy at `tau`, on a fine grid of answers."""
    y = np.linspace(0.0, far, n)
    log_weight = -y / mean + y / tau
    weight = np.exp(log_weight)
    return np.array([mean, np.trapezoid(weight * y, y) / np.trapezoid(weight, y)])


def _pace(n_steps=10, shrink=0.01):
    """Smallest eta tau for which `n_steps` factors (1 - eta tau) make `shrink`."""
    x, _ = bisect(lambda x: (1.0 - x) ** n_steps - shrink, 0.0, 1.0)
    return np.array([x, x / 0.05])


def _turning_step():
    """Step at which the growth of the middle action changes sign."""
    log_pi, reward = np.log([0.1, 0.3, 0.6]), np.array([1.0, 0.5, 0.0])
    eta, _ = bisect(lambda e: (explicit_step(log_pi, reward, e) - log_pi)[1], 0.1, 20.0)
    return eta


def _after_resets(taus):
    """Read the temperature off a policy that was reference of the next round each time."""
    problem = problems.binary(0.1)
    log_pi = problem.log_ref
    for tau in taus:
        log_pi = gibbs.log_gibbs(log_pi, problem.reward, tau)
    return 1.0 / np.diff(log_pi - problem.log_ref)[0]


ANSWERS = {
    "ex-multiplier": (_multiplier, 1e-2),
    "ex-infinite": (lambda: _exponential(4.0), 1e-3),
    "ex-pace": (_pace, 1e-2),
    "ex-turning-step": (_turning_step, 1e-2),
    "ex-resets": (lambda: [_after_resets([1.0] * 5), _after_resets([1.0, 0.5, 0.25])], 1e-3),
}

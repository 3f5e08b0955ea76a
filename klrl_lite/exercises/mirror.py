"""Answers to the exercises of chapter 01."""

import numpy as np

from .. import gibbs, problems, simplex
from ..algorithms.mirror import explicit_step


def _second_policy_of_the_cycle(tau=0.2):
    """One mirror step with eta tau = 2 on the problem of chapter 01."""
    problem = problems.levels(np.log([0.7, 0.25, 0.05]), [0.0, 0.6, 1.0])
    start = np.log([0.9, 0.02, 0.08])
    advantage = gibbs.soft_advantage(start, problem.log_ref, problem.reward, tau)
    return np.exp(explicit_step(start, advantage, 2.0 / tau))


def _soft_mean(x, gradient):
    """Where the growth of log x_i, linear in the gradient, changes sign (eta = 1)."""
    growth = explicit_step(np.log(x), -np.array(gradient), 1.0) - np.log(x)
    return np.interp(0.0, growth[::-1], gradient[::-1])


def _slow_steps(product, shrink=1e-3):
    """Count steps until the factor |1 - eta tau| has shrunk the error; and its twin above 1."""
    factor, steps = 1.0, 0
    while factor > shrink:
        factor, steps = factor * (1.0 - product), steps + 1
    return np.array([steps, 2.0 - product])


ANSWERS = {
    "ex-overshoot": (_second_policy_of_the_cycle, 1e-6),
    "ex-soft-mean": (lambda: _soft_mean([0.5, 0.3, 0.2], [-3.0, -1.0, 1.0]), 1e-2),
    "ex-burg": (lambda: simplex.bregman(simplex.BURG, [[2.0], [1.0]], [[1.0], [2.0]]), 1e-3),
    "ex-steps": (lambda: _slow_steps(0.1), 1e-3),
}

"""Exercises that check themselves: the reader's numbers against the package's."""

import numpy as np

from . import gibbs, problems, simplex, thresholds
from .algorithms.mirror import explicit_step

#: What each exercise must come to, and how closely: label -> (function, relative tolerance).
ANSWERS = {
    "ex-overshoot": (lambda: _second_policy_of_the_cycle(), 1e-6),
    "ex-soft-mean": (lambda: _soft_mean([0.5, 0.3, 0.2], [-3.0, -1.0, 1.0]), 1e-2),
    "ex-burg": (lambda: simplex.bregman(simplex.BURG, [[2.0], [1.0]], [[1.0], [2.0]]), 1e-3),
    "ex-steps": (lambda: _slow_steps(0.1), 1e-3),
    "ex-price": (lambda: thresholds.critical_tau(np.array([1e-3, 1e-6]), 2.0), 1e-3),
    "ex-pass-k": (lambda: _samples_for_half(1e-3), 1e-2),
    "ex-hot-peak": (lambda: _peak_shift_percent(3.0), 1e-2),
    "ex-half-credit": (lambda: _half_credit().known["crossings"], 1e-3),
}


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


def _samples_for_half(p):
    """Fractional n at which best-of-n succeeds half the time, from the count formula."""
    n = np.arange(1, 2000)
    success = 1.0 - (1.0 - p) ** n
    return np.interp(0.5, success, n)


def _peak_shift_percent(log_odds):
    p = 1.0 / (1.0 + np.exp(log_odds))
    return 100 * (1 - thresholds.heat_capacity_peak(p).tau / thresholds.critical_tau(p))


def _half_credit():
    return problems.levels(np.log([0.81, 0.18, 0.01]), [0.0, 0.5, 1.0])


class Verdict(str):
    """A line of text that a notebook shows without quotes."""

    __repr__ = str.__str__


def check_exercise(label, answer):
    """Compare an answer with what the package computes.

    Parameters
    ----------
    label : str
        Label of the exercise in the book.
    answer : array_like
        One number, or a list in the order in which the exercise asks for them.

    Returns
    -------
    Verdict
        "right", or by how much it is off. It never tells the answer.

    Raises
    ------
    ValueError
        For an unknown label, or an answer with the wrong number of entries.

    Examples
    --------
    >>> check_exercise("ex-pass-k", 700)
    ex-pass-k: not yet, off by 1 %
    """
    if label not in ANSWERS:
        raise ValueError(f"label must be one of {', '.join(ANSWERS)}; got {label!r}")
    expected, tolerance = ANSWERS[label]
    wanted = np.atleast_1d(expected())
    given = np.atleast_1d(np.asarray(answer, dtype=float))
    if given.shape != wanted.shape:
        raise ValueError(f"answer must have {wanted.size} entries; got {given.size}")
    miss = float(np.max(np.abs(given / wanted - 1.0)))
    if miss <= tolerance:
        return Verdict(f"{label}: right")
    return Verdict(f"{label}: not yet, off by {100 * miss:.1g} %")

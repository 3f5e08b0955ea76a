"""Answers to the exercises of chapter 07."""

import numpy as np

from .. import problems, thresholds


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


ANSWERS = {
    "ex-price": (lambda: thresholds.critical_tau(np.array([1e-3, 1e-6]), 2.0), 1e-3),
    "ex-pass-k": (lambda: _samples_for_half(1e-3), 1e-2),
    "ex-hot-peak": (lambda: _peak_shift_percent(3.0), 1e-2),
    "ex-half-credit": (lambda: _half_credit().known["crossings"], 1e-3),
}

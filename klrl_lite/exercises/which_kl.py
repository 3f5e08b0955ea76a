"""Answers to the exercises of chapter 11."""

import numpy as np

from .. import thresholds
from ..solvers import bisect


def _square(p):
    """Midpoint with k2 times the ratio: 1 over the difference of slopes of x log(x)^2 / 2."""

    def slope(x, step=1e-6):
        def divergence(x):
            return 0.5 * x * np.log(x) ** 2

        return (divergence(x * (1 + step)) - divergence(x * (1 - step))) / (2 * step * x)

    return 1.0 / (slope(0.5 / p) - slope(0.5 / (1.0 - p)))


def _letting_go(p):
    success = np.linspace(0.4, 0.6, 20_001)
    lost = (1.0 - success) / (1.0 - p)
    price_of = np.log(success / p) + p / success - np.log(lost) - 1.0 / lost
    return np.array([1.0 / price_of.max(), thresholds.critical_tau(p)])


def _bound(success, wrong):
    """Beta at which the lower bound on the success of std and token k3 is `success`."""
    beta, _ = bisect(lambda b: 1.0 / (1.0 + np.square(b * wrong)) - success, 1e-6, 10.0)
    return beta


def _falls():
    """Ratio of the midpoints at two supports, for token k3 and k2, by adding up wrong turns."""
    ell = -np.log([1e-3, 1e-6])
    success = np.linspace(0.5, 1.0, 4001)

    def wrong_turns(pull, rate):
        values = rate(np.multiply.outer(pull, success)) / success
        return np.sum(0.5 * (values[..., 1:] + values[..., :-1]) * np.diff(success), axis=-1)

    def fall(rate):
        pulls, _ = bisect(lambda w: wrong_turns(w, rate) - ell, np.full(2, 0.1), np.full(2, 40.0))
        return pulls[1] / pulls[0]

    return np.array([fall(lambda v: 1.0 + v), fall(np.exp)])


ANSWERS = {
    "ex-which-square": (lambda: _square(np.array([1e-3, 1e-6])), 2e-3),
    "ex-which-letgo": (lambda: _letting_go(1e-3), 1e-3),
    "ex-which-bound": (lambda: _bound(0.9, 200 * 0.02), 1e-3),
    "ex-which-loglog": (_falls, 5e-3),
}

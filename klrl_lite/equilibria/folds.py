"""Where a branch of fixed points of std-normalized GRPO ends: folds, and when there are any."""

from functools import lru_cache

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import expit

from .. import _checks
from .._types import Array
from ..solvers import bisect
from ..thresholds import log_odds_against
from .std import _force, _group_size


def grpo_folds(p_ref: float, group_size: float = np.inf) -> tuple[Array, Array]:
    r"""Coefficients beta at which two fixed points of `grpo_equilibria` meet and vanish.

    beta(l) = C_G(l) / (l + L) turns back where (l + L) C_G'(l) = C_G(l), with l = logit P and
    L = log((1 - p)/p). Between the two folds of a finite group there are three fixed points.

    Parameters
    ----------
    p_ref : float
        Support, in (0, 1).
    group_size : int or inf

    Returns
    -------
    beta, success : numpy.ndarray, shape (n,)
        In the order of beta. n is 0 or 2; for infinite G it is 1, the spinodal.

    Notes
    -----
    C/C' - l has one minimum in l > 0 for all groups that we looked at (4 to 2000); each side of
    it is bisected.

    Examples
    --------
    >>> beta, success = grpo_folds(1e-3, 16)
    >>> beta.round(4).tolist(), success.round(4).tolist()
    ([0.2683, 0.3354], [0.6474, 0.9703])
    """
    price = float(log_odds_against(_checks.scalar("p_ref", p_ref)))
    if not np.isfinite(price):
        raise ValueError(f"p_ref must be > 0 and < 1; got {p_ref!r}")
    size = _group_size(group_size)

    def turn(x):  # the sign of d beta / d l
        force, slope = _force(x, size)
        return (x + price) * slope - force

    low = max(0.0, -price)
    if size == np.inf:
        ends = np.array([[low, low + 3.0]])
    elif size < 4 or price <= grpo_fold_price(size):
        return np.array([]), np.array([])
    else:
        middle = _flattest(size)[0]
        top = middle + np.log(size) + np.log1p(abs(price)) + 20.0
        ends = np.array([[low, middle], [middle, top]])
    x, _ = bisect(turn, ends[:, 0], ends[:, 1])
    beta = _force(x, size)[0] / (x + price)
    return beta, expit(x)


def grpo_fold_price(group_size: float) -> float:
    r"""Price L = log((1 - p)/p) above which a group of this size has two stable fixed points.

    The minimum of C_G/C_G' - l over l > 0: for a smaller L, beta(l) falls everywhere and there
    is one fixed point at every beta.

    Parameters
    ----------
    group_size : int or inf
        G >= 2.

    Returns
    -------
    float
        +inf for G = 2 and 3, -inf for an infinite group.

    Examples
    --------
    >>> round(grpo_fold_price(16), 4), grpo_fold_price(3)
    (2.2613, inf)
    """
    size = _group_size(group_size)
    if size == np.inf:
        return -np.inf
    return _flattest(size)[1] if size > 3 else np.inf


@lru_cache(maxsize=256)
def _flattest(size):
    """Place and height of the minimum of C/C' - l."""
    grid = np.linspace(0.5, np.log(size) + 4.0, 400)
    force, slope = _force(grid, size)
    best = grid[np.argmin(force / slope - grid)]

    def height(x):
        force, slope = _force(np.asarray(x), size)
        return float(force / slope - x)

    found = minimize_scalar(
        height, bounds=(best - 0.2, best + 0.2), method="bounded", options={"xatol": 1e-10}
    )
    return float(found.x), float(found.fun)

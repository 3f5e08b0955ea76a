"""Closed forms for a binary reward: where it takes over, how sharply, and its singularities."""

from typing import NamedTuple

import numpy as np
from scipy.special import expit

from .. import _checks
from .._types import Array, ArrayLike, ComplexArray
from ..problems import log_support
from ..solvers import bisect


class Peak(NamedTuple):
    """Where a heat capacity peaks, and how high."""

    tau: Array
    height: Array


def log_odds_against(p_ref: ArrayLike, *, log_p: bool = False) -> Array:
    """L = log((1 - p)/p), the price of the correct outcome in nats. Book: eq-log-odds.

    Parameters
    ----------
    p_ref : array_like, shape (...)
        Support in [0, 1]; its logarithm if `log_p` (for p below 1e-308, such as q**K).

    Returns
    -------
    numpy.ndarray, shape (...)
        +inf for no support; 0 at p = 1/2; negative above.

    Notes
    -----
    Near p = 1/2 the two logarithms nearly cancel; there log1p((1 - 2p)/p) is used, in which
    1 - 2p is exact (from log p: -expm1(log p + log 2)).

    Examples
    --------
    >>> float(log_odds_against(0.1).round(6))
    2.197225
    """
    log_good, log_bad = log_support(p_ref, log_p)
    p = np.exp(log_good) if log_p else np.asarray(p_ref, dtype=float)
    middle = (p > 0.25) & (p < 0.75)
    p, log_2p = np.where(middle, p, 0.5), np.where(middle, log_good, -np.log(2.0)) + np.log(2.0)
    one_minus_2p = -np.expm1(log_2p) if log_p else 1.0 - 2.0 * p
    return np.where(middle, np.log1p(one_minus_2p / p), log_bad - log_good)[()]


def critical_tau(p_ref: ArrayLike, gap: ArrayLike = 1.0, *, log_p: bool = False) -> Array:
    """Temperature at which the Gibbs policy is right half the time, gap/L. Book: eq-tau-c.

    Parameters
    ----------
    p_ref : array_like, shape (...)
        Support (its logarithm if `log_p`).
    gap : array_like, shape (...)
        Reward of the correct outcome, >= 0.

    Returns
    -------
    numpy.ndarray, shape (...)
        0 without support; +inf for p >= 1/2, where success is above 1/2 at every temperature.

    Examples
    --------
    >>> float(critical_tau(0.1, gap=np.log(9.0)).round(12))
    1.0
    """
    gap = _checks.number("gap", gap, least=0.0)
    log_odds = log_odds_against(p_ref, log_p=log_p)
    _checks.broadcast(p_ref=log_odds, gap=gap)
    crosses = log_odds > 0
    return np.where(crosses, gap / np.where(crosses, log_odds, 1.0), np.inf)[()]


def success_probability(
    p_ref: ArrayLike, gap: ArrayLike, tau: ArrayLike, *, log_p: bool = False
) -> Array:
    """Gibbs probability of the correct outcome, sigmoid(gap/tau - L). Book: eq-success.

    Parameters
    ----------
    p_ref, gap : array_like, shape (...)
        As in `critical_tau`.
    tau : array_like, shape (...)
        Temperature, > 0.

    Returns
    -------
    numpy.ndarray, shape (...)
        Exactly 0 without support, at any temperature.

    Examples
    --------
    >>> float(success_probability(0.1, 1.0, critical_tau(0.1)).round(12))
    0.5
    """
    gap = _checks.number("gap", gap)
    tau = _checks.number("tau", tau, above=0.0)
    log_odds = log_odds_against(p_ref, log_p=log_p)
    _checks.broadcast(p_ref=log_odds, gap=gap, tau=tau)
    return expit(gap / tau - log_odds)


def crossover_width(
    p_ref: ArrayLike, gap: ArrayLike = 1.0, *, level: ArrayLike = 0.1, log_p: bool = False
) -> Array:
    """Temperature interval from success 1 - level down to level. Book: eq-width.

    With l = log((1 - level)/level) it is 2 l gap / (L^2 - l^2), exactly.

    Parameters
    ----------
    p_ref, gap : array_like, shape (...)
    level : float
        In (0, 1/2).

    Returns
    -------
    numpy.ndarray, shape (...)
        +inf where success never falls to `level` (p >= level).

    Examples
    --------
    >>> float(crossover_width(1e-3).round(4))
    0.1025
    """
    gap = _checks.number("gap", gap, least=0.0)
    level = _checks.number("level", level, above=0.0)
    if np.any(level >= 0.5):
        raise ValueError(f"level must be < 0.5; got {level!r}")
    log_odds = log_odds_against(p_ref, log_p=log_p)
    _checks.broadcast(p_ref=log_odds, gap=gap, level=level)
    edge = log_odds_against(level)
    falls = log_odds > edge
    # (L - l)(L + l), not L^2 - l^2; and L = inf must give 0.
    product = np.where(falls, (log_odds - edge) * (log_odds + edge), 1.0)
    return np.where(falls, 2.0 * edge * gap / product, np.inf)[()]


def heat_capacity_peak(p_ref: ArrayLike, gap: ArrayLike = 1.0, *, log_p: bool = False) -> Peak:
    """Where the heat capacity of a binary reward peaks, and how high. Book: eq-capacity-peak.

    With x = gap/tau the peak solves tanh((x - L)/2) = 2/x, and its height is x^2/4 - 1, here
    computed as x^2 P (1 - P): for p near 1 it is tiny, and x near 2.

    Parameters
    ----------
    p_ref, gap : array_like, shape (...)
        Support strictly between 0 and 1.

    Returns
    -------
    Peak
        `tau` (below the critical temperature) and `height`, arrays of shape (...).

    Examples
    --------
    >>> peak = heat_capacity_peak(1e-3)
    >>> bool(peak.tau < critical_tau(1e-3))
    True
    """
    gap = _checks.number("gap", gap, above=0.0)
    log_odds = np.asarray(log_odds_against(p_ref, log_p=log_p))
    if not np.all(np.isfinite(log_odds)):
        raise ValueError("p_ref must be strictly between 0 and 1; a peak needs both outcomes")
    _checks.broadcast(p_ref=log_odds, gap=gap)
    low = np.maximum(-log_odds, 0.0)
    y, _ = bisect(lambda y: (log_odds + y) * np.tanh(0.5 * y) - 2.0, low, low + 4.0)
    x = log_odds + y
    return Peak(gap / x, x * x * expit(y) * expit(-y) * np.ones_like(gap))


def fisher_zeros(
    p_ref: ArrayLike, gap: ArrayLike = 1.0, n_zeros: int = 3, *, log_p: bool = False
) -> ComplexArray:
    """Zeros of Z in the complex plane of 1/tau nearest to the real axis. Book: eq-zeros.

    Parameters
    ----------
    p_ref, gap : array_like, shape (...)
        Support strictly between 0 and 1: with one outcome, Z is an exponential without zeros.
    n_zeros : int
        How many in the upper half plane; their conjugates are zeros as well.

    Returns
    -------
    numpy.ndarray of complex, shape (..., n_zeros)
        (L + i pi (2m + 1)) / gap for m = 0, 1, ...

    Examples
    --------
    >>> fisher_zeros(0.1, n_zeros=1).round(4).tolist()
    [(2.1972+3.1416j)]
    """
    gap = _checks.number("gap", gap, above=0.0)
    log_odds = np.asarray(log_odds_against(p_ref, log_p=log_p))
    if not np.all(np.isfinite(log_odds)):
        raise ValueError("p_ref must be strictly between 0 and 1; zeros need both outcomes")
    _checks.broadcast(p_ref=log_odds, gap=gap)
    odd: ComplexArray = 1j * (np.pi * (2 * np.arange(_checks.count("n_zeros", n_zeros)) + 1))
    return (log_odds[..., None] + odd) / gap[..., None]

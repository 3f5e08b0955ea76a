"""Support thresholds: where a binary reward takes over, how sharply, and how both scale."""

from typing import NamedTuple

import numpy as np
from scipy.special import expit

from . import _checks
from ._types import Array, ArrayLike, BoolArray, ComplexArray
from .problems import _count, log_support
from .solvers import bisect

Peak = NamedTuple("Peak", [("tau", Array), ("height", Array)])  # noqa: UP014
Crossing = NamedTuple("Crossing", [("tau", Array), ("log_odds", Array), ("tau_se", Array),  # noqa: UP014
                                   ("log_odds_se", Array), ("converged", BoolArray)])  # fmt: skip


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
    odd: ComplexArray = 1j * (np.pi * (2 * np.arange(_count("n_zeros", n_zeros)) + 1))
    return (log_odds[..., None] + odd) / gap[..., None]


def collapse_spread(x: ArrayLike, y: ArrayLike, n_points: int = 200) -> float:
    """How far curves y(x) are from one common curve: the largest vertical distance.

    Parameters
    ----------
    x, y : array_like, shape (curves, points)
        x ascending along the last axis. Curves are compared where all of them are defined.

    Returns
    -------
    float
        0 for a perfect data collapse (to interpolation, hence use fine curves).

    Examples
    --------
    >>> x = np.linspace(0, 1, 11)
    >>> round(collapse_spread([x, x], [x, x + 0.25]), 12)
    0.25
    """
    x, y = _checks.on_actions("x", x), _checks.on_actions("y", y)
    if x.shape != y.shape or x.ndim != 2 or np.any(np.diff(x, axis=-1) <= 0):
        raise ValueError(f"x and y must be (curves, points), x ascending; got {x.shape}, {y.shape}")
    start, end = x[:, 0].max(), x[:, -1].min()
    if not start < end:
        raise ValueError(f"x must overlap between curves; got {start} to {end} as common range")
    grid = np.linspace(start, end, _count("n_points", n_points))
    common = np.stack([np.interp(grid, a, b) for a, b in zip(x, y, strict=True)])
    return float(np.ptp(common, axis=0).max())


def pass_at_k(n: ArrayLike, c: ArrayLike, k: ArrayLike) -> Array:
    """Unbiased pass@k from n samples with c correct, 1 - C(n - c, k)/C(n, k). Book: eq-pass-at-k.

    Parameters
    ----------
    n, c, k : array_like of int, shape (...)
        0 <= c <= n and 1 <= k <= n. (Elsewhere k > n is often given the value 1; here it is an
        error, since no draw of k without replacement exists.)

    Returns
    -------
    numpy.ndarray, shape (...)

    Notes
    -----
    A product of min(c, k) factors in the log domain: exact for small rates and large n, where
    binomial coefficients overflow. Chen et al. (2021).

    Examples
    --------
    >>> float(pass_at_k(10, 3, 1).round(12))
    0.3
    """
    n, c, k = (_checks.number(name, v, least=0.0) for name, v in (("n", n), ("c", c), ("k", k)))
    _checks.broadcast(n=n, c=c, k=k)
    n, c, k = np.broadcast_arrays(n, c, k)
    for name, bad, rule in (
        ("n, c and k", (n % 1 != 0) | (c % 1 != 0) | (k % 1 != 0), "be whole numbers"),
        ("c", c > n, "be <= n"),
        ("k", (k < 1) | (k > n), "lie between 1 and n"),
    ):
        if np.any(bad):
            first = tuple(np.argwhere(bad)[0])
            raise ValueError(f"{name} must {rule}; got n={n[first]}, c={c[first]}, k={k[first]}")
    few, many = np.minimum(c, k), np.maximum(c, k)
    log_miss = np.zeros(n.shape)
    for j in range(int(few.max(initial=0))):
        inside, avoidable = j < few, many < n - j
        factor = np.log1p(-many / np.where(inside & avoidable, n - j, np.inf))
        # many >= n - j means that k draws cannot avoid all c correct ones.
        log_miss += np.where(inside & ~avoidable, -np.inf, factor)
    return -np.expm1(log_miss)[()]


def fit_crossing(
    tau: ArrayLike, success: ArrayLike, trials: ArrayLike | None = None, *, max_iter: int = 100
) -> Crossing:
    """Fit success = sigmoid(L (tau_c/tau - 1)): where a measured curve crosses, and how sharply.

    Parameters
    ----------
    tau : array_like, shape (points,)
    success : array_like, shape (..., points)
        Success rates in [0, 1].
    trials : array_like or None
        Trials behind each rate; without them there are no standard errors.

    Returns
    -------
    Crossing
        `tau`, `log_odds` (L), their standard errors, `converged`; arrays of shape (...).

    Notes
    -----
    Maximum likelihood of binomial logistic regression on 1/tau, by Newton's method; the
    standard error of tau_c by the delta method. Without an optimum (only 0s and 1s) or a
    crossing (a flat curve) it is reported as not converged.

    Examples
    --------
    >>> tau = np.linspace(0.1, 0.5, 20)
    >>> fit = fit_crossing(tau, success_probability(0.01, 1.0, tau))
    >>> bool(np.isclose(fit.tau, critical_tau(0.01)))
    True
    """
    tau = _checks.number("tau", tau, above=0.0)
    success = _checks.number("success", success, least=0.0, most=1.0)
    weight = np.ones(()) if trials is None else _checks.number("trials", trials, above=0.0)
    if tau.ndim != 1 or success.shape[-1:] != tau.shape or tau.size < 2:
        raise ValueError(
            f"tau must be (points,) and success (..., points); got {tau.shape}, {success.shape}"
        )
    shape = _checks.broadcast(tau=tau, success=success, trials=weight)[:-1]
    scale = np.mean(1.0 / tau)
    design = np.stack([1.0 / (tau * scale), -np.ones_like(tau)], axis=-1)  # slope, L
    theta, converged = np.zeros((*shape, 2)), np.zeros(shape, bool)
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        for _ in range(max_iter):
            p = expit(np.einsum("...pi,...i->...p", design, theta))
            score = np.einsum("...p,pi->...i", weight * (success - p), design)
            info = np.einsum("...p,pi,pj->...ij", weight * p * (1.0 - p), design, design)
            # Far out on a separable curve the information is singular: no step, no claim.
            solvable = np.linalg.cond(info) < 1e14
            info = np.where(solvable[..., None, None], info, np.eye(2))
            step = np.linalg.solve(info, score[..., None])[..., 0]
            step = np.where(solvable[..., None], step, 0.0)
            # The likelihood still to be gained, per trial: it does not depend on the units.
            to_gain = (score * step).sum(-1) / np.sum(weight * np.ones_like(tau), axis=-1)
            theta = theta + step
            converged = solvable & (to_gain <= 1e-20)
            if np.all(converged | ~solvable):
                break
        slope, log_odds = theta[..., 0] / scale, theta[..., 1]
        tau_c = slope / log_odds
        covariance = np.linalg.inv(info)
        gradient = np.stack([tau_c / theta[..., 0], -tau_c / log_odds], axis=-1)
        variance = np.einsum("...i,...ij,...j->...", gradient, covariance, gradient)
    unknown = np.nan if trials is None else 1.0
    # An optimum exists where right and wrong answers overlap in 1/tau (Albert and Anderson 1984).
    right, wrong = (
        (np.where(seen, 1.0 / tau, np.inf).min(-1), np.where(seen, 1.0 / tau, -np.inf).max(-1))
        for seen in (success > 0.0, success < 1.0)
    )
    overlap = (right[0] < wrong[1]) & (wrong[0] < right[1])
    errors = unknown * np.sqrt(variance), unknown * np.sqrt(covariance[..., 1, 1])
    return Crossing(tau_c, log_odds, *errors, converged & overlap & (tau_c > 0))

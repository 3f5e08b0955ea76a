"""Thresholds of measured curves: fits, data collapse, pass@k from samples."""

from typing import NamedTuple

import numpy as np
from scipy.special import expit

from .. import _checks
from .._types import Array, ArrayLike, BoolArray


class Crossing(NamedTuple):
    """A fitted crossing; see `fit_crossing`."""

    tau: Array
    log_odds: Array
    tau_se: Array
    log_odds_se: Array
    converged: BoolArray


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
    grid = np.linspace(start, end, _checks.count("n_points", n_points))
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
    >>> from klrl_lite.thresholds import critical_tau, success_probability
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
    max_iter = _checks.count("max_iter", max_iter)
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
    # A slope that rounding may have made is none: Newton's method stops within 1e-10 standard
    # errors (of one trial), and 1e-8 of them are asked for.
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        per_trial = theta[..., 0] ** 2 / covariance[..., 0, 0]
        sloped = per_trial / np.sum(weight * np.ones_like(tau), axis=-1) > 1e-16
    errors = unknown * np.sqrt(variance), unknown * np.sqrt(covariance[..., 1, 1])
    return Crossing(tau_c, log_odds, *errors, converged & overlap & sloped & (tau_c > 0))

"""How far a policy is from where theory sends it, and from the curve that leads there."""

from typing import NamedTuple

import numpy as np

from .. import _checks
from .._types import Array, ArrayLike
from ..algorithms.base import log_ratio
from ..gibbs import log_gibbs
from ..simplex import _kl, fisher_inner, kl, tilt
from ..solvers import bisect


class OffCurve(NamedTuple):
    """Distance of a policy to the Gibbs curve, and the inverse temperature of the nearest point."""

    distance: Array
    inverse_tau: Array


class TiltFit(NamedTuple):
    """Regression of log(pi / pi_ref) on the reward: its slope and the share of variance it has."""

    inverse_tau: Array
    r_squared: Array


def kl_to_target(log_pi: ArrayLike, log_ref: ArrayLike, reward: ArrayLike, tau: ArrayLike) -> Array:
    r"""KL(pi || pi*_tau) = (F(pi) - F*) / tau: what is left of the free energy. Book: eq-above.

    Parameters
    ----------
    log_pi, log_ref, reward : array_like, shape (..., A)
    tau : array_like, shape (...)
        Temperature, > 0.

    Returns
    -------
    numpy.ndarray, shape (...)
        +inf where pi has mass outside the support of the reference.

    Examples
    --------
    >>> ref, reward = np.log([0.9, 0.1]), [0.0, np.log(9.0)]
    >>> float(kl_to_target(ref, ref, reward, 1.0).round(6))
    0.368064
    """
    log_pi = _checks.policy("log_pi", log_pi)
    log_star = log_gibbs(log_ref, reward, tau)
    alone = {"log_ref": np.asarray(log_ref)[..., 0], "reward": np.asarray(reward)[..., 0]}
    _checks.broadcast(log_pi=log_pi[..., 0], **alone, tau=tau)
    _checks.same_actions(log_pi=log_pi, log_ref=log_star)
    return _kl(log_pi, log_star)


def total_variation(log_p: ArrayLike, log_q: ArrayLike) -> Array:
    """Total variation distance, half the sum of |p - q|: the mass that would have to move.

    Parameters
    ----------
    log_p, log_q : array_like, shape (..., A)

    Returns
    -------
    numpy.ndarray, shape (...)
        In [0, 1].

    Examples
    --------
    >>> float(total_variation(np.log([0.5, 0.5]), np.log([0.25, 0.75])).round(12))
    0.25
    """
    log_p, log_q = _checks.policy("log_p", log_p), _checks.policy("log_q", log_q)
    _checks.same_actions(log_p=log_p, log_q=log_q)
    return 0.5 * np.sum(np.abs(np.exp(log_p) - np.exp(log_q)), axis=-1)


def off_curve(log_pi: ArrayLike, log_ref: ArrayLike, reward: ArrayLike) -> OffCurve:
    r"""Distance to the Gibbs curve, min_s KL(pi || pi_ref exp(s r) / Z_s). Book: eq-off-curve.

    Zero for a policy that has only been tilted by the reward, by however much: for every iterate
    of the ideal flow from the reference.

    Parameters
    ----------
    log_pi, log_ref, reward : array_like, shape (..., A)

    Returns
    -------
    OffCurve
        `distance`, and `inverse_tau`, the s of the nearest point; arrays of shape (...).
        s is 0 where the reward is constant, and infinite where pi takes best (worst) actions only.

    Notes
    -----
    The minimum is where the mean rewards agree: the curve is an exponential family, and the
    projection matches its moment. One scalar is bisected, on a scale that reaches from 1e-26 to
    1e26 in units of the reward's range.

    Examples
    --------
    >>> ref, reward = np.log([0.5, 0.3, 0.2]), np.array([0.0, 0.5, 1.0])
    >>> near = off_curve(tilt(ref, 3.0 * reward), ref, reward)
    >>> float(near.distance.round(12)), float(near.inverse_tau.round(9))
    (0.0, 3.0)
    """
    log_pi, log_ref = _checks.policy("log_pi", log_pi), _checks.policy("log_ref", log_ref)
    reward = _checks.on_actions("reward", reward)
    _checks.same_actions(log_pi=log_pi, log_ref=log_ref, reward=reward)
    log_pi, log_ref, reward = np.broadcast_arrays(log_pi, log_ref, reward)
    possible = log_ref > -np.inf
    top = np.where(possible, reward, -np.inf).max(axis=-1, keepdims=True)
    low = np.where(possible, reward, np.inf).min(axis=-1, keepdims=True)
    spread = top - low
    unit = np.where(possible, (reward - low) / np.where(spread > 0, spread, 1.0), 0.0)
    mean = np.sum(np.exp(log_pi) * unit, axis=-1)

    def excess_mean(t):
        return np.sum(np.exp(tilt(log_ref, np.sinh(t)[..., None] * unit)) * unit, axis=-1) - mean

    ends = np.full(mean.shape, 60.0)
    t, info = bisect(excess_mean, -ends, ends)
    # Means at the very ends of the range are reached at infinity only.
    far = np.where(excess_mean(ends) < 0, 60.0, -60.0)
    s = np.sinh(np.where(info.bracketed, t, far))
    moves = spread[..., 0] > 0
    s = np.where(moves, s, 0.0)
    distance = _kl(log_pi, tilt(log_ref, s[..., None] * unit))
    s = np.where(np.abs(s) > 1e15, np.copysign(np.inf, s), s)
    return OffCurve(distance, np.where(moves, s / np.where(moves, spread[..., 0], 1.0), 0.0))


def effective_temperature(log_pi: ArrayLike, log_ref: ArrayLike, reward: ArrayLike) -> TiltFit:
    r"""Regress log(pi / pi_ref) on the reward under pi: slope 1/tau_eff. Book: eq-tau-eff.

    It needs samples of pi, their log-ratios and rewards, and no partition function: the version
    of `off_curve` for a real run.

    Parameters
    ----------
    log_pi, log_ref, reward : array_like, shape (..., A)

    Returns
    -------
    TiltFit
        `inverse_tau` and `r_squared`, which is 1 on the Gibbs curve; NaN where the reward, or the
        log-ratio, is constant under pi.

    Raises
    ------
    ValueError
        Also if pi has mass where the reference has none.

    Examples
    --------
    >>> ref, reward = np.log([0.5, 0.3, 0.2]), np.array([0.0, 0.5, 1.0])
    >>> fit = effective_temperature(tilt(ref, 3.0 * reward), ref, reward)
    >>> float(fit.inverse_tau.round(12)), float(fit.r_squared.round(12))
    (3.0, 1.0)
    """
    log_pi, log_ref = _checks.policy("log_pi", log_pi), _checks.policy("log_ref", log_ref)
    reward = _checks.on_actions("reward", reward)
    _checks.same_actions(log_pi=log_pi, log_ref=log_ref, reward=reward)
    if np.any(np.isinf(kl(log_pi, log_ref))):
        raise ValueError("log_pi must have no mass where log_ref has none; the log-ratio is inf")
    moved = log_ratio(log_pi, log_ref)
    moved = np.where(moved > -np.inf, moved, 0.0)  # an action without mass has no weight
    variance = fisher_inner(reward, reward, log_pi)
    common = fisher_inner(moved, reward, log_pi)
    total = fisher_inner(moved, moved, log_pi)
    with np.errstate(invalid="ignore", divide="ignore"):
        slope = np.where(variance > 0, common / variance, np.nan)
        share = np.where((variance > 0) & (total > 0), slope * common / total, np.nan)
    return TiltFit(slope, np.minimum(share, 1.0))

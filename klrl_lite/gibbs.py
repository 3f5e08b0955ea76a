"""The Gibbs optimum of the free energy F(pi) = -E_pi[r] + tau KL(pi || pi_ref), and its numbers."""

import numpy as np

from . import _checks
from ._types import Array, ArrayLike
from .simplex import _below_best, _centred, _expect, _kl, _tilt, excess


def _system(log_ref: ArrayLike, reward: ArrayLike, tau: ArrayLike) -> tuple[Array, Array, Array]:
    log_ref = _checks.policy("log_ref", log_ref)
    reward = _checks.on_actions("reward", reward)
    tau = _checks.number("tau", tau, above=0.0)
    _checks.broadcast(log_ref=log_ref[..., 0], reward=reward[..., 0], tau=tau)
    _checks.same_actions(log_ref=log_ref, reward=reward)
    return log_ref, reward, tau


def log_gibbs(log_ref: ArrayLike, reward: ArrayLike, tau: ArrayLike) -> Array:
    r"""Gibbs policy pi*(a) = pi_ref(a) exp(r(a)/tau) / Z, the minimizer of F. Book: eq-gibbs.

    Parameters
    ----------
    log_ref : array_like, shape (..., A)
        Normalized log-probabilities of the reference policy; -inf means no support.
    reward : array_like, shape (..., A)
    tau : array_like, shape (...)
        Temperature, > 0, without the action axis.

    Returns
    -------
    numpy.ndarray, shape (..., A)
        Normalized log-probabilities; -inf exactly where `log_ref` is.

    Raises
    ------
    ValueError
        If `log_ref` is not a policy, `tau` <= 0, anything is NaN, or shapes do not broadcast.

    Notes
    -----
    The largest reward is subtracted before dividing by tau, so that temperatures down to
    1e-6 lose no digits in the differences that matter.

    Examples
    --------
    >>> np.exp(log_gibbs(np.log([0.9, 0.1]), [0.0, np.log(9.0)], 1.0)).round(12).tolist()
    [0.5, 0.5]
    """
    log_ref, reward, tau = _system(log_ref, reward, tau)
    return _tilt(log_ref, _below_best(reward, log_ref) / tau[..., None], "log_ref")


def log_partition(log_ref: ArrayLike, reward: ArrayLike, tau: ArrayLike) -> Array:
    r"""Log-partition function log Z = log E_ref[exp(r/tau)]; F* = -tau log Z. Book: eq-log-z.

    Parameters and errors as in `log_gibbs`.

    Returns
    -------
    numpy.ndarray, shape (...)

    Notes
    -----
    With b = E_ref[r] and x = (r - b)/tau, log Z = b/tau + log(1 + E_ref[e^x - 1 - x]). Every
    term of the last expectation is non-negative, so log Z keeps its digits when tau is large
    and log Z small. Where that expectation exceeds 1, b/tau and the logarithm could cancel in
    turn; there log Z = log pi_ref + r/tau - log pi*, taken at the likeliest action of pi*.
    Sums are in the log domain, so nothing overflows.

    Examples
    --------
    >>> float(log_partition(np.log([0.5, 0.5]), [0.0, 1.0], 1e6).round(18))
    5.00000125e-07
    """
    log_ref, reward, tau = _system(log_ref, reward, tau)
    mean = _expect(log_ref, reward)
    x = (reward - mean[..., None]) / tau[..., None]
    # log(e^x - 1 - x): directly for small x, as x + log(1 - (1 + x) e^-x) for large x.
    large = x > 1.0
    big = np.where(large, x, 2.0)
    with np.errstate(divide="ignore"):
        direct = np.log(excess(-np.where(large, 0.0, x)))
    log_terms = np.where(large, big + np.log1p(-(1.0 + big) * np.exp(-big)), direct)
    terms = log_ref + log_terms
    peak = np.maximum(terms.max(axis=-1), -1e300)  # all -inf when the reward is constant
    with np.errstate(divide="ignore"):
        log_sum = peak + np.log(np.exp(terms - peak[..., None]).sum(axis=-1))
    hot = mean / tau + np.logaddexp(0.0, log_sum)
    log_pi = log_gibbs(log_ref, reward, tau)
    top = np.argmax(log_pi, axis=-1, keepdims=True)
    ref_top, r_top, pi_top = (
        np.take_along_axis(np.broadcast_to(a, log_pi.shape), top, axis=-1)[..., 0]
        for a in (log_ref, reward, log_pi)
    )
    return np.where(log_sum > 0.0, ref_top + r_top / tau - pi_top, hot)[()]


def free_energy(log_pi: ArrayLike, log_ref: ArrayLike, reward: ArrayLike, tau: ArrayLike) -> Array:
    r"""Free energy F(pi) = -E_pi[r] + tau KL(pi || pi_ref). Book: eq-free-energy.

    Parameters
    ----------
    log_pi : array_like, shape (..., A)
        The policy at which to evaluate.
    log_ref, reward, tau
        As in `log_gibbs`.

    Returns
    -------
    numpy.ndarray, shape (...)
        +inf where pi has mass outside the support of the reference.

    Examples
    --------
    >>> ref = np.log([0.5, 0.5])
    >>> float(free_energy(ref, ref, [0.0, 1.0], 2.0))
    -0.5
    """
    log_ref, reward, tau = _system(log_ref, reward, tau)
    log_pi = _checks.policy("log_pi", log_pi)
    _checks.same_actions(log_pi=log_pi, log_ref=log_ref, reward=reward)
    _checks.broadcast(
        log_pi=log_pi[..., 0], log_ref=log_ref[..., 0], reward=reward[..., 0], tau=tau
    )
    return tau * _kl(log_pi, log_ref) - _expect(log_pi, reward)


def soft_advantage(
    log_pi: ArrayLike, log_ref: ArrayLike, reward: ArrayLike, tau: ArrayLike
) -> Array:
    r"""Free-energy advantage A = r - tau log(pi/pi_ref) - E_pi[same]. Book: eq-soft-advantage.

    Minus the gradient of F on the simplex, centred; it vanishes exactly at the Gibbs policy.

    Parameters
    ----------
    log_pi, log_ref, reward, tau
        As in `free_energy`.

    Returns
    -------
    numpy.ndarray, shape (..., A)
        Mean zero under pi. Actions that pi cannot take get 0: no tilt can bring them back.

    Raises
    ------
    ValueError
        Also if pi has mass where the reference has none (F is infinite there).

    Examples
    --------
    >>> ref = np.log([0.5, 0.5])
    >>> soft_advantage(ref, ref, [0.0, 1.0], 2.0).tolist()
    [-0.5, 0.5]
    """
    log_ref, reward, tau = _system(log_ref, reward, tau)
    log_pi = _checks.policy("log_pi", log_pi)
    _checks.same_actions(log_pi=log_pi, log_ref=log_ref, reward=reward)
    _checks.broadcast(
        log_pi=log_pi[..., 0], log_ref=log_ref[..., 0], reward=reward[..., 0], tau=tau
    )
    log_pi, log_ref = np.broadcast_arrays(log_pi, log_ref)
    possible = log_pi > -np.inf
    if np.any(possible & (log_ref == -np.inf)):
        raise ValueError("log_pi must have no mass where log_ref has none; the free energy is inf")
    everywhere = possible.all()
    ratio = (
        log_pi - log_ref
        if everywhere
        else np.subtract(log_pi, log_ref, where=possible, out=np.zeros_like(log_pi))
    )
    score = reward - tau[..., None] * ratio
    if everywhere:
        return _centred(score, log_pi)
    return np.where(possible, _centred(np.where(possible, score, 0.0), log_pi), 0.0)


def heat_capacity(log_ref: ArrayLike, reward: ArrayLike, tau: ArrayLike) -> Array:
    r"""Heat capacity C = dU/dtau = Var*(r) / tau^2 with U = -E*[r]. Book: eq-heat-capacity.

    Parameters and errors as in `log_gibbs`.

    Returns
    -------
    numpy.ndarray, shape (...)
        Dimensionless; it peaks at the crossover.

    Examples
    --------
    >>> float(heat_capacity(np.log([0.5, 0.5]), [0.0, 1.0], 1e3).round(12))
    2.5e-07
    """
    log_pi = log_gibbs(log_ref, reward, tau)
    reward = _checks.real_array("reward", reward)
    # In units of tau first: the square of reward/tau may overflow where its variance does not.
    u = _centred(reward, log_pi) / np.asarray(tau, float)[..., None]
    return _expect(log_pi, np.square(u))

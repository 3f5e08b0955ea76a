"""The probability simplex: normalization, KL, entropy, tilts, Bregman divergences, Fisher metric.

Policies are normalized log-probabilities with the actions on the last axis.
"""

from typing import NamedTuple

import numpy as np
from scipy.special import entr

from . import _checks
from ._types import Array, ArrayLike, ArrayMap

# d + expm1(-d) = d^2 (1/2! - d/3! + d^2/4! - ...): ten terms reach 1e-17 for |d| < 0.1.
_SERIES = [(-1.0) ** k / float(np.prod(np.arange(1, k + 3))) for k in range(10)]


def excess(d: ArrayLike) -> Array:
    """Convex function d + exp(-d) - 1 without cancellation; excess(d) ~ d^2/2 near 0.

    It is what one action adds to a KL divergence per unit of mass. The textbook form
    d + expm1(-d) loses half the digits at d = 1e-8; the series keeps all of them.

    Parameters
    ----------
    d : array_like, shape (...)

    Examples
    --------
    >>> float(excess(1e-6)) / 0.5e-12 - 1
    -3.333332...e-07
    """
    d = _checks.real_array("d", d)
    small = np.abs(d) < 0.1
    x = np.where(small, d, 0.0)
    series = np.zeros_like(x)
    for c in reversed(_SERIES):
        series = series * x + c
    # Beyond -1e3 the exponential is infinite; stopping there keeps -inf + inf from happening.
    with np.errstate(over="ignore"):
        far = np.maximum(d, -1e3)
        return np.where(small, x * x * series, far + np.expm1(-far))


def log_normalize(logits: ArrayLike) -> Array:
    """Log-probabilities from logits, log p_a = x_a - log sum_b exp x_b. Book: eq-log-normalize.

    Parameters
    ----------
    logits : array_like, shape (..., A)
        Finite or -inf (an impossible action), at least one of them finite.

    Returns
    -------
    numpy.ndarray, shape (..., A)

    Raises
    ------
    ValueError
        On NaN, +inf, no actions, or a row with no possible action.

    Notes
    -----
    The largest term is taken out of the sum and the rest goes through log1p, so that the
    log-probability of an almost certain action keeps its relative accuracy (it is about
    minus the mass of all the others, which may be 1e-300).

    Examples
    --------
    >>> np.exp(log_normalize([0.0, np.log(3.0)])).round(12).tolist()
    [0.25, 0.75]
    """
    return _log_normalize(_checks.on_actions("logits", logits, minus_inf=True), "logits")


def _log_normalize(x: Array, name: str) -> Array:
    top = np.argmax(x, axis=-1, keepdims=True)
    peak = np.take_along_axis(x, top, axis=-1)
    if np.any(peak == -np.inf):
        raise ValueError(f"{name} must leave at least one action possible; got a row of -inf")
    shifted = x - peak
    rest = np.exp(shifted)
    np.put_along_axis(rest, top, 0.0, axis=-1)
    shifted -= np.log1p(rest.sum(axis=-1, keepdims=True))
    return shifted


def tilt(log_p: ArrayLike, direction: ArrayLike) -> Array:
    """Exponential tilt, q_a = p_a exp(d_a) / sum_b p_b exp(d_b). Book: eq-eg-step.

    Every closed-form update in the book is a tilt: the mirror step (direction eta * advantage),
    the Gibbs policy (direction reward / tau), the flow. Tilts compose by adding directions.

    Parameters
    ----------
    log_p : array_like, shape (..., A)
        Log-weights of the starting policy. They need not be normalized.
    direction : array_like, shape (..., A)
        Finite; a constant added to it changes nothing.

    Returns
    -------
    numpy.ndarray, shape (..., A)
        Normalized log-probabilities. Impossible actions stay impossible.

    Examples
    --------
    >>> p = np.log([0.5, 0.5])
    >>> np.exp(tilt(p, [0.0, np.log(3.0)])).round(12).tolist()
    [0.25, 0.75]
    """
    log_p = _checks.on_actions("log_p", log_p, minus_inf=True)
    direction = _checks.on_actions("direction", direction)
    _checks.same_actions(log_p=log_p, direction=direction)
    return _log_normalize(log_p + _below_best(direction, log_p), "log_p")


def _below_best(values: Array, log_p: Array) -> Array:
    """Values minus the best one that p can take: the same tilt, no digits lost to a constant."""
    best = np.where(log_p > -np.inf, values, -np.inf).max(axis=-1, keepdims=True)
    return values - np.where(best > -np.inf, best, 0.0)


def _centred(values: Array, log_p: Array) -> Array:
    """Values minus their mean under p; exactly 0 on the support if they are constant there."""
    log_p, values = np.broadcast_arrays(log_p, values)
    mode = np.argmax(log_p, axis=-1, keepdims=True)
    # From the likeliest action's value: the spread of an almost certain policy stays visible.
    shifted = values - np.take_along_axis(values, mode, axis=-1)
    return shifted - expect(log_p, shifted)[..., None]


def kl(log_p: ArrayLike, log_q: ArrayLike) -> Array:
    """KL(p || q) = sum_a p_a log(p_a / q_a), first argument first, always. Book: eq-kl.

    Parameters
    ----------
    log_p, log_q : array_like, shape (..., A)
        Normalized log-probabilities; leading axes broadcast.

    Returns
    -------
    numpy.ndarray, shape (...)
        Non-negative; +inf where p has mass on an action that q excludes.

    Raises
    ------
    ValueError
        If an argument is not a normalized log-policy, or the shapes do not broadcast.

    Notes
    -----
    Computed as sum_a p_a excess(log p_a - log q_a), each term non-negative: adding
    q_a - p_a to each term changes nothing in total and removes the cancellation. The plain
    sum is 6e-4 off already for a step of 1e-6; this one is exact to rounding at 1e-10.

    Examples
    --------
    >>> float(kl(np.log([0.5, 0.5]), np.log([0.25, 0.75])).round(6))
    0.143841
    """
    log_p, log_q = _checks.policy("log_p", log_p), _checks.policy("log_q", log_q)
    _checks.same_actions(log_p=log_p, log_q=log_q)
    return _kl(log_p, log_q)


def _kl(log_p: Array, log_q: Array) -> Array:
    with np.errstate(invalid="ignore", over="ignore"):
        d = log_p - log_q
        p, q = np.exp(log_p), np.exp(log_q)
        # exp(-d) overflows for d < -700 although p exp(-d) = q is harmless.
        terms = np.where(np.abs(d) < 1.0, p * excess(d), p * d + (q - p))
    # Outside the support of q even a mass too small for a float64 costs infinitely much.
    terms = np.where(d == np.inf, np.inf, terms)
    return np.where(log_p == -np.inf, q, terms).sum(axis=-1)


def entropy(log_p: ArrayLike) -> Array:
    """Shannon entropy -sum_a p_a log p_a in nats, with 0 log 0 = 0. Book: eq-negative-entropy.

    Parameters
    ----------
    log_p : array_like, shape (..., A)
        Normalized log-probabilities.

    Returns
    -------
    numpy.ndarray, shape (...)

    Examples
    --------
    >>> float(entropy(np.log([0.5, 0.5])).round(6))
    0.693147
    """
    log_p = _checks.policy("log_p", log_p)
    return 0.0 - expect(log_p, np.where(log_p == -np.inf, 0.0, log_p))


def expect(log_p: ArrayLike, values: ArrayLike) -> Array:
    """Expect f under p, E_p[f] = sum_a p_a f_a over the last axis.

    Parameters
    ----------
    log_p : array_like, shape (..., A)
        Log-probabilities.
    values : array_like, shape (..., A)
        Finite values; leading axes broadcast.

    Examples
    --------
    >>> float(expect(np.log([0.25, 0.75]), [0.0, 1.0]))
    0.75
    """
    log_p = _checks.on_actions("log_p", log_p, minus_inf=True)
    values = _checks.on_actions("values", values)
    _checks.same_actions(log_p=log_p, values=values)
    return (np.exp(log_p) * values).sum(axis=-1)


class MirrorMap(NamedTuple):
    """Strictly convex psi, (..., n) to (...); its gradient and the inverse of that, to (..., n)."""

    name: str
    psi: ArrayMap
    grad: ArrayMap
    grad_inverse: ArrayMap


EUCLIDEAN = MirrorMap(
    "half squared norm", lambda x: 0.5 * np.sum(np.square(x), axis=-1), lambda x: x, lambda y: y
)
NEGATIVE_ENTROPY = MirrorMap(
    "negative entropy",
    lambda x: -np.sum(entr(x), axis=-1),  # +inf outside the domain
    lambda x: 1.0 + np.log(x),
    lambda y: np.exp(y - 1.0),
)
BURG = MirrorMap(
    "Burg entropy", lambda x: -np.sum(np.log(x), axis=-1), lambda x: -1.0 / x, lambda y: -1.0 / y
)


def bregman(mirror_map: MirrorMap, x: ArrayLike, y: ArrayLike) -> Array:
    """Bregman divergence psi(x) - psi(y) - <grad psi(y), x - y>. Book: eq-bregman.

    Parameters
    ----------
    mirror_map : MirrorMap
        For instance `EUCLIDEAN`, `NEGATIVE_ENTROPY` or `BURG`.
    x, y : array_like, shape (..., n)
        Points in the domain of psi; psi must be differentiable at y. These are coordinates,
        not log-probabilities, and need not sum to 1.

    Returns
    -------
    numpy.ndarray, shape (...)
        +inf where psi(x) is; ValueError if y is not inside the domain.

    Notes
    -----
    The definition taken literally: it cancels when x is close to y. Use `kl` for policies.

    Examples
    --------
    >>> float(bregman(EUCLIDEAN, [1.0, 0.0], [0.0, 0.0]))
    0.5
    """
    x, y = _checks.on_actions("x", x), _checks.on_actions("y", y)
    _checks.same_actions(x=x, y=y)
    with np.errstate(divide="ignore", invalid="ignore"):
        at_x, at_y, slope = mirror_map.psi(x), mirror_map.psi(y), mirror_map.grad(y)
    if np.any(np.isnan(at_x)) or not (np.all(np.isfinite(slope)) and np.all(np.isfinite(at_y))):
        raise ValueError(f"x and y must lie in the domain of {mirror_map.name}, y inside it")
    return at_x - at_y - np.sum(slope * (x - y), axis=-1)


def project_to_simplex(x: ArrayLike) -> Array:
    """Euclidean projection onto the simplex, argmin_p ||p - x||^2. Book: eq-projection.

    Parameters
    ----------
    x : array_like, shape (..., n)

    Returns
    -------
    numpy.ndarray, shape (..., n)
        p_i = max(x_i - theta, 0) with theta such that the sum is 1. It has exact zeros.

    Notes
    -----
    Sort and threshold, O(n log n): Held, Wolfe and Crowder (1974); Duchi et al. (2008).

    Examples
    --------
    >>> project_to_simplex([0.8, 0.6, -1.0]).round(12).tolist()
    [0.6, 0.4, 0.0]
    """
    x = _checks.on_actions("x", x)
    y: Array = x - x.max(axis=-1, keepdims=True)  # the same, and 1e17 - 1 is not 1e17 any more
    ordered = -np.sort(-y, axis=-1)
    theta = (np.cumsum(ordered, axis=-1) - 1.0) / np.arange(1, y.shape[-1] + 1)
    active = np.sum(ordered > theta, axis=-1, keepdims=True)
    return np.maximum(y - np.take_along_axis(theta, active - 1, axis=-1), 0.0)


def fisher_inner(u: ArrayLike, v: ArrayLike, log_p: ArrayLike) -> Array:
    """Fisher inner product of two directions in log-probability, Cov_p(u, v). Book: eq-fisher.

    A direction u moves the policy as dp_a = p_a (u_a - E_p[u]); a constant moves nothing.

    Parameters
    ----------
    u, v : array_like, shape (..., A)
    log_p : array_like, shape (..., A)

    Returns
    -------
    numpy.ndarray, shape (...)

    Examples
    --------
    >>> float(fisher_inner([0.0, 1.0], [0.0, 1.0], np.log([0.25, 0.75])))
    0.1875
    """
    u, v = _checks.on_actions("u", u), _checks.on_actions("v", v)
    log_p = _checks.policy("log_p", log_p)
    _checks.same_actions(u=u, v=v, log_p=log_p)
    return expect(log_p, _centred(u, log_p) * _centred(v, log_p))


def fisher_cosine(u: ArrayLike, v: ArrayLike, log_p: ArrayLike) -> Array:
    """Cosine of the angle between two directions in the Fisher metric at p.

    Parameters and shapes as in `fisher_inner`.

    Returns
    -------
    numpy.ndarray, shape (...)
        In [-1, 1]; NaN where a direction moves nothing (it has no angle).

    Examples
    --------
    >>> float(fisher_cosine([0.0, 1.0], [5.0, 7.0], np.log([0.25, 0.75])).round(12))
    1.0
    """
    inner = fisher_inner(u, v, log_p)  # first, so that its checks name the right argument
    # Two roots and not the root of the product, which may underflow.
    lengths = np.sqrt(fisher_inner(u, u, log_p)) * np.sqrt(fisher_inner(v, v, log_p))
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(lengths > 0, np.clip(inner / lengths, -1.0, 1.0), np.nan)

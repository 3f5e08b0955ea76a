"""Expectations under a policy, and the Fisher metric: covariances under it."""

import numpy as np

from .. import _checks
from .._types import Array, ArrayLike


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
    return _expect(log_p, values)


def _expect(log_p: Array, values: Array) -> Array:
    return _dot(np.exp(log_p), values)


def _dot(x: Array, y: Array) -> Array:
    """Sum over actions of x y: without a temporary array where rows are short, else pairwise."""
    if max(x.shape[-1], y.shape[-1]) <= 64:
        return np.einsum("...a,...a->...", x, y)
    return (x * y).sum(axis=-1)


def _centred(values: Array, log_p: Array) -> Array:
    """Values minus their mean under p; exactly 0 on the support if they are constant there."""
    log_p, values = np.broadcast_arrays(log_p, values)
    mode = np.argmax(log_p, axis=-1, keepdims=True)
    # From the likeliest action's value: the spread of an almost certain policy stays visible.
    shifted = values - np.take_along_axis(values, mode, axis=-1)
    shifted -= _expect(log_p, shifted)[..., None]
    return shifted


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
    u, v, log_p = _directions(u, v, log_p)
    return expect(log_p, _centred(u, log_p) * _centred(v, log_p))


def _directions(u: ArrayLike, v: ArrayLike, log_p: ArrayLike) -> tuple[Array, Array, Array]:
    u, v = _checks.on_actions("u", u), _checks.on_actions("v", v)
    log_p = _checks.policy("log_p", log_p)
    _checks.same_actions(u=u, v=v, log_p=log_p)
    return u, v, log_p


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
    u, v, log_p = _directions(u, v, log_p)
    a, b = (_centred(_of_order_one(w, log_p), log_p) for w in (u, v))
    # Two roots and not the root of the product, which may underflow.
    inner = _expect(log_p, a * b)
    lengths = np.sqrt(_expect(log_p, a * a)) * np.sqrt(_expect(log_p, b * b))
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(lengths > 0, np.clip(inner / lengths, -1.0, 1.0), np.nan)


def _of_order_one(values: Array, log_p: Array) -> Array:
    """Values divided by a power of two, so that no square over- or underflows; no digit is lost."""
    values = np.where(log_p > -np.inf, values, 0.0)
    _, exponent = np.frexp(np.abs(values).max(axis=-1, keepdims=True, initial=0.0))
    return np.ldexp(values, -exponent)

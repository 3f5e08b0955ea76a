"""Normalized log-probabilities: from logits, and by exponential tilts."""

import numpy as np

from .. import _checks
from .._types import Array, ArrayLike, IntArray

#: Rows up to this length count as short: where `_checks.by_action` may turn an array.
_SHORT = 64


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


def _log_normalize(x: Array, name: str, *, overwrite: bool = False) -> Array:
    """Normalize logits that were checked, in their own memory if `overwrite`."""
    top = x.argmax(axis=-1, keepdims=True) if x.shape[-1] > _SHORT else None
    peak = x.max(axis=-1, keepdims=True) if top is None else np.take_along_axis(x, top, axis=-1)
    if peak.min(initial=0.0) == -np.inf:
        raise ValueError(f"{name} must leave at least one action possible; got a row of -inf")
    shifted = np.subtract(x, peak, out=x if overwrite else None)
    shifted -= np.log1p(_sum_but_one(np.exp(shifted), shifted, top))
    return shifted


def _sum_but_one(terms: Array, shifted: Array, top: IntArray | None) -> Array:
    """Sum exp(shifted) over each row, but for one of its largest terms, which are 1.

    Long rows have the position of that term; to look for it in short ones would take longer than
    to compare all terms.
    """
    if top is not None:
        np.put_along_axis(terms, top, 0.0, axis=-1)
        return terms.sum(axis=-1, keepdims=True)
    is_peak = shifted == 0.0
    terms -= is_peak
    rest = terms.sum(axis=-1, keepdims=True)
    # Ties: all but one of them belong to the sum. (A row that overflowed has no largest term.)
    if np.count_nonzero(is_peak) > np.count_nonzero(rest == rest):
        rest += is_peak.sum(axis=-1, keepdims=True) - 1
    return rest


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
    return _tilt(log_p, _below_best(direction, log_p), "log_p")


def _tilt(log_p: Array, direction: Array, name: str) -> Array:
    """Tilt by a direction that may be overwritten, and whose best is about 0."""
    whole = np.broadcast_shapes(log_p.shape, direction.shape) == direction.shape
    x = np.add(log_p, direction, out=direction if whole else None)
    return _log_normalize(x, name, overwrite=True)


def _below_best(values: Array, log_p: Array) -> Array:
    """Values minus the best one that p can take: the same tilt, no digits lost to a constant.

    An impossible action counts as the best at most: what it would be worth cannot overflow.
    """
    if log_p.min(initial=0.0) > -np.inf:
        return values - values.max(axis=-1, keepdims=True)
    best = np.where(log_p > -np.inf, values, -np.inf).max(axis=-1, keepdims=True)
    best = np.where(best > -np.inf, best, 0.0)
    return np.minimum(values, best) - best

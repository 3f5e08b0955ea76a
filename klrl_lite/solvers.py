"""Batched numerical solvers that report what happened in each cell of a batch as data."""

from collections import namedtuple

import numpy as np

from . import _checks

BisectInfo = namedtuple("BisectInfo", "converged bracketed n_iter")


def bisect(f, low, high, *, rtol=4e-16, max_iter=200):
    """Find a sign change of `f` in [low, high], elementwise over a batch.

    Parameters
    ----------
    f : callable
        Maps an array of shape (...) to an array of shape (...), elementwise.
    low, high : array_like, shape (...)
        Ends of the brackets; any order of signs.
    rtol : float
        Stop when the bracket is this narrow relative to its larger end.
    max_iter : int

    Returns
    -------
    x : numpy.ndarray, shape (...)
        NaN where the bracket shows no sign change.
    info : BisectInfo
        `converged`, `bracketed` (arrays of shape (...)) and `n_iter`.

    Notes
    -----
    Bisection halves the bracket whatever f does in between, so that one badly scaled cell
    cannot spoil its neighbours, and it needs no derivative.

    Examples
    --------
    >>> x, info = bisect(lambda x: x**2 - np.array([2.0, 9.0]), np.zeros(2), np.full(2, 5.0))
    >>> x.round(12).tolist(), bool(info.converged.all())
    ([1.414213562373, 3.0], True)
    """
    low, high = _checks.real_array("low", low), _checks.real_array("high", high)
    _checks.broadcast(low=low, high=high)
    low, high = (end.copy() for end in np.broadcast_arrays(low, high))
    sign_low, sign_high = np.sign(f(low)), np.sign(f(high))
    bracketed = sign_low * sign_high <= 0
    # A zero exactly at an end is the answer: close the bracket on it.
    high = np.where(sign_low == 0, low, high)
    low = np.where((sign_high == 0) & (sign_low != 0), high, low)
    for n_iter in range(max_iter + 1):
        width = high - low
        done = np.abs(width) <= rtol * np.maximum(np.abs(low), np.abs(high))
        if np.all(done | ~bracketed) or n_iter == max_iter:
            break
        middle = low + 0.5 * width
        sign = np.sign(f(middle))
        same_side = sign == sign_low
        # An exact zero ends the search: both ends move to it.
        low = np.where(same_side | (sign == 0), middle, low)
        high = np.where(same_side, high, middle)
    x = np.where(bracketed, low + 0.5 * (high - low), np.nan)
    # Two neighbouring floats are as close as a bracket gets, whatever rtol asks.
    done |= np.nextafter(low, high) == high
    return x, BisectInfo(done & bracketed, bracketed, n_iter)

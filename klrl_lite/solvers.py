"""Batched numerical solvers that report what happened in each cell of a batch as data."""

from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from . import _checks
from ._types import Array, ArrayLike, ArrayMap, BoolArray, IntArray


class BisectInfo(NamedTuple):
    """What `bisect` did in each cell; `n_iter` counts for all of them."""

    converged: BoolArray
    bracketed: BoolArray
    n_iter: int


class CGInfo(NamedTuple):
    """What `conjugate_gradient` did in each cell."""

    converged: BoolArray
    n_iter: IntArray
    residual: Array


class BacktrackInfo(NamedTuple):
    """What `backtrack` did in each cell."""

    accepted: BoolArray
    n_iter: IntArray


class AdamState(NamedTuple):
    """Updates so far, and the running means of the gradient and of its square."""

    step: int
    mean: Array
    square: Array


#: theta -> state; and gradient, state -> (increment, state).
Optimizer: TypeAlias = tuple[Callable[[ArrayLike], Any], Callable[[Array, Any], tuple[Array, Any]]]


def bisect(
    f: ArrayMap, low: ArrayLike, high: ArrayLike, *, rtol: float = 4e-16, max_iter: int = 200
) -> tuple[Array, BisectInfo]:
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
    low, high = _checks.number("low", low), _checks.number("high", high)
    rtol, max_iter = _checks.scalar("rtol", rtol, least=0.0), _checks.count("max_iter", max_iter)
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


def conjugate_gradient(
    matvec: ArrayMap, b: ArrayLike, *, max_iter: int, rtol: ArrayLike = 1e-10
) -> tuple[Array, CGInfo]:
    """Solve A x = b for a symmetric positive semidefinite A, given as a product with vectors.

    Parameters
    ----------
    matvec : callable
        Maps (..., n) to (..., n).
    b : array_like, shape (..., n)
    max_iter : int
    rtol : float
        Stop a cell where |b - A x| <= rtol |b|.

    Returns
    -------
    x : numpy.ndarray, shape (..., n)
        The iterate from x = 0; exactly 0 where b is.
    info : CGInfo
        `converged`, `n_iter` and `residual` = |b - A x| / |b| (as the recurrence has it), for each
        cell. A cell whose direction shows no positive curvature stops there, unconverged.

    Notes
    -----
    A singular A is fine as long as b lies in its range: no iterate leaves the span of b, A b, ...
    Source: Hestenes and Stiefel (1952).

    Examples
    --------
    >>> a = np.array([[2.0, 1.0], [1.0, 3.0]])
    >>> x, info = conjugate_gradient(lambda v: v @ a, [3.0, 4.0], max_iter=5)
    >>> x.round(12).tolist(), int(info.n_iter)
    ([1.0, 1.0], 2)
    """
    b = _checks.on_actions("b", b)
    rtol = _checks.number("rtol", rtol, least=0.0)
    max_iter = _checks.count("max_iter", max_iter, least=0)
    # In units of the largest entry, so that no square under- or overflows.
    size = np.abs(b).max(axis=-1, keepdims=True)
    r = b / np.where(size > 0, size, 1.0)
    x, p, rr = np.zeros_like(r), r.copy("K"), _dot(r, r)
    start, curved, n_iter = rr, np.ones(rr.shape, bool), np.zeros(rr.shape, int)
    for _ in range(max_iter):
        active = curved & (rr > rtol**2 * start)
        if not np.any(active):
            break
        ap = matvec(p)
        if ap.shape != r.shape:  # several matrices for one right-hand side
            x, r, p = (np.broadcast_to(a, ap.shape).copy("K") for a in (x, r, p))
        curvature = _dot(p, ap)
        # Less than that is no curvature: 1/curvature would overflow.
        curved = curved & ((curvature > 1e-300 * rr) | ~active)
        active = active & curved
        # A cell that has stopped gets 0 for both, and does not move any more.
        alpha = np.divide(rr, curvature, where=active, out=np.zeros(active.shape))[..., None]
        x += alpha * p
        r -= alpha * ap
        rr_new = _dot(r, r)
        p *= np.divide(rr_new, rr, where=active, out=np.zeros(active.shape))[..., None]
        p += r
        rr, n_iter = rr_new, n_iter + active
    residual = np.sqrt(rr / np.where(start > 0, start, 1.0))
    return size * x, CGInfo(residual <= rtol, n_iter, residual)


def _dot(x: Array, y: Array) -> Array:
    return np.einsum("...i,...i->...", x, y)


def backtrack(
    accept: Callable[[Array], BoolArray],
    first: ArrayLike,
    *,
    shrink: float = 0.5,
    max_iter: int = 10,
) -> tuple[Array, BacktrackInfo]:
    """Try `first`, `first` shrink, `first` shrink^2, ... until accepted, elementwise over a batch.

    Parameters
    ----------
    accept : callable
        Maps scales (...) to booleans (...).
    first : array_like, shape (...)
    shrink : float
        In (0, 1).
    max_iter : int
        How often to shrink.

    Returns
    -------
    scale : numpy.ndarray, shape (...)
        0 where nothing was accepted.
    info : BacktrackInfo
        `accepted`, and `n_iter`: how often each cell was shrunk.

    Examples
    --------
    >>> scale, info = backtrack(lambda s: s**2 < 0.1, np.array([1.0, 0.2]))
    >>> scale.tolist(), info.n_iter.tolist()
    ([0.25, 0.2], [2, 0])
    """
    scale = _checks.number("first", first)
    shrink, max_iter = _checks.share("shrink", shrink), _checks.count("max_iter", max_iter, least=0)
    accepted = np.asarray(accept(scale))
    n_iter = np.zeros(accepted.shape, int)
    for _ in range(max_iter):
        if np.all(accepted):
            break
        n_iter = n_iter + ~accepted
        scale = np.where(accepted, scale, scale * shrink)
        accepted = accepted | accept(scale)
    return np.where(accepted, scale, 0.0), BacktrackInfo(accepted, n_iter)


def adam(
    learning_rate: ArrayLike, *, beta1: float = 0.9, beta2: float = 0.999, epsilon: float = 1e-8
) -> Optimizer:
    """Adam with bias correction, as a pair (init, update), for a batch of runs.

    Parameters
    ----------
    learning_rate : array_like, shape (...)
        One for each run, > 0.
    beta1, beta2 : float
        Decay of the running means of the gradient and of its square.
    epsilon : float
        Added to the root. With 0 the step forgets the gradient's scale altogether, and rounding
        noise around a zero gradient moves as far as any other; hence the usual 1e-8.

    Returns
    -------
    init : callable
        theta -> state.
    update : callable
        gradient, state -> (increment, state). The increment points uphill: add it.

    Notes
    -----
    The first increment is learning_rate * sign(gradient) (for epsilon = 0). Source: Kingma and
    Ba, arXiv 1412.6980, algorithm 1.

    Examples
    --------
    >>> init, update = adam(0.1, epsilon=0.0)
    >>> update(np.array([2.0, -3.0, 0.0]), init(np.zeros(3)))[0].round(12).tolist()
    [0.1, -0.1, 0.0]
    """
    rate = _checks.number("learning_rate", learning_rate, above=0.0)[..., None]
    beta1, beta2 = (
        _checks.scalar(name, value, least=0.0, most=1.0 - 2.0**-53)
        for name, value in (("beta1", beta1), ("beta2", beta2))
    )
    epsilon = _checks.scalar("epsilon", epsilon, least=0.0)

    def init(theta):
        none = np.zeros_like(theta, dtype=float)
        return AdamState(0, none, none.copy("K"))

    def update(gradient, state):
        step = state.step + 1
        mean = beta1 * state.mean + (1.0 - beta1) * gradient
        square = beta2 * state.square + (1.0 - beta2) * np.square(gradient)
        root = np.sqrt(square / (1.0 - beta2**step)) + epsilon
        unit = mean / (1.0 - beta1**step)
        if epsilon > 0:
            unit /= root
        else:  # a gradient that has always been 0 moves nothing
            unit = np.divide(unit, root, where=root > 0, out=np.zeros_like(root))
        return rate * unit, AdamState(step, mean, square)

    return init, update


def sgd(learning_rate: ArrayLike) -> Optimizer:
    """Plain gradient ascent in the form of `adam`: the increment is learning_rate * gradient.

    Examples
    --------
    >>> init, update = sgd(0.5)
    >>> update(np.array([2.0, -3.0]), init(np.zeros(2)))[0].tolist()
    [1.0, -1.5]
    """
    rate = _checks.number("learning_rate", learning_rate, above=0.0)[..., None]
    return lambda theta: (), lambda gradient, state: (rate * gradient, state)

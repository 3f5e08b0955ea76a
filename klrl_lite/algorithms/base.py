"""What an algorithm is, and how to run one."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from .. import _checks
from .._types import Array, ArrayLike, ArrayMap
from ..signals import Signal
from ..solvers import Optimizer, adam, sgd


class Algorithm(NamedTuple):
    """A pair of functions, after the pattern of blackjax.

    Attributes
    ----------
    init : callable
        start -> state. The start is a policy or the parameters of one; a state has `log_pi`.
    step : callable
        state, signal -> (state, info). Pure: the same arguments give the same result, and what
        happened is in `info`, as arrays over the batch.
    """

    init: Callable[[ArrayLike], Any]
    step: Callable[[Any, Signal], tuple[Any, Any]]


class PolicyState(NamedTuple):
    """State of an algorithm that moves the policy itself."""

    log_pi: Array


class Run(NamedTuple):
    """What `run` returns.

    Attributes
    ----------
    log_pi : numpy.ndarray, shape (n_steps + 1, ..., A)
        The policy at the start and after each step; at the start and the end, (2, ..., A), for a
        run without its path.
    info
        What each step reported, stacked along a first axis; None without steps.
    state
        The last state, from which another run can go on.
    """

    log_pi: Array
    info: Any
    state: Any


def run(
    algorithm: Algorithm,
    start: ArrayLike,
    signal_fn: Callable[[Any], Signal],
    n_steps: int,
    *,
    record: Callable[[Any, Any], Any] | None = None,
    path: bool = True,
) -> Run:
    """Run an algorithm on a batch of problems, and keep the path.

    Parameters
    ----------
    algorithm : Algorithm
    start : array_like
        What `algorithm.init` takes: a policy or parameters.
    signal_fn : callable
        state -> Signal, evaluated before each step: all that the algorithm learns about the
        problem. Random generators live in there.
    n_steps : int
    record : callable, optional
        state, info -> array or (named) tuple of arrays, kept in place of `info`.
    path : bool
        Keep the policy of every step. A long run of a large batch needs memory for it: 26 kB for
        200 steps of one cell with 16 actions.

    Returns
    -------
    Run

    Examples
    --------
    >>> from klrl_lite.algorithms.mirror import mirror_descent
    >>> from klrl_lite.signals import exact
    >>> rise = run(mirror_descent(1.0), np.log([0.5, 0.5]), lambda s: exact(s.log_pi, [0, 1]), 3)
    >>> (rise.log_pi[:, 1] - rise.log_pi[:, 0]).round(12).tolist()
    [0.0, 1.0, 2.0, 3.0]
    """
    n_steps, path = _checks.count("n_steps", n_steps, least=0), _checks.flag("path", path)
    state = algorithm.init(start)
    policies, kept = [state.log_pi], []
    for _ in range(n_steps):
        state, info = algorithm.step(state, signal_fn(state))
        if path:
            policies.append(state.log_pi)
        kept.append(info if record is None else record(state, info))
    if not path:
        policies.append(state.log_pi)
    return Run(_stack(policies), _stack(kept), state)


def _stack(items):
    """Stack arrays, or tuples of arrays; the start may lack the batch axes of later states."""
    if not items:
        return None
    if isinstance(items[0], tuple):
        fields = [_stack(field) for field in zip(*items, strict=True)]
        kind = type(items[0])
        return kind(*fields) if hasattr(kind, "_fields") else kind(fields)
    return np.stack(np.broadcast_arrays(*items))


def iterate(step: ArrayMap, start: ArrayLike, n_steps: int) -> Array:
    """Apply `step` again and again and keep the whole path.

    Parameters
    ----------
    step : callable
        Maps a state array to the next one of the same shape.
    start : array_like, shape (...)
    n_steps : int

    Returns
    -------
    numpy.ndarray, shape (n_steps + 1, ...)
        The start and every state after it.

    Examples
    --------
    >>> iterate(lambda x: x / 2, np.array([8.0]), 3).ravel().tolist()
    [8.0, 4.0, 2.0, 1.0]
    """
    path = [_checks.number("start", start, finite=False)]
    for _ in range(_checks.count("n_steps", n_steps, least=0)):
        path.append(step(path[-1]))
    return np.stack(path)


def log_ratio(log_p: ArrayLike, log_q: ArrayLike) -> Array:
    """Log p - log q, and 0 for an action that q cannot take (neither can p, then).

    Parameters
    ----------
    log_p, log_q : numpy.ndarray, shape (..., A)

    Examples
    --------
    >>> log_ratio(np.array([0.0, -np.inf]), np.array([0.0, -np.inf])).tolist()
    [0.0, 0.0]
    """
    log_p, log_q = np.broadcast_arrays(log_p, log_q)
    if log_q.min(initial=0.0) > -np.inf:
        return log_p - log_q
    return np.subtract(log_p, log_q, where=log_q > -np.inf, out=np.zeros_like(log_p))


def make_optimizer(name: str, learning_rate: ArrayLike) -> Optimizer:
    """Return the pair (init, update) of the optimizer called "adam" or "sgd".

    Examples
    --------
    >>> init, update = make_optimizer("sgd", 0.5)
    >>> update(np.array([2.0]), init(np.zeros(1)))[0].tolist()
    [1.0]
    """
    _checks.choice("optimizer", name, ("adam", "sgd"))
    learning_rate = _checks.number("learning_rate", learning_rate, above=0.0)
    return {"adam": adam, "sgd": sgd}[name](learning_rate)

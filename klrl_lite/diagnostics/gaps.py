"""Three gaps between an update and the mirror step: geometry, bias, noise."""

from typing import Any, NamedTuple

import numpy as np

from .. import _checks
from .._types import Array, ArrayLike
from ..algorithms.base import Algorithm
from ..signals import Signal
from ..signals.batches import _checked
from ..simplex import fisher_inner
from .path import realized


class Gaps(NamedTuple):
    """Fisher lengths of the parts of one update, and the step `eta`; arrays of shape (...).

    Attributes
    ----------
    eta : numpy.ndarray
        Mirror step nearest to the exact update.
    ideal : numpy.ndarray
        Length of that mirror step, eta A.
    geometric, bias, noise : numpy.ndarray
        Lengths of the three errors.
    realized : numpy.ndarray
        Length of the update that was made.
    """

    eta: Array
    ideal: Array
    geometric: Array
    bias: Array
    noise: Array
    realized: Array


def gaps(
    algorithm: Algorithm,
    state: Any,
    advantage: ArrayLike,
    *,
    exact: Signal,
    expected: Signal,
    drawn: Signal,
) -> Gaps:
    r"""Split one update into the mirror step and three errors. Book: eq-gaps.

    log(pi_new / pi_old) = eta A + geometric + bias + noise, exactly: the algorithm is run from
    one state with the exact signal, with the mean of the signal that it uses, and with a draw.

    Parameters
    ----------
    algorithm : Algorithm
    state
        Its state; it has `log_pi`.
    advantage : array_like, shape (..., A)
        A, the mirror direction.
    exact, expected, drawn : Signal
        What the algorithm would see with all answers and the exact baseline; on average; and in
        one batch.

    Returns
    -------
    Gaps

    Notes
    -----
    geometric: what parameters, clip and optimizer make of an exact signal (eta A is its
    projection on A, so that a mere change of the step counts as no error). bias: finite group,
    division by a std, critic. noise: finite samples.

    Examples
    --------
    >>> from klrl_lite.algorithms.mirror import mirror_descent
    >>> from klrl_lite.signals import exact
    >>> init, step = mirror_descent(0.5)
    >>> state, advantage = init(np.log([0.5, 0.3, 0.2])), np.array([-1.0, 1.0, 1.0])
    >>> s = exact(state.log_pi, advantage)
    >>> parts = gaps((init, step), state, advantage, exact=s, expected=s, drawn=s)
    >>> float(parts.eta.round(12)), float(parts.geometric.round(12)), float(parts.noise)
    (0.5, 0.0, 0.0)
    """
    _, step = algorithm
    exact, expected, drawn = (
        _checked(name, signal, log_pi=state.log_pi)
        for name, signal in (("exact", exact), ("expected", expected), ("drawn", drawn))
    )
    log_pi, advantage = state.log_pi, _checks.on_actions("advantage", advantage)
    moved = [realized(step(state, s)[0].log_pi, log_pi) for s in (exact, expected, drawn)]
    size = fisher_inner(advantage, advantage, log_pi)
    along = fisher_inner(moved[0], advantage, log_pi)
    eta = np.divide(along, size, where=size > 0, out=np.zeros(np.shape(size)))
    ideal = eta[..., None] * advantage
    parts = (ideal, moved[0] - ideal, moved[1] - moved[0], moved[2] - moved[1], moved[2])
    return Gaps(eta, *(np.sqrt(np.maximum(fisher_inner(u, u, log_pi), 0.0)) for u in parts))

"""Bregman divergences of any mirror map, and the Euclidean projection onto the simplex."""

from typing import NamedTuple

import numpy as np
from scipy.special import entr

from .. import _checks
from .._types import Array, ArrayLike, ArrayMap


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

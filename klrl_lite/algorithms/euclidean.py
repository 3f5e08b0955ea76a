"""Projected gradient descent on the simplex: what mirror descent is compared with."""

import numpy as np

from .. import _checks
from .._types import Array, ArrayLike, ArrayMap, BoolArray
from ..simplex import project_to_simplex


def euclidean_step(x: ArrayLike, gradient: ArrayLike, eta: ArrayLike) -> Array:
    """Projected gradient step, the projection of x - eta g onto the simplex. Book: eq-pgd-step.

    Parameters
    ----------
    x, gradient : array_like, shape (..., n)
        Probabilities (not their logarithms) and the gradient of what is minimized.
    eta : array_like, shape (...)

    Returns
    -------
    numpy.ndarray, shape (..., n)
        Probabilities; coordinates may be exactly 0, and may come back.

    Examples
    --------
    >>> euclidean_step([0.5, 0.5], [0.0, -2.0], 1.0).tolist()
    [0.0, 1.0]
    """
    x, gradient = _checks.on_actions("x", x), _checks.on_actions("gradient", gradient)
    eta = _checks.number("eta", eta, least=0.0)
    _checks.same_actions(x=x, gradient=gradient)
    _checks.broadcast(x=x[..., 0], gradient=gradient[..., 0], eta=eta)
    return project_to_simplex(x - eta[..., None] * gradient)


def euclidean_descent(
    gradient: ArrayMap, x0: ArrayLike, eta: ArrayLike, n_steps: int
) -> tuple[Array, BoolArray]:
    """Projected gradient descent on the simplex, frozen where the gradient is not finite.

    The free energy has an infinite slope at every face, so that a step which lands on one has
    no successor. That is reported, not repaired: a clipped gradient would be another algorithm.

    Parameters
    ----------
    gradient : callable
        Maps probabilities of shape (..., n) to gradients of the same shape; may return inf.
    x0 : array_like, shape (..., n)
    eta : array_like, shape (...)
        One step size for each run of the batch.
    n_steps : int

    Returns
    -------
    path : numpy.ndarray, shape (n_steps + 1, ..., n)
    stuck : numpy.ndarray of bool, shape (...)
        Which runs ended on a face.

    Examples
    --------
    >>> path, stuck = euclidean_descent(lambda x: np.log(x), [0.5, 0.5], 0.1, 3)
    >>> path[-1].tolist(), bool(stuck)
    ([0.5, 0.5], False)
    """
    eta = _checks.number("eta", eta, least=0.0)
    x = _checks.on_actions("x0", x0)
    shape = _checks.broadcast(x0=x[..., 0], eta=eta)
    x = np.broadcast_to(x, (*shape, x.shape[-1]))

    def slope_at(x):
        with np.errstate(divide="ignore"):
            slope = gradient(x)
        return slope, ~np.all(np.isfinite(slope), axis=-1)

    path, (slope, stuck) = [x], slope_at(x)
    for _ in range(_checks.count("n_steps", n_steps, least=0)):
        frozen = stuck[..., None]
        x = np.where(frozen, x, euclidean_step(x, np.where(frozen, 0.0, slope), eta))
        path.append(x)
        slope, stuck = slope_at(x)
    return np.stack(path), stuck

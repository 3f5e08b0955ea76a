"""What a path costs and where it points: proximal KL, Fisher length, alignment."""

import numpy as np

from .. import _checks
from .._types import Array, ArrayLike
from ..algorithms.base import log_ratio
from ..simplex import _kl, fisher_cosine


def proximal_kl_spent(path: ArrayLike) -> Array:
    """Proximal KL of a path, sum_k KL(pi_{k+1} || pi_k). Book: eq-spent.

    Parameters
    ----------
    path : array_like, shape (n_steps + 1, ..., A)
        Log-probabilities, steps on the first axis, as in `Run.log_pi`.

    Returns
    -------
    numpy.ndarray, shape (...)
        It depends on the steps: halve them on the same path and about half is spent.

    Examples
    --------
    >>> float(proximal_kl_spent(np.log([[0.5, 0.5], [0.25, 0.75]])).round(6))
    0.130812
    """
    path = _path(path)
    return np.sum(_kl(path[1:], path[:-1]), axis=0)


def geodesic_distance(log_p: ArrayLike, log_q: ArrayLike) -> Array:
    r"""Fisher-Rao distance 2 arccos sum sqrt(p q), the shortest way between two policies.

    Book: eq-geodesic. The square roots of the probabilities lie on a sphere; the distance is
    twice their angle, at most pi.

    Parameters
    ----------
    log_p, log_q : array_like, shape (..., A)

    Returns
    -------
    numpy.ndarray, shape (...)

    Notes
    -----
    Computed from the chord, 4 arcsin(|sqrt p - sqrt q| / 2): arccos near 1 would lose half the
    digits.

    Examples
    --------
    >>> float(geodesic_distance([0.0, -np.inf], [-np.inf, 0.0]).round(12))
    3.14159265359
    """
    log_p, log_q = _checks.policy("log_p", log_p), _checks.policy("log_q", log_q)
    _checks.same_actions(log_p=log_p, log_q=log_q)
    chord = np.sqrt(np.sum(np.square(np.exp(0.5 * log_p) - np.exp(0.5 * log_q)), axis=-1))
    return np.minimum(4.0 * np.arcsin(np.minimum(0.5 * chord, np.sqrt(0.5))), np.pi)


def fisher_length(path: ArrayLike) -> Array:
    """Length of a path in the Fisher metric, the sum of the distances between its policies.

    Parameters
    ----------
    path : array_like, shape (n_steps + 1, ..., A)

    Returns
    -------
    numpy.ndarray, shape (...)
        At least `geodesic_distance` of its ends. Smaller steps along the same curve leave it.

    Examples
    --------
    >>> halfway = np.log([[0.5, 0.5], [0.25, 0.75], [0.5, 0.5]])
    >>> float(fisher_length(halfway).round(6))
    1.047198
    """
    path = _path(path)
    return np.sum(geodesic_distance(path[1:], path[:-1]), axis=0)


def alignment(log_new: ArrayLike, log_old: ArrayLike, advantage: ArrayLike) -> Array:
    r"""Cosine between a realized update and the mirror direction. Book: eq-alignment.

    In the Fisher metric at the old policy: u = log(pi_new / pi_old) against the advantage.

    Parameters
    ----------
    log_new, log_old, advantage : array_like, shape (..., A)

    Returns
    -------
    numpy.ndarray, shape (...)
        1 for any step of mirror descent or of an exact trust region; NaN where nothing moves.

    Examples
    --------
    >>> from klrl_lite.simplex import tilt
    >>> old, advantage = np.log([0.5, 0.3, 0.2]), [-1.0, 1.0, 1.0]
    >>> float(alignment(tilt(old, advantage), old, advantage).round(12))
    1.0
    """
    log_new, log_old = _checks.policy("log_new", log_new), _checks.policy("log_old", log_old)
    advantage = _checks.on_actions("advantage", advantage)
    _checks.same_actions(log_new=log_new, log_old=log_old, advantage=advantage)
    return fisher_cosine(realized(log_new, log_old), advantage, log_old)


def realized(log_new: ArrayLike, log_old: ArrayLike) -> Array:
    """Update as a direction, log(pi_new / pi_old); an action that died counts as moved by -745.

    Parameters
    ----------
    log_new, log_old : array_like, shape (..., A)

    Returns
    -------
    numpy.ndarray, shape (..., A)

    Examples
    --------
    >>> realized(np.log([0.5, 0.5]), np.log([0.25, 0.75])).round(6).tolist()
    [0.693147, -0.405465]
    """
    log_new, log_old = _checks.policy("log_new", log_new), _checks.policy("log_old", log_old)
    _checks.same_actions(log_new=log_new, log_old=log_old)
    return np.clip(log_ratio(log_new, log_old), -745.0, 745.0)


def _path(path: ArrayLike) -> Array:
    path = _checks.policy("path", path)
    if path.ndim < 2:
        raise ValueError(f"path must have steps on its first axis; got shape {path.shape}")
    return path

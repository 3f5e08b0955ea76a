"""Fixed points of the other penalties: k2 and k3 in the loss, per sequence and per token."""

import numpy as np
from scipy.special import expit

from .. import _checks
from .._types import Array, ArrayLike
from ..solvers import bisect
from ..thresholds import log_odds_against
from .std import _force, _group_size


def k2_fixed_point(
    p_ref: ArrayLike, beta: ArrayLike, gap: ArrayLike = 1.0, *, log_p: bool = False
) -> Array:
    """Fixed point without std and with a true KL gradient: Gibbs, logit P = logit p + gap/beta.

    For the exact KL, k2 or the corrected k3 in the loss, and k1 in the reward. With a group of G
    and the mean as its baseline pass the gap (1 - 1/G) gap. With std see `grpo_equilibria`.

    Parameters
    ----------
    p_ref, beta, gap : array_like, shape (...)

    Returns
    -------
    numpy.ndarray, shape (...)
        P.

    Examples
    --------
    >>> float(k2_fixed_point(0.1, 1.0, np.log(9.0)).round(12))
    0.5
    """
    log_odds, beta, gap = _system(p_ref, beta, gap, log_p)
    return expit(gap / beta - log_odds)


def k3_fixed_point(p_ref: ArrayLike, beta: ArrayLike, gap: ArrayLike = 1.0) -> Array:
    r"""Fixed point without std and with k3 in the loss: (P - p)/(P (1 - P)) = gap/beta.

    On any action set this is pi = beta pi_ref/(nu - r). It tends to max(0, 1 - beta/gap), not to
    a law in log p, as p -> 0.

    Parameters
    ----------
    p_ref, beta, gap : array_like, shape (...)

    Returns
    -------
    numpy.ndarray, shape (...)
        P.

    Examples
    --------
    >>> float(k3_fixed_point(0.1, 0.625).round(12))
    0.5
    """
    _, beta, gap = _system(p_ref, beta, gap, False)
    p = np.asarray(p_ref, dtype=float)
    w = gap / beta
    root = np.sqrt(np.square(1.0 - w) + 4.0 * w * p)
    # The two forms of the positive root of w P^2 + (1 - w) P = p; each adds, never subtracts.
    large = w > 1.0
    below = np.where(large, 1.0, 1.0 - w + root)
    with np.errstate(invalid="ignore"):
        low = np.where(below > 0, 2.0 * p / np.where(below > 0, below, 1.0), 0.0)
    return np.where(large, (w - 1.0 + root) / (2.0 * np.where(large, w, 1.0)), low)[()]


def k3_std_fixed_point(p_ref: ArrayLike, beta: ArrayLike, group_size: float = np.inf) -> Array:
    r"""Fixed point with std and k3 in the loss: E[sigma_G] = beta (P - p), unique.

    For infinite G, sqrt(P (1 - P)) = beta (P - p): P -> 1/(1 + beta^2) as p -> 0, whatever the
    gap. The threshold in the support is gone.

    Parameters
    ----------
    p_ref, beta : array_like, shape (...)
        Support in (0, 1) and coefficient, > 0.
    group_size : int or inf

    Returns
    -------
    numpy.ndarray, shape (...)
        P.

    Notes
    -----
    Unique because E[sigma_G] is concave in P (a Bernstein polynomial of a concave function) and
    vanishes at P = 1, where the line does not.

    Examples
    --------
    >>> float(k3_std_fixed_point(1e-9, 1.0).round(6))
    0.5
    """
    log_odds, beta, _ = _system(p_ref, beta, 1.0, False)
    if np.any(np.isinf(log_odds)):
        raise ValueError(f"p_ref must be > 0 and < 1; got {p_ref!r}")
    size, p = _group_size(group_size), np.asarray(p_ref, dtype=float)
    if size == np.inf:
        b = np.square(beta)
        return (1.0 + 2.0 * b * p + np.sqrt(1.0 + 4.0 * b * p * (1.0 - p))) / (2.0 * (1.0 + b))
    start = np.broadcast_to(-log_odds, np.broadcast_shapes(log_odds.shape, beta.shape))

    def drift(x):  # the line is beta (P - p) over P (1 - P), in a form without cancellation
        line = 2.0 * np.sinh(0.5 * (x - start)) * np.cosh(0.5 * x) / np.cosh(0.5 * start)
        return _force(x, size)[0] - beta * line

    top = np.maximum(start, 0.0) + np.log1p(np.sqrt(size - 1) / beta) + 60.0
    return expit(bisect(drift, start, top)[0])


def token_fixed_point(
    q_steps: ArrayLike, beta: ArrayLike, gap: ArrayLike = 1.0, *, penalty: str = "k2"
) -> Array:
    r"""Per-step success when the KL is applied per token in the loss, without std.

    K steps, reward `gap` if all are right, support q_t, success x_t. The loss holds each token's
    KL apart from the others, so that no step is charged for the KL of later ones:
    D(x_t) = (gap/beta) prod_{j > t} x_j, with D = logit x - logit q ("k2", or any true reverse
    KL) or (x - q)/(x (1 - x)) ("k3").

    Parameters
    ----------
    q_steps : array_like, shape (..., K)
        Support of each step, in (0, 1).
    beta, gap : array_like, shape (...)
    penalty : {"k2", "k3"}

    Returns
    -------
    numpy.ndarray, shape (..., K)
        x_t; the task succeeds with their product. Solved backwards, one step after the other.

    Examples
    --------
    >>> token_fixed_point([0.5, 0.5], 1.0, np.log(4.0)).round(4).tolist()
    [0.7519, 0.8]
    """
    q = _checks.number("q_steps", _checks.on_actions("q_steps", q_steps), above=0.0)
    if np.any(q >= 1.0):
        raise ValueError(f"q_steps must be < 1; got {q.max()!r}")
    _checks.choice("penalty", penalty, ("k2", "k3"))
    beta, gap = _checks.number("beta", beta, above=0.0), _checks.number("gap", gap)
    _checks.broadcast(q_steps=q[..., 0], beta=beta, gap=gap)
    solve = k2_fixed_point if penalty == "k2" else k3_fixed_point
    steps, rest = [], np.ones(())
    for t in reversed(range(q.shape[-1])):
        steps.append(solve(q[..., t], beta, gap * rest))
        rest = rest * steps[-1]
    return np.stack(np.broadcast_arrays(*steps[::-1]), axis=-1)


def _system(
    p_ref: ArrayLike, beta: ArrayLike, gap: ArrayLike, log_p: bool
) -> tuple[Array, Array, Array]:
    log_odds = np.asarray(log_odds_against(p_ref, log_p=log_p))
    beta, gap = _checks.number("beta", beta, above=0.0), _checks.number("gap", gap)
    _checks.broadcast(p_ref=log_odds, beta=beta, gap=gap)
    return log_odds, beta, gap

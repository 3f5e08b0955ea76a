"""Std-normalized GRPO with the true reference KL in the loss: its fixed points and spinodal."""

import numpy as np
from scipy.special import expit, gammaln

from .. import _checks
from .._types import Array, ArrayLike, BoolArray
from ..solvers import bisect
from ..thresholds import log_odds_against


def std_advantage_force(success: ArrayLike, group_size: float = np.inf) -> Array:
    r"""Pull of std-normalized advantages on the log-odds, E[sigma_G] / (P (1 - P)).

    sigma_G is the (population) standard deviation of a group of G binary rewards. For infinite G
    it is sqrt(P (1 - P)), and the pull diverges at both ends; a finite group stops at
    sqrt(G - 1).

    Parameters
    ----------
    success : array_like, shape (...)
        P, in [0, 1].
    group_size : int or inf
        G >= 2.

    Returns
    -------
    numpy.ndarray, shape (...)

    Notes
    -----
    The binomial coefficient and P (1 - P) cancel: the pull is (G - 1) E[1/sqrt((j+1)(G-1-j))]
    for j ~ Binomial(G - 2, P), a sum of positive terms, exact at P = 0 and 1 too. So it lies
    between 2 (G - 1)/G and sqrt(G - 1), and is constant for G = 2 and 3.

    Examples
    --------
    >>> std_advantage_force([0.0, 0.5], 10).round(4).tolist()
    [3.0, 1.8896]
    """
    success = _checks.number("success", success, least=0.0, most=1.0)
    size = _group_size(group_size)
    with np.errstate(divide="ignore"):
        if size == np.inf:
            return 1.0 / np.sqrt(success * (1.0 - success))
        return _binomial_mean(_weights(size), np.log(success), np.log1p(-success))


def _group_size(group_size):
    size = _checks.number("group_size", group_size, least=2.0, finite=False)
    if size.ndim or (np.isfinite(size) and size % 1):
        raise ValueError(f"group_size must be one whole number >= 2 or inf; got {group_size!r}")
    return float(size) if np.isinf(size) else int(size)


def _weights(size):
    j = np.arange(size - 1.0)
    return (size - 1) / np.sqrt((j + 1) * (size - 1 - j))


def _binomial_mean(values, log_p, log_q):
    """E[values[j]] for j ~ Binomial(n, p), n = len(values) - 1; p and 1 - p as logarithms."""
    n = len(values) - 1
    j = np.arange(n + 1.0)
    log_choose = gammaln(n + 1) - gammaln(j + 1) - gammaln(n - j + 1)
    with np.errstate(invalid="ignore"):  # 0 times -inf, in terms that are not used
        log_mass = np.where(j > 0, j * log_p[..., None], 0.0)
        log_mass += np.where(j < n, (n - j) * log_q[..., None], 0.0)
    return np.sum(np.exp(log_choose + log_mass) * values, axis=-1)


def _force(log_odds, size):
    """`std_advantage_force` and its derivative, at P = sigmoid(log_odds)."""
    if size == np.inf:
        return 2.0 * np.cosh(0.5 * log_odds), np.sinh(0.5 * log_odds)
    log_p, log_q = -np.logaddexp(0.0, -log_odds), -np.logaddexp(0.0, log_odds)
    weights = _weights(size)
    force = _binomial_mean(weights, log_p, log_q)
    if size == 2:
        return force, np.zeros(np.shape(log_odds))
    # dE/dP of a binomial mean is n times the mean difference of neighbours; dP/dl = P (1 - P).
    slope = _binomial_mean(np.diff(weights), log_p, log_q)
    return force, (size - 2) * slope * np.exp(log_p + log_q)


def grpo_equilibria(
    p_ref: ArrayLike, beta: ArrayLike, group_size: float = np.inf, *, log_p: bool = False
) -> tuple[Array, BoolArray]:
    r"""Interior fixed points of GRPO with std and the true reference KL in the loss.

    All solutions of logit P - logit p = C_G(P)/beta with C_G = `std_advantage_force`:
    advantages by the population standard deviation (ddof 0, no floor), exact KL(pi || pi_ref).

    Parameters
    ----------
    p_ref : float
        Support, in (0, 1); its logarithm if `log_p`.
    beta : float
        Coefficient of the KL, > 0.
    group_size : int or inf

    Returns
    -------
    success : numpy.ndarray, shape (n,)
        P, ascending. For infinite G none, one (at the spinodal) or two; for finite G one to three.
    stable : numpy.ndarray of bool, shape (n,)
        Which of them attract from both sides.

    Notes
    -----
    In log-odds the pull is smooth and its difference to beta (l - l0) is positive at l0. Zeros
    of the derivative cut the axis into pieces without turning points; each piece is bisected if
    its ends differ in sign. A zero at a turning point is a tangency: one root, half stable.
    For infinite G the difference is convex, with its only turning point at l = 2 arcsinh beta;
    for finite G turning points are found on a grid and bisected, and l - l0 <= sqrt(G-1)/beta.

    Examples
    --------
    >>> success, stable = grpo_equilibria(0.01, 0.5)
    >>> success.round(4).tolist(), stable.tolist()
    ([0.3824, 0.9064], [True, False])
    """
    start = -log_odds_against(p_ref, log_p=log_p)
    beta = _checks.number("beta", beta, above=0.0)
    if np.ndim(start) or beta.ndim:
        shapes = f"{np.shape(start)} and {beta.shape}"
        raise ValueError(f"p_ref and beta must be single numbers; got shapes {shapes}")
    if not np.isfinite(start):
        raise ValueError(f"p_ref must be > 0 and < 1; got {p_ref!r}")
    size = _group_size(group_size)

    def drift(log_odds):
        with np.errstate(over="ignore"):  # an infinite force is right about the sign
            return _force(log_odds, size)[0] - beta * (log_odds - start)

    if size == np.inf:
        turning = np.array([2.0 * np.arcsinh(beta)])
        reach = max(start, turning[0]) + 1.0
        while drift(reach) <= 0:
            reach += reach - start
    else:
        reach = np.nextafter(start + 1.01 * np.sqrt(size - 1) / beta, np.inf)
        turning = _turning_points(start, reach, beta, size)
    nodes = np.concatenate([[start], turning[(turning > start) & (turning < reach)], [reach]])
    roots, stable = _roots_between(nodes, drift, beta * (np.abs(nodes) + np.abs(start)))
    return expit(roots), stable


def _turning_points(low, high, beta, size):
    """Where the force of a finite group has the slope beta."""
    # Beyond this the force is flat to double precision, and the slope below beta.
    far = np.log(size) + 40.0 + max(0.0, -np.log(beta))
    grid = np.linspace(max(low, -far), min(high, far), 4000)
    if grid[0] >= grid[-1]:
        return np.array([])
    # In pieces, so that a large group fits into memory.
    pieces = np.array_split(grid, max(1, size // 64))
    sign = np.sign(np.concatenate([_force(g, size)[1] - beta for g in pieces]))
    (change,) = np.nonzero(sign[:-1] * sign[1:] < 0)
    found, _ = bisect(lambda x: _force(x, size)[1] - beta, grid[change], grid[change + 1])
    return np.sort(np.concatenate([found, grid[sign == 0]]))


def _roots_between(nodes, f, scale):
    """Roots of f, monotonic between neighbouring nodes; a root at a node counts once."""
    values = np.array([f(x) for x in nodes])
    noise = 16.0 * np.finfo(float).eps * (np.abs(values) + scale)
    noise[[0, -1]] = 0.0  # the signs at both ends are known
    sign = np.where(np.abs(values) < noise, 0.0, np.sign(values))  # an infinite one counts
    (change,) = np.nonzero(sign[:-1] * sign[1:] < 0)
    crossings, _ = bisect(f, nodes[change], nodes[change + 1])
    # At a node the sign may change (an inflection) or not (a tangency).
    (zero,) = np.nonzero(sign == 0)
    inside = zero[(zero > 0) & (zero < len(nodes) - 1)]
    roots = np.concatenate([crossings, nodes[inside]])
    falls = np.concatenate([sign[change] > 0, (sign[inside - 1] > 0) & (sign[inside + 1] < 0)])
    order = np.argsort(roots)
    return roots[order], falls[order].astype(bool)


def grpo_spinodal(p_ref: ArrayLike, *, log_p: bool = False) -> Array:
    r"""Coefficient beta_s below which std-normalized GRPO (infinite G) has no fixed point.

    beta_s = sinh(l/2) with L = log((1 - p)/p) = 2 coth(l/2) - l; the fixed point that vanishes
    there has logit P = l > 0. The reward's gap is nowhere in it.

    Parameters
    ----------
    p_ref : array_like, shape (...)
        Support (its logarithm if `log_p`).

    Returns
    -------
    numpy.ndarray, shape (...)
        0 without support, +inf for p = 1; about 2/L for small p.

    Notes
    -----
    Solved as (l + L) tanh(l/2) = 2, which has no pole. As x/(1 + x) <= tanh x <= x for x >= 0, the
    root lies between those of l^2 + b l = 4 with b = L and with b = L - 2.

    Examples
    --------
    >>> float(grpo_spinodal(0.01).round(4))
    0.4007
    """
    log_odds = np.asarray(log_odds_against(p_ref, log_p=log_p))
    known = np.where(np.isfinite(log_odds), log_odds, 0.0)
    # 2 exp(-arcsinh(b/4)) is the positive root, of any size; a little more, for its rounding.
    low, high = (2.0 * np.exp(-np.arcsinh((known - shift) / 4.0)) for shift in (0.0, 2.0))
    low, high = low * (1.0 - 1e-9), high * (1.0 + 1e-9)
    root, _ = bisect(lambda x: (x + known) * np.tanh(0.5 * x) - 2.0, low, high)
    with np.errstate(over="ignore"):
        ends = np.where(log_odds > 0, 0.0, np.inf)
        return np.where(np.isfinite(log_odds), np.sinh(0.5 * root), ends)[()]

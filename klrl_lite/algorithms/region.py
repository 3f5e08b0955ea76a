"""The exact trust-region step: maximize an expected advantage within a KL ball."""

from typing import NamedTuple

import numpy as np

from .. import _checks
from .._types import Array, ArrayLike, BoolArray
from ..simplex import _centred, _dot, _excess, _kl, _log_normalize, _tilt
from ..solvers import bisect

#: Up to this strength of a tilt KL is a difference of two terms that cancel by no more than it.
_GENTLE = 8.0


class StepInfo(NamedTuple):
    """What a step did; see `trust_region_step`."""

    eta: Array
    kl: Array
    hits_boundary: BoolArray
    converged: BoolArray


def trust_region_step(
    log_pi: ArrayLike, advantage: ArrayLike, kl_radius: ArrayLike, *, direction: str = "new_old"
) -> tuple[Array, StepInfo]:
    r"""Maximize E_q[A] subject to a KL ball around pi. Book: eq-trust-region.

    Parameters
    ----------
    log_pi, advantage : array_like, shape (..., A)
    kl_radius : array_like, shape (...)
        Radius in nats, > 0.
    direction : {"new_old", "old_new"}
        The constraint: KL(q || pi) (solution: a tilt, q ~ pi exp(eta A)) or KL(pi || q)
        (solution: q = lambda pi / (nu - A)).

    Returns
    -------
    log_new : numpy.ndarray, shape (..., A)
    info : StepInfo
        `eta` (1/lambda*, inf where the constraint does not bind), `kl` spent in the chosen
        direction, `hits_boundary`, `converged`; arrays of shape (...).

    Raises
    ------
    ValueError
        On a bad argument, or an unknown direction.

    Notes
    -----
    "new_old": the KL spent grows with eta up to -log pi(argmax A). A larger radius does not
    bind, and the answer is pi restricted to the best actions. "old_new" always binds, unless
    the advantage is constant. Beyond some 350 nats it takes a strength that no double holds; the
    step is then not `converged`. One scalar is found by Newton's method in logarithms, in which
    the equation of a small step is a straight line; cells that resist it are bisected.

    Examples
    --------
    >>> new, info = trust_region_step(np.log([0.5, 0.5]), [0.0, 1.0], 0.02)
    >>> float(info.kl.round(12)), bool(info.hits_boundary)
    (0.02, True)
    """
    log_pi = _checks.policy("log_pi", log_pi)
    advantage = _checks.on_actions("advantage", advantage)
    kl_radius = _checks.number("kl_radius", kl_radius, above=0.0)
    _check_direction(direction)
    return _step(log_pi, advantage, kl_radius, direction)


def _check_direction(direction):
    _checks.choice("direction", direction, ("new_old", "old_new"))


def _step(log_pi, advantage, kl_radius, direction):
    """The step for arguments that were checked one by one."""
    full = _checks.same_actions(log_pi=log_pi, advantage=advantage)
    shape = _checks.broadcast(
        kl_radius=kl_radius, log_pi=log_pi[..., 0], advantage=advantage[..., 0]
    )
    # One row for each cell of the batch, so that cells can be picked.
    log_pi, advantage = (
        _checks.by_action(np.broadcast_to(a, (*shape, full[-1])).reshape(-1, full[-1]))
        for a in (log_pi, advantage)
    )
    radius = np.broadcast_to(kl_radius, shape).ravel()
    scaled, spread = _in_units_of_spread(advantage, log_pi)
    moves = spread > 0
    solve = _tilt_to_radius if direction == "new_old" else _rational_to_radius
    log_new, spent, multiplier, binds, converged = solve(log_pi, scaled, radius, moves)
    eta = np.where(binds, multiplier / np.where(moves, spread, 1.0), np.inf)
    info = StepInfo(*(a.reshape(shape)[()] for a in (eta, spent, binds, converged)))
    return log_new.reshape(*shape, full[-1]), info


def _in_units_of_spread(advantage, log_pi):
    """Advantages from -1 (the worst possible action) to 0 (the best), and their spread."""
    if log_pi.min(initial=0.0) > -np.inf:
        best, worst = (f(axis=-1, keepdims=True) for f in (advantage.max, advantage.min))
    else:
        possible = log_pi > -np.inf
        best = np.where(possible, advantage, -np.inf).max(axis=-1, keepdims=True)
        worst = np.where(possible, advantage, np.inf).min(axis=-1, keepdims=True)
    spread = best - worst
    scaled = advantage - best
    scaled /= np.where(spread > 0, spread, 1.0)
    return np.clip(scaled, -1.0, 0.0, out=scaled), spread[..., 0]


# --- KL(q || pi): a tilt by s u, with u from -1 to 0 ---


def _tilt_to_radius(log_pi, u, radius, moves):
    """Find s with KL(q || pi) = radius for q ~ pi exp(s u), where it exists."""
    pi, v = np.exp(log_pi), _centred(u, log_pi)
    pi_v, pi_v2 = pi * v, pi * np.square(v)
    variance = pi_v2.sum(axis=-1)
    with np.errstate(divide="ignore"):
        most = -np.log(_dot(pi, u == 0.0))
    # Only near the end of its range does it matter how much exactly can be spent; that of a best
    # action whose mass underflows is not known yet.
    binds, limit = moves.copy(), log_pi
    rows = np.flatnonzero(moves & ~((radius < 0.999 * most) & (most < np.inf)))
    if rows.size:
        limit = log_pi.copy(order="K")
        limit[rows] = _log_normalize(np.where(u[rows] == 0.0, log_pi[rows], -np.inf), "log_pi")
        most[rows] = _kl(limit[rows], log_pi[rows])
        binds[rows] = most[rows] > radius[rows]

    def rough(s, rows):
        return _rough_tilt(s, log_pi[rows], u[rows])

    def gentle(s, rows):
        return _gentle_tilt(s, v[rows], pi[rows], pi_v[rows], pi_v2[rows], variance[rows])

    def precise(s, rows):
        mild = s <= _GENTLE
        if mild.all():
            return gentle(s, rows)
        kl, slope, rows = np.empty(s.shape), np.empty(s.shape), np.arange(len(radius))[rows]
        kl[mild], slope[mild] = gentle(s[mild], rows[mild])
        far = ~mild
        kl[far], slope[far] = _strong_tilt(s[far], log_pi[rows[far]], u[rows[far]])
        return kl, slope

    s, kl, converged, _ = _strength(rough, precise, radius, binds, variance, (-400.0, 60.0))
    log_new = _tilt(log_pi, s[:, None] * u, "log_pi")
    if not binds.all():
        log_new = np.where(binds[:, None], log_new, np.where(moves[:, None], limit, log_pi))
        kl = np.where(binds, kl, np.where(moves, most, 0.0))
    return log_new, kl, s, binds, converged | ~binds


def _rough_tilt(s, log_pi, u):
    """KL and its slope d log KL / d log s, up to cancellation: KL = s E_q[u] - log Z."""
    y = s[:, None] * u
    y += log_pi
    peak = y.max(axis=-1, keepdims=True)
    y -= peak
    weight = np.exp(y, out=y)
    total = weight.sum(axis=-1)
    mean = _dot(weight, u) / total
    weight *= u
    variance = _dot(weight, u) / total - mean * mean
    kl = s * mean - (np.log(total) + peak[:, 0])
    return kl, s * (s * variance / kl)


def _gentle_tilt(s, v, pi, pi_v, pi_v2, variance):
    """Compute the same in full precision: KL = s E_q[v] - log E_pi[e^(s v)] with E_pi[v] = 0.

    Then E_pi[e^(s v)] - 1 is an expectation of non-negative terms, and so is E_pi[v (e^(s v) - 1)].
    """
    x = s[:, None] * v
    above = _excess(-x)  # e^x - 1 - x
    x += above  # e^x - 1
    log_z = _dot(pi, above)
    mean = _dot(pi_v, x) / (1.0 + log_z)
    square = (variance + _dot(pi_v2, x)) / (1.0 + log_z)
    kl = s * mean - np.log1p(log_z)
    return kl, s * (s * (square - mean * mean) / kl)


def _strong_tilt(s, log_pi, u):
    """Compute the same where terms of opposite sign would cancel: far from pi, KL is summed up."""
    log_new = _tilt(log_pi, s[:, None] * u, "log_pi")
    kl, q = _kl(log_new, log_pi), np.exp(log_new)
    d = u - _dot(q, u)[:, None]
    return kl, s * (s * _dot(q, d * d) / kl)


# --- KL(pi || q): q = lambda pi / (nu - u), with z = 1/nu ---


def _rational_to_radius(log_pi, u, radius, moves):
    """Find z > 0 with KL(pi || q) = radius for q ~ pi / (1 - z u)."""
    pi = np.exp(log_pi)
    variance = _dot(pi, np.square(_centred(u, log_pi)))

    def rough(z, rows):
        x = -z[:, None] * u[rows]
        weight = 1.0 / (1.0 + x)
        mean, square = _dot(pi[rows], weight), _dot(pi[rows], weight * weight)
        kl = _dot(pi[rows], np.log1p(x)) + np.log(mean)
        return kl, (square / mean - mean) / kl

    def precise(z, rows):
        y = -np.log1p(-z[:, None] * u[rows])
        kl = _spent_backwards(log_pi[rows], y)
        weight = np.exp(y)
        mean = _dot(pi[rows], weight)
        weight -= mean[:, None]
        return kl, _dot(pi[rows], weight * weight) / (mean * kl)

    # A radius beyond even exp(700): the end of the bracket is the limit to double precision.
    z, kl, converged, bracketed = _strength(
        rough, precise, radius, moves, variance, (-400.0, 700.0)
    )
    y = -np.log1p(-z[:, None] * u)
    # lambda = 1 / E_pi[1/(nu - u)], and eta = 1 / lambda.
    multiplier = z * _dot(pi, np.exp(y))
    log_new = np.where(moves[:, None], _tilt(log_pi, y, "log_pi"), log_pi)
    return log_new, np.where(moves, kl, 0.0), multiplier, moves & bracketed, converged | ~moves


def _spent_backwards(log_pi, y):
    """KL(pi || q) for q ~ pi exp(y).

    For small y the change of the log-probabilities is computed by itself: as a difference of
    rounded logarithms it would be noise for steps below 1e-16.
    """
    small = np.abs(y).max(axis=-1) < 1.0
    kl = np.empty(small.shape)
    if small.any():
        here = log_pi[small]
        x = _centred(y[small], here)
        kl[small] = np.log1p(_dot(np.exp(here), _excess(-x)))
    if not small.all():
        here = log_pi[~small]
        kl[~small] = _kl(here, _tilt(here, y[~small], "log_pi"))
    return kl


# --- the search for one number in each row ---


def _strength(rough, precise, radius, wanted, variance, bracket):
    """Strength of the step in each row at which the KL spent, a rising function, is the radius.

    `rough` and `precise` map strengths and rows to KL and d log KL / d log strength. The rough
    one is cheap, and gets so near that one or two calls of the other are enough.
    """
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        # KL is strength^2 variance / 2 for small steps.
        z = np.clip(np.sqrt(radius / variance) * np.sqrt(2.0), 1e-170, 1e26)
        z = np.where(wanted, z, 1.0)
        # What cancels there is noise for smaller radii; for these the start is near enough.
        _, z, _, _ = _newton(rough, z, radius, wanted & (radius > 1e-7), tol=1e-4, max_iter=40)
        z, _, kl, error = _newton(precise, z, radius, wanted, tol=1e-14, max_iter=8)
    converged, bracketed = error <= 2e-13, np.ones(z.shape, bool)
    rows = np.flatnonzero(wanted & ~converged)
    if rows.size:
        z[rows], kl[rows], converged[rows], bracketed[rows] = _bisected(
            precise, radius, rows, bracket
        )
    return z, kl, converged, bracketed


def _newton(spent, z, target, active, *, tol, max_iter):
    """Newton's method for log spent(z) = log target against log z, within a bracket.

    Returns the last z at which `spent` was evaluated, the next one, and what was spent; and
    |log(target / spent)|. A step that would leave the bracket halves it instead.
    """
    z, after = z.copy(), z.copy()
    kl, error = np.zeros(z.shape), np.full(z.shape, np.inf)
    low, high = np.zeros(z.shape), np.full(z.shape, np.inf)
    for _ in range(max_iter):
        if not active.any():
            break
        rows = slice(None) if active.mean() > 0.5 else np.flatnonzero(active)
        z[rows] = now = after[rows]
        kl[rows], slope = spent(now, rows)
        gap = np.log(target[rows] / kl[rows])
        error[rows] = np.abs(gap)
        below = kl[rows] < target[rows]
        low[rows], high[rows] = np.where(below, now, low[rows]), np.where(below, high[rows], now)
        move = gap / slope
        move = np.where(np.isfinite(move), np.clip(move, -3.0, 3.0), np.where(below, 3.0, -3.0))
        step = now * np.exp(move)
        middle = np.sqrt(low[rows]) * np.sqrt(high[rows])  # 0 or inf before both ends are known
        # The other end has been tried: a step that lands on it would swing for ever.
        back = np.where(below, step >= high[rows], step <= low[rows])
        astray = back | (step < low[rows]) | (step > high[rows])
        astray &= (middle > 0) & (middle < np.inf)
        after[rows] = np.where(astray, middle, step)
        active = active & ~(error <= tol)
    return z, after, kl, error


def _bisected(precise, radius, rows, bracket):
    """Bisect the rows that Newton's method gave up, between strengths exp(bracket)."""

    def excess_spent(log_z):
        return precise(np.exp(log_z), rows)[0] - radius[rows]

    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        weak, strong = (np.full(rows.shape, end) for end in bracket)
        log_z, info = bisect(excess_spent, weak, strong)
        # Without a sign change, the end that is nearer.
        end = np.where(excess_spent(weak) > 0, weak, strong)
        z = np.exp(np.where(info.bracketed, log_z, end))
        kl = precise(z, rows)[0]
    return z, kl, info.converged, info.bracketed

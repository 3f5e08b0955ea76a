"""Mirror descent with the KL divergence: explicit, implicit and trust-region steps.

First the bare steps, functions of a policy; then the same as algorithms that see a `Signal`.
"""

from typing import NamedTuple

import numpy as np

from .. import _checks
from .._types import Array, ArrayLike, BoolArray
from ..signals import advantage_of
from ..simplex import (
    _below_best,
    _centred,
    _kl,
    _log_normalize,
    excess,
    expect,
    tilt,
)
from ..solvers import bisect
from .base import Algorithm, PolicyState
from .euclidean import euclidean_descent, euclidean_step

__all__ = [
    "StepInfo",
    "euclidean_descent",
    "euclidean_step",
    "explicit_step",
    "implicit_step",
    "mirror_descent",
    "proximal",
    "trust_region",
    "trust_region_step",
]


class StepInfo(NamedTuple):
    """What a step did; see `trust_region_step`."""

    eta: Array
    kl: Array
    hits_boundary: BoolArray
    converged: BoolArray


def explicit_step(log_pi: ArrayLike, advantage: ArrayLike, eta: ArrayLike) -> Array:
    """Entropy mirror step pi_new ~ pi exp(eta A). Book: eq-eg-step.

    Parameters
    ----------
    log_pi, advantage : array_like, shape (..., A)
        For minimization of f pass A = -grad f; a constant in A changes nothing.
    eta : array_like, shape (...)
        Step size, >= 0.

    Returns
    -------
    numpy.ndarray, shape (..., A)

    Examples
    --------
    >>> np.exp(explicit_step(np.log([0.5, 0.5]), [0.0, np.log(3.0)], 1.0)).round(12).tolist()
    [0.25, 0.75]
    """
    log_pi = _checks.policy("log_pi", log_pi)
    eta = _checks.number("eta", eta, least=0.0)
    advantage = _checks.on_actions("advantage", advantage)
    _checks.same_actions(log_pi=log_pi, advantage=advantage)
    _checks.broadcast(eta=eta, log_pi=log_pi[..., 0], advantage=advantage[..., 0])
    return tilt(log_pi, eta[..., None] * _below_best(advantage, log_pi))


def implicit_step(
    log_pi: ArrayLike, log_ref: ArrayLike, reward: ArrayLike, tau: ArrayLike, eta: ArrayLike
) -> Array:
    r"""Proximal step argmin F(q) + KL(q || pi)/eta, both KL terms kept. Book: eq-implicit-step.

    Closed form: q ~ pi^c (pi_ref exp(r/tau))^(1-c) with c = 1/(1 + eta tau), so that it
    contracts towards the Gibbs policy at every step size.

    Parameters
    ----------
    log_pi, log_ref, reward : array_like, shape (..., A)
    tau, eta : array_like, shape (...)
        Temperature and step, both > 0.

    Returns
    -------
    numpy.ndarray, shape (..., A)

    Examples
    --------
    >>> ref = np.log([0.5, 0.5])
    >>> np.exp(implicit_step(ref, ref, [0.0, np.log(9.0)], 1.0, 1.0)).round(12).tolist()
    [0.25, 0.75]
    """
    log_pi, log_ref = _checks.policy("log_pi", log_pi), _checks.policy("log_ref", log_ref)
    reward = _checks.on_actions("reward", reward)
    tau, eta = _checks.number("tau", tau, above=0.0), _checks.number("eta", eta, above=0.0)
    shape = _checks.same_actions(log_pi=log_pi, log_ref=log_ref, reward=reward)
    _checks.broadcast(tau=tau, eta=eta, log_pi=np.empty(shape[:-1]))
    keep = np.asarray(1.0 / (1.0 + eta * tau))[..., None]
    # (1 - c)/tau = eta c: no division by a small tau.
    pull = np.asarray(eta)[..., None] * keep
    target = np.asarray(tau)[..., None] * log_ref + _below_best(reward, log_pi + log_ref)
    log_new = keep * log_pi + pull * target
    return _log_normalize(log_new, "log_pi")


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
    the advantage is constant. One scalar is found by bisection in the log domain.

    Examples
    --------
    >>> new, info = trust_region_step(np.log([0.5, 0.5]), [0.0, 1.0], 0.02)
    >>> float(info.kl.round(12)), bool(info.hits_boundary)
    (0.02, True)
    """
    log_pi = _checks.policy("log_pi", log_pi)
    advantage = _checks.on_actions("advantage", advantage)
    kl_radius = _checks.number("kl_radius", kl_radius, above=0.0)
    _checks.same_actions(log_pi=log_pi, advantage=advantage)
    shape = _checks.broadcast(
        kl_radius=kl_radius, log_pi=log_pi[..., 0], advantage=advantage[..., 0]
    )
    if direction not in ("new_old", "old_new"):
        raise ValueError(f"direction must be 'new_old' or 'old_new'; got {direction!r}")
    n_actions = np.broadcast_shapes(log_pi.shape, advantage.shape)[-1]
    log_pi = np.broadcast_to(log_pi, (*shape, n_actions))
    radius = np.broadcast_to(kl_radius, shape)
    possible = log_pi > -np.inf
    best = np.where(possible, advantage, -np.inf).max(axis=-1, keepdims=True)
    worst = np.where(possible, advantage, np.inf).min(axis=-1, keepdims=True)
    spread = (best - worst)[..., 0]
    # Actions in units of the spread, 0 for the best and -1 for the worst possible one.
    scaled = np.clip((advantage - best) / np.where(spread > 0, spread, 1.0)[..., None], -1.0, 0.0)
    solve = _tilt_to_radius if direction == "new_old" else _rational_to_radius
    log_new, spent, multiplier, binds, converged = solve(log_pi, scaled, radius, spread > 0)
    eta = np.where(binds, multiplier / np.where(spread > 0, spread, 1.0), np.inf)
    return log_new, StepInfo(eta, spent, binds, converged)


def _tilt_to_radius(log_pi, scaled, radius, moves):
    """Find s with KL(q || pi) = radius for q ~ pi exp(s u), where it exists."""
    limit = _log_normalize(np.where(scaled == 0.0, log_pi, -np.inf), "log_pi")
    most = _kl(limit, log_pi)
    binds = moves & (most > radius)

    def spent(log_s):
        return _spent(log_pi, np.exp(log_s)[..., None] * scaled, forward=True)

    log_s, info = _solve(spent, radius, np.full(radius.shape, -400.0), np.full(radius.shape, 60.0))
    tilted, kl = spent(log_s)
    log_new = np.where(binds[..., None], tilted, np.where(moves[..., None], limit, log_pi))
    kl = np.where(binds, kl, np.where(moves, most, 0.0))
    return log_new, kl, np.exp(log_s), binds, info.converged | ~binds


def _rational_to_radius(log_pi, scaled, radius, moves):
    """Find nu > 0 with KL(pi || q) = radius for q = lambda pi / (nu - u)."""

    def spent(log_nu):
        # A tilt by -log(1 - u/nu), which is the one by -log(nu - u) but for a constant.
        return _spent(log_pi, -np.log1p(-scaled * np.exp(-log_nu)[..., None]), forward=False)

    # A radius beyond even exp(-700): the end of the bracket is the limit to double precision.
    log_nu, info = _solve(
        spent, radius, np.full(radius.shape, 400.0), np.full(radius.shape, -700.0)
    )
    log_new, kl = spent(log_nu)
    # lambda = 1 / E_pi[1/(nu - u)], and eta = 1 / lambda.
    weight = np.exp(log_pi) / (np.exp(log_nu)[..., None] - scaled)
    log_new = np.where(moves[..., None], log_new, log_pi)
    binds = moves & info.bracketed
    return log_new, np.where(moves, kl, 0.0), weight.sum(axis=-1), binds, info.converged | ~moves


def _solve(spent, radius, gentle, strong):
    """Bisect for the KL `radius` between the two ends; the nearer end where it is not between."""
    x, info = bisect(lambda x: spent(x)[1] - radius, gentle, strong)
    outside = np.where(spent(gentle)[1] > radius, gentle, strong)
    return np.where(info.bracketed, x, outside), info


def _spent(log_pi, y, *, forward):
    """Tilt pi by y; return it and KL(q || pi) (`forward`) or KL(pi || q).

    For small y the change of the log-probabilities is computed by itself: as a difference of
    rounded logarithms it would be noise for steps below 1e-16.
    """
    log_new = _log_normalize(log_pi + y, "log_pi")
    kl = _kl(log_new, log_pi) if forward else _kl(log_pi, log_new)
    small = np.abs(y).max(axis=-1) < 1.0
    if np.any(small):
        x = _centred(np.where(small[..., None], y, 0.0), log_pi)
        change = x - np.log1p(expect(log_pi, excess(-x)))[..., None]
        terms = np.exp(change) * excess(change) if forward else excess(-change)
        kl = np.where(small, expect(log_pi, terms), kl)
    return log_new, kl


def _algorithm(step):
    """Algorithm on log-probabilities from step(log_pi, advantage) -> (log_new, info)."""

    def init(log_pi):
        return PolicyState(_checks.policy("log_pi", log_pi).copy())

    def algorithm_step(state, signal):
        log_new, info = step(state.log_pi, advantage_of(signal, state.log_pi))
        return PolicyState(log_new), info

    return Algorithm(init, algorithm_step)


def _plain_info(eta, log_new, log_pi):
    kl = _kl(log_new, log_pi)
    return StepInfo(
        np.broadcast_to(eta, kl.shape), kl, np.zeros(kl.shape, bool), np.ones(kl.shape, bool)
    )


def mirror_descent(eta: ArrayLike) -> Algorithm:
    """Algorithm of `explicit_step`: pi_new ~ pi exp(eta A). Book: eq-eg-step.

    Parameters
    ----------
    eta : array_like, shape (...)
        Step size, >= 0.

    Returns
    -------
    Algorithm
        Starts from log_pi. With samples the advantage is (gain - loss)/pi: unbiased.

    Examples
    --------
    >>> from klrl_lite.signals import exact
    >>> init, step = mirror_descent(1.0)
    >>> state = init(np.log([0.5, 0.5]))
    >>> state, info = step(state, exact(state.log_pi, [0.0, np.log(3.0)]))
    >>> np.exp(state.log_pi).round(12).tolist()
    [0.25, 0.75]
    """
    eta = _checks.number("eta", eta, least=0.0)

    def step(log_pi, advantage):
        log_new = explicit_step(log_pi, advantage, eta)
        return log_new, _plain_info(eta, log_new, log_pi)

    return _algorithm(step)


def proximal(log_ref: ArrayLike, tau: ArrayLike, eta: ArrayLike) -> Algorithm:
    """Algorithm of `implicit_step`, which keeps both KL terms. Book: eq-implicit-step.

    Parameters
    ----------
    log_ref : array_like, shape (..., A)
    tau, eta : array_like, shape (...)
        Temperature and step, both > 0.

    Returns
    -------
    Algorithm
        Its signal carries the bare reward (any constant added): the reference KL is in the step.

    Examples
    --------
    >>> from klrl_lite.signals import exact
    >>> ref = np.log([0.5, 0.5])
    >>> init, step = proximal(ref, 1.0, 1.0)
    >>> state, info = step(init(ref), exact(ref, [0.0, np.log(9.0)]))
    >>> np.exp(state.log_pi).round(12).tolist()
    [0.25, 0.75]
    """
    log_ref = _checks.policy("log_ref", log_ref)
    tau, eta = _checks.number("tau", tau, above=0.0), _checks.number("eta", eta, above=0.0)

    def step(log_pi, advantage):
        log_new = implicit_step(log_pi, log_ref, advantage, tau, eta)
        return log_new, _plain_info(eta, log_new, log_pi)

    return _algorithm(step)


def trust_region(kl_radius: ArrayLike, *, direction: str = "new_old") -> Algorithm:
    """Algorithm of `trust_region_step`: exact TRPO in policy space. Book: eq-trust-region.

    Parameters
    ----------
    kl_radius : array_like, shape (...)
    direction : {"new_old", "old_new"}
        As in `trust_region_step`.

    Returns
    -------
    Algorithm

    Examples
    --------
    >>> from klrl_lite.signals import exact
    >>> init, step = trust_region(0.02)
    >>> state = init(np.log([0.5, 0.5]))
    >>> state, info = step(state, exact(state.log_pi, [0.0, 1.0]))
    >>> float(info.kl.round(12))
    0.02
    """
    kl_radius = _checks.number("kl_radius", kl_radius, above=0.0)
    if direction not in ("new_old", "old_new"):
        raise ValueError(f"direction must be 'new_old' or 'old_new'; got {direction!r}")
    return _algorithm(lambda pi, a: trust_region_step(pi, a, kl_radius, direction=direction))

"""Mirror descent with the KL divergence: explicit, implicit and trust-region steps.

First the bare steps, functions of a policy; then the same as algorithms that see a `Signal`.
"""

import numpy as np

from .. import _checks
from .._types import Array, ArrayLike
from ..signals.batches import _ratio_to
from ..simplex import _below_best, _kl, _log_normalize, _tilt
from .base import Algorithm, PolicyState
from .euclidean import euclidean_descent, euclidean_step
from .region import StepInfo, _check_direction, _step, trust_region_step

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
    return _explicit(log_pi, advantage, eta)


def _explicit(log_pi, advantage, eta):
    """The step for arguments that were checked one by one."""
    _checks.same_actions(log_pi=log_pi, advantage=advantage)
    _checks.broadcast(eta=eta, log_pi=log_pi[..., 0], advantage=advantage[..., 0])
    return _tilt(log_pi, eta[..., None] * _below_best(advantage, log_pi), "log_pi")


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
    return _implicit(log_pi, log_ref, reward, tau, eta)


def _implicit(log_pi, log_ref, reward, tau, eta):
    """The step for arguments that were checked one by one."""
    _checks.same_actions(log_pi=log_pi, log_ref=log_ref, reward=reward)
    alone = {"log_pi": log_pi[..., 0], "log_ref": log_ref[..., 0], "reward": reward[..., 0]}
    _checks.broadcast(**alone, tau=tau, eta=eta)
    keep = np.asarray(1.0 / (1.0 + eta * tau))[..., None]
    # (1 - c)/tau = eta c: no division by a small tau.
    pull = np.asarray(eta)[..., None] * keep
    target = np.asarray(tau)[..., None] * log_ref + _below_best(reward, log_pi + log_ref)
    log_new = keep * log_pi + pull * target
    return _log_normalize(log_new, "log_pi", overwrite=True)


def _algorithm(step):
    """Algorithm on log-probabilities from step(log_pi, advantage) -> (log_new, info)."""

    def init(log_pi):
        return PolicyState(_checks.policy("log_pi", log_pi).copy("K"))

    def algorithm_step(state, signal):
        # The state's own policy was checked when it came in, and is normalized since.
        log_pi = state.log_pi
        advantage = _checks.on_actions("signal", _ratio_to(signal, np.exp(log_pi)))
        log_new, info = step(log_pi, advantage)
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
        log_new = _explicit(log_pi, advantage, eta)
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
        log_new = _implicit(log_pi, log_ref, advantage, tau, eta)
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
    _check_direction(direction)
    return _algorithm(lambda pi, a: _step(pi, a, kl_radius, direction))

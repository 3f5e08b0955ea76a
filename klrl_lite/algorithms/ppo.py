"""PPO: ascent on the clipped surrogate, and the parts that GRPO shares with it."""

from typing import Any, NamedTuple

import numpy as np

from .. import _checks
from .._types import Array, ArrayLike
from ..policies import Policy, tangent_at
from ..signals import KL_TERMS, Signal, kl_gradient_term
from ..signals.batches import _checked
from ..simplex import _dot, _kl
from .base import Algorithm, log_ratio, make_optimizer


class PpoState(NamedTuple):
    """Parameters, policy, optimizer and the critic's value of the prompt (0 without a critic)."""

    theta: Array
    log_pi: Array
    optimizer: Any
    value: Array


class PpoInfo(NamedTuple):
    """What a step did; arrays of shape (...).

    Attributes
    ----------
    kl : numpy.ndarray
        KL(new || old) spent.
    surrogate : numpy.ndarray
        Rise of the clipped surrogate.
    clip_fraction : numpy.ndarray
        Share of the batch's |advantage| whose gradient the clip has switched off.
    outside_fraction : numpy.ndarray
        Share of the batch with a ratio outside the interval, whatever the sign of its advantage:
        what several trainers log as their clip fraction.
    """

    kl: Array
    surrogate: Array
    clip_fraction: Array
    outside_fraction: Array


def _limits(clip, clip_high, dual_clip):
    clip = _checks.scalar("clip", clip, least=0.0, finite=False)
    high = clip if clip_high is None else clip_high
    high = _checks.scalar("clip_high", high, least=0.0, finite=False)
    dual_clip = _checks.scalar("dual_clip", dual_clip, above=1.0, finite=False)
    return 1.0 - clip, 1.0 + high, dual_clip


def _ratio(log_ratio):
    # Capped where it would overflow, so that no 0 times infinity arises.
    return np.exp(np.minimum(log_ratio, 700.0))


def clipped_surrogate(
    log_ratio: ArrayLike,
    signal: Signal,
    clip: float,
    *,
    clip_high: float | None = None,
    dual_clip: float = np.inf,
) -> Array:
    r"""PPO's objective, to be maximized: sum_a gain min(rho, 1 + clip) - loss max(rho, 1 - clip).

    The same as the mean of min(rho A, clip(rho, 1 - clip, 1 + clip) A) over the samples.

    Parameters
    ----------
    log_ratio : array_like, shape (..., A)
        log rho = log pi - log pi_old.
    signal : Signal
        Of pi_old.
    clip : float
        >= 0; infinity for no clip.
    clip_high : float, optional
        Another limit above 1 than below ("clip-higher").
    dual_clip : float
        A second limit for negative advantages, loss min(max(rho, 1 - clip), dual_clip), > 1; verl
        has 3, most trainers none.

    Returns
    -------
    numpy.ndarray, shape (...)

    Notes
    -----
    Source: Schulman et al., arXiv 1707.06347, eq. 7; dual clip: Ye et al., arXiv 1912.09729.

    Examples
    --------
    >>> from klrl_lite.signals import exact
    >>> signal = exact(np.log([0.5, 0.5]), [-1.0, 1.0])
    >>> float(clipped_surrogate(np.log([0.5, 1.5]), signal, 0.2).round(12))
    0.2
    """
    limits = _limits(clip, clip_high, dual_clip)
    log_ratio = _checks.on_actions("log_ratio", log_ratio, minus_inf=True)
    signal = _checked("signal", signal, log_ratio=log_ratio)
    return _surrogate(_ratio(log_ratio), signal, limits)


def _surrogate(rho, signal, limits):
    low, high, dual = limits
    up, down = np.minimum(rho, high), np.minimum(np.maximum(rho, low), dual)
    return _dot(signal.gain, up) - _dot(signal.loss, down)


def clipped_surrogate_gradient(
    log_ratio: ArrayLike,
    signal: Signal,
    clip: float,
    *,
    clip_high: float | None = None,
    dual_clip: float = np.inf,
) -> Array:
    """Gradient of `clipped_surrogate` with respect to the log-probabilities.

    gain rho [rho <= 1 + clip] - loss rho [rho >= 1 - clip]. The clip switches a term off on one
    side only; on the other side the full force remains, and beyond the limit none pulls back.

    Parameters
    ----------
    log_ratio, signal, clip, clip_high, dual_clip
        As in `clipped_surrogate`.

    Returns
    -------
    numpy.ndarray, shape (..., A)
        At a kink, the slope from inside the interval. Pull it back to parameters with
        `policy.vjp`.

    Examples
    --------
    >>> from klrl_lite.signals import exact
    >>> signal = exact(np.log([0.5, 0.5]), [-1.0, 1.0])
    >>> clipped_surrogate_gradient(np.log([1.5, 0.5]), signal, 0.2).round(12).tolist()
    [-0.75, 0.25]
    """
    limits = _limits(clip, clip_high, dual_clip)
    log_ratio = _checks.on_actions("log_ratio", log_ratio, minus_inf=True)
    signal = _checked("signal", signal, log_ratio=log_ratio)
    return _surrogate_slope(_ratio(log_ratio), signal, limits)


def _surrogate_slope(rho, signal, limits):
    low, high, dual = limits
    felt = signal.gain * (rho <= high) - signal.loss * ((rho >= low) & (rho <= dual))
    return rho * felt


def reference_gradient(
    log_pi: ArrayLike, log_old: ArrayLike, log_ref: ArrayLike, signal: Signal, kind: str
) -> Array:
    r"""Gradient of the reference penalty with respect to the log-probabilities.

    Parameters
    ----------
    log_pi, log_old, log_ref : array_like, shape (..., A)
        Present policy, the one that was sampled, and the reference.
    signal : Signal
        Its `weight` says where the penalty was sampled.
    kind : str
        One of `signals.KL_TERMS`. "exact" sums KL(pi || pi_ref) over all actions, the others
        take the estimator on the samples. "k1_in_reward" adds nothing here: the signal has it.

    Returns
    -------
    numpy.ndarray, shape (..., A)

    Examples
    --------
    >>> from klrl_lite.signals import exact
    >>> pi, ref = np.log([0.5, 0.5]), np.log([0.25, 0.75])
    >>> reference_gradient(pi, pi, ref, exact(pi, [0.0, 0.0]), "k3").round(12).tolist()
    [0.25, -0.25]
    """
    _checks.choice("kind", kind, KL_TERMS)
    log_pi, log_old, log_ref = (
        _checks.policy(name, value)
        for name, value in (("log_pi", log_pi), ("log_old", log_old), ("log_ref", log_ref))
    )
    signal = _checked("signal", signal, log_pi=log_pi, log_old=log_old, log_ref=log_ref)
    return _reference_gradient(log_pi, log_old, log_ref, signal, kind)


def _reference_gradient(log_pi, log_old, log_ref, signal, kind):
    if kind == "k1_in_reward":
        return np.zeros(np.broadcast_shapes(np.shape(log_pi), np.shape(signal.weight)))
    weight = np.exp(log_pi) if kind == "exact" else signal.weight
    log_rho = np.zeros(()) if kind == "exact" else np.minimum(log_ratio(log_pi, log_old), 700.0)
    with np.errstate(invalid="ignore"):
        d = log_pi - np.asarray(log_ref)
    if np.abs(d).max(initial=0.0) < 700.0 and np.min(log_rho, initial=0.0) > -np.inf:
        return weight * kl_gradient_term(d, kind, log_rho)  # finite everywhere
    # Where nothing was sampled there is nothing to differentiate.
    here = (weight > 0) & (np.asarray(log_pi) > -np.inf)
    d = np.where(here, log_ratio(log_pi, np.where(here, log_ref, -np.inf)), 0.0)
    return weight * kl_gradient_term(d, kind, np.where(here, log_rho, 0.0))


def ppo(
    policy: Policy,
    *,
    clip: float = 0.2,
    epochs: int = 4,
    learning_rate: ArrayLike = 0.01,
    optimizer: str = "adam",
    log_ref: ArrayLike | None = None,
    beta: ArrayLike = 0.0,
    penalty: str = "exact",
    critic_rate: ArrayLike | None = None,
    clip_high: float | None = None,
    dual_clip: float = np.inf,
) -> Algorithm:
    r"""Proximal policy optimization: several ascent steps on the clipped surrogate per batch.

    Parameters
    ----------
    policy : Policy
    clip, clip_high, dual_clip : float
        As in `clipped_surrogate`.
    epochs : int
        Ascent steps on one batch. Only from the second one on does the clip act.
    learning_rate : array_like, shape (...)
    optimizer : {"adam", "sgd"}
        Adam's moments are kept from batch to batch.
    log_ref : array_like, shape (..., A), optional
    beta : array_like, shape (...)
        Coefficient of a reference penalty in the loss; it needs `log_ref`. A penalty in the
        reward belongs into the signal instead.
    penalty : str
        How the penalty is estimated, one of `signals.KL_TERMS`.
    critic_rate : array_like, shape (...), optional
        Learn a critic, V <- V + critic_rate (mean advantage), in `state.value`. It is meant for
        signals of the advantage r - V, whose mean is the critic's error; `signals.gae` makes
        advantages for longer episodes.

    Returns
    -------
    Algorithm
        Starts from theta; reports a `PpoInfo`.

    Notes
    -----
    clip = inf, epochs = 1 and "sgd" make it the policy gradient.
    Source: Schulman et al., arXiv 1707.06347.

    Examples
    --------
    >>> from klrl_lite import policies, signals
    >>> init, step = ppo(policies.tabular(2), learning_rate=0.1)
    >>> state = init(np.log([0.5, 0.5]))
    >>> state, info = step(state, signals.exact(state.log_pi, [-1.0, 1.0]))
    >>> bool(info.surrogate > 0), float(info.outside_fraction)
    (True, 1.0)
    """
    limits = _limits(clip, clip_high, dual_clip)
    start_optimizer, update = make_optimizer(optimizer, learning_rate)
    epochs = _checks.count("epochs", epochs)
    beta = _checks.number("beta", beta, least=0.0)
    if log_ref is None and np.any(beta > 0):
        raise ValueError(f"log_ref must be given where beta > 0; got None and beta {beta}")
    if log_ref is not None:
        log_ref = _checks.policy("log_ref", log_ref)
        if log_ref.shape[-1] != policy.n_actions:
            raise ValueError(
                f"log_ref must have the policy's {policy.n_actions} actions; got {log_ref.shape}"
            )
    _checks.choice("penalty", penalty, KL_TERMS)
    if critic_rate is not None:
        critic_rate = _checks.number("critic_rate", critic_rate, above=0.0)

    def init(theta):
        log_pi = policy.log_prob(theta)
        theta = np.array(_checks.on_actions("theta", theta, minus_inf=True))
        return PpoState(theta, log_pi, start_optimizer(theta), np.zeros(log_pi.shape[:-1]))

    def slope(log_pi, log_old, signal):
        gradient = _surrogate_slope(_ratio(log_ratio(log_pi, log_old)), signal, limits)
        if log_ref is None:
            return gradient
        pull = _reference_gradient(log_pi, log_old, log_ref, signal, penalty)
        return gradient - beta[..., None] * pull

    def step(state, signal):
        theta, moments, here = state.theta, state.optimizer, tangent_at(policy, state.theta)
        for _ in range(epochs):
            force = _checks.on_actions("gradient", slope(here.log_pi, state.log_pi, signal))
            increment, moments = update(here.vjp(force), moments)
            theta = theta + increment
            here = tangent_at(policy, theta)
        log_pi, value = here.log_pi, state.value
        if critic_rate is not None:
            value = value + critic_rate * np.sum(signal.gain - signal.loss, axis=-1)
        info = _ppo_info(log_pi, state.log_pi, signal, limits)
        return PpoState(theta, log_pi, moments, value), info

    return Algorithm(init, step)


def _ppo_info(log_pi, log_old, signal, limits):
    low, high, dual = limits
    rho = _ratio(log_ratio(log_pi, log_old))
    above, below = rho > high, rho < low
    force = np.sum(signal.gain + signal.loss, axis=-1)
    idle = _dot(signal.gain, above) + _dot(signal.loss, below | (rho > dual))
    outside, total = _dot(signal.weight, above | below), np.sum(signal.weight, axis=-1)
    # At ratio 1 nothing is clipped.
    rise = _surrogate(rho, signal, limits) - np.sum(signal.gain - signal.loss, axis=-1)
    force, total = np.where(force > 0, force, 1.0), np.where(total > 0, total, 1.0)
    return PpoInfo(_kl(log_pi, log_old), rise, idle / force, outside / total)

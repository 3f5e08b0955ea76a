"""GRPO: PPO's surrogate with group-relative advantages and a reference penalty in the loss."""

from collections.abc import Callable
from typing import Any

import numpy as np

from .. import _checks
from .._types import ArrayLike
from ..policies import Policy
from ..signals import KL_TERMS, Signal, grouped, grouped_expected
from .base import Algorithm, log_ratio
from .ppo import ppo


def grpo(
    policy: Policy,
    *,
    log_ref: ArrayLike,
    beta: ArrayLike,
    penalty: str = "exact",
    clip: float = 0.2,
    epochs: int = 1,
    learning_rate: ArrayLike = 0.01,
    optimizer: str = "adam",
    clip_high: float | None = None,
    dual_clip: float = np.inf,
) -> Algorithm:
    r"""Group-relative policy optimization: no critic, advantages from `group_signal`.

    Ascends the clipped surrogate of the group's advantages minus beta times the penalty, per
    sequence.

    Parameters
    ----------
    policy : Policy
    log_ref : array_like, shape (..., A)
    beta : array_like, shape (...)
        Coefficient of the penalty, >= 0. It is a temperature only if the advantages keep the
        scale of the reward (no std; and leave-one-out, or tau = beta G/(G - 1)).
    penalty : str
        One of `signals.KL_TERMS`: "exact"; "k3", the loss of the first GRPO paper and the wrong
        gradient; "k3_corrected", times the importance ratio (an option in trainers); "k1" (no
        force), "k2"; "k1_in_reward", which is left to the signal.
    clip, epochs, learning_rate, optimizer, clip_high, dual_clip
        As in `ppo`. With one epoch the clip is idle.

    Returns
    -------
    Algorithm
        Starts from theta; reports a `PpoInfo`.

    Notes
    -----
    Source: Shao et al., arXiv 2402.03300. What the std and the estimator do to the fixed point is
    in `klrl_lite.equilibria`.

    Examples
    --------
    >>> from klrl_lite import policies
    >>> log_ref = np.log([0.9, 0.1])
    >>> init, step = grpo(policies.tabular(2), log_ref=log_ref, beta=0.1)
    >>> state = init(log_ref)
    >>> state, info = step(state, group_signal([0.0, 1.0], 8)(state))
    >>> bool(state.log_pi[1] > log_ref[1])
    True
    """
    return ppo(
        policy,
        clip=clip,
        epochs=epochs,
        learning_rate=learning_rate,
        optimizer=optimizer,
        log_ref=log_ref,
        beta=beta,
        penalty=penalty,
        clip_high=clip_high,
        dual_clip=dual_clip,
    )


def group_signal(
    reward: ArrayLike,
    group_size: int,
    n_groups: int | None = None,
    *,
    rng: np.random.Generator | None = None,
    log_ref: ArrayLike | None = None,
    beta: ArrayLike = 0.0,
    penalty: str = "exact",
    **options: Any,
) -> Callable[[Any], Signal]:
    """Signal of a policy's own groups, as a function of the state, for `run`.

    Parameters
    ----------
    reward : array_like, shape (..., A)
    group_size : int
    n_groups : int, optional
        Groups to draw with `rng`; left out, their exact expectation.
    rng : numpy.random.Generator, optional
    log_ref, beta, penalty
        With penalty "k1_in_reward", beta log(pi/pi_ref) is taken off the reward before the group
        is centred and normalized. The other penalties belong to the loss and do nothing here.
    **options
        Of `signals.group_advantages`: normalize, ddof, std_floor, floor_kind, baseline, singleton;
        and `max_terms`.

    Returns
    -------
    callable
        state -> Signal.

    Examples
    --------
    >>> from klrl_lite.algorithms.base import PolicyState
    >>> signal = group_signal([0.0, 1.0], 2)(PolicyState(np.log([0.5, 0.5])))
    >>> (signal.gain - signal.loss).tolist()
    [-0.25, 0.25]
    """
    reward = _checks.on_actions("reward", reward)
    beta = _checks.number("beta", beta, least=0.0)
    _checks.choice("penalty", penalty, KL_TERMS)
    if log_ref is not None:
        log_ref = _checks.policy("log_ref", log_ref)
        _checks.same_actions(reward=reward, log_ref=log_ref)
    if penalty == "k1_in_reward" and log_ref is None:
        raise ValueError("log_ref must be given for the penalty 'k1_in_reward'; got None")
    if (n_groups is None) != (rng is None):
        raise ValueError("n_groups and rng must be given together, or neither")

    def signal_fn(state):
        worth = reward
        if penalty == "k1_in_reward" and log_ref is not None:
            possible = np.where(state.log_pi > -np.inf, log_ref, -np.inf)
            worth = reward - beta[..., None] * log_ratio(state.log_pi, possible)
        if n_groups is None or rng is None:
            return grouped_expected(state.log_pi, worth, group_size, **options)
        return grouped(state.log_pi, worth, group_size, n_groups, rng=rng, **options)

    return signal_fn

"""Advantages of raw samples: along time (GAE), and within a group."""

from collections.abc import Callable

import numpy as np

from .. import _checks
from .._types import Array, ArrayLike, IntArray
from ..simplex import _dot


def gae(
    rewards: ArrayLike,
    values: ArrayLike,
    last_value: ArrayLike,
    done: ArrayLike,
    discount: ArrayLike,
    lam: ArrayLike,
    *,
    truncated: ArrayLike | None = None,
    final_values: ArrayLike | None = None,
) -> Array:
    r"""Generalized advantage estimates, A_t = delta_t + discount lam (1 - cut_t) A_{t+1}.

    delta_t = r_t + discount (1 - done_t) V(s_{t+1}) - V(s_t), along the last axis.

    Parameters
    ----------
    rewards, values : array_like, shape (..., T)
        r_t and V(s_t).
    last_value : array_like, shape (...)
        V of the state after the last step. It is what an episode cut off by the end of the
        window is worth: a rollout that simply stopped there is bootstrapped from it.
    done : array_like of bool, shape (..., T)
        The episode ended for good at step t: the next state is worth nothing, and nothing flows
        back across it.
    discount, lam : array_like, shape (...)
        Both in [0, 1].
    truncated : array_like of bool, shape (..., T), optional
        The episode was cut short at step t (a time limit) and another one follows in the window.
        Nothing flows back across it, but the step bootstraps from `final_values[t]`. Leaving
        this out and calling such a step `done` is what CleanRL does, and is biased.
    final_values : array_like, shape (..., T), optional
        V of the last observation of each truncated episode; read only where `truncated`.

    Returns
    -------
    numpy.ndarray, shape (..., T)
        Advantages. The targets for a critic are these plus `values`.

    Notes
    -----
    lam = 0 is the one-step error, lam = 1 the return minus V(s_t), whose bias from a wrong
    critic is a pure baseline. Source: Schulman et al., arXiv 1506.02438, eq. 16.

    Examples
    --------
    >>> gae([0.0, 1.0], [0.5, 0.5], 0.0, [False, True], 1.0, 1.0).tolist()
    [0.5, 0.5]
    """
    rewards, values = _checks.on_actions("rewards", rewards), _checks.on_actions("values", values)
    last_value = _checks.number("last_value", last_value)
    discount = _checks.number("discount", discount, least=0.0, most=1.0)
    lam = _checks.number("lam", lam, least=0.0, most=1.0)
    done = _flags("done", done)
    truncated = _flags("truncated", np.False_ if truncated is None else truncated)
    if np.any(truncated) and final_values is None:
        raise ValueError("final_values must be given where truncated is set; got None")
    final_values = 0.0 if final_values is None else _checks.number("final_values", final_values)
    shape = _checks.broadcast(
        rewards=rewards, values=values, done=done, truncated=truncated, final_values=final_values
    )
    if not rewards.shape[-1] == values.shape[-1] == shape[-1]:
        raise ValueError(
            "rewards and values must have one entry for each step on the last axis; "
            f"got {rewards.shape} and {values.shape} for {shape[-1]} steps"
        )
    batch = _checks.broadcast(
        rewards=np.empty(shape[:-1]), last_value=last_value, discount=discount, lam=lam
    )
    values, done, truncated = (
        np.broadcast_to(a, (*batch, shape[-1])) for a in (values, done, truncated)
    )
    following = np.concatenate(
        [values[..., 1:], np.broadcast_to(last_value, batch)[..., None]], axis=-1
    )
    following = np.where(truncated, final_values, following)
    delta = rewards + discount[..., None] * np.where(done, 0.0, following) - values
    keep = np.where(done | truncated, 0.0, (discount * lam)[..., None])
    advantage, later = np.empty(delta.shape), np.zeros(batch)
    for t in reversed(range(shape[-1])):
        later = delta[..., t] + keep[..., t] * later
        advantage[..., t] = later
    return advantage


def _flags(name, value):
    array = _checks.real_array(name, value, kinds="fiub")
    if not np.all((array == 0) | (array == 1)):
        raise ValueError(f"{name} must be true or false; got {value!r}")
    return array.astype(bool)


def group_advantages(
    rewards: ArrayLike,
    *,
    normalize: bool = True,
    ddof: int = 0,
    std_floor: float = 0.0,
    floor_kind: str = "add",
    baseline: str = "mean",
    singleton: str = "zero",
) -> Array:
    r"""Group-relative advantages, A_i = (r_i - mean r) / std r, groups on the last axis.

    Parameters
    ----------
    rewards : array_like, shape (..., G)
    normalize : bool
        Divide by the standard deviation of the group.
    ddof : {0, 1}
        Divide its sum of squares by G (the GRPO paper) or by G - 1 (most trainers; smaller
        advantages by sqrt(1 - 1/G)).
    std_floor : float
        Keeps the division tame. Any value but 0 breaks the invariance to the reward's scale.
    floor_kind : {"add", "max"}
        std + std_floor or max(std, std_floor).
    baseline : {"mean", "leave_one_out"}
        Mean of the group, or of the others: larger by exactly G/(G - 1). The std is always that
        of the whole group.
    singleton : {"zero", "raw"}
        What a group of one gets: nothing (it is its own mean) or its reward, as in verl.

    Returns
    -------
    numpy.ndarray, shape (..., G)
        A group of equal rewards gets 0 exactly, whatever rounding makes of its mean.

    Examples
    --------
    >>> group_advantages([0.0, 0.0, 0.0, 1.0]).round(4).tolist()
    [-0.5774, -0.5774, -0.5774, 1.7321]
    """
    rewards = _checks.on_actions("rewards", rewards)
    rule = group_rule(normalize, ddof, std_floor, floor_kind, baseline, singleton)
    return rule(np.ones(rewards.shape), rewards, rewards.shape[-1])


def group_rule(
    normalize: bool, ddof: int, std_floor: float, floor_kind: str, baseline: str, singleton: str
) -> Callable[[Array | IntArray, Array, int], Array]:
    """Check the options of a group; return f(counts, reward, group_size) -> advantages.

    `counts[..., a]` members of the group have the reward `reward[..., a]`; 0 for absent ones.

    Examples
    --------
    >>> rule = group_rule(True, 0, 0.0, "add", "mean", "zero")
    >>> rule(np.array([3, 1]), np.array([0.0, 1.0]), 4).round(4).tolist()
    [-0.5774, 1.7321]
    """
    normalize = _checks.flag("normalize", normalize)
    ddof = _checks.count("ddof", ddof, least=0)
    floor = _checks.scalar("std_floor", std_floor, least=0.0)
    _checks.choice("floor_kind", floor_kind, ("add", "max"))
    _checks.choice("baseline", baseline, ("mean", "leave_one_out"))
    _checks.choice("singleton", singleton, ("zero", "raw"))

    def advantages(counts, reward, size):
        if size == 1:
            return np.where(counts > 0, reward if singleton == "raw" else 0.0, 0.0)
        if ddof >= size:
            raise ValueError(f"ddof must be below the group size {size}; got {ddof}")
        present = counts > 0
        with np.errstate(divide="ignore"):
            absent = 1.0 / present - 1.0  # 0 for a reward that counts, infinity for others
        low = (reward + absent).min(axis=-1, keepdims=True)
        spread = (reward - absent).max(axis=-1, keepdims=True) - low
        # In units of the group's range: ties are exact, and no square underflows.
        unit = np.where(spread > 0, spread, 1.0)
        with np.errstate(over="ignore"):
            x = (reward - low) / unit
        np.clip(x, 0.0, 1.0, out=x)
        x -= (_dot(counts, x) / size)[..., None]
        x *= present  # 0 as well where all rewards are the same
        square = _dot(counts, np.square(x))[..., None]
        if baseline == "leave_one_out":
            x *= size / (size - 1)
        if not normalize:
            return spread * x
        std = np.where(spread > 0, np.sqrt(square / (size - ddof)), 1.0)
        floor_here = floor / unit
        x /= std + floor_here if floor_kind == "add" else np.maximum(std, floor_here)
        return x

    return advantages

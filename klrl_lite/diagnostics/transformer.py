"""The recorded transformer runs of chapter 15: its rules in words, and what theory says of each."""

from typing import Any

import numpy as np

from .._types import Array, ArrayLike
from ..equilibria import rule_crossing, rule_equilibria

#: Rules in the order of the recorded arrays: the parts that `equilibria.rule_equilibria` takes.
RULES: dict[str, dict[str, Any]] = {
    "rloo_k1": {"advantage": "loo", "penalty": "k2"},
    "loo_k2": {"advantage": "loo", "penalty": "k2"},
    "loo_k3": {"advantage": "loo", "penalty": "k3"},
    "loo_k2_token": {"advantage": "loo", "penalty": "k2", "per_token": True},
    "loo_k3_token": {"advantage": "loo", "penalty": "k3", "per_token": True},
    "mean_k2": {"advantage": "mean", "penalty": "k2"},
    "mean_k3": {"advantage": "mean", "penalty": "k3"},
    "grpo_k2": {"advantage": "std", "penalty": "k2"},
    "grpo_k3": {"advantage": "std", "penalty": "k3"},
    "grpo_k2_token": {"advantage": "std", "penalty": "k2", "per_token": True},
    "grpo_k3_token": {"advantage": "std", "penalty": "k3", "per_token": True},
}
#: The rules of the runs with longer completions.
LONG_RULES = ("loo_k2", "loo_k2_token", "loo_k3_token", "grpo_k2", "grpo_k3_token")
#: In words.
NAMES = {
    "rloo_k1": "leave-one-out, k₁ in the reward",
    "loo_k2": "leave-one-out, k₂ or ρk₃",
    "loo_k3": "leave-one-out, k₃",
    "loo_k2_token": "leave-one-out, token k₂ or ρk₃",
    "loo_k3_token": "leave-one-out, token k₃",
    "mean_k2": "mean, k₂ or ρk₃",
    "mean_k3": "mean, k₃",
    "grpo_k2": "std, k₂ or ρk₃",
    "grpo_k3": "std, k₃",
    "grpo_k2_token": "std, token k₂ or ρk₃",
    "grpo_k3_token": "std, token k₃ (GRPO)",
}


def predicted(name: str, q_steps: ArrayLike, tau: ArrayLike, group_size: float = 8) -> Array:
    """Success at the lowest fixed point of a recorded rule, from the measured supports.

    Parameters
    ----------
    name : str
        Key of `RULES`.
    q_steps : array_like, shape (K,)
        Measured support of each step.
    tau : array_like, shape (n,)
        Coefficient of the penalty, for a reward of 1.
    group_size : int or inf

    Returns
    -------
    numpy.ndarray, shape (n,)

    Examples
    --------
    >>> predicted("rloo_k1", [0.2, 0.2], [0.3, 0.6]).round(4).tolist()
    [0.5387, 0.1807]
    """
    size = group_size if RULES[name]["advantage"] != "loo" else np.inf
    roots = [
        rule_equilibria(q_steps, float(t), group_size=size, **RULES[name])[0][0]
        for t in np.atleast_1d(tau)
    ]
    return np.array(roots)


def predicted_crossing(name: str, q_steps: ArrayLike, group_size: float = 8) -> float:
    """Coefficient at which the fixed point of a recorded rule has success 1/2.

    Parameters
    ----------
    name : str
        Key of `RULES`.
    q_steps : array_like, shape (K,)
    group_size : int or inf

    Returns
    -------
    float

    Examples
    --------
    >>> round(predicted_crossing("grpo_k3_token", [0.2, 0.2]), 3)
    0.647
    """
    return rule_crossing(q_steps, group_size=group_size, **RULES[name])

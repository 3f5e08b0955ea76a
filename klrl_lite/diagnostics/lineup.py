"""The algorithms that the book compares, each with the signals that it would be given.

A contestant turns a policy class and a problem into an `Algorithm` and into what it sees: the exact
signal, the mean of the signal that it uses, and one batch.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from .. import _checks, signals
from .._types import Array, ArrayLike
from ..algorithms import Algorithm, mirror, ppo, trpo
from ..algorithms import grpo as grpo_algorithm
from ..gibbs import soft_advantage
from ..policies import Policy, tabular
from ..signals import Signal
from ..simplex import _centred

#: Answers in one batch, and how GRPO splits them into groups.
BATCH, GROUP = 64, 16
#: Groups drawn where an expectation over groups cannot be summed.
_MANY = 128

SignalFn = Callable[[Any], Signal]


class Contestant(NamedTuple):
    """An algorithm of the line-up.

    Attributes
    ----------
    label : str
        As figures and tables call it.
    role : str
        Its colour, a key of `plots.COLORS`.
    family : str
        "policy" (moves log-probabilities), or what parameterizes: "soft" (the KL is in the
        reward), "group" (the KL is in the loss), "folded" (in the reward, before grouping).
    make : callable
        policy, log_ref, tau -> Algorithm.
    options : dict
        Of `grpo.group_signal`, for groups.
    """

    label: str
    role: str
    family: str
    make: Callable[[Policy, Array, Array], Algorithm]
    options: dict[str, Any]


def _mirror(policy, log_ref, tau):
    # Stable steps need eta tau < 2; at 1/2 the error halves in each.
    return mirror.mirror_descent(np.minimum(0.25, 0.5 / tau))


def _region(policy, log_ref, tau):
    return mirror.trust_region(0.01)


def _trpo(**options):
    return lambda policy, log_ref, tau: trpo.trpo(policy, 0.01, **options)


def _natural(policy, log_ref, tau):
    return trpo.natural_gradient(policy, np.minimum(0.25, 0.5 / tau))


def _ppo(**options):
    def make(policy, log_ref, tau):
        return ppo.ppo(policy, **{"learning_rate": 0.03, "epochs": 4} | options)

    return make


def _grpo(penalty, **options):
    def make(policy, log_ref, tau):
        return grpo_algorithm.grpo(
            policy, log_ref=log_ref, beta=tau, penalty=penalty,
            **{"learning_rate": 0.03, "epochs": 2} | options,
        )  # fmt: skip

    return make


_MEAN = {"normalize": False}
_LOO = {"normalize": False, "baseline": "leave_one_out"}

#: Every contestant by name.
LINEUP = {
    "mirror": Contestant("mirror descent", "mirror", "policy", _mirror, {}),
    "region": Contestant("exact trust region", "trpo", "policy", _region, {}),
    "natural": Contestant("natural gradient", "mirror", "soft", _natural, {}),
    "trpo": Contestant("TRPO", "trpo", "soft", _trpo(), {}),
    "reinforce": Contestant(
        "policy gradient", "reference", "soft",
        _ppo(clip=np.inf, epochs=1, optimizer="sgd", learning_rate=1.0), {},
    ),
    "ppo": Contestant("PPO", "ppo", "soft", _ppo(), {}),
    "critic": Contestant("PPO, learned critic", "ppo", "soft", _ppo(critic_rate=0.2), {}),
    "grpo": Contestant("GRPO, std", "grpo", "group", _grpo("exact"), {}),
    "grpo_k3": Contestant("GRPO, std, k3", "grpo", "group", _grpo("k3"), {}),
    "mean_k3": Contestant("GRPO, mean only, k3", "euclid", "group", _grpo("k3"), _MEAN),
    "mean": Contestant("GRPO, mean only", "euclid", "group", _grpo("exact"), _MEAN),
    "loo": Contestant("GRPO, leave one out", "euclid", "group", _grpo("exact"), _LOO),
    "folded": Contestant("GRPO, KL in reward", "grpo", "folded", _grpo("k1_in_reward"), {}),
}  # fmt: skip


class Match(NamedTuple):
    """A contestant set up for a problem; see `prepare`."""

    algorithm: Algorithm
    start: Array
    aim: Callable[[Any], Array]
    exact: SignalFn
    expected: SignalFn
    drawn: SignalFn


def prepare(
    name: str,
    log_ref: ArrayLike,
    reward: ArrayLike,
    tau: ArrayLike,
    *,
    rng: np.random.Generator,
    policy: Policy | None = None,
    start: ArrayLike | None = None,
) -> Match:
    """Set up a contestant for a batch of problems.

    Parameters
    ----------
    name : str
        Key of `LINEUP`.
    log_ref, reward : array_like, shape (..., A)
    tau : array_like, shape (...)
        Temperature, and beta of GRPO.
    rng : numpy.random.Generator
        For the signal `drawn`.
    policy : Policy, optional
        One logit for each action by default. The families "policy" do not use it.
    start : array_like, optional
        Policy or parameters; the reference by default.

    Returns
    -------
    Match
        The algorithm and its start; `aim`, the exact mirror direction at a state; and three
        signals of a state. `exact`: the exact advantage (KL in it, or the centred reward beside
        the KL in the loss). `expected`: the mean of what the algorithm uses (of 128 groups where
        the KL is in the grouped reward). `drawn`: one batch of `BATCH` answers, for GRPO in
        groups of `GROUP`.

    Examples
    --------
    >>> from klrl_lite.algorithms import run
    >>> ref, reward = np.log([0.9, 0.1]), np.array([0.0, 1.0])
    >>> match = prepare("mirror", ref, reward, 0.5, rng=np.random.default_rng(0))
    >>> np.exp(run(match.algorithm, match.start, match.exact, 200).log_pi[-1]).round(4).tolist()
    [0.5491, 0.4509]
    """
    one, rng = LINEUP[_checks.choice("name", name, LINEUP)], _checks.generator(rng)
    log_ref, reward = _checks.policy("log_ref", log_ref), _checks.on_actions("reward", reward)
    tau = _checks.number("tau", tau, above=0.0)
    _checks.same_actions(log_ref=log_ref, reward=reward)
    shape = _checks.broadcast(log_ref=log_ref, reward=reward, tau=tau[..., None])
    log_ref, reward = np.broadcast_to(log_ref, shape), np.broadcast_to(reward, shape)
    tau = np.broadcast_to(tau, shape[:-1])
    policy = tabular(shape[-1]) if policy is None else policy

    def aim(state):
        return soft_advantage(state.log_pi, log_ref, reward, tau)

    def exact_soft(state):
        return signals.exact(state.log_pi, aim(state))

    def used(state):
        """Advantage with the baseline that the algorithm has: exact, or its critic's."""
        if name != "critic":
            return aim(state)
        worth = reward - tau[..., None] * (state.log_pi - log_ref)
        return worth - state.value[..., None]

    def expected_soft(state):
        return signals.exact(state.log_pi, used(state))

    def drawn_soft(state):
        return signals.sampled(state.log_pi, used(state), BATCH, rng=rng)

    def exact_bare(state):
        return signals.exact(state.log_pi, _centred(reward, state.log_pi))

    folded: dict[str, Any] = {}
    if one.family == "folded":
        folded = {"log_ref": log_ref, "beta": tau, "penalty": "k1_in_reward"}
    begin = log_ref if start is None else np.asarray(start, dtype=float)
    algorithm = one.make(policy, log_ref, tau)
    if one.family in ("policy", "soft"):
        return Match(algorithm, begin, aim, exact_soft, expected_soft, drawn_soft)
    groups = BATCH // GROUP
    drawn = grpo_algorithm.group_signal(reward, GROUP, groups, rng=rng, **folded, **one.options)
    expected = grpo_algorithm.group_signal(reward, GROUP, **one.options)
    if folded:  # as many reward levels as answers: too many groups to sum over
        expected = grpo_algorithm.group_signal(reward, GROUP, _MANY, rng=rng, **folded)
    exact = exact_soft if one.family == "folded" else exact_bare
    return Match(algorithm, begin, aim, exact, expected, drawn)

"""The common figure of the book: one problem, one start, every algorithm as a path."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .. import gibbs, policies, signals
from .._types import Array, ArrayLike
from ..algorithms import grpo, iterate, mirror, ppo, run, trpo
from ..algorithms.base import Algorithm
from ..problems import Problem
from . import simplex as draw
from .style import COLORS, LINES, figure, label_line

ROLES = ("euclid", "mirror", "trpo", "ppo", "grpo")


def runs(
    problem: Problem,
    tau: float,
    log_start: ArrayLike,
    n_steps: int = 200,
    roles: Sequence[str] = ROLES,
) -> dict[str, Array]:
    """Paths (steps, ..., 3) of every algorithm with exact signals, one logit per action.

    All but GRPO are given the free-energy advantage. GRPO standardizes the bare reward over large
    groups and keeps the reference KL in its loss, with beta = tau.
    """
    log_ref, reward = problem.log_ref, problem.reward
    tabular = policies.tabular(3)
    theta = tabular.init(log_start)

    def soft(state: Any) -> signals.Signal:  # each algorithm has a state of its own
        advantage = gibbs.soft_advantage(state.log_pi, log_ref, reward, tau)
        return signals.exact(state.log_pi, advantage)

    def standardized(state: Any) -> signals.Signal:
        pi = np.exp(state.log_pi)
        centred = reward - np.sum(pi * reward, axis=-1, keepdims=True)
        scale = np.sqrt(np.sum(pi * centred**2, axis=-1, keepdims=True))
        return signals.exact(state.log_pi, centred / scale)

    def path(algorithm: Algorithm, start: Array, signal: Callable[[Any], signals.Signal]) -> Array:
        return np.exp(run(algorithm, start, signal, n_steps).log_pi)

    slow: dict[str, Any] = {"learning_rate": 0.05, "epochs": 4}
    with_reference = grpo.grpo(
        tabular, log_ref=log_ref, beta=tau, penalty="exact", optimizer="sgd", learning_rate=0.2
    )

    def euclid(x: Array) -> Array:
        return mirror.euclidean_step(x, tau * np.log(x / np.exp(log_ref)) - reward, 0.05)

    ways: dict[str, Callable[[], Array]] = {
        "euclid": lambda: iterate(euclid, np.exp(log_start), n_steps),
        "mirror": lambda: path(mirror.mirror_descent(0.15 / tau), np.asarray(log_start), soft),
        "trpo": lambda: path(trpo.trpo(tabular, 0.02, line_search=False), theta, soft),
        "ppo": lambda: path(ppo.ppo(tabular, **slow), theta, soft),
        "grpo": lambda: path(with_reference, theta, standardized),
    }
    return {role: ways[role]() for role in roles}


def everyone(problem: Problem, tau: float, log_start: ArrayLike, n_steps: int = 200) -> None:
    """Draw the paths, the reference, the Gibbs policy, and where each path ends."""
    names = {
        "euclid": "squared distance",
        "mirror": "mirror descent",
        "trpo": "TRPO",
        "ppo": "PPO",
        "grpo": "GRPO",
    }
    # TRPO takes the mirror's curve: its steps are shown on top of a broad line.
    special: dict[str, dict[str, Any]] = {
        "mirror": {"lw": 5.5, "alpha": 0.45},
        "trpo": {"marker": "o", "ms": 3.5},
    }
    target = np.exp(gibbs.log_gibbs(problem.log_ref, problem.reward, tau))
    with figure(size=(5.6, 5.0)) as ax:
        draw.triangle(ax)
        for role, path in runs(problem, tau, log_start, n_steps).items():
            xy = draw.to_plane(path)
            look = {"color": COLORS[role], "ls": LINES[role], "label": names[role]}
            ax.plot(*xy.T, **look, **special.get(role, {}))
        draw.mark(ax, np.exp(problem.log_ref), r"$\pi_{\mathrm{ref}}$", marker="s", dx=-2, dy=-16)
        draw.mark(ax, np.exp(log_start), "start", dx=-10, dy=-27)
        draw.mark(ax, target, "", marker="*", size=150)
        x, y = draw.to_plane(target)
        label_line(ax, x, y, r"$\pi^*$", COLORS["gibbs"], dx=-28, dy=-3)
        ax.legend(loc="upper left", bbox_to_anchor=(-0.05, 1.0))

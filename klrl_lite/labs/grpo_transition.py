"""Lab of chapter 10: sampled runs whose beta is lowered and raised again."""

from typing import Any

import numpy as np
from scipy.special import expit

from .. import equilibria, policies, thresholds
from .._types import Array
from ..algorithms import run
from ..algorithms.grpo import group_signal, grpo
from ..plots.style import COLORS, figure
from .running import Running, Tick, counted, no_tick

_RUNGS = 13  # of the ladder that the widgets show


def transition_state(
    p_ref: float,
    group_size: int,
    *,
    beta_low: float = 0.22,
    beta_high: float = 0.42,
    n_rungs: int = 13,
    n_steps: int = 30,
    n_groups: int = 16,
    learning_rate: float = 3.0,
    n_seeds: int = 4,
    seed: int = 0,
    tick: Tick = no_tick,
) -> dict[str, Any]:
    """Compute what the lab of chapter 10 shows: a loop in beta, and the equation of state.

    Rewards are 0 or 1, divided by the std of the group; the exact KL is in the loss.

    Parameters
    ----------
    p_ref : float
        Support.
    group_size : int
    beta_low, beta_high, n_rungs
        The ladder of beta, first down and then up.
    n_steps, n_groups, learning_rate, n_seeds, seed
        Of the sampled runs: updates on each rung, groups in an update, plain gradient ascent.
    tick : callable
        Called at each update.

    Returns
    -------
    dict
        `beta` (n_rungs,), descending; `down`, `up`: success at the end of each rung, in the
        order of `beta`, shape (n_rungs, n_seeds); `curve`: beta and success of all fixed points;
        `folds`: the betas where it turns back; `gibbs`: success at tau = beta on the rungs.

    Examples
    --------
    >>> state = transition_state(1e-3, 16, n_rungs=2, n_steps=1)
    >>> state["folds"].round(3).tolist(), state["up"].shape
    ([0.268, 0.335], (2, 4))
    """
    rng = np.random.default_rng(seed)
    beta = np.linspace(beta_high, beta_low, n_rungs)
    log_ref = np.log([1.0 - p_ref, p_ref])
    signal = counted(group_signal([0.0, 1.0], group_size, n_groups, rng=rng), tick)
    first = equilibria.grpo_equilibria(p_ref, beta_high, group_size)[0][0]
    policy = np.tile(np.log([1.0 - first, first]), (n_seeds, 1))
    ends = []
    for b in [*beta, *beta[::-1]]:
        learner = grpo(
            policies.tabular(2), log_ref=log_ref, beta=float(b), learning_rate=learning_rate,
            optimizer="sgd",
        )  # fmt: skip
        policy = run(learner, policy, signal, n_steps).log_pi[-1]
        ends.append(np.exp(policy[..., 1]))
    down, up = np.split(np.stack(ends), 2)
    return {
        "beta": beta,
        "down": down,
        "up": up[::-1],
        "curve": equation_of_state(p_ref, group_size, beta_low, beta_high),
        "folds": equilibria.grpo_folds(p_ref, group_size)[0],
        "gibbs": thresholds.success_probability(p_ref, 1.0, beta),
    }


def equation_of_state(
    p_ref: float, group_size: float, beta_low: float, beta_high: float, n_points: int = 1500
) -> Array:
    """Beta and success of all fixed points with beta in a range, in the order of success.

    Returns
    -------
    numpy.ndarray, shape (2, n)

    Examples
    --------
    >>> beta, success = equation_of_state(0.1, 2, 0.5, 1.0)
    >>> bool(np.all(np.diff(beta) < 0))
    True
    """
    price = float(np.asarray(thresholds.log_odds_against(p_ref)))
    log_odds = np.linspace(-price, max(0.0, -price) + 14.0, n_points)[1:]
    success = expit(log_odds)
    beta = equilibria.std_advantage_force(success, group_size) / (log_odds + price)
    keep = (beta >= beta_low) & (beta <= beta_high)
    return np.stack([beta[keep], success[keep]])


def transition_lab() -> Any:
    """Sliders for support, group, range of beta, pace and seed; needs ipywidgets."""
    import ipywidgets as widgets

    p_ref = widgets.FloatLogSlider(1e-3, min=-4, max=-1, step=0.1, description="support p")
    group = widgets.SelectionSlider(options=[4, 8, 12, 16, 24, 32], value=16, description="G")
    span = widgets.FloatRangeSlider(
        value=(0.22, 0.42), min=0.1, max=1.0, step=0.02, description="β from, to"
    )
    steps = widgets.IntSlider(30, min=5, max=200, step=5, description="steps")
    groups = widgets.SelectionSlider(options=[2, 4, 16, 64], value=16, description="groups")
    seed = widgets.IntSlider(0, 0, 20, description="seed")

    def compute(tick):
        low, high = span.value
        return transition_state(
            p_ref.value, group.value, beta_low=low, beta_high=max(high, low + 0.02),
            n_rungs=_RUNGS, n_steps=steps.value, n_groups=groups.value, seed=seed.value, tick=tick,
        )  # fmt: skip

    def draw(state):
        with figure(size=(7, 3.8)) as ax:
            ax.plot(*state["curve"], color=COLORS["gibbs"], lw=1.2)
            ax.plot(state["beta"], state["down"], "v-", color=COLORS["mirror"], ms=4, lw=0.8)
            ax.plot(state["beta"], state["up"], "^-", color=COLORS["euclid"], ms=4, lw=0.8)
            ax.set(xlabel=r"$\beta$ (blue: down, orange: up)", ylabel="success", ylim=(0, 1.03))

    running = Running(compute, draw, lambda: 2 * _RUNGS * steps.value)
    controls = [p_ref, group, span, steps, groups, seed]
    for control in controls:
        control.observe(running.start, names="value")
    running.start()
    return widgets.VBox([*controls, running.box])

"""Lab of chapter 10: sampled runs whose beta is lowered and raised again."""

from typing import Any

import numpy as np
from scipy.special import expit

from .. import equilibria, policies, thresholds
from .._types import Array
from ..algorithms import run
from ..algorithms.grpo import group_signal, grpo
from ..plots.style import COLORS, figure


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
    signal = group_signal([0.0, 1.0], group_size, n_groups, rng=rng)
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
    """Sliders for support, group, range of beta and pace; needs ipywidgets."""
    import ipywidgets as widgets
    import matplotlib.pyplot as plt

    p_ref = widgets.FloatLogSlider(1e-3, min=-4, max=-1, step=0.1, description="support p")
    group = widgets.SelectionSlider(options=[4, 8, 12, 16, 24, 32], value=16, description="G")
    span = widgets.FloatRangeSlider(
        value=(0.22, 0.42), min=0.1, max=1.0, step=0.02, description="β from, to"
    )
    steps = widgets.IntSlider(30, min=5, max=200, step=5, description="steps")
    groups = widgets.SelectionSlider(options=[2, 4, 16, 64], value=16, description="groups")
    out = widgets.Output()

    def draw(_=None):
        low, high = span.value
        state = transition_state(
            p_ref.value, group.value, beta_low=low, beta_high=max(high, low + 0.02),
            n_steps=steps.value, n_groups=groups.value,
        )  # fmt: skip
        with out, figure(size=(7, 3.8)) as ax:
            out.clear_output(wait=True)
            ax.plot(*state["curve"], color=COLORS["gibbs"], lw=1.2)
            ax.plot(state["beta"], state["down"], "v-", color=COLORS["mirror"], ms=4, lw=0.8)
            ax.plot(state["beta"], state["up"], "^-", color=COLORS["euclid"], ms=4, lw=0.8)
            ax.set(xlabel=r"$\beta$ (blue: down, orange: up)", ylabel="success", ylim=(0, 1.03))
            plt.show()

    controls = [p_ref, group, span, steps, groups]
    for control in controls:
        control.observe(draw, names="value")
    draw()
    return widgets.VBox([*controls, out])

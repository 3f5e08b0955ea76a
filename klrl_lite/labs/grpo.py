"""Lab of chapter 05: sampled runs, and the fixed points that they should settle at."""

from typing import Any

import numpy as np

from .. import equilibria, policies, thresholds
from ..algorithms import run
from ..algorithms.grpo import group_signal, grpo
from ..plots.style import COLORS, LINES, figure

#: Penalties on offer, by what a trainer would call them.
PENALTIES = ("exact", "k3", "k1_in_reward")


def grpo_state(
    p_ref: float,
    beta: float,
    group_size: int,
    *,
    baseline: str = "mean",
    normalize: bool = True,
    penalty: str = "exact",
    n_groups: int = 16,
    n_steps: int = 200,
    learning_rate: float = 0.3,
    n_seeds: int = 8,
    seed: int = 0,
) -> dict[str, Any]:
    """Compute what the lab of chapter 05 shows, for a reward of 0 or 1.

    Parameters
    ----------
    p_ref, beta : float
        Support and penalty coefficient.
    group_size : int
        G >= 2.
    baseline : {"mean", "leave_one_out"}
    normalize : bool
        Divide by the std of the group.
    penalty : str
        One of `PENALTIES`.
    n_groups, n_steps, learning_rate, n_seeds, seed
        Of the sampled runs, which start at the reference.

    Returns
    -------
    dict
        `success`, shape (n_steps + 1, n_seeds); `rest`, the stable fixed points of the expected
        update, ascending; `gibbs`, success of the Gibbs policy at tau = beta.

    Examples
    --------
    >>> state = grpo_state(0.1, 0.5, 4, normalize=False, n_steps=1)
    >>> bool(state["rest"] < state["gibbs"])
    True
    """
    log_ref = np.log([1.0 - p_ref, p_ref])
    options = {"baseline": baseline, "normalize": normalize}
    signal = group_signal(
        [0.0, 1.0], group_size, n_groups, rng=np.random.default_rng(seed),
        log_ref=log_ref, beta=beta, penalty=penalty, **options,
    )  # fmt: skip
    learner = grpo(
        policies.tabular(2), log_ref=log_ref, beta=beta, penalty=penalty,
        learning_rate=learning_rate, optimizer="sgd",
    )  # fmt: skip
    path = run(learner, np.tile(log_ref, (n_seeds, 1)), signal, n_steps).log_pi
    return {
        "success": np.exp(path[..., 1]),
        "rest": _rest(p_ref, beta, group_size, penalty, **options),
        "gibbs": float(thresholds.success_probability(p_ref, 1.0, beta)),
    }


def _rest(p_ref, beta, group_size, penalty, *, baseline, normalize):
    if penalty == "k1_in_reward":  # all rewards agree at Gibbs, whatever is done to them
        return np.atleast_1d(thresholds.success_probability(p_ref, 1.0, beta))
    # What the baseline multiplies the reward's pull by is divided out of beta instead.
    shrunk = 1.0 - 1.0 / group_size
    if normalize:
        beta = beta * (shrunk if baseline == "leave_one_out" else 1.0)
        if penalty == "k3":
            return np.atleast_1d(equilibria.k3_std_fixed_point(p_ref, beta, group_size))
        success, stable = equilibria.grpo_equilibria(p_ref, beta, group_size)
        return success[stable]
    beta = beta / (1.0 if baseline == "leave_one_out" else shrunk)
    solve = equilibria.k3_fixed_point if penalty == "k3" else equilibria.k2_fixed_point
    return np.atleast_1d(solve(p_ref, beta))


def grpo_lab() -> Any:
    """Sliders for support, beta and group; menus for baseline, divisor, KL; needs ipywidgets."""
    import ipywidgets as widgets
    import matplotlib.pyplot as plt

    p_ref = widgets.FloatLogSlider(0.05, min=-3, max=-0.4, step=0.05, description="support p")
    beta = widgets.FloatLogSlider(0.5, min=-1, max=0.7, step=0.02, description="β")
    group = widgets.SelectionSlider(options=[2, 4, 8, 16, 32, 64], value=8, description="G")
    rate = widgets.FloatLogSlider(0.3, min=-2, max=0.5, step=0.1, description="rate")
    baseline = widgets.Dropdown(options=["mean", "leave_one_out"], description="baseline")
    divide = widgets.Checkbox(True, description="divide by std")
    penalty = widgets.Dropdown(options=PENALTIES, description="KL")
    seed = widgets.IntSlider(0, 0, 20, description="seed")
    out = widgets.Output()

    def draw(_=None):
        state = grpo_state(
            p_ref.value, beta.value, group.value, baseline=baseline.value,
            normalize=divide.value, penalty=penalty.value, learning_rate=rate.value,
            seed=seed.value,
        )  # fmt: skip
        with out, figure(size=(7, 3.6)) as ax:
            out.clear_output(wait=True)
            ax.plot(state["success"], color=COLORS["grpo"], lw=0.8, alpha=0.6)
            for i, level in enumerate(state["rest"]):
                ax.axhline(level, color=COLORS["gibbs"], lw=1.6, label=None if i else "predicted")
            ax.axhline(
                state["gibbs"],
                color=COLORS["mirror"],
                ls=LINES["euclid"],
                label=r"Gibbs at $\beta$",
            )
            ax.set(xlabel="updates", ylabel="success", ylim=(-0.02, 1.02))
            ax.legend(loc="center right")
            plt.show()

    boxes = [
        widgets.VBox(c) for c in ([p_ref, beta, group, rate], [baseline, divide, penalty, seed])
    ]
    for box in boxes:
        for control in box.children:
            control.observe(draw, names="value")
    draw()
    return widgets.VBox([widgets.HBox(boxes), out])

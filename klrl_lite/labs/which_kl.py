"""Lab of chapter 11: expected runs over all answers of a few tokens, with any of the penalties."""

from typing import Any

import numpy as np

from .. import policies, simplex
from ..plots.style import COLORS, figure
from ..plots.which_kl import success_at

#: Penalties on offer: place, estimator, and whether the ratio is the token's or the answer's.
PENALTIES = (
    "k1 in the reward",
    "k1 in the loss",
    "k2 in the loss",
    "k3 in the loss",
    "k3 times the token's ratio",
    "k3 times the answer's ratio",
)
#: What each of them charges, in the names of `plots.which_kl.success_at`; k1 in the loss: nothing.
CHARGES = ("exact", None, "token k2", "token k3", "token k2", "exact")


def which_kl_state(
    q_step: float,
    n_steps: int,
    beta: float,
    *,
    penalty: str = "k3 in the loss",
    std: bool = False,
    n_updates: int = 300,
    eta: float = 0.2,
) -> dict[str, Any]:
    """Compute what the lab of chapter 11 shows: one right answer of `n_steps` binary tokens.

    Parameters
    ----------
    q_step : float
        Support of each token.
    n_steps : int
        Tokens; the run sums over all 2**n_steps answers.
    beta : float
    penalty : str
        One of `PENALTIES`, applied token by token.
    std : bool
        Divide the reward by its standard deviation (large groups).
    n_updates : int
    eta : float
        Step of the natural gradient, for beta = 1.

    Returns
    -------
    dict
        `success` (n_updates + 1,), of the run from the reference; `rest`, success predicted
        there, or None if there is no prediction; `gibbs`, that of the KL of the answer, no std.

    Examples
    --------
    >>> state = which_kl_state(0.5, 2, 0.5, n_updates=200)
    >>> bool(abs(state["success"][-1] - state["rest"]) < 1e-6)
    True
    """
    answers = policies.sequences(n_steps)
    spot = np.stack(
        [2**t - 1 + answers[:, :t] @ 2 ** np.arange(t)[::-1] for t in range(n_steps)], -1
    )
    log_ref = np.tile(np.log([1.0 - q_step, q_step]), (2**n_steps - 1, 1))
    base, right = log_ref[spot, answers], answers.min(axis=-1, keepdims=True)
    theta, success = log_ref, [q_step**n_steps]
    for _ in range(n_updates):
        log_p = theta[spot, answers]
        rate = np.clip(np.exp(log_p[-1].sum()), 1e-12, 1.0 - 1e-12)
        pull = (right - rate) / np.sqrt(rate * (1.0 - rate)) if std else 1.0 * right
        weight = np.exp(log_p.sum(axis=-1))[:, None] + 0 * spot
        total, visits = np.zeros((2, *theta.shape))
        np.add.at(total, (spot, answers), weight * (pull - beta * _charge(log_p - base, penalty)))
        np.add.at(visits, (spot, answers), weight)
        move = np.divide(total, visits, out=np.zeros_like(total), where=visits > 0)
        theta = simplex.log_normalize(theta + eta / max(beta, 1.0) * np.clip(move, -10, 10))
        success.append(float(np.exp(theta[spot, answers][-1].sum())))
    return {
        "success": np.array(success),
        "rest": None if std else _rest(q_step, n_steps, beta, penalty),
        "gibbs": float(success_at("exact", 1.0 / beta, q_step, n_steps)),
    }


def _charge(d, penalty):
    """Coefficient of each token's score, answers by tokens."""
    match penalty:
        case "k1 in the reward":
            return d[:, ::-1].cumsum(axis=-1)[:, ::-1]  # this token's KL and that of later ones
        case "k1 in the loss":
            return np.ones_like(d)
        case "k2 in the loss" | "k3 times the token's ratio":
            return d
        case "k3 in the loss":
            return -np.expm1(-d)
        case "k3 times the answer's ratio":
            k3 = np.expm1(-d) + d
            return k3.sum(axis=-1, keepdims=True) - np.expm1(-d)
    raise ValueError(f"penalty must be one of {', '.join(PENALTIES)}; got {penalty!r}")


def _rest(q_step, n_steps, beta, penalty):
    kind = CHARGES[PENALTIES.index(penalty)]
    return 1.0 if kind is None else float(success_at(kind, 1.0 / beta, q_step, n_steps))


def which_kl_lab() -> Any:
    """Sliders for support, length and beta; a menu of penalties; needs ipywidgets."""
    import ipywidgets as widgets
    import matplotlib.pyplot as plt

    q_step = widgets.FloatSlider(0.5, min=0.1, max=0.95, step=0.05, description="token q")
    n_steps = widgets.IntSlider(4, min=1, max=8, description="tokens K")
    beta = widgets.FloatLogSlider(0.3, min=-1.5, max=0.7, step=0.05, description="β")
    penalty = widgets.Dropdown(options=PENALTIES, value="k3 in the loss", description="KL")
    std = widgets.Checkbox(False, description="divide by std")
    out = widgets.Output()
    controls = (q_step, n_steps, beta, penalty, std)

    def draw(_=None):
        state = which_kl_state(
            q_step.value, n_steps.value, beta.value, penalty=penalty.value, std=std.value
        )
        with out, figure(size=(7, 3.4)) as ax:
            out.clear_output(wait=True)
            ax.plot(state["success"], color=COLORS["grpo"])
            if state["rest"] is not None:
                ax.axhline(state["rest"], color=COLORS["gibbs"], lw=1.4, label="predicted")
            ax.axhline(state["gibbs"], color=COLORS["mirror"], ls="--", label=r"Gibbs at $\beta$")
            ax.set(xlabel="updates", ylabel="success", ylim=(-0.02, 1.02))
            ax.legend(loc="center right")
            plt.show()

    for control in controls:
        control.observe(draw, names="value")
    draw()
    return widgets.VBox(
        [widgets.HBox([widgets.VBox(controls[:3]), widgets.VBox(controls[3:])]), out]
    )

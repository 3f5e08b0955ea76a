"""Lab of chapter 09: one run of a policy with one knob beside the flow that it cannot follow."""

from typing import Any

import numpy as np

from .. import flow, gibbs, problems, signals, simplex
from .._types import ArrayLike
from ..algorithms import run, trpo
from ..plots import simplex as draw_simplex
from ..plots.limits import knob, valleys
from ..plots.style import COLORS, LINES, figure


def limits_state(
    p_ref: ArrayLike, pay: float, tau: float, theta0: float, eta: float, n_steps: int = 120
) -> dict[str, Any]:
    """Compute what the lab of chapter 09 shows.

    Parameters
    ----------
    p_ref : array_like, shape (3,)
        Positive weights of the answers A, B and wrong, normalized here.
    pay : float
        Reward of A; B pays 1, the wrong answer nothing.
    tau, theta0, eta : float
        Temperature, start of the knob, step of the natural gradient in units of 1/tau.
    n_steps : int

    Returns
    -------
    dict
        `path` of the run and `flow` from the same start (steps, 3), `target`, `valleys` (their
        parameters, from the left and from the right), `gap`: free energy of the run above its
        minimum over all policies, `floor`: the same at the valleys.
    """
    problem = problems.levels(np.log(p_ref), [pay, 1.0, 0.0])
    log_ref, reward = problem.log_ref, problem.reward
    policy, star = knob(log_ref), gibbs.log_gibbs(log_ref, reward, tau)

    def soft(state):
        return signals.exact(state.log_pi, gibbs.soft_advantage(state.log_pi, log_ref, reward, tau))

    log_path = run(trpo.natural_gradient(policy, eta / tau), [theta0], soft, n_steps).log_pi
    found = valleys(log_ref, reward, tau)
    clock = eta / tau * np.arange(n_steps + 1)
    return {
        "path": np.exp(log_path),
        "flow": np.exp(flow.kl_flow(clock, log_path[0], star, tau)),
        "target": np.exp(star),
        "valleys": found.theta,
        "gap": tau * simplex.kl(log_path, star),
        "floor": tau * simplex.kl(policy.log_prob(found.theta[:, None]), star),
    }


def limits_lab() -> Any:
    """Sliders for the reference, one reward, temperature, start and step; needs ipywidgets."""
    import ipywidgets as widgets
    import matplotlib.pyplot as plt

    ref = [
        widgets.FloatSlider(v, min=0.02, max=1.0, step=0.02, description=f"reference {name}")
        for name, v in zip(("A", "B", "wrong"), (0.1, 0.1, 0.8), strict=True)
    ]
    pay = widgets.FloatSlider(1.0, min=0.0, max=1.0, step=0.05, description="reward A")
    tau = widgets.FloatSlider(0.4, min=0.1, max=1.2, step=0.02, description="τ")
    start = widgets.FloatSlider(0.8, min=-4, max=4, step=0.1, description="start θ")
    eta = widgets.FloatSlider(0.2, min=0.02, max=1.0, step=0.02, description="ητ")
    out = widgets.Output()

    def draw(_=None):
        state = limits_state([w.value for w in ref], pay.value, tau.value, start.value, eta.value)
        with out, figure(1, 2, size=(9, 3.8)) as (triangle, energy):
            out.clear_output(wait=True)
            draw_simplex.triangle(triangle, names=("A", "B", "wrong"))
            for name, role in (("flow", "mirror"), ("path", "trpo")):
                xy = draw_simplex.to_plane(state[name])
                triangle.plot(*xy.T, color=COLORS[role], ls=LINES[role], label=name)
            draw_simplex.mark(triangle, state["target"], "target", marker="*", size=150)
            energy.semilogy(state["gap"], color=COLORS["trpo"], ls=LINES["trpo"])
            for floor in state["floor"]:
                energy.axhline(floor, color=COLORS["reference"], ls=":")
            energy.set(xlabel="steps", title=r"$F - F^*$ of the run; dotted, its valleys")
            triangle.legend(loc="upper left", bbox_to_anchor=(-0.1, 1.0))
            plt.show()

    boxes = [widgets.VBox(group) for group in (ref, [pay, tau], [start, eta])]
    for box in boxes:
        for control in box.children:
            control.observe(draw, names="value")
    draw()
    return widgets.VBox([widgets.HBox(boxes), out])

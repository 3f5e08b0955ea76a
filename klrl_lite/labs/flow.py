"""Lab of chapter 06: three flows of one free energy from a start of one's own."""

from typing import Any

import numpy as np
from scipy.integrate import solve_ivp

from .. import flow, gibbs, problems, simplex
from .._types import ArrayLike
from ..plots import simplex as draw_simplex
from ..plots.style import COLORS, LINES, figure

#: Flow -> (role in the figures, name in the legend).
FLOWS = {
    "exact": ("mirror", "replicator"),
    "plain": ("euclid", "gradient in logits"),
    "saturated": ("ppo", "saturating"),
}


def flow_state(
    p_ref: ArrayLike,
    reward: ArrayLike,
    tau: float,
    cap: float,
    start: ArrayLike,
    last: float = 40.0,
    n_times: int = 161,
) -> dict[str, Any]:
    """What the lab of chapter 06 shows: three paths over time, and F above its minimum on each.

    Parameters
    ----------
    p_ref, start : array_like, shape (3,)
        Positive weights, normalized here.
    reward : array_like, shape (3,)
    tau, cap : float
        Temperature; largest advantage to which the saturating flow responds.
    last : float
        Time at which the flows end.

    Returns
    -------
    dict
        `times`, `target`, and for "exact" (closed form), "plain" (gradient in logits) and
        "saturated" a pair (path, F above its minimum), of shapes (n_times, 3) and (n_times,).
    """
    problem = problems.levels(np.log(p_ref), reward)
    log_start = simplex.log_normalize(np.log(start))
    log_star = gibbs.log_gibbs(problem.log_ref, problem.reward, tau)
    times = np.linspace(0.0, last, n_times)

    def solved(response):
        def field(_, log_pi):
            log_pi = simplex.log_normalize(log_pi)
            advantage = gibbs.soft_advantage(log_pi, problem.log_ref, problem.reward, tau)
            return flow.replicator(log_pi, response(np.exp(log_pi), advantage))

        run = solve_ivp(field, (0.0, last), log_start, "LSODA", times, rtol=1e-8, atol=1e-10)
        return simplex.log_normalize(run.y.T)

    paths = {
        "exact": flow.kl_flow(times, log_start, log_star, tau),
        "plain": solved(lambda pi, advantage: pi * advantage),
        "saturated": solved(lambda pi, advantage: np.clip(advantage, -cap, cap)),
    }
    shown = {name: (np.exp(p), tau * simplex.kl(p, log_star)) for name, p in paths.items()}
    return shown | {"times": times, "target": np.exp(log_star)}


def flow_lab() -> Any:
    """Sliders for reference, reward, temperature, cap and start; needs ipywidgets."""
    import ipywidgets as widgets
    import matplotlib.pyplot as plt

    def weight(name, value):
        return widgets.FloatSlider(value, min=0.02, max=1.0, step=0.02, description=name)

    ref = [weight(f"reference {i}", v) for i, v in enumerate((0.7, 0.24, 0.06))]
    start = [weight(f"start {i}", v) for i, v in enumerate((0.9, 0.02, 0.08))]
    reward = [
        widgets.FloatSlider(v, min=-1, max=1, step=0.05, description=f"reward {i}")
        for i, v in enumerate((0.0, 0.6, 1.0))
    ]
    tau = widgets.FloatLogSlider(0.2, min=-1.5, max=0.5, step=0.05, description="τ")
    cap = widgets.FloatLogSlider(0.1, min=-2, max=0.5, step=0.05, description="cap")
    out = widgets.Output()

    def draw(_=None):
        state = flow_state(
            [w.value for w in ref], [w.value for w in reward], tau.value, cap.value,
            [w.value for w in start],
        )  # fmt: skip
        with out, figure(1, 2, size=(9, 3.6)) as (triangle, gap):
            out.clear_output(wait=True)
            draw_simplex.triangle(triangle, names=("0", "1", "2"))
            draw_simplex.mark(triangle, state["target"], r"$\pi^*$", marker="*", size=130)
            for name, (role, label) in FLOWS.items():
                path, above = state[name]
                style = {"color": COLORS[role], "ls": LINES[role], "label": label}
                triangle.plot(*draw_simplex.to_plane(path).T, **style)
                gap.semilogy(state["times"], np.maximum(above, 1e-12), **style)
            gap.set(xlabel="time", title="$F - F^*$")
            gap.legend()
            plt.show()

    boxes = [widgets.VBox(group) for group in (ref, reward, start, [tau, cap])]
    for box in boxes:
        for control in box.children:
            control.observe(draw, names="value")
    draw()
    return widgets.VBox([widgets.HBox(boxes), out])

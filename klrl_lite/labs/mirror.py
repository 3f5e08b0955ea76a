"""Lab of chapter 01: both geometries from a start of one's own."""

from typing import Any

import numpy as np

from .. import gibbs, problems, simplex
from .._types import ArrayLike
from ..plots import mirror as mirror_figures
from ..plots import simplex as draw_simplex
from ..plots.style import COLORS, LINES, figure


def mirror_state(
    p_ref: ArrayLike, reward: ArrayLike, tau: float, eta: float, start: ArrayLike, n_steps: int = 40
) -> dict[str, Any]:
    """What the lab of chapter 01 shows: two paths, shapes (n_steps + 1, 3), F above its minimum.

    `p_ref` and `start` are three positive weights, normalized here.
    """
    problem = problems.levels(np.log(p_ref), reward)
    log_start = simplex.log_normalize(np.log(start))
    entropy, euclid, stuck = mirror_figures.paths(problem, tau, log_start, [eta], n_steps)
    log_star = gibbs.log_gibbs(problem.log_ref, problem.reward, tau)
    with np.errstate(divide="ignore"):
        gaps = [tau * simplex.kl(np.log(path[:, 0]), log_star) for path in (entropy, euclid)]
    return {
        "entropy": entropy[:, 0],
        "euclid": euclid[:, 0],
        "gaps": gaps,
        "stuck": bool(stuck[0]),
        "target": np.exp(log_star),
    }


def mirror_lab() -> Any:
    """Sliders for reference, reward, temperature, step and start; needs ipywidgets."""
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
    tau = widgets.FloatLogSlider(0.25, min=-2, max=1, step=0.05, description="τ")
    eta = widgets.FloatLogSlider(1.0, min=-2, max=1.5, step=0.05, description="η")
    out = widgets.Output()

    def draw(_=None):
        state = mirror_state(
            [w.value for w in ref], [w.value for w in reward], tau.value, eta.value,
            [w.value for w in start],
        )  # fmt: skip
        with out, figure(1, 2, size=(9, 3.6)) as (triangle, gap):
            out.clear_output(wait=True)
            draw_simplex.triangle(triangle, names=("0", "1", "2"))
            draw_simplex.mark(triangle, state["target"], r"$\pi^*$", marker="*", size=130)
            for role, values in zip(("entropy", "euclid"), state["gaps"], strict=True):
                name = {"entropy": "mirror"}.get(role, role)
                style = {"color": COLORS[name], "ls": LINES[name], "label": name}
                triangle.plot(*draw_simplex.to_plane(state[role]).T, marker="o", ms=3, **style)
                gap.semilogy(np.maximum(values, 1e-16), **style)
            gap.set(xlabel="steps", title=rf"$F - F^*$, $\eta\tau$ = {eta.value * tau.value:.2f}")
            gap.legend()
            plt.show()

    boxes = [widgets.VBox(group) for group in (ref, reward, start, [tau, eta])]
    for box in boxes:
        for control in box.children:
            control.observe(draw, names="value")
    draw()
    return widgets.VBox([widgets.HBox(boxes), out])

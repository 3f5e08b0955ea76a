"""Lab of chapter 02: a run with both KLs, and what each of them costs along the way."""

from typing import Any

import numpy as np

from .. import gibbs, problems, simplex
from .._types import ArrayLike
from ..plots import simplex as draw_simplex
from ..plots.style import COLORS, LINES, figure
from ..plots.two_kls import run


def two_kls_state(
    p_ref: ArrayLike,
    reward: ArrayLike,
    tau: float,
    eta: float,
    *,
    implicit: bool = False,
    reset_every: int = 0,
    n_steps: int = 40,
) -> dict[str, Any]:
    """Compute what the lab of chapter 02 shows, for a run that starts at the reference.

    Parameters
    ----------
    p_ref : array_like, shape (3,)
        Positive weights, normalized here.
    reward : array_like, shape (3,)
    tau, eta : float
    implicit : bool
        Keep the objective in the step instead of its tangent.
    reset_every : int
        Make the current policy the reference after so many steps; 0 for never.

    Returns
    -------
    dict
        `path`, shape (n_steps + 1, 3); `to_reference` and `of_step`, the two KLs after each step,
        shape (n_steps,); `target`, the Gibbs policy of the first reference.
    """
    problem = problems.levels(np.log(p_ref), reward)
    first, block = problem.log_ref, reset_every or n_steps
    path, to_reference = first[None], []
    while len(path) <= n_steps:
        steps = min(block, n_steps + 1 - len(path))
        part = run(problem, tau, path[-1], eta, steps, implicit=implicit)[1:]
        to_reference.append(simplex.kl(part, problem.log_ref))
        path = np.concatenate([path, part])
        problem = problems.levels(path[-1], reward)
    return {
        "path": np.exp(path),
        "to_reference": np.concatenate(to_reference),
        "of_step": simplex.kl(path[1:], path[:-1]),
        "target": np.exp(gibbs.log_gibbs(first, problem.reward, tau)),
    }


def two_kls_lab() -> Any:
    """Sliders for reference, reward, both coefficients and resets; needs ipywidgets."""
    import ipywidgets as widgets
    import matplotlib.pyplot as plt

    ref = [
        widgets.FloatSlider(v, min=0.02, max=1.0, step=0.02, description=f"reference {i}")
        for i, v in enumerate((0.6, 0.3, 0.1))
    ]
    reward = [
        widgets.FloatSlider(v, min=-1, max=1, step=0.05, description=f"reward {i}")
        for i, v in enumerate((0.0, 0.5, 1.0))
    ]
    tau = widgets.FloatLogSlider(0.4, min=-1.5, max=1, step=0.05, description="τ")
    eta = widgets.FloatLogSlider(0.6, min=-2, max=2, step=0.05, description="η")
    implicit = widgets.Checkbox(False, description="implicit step")
    reset = widgets.IntSlider(0, 0, 20, description="reset every")
    out = widgets.Output()

    def draw(_=None):
        with out, figure(1, 2, size=(9, 3.6)) as (triangle, kls):
            out.clear_output(wait=True)
            state = two_kls_state(
                [w.value for w in ref], [w.value for w in reward], tau.value, eta.value,
                implicit=implicit.value, reset_every=reset.value,
            )  # fmt: skip
            draw_simplex.triangle(triangle, names=("0", "1", "2"))
            draw_simplex.mark(triangle, state["target"], r"$\pi^*$", marker="*", size=130)
            xy = draw_simplex.to_plane(state["path"])
            triangle.plot(*xy.T, color=COLORS["mirror"], marker="o", ms=3)
            for key, role, name in (
                ("to_reference", "gibbs", "to the reference"),
                ("of_step", "mirror", "of the step"),
            ):
                floor = np.maximum(state[key], 1e-16)
                kls.semilogy(floor, color=COLORS[role], ls=LINES[role], label=name)
            kls.set(xlabel="steps", ylabel="KL", title=rf"$\eta\tau$ = {eta.value * tau.value:.2f}")
            kls.legend()
            plt.show()

    boxes = [widgets.VBox(group) for group in (ref, reward, [tau, eta], [implicit, reset])]
    for box in boxes:
        for control in box.children:
            control.observe(draw, names="value")
    draw()
    return widgets.VBox([widgets.HBox(boxes), out])

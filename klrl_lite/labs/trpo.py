"""Lab of chapter 03: both exact regions, the quadratic step and its line search."""

from typing import Any

import numpy as np

from .. import policies, signals, simplex
from .._types import Array, ArrayLike
from ..algorithms import trpo
from ..algorithms.mirror import trust_region_step
from ..plots import simplex as draw_simplex
from ..plots.style import COLORS, LINES, figure
from ..plots.trpo import REGIONS, ball


def trpo_state(
    p_old: ArrayLike, advantage: ArrayLike, kl_radius: float, *, direction: str = "new_old"
) -> dict[str, Any]:
    """Compute what the lab of chapter 03 shows, for one step from an old policy.

    Parameters
    ----------
    p_old : array_like, shape (3,)
        Positive weights, normalized here.
    advantage : array_like, shape (3,)
    kl_radius : float
    direction : {"new_old", "old_new"}
        Which KL the line search measures.

    Returns
    -------
    dict
        `old`; for each step ("new_old" and "old_new" exact, "full" quadratic, "searched" by line
        search) the new policy in `new`, the KL(new||old) spent in `kl` and the gain of the
        advantage in `gain`; `eta`, `binds` of the exact new||old step; `n_backtracks`.
    """
    log_old = simplex.log_normalize(np.log(p_old))
    advantage = np.asarray(advantage, dtype=float)
    new: dict[str, Array] = {}
    infos: dict[str, Any] = {}
    for way in REGIONS:
        new[way], infos[way] = trust_region_step(log_old, advantage, kl_radius, direction=way)
    policy, signal = policies.tabular(3), signals.exact(log_old, advantage)
    for name, search in (("full", False), ("searched", True)):
        init, step = trpo.trpo(policy, kl_radius, direction=direction, line_search=search)
        state, infos[name] = step(init(log_old), signal)
        new[name] = state.log_pi
    before = simplex.expect(log_old, advantage)
    return {
        "old": np.exp(log_old),
        "new": {name: np.exp(z) for name, z in new.items()},
        "kl": {name: float(simplex.kl(z, log_old)) for name, z in new.items()},
        "gain": {name: float(simplex.expect(z, advantage) - before) for name, z in new.items()},
        "eta": float(infos["new_old"].eta),
        "binds": bool(infos["new_old"].hits_boundary),
        "n_backtracks": int(infos["searched"].n_backtracks),
    }


def trpo_lab() -> Any:
    """Sliders for old policy, advantage and radius; needs ipywidgets."""
    import ipywidgets as widgets
    import matplotlib.pyplot as plt

    old = [
        widgets.FloatSlider(v, min=0.02, max=1.0, step=0.02, description=f"old {i}")
        for i, v in enumerate((0.6, 0.24, 0.16))
    ]
    advantage = [
        widgets.FloatSlider(v, min=-1, max=1, step=0.05, description=f"advantage {i}")
        for i, v in enumerate((0.0, 0.4, 1.0))
    ]
    radius = widgets.FloatLogSlider(0.1, min=-3, max=0.6, step=0.05, description="radius")
    out = widgets.Output()
    looks = {
        "new_old": ("mirror", "o"),
        "old_new": ("trpo", "^"),
        "full": ("euclid", "X"),
        "searched": ("gibbs", "x"),
    }

    def draw(_=None):
        state = trpo_state([w.value for w in old], [w.value for w in advantage], radius.value)
        with out, figure(1, 2, size=(9, 3.8)) as (triangle, bars):
            out.clear_output(wait=True)
            draw_simplex.triangle(triangle, names=("0", "1", "2"))
            for way, (role, _) in REGIONS.items():
                edge = draw_simplex.to_plane(ball(np.log(state["old"]), radius.value, way))
                triangle.plot(*edge.T, color=COLORS[role], ls=LINES[role], lw=1.4)
            draw_simplex.mark(triangle, state["old"], "old")
            for name, (role, marker) in looks.items():
                x, y = draw_simplex.to_plane(state["new"][name])
                triangle.scatter(x, y, color=COLORS[role], marker=marker, zorder=6)
                bars.plot(state["kl"][name], state["gain"][name], marker, color=COLORS[role],
                          ms=9, label=name)  # fmt: skip
            bars.axvline(radius.value, color=COLORS["reference"], ls=":")
            bars.set(xlabel="KL(new||old) spent", ylabel="gain")
            binds = f"η = {state['eta']:.3g}" if state["binds"] else "does not bind"
            bars.set_title(f"new||old: {binds}; line search shrank {state['n_backtracks']} times")
            bars.legend()
            plt.show()

    boxes = [widgets.VBox(group) for group in (old, advantage, [radius])]
    for box in boxes:
        for control in box.children:
            control.observe(draw, names="value")
    draw()
    return widgets.VBox([widgets.HBox(boxes), out])

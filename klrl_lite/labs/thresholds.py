"""Lab of chapter 07: rewards of several shapes over K steps."""

from typing import Any

import numpy as np

from .. import gibbs, problems, simplex
from ..plots.style import COLORS, figure

CREDITS = {
    "all or nothing": lambda share: np.where(share >= 1.0, 1.0, 0.0),
    "additive": lambda share: share,
    "partial credit (squared)": lambda share: share**2,
    "half is enough": lambda share: np.where(share >= 0.5, 1.0, 0.0),
}


def thresholds_state(credit: str, n_steps: int, q_step: float, tau: float) -> dict[str, Any]:
    """What the lab of chapter 07 shows: curves over temperature and the levels at `tau`.

    Returns
    -------
    dict
        `taus`, `share` (mean reward per step), `capacity`, and `levels` (log-mass over the number
        of right steps at `tau`).
    """
    problem = problems.chain(q_step, n_steps, credit=CREDITS[credit])
    taus = np.geomspace(0.1, 10.0, 300)
    log_pi = gibbs.log_gibbs(problem.log_ref, problem.reward, taus)
    return {
        "taus": taus,
        "share": simplex.expect(log_pi, problem.reward) / n_steps,
        "capacity": gibbs.heat_capacity(problem.log_ref, problem.reward, taus),
        "levels": gibbs.log_gibbs(problem.log_ref, problem.reward, tau),
    }


def thresholds_lab() -> Any:
    """Sliders for the reward's shape, the task and the temperature; needs ipywidgets."""
    import ipywidgets as widgets
    import matplotlib.pyplot as plt

    out = widgets.Output()
    controls = {
        "credit": widgets.Dropdown(options=list(CREDITS), description="reward"),
        "n_steps": widgets.IntSlider(20, 1, 200, description="steps K"),
        "q_step": widgets.FloatSlider(0.5, min=0.05, max=0.95, step=0.05, description="support q"),
        "tau": widgets.FloatLogSlider(1.0, min=-1, max=1, step=0.02, description="τ"),
    }

    def draw(_=None):
        state = thresholds_state(**{name: control.value for name, control in controls.items()})
        with out, figure(1, 3, size=(10, 2.8)) as (share, capacity, levels):
            out.clear_output(wait=True)
            for ax, key, title, role in (
                (share, "share", "reward per step", "mirror"),
                (capacity, "capacity", "heat capacity", "euclid"),
            ):
                ax.semilogx(state["taus"], state[key], color=COLORS[role])
                ax.axvline(controls["tau"].value, color=COLORS["reference"], ls=":")
                ax.set(xlabel=r"$\tau$", title=title)
            mass = np.exp(state["levels"])
            levels.bar(np.arange(len(mass)), mass, color=COLORS["trpo"], width=1.0)
            levels.set(xlabel="right steps", title="policy")
            plt.show()

    for control in controls.values():
        control.observe(draw, names="value")
    draw()
    return widgets.VBox([*controls.values(), out])

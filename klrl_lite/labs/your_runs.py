"""Lab of chapter 16: draw a sweep from a law, and see which laws are left."""

from typing import Any

import numpy as np

from .. import diagnose
from ..diagnose.laws import BY_NAME, names_for
from ..plots import your_runs

#: Betas between which the temperatures of a sweep lie.
ENDS = (0.12, 1.2)


def your_runs_state(
    law: str = "gibbs", p_ref: float = 0.02, *, n_temperatures: int = 5, n_answers: int = 200,
    group: float = np.inf, seed: int = 0,
) -> dict[str, Any]:  # fmt: skip
    """Draw one sweep and compare the laws.

    Parameters
    ----------
    law : str
        A name of `diagnose.LAWS`: the one that makes the sweep.
    p_ref : float
        Its support.
    n_temperatures, n_answers : int
        Temperatures, and answers at each.
    group : float
        G, or inf.
    seed : int

    Returns
    -------
    dict
        beta, success, n; `fits` (list of LawFit), `families` that are left, and the curves of all
        laws for the figure.
    """
    rng = np.random.default_rng(seed)
    beta = np.geomspace(*ENDS, n_temperatures)
    price = float(np.log1p(-p_ref) - np.log(p_ref))
    P = diagnose.curves(law, tuple(beta.tolist()), group, 1.0, 0, (price,))[0, 0]
    success = rng.binomial(n_answers, P) / n_answers
    n = np.full(beta.shape, float(n_answers))
    sweep = diagnose.Sweep(beta, success, n, np.zeros(beta.shape, int), group)
    fits = diagnose.compare(sweep, rng=rng, resamples=199)
    fine = np.geomspace(0.1, 1.4, 100)
    drawn = {}
    for fit in fits:
        own = float(np.log1p(-fit.p_ref[0]) - np.log(fit.p_ref[0]))
        curve = diagnose.curves(fit.law, tuple(fine.tolist()), group, 1.0, 0, (own,))[0, 0]
        drawn[fit.law] = (BY_NAME[fit.law].short, fine, curve, fit.p_value > 0.05)
    return {
        "beta": beta, "success": success, "n": n, "fits": fits, "curves": drawn,
        "families": diagnose.families(fits, 0.05),
    }  # fmt: skip


def your_runs_lab() -> Any:
    """Choose the true law, its support, and how much is measured; needs ipywidgets."""
    import ipywidgets as widgets
    import matplotlib.pyplot as plt

    law = widgets.Dropdown(options=names_for(16), description="true law")
    p = widgets.FloatLogSlider(0.02, min=-4, max=-0.3, step=0.1, description="p")
    places = widgets.IntSlider(5, min=1, max=12, description="betas")
    answers = widgets.FloatLogSlider(200, min=1, max=4, step=0.1, description="answers")
    groups = widgets.Dropdown(options={"large": np.inf, "16": 16, "8": 8, "4": 4, "2": 2},
                              description="G")  # fmt: skip
    seed = widgets.IntSlider(0, min=0, max=20, description="seed")
    out = widgets.Output()

    def draw(_=None):
        chosen = law.value if law.value in names_for(groups.value) else "gibbs"
        state = your_runs_state(
            chosen, p.value, n_temperatures=places.value, n_answers=int(answers.value),
            group=groups.value, seed=seed.value,
        )  # fmt: skip
        P, n = state["success"], state["n"]
        with out:
            out.clear_output(wait=True)
            points = {"beta": state["beta"], "success": P, "error": np.sqrt(P * (1 - P) / n),
                      "used": np.ones(len(P), bool)}  # fmt: skip
            figure = your_runs.sweep(points, state["curves"])
            figure.suptitle("left: " + (", ".join(state["families"]) or "none"), fontsize=11)
            plt.show()

    controls = [law, groups, p, places, answers, seed]
    for control in controls:
        control.observe(draw, names="value")
    draw()
    boxes = [widgets.VBox(controls[:3]), widgets.VBox(controls[3:])]
    return widgets.VBox([widgets.HBox(boxes), out])

"""Lab of chapter 12: the frontier and best-of-n for rewards of several shapes."""

from typing import Any

import numpy as np
from scipy.special import ndtri

from .. import gibbs, problems, simplex
from ..plots.style import COLORS, figure
from ..plots.thermodynamics import best_of_n, on_plane
from ..solvers import bisect

#: Reward as a function of the rank under the reference, 0 worst and 1 best.
SHAPES = {
    "bell curve": ndtri,
    "uniform": lambda u: u,
    "long upper tail": lambda u: -np.log1p(-u),
    "turned round": np.log,
    "right or wrong (1 %)": lambda u: np.where(u > 0.99, 1.0, 0.0),
}


def thermodynamics_state(shape: str, tau: float, n: int, n_answers: int = 1000) -> dict[str, Any]:
    """What the lab of chapter 12 shows, for answers that are equally likely at first.

    Returns
    -------
    dict
        `frontier` (KL, mean reward, over temperatures), `gibbs` and `best_of_n` (the same two
        numbers), `wasted` (nats of best-of-n beyond the frontier), and `policies`: reward, and
        probability of each answer, for the Gibbs policy at `tau` and for best-of-n.

    Examples
    --------
    >>> state = thermodynamics_state("right or wrong (1 %)", 0.2, 16)
    >>> float(state["wasted"].round(9))
    0.0
    """
    u = (np.arange(n_answers) + 0.5) / n_answers
    problem = problems.levels(np.zeros(n_answers), SHAPES[shape](u))
    ref, reward = problem.log_ref, problem.reward
    taus = np.std(reward) * np.geomspace(0.02, 30.0, 200)
    log_star, log_best = gibbs.log_gibbs(ref, reward, tau), best_of_n(problem, n)
    spent, mean = on_plane(problem, log_best)
    s, _ = bisect(
        lambda s: simplex.expect(simplex.tilt(ref, s * reward), reward) - mean,
        -1.0,
        1e4 / np.std(reward),
    )
    return {
        "frontier": on_plane(problem, gibbs.log_gibbs(ref, reward, taus)),
        "gibbs": on_plane(problem, log_star),
        "best_of_n": (spent, mean),
        "wasted": simplex.kl(log_best, simplex.tilt(ref, s * reward)),
        "policies": (reward, np.exp(log_star), np.exp(log_best)),
    }


def thermodynamics_lab() -> Any:
    """Choices of reward, temperature and n; needs ipywidgets."""
    import ipywidgets as widgets
    import matplotlib.pyplot as plt

    out = widgets.Output()
    controls = {
        "shape": widgets.Dropdown(options=list(SHAPES), description="reward"),
        "tau": widgets.FloatLogSlider(0.5, min=-1.5, max=1, step=0.02, description="τ"),
        "n": widgets.IntSlider(16, 1, 512, description="best of"),
    }

    def draw(_=None):
        state = thermodynamics_state(**{name: control.value for name, control in controls.items()})
        reward, star, best = state["policies"]
        with out, figure(1, 2, size=(9, 3.4)) as (plane, answers):
            out.clear_output(wait=True)
            plane.plot(*state["frontier"], color=COLORS["mirror"])
            plane.plot(*state["gibbs"], "o", color=COLORS["mirror"], label="Gibbs")
            plane.plot(*state["best_of_n"], "s", color=COLORS["euclid"], label="best of n")
            plane.set(xlabel="KL to the reference", title=f"wasted: {state['wasted']:.3f} nats")
            plane.set(ylabel="mean reward")
            plane.legend(loc="lower right")
            answers.semilogy(reward, star, color=COLORS["mirror"])
            answers.semilogy(reward, np.maximum(best, 1e-12), "--", color=COLORS["euclid"])
            answers.set(xlabel="reward", title="probability of each answer")
            plt.show()

    for control in controls.values():
        control.observe(draw, names="value")
    draw()
    return widgets.VBox([*controls.values(), out])

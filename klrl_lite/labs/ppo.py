"""Lab of chapter 04: PPO on the simplex, and what its clip does to the KL of each update."""

from typing import Any

import numpy as np

from .. import gibbs, policies, problems, simplex
from .._types import ArrayLike
from ..algorithms import run
from ..algorithms.ppo import ppo
from ..plots import simplex as draw_simplex
from ..plots.style import COLORS, LINES, figure
from ..signals import exact, sampled


def ppo_state(
    p_ref: ArrayLike,
    reward: ArrayLike,
    tau: float,
    clip: float,
    epochs: int,
    learning_rate: float,
    *,
    n_samples: int = 0,
    seed: int = 0,
    n_updates: int = 40,
) -> dict[str, Any]:
    """Compute what the lab of chapter 04 shows, for a run of Adam that starts at the reference.

    Parameters
    ----------
    p_ref : array_like, shape (3,)
        Positive weights, normalized here.
    reward : array_like, shape (3,)
    tau : float
        Temperature of the reference term in the reward; 0 leaves the term out.
    clip, epochs, learning_rate
        As in `klrl_lite.algorithms.ppo.ppo`.
    n_samples : int
        Samples in each batch, drawn with `seed`; 0 for exact expectations.
    n_updates : int

    Returns
    -------
    dict
        `path`, shape (n_updates + 1, 3); `kl`, `clipped` and `outside` for each update, shape
        (n_updates,); `band`, the most KL that ratios inside the band can spend; `target`, the
        Gibbs policy, or the best answer alone if there is no reference term.
    """
    problem = problems.levels(np.log(p_ref), reward)
    rng = np.random.default_rng(seed)

    def advantage(log_pi):
        if tau > 0:
            return gibbs.soft_advantage(log_pi, problem.log_ref, problem.reward, tau)
        return problem.reward - simplex.expect(log_pi, problem.reward)

    def signal(state):
        a = advantage(state.log_pi)
        if n_samples:
            return sampled(state.log_pi, a, n_samples, rng=rng)
        return exact(state.log_pi, a)

    algorithm = ppo(policies.tabular(3), clip=clip, epochs=epochs, learning_rate=learning_rate)
    result = run(algorithm, problem.log_ref, signal, n_updates)
    coldest = 1e-6 * max(np.ptp(problem.reward), 1e-6)
    log_target = gibbs.log_gibbs(problem.log_ref, problem.reward, tau if tau > 0 else coldest)
    edges = np.array([1.0 - clip, 1.0 + clip])
    return {
        "path": np.exp(result.log_pi),
        "kl": result.info.kl,
        "clipped": result.info.clip_fraction,
        "outside": result.info.outside_fraction,
        "band": 0.5 * float(np.sum(edges * np.log(edges))),
        "target": np.exp(log_target),
    }


def ppo_lab() -> Any:
    """Sliders for reference, reward, temperature, clip, epochs and samples; needs ipywidgets."""
    import ipywidgets as widgets
    import matplotlib.pyplot as plt

    ref = [
        widgets.FloatSlider(v, min=0.02, max=1.0, step=0.02, description=f"reference {i}")
        for i, v in enumerate((0.7, 0.24, 0.06))
    ]
    reward = [
        widgets.FloatSlider(v, min=-1, max=1, step=0.05, description=f"reward {i}")
        for i, v in enumerate((0.0, 0.6, 1.0))
    ]
    tau = widgets.FloatSlider(0.2, min=0.0, max=1.0, step=0.02, description="τ (0: none)")
    clip = widgets.FloatSlider(0.2, min=0.02, max=0.9, step=0.02, description="clip")
    epochs = widgets.IntSlider(8, 1, 60, description="epochs")
    rate = widgets.FloatLogSlider(0.03, min=-3, max=0, step=0.1, description="rate")
    samples = widgets.IntSlider(0, 0, 500, step=10, description="samples (0: ∞)")
    out = widgets.Output()

    def draw(_=None):
        with out, figure(1, 2, size=(9, 3.6)) as (triangle, kls):
            out.clear_output(wait=True)
            state = ppo_state(
                [w.value for w in ref], [w.value for w in reward], tau.value, clip.value,
                epochs.value, rate.value, n_samples=samples.value,
            )  # fmt: skip
            draw_simplex.triangle(triangle, names=("0", "1", "2"))
            draw_simplex.mark(triangle, state["target"], "target", marker="*", size=130)
            xy = draw_simplex.to_plane(state["path"])
            triangle.plot(*xy.T, color=COLORS["ppo"], marker="o", ms=3)
            kls.semilogy(np.maximum(state["kl"], 1e-12), color=COLORS["ppo"], label="KL(new‖old)")
            kls.axhline(state["band"], color=COLORS["trpo"], ls=LINES["trpo"], label="band's bound")
            last = f"last: outside {state['outside'][-1]:.2f}, off {state['clipped'][-1]:.2f}"
            kls.set(xlabel="updates", title=last)
            kls.legend()
            plt.show()

    groups = (ref, reward, [tau, samples], [clip, epochs, rate])
    boxes = [widgets.VBox(group) for group in groups]
    for box in boxes:
        for control in box.children:
            control.observe(draw, names="value")
    draw()
    return widgets.VBox([widgets.HBox(boxes), out])

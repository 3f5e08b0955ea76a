"""Live labs: widgets for a running kernel. The rendered book leaves them out."""

import numpy as np

from . import gibbs, problems, simplex
from .plots import mirror as mirror_figures
from .plots import simplex as draw_simplex
from .plots.style import COLORS, LINES, figure

CREDITS = {
    "all or nothing": lambda share: np.where(share >= 1.0, 1.0, 0.0),
    "additive": lambda share: share,
    "partial credit (squared)": lambda share: share**2,
    "half is enough": lambda share: np.where(share >= 0.5, 1.0, 0.0),
}


def thresholds_state(credit, n_steps, q_step, tau):
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


def mirror_state(p_ref, reward, tau, eta, start, n_steps=40):
    """What the lab of chapter 01 shows: both paths, shapes (n_steps + 1, 3), and F above its minimum.

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


def mirror_lab():
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


def thresholds_lab():
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
            for ax, key, role in ((share, "share", "mirror"), (capacity, "capacity", "euclid")):
                ax.semilogx(state["taus"], state[key], color=COLORS[role])
                ax.axvline(controls["tau"].value, color=COLORS["reference"], ls=":")
                ax.set(xlabel=r"$\tau$", title={"share": "reward per step"}.get(key, "heat capacity"))
            mass = np.exp(state["levels"])
            levels.bar(np.arange(len(mass)), mass, color=COLORS["trpo"], width=1.0)
            levels.set(xlabel="right steps", title="policy")
            plt.show()

    for control in controls.values():
        control.observe(draw, names="value")
    draw()
    return widgets.VBox([*controls.values(), out])

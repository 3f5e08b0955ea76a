"""Lab of chapter 08: one contestant, three policy classes, all measures along sampled runs."""

from typing import Any

import numpy as np

from .. import thresholds
from ..diagnostics import alignment, effective_temperature, geodesic_distance, kl_to_target
from ..diagnostics.cells import arena, follow
from ..diagnostics.lineup import LINEUP, prepare
from ..gibbs import log_gibbs
from ..plots.style import COLORS, LINES, figure
from .running import Running, Tick, counted, no_tick

#: Policy classes on offer; algorithms that move the policy itself know only the first.
KINDS = ("tabular", "linear", "network")
SIGNALS = ("drawn", "expected", "exact")


def diagnostics_state(
    name: str,
    kind: str = "tabular",
    ratio: float = 1.0,
    *,
    signal: str = "drawn",
    n_steps: int = 100,
    n_seeds: int = 4,
    seed: int = 0,
    tick: Tick = no_tick,
) -> dict[str, Any]:
    """Compute what the lab of chapter 08 shows.

    Parameters
    ----------
    name : str
        Key of `diagnostics.lineup.LINEUP`.
    kind : str
        One of `KINDS`.
    ratio : float
        Temperature in units of tau_c.
    signal : str
        One of `SIGNALS`.
    n_steps, n_seeds, seed
        Of the runs.
    tick : callable
        Called at each update.

    Returns
    -------
    dict
        Along the runs, (n_steps + 1, n_seeds): `success`, `above` (KL to the Gibbs policy), `way`
        (share of the distance that is done), `fit` (R^2 of the log-ratio on the reward); and
        `cosine` of the updates, (n_steps, n_seeds). `target`, success of the Gibbs policy.

    Examples
    --------
    >>> state = diagnostics_state("mirror", n_steps=2)
    >>> state["success"].shape
    (3, 4)
    """
    if LINEUP[name].family == "policy" and kind != "tabular":
        raise ValueError(f"kind must be 'tabular' for {LINEUP[name].label}; got {kind!r}")
    place = arena(kind, np.arange(n_seeds))
    tau = ratio * thresholds.critical_tau(place.p_ref)
    start = place.log_ref if LINEUP[name].family == "policy" else place.start
    match = prepare(name, place.log_ref, place.reward, tau, rng=np.random.default_rng(seed),
                    policy=place.policy, start=start)  # fmt: skip
    path, aims, _ = follow(match, counted(getattr(match, signal), tick), n_steps)
    goal = log_gibbs(place.log_ref, place.reward, tau)
    right = place.reward > 0
    left = geodesic_distance(path, goal)
    return {
        "success": np.sum(np.exp(path) * right, axis=-1),
        "above": kl_to_target(path, place.log_ref, place.reward, tau),
        "way": 1.0 - left / left[0],
        "fit": effective_temperature(path, place.log_ref, place.reward).r_squared,
        "cosine": alignment(path[1:], path[:-1], aims),
        "target": np.sum(np.exp(goal) * right, axis=-1),
    }


def diagnostics_lab() -> Any:
    """Menus for algorithm, policy class and signal, a slider for temperature; needs ipywidgets."""
    import ipywidgets as widgets

    options = [(one.label, name) for name, one in LINEUP.items()]
    name = widgets.Dropdown(options=options, value="ppo", description="algorithm")
    kind = widgets.Dropdown(options=KINDS, description="policy")
    signal = widgets.Dropdown(options=SIGNALS, description="signal")
    ratio = widgets.FloatLogSlider(1.0, min=-0.6, max=0.6, step=0.05, description="τ / τ_c")
    steps = widgets.IntSlider(100, 20, 1000, step=20, description="updates")
    seed = widgets.IntSlider(0, 0, 20, description="seed")

    def compute(tick):
        allowed = "tabular" if LINEUP[name.value].family == "policy" else kind.value
        state = diagnostics_state(
            name.value, allowed, ratio.value, signal=signal.value, n_steps=steps.value,
            seed=seed.value, tick=tick,
        )  # fmt: skip
        return state | {"color": COLORS[LINEUP[name.value].role]}

    def draw(state):
        with figure(2, 2, size=(8, 5), sharex=True) as axes:
            for ax, key, title in (
                (axes[0, 0], "success", "success"),
                (axes[0, 1], "above", "KL to the Gibbs policy"),
                (axes[1, 0], "cosine", "cosine with the mirror step"),
                (axes[1, 1], "fit", "R² of log-ratio on reward"),
            ):
                ax.plot(state[key], color=state["color"], lw=0.9, alpha=0.7)
                ax.set_title(title)
            axes[0, 0].axhline(np.mean(state["target"]), color=COLORS["gibbs"], ls=LINES["ppo"])
            axes[0, 1].set_yscale("symlog", linthresh=1e-6)
            for ax in axes[1]:
                ax.set(xlabel="updates", ylim=(-0.3, 1.05))

    running = Running(compute, draw, lambda: steps.value)
    controls = [name, kind, signal, ratio, steps, seed]
    for control in controls:
        control.observe(running.start, names="value")
    running.start()
    rows = [widgets.HBox(controls[i : i + 2]) for i in (0, 2, 4)]
    return widgets.VBox([*rows, running.box])

"""Lab of chapter 13: stretch the temperature axis until four sizes fall on one curve."""

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.special import betaln, expit

from .. import gibbs, problems, simplex, thresholds
from .._types import Array
from ..plots.style import COLORS, figure, shades
from ..solvers import bisect

SIZES = (50, 100, 200, 400)


def _share(q: float, credit: Any) -> Callable[[int], Callable[[Array], Array]]:
    def system(k):
        task, m = problems.chain(q, k, credit=credit), np.arange(k + 1.0) / k
        return lambda tau: simplex.expect(gibbs.log_gibbs(task.log_ref, task.reward, tau), m)

    return system


def _binary(log_p: Callable[[int], float]) -> Callable[[int], Callable[[Array], Array]]:
    return lambda k: problems.binary(log_p(k), k, log_p=True).known["success_probability"]


def _averaged(k: int) -> Callable[[Array], Array]:
    price = thresholds.log_odds_against(k * np.log((np.arange(500) + 0.5) / 500), log_p=True)
    return lambda tau: expit(k / np.asarray(tau)[..., None] - price).mean(-1)


#: Name -> system; a system maps K to a curve over temperature that falls through one half.
SYSTEMS = {
    "all or nothing, q = 0.7": _binary(lambda k: k * np.log(0.7)),
    "one point per step, q = 0.3": _share(0.3, "additive"),
    "squared credit, q = 0.03": _share(0.03, np.square),
    "squared credit, q = 0.119": _share(float(expit(-2.0)), np.square),
    "squared credit, q = 0.3": _share(0.3, np.square),
    "prompts, averaged": _averaged,
    "shared difficulty": _binary(lambda k: betaln(7 + k, 3) - betaln(7, 3)),
}


def _half(curve: Callable[[Array], Array]) -> Array:
    """Temperature at which a curve passes one half."""
    return bisect(lambda tau: curve(tau) - 0.5, np.array(0.1), np.array(1e3))[0]


def sharpening_state(system: str, exponent: float) -> dict[str, Any]:
    """Compute what the lab of chapter 13 shows: curves in the variable K^exponent (tau_K/tau - 1).

    Returns
    -------
    dict
        `crossing` (tau_K for each of `SIZES`), `x` (common scaled variable), `curves` (size by
        point) and `spread`, their largest vertical distance.
    """
    x = np.linspace(-3.0, 3.0, 121)
    crossing, curves = [], []
    for k in SIZES:
        curve = SYSTEMS[system](k)
        middle = _half(curve)
        # Below tau_K/tau = 0.05 (twenty times hotter) nothing is left to see.
        tau = middle / np.maximum(1 + x / k**exponent * SIZES[0] ** exponent / 4, 0.05)
        crossing.append(float(middle))
        curves.append(curve(tau))
    return {
        "crossing": crossing,
        "x": x,
        "curves": np.stack(curves),
        "spread": float(np.ptp(curves, axis=0).max()),
    }


def sharpening_lab() -> Any:
    """Choose a system and an exponent; needs ipywidgets."""
    import ipywidgets as widgets
    import matplotlib.pyplot as plt

    out = widgets.Output()
    system = widgets.Dropdown(options=list(SYSTEMS), description="system")
    exponent = widgets.FloatSlider(0.5, min=0.0, max=1.25, step=0.05, description="exponent")

    def draw(_=None):
        state = sharpening_state(system.value, exponent.value)
        with out, figure(size=(5.6, 3.4)) as ax:
            out.clear_output(wait=True)
            for k, y, color in zip(SIZES, state["curves"], shades(len(SIZES)), strict=True):
                ax.plot(state["x"], y, color=color, label=f"K = {k}")
            ax.axhline(0.5, color=COLORS["reference"], ls=":", lw=1)
            ax.set(xlabel=r"$K^a\,(\tau_K/\tau - 1)$, rescaled", ylabel="success or share")
            ax.set_title(f"largest distance between the curves: {state['spread']:.3f}")
            ax.legend()
            plt.show()

    for control in (system, exponent):
        control.observe(draw, names="value")
    draw()
    return widgets.VBox([system, exponent, out])

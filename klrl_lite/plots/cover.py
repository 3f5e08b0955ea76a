"""The picture on the landing page and in the README: `python -m klrl_lite.plots.cover FOLDER`."""

import sys
from pathlib import Path
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np

from .. import thresholds
from .style import figure, shades


def draw(folder: str | Path) -> None:
    """Write opening.svg (dark ink) and opening-dark.svg (light ink), the same bytes each time."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    looks = (("opening", "black", "viridis"), ("opening-dark", "white", "viridis_r"))
    for name, ink, cmap in looks:
        salt = {"svg.hashsalt": "klrl", "text.color": ink, "axes.labelcolor": ink}
        edges = {"axes.edgecolor": ink, "xtick.color": ink, "ytick.color": ink}
        look: dict[Any, Any] = salt | edges
        with mpl.rc_context(look), figure(size=(6.4, 3.2)) as ax:
            _curves(ax, cmap, ink)
            ax.figure.savefig(folder / f"{name}.svg", metadata={"Date": None}, transparent=True)
            plt.close(ax.figure)


def _curves(ax, cmap, ink, q_step=0.7):
    tau = np.linspace(0.4, 6.2, 700)
    for n_steps, color in zip((3, 30, 300), shades(3, cmap), strict=True):
        success = thresholds.success_probability(
            n_steps * np.log(q_step), float(n_steps), tau, log_p=True
        )
        ax.plot(tau, success, color=color, lw=2.5, label=f"{n_steps} steps")
    ax.axvline(-1 / np.log(q_step), color=ink, ls=":", lw=1)
    ax.text(-1 / np.log(q_step) + 0.08, 0.93, r"$\tau_c = \delta\,/\,|\log q|$", color=ink)
    ax.set(xlabel=r"KL weight $\tau$ (temperature)", ylabel="success")
    ax.legend(loc="upper right")


if __name__ == "__main__":
    draw(sys.argv[1])

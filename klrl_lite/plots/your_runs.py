"""Figures of chapter 16 and of the reports of `klrl_lite.diagnose`."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from .._types import Array
from ..equilibria import grpo_equilibria, k2_fixed_point
from .style import COLORS, LINES, figure

#: Law -> its look.
LOOKS = {
    "gibbs": ("gibbs", "-"),
    "gibbs_mean": ("gibbs", (0, (6, 2))),
    "std": ("grpo", (0, (6, 2))),
    "std_group": ("grpo", "-"),
    "k3": ("euclid", "-"),
    "k3_mean": ("euclid", LINES["euclid"]),
    "k3_std": ("ppo", LINES["ppo"]),
}


def sweep(
    points: Mapping[str, Array], laws: Mapping[str, tuple[str, Array, Array, bool]],
    crossing: tuple[float, float] | None = None,
) -> Figure:  # fmt: skip
    """Success against beta: runs, laws at their best support, and the crossing's interval.

    Parameters
    ----------
    points : dict
        `beta`, `success`, `error`, and `used` (bool), arrays of shape (runs,).
    laws : dict
        Name -> (label, betas, success, whether it is left); laws left out are drawn thin.
    crossing : tuple, optional
        Ends of the interval.
    """
    with figure(size=(5.6, 4.8)) as ax:
        if crossing:
            ax.axvspan(*crossing, color=COLORS["quiet"], alpha=0.25, lw=0)
        ax.axhline(0.5, color=COLORS["quiet"], lw=0.8, ls=":")
        for name, (label, beta, success, left) in laws.items():
            role, line = LOOKS[name]
            ax.plot(beta, success, color=COLORS[role], ls=line, lw=2.2 if left else 1.0,
                    alpha=1.0 if left else 0.55, label=label + ("" if left else " (left out)"),
                    zorder=2 if left else 1)  # fmt: skip
        used = points["used"].astype(bool)
        x, y = points["beta"], points["success"]
        ax.errorbar(x[used], y[used], points["error"][used], fmt="o", ms=5, lw=1, zorder=4,
                    color=COLORS["mirror"], label="runs")  # fmt: skip
        if (~used).any():
            ax.plot(x[~used], y[~used], "x", ms=6,
                    color=COLORS["reference"], zorder=4, label="runs not used")  # fmt: skip
        ax.set(xscale="log", xlabel=r"$\beta$", ylabel="success $P$", ylim=(-0.03, 1.03))
        _plain_ticks(ax)
        ax.figure.legend(loc="outside lower center", ncols=2, fontsize=9.5)
        return ax.figure


def tails(runs: Mapping[str, tuple[Array, Array, int, str]]) -> Figure:
    """Success along each run; the tail that is averaged is drawn strong.

    Parameters
    ----------
    runs : dict
        Name -> (steps, success, first entry of the tail, state).
    """
    looks = {"drifting": ("euclid", (0, (5, 2))), "nothing found": ("reference", ":")}
    with figure(size=(5.6, 3.6)) as ax:
        labels = set()
        for step, success, first, state in runs.values():
            role, line = looks.get(state, ("mirror", "-"))
            text = state if state in looks else "settled"
            ax.plot(step, success, color=COLORS[role], lw=0.7, alpha=0.45, ls=line)
            ax.plot(step[first:], success[first:], color=COLORS[role], lw=1.2, ls=line,
                    label=None if text in labels else text)  # fmt: skip
            labels.add(text)
        ax.set(xlabel="step", ylabel="success in the log", ylim=(-0.03, 1.03))
        ax.figure.legend(loc="outside lower center", ncols=3, fontsize=9.5)
        return ax.figure


def misled(panels: Mapping[str, tuple[Mapping[str, Array], str, Sequence[float]]]) -> None:
    """Sweeps that invite a wrong answer, and the equilibrium that was to be measured.

    Parameters
    ----------
    panels : dict
        Title -> (points as in `sweep`, law of rest for groups of 16, supports of the prompts,
        over which the curve is averaged).
    """
    with figure(len(panels), 1, size=(5.6, 2.3 * len(panels)), sharex=True) as axes:
        for ax, (title, (points, law, supports)) in zip(axes, panels.items(), strict=True):
            beta = np.geomspace(points["beta"].min() / 1.1, points["beta"].max() * 1.1, 60)
            P = np.mean([_at_rest(law, p, beta) for p in supports], axis=0)
            ax.plot(beta, P, color=COLORS["gibbs"], label="equilibrium")
            ax.plot(points["beta"], points["success"], "o", ms=5, color=COLORS["mirror"],
                    label="runs")  # fmt: skip
            ax.set(title=title, xscale="log", ylabel="success $P$", ylim=(-0.05, 1.08))
        _plain_ticks(axes[-1])
        axes[0].legend(loc="upper right")
        axes[-1].set(xlabel=r"$\beta$")


def _at_rest(law, p_ref, beta):
    if law == "gibbs_mean":
        return k2_fixed_point(p_ref, beta, 15 / 16)
    found = (grpo_equilibria(p_ref, b * np.sqrt(16 / 15), 16) for b in beta)
    return np.array([success[stable][0] for success, stable in found])


def power(rows: Array, names: Sequence[str]) -> None:
    """Share of sweeps that name their law, against the expected lead; rows (law, lead, share)."""
    looks = zip(("gibbs", "grpo", "euclid", "ppo"), "os^D", strict=True)
    with figure(size=(5.6, 3.4)) as ax:
        for i, (name, (role, marker)) in enumerate(zip(names, looks, strict=True)):
            mine = rows[rows[:, 0] == i]
            ax.plot(np.maximum(mine[:, 1], 0.05), mine[:, 2], marker, color=COLORS[role], ms=6,
                    label=name, alpha=0.85)  # fmt: skip
        ax.set(xscale="log", xlabel="expected lead over the nearest other law (nats)",
               ylabel="sweeps that name the law", ylim=(-0.04, 1.06))  # fmt: skip
        _plain_ticks(ax)
        ax.legend(loc="lower right")


def _plain_ticks(ax):
    """Write 0.2 and not 2 x 10^-1."""
    low, high = ax.get_xlim()
    ticks = [m * 10.0**e for e in range(-5, 4) for m in (1, 2, 5) if low <= m * 10.0**e <= high]
    ax.set_xticks(ticks, [f"{t:g}" for t in ticks])
    ax.set_xticks([], minor=True)
    ax.set_xlim(low, high)

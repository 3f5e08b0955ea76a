"""Figures of chapter 16 and of the reports of `klrl_lite.diagnose`."""

from collections.abc import Mapping

from matplotlib.figure import Figure

from .._types import Array
from .style import COLORS, LINES, figure, label_line

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


def misled(panels: Mapping[str, tuple[Mapping[str, Array], Mapping[str, tuple[Array, Array]]]]
           ) -> None:  # fmt: skip
    """Sweeps that invite a wrong answer: points, and the laws that they look like or follow."""
    looks = {"tempting": ("grpo", (0, (5, 2))), "true": ("gibbs", "-")}
    with figure(len(panels), 1, size=(5.6, 2.5 * len(panels))) as axes:
        for ax, (title, (points, lines)) in zip(axes, panels.items(), strict=True):
            for name, (beta, success) in lines.items():
                role, line = looks[name]
                ax.plot(beta, success, color=COLORS[role], ls=line, label=name)
            ax.plot(points["beta"], points["success"], "o", ms=5, color=COLORS["mirror"])
            ax.set(title=title, xscale="log", ylabel="success $P$", ylim=(-0.04, 1.04))
            _plain_ticks(ax)
            ax.legend(loc="upper right")
        axes[-1].set(xlabel=r"$\beta$")


def power(runs: Array, answers: Array, share: Array) -> None:
    """Share of sweeps that name the law, against temperatures, one line for each sample size."""
    with figure(size=(5.6, 3.4)) as ax:
        roles = ("reference", "euclid", "mirror", "grpo")
        for role, n, row in zip(roles, answers, share, strict=True):
            ax.plot(runs, row, "o-", color=COLORS[role], ls=LINES[role], ms=5)
            label_line(ax, runs[-1], row[-1], f"{n:,}", COLORS[role], dx=6, dy=-4)
        ax.set(xlabel="temperatures in the sweep", ylabel="sweeps that name the law",
               ylim=(-0.03, 1.05), xlim=(runs[0] - 0.3, runs[-1] + 1.2))  # fmt: skip


def _plain_ticks(ax):
    """Write 0.2 and not 2 x 10^-1."""
    low, high = ax.get_xlim()
    ticks = [m * 10.0**e for e in range(-5, 4) for m in (1, 2, 5) if low <= m * 10.0**e <= high]
    ax.set_xticks(ticks, [f"{t:g}" for t in ticks])
    ax.set_xticks([], minor=True)
    ax.set_xlim(low, high)

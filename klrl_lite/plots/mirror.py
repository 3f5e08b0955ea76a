"""Figures of chapter 01, mirror descent."""

from collections.abc import Sequence

import numpy as np

from .. import gibbs, simplex
from .._types import Array, ArrayLike, BoolArray
from ..algorithms import iterate
from ..algorithms.mirror import euclidean_descent, explicit_step
from ..problems import Problem
from . import simplex as draw
from .style import COLORS, LINES, figure, shades


def paths(
    problem: Problem, tau: float, log_start: Array, etas: ArrayLike, n_steps: int = 40
) -> tuple[Array, Array, BoolArray]:
    """Paths of both geometries for several step sizes, shapes (n_steps + 1, len(etas), A)."""
    ref, reward = np.exp(problem.log_ref), problem.reward
    etas = np.asarray(etas, dtype=float)

    def mirror_step(log_pi):
        advantage = gibbs.soft_advantage(log_pi, problem.log_ref, reward, tau)
        return explicit_step(log_pi, advantage, etas)

    start = np.broadcast_to(log_start, (len(etas), len(log_start)))
    entropy = np.exp(iterate(mirror_step, start, n_steps))
    euclid, stuck = euclidean_descent(
        lambda x: tau * np.log(x / ref) - reward, np.exp(log_start), etas, n_steps
    )
    return entropy, euclid, stuck


def _landscape(ax, problem, tau):
    best = -tau * gibbs.log_partition(problem.log_ref, problem.reward, tau)

    def above_best(p):
        return gibbs.free_energy(np.log(p), problem.log_ref, problem.reward, tau) - best

    draw.contours(ax, above_best, [0.005, 0.02, 0.06, 0.15, 0.3, 0.5])


def geometry(
    problem: Problem,
    tau: float,
    log_start: Array,
    products: Sequence[float] = (0.15, 0.4, 0.8),
    n_steps: int = 40,
) -> None:
    """One problem, one start, three step sizes (in units of 1/tau), two geometries."""
    etas = np.array(products) / tau
    entropy, euclid, stuck = paths(problem, tau, log_start, etas, n_steps)
    target = np.exp(gibbs.log_gibbs(problem.log_ref, problem.reward, tau))
    with figure(1, 2, size=(6.0, 3.1)) as axes:
        for ax, path, role, title in zip(
            axes, (euclid, entropy), ("euclid", "mirror"), ("squared distance", "KL"), strict=True
        ):
            draw.triangle(ax)
            _landscape(ax, problem, tau)
            for j, width in enumerate((2.6, 1.8, 1.1)):
                xy = draw.to_plane(path[:, j])
                ax.plot(*xy.T, color=COLORS[role], ls=LINES[role], lw=width, marker="o", ms=3)
                if role == "euclid" and stuck[j]:
                    ax.plot(*xy[-1], "X", color=COLORS[role], ms=10)
            draw.mark(ax, np.exp(log_start), "start", dx=-34, dy=6)  # where no path goes
            draw.mark(ax, target, r"$\pi^*$", marker="*", size=130, dx=-20, dy=7)
            ax.set_title(title, y=1.05)


def balls(center: ArrayLike, radius: float) -> None:
    """Points at equal divergence from a centre: squared distance and both orders of KL."""
    log_center = np.log(center)

    def kl_to(p):
        return simplex.kl(np.log(p), log_center)

    def kl_from(p):
        return simplex.kl(log_center, np.log(p))

    def squared(p):
        return simplex.bregman(simplex.EUCLIDEAN, p, np.asarray(center))

    with figure(size=(5.0, 4.4)) as ax:
        draw.triangle(ax)
        for f, role, name in (
            (squared, "euclid", "half squared distance"),
            (kl_to, "mirror", "KL(x‖y)"),
            (kl_from, "trpo", "KL(y‖x)"),
        ):
            look = {"colors": COLORS[role], "linestyles": [LINES[role]], "linewidths": 2}
            draw.contours(ax, f, [radius], **look, alpha=1)
            ax.plot([], [], color=COLORS[role], ls=LINES[role], label=name)
        draw.mark(ax, center, "y")
        ax.legend(loc="upper right", bbox_to_anchor=(1.06, 1.0))


def race(gap_entropy: Array, gap_euclid: Array, etas: Array) -> None:
    """Distance to the optimum against steps: one entropy step, many Euclidean runs."""
    with figure(size=(5.6, 3.8)) as ax:
        steps = np.arange(len(gap_euclid))
        for run, color in zip(gap_euclid.T[::3], shades(len(etas[::3]), "YlOrBr_r"), strict=True):
            ax.loglog(steps[1:], run[1:], color=color, lw=1.2)
        best = gap_euclid[:, np.argmin(gap_euclid[-1])]
        ax.loglog(steps[1:], best[1:], color=COLORS["euclid"], ls=LINES["euclid"], lw=2.4)
        ax.loglog([1], [1e-9], marker="v", color=COLORS["mirror"], ms=10)
        ax.annotate(
            "KL: exact after one step", (1, 1e-9), (12, -3), textcoords="offset points",
            color=COLORS["mirror"],
        )  # fmt: skip
        ax.annotate(
            "squared distance, best step size", (steps[-1], best[-1]), (-6, -6),
            textcoords="offset points", ha="right", va="top", color=COLORS["euclid"],
        )  # fmt: skip
        ax.set(xlabel="steps", ylabel=r"$F - F^*$", ylim=(4e-10, None))


def fate(advantage: Array, growth: Array, threshold: float) -> None:
    """Which coordinates grow: the sign of the gradient does not tell, the soft mean does."""
    with figure(size=(5.6, 3.4)) as ax:
        grows = growth > 0
        for keep, role, marker in ((grows, "mirror", "^"), (~grows, "euclid", "v")):
            ax.plot(-advantage[keep], growth[keep], marker, color=COLORS[role], ms=7, ls="")
        ax.axvline(0, color=COLORS["reference"], ls=":", lw=1.2)
        ax.axvline(threshold, color=COLORS["gibbs"], lw=1.4)
        ax.axhline(0, color=COLORS["reference"], lw=0.8)
        ax.annotate("soft mean", (threshold, 0.98), (5, 0), textcoords="offset points",
                    xycoords=("data", "axes fraction"), va="top")  # fmt: skip
        ax.annotate("zero", (0, 0.98), (-5, 0), textcoords="offset points", ha="right",
                    xycoords=("data", "axes fraction"), va="top")  # fmt: skip
        ax.set(xlabel="gradient $g_i$", ylabel=r"$\log\, x_i^{\mathrm{new}} / x_i$")


def orbits(log_ratio: Array, products: Sequence[float]) -> None:
    """Distance to Gibbs along the orbit for several values of eta tau."""
    with figure(size=(5.6, 3.6)) as ax:
        styles = ["-", (0, (5, 2)), "-", (0, (1, 1.5)), (0, (3, 1, 1, 1))]
        colors = [COLORS[k] for k in ("mirror", "trpo", "gibbs", "grpo", "euclid")]
        for j, product in enumerate(products):
            ax.plot(log_ratio[:, j], color=colors[j], ls=styles[j], marker="o", ms=3.5,
                    label=rf"$\eta\tau = {product:g}$")  # fmt: skip
        ax.axhline(0, color=COLORS["reference"], lw=0.8)
        ax.set(xlabel="steps", ylabel=r"$\log(\pi_k/\pi^*)$, one pair of actions")
        ax.set_ylim(-2.2 * abs(log_ratio[0, 0]), 2.2 * abs(log_ratio[0, 0]))
        ax.legend(ncols=2, loc="upper right")

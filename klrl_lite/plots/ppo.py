"""Figures of chapter 04, PPO."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from .. import gibbs, simplex
from .._types import Array, ArrayLike
from ..algorithms.base import Algorithm
from ..policies import tabular
from ..problems import Problem
from ..signals import exact
from . import simplex as draw
from .style import COLORS, LINES, figure, label_line


def inner_path(
    algorithm_at: Callable[[int], Algorithm], log_old: ArrayLike, advantage: ArrayLike, epochs: int
) -> Array:
    """Policies after 0, 1, ..., `epochs` inner steps on one exact batch, (epochs + 1, ..., A).

    `algorithm_at` gives the algorithm for a number of epochs.
    """
    signal = exact(log_old, advantage)
    path = [np.asarray(log_old)]
    for n in range(1, epochs + 1):
        init, step = algorithm_at(n)
        state = init(tabular(np.shape(log_old)[-1]).init(log_old))
        path.append(step(state, signal)[0].log_pi)
    return np.stack(path)


def _surrogate_panel(ax, clip):
    rho = np.array([0.0, 1.0 - clip, 1.0, 1.0 + clip, 2.0])
    clipped = np.clip(rho, 1.0 - clip, 1.0 + clip)
    ax.axvspan(1.0 - clip, 1.0 + clip, color=COLORS["quiet"], alpha=0.16, lw=0)
    for sign, text, place, side in (
        (1.0, "$A > 0$: flat beyond $1+\\epsilon$", (2.0, 0.72), "right"),
        (-1.0, "$A < 0$: flat below $1-\\epsilon$", (0.03, -1.3), "left"),
    ):
        ax.plot(rho, sign * rho, color=COLORS["quiet"], ls=(0, (2, 2)), lw=1.2)
        paid = np.minimum(sign * rho, sign * clipped)
        ax.plot(rho, paid, color=COLORS["ppo"], lw=2.6)
        ax.text(*place, text, color=COLORS["ppo"], ha=side, va="bottom")
    ax.plot([1, 1], [1, -1], "o", color=COLORS["gibbs"], ms=5, ls="")
    ax.axhline(0, color=COLORS["reference"], lw=0.8)
    ax.set(
        xlabel=r"ratio $\rho = \pi/\pi_{\mathrm{old}}$", ylabel=r"paid, in units of $|A|$",
        xlim=(0, 2), ylim=(-2, 2), xticks=[0, 1 - clip, 1, 1 + clip, 2],
    )  # fmt: skip
    ax.set_xticklabels(["0", r"$1-\epsilon$ ", "", r" $1+\epsilon$", "2"])


def _plateau_polygon(old, clip):
    """Corners of the plateau where the last of three actions is the only good one."""
    low = (1.0 - clip) * old
    corners = [[0.0, 0.0], [low[0], 0.0], [low[0], low[1]], [0.0, low[1]]]
    return np.array([[x, y, 1.0 - x - y] for x, y in corners])


def opening(log_old: Array, advantage: Array, path: Array, clip: float, kl_band: float) -> None:
    """What the clip pays, above a run of Adam on one batch that leaves the trust region."""
    old = np.exp(log_old)
    with figure(2, 1, size=(5.6, 7.4), height_ratios=[1, 1.75]) as (paid, ax):
        _surrogate_panel(paid, clip)
        draw.triangle(ax, names=("bad", "bad", "good"))
        flat = draw.to_plane(_plateau_polygon(old, clip))
        ax.fill(*flat.T, facecolor=COLORS["ppo"], alpha=0.13, lw=0)
        look = {"colors": COLORS["trpo"], "linestyles": [LINES["trpo"]], "linewidths": 1.8}
        draw.contours(ax, lambda p: simplex.kl(np.log(p), log_old), [kl_band], **look, alpha=1)
        band = _band_polygon(old, clip)
        ax.fill(*draw.to_plane(band).T, facecolor=COLORS["quiet"], alpha=0.35, lw=0)
        tilt = simplex.tilt(log_old, np.linspace(0, 6, 60)[:, None] * advantage)
        ax.plot(*draw.to_plane(np.exp(tilt)).T, color=COLORS["mirror"], lw=1.4)
        xy = draw.to_plane(np.exp(path))
        ax.plot(*xy.T, color=COLORS["ppo"], ls="-", lw=1.2, marker="o", ms=4)
        draw.mark(ax, old, "", size=46)
        x, y = draw.to_plane(old)
        ax.annotate(
            r"$\pi_{\mathrm{old}}$", (x, y), (-34, -40), textcoords="offset points",
            arrowprops={"arrowstyle": "-", "color": COLORS["reference"], "lw": 0.8},
        )  # fmt: skip
        ax.annotate(
            "all ratios in the band", draw.to_plane(band[np.argmax(band[:, 1])]), (46, -32),
            textcoords="offset points", ha="left", color=COLORS["reference"],
            arrowprops={"arrowstyle": "-", "color": COLORS["reference"], "lw": 0.8},
        )  # fmt: skip
        ax.annotate(
            "same KL", draw.to_plane([0.40, 0.375, 0.225]), (34, 14),
            textcoords="offset points", ha="left", color=COLORS["trpo"],
            arrowprops={"arrowstyle": "-", "color": COLORS["trpo"], "lw": 0.8},
        )  # fmt: skip
        ax.annotate(
            "all paid alike", draw.to_plane([0.06, 0.20, 0.74]), (34, 16),
            textcoords="offset points", color=COLORS["ppo"],
            arrowprops={"arrowstyle": "-", "color": COLORS["ppo"], "lw": 0.8},
        )  # fmt: skip
        ax.annotate(
            "Adam", xy[len(xy) // 2], (10, -14), textcoords="offset points", color=COLORS["ppo"]
        )
        ax.annotate(
            "exact tilt", draw.to_plane(np.exp(tilt[18])), (-52, 0), textcoords="offset points",
            color=COLORS["mirror"], ha="right",
        )  # fmt: skip


def _band_polygon(old, clip):
    """Corners of the policies whose three ratios lie in the band."""
    corners = []
    for i in range(3):
        for high in (True, False):
            j, k = (i + 1) % 3, (i + 2) % 3
            p = np.empty(3)
            p[i], p[j] = old[i] * (1 + clip), old[j] * (1 - clip)
            if not high:
                p[i], p[j] = old[i] * (1 - clip), old[j] * (1 + clip)
            p[k] = 1 - p[i] - p[j]
            if (1 - clip) * old[k] - 1e-12 <= p[k] <= (1 + clip) * old[k] + 1e-12:
                corners.append(p)
            p = p.copy()
            p[i], p[k] = old[i] * (1 + clip), old[k] * (1 - clip)
            if not high:
                p[i], p[k] = old[i] * (1 - clip), old[k] * (1 + clip)
            p[j] = 1 - p[i] - p[k]
            if (1 - clip) * old[j] - 1e-12 <= p[j] <= (1 + clip) * old[j] + 1e-12:
                corners.append(p)
    found = np.array(corners)
    plane = draw.to_plane(found) - draw.to_plane(old)
    return found[np.argsort(np.arctan2(plane[:, 1], plane[:, 0]))]


def flat_set(
    success: Array,
    surrogate: Array,
    kl_spent: Array,
    p: float,
    clip: float,
    reached: tuple[float, float],
    kl_band: float,
) -> None:
    """Surrogate and KL against the mass of the good answer, with the plateau shaded."""
    edge = p + clip * (1 - p)
    with figure(2, 1, size=(5.6, 5.2), sharex=True) as (pay, cost):
        for ax in (pay, cost):
            ax.axvspan(edge, 1, color=COLORS["ppo"], alpha=0.13, lw=0)
            ax.axvline(p, color=COLORS["reference"], ls=":", lw=1.2)
            ax.axvline(p * (1 + clip), color=COLORS["reference"], ls=":", lw=1.2)
        pay.semilogx(success, surrogate / surrogate.max(), color=COLORS["ppo"], lw=2.4)
        pay.set(ylabel="surrogate / its maximum", ylim=(-0.12, 1.15))
        pay.text(0.46, 0.55, "all paid\nalike", ha="center", color=COLORS["ppo"])
        pay.annotate("old", (p, 0.55), (-4, 0), textcoords="offset points", ha="right")
        pay.annotate(
            "ratio $1+\\epsilon$", (p * (1 + clip), 0.0), (5, 0), textcoords="offset points"
        )
        cost.semilogx(success, kl_spent, color=COLORS["gibbs"])
        cost.axhline(kl_band, color=COLORS["trpo"], ls=LINES["trpo"], lw=1.6)
        label_line(
            cost, p * (1 + clip), kl_band, "most KL inside the band", COLORS["trpo"], dx=5, dy=-14
        )
        cost.plot(*reached, "o", color=COLORS["ppo"], ms=8)
        label_line(
            cost, *reached, "where Adam stops", COLORS["ppo"], dx=-9, dy=2, ha="right", va="center"
        )
        cost.set(xlabel="probability of the good answer", ylabel="KL(new‖old)", ylim=(-0.75, None))


def response(advantage: Array, log_ratio: Array, slope: float, clip: float) -> None:
    """Change of log-probability against advantage: the tilt and the clipped surrogate."""
    with figure(size=(5.6, 3.6)) as ax:
        low, high = np.log1p(-clip), np.log1p(clip)
        ax.axhspan(low, high, color=COLORS["quiet"], alpha=0.18, lw=0)
        ax.plot(advantage, slope * advantage, color=COLORS["mirror"])
        ax.plot(advantage, log_ratio, ".", color=COLORS["ppo"], ms=6)
        ax.axhline(0, color=COLORS["reference"], lw=0.8)
        ax.text(1.0, slope * 1.0 + 0.1, "exact tilt", color=COLORS["mirror"], ha="right")
        ax.text(1.95, high + 0.14, "clipped surrogate", color=COLORS["ppo"], ha="right")
        ax.text(-1.98, high + 0.03, "band", color=COLORS["reference"])
        ax.set(xlabel="advantage", ylabel=r"$\log\,\pi_{\mathrm{new}}/\pi_{\mathrm{old}}$")


def gaps(sizes: Array, cosines: Mapping[str, Array], exact_cosines: Mapping[str, float]) -> None:
    """Alignment with the exact mirror direction against the samples in a batch.

    `cosines` and `exact_cosines` map the names "mirror" and "ppo" to arrays (sizes,) and numbers.
    """
    with figure(size=(5.6, 3.9)) as ax:
        for role, text in (("mirror", "sampled tilt"), ("ppo", "sampled PPO")):
            color = COLORS[role]
            ax.axhline(exact_cosines[role], color=color, lw=1, alpha=0.7)
            ax.semilogx(
                sizes, cosines[role], color=color, ls=LINES[role], marker="o", ms=4, label=text
            )
        x = sizes[-1] * 1.25
        ax.annotate(
            "", (x, exact_cosines["ppo"]), (x, 1.0),
            arrowprops={"arrowstyle": "<->", "color": COLORS["gibbs"], "lw": 1.2},
        )  # fmt: skip
        ax.text(x * 1.12, 0.5 * (1 + exact_cosines["ppo"]), "geometric\ngap", va="center")
        x = sizes[0] * 0.8
        ax.annotate(
            "", (x, cosines["ppo"][0]), (x, exact_cosines["ppo"]),
            arrowprops={"arrowstyle": "<->", "color": COLORS["gibbs"], "lw": 1.2},
        )  # fmt: skip
        ax.text(
            x * 0.85, 0.5 * (cosines["ppo"][0] + exact_cosines["ppo"]),
            "statistical\ngap", ha="right", va="center",
        )  # fmt: skip
        ax.legend(loc="lower right", bbox_to_anchor=(0.8, 0.0))
        ax.set(
            xlabel="samples in the batch", ylabel="Fisher cosine to the exact tilt",
            ylim=(0.6, 1.03), xlim=(sizes[0] * 0.04, sizes[-1] * 8),
        )  # fmt: skip


def critic(
    lam: Array, mean: Array, spread: Array, exact_value: float, curve: tuple[Array, Array]
) -> None:
    """What GAE says of one action against lambda: its mean, and its spread."""
    with figure(2, 1, size=(5.6, 4.8), sharex=True) as (top, bottom):
        top.plot(lam, mean, "o", color=COLORS["ppo"], ms=6)
        top.plot(*curve, color=COLORS["ppo"], lw=1.4)
        top.axhline(exact_value, color=COLORS["mirror"])
        top.set(ylabel="mean estimate", ylim=(-0.015, 1.25 * exact_value))
        label_line(top, 0.0, exact_value, "true advantage", COLORS["mirror"], dy=5)
        label_line(top, 0.62, 0.035, "flat critic", COLORS["ppo"], ha="left")
        bottom.plot(lam, spread, "o-", color=COLORS["euclid"], ms=5, lw=1.4)
        bottom.set(
            xlabel=r"$\lambda$", ylabel="standard deviation", ylim=(-0.04, 1.1 * spread.max())
        )


def reference(problem: Problem, tau: float, paths: Sequence[Array], tilts: Array) -> None:
    """Paths on the simplex: PPO with and without the reference term, and the mirror orbit."""
    target = np.exp(gibbs.log_gibbs(problem.log_ref, problem.reward, tau))
    best = -tau * gibbs.log_partition(problem.log_ref, problem.reward, tau)

    def above_best(p):
        return gibbs.free_energy(np.log(p), problem.log_ref, problem.reward, tau) - best

    with figure(size=(5.6, 5.0)) as ax:
        draw.triangle(ax, names=("worst", "middling", "best"))
        draw.contours(ax, above_best, [0.005, 0.02, 0.06, 0.15, 0.3, 0.5])
        ax.plot(*draw.to_plane(tilts).T, color=COLORS["mirror"], marker="o", ms=3, lw=1.6)
        for path, text, height, place in (
            (paths[0], "PPO with\nthe reference", 0.27, (0.99, 0.36)),
            (paths[1], "PPO without", 0.66, (0.80, 0.66)),
        ):
            xy = draw.to_plane(path)
            ax.plot(*xy.T, color=COLORS["ppo"], ls=LINES["ppo"], lw=2.6)
            near = xy[np.argmin(np.abs(xy[:, 1] - height))]
            ax.annotate(
                text, near, place, textcoords="data", color=COLORS["ppo"], ha="center",
                va="center", arrowprops={"arrowstyle": "-", "color": COLORS["ppo"], "lw": 0.8},
            )  # fmt: skip
        ax.text(*draw.to_plane((0.52, 0.22, 0.26)), "mirror", color=COLORS["mirror"])
        draw.mark(ax, np.exp(problem.log_ref), r"$\pi_{\mathrm{ref}}$", dx=-24, dy=-4)
        draw.mark(ax, target, r"$\pi^*_\tau$", marker="*", size=150, dx=-30, dy=2)

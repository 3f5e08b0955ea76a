"""Figures of chapter 12, the thermodynamics in full."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from .. import gibbs, problems, simplex, thresholds
from .._types import Array, ArrayLike
from ..problems import Problem
from .style import COLORS, LINES, figure, label_line, shades


def _shades(n: int) -> Array:
    """Give n colours for an ordered family, without the palest: it is too dark on dark ground."""
    return shades(n + 1)[:-1]


def best_of_n(problem: Problem, n: int) -> Array:
    """Log-probabilities of the best of n draws of the reference; ties are drawn by the reference.

    A level of reward is the best of n with probability F^n - (F - f)^n, where f is its mass under
    the reference and F the mass up to it. Within a level the reference decides.

    Examples
    --------
    >>> coin = problems.binary(0.5)
    >>> np.exp(best_of_n(coin, 2)).round(12).tolist()
    [0.25, 0.75]
    """
    mass = np.exp(problem.log_ref)
    _, level = np.unique(problem.reward, return_inverse=True)
    of_level = np.bincount(level, mass)
    up_to = np.minimum(np.cumsum(of_level), 1.0)
    up_to[-1] = 1.0
    best = up_to**n - np.maximum(up_to - of_level, 0.0) ** n
    with np.errstate(divide="ignore"):
        return simplex.log_normalize(np.log(mass) + np.log(best / of_level)[level])


def on_plane(problem: Problem, log_pi: ArrayLike) -> tuple[Any, Any]:
    """KL to the reference and mean reward: where a policy lies in the plane of the frontier."""
    return simplex.kl(log_pi, problem.log_ref), simplex.expect(log_pi, problem.reward)


def frontier(
    problem: Problem, tau: float, collapsed: Array, *, stop: float = 2.5, budget: float = 5.6
) -> None:
    """The reward-KL frontier with everything on it; `collapsed` is where a GRPO run has ended."""

    def at(t):
        return on_plane(problem, gibbs.log_gibbs(problem.log_ref, problem.reward, t))

    x, y = at(np.geomspace(0.06, 50.0, 400))
    end_x, end_y = on_plane(problem, collapsed)
    with figure(size=(5.6, 5.0)) as ax:
        ax.fill_between(x, y, 4.2, color=COLORS["quiet"], alpha=0.13, lw=0)
        ax.plot(x, y, color=COLORS["mirror"], lw=2.4, zorder=3)
        for t in (0.4, 0.3):
            px, py = at(t)
            ax.plot(px, py, "o", ms=5, color=COLORS["mirror"], zorder=4)
            label_line(ax, px, py, rf"$\tau$ = {t:g}", COLORS["mirror"], dx=-8, dy=7, ha="right")
        ax.text(0.12, 2.85, "no policy up here", color=COLORS["reference"], style="italic")
        # The tangent: its slope is the temperature, its height at zero KL the free energy.
        px, py = at(tau)
        ends = np.array([0.0, 1.6])
        tangent = {"color": COLORS["gibbs"], "ls": "--", "lw": 1.2}
        ax.plot(ends, py + tau * (ends - px), **tangent)
        ax.plot(px, py, "o", ms=6, color=COLORS["gibbs"], zorder=5)
        label_line(
            ax, ends[1], py + tau * (ends[1] - px), rf"slope $\tau$ = {tau:g}", COLORS["gibbs"],
            dx=-6, dy=-4, ha="right",
        )  # fmt: skip
        ax.plot(0.0, py - tau * px, "_", ms=12, mew=2, color=COLORS["gibbs"], clip_on=False)
        ax.annotate(
            r"$-F^*$", (0.0, py - tau * px), (-8, 0), textcoords="offset points", ha="right",
            va="center", color=COLORS["gibbs"], annotation_clip=False,
        )  # fmt: skip
        for n in (2, 4, 16, 64, 256):
            bx, by = on_plane(problem, best_of_n(problem, n))
            style = {"mfc": "white", "mec": COLORS["euclid"], "mew": 1.6}
            ax.plot(bx, by, "s", ms=6, zorder=4, **style)
            text = "best of 2" if n == 2 else f"{n}"
            label_line(ax, bx, by, text, COLORS["euclid"], dx=7, dy=-10)
        ax.plot(*at(1.0 / stop), "o", ms=12, mfc="none", mec=COLORS["trpo"], mew=1.8, zorder=5)
        ax.annotate(
            f"bare flow,\nstopped at $t$ = {stop:g}", at(1.0 / stop), (2.8, 0.95),
            color=COLORS["trpo"],
            arrowprops={"arrowstyle": "-", "color": COLORS["trpo"], "lw": 0.8, "shrinkB": 7},
        )  # fmt: skip
        capped = np.interp(budget, x[::-1], y[::-1])
        ax.plot([budget] * 2, [-0.2, capped], color=COLORS["reference"], ls=":", lw=1.6)
        ax.plot(budget, capped, "D", ms=5, color=COLORS["reference"], zorder=5)
        label_line(ax, budget, 0.05, "KL budget", COLORS["reference"], dx=-6, ha="right")
        ax.plot(end_x, end_y, "*", ms=15, color=COLORS["grpo"], zorder=5, clip_on=False)
        label_line(
            ax,
            end_x,
            end_y,
            r"GRPO with $\beta < \beta_s$",
            COLORS["grpo"],
            dx=8,
            dy=11,
            ha="right",
        )
        ax.set(xlim=(0, 7.2), ylim=(-0.2, 3.95), yticks=range(4))
        ax.set(xlabel="KL to the reference (nats)", ylabel="mean reward")


def waste(sizes: Array, curves: Mapping[str, Array]) -> None:
    """Nats that best-of-n spends beyond what its mean reward costs, for several rewards."""
    roles = ("grpo", "euclid", "ppo", "mirror")
    with figure(size=(5.6, 3.8)) as ax:
        for (name, y), role, dy in zip(curves.items(), roles, (0, 0, 8, -7), strict=True):
            ax.semilogx(sizes, y, color=COLORS[role], ls=LINES[role])
            label_line(ax, sizes[-1], y[-1], name, COLORS[role], dx=5, dy=dy, va="center")
        ax.set(xlabel="number of draws $n$", ylabel="wasted KL (nats)", ylim=(-0.12, None))
        ax.set(xlim=(sizes[0], sizes[-1] * 9), xticks=[1, 10, 100, 1000])


def coexistence(n_steps: Sequence[int], q_step: float = 0.7) -> None:
    """Success of one task under two controls: a temperature (top) and a KL budget (bottom)."""
    taus, success = np.linspace(0.02, 2.0, 800), np.linspace(0.0, 1.0, 400)
    with figure(2, 1, size=(5.6, 6.2)) as (top, bottom):
        for k, color in zip(n_steps, _shades(len(n_steps)), strict=True):
            log_p = k * np.log(q_step)
            tau_c = thresholds.critical_tau(log_p, float(k), log_p=True)
            curve = thresholds.success_probability(log_p, float(k), taus * tau_c, log_p=True)
            top.plot(taus, curve, color=color, label=f"{k} steps")
            inside = success[1:-1]
            spent = simplex.kl(
                np.log(np.stack([1 - inside, inside], axis=-1)), problems.chain(q_step, k).log_ref
            )
            shown = inside > np.exp(log_p)
            bottom.plot(spent[shown] / -log_p, inside[shown], color=color)
        top.set(xlabel=r"temperature $\tau/\tau_c$", ylabel="success", xlim=(0, 2))
        top.set_title("set the temperature: a jump")
        top.legend(loc="upper right")
        bottom.plot([0, 1], [0, 1], color=COLORS["gibbs"], ls="--", lw=1.2)
        label_line(bottom, 0.55, 0.55, r"slope $\tau_c$", COLORS["gibbs"], dx=8, dy=-4, va="top")
        bottom.set(xlabel=r"KL budget, as a share of $K|\log q|$", ylabel="success", xlim=(0, 1))
        bottom.set_title("set a KL budget: a straight line")


def annealing(target: Array, runs: Mapping[str, Array]) -> None:
    """Inverse temperature of the state against progress of the schedule, for several speeds."""
    with figure(size=(5.6, 3.8)) as ax:
        progress = np.linspace(0, 1, len(target))
        ax.plot(progress, target, color=COLORS["gibbs"], ls="--", lw=1.3)
        label_line(ax, 0.82, np.interp(0.82, progress, target), r"$1/\tau_k$", COLORS["gibbs"],
                   dx=-6, dy=6, ha="right")  # fmt: skip
        for (name, s), color in zip(runs.items(), _shades(len(runs)), strict=True):
            share = np.linspace(0, 1, len(s))
            ax.plot(share, s, color=color)
            label_line(ax, 1.0, s[-1], name, color, dx=5, va="center")
        ax.set(xlabel="progress of the schedule", ylabel="inverse temperature")
        ax.set(xlim=(0, 1.3), xticks=[0, 0.5, 1])


def same_area(n_steps: Sequence[int], q_step: float = 0.7) -> None:
    """Root of the heat capacity against log tau: narrower and higher, and never more area."""
    with figure(size=(5.6, 3.8)) as ax:
        for k, color in zip(n_steps, _shades(len(n_steps)), strict=True):
            task = problems.chain(q_step, k)
            tau_c = thresholds.critical_tau(k * np.log(q_step), float(k), log_p=True)
            u = np.concatenate([np.linspace(-1.2, -0.25, 150), np.linspace(-0.25, 0.25, 500),
                                np.linspace(0.25, 1.2, 150)])  # fmt: skip
            root = np.sqrt(gibbs.heat_capacity(task.log_ref, task.reward, tau_c * np.exp(u)))
            length = np.pi - 2 * np.arcsin(q_step ** (k / 2))
            ax.fill_between(u, root, color=color, alpha=0.25, lw=0)
            ax.plot(u, root, color=color, lw=1.4, label=f"{k} steps: area {length:.2f}")
        ax.set(xlabel=r"$\log(\tau/\tau_c)$", ylabel=r"$\sqrt{C}$")
        ax.set(xlim=(-1.2, 1.2), ylim=(0, None))
        ax.legend(loc="upper right")


def tilts(n_steps: int, q_step: float, shares: Sequence[float]) -> None:
    """How far each step of an all-or-nothing task is tilted, at several temperatures."""
    tau_c = thresholds.critical_tau(n_steps * np.log(q_step), float(n_steps), log_p=True)
    t = np.arange(1, n_steps + 1)
    with figure(size=(5.6, 3.8)) as ax:
        for share, color in zip(shares, _shades(len(shares)), strict=True):
            log_a = np.log(np.expm1(n_steps / (share * tau_c)))
            tilt = np.logaddexp(0.0, log_a + (n_steps - t) * np.log(q_step))
            ax.plot(t, tilt, color=color, marker=".", ms=4, lw=1.4)
            label_line(
                ax, t[-1], tilt[-1], rf"$\tau$ = {share:g} $\tau_c$", color, dx=6, va="center"
            )
        ax.set(xlabel="step $t$, all earlier ones right", ylabel="tilt of the step (nats)")
        ax.set(xlim=(0, 1.28 * n_steps), xticks=range(0, n_steps + 1, 10), ylim=(0, None))

"""Figures of chapter 06, the replicator flow."""

from collections.abc import Iterable, Sequence

import numpy as np

from .. import flow, gibbs
from .._types import Array, ArrayLike
from ..algorithms import iterate
from ..algorithms.mirror import explicit_step
from ..problems import Problem
from . import simplex as draw
from .style import COLORS, LINES, figure, label_line, shades

#: Starts of the discrete orbits in `lines`, each with its value of eta tau and its marker.
_ORBITS = (
    ((0.9, 0.02, 0.08), 0.15, "o"),
    ((0.03, 0.95, 0.02), 0.4, "s"),
    ((0.06, 0.01, 0.93), 0.75, "^"),
)


def _border(per_edge, margin=0.004):
    """Policies evenly spaced around the simplex, just inside its border."""
    u = np.linspace(0.06, 0.94, per_edge)
    edge = np.stack([u, 1.0 - u, np.zeros_like(u)], axis=-1)
    ring = np.concatenate([np.roll(edge, k, axis=-1) for k in range(3)])
    return (1.0 - 3.0 * margin) * ring + margin


def _stream(ax, path, at=(0.3, 0.65), **style):
    """Draw a curve with arrowheads at the given shares of its length."""
    xy = draw.to_plane(path)
    ax.plot(*xy.T, **style)
    length = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(xy, axis=0).T))])
    arrow = {"arrowstyle": "-|>", "color": style["color"], "lw": 0, "mutation_scale": 11}
    arrow |= {"shrinkA": 0, "shrinkB": 0}
    for share in at:
        k = min(np.searchsorted(length, share * length[-1]), len(xy) - 2)
        ax.annotate("", xy[k + 1], xy[k], arrowprops=arrow)


def lines(problem: Problem, tau: float, per_edge: int = 7) -> None:
    """Flow lines on the simplex, and discrete mirror orbits of three step sizes lying on them."""
    log_star = gibbs.log_gibbs(problem.log_ref, problem.reward, tau)
    times = np.linspace(0.0, 1.0, 200) ** 2 * 8.0 / tau

    def line_from(start):
        return np.exp(flow.kl_flow(times, np.log(start), log_star, tau))

    with figure(size=(5.6, 4.9)) as ax:
        draw.triangle(ax)
        for start in _border(per_edge):
            _stream(ax, line_from(start), color=COLORS["quiet"], lw=0.8)
        for start, product, marker in _ORBITS:
            ax.plot(*draw.to_plane(line_from(start)).T, color=COLORS["mirror"], lw=1.6)

            def step(log_pi, eta=product / tau):
                advantage = gibbs.soft_advantage(log_pi, problem.log_ref, problem.reward, tau)
                return explicit_step(log_pi, advantage, eta)

            orbit = np.exp(iterate(step, np.log(start), 25))
            style = {"color": COLORS["mirror"], "ms": 5.5, "marker": marker, "ls": ""}
            ax.plot(*draw.to_plane(orbit).T, **style, label=rf"$\eta\tau = {product:g}$")
        draw.mark(ax, np.exp(log_star), r"$\pi^*$", marker="*", size=150, dx=22, dy=4)
        ax.legend(loc="upper left", title="mirror steps with", handletextpad=0.1)


def orders(steps: Array, remainder: Array, etas: Array, distance: Array) -> None:
    """What one step and a whole run miss of the flow, against the step size."""
    with figure(size=(5.6, 3.6)) as ax:
        for x, y, role, order, text in (
            (steps, remainder, "trpo", 2, "one step: second order"),
            (etas, distance, "mirror", 1, "a run of fixed time: first order"),
        ):
            ax.loglog(x, y, color=COLORS[role], ls=LINES[role], marker="o", ms=4)
            far = np.array([0.55 * x[0], 1.8 * x[-1]])  # the marks lie on it: it shows beyond them
            line = y[0] * (far / x[0]) ** order
            ax.loglog(far, line, color=COLORS["reference"], lw=0.8, ls=":")
            middle = x[len(x) // 2], y[len(x) // 2]
            label_line(ax, *middle, text, COLORS[role], dx=-8, dy=8, ha="right")
        ax.set(xlabel=r"step size $\eta$", ylabel="distance to the flow")
        ax.set_xlim(0.25 * min(*steps, *etas), None)


def decay(times: Array, gap: Array, bound: Array, tau: float) -> None:
    """Free energy above its minimum along the flow, its bound, and the asymptotic rate."""
    with figure(size=(5.6, 3.6)) as ax:
        ax.semilogy(times, gap, color=COLORS["mirror"])
        ax.semilogy(times, bound, color=COLORS["gibbs"], ls="--", lw=1.3)
        late = gap[-1] * np.exp(2 * tau * (times[-1] - times))
        ax.semilogy(times, late, color=COLORS["reference"], ls=":", lw=1.3)
        early = len(times) // 4
        third = 2 * len(times) // 3
        label_line(ax, times[third], bound[third], "bound", COLORS["gibbs"], dx=4, dy=6)
        label_line(
            ax, times[third], gap[third], r"$F_\tau(\pi_t) - F^*$", COLORS["mirror"], dx=-6, dy=-10,
            ha="right", va="top",
        )  # fmt: skip
        label_line(
            ax, times[early], late[early], r"slope $-2\tau$", COLORS["reference"], dx=-4, dy=-4,
            ha="right", va="top",
        )  # fmt: skip
        ax.set(xlabel="time $t$", ylabel="free energy above minimum")
        ax.set_ylim(0.5 * gap[-1], 4 * gap[0])


def crossing(
    times: Array,
    log_odds: Iterable[Array],
    n_steps: Sequence[int],
    closeness: Array,
    measured: ArrayLike,
    exact: Array,
) -> None:
    """Top: distance to equilibrium at the threshold. Bottom: time to pass one half, close to it."""
    with figure(2, 1, size=(5.6, 6.0)) as (top, bottom):
        for k, y, color in zip(n_steps, log_odds, shades(len(n_steps)), strict=True):
            top.semilogy(times, np.abs(y), color=color)
            label_line(top, times[-1], abs(y[-1]), f"K = {k}", color, dx=4, va="center")
        top.set(xlabel=r"time $\tau t$", ylabel="log-odds to equilibrium")
        top.set_title(r"at $\tau = \tau_c$: one rate for all sizes")
        top.set_xlim(times[0], times[-1] * 1.2)
        bottom.semilogx(1 - closeness, exact, color=COLORS["mirror"])
        bottom.semilogx(1 - closeness, measured, "o", color=COLORS["mirror"], ms=5)
        near = np.geomspace(0.5, 0.05, 60)
        bottom.semilogx(near, 1 / near, color=COLORS["reference"], ls=":")
        middle = len(closeness) // 2
        label_line(
            bottom, 1 - closeness[middle], exact[middle], "logarithm", COLORS["mirror"], dx=6, dy=6
        )
        label_line(bottom, 0.11, 9.0, "power law", COLORS["reference"], dx=8, va="center")
        bottom.set(
            xlabel=r"distance to the threshold, $1 - \tau/\tau_c$",
            ylabel=r"time to one half, $\tau\, t_{1/2}$",
            ylim=(0, 12),
            title=r"only the crossing time grows",
        )


def same_curve(problem: Problem, tau: float, times: Array) -> None:
    """Regularized and bare flow from the reference: one curve, two places to stop."""
    s = np.concatenate([np.linspace(0, 12, 200), np.linspace(12.2, 60, 60)])
    curve = np.exp(gibbs.log_gibbs(problem.log_ref, problem.reward, 1 / np.maximum(s, 1e-9)))
    star = np.exp(gibbs.log_gibbs(problem.log_ref, problem.reward, tau))
    with figure(size=(5.6, 4.6)) as ax:
        draw.triangle(ax)
        ax.plot(*draw.to_plane(curve).T, color=COLORS["mirror"], lw=1.4)
        clocks = {True: (1 - np.exp(-tau * times)) / tau, False: times}
        for regularized, clock in clocks.items():
            p = np.exp(gibbs.log_gibbs(problem.log_ref, problem.reward, 1 / clock))
            face = COLORS["mirror"] if regularized else "white"
            ax.plot(
                *draw.to_plane(p).T, "o", ms=8 - 3 * regularized, mec=COLORS["mirror"], mfc=face,
                zorder=4 + regularized, label="with the KL term" if regularized else "bare reward",
            )  # fmt: skip
            for t, q in zip(times, p, strict=True):
                if not regularized:
                    ax.annotate(
                        f"{t:g}", draw.to_plane(q), (-9, 3), textcoords="offset points",
                        ha="right", fontsize=9, color=COLORS["reference"],
                    )  # fmt: skip
        draw.mark(ax, np.exp(problem.log_ref), r"$\pi_{\mathrm{ref}}$", dx=-4, dy=8)
        draw.mark(ax, star, r"$\pi^*$", marker="*", size=150, dx=22, dy=-3)
        ax.legend(loc="upper left", handletextpad=0.2)


def wells(
    x: Array,
    fisher: Iterable[Array],
    diffusion: Iterable[Array],
    star: Array,
    times: Sequence[float] | Array,
) -> None:
    """Density over time in a double well: replicator flow (top), Fokker-Planck (bottom)."""
    with figure(2, 1, size=(5.6, 6.2), sharex=True) as axes:
        for ax, path, title in (
            (axes[0], fisher, "Fisher: the other hill grows out of its own mass"),
            (axes[1], diffusion, "Wasserstein: mass has to cross the valley"),
        ):
            for t, p, color in zip(times, path, shades(len(times)), strict=True):
                ax.plot(x, p, color=color, label=f"t = {t:g}")
            ax.plot(x, star, color=COLORS["gibbs"], ls="--", lw=1.3, label="Gibbs")
            ax.set(ylabel="density", title=title, ylim=(0, 1.45 * star.max()))
        axes[0].legend(loc="upper center")
        axes[1].set(xlabel="action $x$")


def kinetics(inverse_tau: Array, diffusion: Array, kramers: Array) -> None:
    """Relaxation time of both flows against inverse temperature."""
    with figure(size=(5.6, 3.6)) as ax:
        ax.semilogy(inverse_tau, 1 / diffusion, "s", color=COLORS["euclid"], ms=6)
        ax.semilogy(inverse_tau, 1 / kramers, color=COLORS["euclid"], ls=LINES["euclid"])
        ax.semilogy(inverse_tau, inverse_tau, color=COLORS["mirror"], marker="o", ms=5)
        last = inverse_tau[-2]
        label_line(
            ax, last, 1 / diffusion[-2], "diffusion", COLORS["euclid"], dx=-10, dy=4, ha="right"
        )
        label_line(ax, last, last, "replicator flow", COLORS["mirror"], dx=0, dy=8, ha="center")
        ax.set(xlabel=r"$1/\tau$", ylabel="relaxation time", xticks=inverse_tau)


def bent(problem: Problem, tau: float, exact: Array, plain: Array, saturated: Array) -> None:
    """Three flows of one free energy from one start: exact, plain logit gradient, saturating."""
    star = np.exp(gibbs.log_gibbs(problem.log_ref, problem.reward, tau))
    with figure(size=(5.6, 4.7)) as ax:
        draw.triangle(ax)
        for path, role, name in (
            (exact, "mirror", "replicator"),
            (plain, "euclid", "gradient in logits"),
            (saturated, "ppo", "saturating"),
        ):
            xy = draw.to_plane(path)
            ax.plot(*xy.T, color=COLORS[role], ls=LINES[role], label=name)
        draw.mark(ax, exact[0], "start", dx=9, dy=-9)
        draw.mark(ax, star, r"$\pi^*$", marker="*", size=150, dx=16, dy=6)
        ax.legend(loc="upper left")

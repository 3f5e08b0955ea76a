"""Figures of chapter 02, two KLs."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from .. import gibbs, simplex
from .._types import Array, ArrayLike
from ..algorithms import iterate
from ..algorithms.mirror import explicit_step, implicit_step
from ..problems import Problem
from . import simplex as draw
from .style import COLORS, LINES, figure, label_line, shades


def run(
    problem: Problem,
    tau: ArrayLike,
    log_start: ArrayLike,
    eta: ArrayLike,
    n_steps: int,
    *,
    implicit: bool = False,
) -> Array:
    """Policies along a run, shape (n_steps + 1, ..., A); tau and eta of shape (...)."""
    tau, eta = np.broadcast_arrays(np.asarray(tau, float), np.asarray(eta, float))
    ref, reward = problem.log_ref, problem.reward

    def step(log_pi):
        if implicit:
            return implicit_step(log_pi, ref, reward, tau, eta)
        return explicit_step(log_pi, gibbs.soft_advantage(log_pi, ref, reward, tau), eta)

    start = np.broadcast_to(log_start, (*tau.shape, problem.n_actions))
    return iterate(step, start, n_steps)


def _side_by_side(log_start, log_star, c, shift):
    """Points pi_0^c (pi*)^(1-c) in the plane, moved sideways by `shift` between the two ends."""

    def place(c):
        return draw.to_plane(np.exp(simplex.log_normalize(c * log_start + (1 - c) * log_star)))

    c = np.asarray(c, float)[:, None]
    along = place(c + 1e-4) - place(c - 1e-4)
    normal = np.stack([-along[:, 1], along[:, 0]], axis=-1)
    normal /= np.linalg.norm(along, axis=-1, keepdims=True)
    return place(c) + shift * np.sin(np.pi * c) * normal


def end_points(
    problem: Problem, log_start: Array, tau: float, products: Sequence[float], other_tau: float
) -> None:
    """Five runs of different step to one end point, and a sixth for another temperature."""
    log_star = gibbs.log_gibbs(problem.log_ref, problem.reward, tau)
    with figure(size=(5.6, 5.0)) as ax:
        draw.triangle(ax)
        shifts = 0.027 * (np.arange(len(products)) - (len(products) - 1) / 2)
        markers = ("o", "s", "^", "D", "v")
        for x, shift, color, mark in zip(
            products, shifts, shades(len(products)), markers, strict=True
        ):
            c = (1.0 - x) ** np.arange(60)
            track = _side_by_side(log_start, log_star, np.linspace(1, c.min(), 200), shift)
            beads = _side_by_side(log_start, log_star, c, shift)
            ax.plot(*track.T, color=color, lw=1.3)
            ax.plot(*beads.T, mark, color=color, ms=5, label=rf"$\eta\tau$ = {x:g}")
        path = run(problem, other_tau, log_start, 0.4 / other_tau, 60)
        xy = draw.to_plane(np.exp(path))
        ax.plot(*xy.T, color=COLORS["reference"], ls=(0, (4, 2)), lw=1.6, marker=".", ms=7)
        for policy, text, fill, (dx, dy) in (
            (np.exp(log_star), rf"$\tau$ = {tau:g}", COLORS["gibbs"], (-8, -17)),
            (np.exp(path[-1]), rf"$\tau$ = {other_tau:g}", "white", (10, 6)),
        ):
            x, y = draw.to_plane(policy)
            ax.scatter(x, y, marker="*", s=230, color=fill, edgecolor=COLORS["gibbs"], zorder=6)
            ax.annotate(
                text, (x, y), (dx, dy), textcoords="offset points", ha="right" if dx < 0 else "left"
            )
        draw.mark(ax, np.exp(log_start), "start", dx=20, dy=6)
        ax.legend(loc="upper left", bbox_to_anchor=(-0.04, 1.0), handletextpad=0.2)


def runaway(value: Callable[[float, Array], Array], taus: Sequence[float], means: Array) -> None:
    """Objective of exponential laws against their mean, above and below the critical tau."""
    places = ((15, -4.5, "left"), (55, 3.4, "left"), (17, 5.4, "right"))
    with figure(size=(5.6, 3.4)) as ax:
        for tau, role, (x, y, side) in zip(
            taus, ("mirror", "reference", "euclid"), places, strict=True
        ):
            curve = value(tau, means)
            ax.semilogx(means, curve, color=COLORS[role], ls=LINES[role])
            ax.text(x, y, rf"$\tau$ = {tau:g}", color=COLORS[role], ha=side)
            if curve[-1] < curve.max():
                ax.plot(means[curve.argmax()], curve.max(), "*", ms=14, color=COLORS["gibbs"])
        ax.set(ylim=(-7, 7), xlim=(means[0], means[-1]))
        ax.set(xlabel="mean of the policy", ylabel="objective")


def rise_and_fall(log_pi: Array, advantage: Array, etas: Array, turn: float) -> None:
    """Log growth of each action in one step, against the step size."""
    new = explicit_step(log_pi, np.broadcast_to(advantage, (len(etas), len(advantage))), etas)
    growth = new - log_pi
    roles = ("mirror", "grpo", "euclid")
    with figure(size=(5.6, 3.6)) as ax:
        for y, a, role, dy in zip(growth.T, advantage, roles, (6, 22, -7), strict=True):
            ax.plot(etas, y, color=COLORS[role], ls=LINES[role])
            label_line(
                ax, etas[-1], y[-1], f"A = {a:+.2f}", COLORS[role], dx=-4, dy=dy, ha="right",
                va="bottom" if dy > 0 else "top",
            )  # fmt: skip
        ax.axhline(0, color=COLORS["reference"], lw=0.8)
        ax.plot(turn, 0, "o", color=COLORS["gibbs"], zorder=5)
        label_line(ax, turn, 0, "a good action begins to lose", COLORS["gibbs"], dx=4, dy=7)
        ax.set(xlabel=r"step $\eta$", ylabel=r"$\log\,\pi_{k+1}(a)/\pi_k(a)$", ylim=(-3.6, 2.9))


def end_and_pace(
    problem: Problem,
    log_start: Array,
    taus: Sequence[float] | Array,
    products: Sequence[float],
    shrink: float = 1e-3,
) -> None:
    """Where runs of all steps end, against tau; and how long they take, against eta tau."""
    best = int(np.argmax(problem.reward))
    tau_grid, x_grid = np.meshgrid(taus, products, indexing="ij")
    end = run(problem, tau_grid, log_start, x_grid / tau_grid, 300)[-1]
    fine = np.geomspace(taus[0], taus[-1], 200)
    x = np.linspace(0.06, 1.97, 400)
    ways = {"explicit step": (np.abs(1 - x), "mirror"), "implicit step": (1 / (1 + x), "trpo")}
    with figure(2, 1, size=(5.6, 6.6)) as (top, bottom):
        star = gibbs.log_gibbs(problem.log_ref, problem.reward, fine)
        top.semilogx(fine, np.exp(star[:, best]), color=COLORS["gibbs"], lw=1.2)
        for j, (color, mark, size) in enumerate(
            zip(shades(len(products)), ("o", "s", "^", "D"), (13, 9.5, 6.5, 3.5), strict=True)
        ):
            style = {"marker": mark, "ms": size, "ls": "", "color": color}
            top.plot(taus, np.exp(end[:, j, best]), **style, label=rf"$\eta\tau$ = {products[j]:g}")
        top.set(xlabel=r"temperature $\tau$", ylabel="best answer at the end")
        top.set_title(r"$\tau$ moves the end point, $\eta$ does not", y=1.02)
        top.legend()
        for name, (factor, role) in ways.items():
            with np.errstate(divide="ignore"):
                steps = np.maximum(np.log(shrink) / np.log(factor), 1.0)
            bottom.semilogy(x, steps, color=COLORS[role], ls=LINES[role])
            at, dx, dy = (0.55, -8, -18) if role == "mirror" else (0.75, 0, 8)
            label_line(bottom, at, np.interp(at, x, steps), name, COLORS[role],
                       dx=dx, dy=dy, ha="right" if dx else "left")  # fmt: skip
        bottom.plot(1, 1, "o", color=COLORS["mirror"], clip_on=False)
        label_line(bottom, 1, 1, "one step", COLORS["mirror"], dx=10, dy=2)
        bottom.axvline(2, color=COLORS["reference"], ls=":", lw=1.2)
        label_line(bottom, 2, 1.2, "never ", COLORS["reference"], dx=3, ha="left")
        bottom.set(xlabel=r"$\eta\tau$", ylabel="steps to Gibbs / 1,000", xlim=(0, 2.3))
        bottom.set_title(r"$\eta$ sets the pace", y=1.02)


def both_kls(problem: Problem, taus: Sequence[float], product: float, n_steps: int = 24) -> None:
    """KL to the reference and KL of each step along two runs that start at the reference."""
    with figure(size=(5.6, 4.0)) as ax:
        for tau, width in zip(taus, (2.4, 1.3), strict=True):
            log_pi = run(problem, tau, problem.log_ref, product / tau, n_steps)
            spent = simplex.kl(log_pi[1:], log_pi[:-1])
            kept = simplex.kl(log_pi[1:], problem.log_ref)
            k = np.arange(1, n_steps + 1)
            for y, role in ((kept, "gibbs"), (spent, "mirror")):
                ax.semilogy(k, y, color=COLORS[role], ls="-" if role == "gibbs" else "--", lw=width)
            label_line(ax, n_steps, kept[-1], rf"to the reference, $\tau$ = {tau:g}",
                       COLORS["gibbs"], dx=0, dy=5, ha="right")  # fmt: skip
            at = 13 if width > 2 else 11
            label_line(
                ax, at, spent[at - 1], rf"of the step, $\tau$ = {tau:g}", COLORS["mirror"],
                dx=6 if width > 2 else -6, dy=2 if width > 2 else -4,
                ha="left" if width > 2 else "right", va="bottom" if width > 2 else "top",
            )  # fmt: skip
        ax.set(xlabel="steps", ylabel="KL (nats)", ylim=(None, 9))


def directions(log_start: Array, ends: Sequence[Array], paths: Mapping[str, Array]) -> None:
    """Three runs from one start: which KL is reversed decides whether the end point moves."""
    with figure(size=(5.6, 4.9)) as ax:
        draw.triangle(ax)
        for (name, path), role in zip(paths.items(), ("mirror", "trpo", "euclid"), strict=True):
            xy = draw.to_plane(np.exp(path))
            ax.plot(*xy.T, color=COLORS[role], ls=LINES[role], label=name)
        for end, fill in zip(ends, (COLORS["gibbs"], "white"), strict=True):
            xy = draw.to_plane(np.exp(end))
            ax.scatter(*xy, marker="*", s=220, color=fill, edgecolor=COLORS["gibbs"], zorder=6)
        draw.mark(ax, np.exp(log_start), "start", dx=20, dy=6)
        ax.legend(loc="upper left", bbox_to_anchor=(-0.08, 1.04), title="reversed:")

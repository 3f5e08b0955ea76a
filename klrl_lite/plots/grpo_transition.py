"""Figures of chapter 10, GRPO's own phase transition."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from scipy.special import expit, logit

from .. import equilibria, gibbs, simplex, thresholds
from .._types import Array
from ..problems import Problem
from ..solvers import bisect
from .style import COLORS, LINES, figure, label_line, shades

#: Success rates to mark on an axis of log-odds.
_TICKS = (1e-3, 1e-2, 0.1, 0.5, 0.9, 0.99, 0.999)


def _branches(ax: Axes, curve: Array, color: str, lw: float = 2.2) -> None:
    """Draw y against beta, solid where beta falls with y (those fixed points attract)."""
    beta, y = curve
    attracts = np.gradient(beta) < 0
    edges = np.flatnonzero(np.diff(attracts)) + 1
    for part in np.split(np.arange(len(beta)), edges):
        solid = attracts[part[0]]
        joined = slice(part[0], part[-1] + 2)
        ax.plot(beta[joined], y[joined], color=color, ls="-" if solid else ":",
                lw=lw if solid else 1.4)  # fmt: skip


def loop(state: Mapping[str, Any]) -> None:
    """Success on the way down and up in beta, on the curve of all fixed points.

    `state` is what `labs.grpo_transition.transition_state` returns.
    """
    beta, down, up = state["beta"], state["down"], state["up"]
    low, high = state["folds"]
    with figure(size=(5.6, 4.4)) as ax:
        ax.axvspan(low, high, color=COLORS["quiet"], alpha=0.13, lw=0)
        _branches(ax, state["curve"], COLORS["gibbs"], lw=1.6)
        ax.plot(beta, state["gibbs"], color=COLORS["reference"], ls="--", lw=1.4)
        for runs, marker, role in ((down, "v", "mirror"), (up, "^", "euclid")):
            ax.plot(beta, runs, marker, color=COLORS[role], ms=4.5, alpha=0.75, mec="none")
        middle = 0.5 * (low + high)
        ax.text(middle, 0.14, "two outcomes\nfor one $\\beta$", ha="center", fontsize=10)
        ax.text(high + 0.006, 0.36, "lowering $\\beta$", color=COLORS["mirror"], fontsize=10.5)
        ax.text(low + 0.004, 0.92, "raising $\\beta$", color=COLORS["euclid"], fontsize=10.5)
        ax.text(high + 0.006, 0.055, "Gibbs", color=COLORS["reference"], fontsize=10.5)
        arrow = {"arrowstyle": "-|>", "lw": 1.4}
        jumps = ((low - 0.003, 0.68, 0.9, "mirror"), (high + 0.012, 0.8, 0.55, "euclid"))
        for x, start, end, role in jumps:
            ax.annotate("", (x, end), (x, start), arrowprops=arrow | {"color": COLORS[role]})
        ax.set(xlabel=r"penalty coefficient $\beta$", ylabel="success", ylim=(-0.02, 1.04))
        ax.set(xlim=(beta.min() - 0.002, beta.max() + 0.002))


def staircase(problem: Problem, reach: tuple[float, float] = (0.012, 8.0)) -> None:
    """Mean reward at the resting places of large groups against beta, and a path down and up."""
    tau = np.geomspace(*reach, 6000)[::-1]
    heat = gibbs.heat_capacity(problem.log_ref, problem.reward, tau)
    law = gibbs.log_gibbs(problem.log_ref, problem.reward, tau)
    mean, beta = simplex.expect(law, problem.reward), 1 / np.sqrt(heat)
    keep = (beta < 5.0) & (beta > 0.05)
    with figure(size=(5.6, 3.9)) as ax:
        _branches(ax, np.stack([beta[keep], mean[keep]]), COLORS["grpo"])
        ax.set(xscale="log", xlim=(0.06, 5.0), ylim=(-0.05, 1.6), ylabel="mean reward")
        ax.set(xlabel=r"penalty coefficient $\beta$")
        ticks = [0.1, 0.2, 0.5, 1, 2, 5]
        ax.set_xticks(ticks, [f"{t:g}" for t in ticks])
        ax.minorticks_off()
        arrow = {"arrowstyle": "-|>", "lw": 1.5}
        first = 1 / np.sqrt(np.max(heat[tau > 0.1]))
        second = 1 / np.sqrt(np.max(heat))
        for x, y0, y1 in ((first * 0.985, 0.62, 0.97), (second * 0.985, 1.3, 1.49)):
            ax.annotate("", (x, y1), (x, y0), arrowprops=arrow | {"color": COLORS["mirror"]})
        ax.annotate("", (1.5, 1.055), (0.45, 1.055), arrowprops=arrow | {"color": COLORS["euclid"]})
        ax.text(0.47, 1.1, "raised again: stays here", color=COLORS["euclid"], fontsize=10.5)
        ax.text(0.43, 0.62, "first jump", color=COLORS["mirror"], fontsize=10.5)
        ax.text(0.15, 1.22, "second jump", color=COLORS["mirror"], fontsize=10.5)
        ax.text(1.4, 0.1, "from the reference", fontsize=10.5, color=COLORS["grpo"])


def _coexistence(supports: Array) -> Array:
    """Beta at which the low valley is as deep as certainty; a bisection for each support."""

    def depth(beta):
        found = []
        for b, p in zip(beta, supports, strict=True):
            P = equilibria.grpo_equilibria(float(p), float(b))[0][0]
            found.append(_energy(P, p, b) + np.pi + b * np.log(p))
        return np.array(found)

    edge = equilibria.grpo_spinodal(supports)
    return bisect(depth, edge * (1 + 1e-6), edge * 3.0, rtol=1e-4)[0]


def _energy(P, p, beta):
    return (
        -2 * np.arcsin(np.sqrt(P))
        + beta * (P * np.log(P / p) + (1 - P) * np.log((1 - P) / (1 - p)))
    )  # fmt: skip


def phases(p_ref: float = 1e-2) -> None:
    """Effective free energy at three beta, and the phase diagram in support and beta."""
    edge = float(equilibria.grpo_spinodal(p_ref))
    balance = float(_coexistence(np.array([p_ref]))[0])
    log_odds = np.linspace(-6.5, 9.0, 800)
    rows = {f"$\\beta = {b:.2f}$": b for b in (0.85 * edge, balance, 1.3 * balance)}
    with figure(2, 1, size=(5.6, 7.0), height_ratios=(1, 1.1)) as (top, bottom):
        for (name, b), color in zip(rows.items(), shades(3), strict=True):
            curve = _energy(expit(log_odds), p_ref, b)
            top.plot(log_odds, curve, color=color)
            label_line(top, 9.0, curve[-1], name, color, dx=5, va="center", fontsize=10.5)
            for P in equilibria.grpo_equilibria(p_ref, b)[0][:1]:
                top.plot(logit(P), _energy(P, p_ref, b), "o", color=color, ms=7)
        top.set(xlabel="success", ylabel="effective free energy", xlim=(-6.5, 12.0))
        top.set_xticks(logit(np.array(_TICKS)), [f"{100 * t:g} %" for t in _TICKS])
        top.tick_params(axis="x", labelsize=9)
        supports = np.geomspace(1e-8, 0.3, 18)
        _phase_lines(bottom, supports)


def _phase_lines(ax, supports):
    edge, balance = equilibria.grpo_spinodal(supports), _coexistence(supports)
    half = thresholds.critical_tau(supports)
    bottom, ceiling = 0.035, 1.6
    ax.loglog(supports, edge, color=COLORS["grpo"])
    ax.loglog(supports, balance, color=COLORS["grpo"], ls=LINES["euclid"])
    ax.loglog(supports, half, color=COLORS["reference"], ls=LINES["reference"])
    ax.fill_between(supports, bottom, edge, color=COLORS["grpo"], alpha=0.2, lw=0)
    ax.fill_between(supports, edge, balance, color=COLORS["grpo"], alpha=0.08, lw=0)
    ax.text(1.4e-8, 0.62, "two stable phases,\nthe low one deeper", fontsize=10.5)
    ax.text(0.22, 0.06, "no low phase:\nrunaway to certainty", ha="right", fontsize=10.5)
    names = (
        (3e-7, balance, "coexistence", "grpo", 20),
        (2e-5, edge, "spinodal", "grpo", -22),
        (3e-6, half, r"Gibbs midpoint, $\Delta/L$", "reference", -20),
    )
    for x, line, name, role, dy in names:
        y = np.exp(np.interp(np.log(x), np.log(supports), np.log(line)))
        label_line(ax, x, y, name, COLORS[role], dy=dy, fontsize=10.5)
    ax.set(xlabel="support $p$", ylabel=r"$\beta$ (for Gibbs $\tau/\Delta$)")
    ax.set(xlim=(supports[0], supports[-1]), ylim=(bottom, ceiling))
    ticks = [0.05, 0.1, 0.2, 0.5, 1.0]
    ax.set_yticks(ticks, [f"{t:g}" for t in ticks])
    ax.minorticks_off()


def groups(p_ref: float = 1e-3, largest: int = 64) -> None:
    """Window of beta with two outcomes against the group size, and the smallest group."""
    sizes = np.arange(4, largest + 1)
    folds = {g: equilibria.grpo_folds(p_ref, int(g))[0] for g in sizes}
    wide = [g for g in sizes if len(folds[g])]
    low, high = np.transpose([folds[g] for g in wide])
    with figure(2, 1, size=(5.6, 6.8)) as (top, bottom):
        top.fill_between(wide, low, high, color=COLORS["grpo"], alpha=0.18, lw=0)
        for edge in (low, high):
            top.plot(wide, edge, "o-", color=COLORS["grpo"], ms=2.5, lw=1.2)
        edge = float(equilibria.grpo_spinodal(p_ref))
        top.axhline(edge, color=COLORS["reference"], ls=":", lw=1.2)
        top.text(largest, edge - 0.012, "spinodal of large groups", ha="right", va="top",
                 color=COLORS["reference"], fontsize=10)  # fmt: skip
        top.text(42, 0.36, "two outcomes", ha="center", fontsize=10.5)
        top.text(14, 0.48, "low", ha="center", fontsize=10.5)
        top.text(14, 0.2, "high", ha="center", fontsize=10.5)
        top.annotate("cusp", (wide[0], low[0]), (-4, 26), textcoords="offset points", ha="center",
                     fontsize=10.5, arrowprops={"arrowstyle": "-", "lw": 0.7})  # fmt: skip
        top.set(xlabel="group size $G$", ylabel=r"$\beta$", xlim=(2, largest), ylim=(0.15, 0.62))
        top.set_title(f"$p$ = {p_ref:g}")
        few = np.arange(4, 41)
        prices = np.array([equilibria.grpo_fold_price(int(g)) for g in few])
        supports = expit(-prices)
        bottom.semilogy(few, supports, "o-", color=COLORS["grpo"], ms=3.5, lw=1.2)
        bottom.fill_between(few, supports, 1e-18, color=COLORS["grpo"], alpha=0.18, lw=0)
        bottom.text(25, 1e-9, "a window of $\\beta$ with\ntwo outcomes", ha="center", fontsize=10.5)
        bottom.text(-2.0, 1e-6, "one\noutcome\nat every\n$\\beta$", fontsize=10.5)
        for g in (4, 8, 16, 32):
            value = expit(-equilibria.grpo_fold_price(g))
            label_line(bottom, g, value, f"{g}: {value:.1g}", COLORS["gibbs"], dx=6, dy=-12,
                       fontsize=9.5)  # fmt: skip
        bottom.set(xlabel="group size $G$", ylabel="support $p$", xlim=(-3, 40), ylim=(1e-17, 1.0))
        bottom.set_xticks(range(5, 41, 5))


def escape(supports: Array, times: Mapping[str, Array], laws: Mapping[str, Array]) -> None:
    """Time from the reference to one half against the support: measured, and the laws."""
    roles = ("ppo", "grpo", "trpo", "mirror", "gibbs")
    marks = ("o", "s", "D", "v", "^")
    with figure(size=(5.6, 4.6)) as ax:
        for (name, values), role, mark in zip(times.items(), roles, marks, strict=True):
            ax.loglog(supports, laws[name], color=COLORS[role], lw=1.2)
            ax.loglog(supports, values, mark, color=COLORS[role], ms=4.5)
            label_line(ax, supports[0], values[0], name, COLORS[role], dx=-8, ha="right",
                       va="center", fontsize=10)  # fmt: skip
        ax.set(xlabel="support $p$", ylabel="time to reach one half")
        ax.set_xlim(supports[0] * 3e-3, supports[-1] * 1.6)
        ax.set_xticks([1e-6, 1e-4, 1e-2])
        ax.minorticks_off()


def full_solves(p_ref: float, beta: Array, orbit: Array, rest: Sequence[float] | Array) -> None:
    """Success visited by iterated full solves against beta, and the fixed point of the flow."""
    with figure(size=(5.6, 3.8)) as ax:
        ax.plot(beta, orbit.T, ".", color=COLORS["euclid"], ms=3.5)
        ax.plot(beta, rest, color=COLORS["gibbs"], lw=1.4)
        ax.set(xlabel=r"$\beta$", ylabel="success", xscale="log", yscale="log")
        ticks = [0.3, 1, 3, 10]
        ax.set_xticks(ticks, [f"{t:g}" for t in ticks])
        ax.minorticks_off()
        ax.set_yticks([p_ref, 1e-2, 0.1, 1], [f"{p_ref:g}", "0.01", "0.1", "1"])
        ax.text(2.4, 0.3, "full solves: one,\nthen the other", color=COLORS["euclid"],
                fontsize=10.5)  # fmt: skip
        ax.text(3.3, 0.05, "the flow rests here", fontsize=10.5)

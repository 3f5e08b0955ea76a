"""Figures of chapter 07, Gibbs thresholds."""

from collections.abc import Sequence

import numpy as np

from .. import gibbs, problems, thresholds
from .._types import Array, ArrayLike
from .style import COLORS, figure, shades

_Q = 0.7


def sharpening(
    n_steps: Sequence[int] = (3, 10, 30, 100, 1000), q_step: float = _Q, step_gap: float = 1.0
) -> None:
    """Success against temperature for growing tasks, raw and collapsed."""
    tau_limit = -step_gap / np.log(q_step)
    tau = np.linspace(0.05, 2.2 * tau_limit, 1500)
    with figure(2, 1, size=(5.6, 6.4)) as (raw, collapsed):
        for k, color in zip(n_steps, shades(len(n_steps)), strict=True):
            log_p, gap = k * np.log(q_step), k * step_gap
            success = thresholds.success_probability(log_p, gap, tau, log_p=True)
            raw.plot(tau, success, color=color, label=f"K = {k}")
            x = gap / tau - thresholds.log_odds_against(log_p, log_p=True)
            collapsed.plot(x, success, color=color, lw=7 - 1.8 * np.log10(k))
        raw.axvline(tau_limit, color=COLORS["reference"], ls=":", lw=1.2)
        raw.annotate(
            r"$\delta\,/\,|\log q|$",
            (tau_limit, 1.0),
            (5, -3),
            textcoords="offset points",
            va="top",
        )
        raw.legend(loc="upper right")
        raw.set(xlabel=r"temperature $\tau$", ylabel="success", ylim=(-0.03, 1.03))
        raw.set_title("more steps, sharper crossing")
        collapsed.set(
            xlim=(-8, 8),
            xlabel=r"$L\,(\tau_c/\tau - 1)$",
            ylabel="success",
            title="the same curves in the right variable: one curve",
        )


def anatomy(p_ref: float = 1e-3, gap: float = 1.0, level: float = 0.1) -> None:
    """Crossover of one problem: midpoint, steepest point, width, heat capacity."""
    tau_c = thresholds.critical_tau(p_ref, gap)
    log_odds = thresholds.log_odds_against(p_ref)
    edge = np.log((1 - level) / level)
    cold, hot = gap / (log_odds + edge), gap / (log_odds - edge)
    peak = thresholds.heat_capacity_peak(p_ref, gap)
    tau = np.linspace(0.35 * tau_c, 2.2 * tau_c, 800)
    problem = problems.binary(p_ref, gap)
    capacity = gibbs.heat_capacity(problem.log_ref, problem.reward, tau)
    with figure(2, 1, size=(5.6, 5.4), sharex=True) as (top, bottom):
        top.plot(tau, thresholds.success_probability(p_ref, gap, tau), color=COLORS["mirror"])
        top.axvspan(cold, hot, color=COLORS["mirror"], alpha=0.12, lw=0)
        top.text(hot, 0.62, "  90 % to 10 %", fontsize=10)
        top.plot(tau_c, 0.5, "o", color=COLORS["gibbs"])
        top.annotate(r"$\tau_c$: one half", (tau_c, 0.5), (8, 0), textcoords="offset points")
        top.set(ylabel="success", ylim=(-0.03, 1.03))
        bottom.plot(tau, capacity, color=COLORS["euclid"])
        bottom.plot(peak.tau, peak.height, "s", color=COLORS["gibbs"])
        top_of_peak = (peak.tau, peak.height)
        text = "peak, colder than $\\tau_c$"
        bottom.annotate(text, top_of_peak, (24, -3), textcoords="offset points")
        bottom.axvline(tau_c, color=COLORS["reference"], ls=":", lw=1.2)
        bottom.set(xlabel=r"temperature $\tau$", ylabel=r"heat capacity $C$", ylim=(0, None))


def support(gap: float = 1.0) -> None:
    """Phase plane of support and temperature, from p = 1/2 down to 1e-30."""
    log10_p = np.linspace(-30, np.log10(0.4999), 600)
    tau_c = thresholds.critical_tau(10.0**log10_p, gap)
    top = 0.6
    with figure(size=(5.6, 3.6)) as ax:
        ax.plot(log10_p, tau_c, color=COLORS["gibbs"])
        below = np.minimum(tau_c, top)
        ax.fill_between(log10_p, 0, below, color=COLORS["mirror"], alpha=0.15, lw=0)
        ax.text(-2.0, 0.03, "the reward\ndecides", ha="center", fontsize=10)
        ax.text(-20, 0.3, "the reference decides", ha="center")
        for p in (1e-3, 1e-30):
            ax.plot(np.log10(p), thresholds.critical_tau(p, gap), "o", color=COLORS["gibbs"])
        ax.annotate(
            "27 orders of magnitude less support:\na tenth of the temperature",
            (-30, thresholds.critical_tau(1e-30, gap)),
            (4, 22),
            textcoords="offset points",
            fontsize=10,
        )
        ax.set(
            xlabel=r"support, $\log_{10} p$",
            ylabel=r"temperature $\tau\,/\,\Delta$",
            ylim=(0, top),
            xlim=(-30.5, 0),
        )


def kink(
    n_steps: Sequence[int] = (5, 20, 100, 1000), q_step: float = _Q, step_gap: float = 1.0
) -> None:
    """Free-energy density and reward per step against temperature: kink and latent heat."""
    tau_limit = -step_gap / np.log(q_step)
    tau = np.linspace(0.4 * tau_limit, 1.8 * tau_limit, 900)
    with figure(2, 1, size=(5.6, 5.8), sharex=True) as (top, bottom):
        for k, color in zip(n_steps, shades(len(n_steps)), strict=True):
            problem = problems.chain(q_step, k, step_gap)
            log_z = gibbs.log_partition(problem.log_ref, problem.reward, tau)
            success = thresholds.success_probability(
                k * np.log(q_step), k * step_gap, tau, log_p=True
            )
            top.plot(tau, -tau * log_z / k, color=color, label=f"K = {k}")
            bottom.plot(tau, step_gap * success, color=color)
        limit = -np.maximum(0.0, step_gap + tau * np.log(q_step))
        top.plot(tau, limit, color=COLORS["gibbs"], ls="--", lw=1.2, label=r"$K \to \infty$")
        top.set(ylabel=r"free energy per step $F^*/K$")
        top.legend()
        bottom.annotate(
            "",
            (tau_limit, 0),
            (tau_limit, step_gap),
            arrowprops={"arrowstyle": "<->", "color": COLORS["gibbs"]},
        )
        bottom.text(tau_limit, 0.3, r"latent heat $\delta$  ", ha="right")
        bottom.set(xlabel=r"temperature $\tau$", ylabel=r"reward per step $E[r]/K$")


def zeros(
    n_steps: Sequence[int] = (5, 10, 20, 40), q_step: float = _Q, step_gap: float = 1.0
) -> None:
    """Zeros of the partition function closing in on the real axis of 1/tau."""
    with figure(size=(5.6, 3.8)) as ax:
        markers = "osD^"
        for k, color, marker in zip(n_steps, shades(len(n_steps)), markers, strict=True):
            z = thresholds.fisher_zeros(k * np.log(q_step), k * step_gap, 12, log_p=True)
            z = np.concatenate([z, z.conj()])
            ax.plot(z.real, z.imag, marker, color=color, ms=5, ls="", label=f"K = {k}")
        ax.axhline(0, color=COLORS["reference"], lw=1)
        ax.axvline(-np.log(q_step) / step_gap, color=COLORS["reference"], ls=":", lw=1.2)
        ax.set(
            xlabel=r"real part of $1/\tau$",
            ylabel=r"imaginary part",
            ylim=(-1.6, 1.6),
            xlim=(0.2, 0.45),
        )
        ax.legend(loc="upper right")


def fixed_gap(n_steps: Sequence[int] = (5, 20, 100), q_step: float = _Q, gap: float = 5.0) -> None:
    """A fixed gap: the crossing slides to zero temperature, yet sharpens all the same."""
    with figure(2, 1, size=(5.6, 5.6)) as (raw, relative):
        for k, color in zip(n_steps, shades(len(n_steps)), strict=True):
            log_p = k * np.log(q_step)
            tau_c = thresholds.critical_tau(log_p, gap, log_p=True)
            tau = np.concatenate([np.geomspace(0.02, 0.2, 300), np.linspace(0.2, 8, 1500)])
            success = thresholds.success_probability(log_p, gap, tau, log_p=True)
            raw.plot(tau, success, color=color, label=f"K = {k}")
            relative.plot(tau / tau_c, success, color=color)
        raw.set(xlabel=r"temperature $\tau$", ylabel="success", xlim=(0, 5))
        raw.set_title(r"fixed gap: $\tau_c$ falls as $1/K$")
        raw.legend()
        relative.set(xlabel=r"$\tau/\tau_c$", ylabel="success", xlim=(0, 2.5))
        relative.set_title("relative to its own crossing it sharpens as before")


def additive(
    n_steps: Sequence[int] = (1, 10, 100), q_step: float = 0.3, step_gap: float = 1.0
) -> None:
    """Reward share against temperature: all-or-nothing sharpens, additive does not."""
    tau = np.linspace(0.15, 3.0, 700)
    with figure(2, 1, size=(5.6, 5.6), sharex=True) as (top, bottom):
        for k, color in zip(n_steps, shades(len(n_steps)), strict=True):
            success = thresholds.success_probability(
                k * np.log(q_step), k * step_gap, tau, log_p=True
            )
            top.plot(tau, success, color=color, label=f"K = {k}")
            mean = problems.chain(q_step, k, step_gap, credit="additive").known["mean_reward"](tau)
            bottom.plot(tau, mean / (k * step_gap), color=color, lw=5 - 1.4 * np.log10(k))
        top.set(ylabel="reward share", title="all or nothing")
        top.legend()
        bottom.set(xlabel=r"temperature $\tau$", ylabel="reward share")
        bottom.set_title("one point per step: three curves, one line")


def three_levels(log_mass: ArrayLike, reward: ArrayLike) -> None:
    """Mean reward and its variance for a reward with three levels: two crossings."""
    problem = problems.levels(log_mass, reward)
    beta = np.linspace(0, 60, 1500)
    tau = 1.0 / np.maximum(beta, 1e-9)
    pi = np.exp(gibbs.log_gibbs(problem.log_ref, problem.reward, tau))
    mean = pi @ problem.reward
    variance = pi @ problem.reward**2 - mean**2
    with figure(2, 1, size=(5.6, 5.2), sharex=True) as (top, bottom):
        top.plot(beta, mean, color=COLORS["mirror"])
        top.set(ylabel="mean reward")
        bottom.plot(beta, variance, color=COLORS["euclid"])
        bottom.set(xlabel=r"inverse temperature $1/\tau$", ylabel="variance of reward")
        for ax in (top, bottom):
            for crossing in 1.0 / problem.known["crossings"]:
                ax.axvline(crossing, color=COLORS["reference"], ls=":", lw=1.2)


def shared_difficulty(n_steps: Sequence[int] | Array, independent: Array, shared: Array) -> None:
    """Critical temperature against task length, with and without shared difficulty."""
    with figure(size=(5.6, 3.5)) as ax:
        ax.loglog(n_steps, shared, color=COLORS["euclid"], ls=(0, (5, 2)), marker="s", ms=4)
        ax.loglog(n_steps, independent, color=COLORS["mirror"], marker="o", ms=4)
        ax.text(n_steps[2], shared[2] * 2, "difficulty shared\nalong the answer", ha="right")
        ax.text(n_steps[-1], independent[-1] * 1.15, "independent steps", ha="right", va="bottom")
        ax.set(xlabel="steps $K$", ylabel=r"critical temperature $\tau_c$")

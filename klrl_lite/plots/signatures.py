"""Figures of chapter 08, continued: which thermometer reads a crossing best, and what moves it."""

from collections.abc import Mapping, Sequence

import numpy as np
from scipy.special import expit

from .. import gibbs, thresholds
from .._types import Array
from ..diagnostics import crossing_at, pass_at_k_of
from ..diagnostics.cells import sixteen
from ..problems import log_support
from .style import COLORS, figure, shades

#: Thermometers of `thermometer_errors`, and how they are drawn.
THERMOMETERS = {
    "success, fitted": ("mirror", "o-"),
    "success, read off at 1/2": ("euclid", "s--"),
    "steepest slope": ("ppo", "D:"),
    "reference KL at half height": ("trpo", "^-."),
    "entropy at half height": ("grpo", "v--"),
}


def thermometer_errors(
    p_ref: float, sizes: Sequence[int], *, rng: np.random.Generator, n_repeats: int = 200
) -> tuple[dict[str, Array], Array]:
    """Root mean square error of log tau_c for sweeps of N samples, by thermometer.

    A sweep has 20 temperatures from tau_c/2 to 2 tau_c and N/20 samples of the Gibbs policy at
    each, with their rewards and log-probabilities.

    Returns
    -------
    tuple
        Errors by name, each of shape (sizes,), and the Cramer-Rao bound, shape (sizes,).
    """
    tau_c = float(thresholds.critical_tau(p_ref))
    tau = tau_c * np.geomspace(0.5, 2.0, 20)
    problem = sixteen(p_ref)
    log_pi = gibbs.log_gibbs(problem.log_ref, problem.reward, tau)
    exact = thresholds.success_probability(p_ref, 1.0, tau)
    errors: dict[str, list[float]] = {name: [] for name in THERMOMETERS}
    bound = []
    for size in sizes:
        n = size // len(tau)
        drawn = rng.multinomial(n, np.exp(log_pi), size=(n_repeats, len(tau))) / n
        success = np.minimum(drawn[..., :3].sum(axis=-1), 1.0)
        moved = np.sum(drawn * (log_pi - problem.log_ref), axis=-1)
        surprise = -np.sum(drawn * log_pi, axis=-1)
        bins = np.exp(0.5 * np.log(tau[1:] * tau[:-1]))
        slope = -np.diff(success, axis=-1)
        found = {
            "success, fitted": thresholds.fit_crossing(tau, success).tau,
            "success, read off at 1/2": crossing_at(tau, success),
            "steepest slope": bins[np.argmax(slope, axis=-1)],
            "reference KL at half height": _half_height(tau, moved),
            "entropy at half height": _half_height(tau, -surprise),
        }
        for name, value in found.items():
            known = np.isfinite(value) & (value > 0)
            miss = np.where(known, np.log(np.where(known, value, 1.0) / tau_c), np.log(2.0))
            errors[name].append(float(np.sqrt(np.mean(np.minimum(miss**2, np.log(2.0) ** 2)))))
        fit = thresholds.fit_crossing(tau, exact, np.full(len(tau), float(n)))
        bound.append(float(fit.tau_se) / tau_c)
    return {name: np.array(value) for name, value in errors.items()}, np.array(bound)


def _half_height(tau, curve):
    """Where a curve falls through the middle between its ends, the hottest such place."""
    middle = 0.5 * (curve[:, :1] + curve[:, -1:])
    return crossing_at(tau, curve - middle, 0.0)


def thermometers(sizes: Sequence[int], errors: Mapping[str, Array], bound: Array) -> None:
    """Error of each thermometer against the samples of the sweep, and the bound."""
    with figure(size=(5.6, 4.3)) as ax:
        for name, (role, style) in THERMOMETERS.items():
            ax.loglog(sizes, 100 * errors[name], style, color=COLORS[role], ms=5, lw=1.6,
                      label=name)  # fmt: skip
        ax.loglog(sizes, 100 * bound, color=COLORS["gibbs"], lw=5, alpha=0.25, label="bound")
        ax.set(xlabel="samples in the whole sweep", ylabel=r"error of $\tau_c$, %")
        ax.set_yticks([0.3, 1, 3, 10, 30], ["0.3", "1", "3", "10", "30"])
        ax.minorticks_off()
        ax.figure.legend(loc="outside lower center", ncols=2, fontsize=9.5)


def filters(p_ref: float = 0.02) -> None:
    """Four things that bend or move the curve one sees: noise, compute, mixtures, pass@k."""
    tau_c = float(thresholds.critical_tau(p_ref))
    tau = tau_c * np.geomspace(0.25, 6, 300)
    log_odds = thresholds.log_odds_against(p_ref)
    with figure(2, 2, size=(6.0, 5.4), sharey=True) as ((noise, compute), (mixture, passing)):
        for eps, color in zip((0.0, 0.1, 0.2, 0.3), shades(4), strict=True):
            noise.plot(tau / tau_c, expit((1 - 2 * eps) / tau - log_odds), color=color,
                       label=f"{eps:.0%}")  # fmt: skip
        noise.set_title("labels flipped", fontsize=10.5)
        for steps, color in zip((1000, 100, 50, 20), shades(4), strict=True):
            done = 1.0 - (1.0 - 0.1 * tau) ** steps
            compute.plot(tau / tau_c, expit(done / tau - log_odds), color=color, label=f"{steps}")
        compute.set_title("mirror steps, $\\eta = 0.1$", fontsize=10.5)
        q = (np.arange(400) + 0.5) / 400
        delta_over_tau = np.geomspace(0.1, 8, 300)
        for k, color in zip((3, 30, 300), shades(3), strict=True):
            each = expit(k * delta_over_tau[:, None] + log_ratio_of(q, k))
            mixture.plot(1 / delta_over_tau, each.mean(axis=1), color=color, label=f"K = {k}")
        mixture.set_title("prompts, $q$ uniform", fontsize=10.5)
        for k, color in zip((1, 4, 16, 64), shades(4), strict=True):
            success = expit(1 / tau - log_odds)
            passing.plot(tau / tau_c, pass_at_k_of(success, k), color=color, label=f"k = {k}")
        passing.set_title("pass@k", fontsize=10.5)
        for ax in (noise, compute, passing):
            ax.axvline(1, color=COLORS["reference"], ls=":", lw=1)
            ax.set(xscale="log", xlim=(0.25, 6))
            ax.set_xticks([0.3, 1, 3], ["0.3", "1", "3"])
        mixture.set(xscale="log", xlim=(1 / 8, 10), xlabel=r"$\tau/\delta$")
        mixture.set_xticks([0.3, 1, 3, 10], ["0.3", "1", "3", "10"])
        passing.set_xlabel(r"$\tau/\tau_c$")
        for ax in (noise, compute, mixture, passing):
            ax.minorticks_off()
            ax.axhline(0.5, color=COLORS["quiet"], lw=0.6)
            corner = "lower left" if ax is passing else "upper right"
            ax.legend(fontsize=9, loc=corner, handlelength=1.2)
        noise.set_ylabel("success")
        mixture.set_ylabel("success")


def log_ratio_of(q: Array, k: int) -> Array:
    """Minus the price of a task of k steps of support q, log(q^k / (1 - q^k))."""
    good, bad = log_support(k * np.log(q), True)
    return good - bad

"""Figures of chapter 14, support and pass@k."""

from collections.abc import Mapping

import numpy as np

from .. import thresholds
from .._types import Array, ArrayLike
from .style import COLORS, LINES, figure, label_line, shades


def crossing(k: Array, panels: Mapping[str, Mapping[str, Array]]) -> None:
    """Pass@k of base, exact tilting and a trained run, one panel for each task.

    Parameters
    ----------
    k : numpy.ndarray, shape (K,)
    panels : dict
        Title -> {"base", "gibbs", "run": curves of shape (K,)}.
    """
    texts = {"base": "base", "gibbs": "exact tilting", "run": "GRPO"}
    roles = {"base": "reference", "gibbs": "gibbs", "run": "grpo"}
    with figure(len(panels), 1, size=(5.6, 3.3 * len(panels)), sharex=True) as axes:
        for ax, (title, curves) in zip(np.atleast_1d(axes), panels.items(), strict=True):
            for name, role in roles.items():
                ax.plot(k, curves[name], color=COLORS[role], ls=LINES[role], label=texts[name])
            x = where_behind(k, curves["run"], curves["base"])
            y = np.interp(np.log(x), np.log(k), curves["base"])
            ax.plot(x, y, "o", color=COLORS["euclid"], ms=8, zorder=5)
            label_line(ax, x, y, f"crosses at k = {x:.0f}", COLORS["euclid"], dx=8, dy=-18)
            ax.set_xscale("log", base=2)
            ax.set(title=title, ylabel="pass@$k$", ylim=(0, 1.03))
        np.atleast_1d(axes)[-1].set(xlabel="samples $k$")
        np.atleast_1d(axes)[0].legend(loc="lower right")


def where_behind(k: Array, curve: Array, base: Array) -> float:
    """Number of samples from which on `curve` stays below `base`; infinity if it does not.

    Examples
    --------
    >>> where_behind(np.array([1.0, 4.0]), np.array([0.6, 0.6]), np.array([0.5, 0.7]))
    2.0
    """
    lead = np.asarray(curve) - np.asarray(base)
    if lead[-1] >= 0.0:
        return np.inf
    ahead = np.flatnonzero(lead >= 0.0)
    if not ahead.size:
        return float(k[0])
    i = ahead[-1]
    part = lead[i] / (lead[i] - lead[i + 1])
    return float(np.exp(np.log(k[i]) + part * np.log(k[i + 1] / k[i])))


def fates(p_ref: Array, ends: Mapping[str, Array]) -> None:
    """Success after training against success before, one dot for each prompt."""
    looks: dict[str, tuple[str, str]] = {
        "natural gradient, exact": ("mirror", "o"),
        "softmax gradient, exact": ("ppo", "s"),
        "GRPO, sampled": ("grpo", "D"),
    }
    low = 1e-6
    with figure(size=(5.6, 4.4)) as ax:
        ax.plot([low, 1], [low, 1], color=COLORS["reference"], ls=":", lw=1.5)
        for name, end in ends.items():
            role, marker = looks[name]
            ax.plot(p_ref, end, marker, color=COLORS[role], ms=4, label=name, alpha=0.8)
        ax.text(1.2e-5, 3.2e-5, "as before", rotation=35, color=COLORS["reference"])
        ax.text(3e-4, 8e-7, "lost", fontsize=12)
        ax.set(xscale="log", yscale="log", xlim=(low, 1.3), ylim=(low / 4, 2))
        ax.set(xlabel="success before training", ylabel="success after")
        ax.legend(loc="lower right")


def shares(paths: Mapping[str, Array]) -> None:
    """Share of each right answer among the right ones, against updates: (steps, answers)."""
    with figure(len(paths), 1, size=(5.6, 1.9 * len(paths) + 0.6), sharex=True) as axes:
        for ax, (title, path) in zip(axes, paths.items(), strict=True):
            ax.stackplot(np.arange(len(path)), path.T, colors=shades(path.shape[1]), lw=0)
            ax.set(title=title, ylim=(0, 1), xlim=(0, len(path) - 1), ylabel="share")
        axes[-1].set(xlabel="updates")


def sharing(change_a: ArrayLike, alike: ArrayLike, opposite: ArrayLike) -> None:
    """Change of log-probability on a prompt that was never trained, against the trained one."""
    with figure(size=(5.6, 4.0)) as ax:
        ax.axhline(0, color=COLORS["reference"], lw=1, ls=":")
        ax.plot(change_a, alike, "o", color=COLORS["mirror"], ms=4, alpha=0.8)
        ax.plot(change_a, opposite, "^", color=COLORS["euclid"], ms=4, alpha=0.8)
        x = float(np.max(change_a))
        ax.set(xlim=(0, x * 1.02), ylim=(-36, 24))
        ax.text(0.3, 19.5, "B wants the same answer as A", color=COLORS["mirror"])
        ax.text(0.3, -33, "B wants the opposite answer", color=COLORS["euclid"])
        ax.set(xlabel="nats gained on prompt A (trained)", ylabel="nats gained on B (never seen)")


def discovery(p: Array, tau: Array, share: Array, n_samples: int) -> None:
    """Plane of support and temperature: what is at equilibrium, what is found, what runs do.

    Parameters
    ----------
    p, tau : numpy.ndarray, shape (P,), (T,)
    share : numpy.ndarray, shape (T, P)
        Share of sampled runs that end above one half.
    n_samples : int
        Samples that each run has drawn.
    """
    with figure(size=(5.6, 4.2)) as ax:
        line = np.geomspace(1e-12, 0.4999, 400)
        ax.plot(line, np.minimum(thresholds.critical_tau(line), 1.0), color=COLORS["gibbs"])
        for n in (n_samples, 10**6, 10**9):
            x = -np.expm1(-np.log(2) / n)
            ax.plot([x, x], [0, 0.62], color=COLORS["euclid"], ls=LINES["euclid"], lw=1.5)
            text = f"{n:,}" if n == n_samples else f"$10^{{{np.log10(n):.0f}}}$"
            ax.text(x, 0.635, text, color=COLORS["euclid"], ha="center", fontsize=10)
        ax.text(2e-11, 0.69, "samples to see a right answer in half of the runs",
                color=COLORS["euclid"], fontsize=10, ha="left")  # fmt: skip
        x, y = np.meshgrid(p, tau)
        ax.scatter(x, y, s=34, c=share, cmap="Greys", vmin=-0.25, vmax=1, lw=0.8,
                   edgecolors=COLORS["grpo"], zorder=4)  # fmt: skip
        ax.text(2.5e-8, 0.2, "equilibrium:\nhere the\nreference\ndecides", fontsize=10, ha="center")
        ax.text(2.5e-8, 0.015, "reward", fontsize=10, ha="center")
        ax.set(xscale="log", xlim=(1e-12, 0.6), ylim=(0, 0.74))
        ax.set(xlabel="support $p$", ylabel=r"temperature $\tau\,/\,\Delta$")


def noise(
    proxy: Array,
    worth: Array,
    line: Array,
    tau: Array,
    curves: Mapping[str, tuple[Array, Array]],
) -> None:
    """Worth of an answer given its proxy reward, and true reward after tilting the proxy.

    Parameters
    ----------
    proxy, worth, line : numpy.ndarray, shape (N,)
        Proxy rewards, and the mean truth behind them for heavy-tailed and for Gaussian noise.
    tau : numpy.ndarray, shape (T,)
    curves : dict
        "light" and "heavy" -> (mean, standard error) of the true reward at each temperature.
    """
    looks = {"light": ("mirror", "o", "Gaussian noise"), "heavy": ("grpo", "D", "heavy-tailed")}
    with figure(2, 1, size=(5.6, 6.4)) as (top, bottom):
        for values, (role, _, text), at in (
            (line, looks["light"], 3.4),
            (worth, looks["heavy"], 7),
        ):
            top.plot(proxy, values, color=COLORS[role], ls=LINES[role])
            y = float(np.interp(at, proxy, values))
            label_line(top, at, y, text, COLORS[role], dx=10, dy=8 if role == "grpo" else -8)
        top.axhline(0, color=COLORS["reference"], lw=0.8)
        top.set(xlim=(-1, 15), ylim=(-0.7, 3), xlabel="proxy reward $r$", ylabel="worth $m(r)$")
        law = tau >= 0.35
        bottom.plot(1 / tau[law], 1 / tau[law], color=COLORS["reference"], ls=":", lw=1.5)
        for name, (mean, error) in curves.items():
            role, marker, text = looks[name]
            bottom.errorbar(1 / tau, mean, 2 * error, color=COLORS[role], ls=LINES[role],
                            marker=marker, ms=4)  # fmt: skip
            up = role == "mirror"
            bottom.text(1 / tau[-1], mean[-1] + (0.12 if up else -0.12), text,
                        color=COLORS[role], ha="right", va="bottom" if up else "top")  # fmt: skip
        bottom.text(1.6, 1.95, r"$\sigma_t^2/\tau$", ha="right")
        bottom.set(xscale="log", ylim=(0, 3.2), xlabel=r"$1/\tau$", ylabel="true reward")


def fits(results: Mapping[str, tuple[Array, Array]], tau: float) -> None:
    """Slope and R^2 of log(pi/pi_ref) on the reward along runs, against updates."""
    roles = {"mirror descent": "mirror", "TRPO": "trpo", "PPO": "ppo", "GRPO (std)": "grpo"}
    with figure(2, 1, size=(5.6, 5.8), sharex=True) as (top, bottom):
        for name, (slope, r2) in results.items():
            role, updates = roles[name], np.arange(1, len(slope) + 1)
            top.plot(updates, slope * tau, color=COLORS[role], ls=LINES[role], label=name)
            bottom.plot(updates, r2, color=COLORS[role], ls=LINES[role])
        top.axhline(1, color=COLORS["reference"], ls=":", lw=1.2)
        top.set(xscale="log", ylabel=r"slope $\times\ \tau$")
        top.set_title("inverse temperature reached, in units of the target's")
        bottom.set(xlabel="updates", ylabel="$R^2$", ylim=(None, 1.01))
        bottom.set_title("share of the log-ratio that the reward explains")
        top.legend(loc="lower right")

"""Figures of chapter 15: recorded runs of a transformer against the fixed points of its rules."""

from collections.abc import Mapping, Sequence

import numpy as np

from .. import equilibria
from .._types import Array
from ..diagnostics.transformer import LONG_RULES, NAMES, RULES, predicted
from .style import COLORS, figure, label_line, shades
from .which_kl import Table

#: Rules of the first figure: label, colour, marker.
SHOWN = {
    "loo_k2": ("no std, true KL: Gibbs", "gibbs", "o"),
    "loo_k3_token": ("no std, token $k_3$", "euclid", "s"),
    "grpo_k2": ("std, true KL", "mirror", "D"),
    "grpo_k3_token": ("std, token $k_3$: GRPO", "ppo", "^"),
    "grpo_k3": ("std, $k_3$ of the answer", "grpo", "v"),
}


def curves(data: Mapping[str, Array]) -> None:
    """Success against the coefficient: sampled runs as marks, predictions as lines."""
    tau, q = data["tau"], data["steps_ref"]
    fine = np.geomspace(tau[0], tau[-1], 44)
    names = list(RULES)
    with figure(size=(5.6, 4.7)) as ax:
        for name, (text, role, marker) in SHOWN.items():
            color = COLORS[role]
            ax.plot(fine, predicted(name, q, fine), color=color, lw=1.4)
            runs = data["sampled.late"][:, names.index(name)]
            ax.plot(tau, runs.mean(0), marker, color=color, ms=5.5, mec="white", mew=0.6,
                    label=text)  # fmt: skip
        ax.set(xscale="log", xlabel=r"coefficient $\beta$, for a reward of 1", ylabel="success",
               ylim=(0, 1.04), xlim=(0.11, 2.6))  # fmt: skip
        ax.legend(loc="lower left", bbox_to_anchor=(-0.14, 1.01), ncols=2, labelcolor="linecolor",
                  handletextpad=0.1, columnspacing=0.8)  # fmt: skip
        ticks = [0.2, 0.5, 1.0, 2.0]
        ax.set_xticks(ticks, [f"{t:g}" for t in ticks])
        ax.minorticks_off()


def agreement(observed: Array, own: Array, gibbs: Array) -> None:
    """Observed success against two predictions: the rule's own fixed point, and Gibbs."""
    with figure(2, 1, size=(5.6, 7.6), sharex=True) as axes:
        for ax, guess, title in zip(
            axes, (own, gibbs), ("its own fixed point", r"the Gibbs policy at $\tau=\beta$"),
            strict=True,
        ):  # fmt: skip
            ax.plot([0, 1], [0, 1], color=COLORS["quiet"], lw=1.0)
            ax.plot(np.ravel(guess), np.ravel(observed), "o", ms=4.5, alpha=0.7, mec="none",
                    color=COLORS["mirror"] if guess is own else COLORS["euclid"])  # fmt: skip
            ax.set(ylabel="success, observed", title=f"against {title}", ylim=(-0.02, 1.04))
        axes[1].set_xlabel("success, predicted")


def lengths(data: Mapping[str, Array]) -> None:
    """Success against the temperature per unit of step reward, for one to four tokens."""
    shown = {
        "loo_k2": "true KL: steeper and steeper", "loo_k3_token": "token $k_3$: steepens much less",
        "grpo_k3_token": "std, token $k_3$",
    }  # fmt: skip
    tau, colors = data["tau"], shades(4)
    fine = np.geomspace(tau[0], tau[-1], 36)
    with figure(3, 1, size=(5.6, 8.2), sharex=True) as axes:
        for ax, (name, title) in zip(axes, shown.items(), strict=True):
            row = LONG_RULES.index(name)
            for k, color in zip((1, 2, 3, 4), colors, strict=True):
                q = data[f"K{k}.steps_ref"]
                ax.plot(fine, predicted(name, q, fine / k), color=color, lw=1.4)
                ax.plot(tau, data[f"K{k}.success"][row], "o", color=color, ms=5, mec="white",
                        mew=0.5, label=f"K = {k}")  # fmt: skip
            ax.set(xscale="log", ylim=(-0.02, 1.04), ylabel="success", title=title)
        axes[0].legend(loc="lower left")
        axes[-1].set(xlabel=r"$\beta K$")
        ticks = [0.2, 0.5, 1.0, 2.0, 5.0]
        axes[-1].set_xticks(ticks, [f"{t:g}" for t in ticks])
        axes[-1].minorticks_off()


def _state(p: float, size: int) -> tuple[Array, Array]:
    """Curve of fixed points (beta, P) of std with the true KL."""
    logit = np.linspace(np.log(p / (1 - p)) + 0.02, 14.0, 500)
    success = 1.0 / (1.0 + np.exp(-logit))
    force = equilibria.std_advantage_force(success, size)
    return force / (logit - np.log(p / (1 - p))), success


def loops(data: Mapping[str, Array], groups: Sequence[int] = (64, 8)) -> None:
    """Slow loops of beta on sampled runs, with the curve of fixed points."""
    beta, p = data["beta"], float(np.prod(data["steps_ref"]))
    half = len(beta) // 2
    with figure(2, 1, size=(5.6, 7.0), sharex=True) as axes:
        for ax, size in zip(axes, groups, strict=True):
            ax.plot(*_state(p, size), color=COLORS["gibbs"], lw=1.2)
            traces = data["sampled.success"][(8, 64).index(size), -1]
            for trace in traces:
                ax.plot(beta[:half], trace[:half], "v-", color=COLORS["mirror"], ms=4, lw=0.8,
                        alpha=0.7)  # fmt: skip
                ax.plot(beta[half:], trace[half:], "^-", color=COLORS["euclid"], ms=4, lw=0.8,
                        alpha=0.7)  # fmt: skip
            ax.set(title=f"groups of {size}", ylabel="success", ylim=(-0.03, 1.08), xscale="log",
                   xlim=(0.33, 1.72))  # fmt: skip
            ticks = [0.4, 0.5, 0.7, 1.0, 1.5]
            ax.set_xticks(ticks, [f"{t:g}" for t in ticks])
            ax.minorticks_off()
        label_line(axes[0], 0.345, 0.42, r"$\beta$ falls", COLORS["mirror"], fontsize=10)
        label_line(axes[0], 1.20, 0.82, r"$\beta$ rises", COLORS["euclid"], fontsize=10)
        axes[1].set_xlabel(r"coefficient $\beta$")


def directions(data: Mapping[str, Array]) -> None:
    """Alignment with the mirror direction: three optimizers, exact and sampled gradients."""
    names = {"natural": "natural gradient", "adam": "Adam", "sgd": "plain gradient"}
    looks = {
        "exact": ("gibbs", "o", "exact gradient"),
        "1024": ("mirror", "s", "1,024 samples"),
        "64": ("euclid", "^", "64 samples"),
    }
    with figure(size=(5.6, 3.6)) as ax:
        for i, name in enumerate(names):
            for j, (samples, (role, marker, text)) in enumerate(looks.items()):
                value = data[f"{name}.{samples}.align"]
                x = i + 0.2 * (j - 1) + np.linspace(-0.05, 0.05, value.shape[0])[:, None]
                ax.plot(np.broadcast_to(x, value.shape).ravel(), value.ravel(), marker, ms=5.5,
                        color=COLORS[role], mec="white", mew=0.5,
                        label=text if i == 0 else None)  # fmt: skip
        ax.axhline(1.0, color=COLORS["quiet"], lw=0.8)
        ax.set(ylabel="cosine with the mirror direction", ylim=(0, 1.06), xlim=(-0.5, 2.5))
        ax.set_xticks(range(3), list(names.values()))
        ax.legend(loc="lower left")


def found(data: Mapping[str, Array], n_samples: float) -> None:
    """Success over support and temperature: what sampled runs reach, and the two boundaries."""
    p, tau = data["p"], data["tau"]
    mean = data["sampled.success"].mean(0)
    with figure(size=(5.6, 4.6)) as ax:
        mesh = ax.pcolormesh(p, tau, mean.T, cmap="viridis", vmin=0, vmax=1, shading="nearest")
        line = np.geomspace(p.min() / 2, p.max() * 1.5, 100)
        ax.plot(line, 1 / np.log((1 - line) / line), color="white", lw=2.2)
        ax.axvline(np.log(2) / n_samples, color=COLORS["euclid"], lw=2.2, ls=(0, (4, 2)))
        ax.set(xscale="log", yscale="log", xlabel="support $p$", ylabel=r"temperature $\tau$",
               xlim=(line[0] * 1.2, line[-1] / 1.2),
               ylim=(tau[0] * 0.9, tau[-1] * 1.1))  # fmt: skip
        ticks = [0.05, 0.1, 0.2, 0.4]
        ax.set_yticks(ticks, [f"{t:g}" for t in ticks])
        ax.minorticks_off()
        ax.figure.colorbar(mesh, ax=ax, label="success after 25,600 samples")


def prompts(data: Mapping[str, Array]) -> None:
    """Four prompts that share a network: after few updates, after many, and in a narrow network."""
    rows = {
        "w32.100": "100 updates", "w32.1000": "1,000 updates",
        "w3.1500": "a network of width 3, 1,500 updates",
    }  # fmt: skip
    tau, colors = data["tau"], shades(4)
    fine = np.geomspace(tau[0], tau[-1], 100)
    with figure(3, 1, size=(5.6, 8.0), sharex=True) as axes:
        for ax, (name, title) in zip(axes, rows.items(), strict=True):
            for i, color in enumerate(colors):
                p = float(np.prod(data[f"{name}.steps_ref"][i]))
                ax.plot(fine, equilibria.k2_fixed_point(p, fine), color=color, lw=1.4)
                ax.plot(tau, data[f"{name}.success"][0, :, i], "o", color=color, ms=5, mec="white",
                        mew=0.5, label=f"$p$ = {p:.2g}")  # fmt: skip
            ax.set(xscale="log", ylim=(-0.03, 1.04), ylabel="success", title=title)
        axes[1].legend(loc="lower left", fontsize=9.5)
        ticks = [0.1, 0.2, 0.4, 0.8]
        axes[-1].set_xticks(ticks, [f"{t:g}" for t in ticks])
        axes[-1].minorticks_off()
        axes[-1].set_xlabel(r"temperature $\tau$")


def crossing_table(foretold: Array, expected: Array, sampled: Array) -> Table:
    """Coefficient of half success for each rule: predicted, and seen on two kinds of runs."""
    head = ("rule", "predicted", "expected update", "64 samples", "off")
    rows = [
        (NAMES[name], f"{a:.3f}", f"{b:.3f}", f"{c:.3f}", f"{100 * (c / a - 1):+.1f} %")
        for name, a, b, c in zip(RULES, foretold, expected, sampled, strict=True)
    ]
    return Table(head, rows)

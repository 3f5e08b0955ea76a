"""Figures of chapter 08, diagnostics: planes, directions, gaps, crossings."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from .. import equilibria, thresholds
from .._types import Array, ArrayLike
from ..diagnostics import bootstrap, susceptibility
from ..diagnostics.lineup import BATCH, GROUP, LINEUP
from .style import COLORS, LINES, figure, label_line

#: Colour and line of each contestant in this chapter.
LOOKS: dict[str, tuple[str, Any]] = {
    "mirror": (COLORS["mirror"], LINES["mirror"]),
    "natural": (COLORS["mirror"], LINES["mirror"]),
    "trpo": (COLORS["trpo"], LINES["trpo"]),
    "ppo": (COLORS["ppo"], LINES["ppo"]),
    "reinforce": (COLORS["reference"], LINES["reference"]),
    "grpo": (COLORS["grpo"], LINES["grpo"]),
    "loo": (COLORS["mirror"], LINES["euclid"]),
    "mean_k3": (COLORS["euclid"], LINES["euclid"]),
    "grpo_k3": (COLORS["grpo"], LINES["reference"]),
}


def boundary(name: str, p_ref: ArrayLike, gap: ArrayLike = 1.0) -> Array:
    """Where success at a contestant's own fixed point is one half: tau, or beta of GRPO."""
    p_ref, gap = np.asarray(p_ref, dtype=float), np.asarray(gap, dtype=float)
    log_odds = thresholds.log_odds_against(p_ref)
    shrink = 1.0 - 1.0 / GROUP
    half = equilibria.std_advantage_force(0.5, GROUP)
    match name:
        case "grpo":  # logit P - logit p = C_G(P) / beta
            return half / log_odds
        case "grpo_k3":  # (P - p) / (P (1 - P)) = C_G(P) / beta
            return half / (4.0 * (0.5 - p_ref))
        case "mean_k3":
            return shrink * gap / (4.0 * (0.5 - p_ref))
        case "mean":
            return shrink * gap / log_odds
    return gap / log_odds


def planes(found: Mapping[str, Array]) -> None:
    """Success over temperature and support: exact, and as six runs found it."""
    tau, p = found["tau"], found["p"]
    exact = thresholds.success_probability(p[:, None], 1.0, tau)
    shown = [
        ("exact optimum", "", exact),
        ("mirror descent,\nall answers", "mirror", found["expected.mirror.success"]),
        *((f"{label},\nsampled", name, found[f"drawn.{name}.success"].mean(axis=-1))
          for label, name in (("TRPO", "trpo"), ("PPO", "ppo"), ("GRPO, std", "grpo"),
                              ("GRPO, mean, $k_3$", "mean_k3"))),
    ]  # fmt: skip
    n_answers = BATCH * 200
    with figure(2, 3, size=(6.2, 5.2), sharex=True, sharey=True) as axes:
        for ax, (title, name, success) in zip(axes.flat, shown, strict=True):
            rows = p if len(success) == len(p) else found["p_drawn"]
            ax.pcolormesh(tau, rows, success, cmap="YlGnBu", vmin=0, vmax=1, rasterized=True)
            ax.plot(thresholds.critical_tau(p), p, color=COLORS["gibbs"], lw=1.8)
            if name in ("grpo", "mean_k3"):
                ax.plot(boundary(name, p), p, color="#D4006A", ls="--", lw=1.6)
            if name in ("trpo", "ppo", "grpo", "mean_k3"):
                ax.axhline(np.log(2) / n_answers, color=COLORS["gibbs"], ls=":", lw=1.2)
            ax.set_title(title, fontsize=10)
            ax.set(xscale="log", yscale="log", xlim=(tau[0], tau[-1]), ylim=(p[0], p[-1]))
            ax.set_xticks([0.1, 0.3, 1.0], ["0.1", "0.3", "1"])
            ax.minorticks_off()
        for ax in axes[1]:
            ax.set_xlabel(r"$\tau$, $\beta$")
        for ax in axes[:, 0]:
            ax.set_ylabel("support $p$")


def thermometer_planes(found: Mapping[str, Array]) -> None:
    """Entropy, reference KL, pass@16 and susceptibility over the plane, for four algorithms."""
    tau = found["tau"]
    columns = {
        "mirror": "mirror, exact",
        "ppo": "PPO",
        "grpo": "GRPO, std",
        "mean_k3": "GRPO, $k_3$",
    }
    titles = {"entropy": "entropy", "ref_kl": "KL to ref", "pass16": "pass@16",
              "response": "response"}  # fmt: skip
    limits = {"entropy": (0.0, 2.6), "ref_kl": (0.0, 11.0), "pass16": (0.0, 1.0),
              "response": (0.0, 2.0)}  # fmt: skip
    with figure(4, 4, size=(6.2, 6.6), sharex=True, sharey=True) as axes:
        for j, (name, label) in enumerate(columns.items()):
            signal = "expected" if name == "mirror" else "drawn"
            p = found["p"] if signal == "expected" else found["p_drawn"]
            for i, key in enumerate(titles):
                if key == "response":
                    success = found[f"{signal}.{name}.success"]
                    success = success.mean(axis=-1) if success.ndim == 3 else success
                    plane = np.maximum(susceptibility(tau, success), 0.0)
                else:
                    plane = found[f"{signal}.{name}.{key}"]
                ax, (low, high) = axes[i, j], limits[key]
                ax.pcolormesh(tau, p, plane, cmap="YlGnBu", vmin=low, vmax=high, rasterized=True)
                ax.plot(thresholds.critical_tau(p), p, color=COLORS["gibbs"], lw=1.3)
                ax.set(xscale="log", yscale="log", xlim=(tau[0], tau[-1]), ylim=(p[0], p[-1]))
                ax.set_xticks([0.1, 1.0], ["0.1", "1"])
                ax.set_yticks([1e-4, 1e-2], ["$10^{-4}$", "$10^{-2}$"])
                ax.minorticks_off()
            axes[0, j].set_title(label, fontsize=10)
            axes[3, j].set_xlabel(r"$\tau$, $\beta$")
        for i, title in enumerate(titles.values()):
            axes[i, 0].set_ylabel(title)


def directions(found: Mapping[str, Mapping[str, tuple[Array, Array]]]) -> None:
    """Fisher cosine against the share of the way that is done; one panel for each policy class.

    found[panel][name] is (share of the way, cosine), each of shape (steps,).
    """
    with figure(len(found), 1, size=(5.6, 2.7 * len(found)), sharex=True) as axes:
        for ax, (panel, curves) in zip(np.atleast_1d(axes), found.items(), strict=True):
            for name, (way, cosine) in curves.items():
                color, style = LOOKS["grpo" if name == "loo" else name]
                # Near its target a run with a fixed step hops: its angle there means nothing.
                stop = int(np.argmax(way >= min(0.9, 0.97 * way.max())))
                label = {"loo": "GRPO, no std", "natural": "natural gradient"}.get(
                    name, LINEUP[name].label
                )
                ax.plot(way[:stop], cosine[:stop], color=color, ls=style, label=label)
            ax.set(ylabel="cosine with mirror step", title=panel, xlim=(0, 1), ylim=(0, 1.05))
        np.atleast_1d(axes)[0].legend(ncols=2, loc="lower left", fontsize=9.5)
        np.atleast_1d(axes)[-1].set_xlabel("share of the way from reference to target")


def gap_marks(found: Mapping[str, Array], names: Sequence[str]) -> None:
    """Three gaps of one update over its mirror step, and of whole runs over the way to Gibbs."""
    middle = len(found["x"]) // 2
    looks = {"geometric": ("^", "trpo"), "bias": ("s", "grpo"), "noise": ("o", "mirror")}
    with figure(1, 2, size=(6.2, 4.6), sharey=True) as (one, whole):
        for row, name in enumerate(names):
            for shift, kind in ((-0.17, "tabular"), (0.17, "network")):
                part = {k: found[f"{kind}.{name}.{k}"][middle] for k in _GAPS}
                for gap, (marker, role) in looks.items():
                    ratio = np.median(part[f"gap_{gap}"][:, 0] / part["gap_ideal"][:, 0])
                    done = np.median(part[f"end_{gap}"] / part["way"])
                    full = COLORS[role] if kind == "tabular" else "none"
                    for ax, value, least in ((one, ratio, 0.004), (whole, done, 0.004)):
                        if value > least:
                            ax.plot(value, row + shift, marker, mfc=full, mec=COLORS[role], ms=7)
        for marker, role, text in (("^", "trpo", "geometry"), ("s", "grpo", "bias"),
                                   ("o", "mirror", "noise")):  # fmt: skip
            one.plot([], [], marker, color=COLORS[role], label=text)
        one.set_yticks(range(len(names)), [LINEUP[n].label for n in names])
        one.invert_yaxis()
        one.set(xscale="log", xlabel="over the mirror step", title="one update")
        whole.set(xscale="log", xlabel="over the way to Gibbs", title="whole run")
        for ax in (one, whole):
            ax.set_xlim(0.004, 12)
            ax.set_xticks([0.01, 0.1, 1, 10], ["0.01", "0.1", "1", "10"])
            ax.grid(axis="y", lw=0.4, color=COLORS["quiet"])
            ax.axvline(1, color=COLORS["gibbs"], lw=0.8)
        one.figure.legend(loc="outside lower center", ncols=3)


_GAPS = ("gap_ideal", "gap_geometric", "gap_bias", "gap_noise", "end_geometric", "end_bias",
         "end_noise", "way")  # fmt: skip


def slices(found: Mapping[str, Array], row: int, names: Sequence[str]) -> None:
    """Success against temperature at one support, with intervals over seeds and predictions."""
    tau, p = found["tau"], found["p_drawn"][row]
    rng = np.random.default_rng(0)
    places = {
        "trpo": (0.062, 0.5),
        "ppo": (0.062, 0.38),
        "grpo": (0.35, 0.9),
        "mean_k3": (0.75, 0.4),
    }
    words = {"grpo": "GRPO, std", "mean_k3": "GRPO, mean,\n$k_3$"}
    with figure(size=(5.6, 4.0)) as ax:
        ax.semilogx(tau, thresholds.success_probability(p, 1.0, tau), color=COLORS["gibbs"], lw=5,
                    alpha=0.25)  # fmt: skip
        for name in names:
            color, style = LOOKS[name]
            seeds = found[f"drawn.{name}.success"][row].T
            mean, low, high = bootstrap(seeds, rng=rng)
            ax.fill_between(tau, low, high, color=color, alpha=0.25, lw=0)
            ax.plot(tau, mean, color=color, ls=style, lw=1.8)
            ax.plot(boundary(name, p), 0.5, "o", mfc="white", mec=color, ms=8, zorder=5)
            ax.text(*places[name], words.get(name, LINEUP[name].label), color=color, fontsize=10)
        ax.text(0.062, 0.26, "Gibbs (wide grey)", color=COLORS["reference"], fontsize=10)
        ax.set(xlabel=r"temperature $\tau$, or $\beta$", ylabel="success", ylim=(-0.03, 1.05))
        ax.set(xlim=(tau[0], tau[-1]))
        ax.set_xticks([0.05, 0.1, 0.2, 0.5, 1, 2], ["0.05", "0.1", "0.2", "0.5", "1", "2"])
        ax.minorticks_off()


def collapse(found: Mapping[str, Array], row: int, names: Sequence[str]) -> None:
    """Observed curves of tasks of four sizes in the variable that collapses Gibbs curves."""
    q, sizes, tau = found["q_step"][row], found["n_tokens"], found["tau"]
    colors = ["#0072B2", "#00805D", "#C44E00", "#B03A73"]
    with figure(1, len(names), size=(5.6, 3.3), sharey=True) as axes:
        for ax, name in zip(axes, names, strict=True):
            for k, n in enumerate(sizes):
                log_odds = thresholds.log_odds_against(q**n)
                x = n / tau - log_odds
                ax.plot(x, found[f"{name}.success"][row, k], color=colors[k], lw=3.4 - 0.7 * k,
                        label=f"K = {n:.0f}")  # fmt: skip
            x = np.linspace(-9, 9, 200)
            ax.plot(x, 1 / (1 + np.exp(-x)), color=COLORS["gibbs"], ls=":", lw=1.2)
            ax.set(xlim=(-8, 8), title=LINEUP[name].label, xlabel=r"$L(\tau_c/\tau-1)$")
        axes[0].set(ylabel="success")
        axes[0].legend(fontsize=9, loc="upper left")


def loop(beta: Array, cold: Array, hot: Array, predicted: Sequence[tuple[Array, Array]]) -> None:
    """Hysteresis: runs from the reference and from a solved task, (beta, seeds) each.

    predicted has for each beta the fixed points and which of them attract.
    """
    with figure(size=(5.6, 3.7)) as ax:
        for b, (roots, stable) in zip(beta, predicted, strict=True):
            shade = {True: COLORS["gibbs"], False: COLORS["quiet"]}
            for root, holds in zip(roots, stable, strict=True):
                ax.plot(b, root, "." if holds else "x", color=shade[bool(holds)], ms=4, zorder=1)
        for runs, role, marker, text in (
            (cold, "mirror", "^", "started at\nthe reference"),
            (hot, "grpo", "v", "started\nsolved"),
        ):
            ax.plot(beta, np.median(runs, axis=-1), marker, ms=7, mfc="none", mec=COLORS[role])
            low, high = runs.min(axis=-1), runs.max(axis=-1)
            ax.vlines(beta, low, high, color=COLORS[role], lw=1)
            place = (0.3, 0.4) if role == "mirror" else (0.48, 0.66)
            ax.text(*place, text, color=COLORS[role], transform=ax.transAxes)
        ax.set(xlabel=r"penalty coefficient $\beta$", ylabel="success", ylim=(-0.03, 1.05))


def label(ax: Any, x: float, y: float, text: str, color: str) -> None:
    """Write a label of this chapter's size."""
    label_line(ax, x, y, text, color, fontsize=10)

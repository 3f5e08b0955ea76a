"""Figures of chapter 15 about TRL's trainer: its recorded runs against the laws of its options."""

from typing import Any

import numpy as np
from scipy.special import logit

from .. import equilibria
from .._types import Array
from ..diagnostics import crossing_at
from ..diagnostics.trl import OPTIONS, trl_crossing, trl_equilibria
from ..diagnostics.trl_runs import Runs, trl_predicted
from .style import COLORS, figure
from .which_kl import Table


def _sweep(runs: Runs, option: tuple[str, bool], n_tokens: int, start: str = "reference") -> Array:
    """Which recorded runs of TRL's trainer have these options, and the usual ones otherwise."""
    return (
        (runs["scale_rewards"] == option[0]) & (runs["use_bias_correction_kl"] == option[1])
        & (runs["n_tokens"] == n_tokens) & (runs["start"] == start)
        & (runs["importance_sampling_level"] == "token") & (runs["loss_type"] == "dapo")
    )  # fmt: skip


def sweeps(runs: Runs) -> None:
    """Runs of TRL's trainer against the fixed points of its options, for one token and two."""
    looks = {"group": ("grpo", "o"), "batch": ("ppo", "^"), "none": ("mirror", "s")}
    with figure(2, 1, size=(5.6, 7.6), sharex=True, sharey=True) as axes:
        for ax, n in zip(axes, (1, 2), strict=True):
            q = np.full(n, runs["support"][runs["n_tokens"] == n][0] ** (1 / n))
            for scale, corrected in OPTIONS:
                role, marker = looks[scale]
                color, name = COLORS[role], f"{scale}, {'corrected' if corrected else 'literal'}"
                mine = _sweep(runs, (scale, corrected), n)
                beta = runs["beta"][mine]
                fine = np.geomspace(beta.min() / 1.08, beta.max() * 1.08, 30)
                given: dict[str, Any] = {
                    "scale_rewards": scale,
                    "use_bias_correction_kl": corrected,
                }
                rest = [trl_equilibria(q, b, batch=128, **given)[0] for b in fine]
                ax.plot(fine, rest, "-" if corrected else "--", color=color, lw=1.4)
                ax.plot(beta, runs["success"][mine], marker, color=color, ms=6, label=name,
                        mfc=color if corrected else "white", ls="none")  # fmt: skip
                hot = _sweep(runs, (scale, corrected), n, "hot")
                ax.plot(runs["beta"][hot], runs["success"][hot], "*", color=color, ms=9, mew=0)
            fine = np.geomspace(0.15, 1.9, 60)
            ax.plot(fine, equilibria.k2_fixed_point(q.prod(), fine), ":", color=COLORS["gibbs"],
                    lw=1.2, label="Gibbs")  # fmt: skip
            ax.set(xscale="log", ylim=(0, 1.04), ylabel="success",
                   title=("one token" if n == 1 else "two tokens"))  # fmt: skip
        axes[0].legend(loc="lower left", bbox_to_anchor=(-0.14, 1.08), ncols=3, fontsize=9,
                       handletextpad=0.1, columnspacing=0.8)  # fmt: skip
        axes[1].set_xlabel(r"beta, as it is given to the trainer")
        ticks = [0.2, 0.5, 1.0, 2.0]
        axes[1].set_xticks(ticks, [f"{t:g}" for t in ticks])
        axes[1].minorticks_off()


def table(runs: Runs) -> Table:
    """Crossing of each option of TRL's trainer, predicted and observed, and the farthest run."""
    head = ("tokens", "scale_rewards", "use_bias_correction_kl", "predicted", "observed", "off",
            "Gibbs", "farthest run")  # fmt: skip
    rows = []
    for n in (1, 2):
        for scale, corrected in OPTIONS:
            mine = _sweep(runs, (scale, corrected), n)
            one = {key: column[mine] for key, column in runs.items()}
            q = np.full(n, one["support"][0] ** (1 / n))
            foretold = trl_crossing(q, scale, corrected)
            beta, cell = np.unique(one["beta"], return_inverse=True)
            mean = np.bincount(cell, one["success"]) / np.bincount(cell)  # over seeds
            seen = float(crossing_at(beta, logit(mean), 0.0))
            far = abs(one["success"] - trl_predicted(one)).max()
            gibbs = 1 / np.log(1 / q.prod() - 1)
            numbers = (f"{foretold:.3f}", f"{seen:.3f}", f"{100 * (seen / foretold - 1):+.1f} %")
            rows.append((str(n), scale, str(corrected), *numbers, f"{gibbs:.3f}", f"{far:.3f}"))
    return Table(head, rows)

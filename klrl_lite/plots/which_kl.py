"""Figures of chapter 11, which KL a penalty descends, and the curves that they share."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from .. import equilibria
from .._types import Array, ArrayLike
from .style import COLORS, LINES, figure, label_line, shades

#: Penalties by what they charge: colour, line style.
LOOKS: dict[str, tuple[str, Any]] = {
    "exact": (COLORS["gibbs"], "-"),
    "token k2": (COLORS["mirror"], (0, (6, 2))),
    "token k3": (COLORS["euclid"], (0, (6, 2, 1, 2))),
    "k3": (COLORS["ppo"], (0, (1, 1.2))),
}


def success_at(kind: str, pull: ArrayLike, q_step: float, n_steps: int) -> Array:
    """Success at rest where the reward's pull, in units of beta, is `pull`.

    Parameters
    ----------
    kind : {"exact", "k3", "token k2", "token k3"}
        KL(pi || pi_ref) of the answer, k3 of the answer in the loss, or the same token by token.
    pull : array_like, shape (...)
        W/beta, with W = gap without std and 1/sqrt(P(1 - P)) with std and large groups.
    q_step, n_steps : float, int
        Support of each of K tokens.

    Returns
    -------
    numpy.ndarray, shape (...)
    """
    beta = 1.0 / np.asarray(pull, dtype=float)
    if kind not in LOOKS:
        raise ValueError(f"kind must be one of {', '.join(LOOKS)}; got {kind!r}")
    if kind == "exact":
        return equilibria.k2_fixed_point(n_steps * np.log(q_step), beta, log_p=True)
    if kind == "k3":
        return equilibria.k3_fixed_point(q_step**n_steps, beta)
    # `equilibria.token_fixed_point` for equal tokens, without its checks: drawn at many pulls.
    success = np.ones_like(beta)
    for _ in range(n_steps):
        v = success / beta
        if kind == "token k2":
            success = success / (1.0 + (1.0 - q_step) / q_step * np.exp(-v))
        else:
            root = np.abs(1.0 - v) + np.sqrt(np.square(1.0 - v) + 4.0 * v * q_step)
            success = success * np.where(v > 1, root / (2 * np.maximum(v, 1)), 2 * q_step / root)
    return success


def price(kind: str, q_step: float, n_steps: int, success: float = 0.5) -> float:
    """Pull W/beta at which the answer is right with probability `success`, to 8 digits."""
    low, high = -12.0, float(np.log(50.0 - 3.0 * n_steps * np.log(q_step)))
    for _ in range(6):  # zooms in by 60 each time: few calls, each on many pulls
        grid = np.linspace(low, high, 61)
        below = int(np.sum(success_at(kind, np.exp(grid), q_step, n_steps) < success))
        low, high = grid[max(below - 1, 0)], grid[min(below, 60)]
    return float(np.exp(0.5 * (low + high)))


def curve(
    kind: str, q_step: float, n_steps: int, *, std: bool = False, gap: float = 1.0, n: int = 240
) -> tuple[Array, Array]:
    """Give (beta, success) along one curve of fixed points, from low success to high."""
    coarse = np.geomspace(1e-3, 50.0 - 3.0 * n_steps * np.log(q_step), 61)
    middle = np.interp(0.5, success_at(kind, coarse, q_step, n_steps), coarse)
    pull = np.unique(np.r_[coarse, middle * np.geomspace(0.6, 1.7, n), np.geomspace(1, 1e3, n)])
    success = success_at(kind, pull, q_step, n_steps)
    with np.errstate(divide="ignore"):
        force = 1.0 / np.sqrt(success * (1.0 - success)) if std else gap
    return np.asarray(force / pull), success


def one_reference(q_step: float, n_steps: int) -> None:
    """Success at rest against beta for every variant, one reference, reward 1."""
    names = {
        "exact": "KL of the answer", "token k2": "token KL, $k_2$ or $ρk_3$",
        "token k3": "token $k_3$", "k3": "$k_3$ of\nthe answer",
    }  # fmt: skip
    with figure(2, 1, size=(5.6, 6.6), sharex=True) as axes:
        for ax, std in zip(axes, (False, True), strict=True):
            for kind, (color, style) in LOOKS.items():
                beta, success = curve(kind, q_step, n_steps, std=std)
                if std:  # beyond the turning point nothing attracts: a jump to 1
                    low = slice(None, int(np.argmin(beta)) + 1)
                    fold = beta[low][-1], success[low][-1]
                    beta, success = beta[low], success[low]
                    if fold[0] > 0.03 and fold[1] < 0.999:
                        ax.plot([fold[0], fold[0], 0.01], [fold[1], 1, 1], color=color, lw=1.0)
                ax.plot(beta, success, color=color, ls=style)
            ax.plot([0.02, 3.0], [1.0, 1.0], color=COLORS["quiet"], lw=0.8, zorder=0)
            ax.set(xscale="log", xlim=(0.02, 3.0), ylim=(-0.03, 1.16), ylabel="success at rest")
            ax.text(2.9, 1.03, "$k_1$ in the loss: always 1", fontsize=9.5, ha="right",
                    color=COLORS["reference"])  # fmt: skip
        places: dict[str, tuple[float, float, str]] = {
            "exact": (0.104, 0.60, "left"), "token k2": (0.37, 0.20, "left"),
            "token k3": (0.046, 0.30, "right"), "k3": (0.62, 0.70, "left"),
        }  # fmt: skip
        for kind, (x, y, side) in places.items():
            text = names[kind].replace("KL of the answer", "KL of\nthe answer")
            text = text.replace("token KL, ", "token KL,\n")
            axes[0].text(x, y, text, color=LOOKS[kind][0], ha=side, va="center", fontsize=10)
        axes[0].set_title("reward 1, no division")
        axes[1].set_title("divided by the group's std")
        axes[1].set(xlabel=r"penalty coefficient $\beta$")
        ticks = [0.03, 0.1, 0.3, 1.0]
        axes[1].set_xticks(ticks, [f"{t:g}" for t in ticks])
        axes[1].minorticks_off()


def coefficients() -> None:
    """Force of each of the nine sampled penalties, against the log-ratio."""
    d = np.linspace(-2.6, 2.6, 400)
    values = {"k_1": d, "k_2": d**2 / 2, "k_3": np.expm1(-d) + d}
    slopes = {"k_1": np.ones_like(d), "k_2": d, "k_3": -np.expm1(-d)}
    styles = {"k_1": ("gibbs", "-"), "k_2": ("mirror", (0, (6, 2))), "k_3": ("euclid", (0, (2, 1)))}
    titles = ("in the reward: $h = k$", "in the loss: $h = k'$", "times the ratio: $h = k + k'$")
    ends = (
        {"k_1": 0.1, "k_2": 0.3, "k_3": -0.35},
        {"k_1": 0.3, "k_2": 0.1, "k_3": -0.2},
        {"k_1": 0.0, "k_2": 0.0, "k_3": 0.0},
    )
    with figure(3, 1, size=(5.6, 7.4), sharex=True) as axes:
        for i, (ax, title) in enumerate(zip(axes, titles, strict=True)):
            ax.axhline(0, color=COLORS["quiet"], lw=0.8)
            ax.axvline(0, color=COLORS["quiet"], lw=0.8)
            for name in values:
                h = (values[name], slopes[name], values[name] + slopes[name])[i]
                role, style = styles[name]
                ax.plot(d, h, color=COLORS[role], ls=style, lw=2.4 - 0.3 * (name == "k_1"))
                place = min(h[-1] + 2.2 * ends[i][name], 5.0)  # of a curve that leaves the frame
                label_line(ax, 2.7, place, f"${name}$", COLORS[role], va="center")
            ax.set(title=title, ylim=(-3.1, 5.4), xlim=(-2.6, 3.1), ylabel="coefficient $h$")
        axes[2].set(xlabel=r"$d = \log(\pi/\pi_{\mathrm{ref}})$")
        aside = "$k_2$, $k_3$: answers that lost mass\nare charged, and lose more"
        axes[0].text(0.15, -2.2, aside, fontsize=9.5, color=COLORS["reference"])


def directions(alpha: ArrayLike, as_step: ArrayLike, as_reference: ArrayLike, best: float) -> None:
    """Success at the end, with the alpha-divergence as the step's or as the reference's."""
    with figure(size=(5.6, 3.9)) as ax:
        ax.axhline(best, color=COLORS["gibbs"], lw=1.0)
        ax.plot(alpha, as_step, "o", color=COLORS["mirror"], ms=7)
        ax.plot(alpha, as_reference, "s", ls=LINES["euclid"], color=COLORS["euclid"], ms=5, lw=1.6)
        ends = np.asarray(as_reference, float)
        ax.text(-0.9, best - 0.02, "in the step", color=COLORS["mirror"], va="top")
        ax.text(0.75, 0.5 * (best + ends.max()), "in the penalty that\nholds to the reference",
                color=COLORS["euclid"], va="bottom")  # fmt: skip
        ax.set_ylim(ends.min() - 0.04, ends.max() + 0.05)
        names = {0.0: "KL(old||new)", 1.0: "KL(new||old)", 2.0: r"$\chi^2$"}
        ax.set_xticks(list(names), [f"{a:g}\n{n}" for a, n in names.items()])
        ax.set(xlabel=r"$\alpha$ of the divergence", ylabel="success at the end")


def settling(
    paths: Mapping[str, Array], predicted: Sequence[float], gibbs: Sequence[float]
) -> None:
    """Sampled runs of the literal objective: one row each, with its fixed point and Gibbs."""
    styles = [COLORS[r] for r in ("grpo", "euclid", "ppo", "mirror")]
    with figure(size=(5.6, 4.4)) as ax:
        n = 0
        for (name, path), level, cold, color in zip(
            paths.items(), predicted, gibbs, styles, strict=True
        ):
            n = len(path)
            steps = np.arange(n)
            ax.fill_between(steps, path.min(1), path.max(1), color=color, alpha=0.18, lw=0)
            ax.plot(steps, path.mean(1), color=color, lw=1.4)
            ax.plot([n, 1.04 * n], [level, level], color=color, lw=3)
            if cold < 0.3:  # where it is not the next run's fixed point
                ax.plot([n, 1.04 * n], [cold, cold], color=color, lw=2.0, ls=(0, (1, 1)))
                label_line(ax, 1.06 * n, cold, "Gibbs at its β", color, va="center", fontsize=9.5)
            label_line(ax, 1.06 * n, level, name, color, va="center", fontsize=10)
        ax.set(xlabel="updates", ylabel="success", xlim=(0, 1.42 * n), ylim=(0.08, 0.62))
        ax.set_xticks([t for t in ax.get_xticks() if t <= n])


def larger(q_step: float, sizes: Sequence[int]) -> None:
    """Success against beta per unit of step gap as tasks grow, one panel for each penalty."""
    slope = (1 - q_step, -np.log(q_step))
    titles = {
        "exact": "KL of the answer: a jump, and it stays",
        "token k3": "token $k_3$: continuous",
        "token k2": "token $k_2$, or $ρk_3$: a jump, and it runs away",
        "k3": "$k_3$ of the answer: runs away",
    }
    with figure(4, 1, size=(5.6, 8.6), sharex=True) as axes:
        for ax, (kind, title) in zip(axes, titles.items(), strict=True):
            for size, color in zip(sizes, shades(len(sizes)), strict=True):
                beta, success = curve(kind, q_step, size, gap=size)
                ax.plot(beta, success, color=color, lw=1.8, label=f"K = {size}")
            if kind == "exact":
                ax.plot([1.0, 1 / slope[1], 1 / slope[1], 1e4], [1, 1, 0, 0], color=COLORS["gibbs"],
                        ls=":", lw=1.6)  # fmt: skip
            if kind == "token k3":
                line = np.geomspace(0.5, 1e4, 400)
                ax.plot(line, np.maximum(0, 1 - line * slope[0]), color=COLORS["gibbs"], ls=":",
                        lw=1.6)  # fmt: skip
            ax.set(xscale="log", xlim=(1, 3000), ylim=(-0.04, 1.06), title=title, ylabel="success")
        axes[0].legend(loc="upper right", fontsize=9.5)
        axes[-1].set(xlabel=r"$\beta$ / reward per token")


class Table:
    """Rows of text that a notebook shows as a table."""

    def __init__(self, head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        self.head, self.rows = head, rows

    def __repr__(self):
        return "\n".join(" | ".join(row) for row in (self.head, *self.rows))

    def _repr_html_(self):
        def line(tag, cells):
            return "<tr>" + "".join(f"<{tag}>{c}</{tag}>" for c in cells) + "</tr>"

        body = "".join(line("td", row) for row in self.rows)
        return (
            '<div style="overflow-x:auto;font-size:0.78rem;line-height:1.3">'
            '<table class="table klrl-reading" style="min-width:620px"><thead>'
            + line("th", self.head)
            + f"</thead><tbody>{body}</tbody></table></div>"
        )


#: Trainer and setting, charge, estimator logged, what is descended, large tasks, std.
_ROWS = (
    ("k₁ in the reward: TRL RLOO, PPO; verl <code>use_kl_in_reward</code>, std or not",
     "exact", "k1", "KL(π‖ref)", "jump at 1/(K |log q|): Gibbs", 1),
    ("k₁ in the loss: verl <code>kl</code>, OpenRLHF <code>k1</code>",
     "k1 in the loss", "k1", "nothing", "no penalty", 1),
    ("no std; k₂, or k₃ times the token’s ratio: verl <code>mse</code>, <code>k1+</code>, "
     "<code>k3+</code>; OpenRLHF <code>k2</code>; TRL <code>use_bias_correction_kl</code>",
     "token k2", "k2", "next-token KL(π‖ref), no credit", "jump at about 1/log K", 1),
    ("no std; k₃ in the loss: TRL before 1.10, verl <code>low_var_kl</code>, OpenRLHF "
     "<code>k3</code>", "token k3", "k3", "next-token KL(ref‖π), no credit",
     "continuous, 0 from 1/(K(1−q)) on", 1),
    ("std, then k₁ in the reward: OpenRLHF <code>group_norm</code>",
     "exact", "k1", "KL(π‖ref)", "jump at 2/(K |log q|)", 2),
    ("std; k₂, or k₃ times the token’s ratio: TRL from 1.10",
     "token k2", "k2", "next-token KL(π‖ref), no credit", "jump at about 2/log K", 2),
    ("std; k₃ in the loss: the GRPO paper, verl’s GRPO, TRL before 1.10",
     "token k3", "k3", "next-token KL(ref‖π), no credit", "smooth, 1/(1 + (βK(1−q))²)", 2),
)  # fmt: skip


def reading_table(
    angle: Mapping[str, float], value: Mapping[str, float], half: Mapping[str, Sequence[float]]
) -> Table:
    """Give the table from which to read a trainer's beta.

    Parameters
    ----------
    angle : mapping
        Cosine of each charge's force with the gradient of the KL of the answer.
    value : mapping
        Mean of each estimator over that KL.
    half : mapping
        Midpoints of each charge for 100 and for 1,000 tokens, reward 1, no std. With std and
        large groups they are twice that, as the pull at success 1/2 is 2.
    """
    head = ("in your trainer", "value / KL", "descends", "cosine", "β½, K = 100", "K = 1,000",
            "expo\u00adnent", "long tasks, reward 1")  # fmt: skip
    rows = []
    for name, charge, logged, descends, law, pull in _ROWS:
        numbers = ["–", "–", "–"]
        if charge in half:
            low, high = half[charge]
            numbers = [f"{pull * low:.2g}", f"{pull * high:.2g}", f"{np.log10(high / low):.2f}"]
        shown = f"{value[logged]:.2f}"
        if logged == "k2":  # these rows are k3 times the ratio as well, and that is logged as k3
            shown = f"k₂ {value['k2']:.2f}, k₃ {value['k3']:.2f}"
        rows.append([name, shown, descends, f"{angle[charge]:.2f}", *numbers, law])
    return Table(head, rows)

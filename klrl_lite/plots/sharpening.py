"""Figures of chapter 13: when does it sharpen? Ten systems side by side."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from scipy.special import betaln, entr, expit, logit
from scipy.stats import norm

from .. import gibbs, problems, simplex, thresholds
from .._types import Array, ArrayLike
from ..solvers import bisect
from .style import COLORS, figure, shades

_SIZES = (10, 30, 100, 300)
_SMALL = (4, 8, 12, 16)
_Q_CRITICAL = float(expit(-2.0))
#: What a system does as it grows, by the colour of its verdict.
_LOOK = {
    "jumps": COLORS["mirror"],
    "critical point": COLORS["trpo"],
    "freezes": COLORS["trpo"],
    "crossover": COLORS["euclid"],
    "runs away": COLORS["euclid"],
}


def _share(q: float, k: int, credit: Any, tau: Array) -> Array:
    """Mean share of right steps at each temperature."""
    task = problems.chain(q, k, credit=credit)
    log_pi = gibbs.log_gibbs(task.log_ref, task.reward, tau)
    return simplex.expect(log_pi, np.arange(k + 1.0) / k)


def _half_right(k: int, tau: Array) -> Array:
    """Success where at least half of the steps must be right, at q = 0.3."""
    task = problems.chain(0.3, k, credit=lambda m: np.where(m >= 0.5, 1.0, 0.0))
    log_pi = gibbs.log_gibbs(task.log_ref, task.reward, tau)
    return simplex.expect(log_pi, np.where(task.reward > 0, 1.0, 0.0))


def _prompts(k: int) -> Array:
    """Price L of prompts whose per-step support is spread evenly over (0, 1)."""
    return thresholds.log_odds_against(k * np.log((np.arange(800) + 0.5) / 800), log_p=True)


def _aligned(k: int, ratio: Array) -> Array:
    price = _prompts(k)
    price = price[price > 0]
    return expit(price * (1 / ratio[:, None] - 1)).mean(-1)


def _frozen(k: int, ratio: Array) -> Array:
    """KL per step over log 2 for random rewards, averaged over a few draws."""
    rng, total = np.random.default_rng(k), 0.0
    draws = {4: 200, 8: 60, 12: 16, 16: 3}[k]
    for _ in range(draws):
        task = problems.random_energy(k, rng=rng)
        log_pi = gibbs.log_gibbs(task.log_ref, task.reward, ratio * task.known["critical_tau"])
        total = total + simplex.kl(log_pi, task.log_ref) / (k * np.log(2.0) * draws)
    return np.asarray(total)


def _systems() -> list[tuple[str, str, str, Array, Callable[[int, Array], Array], ArrayLike]]:
    """Title, order parameter, verdict, temperatures, curve for K, and the limit (or nothing)."""

    def success(k: int, tau: Array) -> Array:
        return thresholds.success_probability(k * np.log(0.7), k, tau, log_p=True)

    def shared(k: int, tau: Array) -> Array:
        log_p = betaln(7 + k, 3) - betaln(7, 3)
        return thresholds.success_probability(log_p, k, tau, log_p=True)

    def averaged(k: int, tau: Array) -> Array:
        return expit(k / tau[:, None] - _prompts(k)).mean(-1)

    def grid(low: float, high: float) -> Array:
        return np.linspace(low, high, 121)

    hot = grid(1.0, 6.0)
    price = -np.log(2 * np.sqrt(0.3 * 0.7))  # D(1/2 || 0.3)
    ratio, rem = grid(0.2, 2.0), np.linspace(0.2, 2.0, 19)
    return [
        ("all or nothing", "success", "jumps", hot, success,
         np.where(hot < 1 / -np.log(0.7), 1, 0)),
        ("one point per step", "share", "crossover", grid(0.2, 4), lambda k, t:
         _share(0.3, k, "additive", t), expit(1 / grid(0.2, 4) + logit(0.3))),
        ("half is enough", "success", "jumps", grid(3, 20), _half_right,
         np.where(grid(3, 20) < 1 / price, 1, 0)),
        ("squared credit, q = 0.3", "share", "crossover", grid(0.2, 4), lambda k, t:
         _share(0.3, k, np.square, t), ()),
        ("squared credit, q = 0.03", "share", "jumps", grid(0.15, 0.5), lambda k, t:
         _share(0.03, k, np.square, t), ()),
        ("prompts, averaged", "success", "crossover", grid(0.2, 6), averaged,
         -np.expm1(-1 / grid(0.2, 6))),
        ("squared credit, q = 0.119", "share", "critical point", grid(0.3, 0.8), lambda k, t:
         _share(_Q_CRITICAL, k, np.square, t), ()),
        ("shared difficulty", "success", "runs away", np.geomspace(1, 100, 121), shared, ()),
        ("random rewards", "KL", "freezes", rem, _frozen, np.minimum(1, rem**-2.0)),
        ("prompts, aligned", "success", "jumps", ratio, _aligned, np.where(ratio < 1, 1, 0)),
    ]  # fmt: skip


def panels() -> None:
    """Ten systems, each for growing K: which curves become steps and which do not."""
    with figure(5, 2, size=(5.6, 9.8), sharey=True) as axes:
        for ax, (title, what, verdict, tau, curve, limit) in zip(
            axes.ravel(), _systems(), strict=True
        ):
            for k, color in zip(_SMALL if curve is _frozen else _SIZES, shades(4), strict=True):
                ax.plot(tau, curve(k, tau), color=color, lw=1.6)
            if np.size(limit):
                ax.plot(tau, limit, color=COLORS["gibbs"], ls="--", lw=1.1)
            ax.set_title(title + "\n", fontsize=10.5)
            ax.text(0, 1.03, f"{what}: {verdict}", transform=ax.transAxes, fontsize=10,
                    color=_LOOK[verdict], va="bottom")  # fmt: skip
            ax.set(ylim=(-0.03, 1.03), yticks=(0, 0.5, 1), xlim=(tau[0], tau[-1]))
            if verdict == "runs away":
                ax.set_xscale("log")
        for ax, label in zip(axes[-1], (r"$\tau/\tau_c$", r"$\tau/\tau_c(x)$"), strict=True):
            ax.set_xlabel(label)
        for ax in axes[-2]:
            ax.set_xlabel(r"temperature $\tau/\delta$")


def _maxwell(power: float, x: Array) -> Array:
    """Log-odds of q at which two maxima of x m^a - D(m||q) are equally high."""
    m = np.linspace(1e-9, 1 - 1e-9, 20001)
    split = m < 1 - 1 / power
    height = x[:, None] * m**power + entr(m) + entr(1 - m)

    def high_minus_low(log_odds: Array) -> Array:
        total = height + np.asarray(log_odds)[:, None] * m
        return total[:, ~split].max(-1) - total[:, split].max(-1)

    return bisect(high_minus_low, -x - 1.0, np.full(x.shape, 8.0), rtol=1e-9)[0]


def power_credit(powers: Sequence[float] = (1.5, 2, 3, 5)) -> None:
    """First-order lines of m^a, relative to all or nothing, and the points where they end."""
    a = np.concatenate([1 + np.geomspace(0.02, 1, 200), np.linspace(2, 30, 400)])
    q_end, tau_end = expit(np.log(a - 1) - a / (a - 1)), (a - 1) ** a / a ** (a - 1)
    with figure(size=(5.6, 4.0)) as ax:
        ax.axhline(1, color=COLORS["gibbs"], lw=1.4)
        ax.plot(q_end, -tau_end * np.log(q_end), color=COLORS["reference"], ls=":", lw=1.4)
        for power, color in zip(powers, shades(len(powers)), strict=True):
            top = (power - 1) ** power / power ** (power - 1)
            tau = top * np.linspace(1.0, 0.25, 40)
            q = expit(_maxwell(power, 1 / tau))
            ax.plot(q, -tau * np.log(q), color=color)
            ax.plot(q[0], -top * np.log(q[0]), "o", color=color, ms=7)
            end = (q[0], -top * np.log(q[0]))
            ax.annotate(f"$m^{{{power:g}}}$", end, (6, 5), textcoords="offset points", color=color)
        ax.text(0.74, 0.9975, "all or nothing", ha="right", va="top")
        ax.text(0.74, 1.08, "above the dotted line\nno credit $m^a$ jumps", ha="right", va="top")
        ax.set(
            xlim=(0, 0.75), ylim=(0.985, 1.085), xlabel="support of one step $q$",
            ylabel=r"temperature of the jump, $\tau\,|\log q|\,/\,\delta$",
        )  # fmt: skip


def circle(zeros: Mapping[float, Array]) -> None:
    """Zeros of the squared-credit partition function in the plane of z, by temperature."""
    with figure(1, len(zeros), size=(5.6, 2.5), sharey=True) as axes:
        for ax, (tau, z) in zip(axes, zeros.items(), strict=True):
            ax.add_patch(_ring())
            ax.plot(z.real, z.imag, "o", color=COLORS["mirror"], ms=3.5)
            ax.plot(1, 0, "s", color=COLORS["euclid"], ms=6)
            ax.set(aspect="equal", xlim=(-1.2, 1.3), ylim=(-1.2, 1.2), xticks=(), yticks=())
            ax.set_title(rf"$\tau = {tau:g}\,\delta$", fontsize=10.5, loc="center")
            ax.spines[["left", "bottom"]].set_visible(False)


def _ring() -> Any:
    from matplotlib.patches import Circle

    return Circle((0, 0), 1, fill=False, color=COLORS["quiet"], lw=0.8)


def fluctuations(
    sizes: Array, spread: Mapping[float, Array], x: Sequence[Array], density: Sequence[Array]
) -> None:
    """K Var(m) against K on the symmetry line, and the distribution at the critical point."""
    with figure(2, 1, size=(5.6, 6.4)) as (top, bottom):
        labels = ("$q = 0.03$: slope 1", "$q = q_c$: slope 1/2", "$q = 0.3$: slope 0")
        roles = ("mirror", "trpo", "euclid")
        for (_, values), label, role in zip(spread.items(), labels, roles, strict=True):
            top.loglog(sizes, values, color=COLORS[role], marker="o", ms=4)
            top.annotate(label, (sizes[-1], values[-1]), (0, 8), textcoords="offset points",
                         ha="right", va="bottom", color=COLORS[role])  # fmt: skip
        top.set(xlabel="steps $K$", ylabel=r"$K\,\mathrm{Var}(m)$", ylim=(0.1, 3e4))
        for points, values, color in zip(x, density, shades(len(x)), strict=True):
            bottom.plot(points, values, color=color, lw=1.6)
        u = np.linspace(-2, 2, 300)
        quartic = np.exp(-4 * u**4 / 3)
        quartic /= quartic.sum() * (u[1] - u[0])
        bottom.plot(u, quartic, color=COLORS["gibbs"], ls="--", lw=1.4)
        bottom.set(xlim=(-2, 2), ylim=(0, None), xlabel=r"$K^{1/4}\,(m - 1/2)$", ylabel="density")


def freezing(
    ratio: Array,
    kl: Mapping[int, Array],
    dots: tuple[Array, Array, Array],
    variance: Mapping[int, tuple[Array, Array]],
) -> None:
    """KL per step of random rewards, and the variance of the reward in the scaled temperature."""
    with figure(2, 1, size=(5.6, 6.4)) as (top, bottom):
        for (k, values), color in zip(kl.items(), shades(len(kl)), strict=True):
            top.plot(ratio, values, color=color, label=f"K = {k}")
        limit = np.log(2.0) * np.minimum(1.0, ratio**-2.0)
        top.plot(ratio, limit, color=COLORS["gibbs"], ls="--", lw=1.2, label=r"$K \to \infty$")
        top.errorbar(dots[0], dots[1], 2 * dots[2], fmt="o", color=COLORS["gibbs"], ms=4, lw=1)
        top.set(xlabel=r"$\tau/\tau_c$", ylabel="KL per step", ylim=(0, 0.75))
        top.legend(loc="lower left")
        for curve, color in zip(variance.values(), shades(len(variance)), strict=True):
            bottom.plot(*curve, color=color)
        u = np.linspace(-4, 4, 200)
        hazard = np.exp(norm.logpdf(u) - norm.logcdf(u))
        bottom.plot(u, 1 - u * hazard - hazard**2, color=COLORS["gibbs"], ls="--", lw=1.4)
        bottom.set(
            xlim=(-4, 4), ylim=(0, 1.05), ylabel=r"$\mathrm{Var}^*(r)\,/\,K\sigma_r^2$",
            xlabel=r"$\sqrt{K}\,(\sqrt{2\log 2} - \sigma_r/\tau)$",
        )  # fmt: skip


class Table:
    """Rows of words and numbers, as a table in a notebook and as columns in a terminal.

    Examples
    --------
    >>> Table(["system", "slope"], [["all or nothing", 1.0]])
    system          slope
    all or nothing  1.00
    """

    def __init__(self, head: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        self.head, self.rows = list(head), [[self._text(v) for v in row] for row in rows]

    @staticmethod
    def _text(value):
        # A rounded zero has no sign.
        return value if isinstance(value, str) else f"{round(float(value), 2) + 0.0:.2f}"

    def __repr__(self):
        widths = [max(map(len, column)) for column in zip(self.head, *self.rows, strict=True)]
        lines = [
            "  ".join(v.ljust(w) for v, w in zip(row, widths, strict=True)).rstrip()
            for row in [self.head, *self.rows]
        ]
        return "\n".join(lines)

    def _repr_html_(self):
        def row(tag, values):  # small and tight: five columns have to fit on a phone
            look = 'style="padding: 0.2em 0.4em"'
            return "<tr>" + "".join(f"<{tag} {look}>{v}</{tag}>" for v in values) + "</tr>"

        body = "".join(row("td", values) for values in self.rows)
        return (
            '<table class="table" style="font-size: 0.8em; line-height: 1.3">'
            f"<thead>{row('th', self.head)}</thead><tbody>{body}</tbody></table>"
        )

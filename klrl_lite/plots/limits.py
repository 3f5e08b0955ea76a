"""Figures of chapter 09: target, flow and trajectory, and a policy that cannot say everything."""

from typing import Any, NamedTuple

import numpy as np

from .. import flow, gibbs, policies, signals, simplex
from .._types import Array, ArrayLike
from ..algorithms import grpo, ppo, run, trpo
from ..problems import Problem
from ..solvers import bisect
from . import simplex as draw
from .style import COLORS, LINES, figure, label_line

#: The one feature of the knob: which of two right answers; the third answer is wrong.
KNOB = np.array([[-1.0], [1.0], [0.0]])


class Valleys(NamedTuple):
    """Minima of the free energy along the knob, met from the left and from the right.

    Attributes
    ----------
    theta, free_energy : numpy.ndarray, shape (2, ...)
        Row 0 from the left, row 1 from the right; equal where there is one valley.
    """

    theta: Array
    free_energy: Array


def knob(log_ref: ArrayLike) -> policies.Policy:
    """Policies pi_ref exp(theta x)/Z on three answers with one parameter. Book: eq-knob."""
    return policies.linear(KNOB, log_ref)


def knob_slope(theta: ArrayLike, log_ref: ArrayLike, reward: ArrayLike, tau: ArrayLike) -> Array:
    """Slope of the free energy along the knob, tau theta Var(x) - Cov(x, r). Book: eq-knob-slope.

    Parameters
    ----------
    theta, tau : array_like, shape (...)
    log_ref, reward : array_like, shape (3,)

    Examples
    --------
    >>> float(knob_slope(0.0, np.log([0.1, 0.1, 0.8]), [0.0, 1.0, 0.0], 1.0).round(12))
    -0.1
    """
    theta, tau = np.asarray(theta, dtype=float), np.asarray(tau, dtype=float)
    log_pi = simplex.tilt(log_ref, theta[..., None] * KNOB[:, 0])
    x = KNOB[:, 0]
    pull = simplex.fisher_inner(x, np.asarray(reward, float), log_pi)
    spread: Array = simplex.fisher_inner(x, x, log_pi)
    return tau * theta * spread - pull


def valleys(log_ref: ArrayLike, reward: ArrayLike, tau: ArrayLike) -> Valleys:
    """Find the valleys of the free energy along the knob, one descent from either end.

    Parameters
    ----------
    log_ref, reward : array_like, shape (3,)
    tau : array_like, shape (...)

    Examples
    --------
    >>> hot, cold = valleys(np.log([0.1, 0.1, 0.8]), [1.0, 1.0, 0.0], [1.0, 0.4]).theta.T
    >>> bool(abs(hot).max() < 1e-6), cold.round(2).tolist()
    (True, [-2.34, 2.34])
    """
    tau = np.asarray(tau, dtype=float)
    far = np.ptp(reward) / tau + 1.0  # beyond it the pull of the reference wins
    share = np.linspace(-1.0, 1.0, 602)
    grid = far[..., None] * share

    def slope(theta):
        return knob_slope(theta, log_ref, reward, tau)

    rising = knob_slope(grid, log_ref, reward, tau[..., None]) > 0
    first = np.argmax(rising, axis=-1)  # the first place from the left where F rises
    last = rising.shape[-1] - np.argmax(~rising[..., ::-1], axis=-1)  # and from the right
    found = []
    for k in (first, last):
        low, high = far * share[k - 1], far * share[np.minimum(k, share.size - 1)]
        found.append(bisect(slope, low, high)[0])
    theta = np.stack(found)
    log_pi = knob(log_ref).log_prob(theta[..., None])
    return Valleys(theta, gibbs.free_energy(log_pi, log_ref, reward, tau))


def fates(problem: Problem, tau: float, theta0: float, *, seed: int = 0) -> dict[str, Array]:
    """Paths (steps, 3) of five runs from one policy of the knob, with exact signals but for one."""
    log_ref, reward = problem.log_ref, problem.reward
    narrow, tabular = knob(log_ref), policies.tabular(3)
    start = narrow.log_prob([theta0])

    def soft(state: Any) -> signals.Signal:
        return signals.exact(state.log_pi, gibbs.soft_advantage(state.log_pi, log_ref, reward, tau))

    options: dict[str, Any] = {"log_ref": log_ref, "beta": tau, "penalty": "exact"}
    plain = grpo.grpo(tabular, optimizer="sgd", learning_rate=0.2, **options)
    rng = np.random.default_rng(seed)
    divided = grpo.group_signal(reward, 64)
    sampled = grpo.group_signal(reward, 8, 8, rng=rng, normalize=False, baseline="leave_one_out")
    star = gibbs.log_gibbs(log_ref, reward, tau)
    times = np.linspace(0.0, 30.0, 300)
    in_class = run(trpo.natural_gradient(narrow, 0.2), [theta0], soft, 120)
    slow = ppo.ppo(tabular, learning_rate=0.05, epochs=4)
    return {
        "flow": np.exp(flow.kl_flow(times, start, star, tau)),
        "ppo": np.exp(run(slow, start, soft, 150).log_pi),
        "sampled": np.exp(run(plain, start, sampled, 450).log_pi),
        "grpo": np.exp(run(plain, start, divided, 450).log_pi),
        "class": np.exp(in_class.log_pi),
    }


def three_fates(problem: Problem, tau: float, theta0: float) -> None:
    """One target, the ideal flow to it, and four trajectories: two arrive and two do not."""
    paths = fates(problem, tau, theta0)
    looks: dict[str, dict[str, Any]] = {
        "flow": {"color": COLORS["mirror"], "lw": 5.5, "alpha": 0.5, "label": "the flow"},
        "ppo": {"color": COLORS["ppo"], "ls": LINES["ppo"], "label": "PPO"},
        "sampled": {"color": COLORS["quiet"], "lw": 0.9, "label": "GRPO, no std, sampled"},
        "grpo": {"color": COLORS["grpo"], "ls": LINES["grpo"], "label": "GRPO with std"},
        "class": {"color": COLORS["trpo"], "ls": LINES["trpo"], "label": "one knob, natural gr."},
    }
    star = np.exp(gibbs.log_gibbs(problem.log_ref, problem.reward, tau))
    arch = np.exp(knob(problem.log_ref).log_prob(np.linspace(-12, 12, 400)[:, None]))
    with figure(size=(5.6, 5.1)) as ax:
        draw.triangle(ax, names=("right: A", "right: B", "wrong"))
        ax.plot(*draw.to_plane(arch).T, color=COLORS["reference"], ls=":", lw=1.3)
        for role in ("sampled", "flow", "ppo", "grpo", "class"):
            ax.plot(*draw.to_plane(paths[role]).T, **looks[role])
        draw.mark(ax, np.exp(problem.log_ref), r"$\pi_{\mathrm{ref}}$", marker="s", dx=-24, dy=4)
        draw.mark(ax, paths["class"][0], "start", dx=20, dy=3)
        draw.mark(ax, star, "", marker="*", size=190)
        x, y = draw.to_plane(star)
        label_line(ax, x, y, "target", COLORS["gibbs"], dx=2, dy=-19, ha="center")
        for role, text, (dx, dy) in (
            ("class", "its own optimum", (9, 4)),
            ("grpo", "another target", (0, -16)),
        ):
            draw.mark(ax, paths[role][-1], "", color=looks[role]["color"], marker="D")
            x, y = draw.to_plane(paths[role][-1])
            side = "left" if role == "class" else "center"
            label_line(ax, x, y, text, looks[role]["color"], dx=dx, dy=dy, ha=side)
        ax.legend(loc="upper left", bbox_to_anchor=(-0.06, 1.03))


def knob_transition(mass: float, taus: ArrayLike) -> None:
    """Lean of the best policy of the knob, and what it leaves on the table, against tau."""
    taus = np.asarray(taus, dtype=float)
    log_ref, reward = np.log([mass, mass, 1.0 - 2.0 * mass]), [1.0, 1.0, 0.0]
    found = valleys(log_ref, reward, taus)
    lean = np.exp(knob(log_ref).log_prob(found.theta[..., None])) @ KNOB[:, 0]
    best = -taus * gibbs.log_partition(log_ref, reward, taus)
    middle = gibbs.free_energy(np.broadcast_to(log_ref, (taus.size, 3)), log_ref, reward, taus)
    turn = 1.0 - 2.0 * mass
    with figure(2, 1, size=(5.6, 5.6), sharex=True) as (top, bottom):
        for branch in lean:
            top.plot(taus, branch, color=COLORS["trpo"], ls=LINES["trpo"])
        top.axhline(0.0, color=COLORS["gibbs"], lw=1.2)
        label_line(top, 0.08, 0.0, "Gibbs policy: no lean", COLORS["gibbs"], dx=0, dy=5)
        label_line(top, 0.45, np.interp(0.45, taus, lean[1]), "one knob", COLORS["trpo"],
                   dx=10, dy=6)  # fmt: skip
        top.set(ylabel="lean: B minus A", ylim=(-1.08, 1.08))
        bottom.plot(taus, found.free_energy[1] - best, color=COLORS["trpo"], ls=LINES["trpo"])
        bottom.plot(taus, middle - best, color=COLORS["euclid"], ls=LINES["euclid"])
        label_line(bottom, 0.2, np.interp(0.2, taus, found.free_energy[1] - best),
                   "one knob, trained", COLORS["trpo"], dx=12, dy=-22)  # fmt: skip
        label_line(bottom, 0.2, np.interp(0.2, taus, middle - best),
                   "one knob, fitted to\nsamples of the target", COLORS["euclid"],
                   dx=8, dy=2)  # fmt: skip
        bottom.set(xlabel=r"temperature $\tau$", ylabel=r"$F - F^*$", ylim=(0, None))
        for ax in (top, bottom):
            ax.axvline(turn, color=COLORS["reference"], ls=":", lw=1.2)
        label_line(top, turn, -1.0, rf"$\tau$ = {turn:g}", COLORS["reference"], dx=4, dy=0)


def near_and_far(lengths: Array, ratios: dict[str, Array]) -> None:
    """KL over half the squared Fisher length, along random directions of a policy."""
    with figure(size=(5.6, 3.7)) as ax:
        for (name, ratio), role in zip(ratios.items(), ("mirror", "trpo"), strict=True):
            low, high = np.min(ratio, axis=-1), np.max(ratio, axis=-1)
            ax.fill_between(lengths, low, high, color=COLORS[role], alpha=0.25, lw=0)
            ax.loglog(lengths, low, color=COLORS[role], ls=LINES[role], lw=1.2)
            ax.loglog(lengths, high, color=COLORS[role], ls=LINES[role], lw=1.2, label=name)
        ax.axhline(1.0, color=COLORS["reference"], lw=0.8)
        ax.legend(loc="lower left")
        ax.set(xlabel="Fisher length of the move", ylabel=r"KL / ($\frac{1}{2}$ length$^2$)")


def whose_boundary(taus: Array, curves: dict[str, Array], crossings: dict[str, float]) -> None:
    """Success at the end of the run against the coefficient, for five optimizers."""
    roles = ("mirror", "trpo", "ppo", "euclid", "grpo")
    with figure(size=(5.6, 4.2)) as ax:
        for (name, success), role in zip(curves.items(), roles, strict=True):
            wide = {"lw": 5.0, "alpha": 0.45} if role == "mirror" else {}
            ax.plot(taus, success, color=COLORS[role], ls=LINES[role], label=name, **wide)
            ax.plot(crossings[name], 0.5, "o", color=COLORS[role], ms=5, zorder=5)
        ax.axhline(0.5, color=COLORS["reference"], lw=0.8)
        ax.set(xlabel=r"$\tau$, or $\beta$", ylabel="success at the end", ylim=(0, 1.02))
        ax.legend(loc="lower left", bbox_to_anchor=(-0.02, 1.0), ncol=2)

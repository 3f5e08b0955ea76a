"""Figures of chapter 05, GRPO."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from .. import gibbs, policies, signals, simplex, thresholds
from .._types import Array, ArrayLike
from ..algorithms import grpo as grpo_algorithm
from ..algorithms import mirror, ppo, run, trpo
from ..policies import Policy
from . import simplex as draw
from .style import COLORS, LINES, figure, label_line, shades


def fixed_points(p_ref: float = 0.05, gap: float = 1.0, group_size: int = 4) -> None:
    """Success at the fixed point against beta: Gibbs, mean only, leave-one-out, std."""
    beta = np.geomspace(0.12, 3.0, 500)
    shrink = 1.0 - 1.0 / group_size
    own = thresholds.success_probability(p_ref, gap, beta)
    mean_only = thresholds.success_probability(p_ref, gap, beta / shrink)
    log_odds = thresholds.log_odds_against(p_ref)
    # Every point of the std curve has one beta: logit P - logit p = 1 / (beta sqrt(P(1-P))).
    logit = np.linspace(-log_odds + 1e-3, 12.0, 4000)
    std_beta = 2 * np.cosh(logit / 2) / (logit + log_odds)
    success = 1 / (1 + np.exp(-logit))
    fold = np.argmin(std_beta)
    beta_s = std_beta[fold]
    std = {"color": COLORS["grpo"], "ls": LINES["grpo"], "lw": 2.6}
    with figure(size=(5.6, 4.1)) as ax:
        ax.semilogx(beta, own, color=COLORS["gibbs"])
        dots = slice(15, None, 42)
        ax.plot(beta[dots], own[dots], "o", mfc="white", color=COLORS["trpo"], ms=6, zorder=4)
        ax.plot(beta, mean_only, color=COLORS["mirror"], ls=LINES["euclid"])
        ax.plot(std_beta[: fold + 1], success[: fold + 1], **std)
        ax.plot(std_beta[fold:], success[fold:], color=COLORS["grpo"], ls=":", lw=1.3)
        ax.plot([beta_s, beta_s], [success[fold], 1.0], color=COLORS["grpo"], lw=1.0)
        ax.plot([beta[0], beta_s], [1.0, 1.0], **std)
        ax.annotate("", (beta_s, 0.86), (beta_s, 0.66),
                    arrowprops={"arrowstyle": "-|>", "color": COLORS["grpo"]})  # fmt: skip
        ax.text(0.68, 0.64, "divided by std:\njumps", color=COLORS["grpo"], va="center")
        ax.text(1.45, 0.91, "(unstable)", color=COLORS["grpo"], fontsize=9.5, va="center")
        ax.text(0.125, 0.115, f"mean only,\nG = {group_size}", color=COLORS["mirror"], fontsize=10)
        ax.text(0.265, 0.85, "Gibbs,\nand on it $\\circ$\nleave-one-out", fontsize=10, va="center")
        ax.set(xlabel=r"penalty coefficient $\beta$", ylabel="success at the fixed point",
               ylim=(-0.03, 1.05), xlim=(beta[0], beta[-1]))  # fmt: skip
        ticks = [0.2, 0.5, 1.0, 2.0]
        ax.set_xticks(ticks, [f"{t:g}" for t in ticks])
        ax.minorticks_off()


def advantages(
    sizes: Sequence[int],
    expected: ArrayLike,
    ideal: Sequence[float] | Array,
    reward: Sequence[float] | Array,
) -> None:
    """Expected std-normalized advantage of each answer against the group size."""
    with figure(size=(5.6, 3.8)) as ax:
        ax.plot([1.7, 42], [0, 0], color=COLORS["quiet"], lw=0.8)
        for values, aim, r, color in zip(
            np.transpose(expected), ideal, reward, shades(len(ideal)), strict=True
        ):
            ax.plot([1.7, 42], [aim, aim], color=color, ls=":", lw=1.3)
            ax.plot(sizes, values, "o-", color=color, ms=4)
            label_line(ax, 46, aim, f"reward {r:g}", color, va="center")
        ax.set(xlabel="group size $G$", ylabel=r"$E[\hat A\mid y]$", xscale="log", xlim=(1.7, 110))
        ax.set_xticks(sizes, [str(g) for g in sizes])
        ax.minorticks_off()


def settling(paths: Mapping[str, Array], predicted: Iterable[float], asked: float) -> None:
    """Success of sampled runs against updates, and the fixed points predicted for them."""
    styles = {
        "divided by std": ("grpo", LINES["grpo"]),
        "mean only": ("mirror", LINES["euclid"]),
        "leave-one-out": ("trpo", LINES["trpo"]),
    }
    with figure(size=(5.6, 3.9)) as ax:
        for (name, (role, style)), level in zip(styles.items(), predicted, strict=True):
            path, color = paths[name], COLORS[role]
            steps = np.arange(len(path))
            ax.fill_between(steps, path.min(1), path.max(1), color=color, alpha=0.18, lw=0)
            ax.plot(steps, path.mean(1), color=color, ls=style, lw=1.8)
            ax.plot([len(path), len(path) * 1.04], [level, level], color=color, lw=3)
            label_line(ax, len(path) * 1.06, level, name, color, va="center", fontsize=10.5)
        ax.axhline(asked, 0, 0.73, color=COLORS["gibbs"], ls=":", lw=1.2)
        middle = 0.45 * len(paths["mean only"])
        label_line(
            ax, middle, asked, r"Gibbs at $\tau = \beta$", COLORS["gibbs"], dy=15, fontsize=10
        )
        ax.set(xlabel="updates", ylabel="success", xlim=(0, len(paths["mean only"]) * 1.38))
        ax.set(ylim=(0, None))
        ax.set_xticks([t for t in ax.get_xticks() if t <= len(paths["mean only"])])


def destinations(
    log_ref: ArrayLike, reward: Sequence[float] | Array, ends: Mapping[str, Array]
) -> None:
    """Where each variant ends on the simplex, and the line of all Gibbs policies.

    `ends` has a path (n, 3) of log-probabilities for each name.
    """
    tau = np.geomspace(0.05, 50, 400)
    line = draw.to_plane(np.exp(gibbs.log_gibbs(log_ref, reward, tau)))
    looks = {
        "mirror descent, and\nwith the KL in the reward": ("exact", "mirror"),
        "": ("KL in the reward", "ppo"),
        "mean only": ("mean only", "euclid"),
        "divided by std": ("divided by std", "grpo"),
    }
    with figure(size=(5.6, 4.9)) as ax:
        draw.triangle(ax, names=tuple(f"reward {r:g}" for r in reward))
        ax.plot(*line.T, color=COLORS["reference"], ls=":", lw=1.4)
        for text, (name, role) in looks.items():
            xy = draw.to_plane(np.exp(ends[name]))
            ax.plot(*xy.T, color=COLORS[role], ls=LINES[role])
            size, marker = (130, "*") if text else (260, "o")
            fill = COLORS[role] if text else "none"
            ax.scatter(*xy[-1], color=fill, edgecolor=COLORS[role], marker=marker, s=size, zorder=5)
            beside = (1.03 - xy[-1, 1] / np.sqrt(3), xy[-1, 1])
            if text:
                leader = {"arrowstyle": "-", "lw": 0.7, "color": COLORS["quiet"], "shrinkB": 7}
                ax.annotate(text, xy[-1], beside, color=COLORS[role], va="center", fontsize=10,
                            arrowprops=leader)  # fmt: skip
        draw.mark(ax, np.exp(log_ref), "reference", dx=-8, dy=-14)


def estimators(supports: Sequence[float] = (1e-1, 1e-2, 1e-4, 1e-6), gap: float = 1.0) -> None:
    """Success against beta for the exact KL and for k3 differentiated, over supports."""
    success = 1 / (1 + np.exp(-np.linspace(-14, 12, 3000)))
    beta = np.linspace(0.02, 1.0, 600)
    with figure(2, 1, size=(5.6, 5.4), sharex=True) as (exact, rational):
        for p, color in zip(supports, shades(len(supports)), strict=True):
            name = f"p = $10^{{{int(np.log10(p))}}}$"
            curve = thresholds.success_probability(p, gap, beta)
            exact.plot(beta, curve, color=color, label=name)
            up = success[success > p * (1 + 1e-6)]
            # k3: (P - p) / (P (1 - P)) = gap / beta, solved for beta.
            rational.plot(gap * up * (1 - up) / (up - p), up, color=color, label=name)
        exact.set(ylabel="success", title="gradient of KL(π || ref): rare answers need small β")
        exact.legend(loc="upper right", fontsize=9.5)
        rational.set(xlabel=r"penalty coefficient $\beta$", ylabel="success", xlim=(0, 1))
        rational.set_title("k3 in the loss: support hardly matters")


def _counted(policy):
    """Wrap a policy so that every pass through it is counted; return it and the counts."""
    passes = {"n": 0}

    def counting(f):
        def g(*args):
            passes["n"] += 1
            return f(*args)

        return g

    wrapped = {name: counting(getattr(policy, name)) for name in ("log_prob", "jvp", "vjp")}
    # Without this all derivatives at one point would be had at once, uncounted.
    return policy._replace(**wrapped, tangent=None), passes


def ladder_runs(
    policy: Policy,
    theta: ArrayLike,
    log_ref: Array,
    reward: ArrayLike,
    tau: float,
    *,
    batch: int,
    group_size: int,
    rng: np.random.Generator,
) -> dict[str, tuple[Any, ...]]:
    """Measure four things on each rung of the ladder, at the same policies.

    Parameters
    ----------
    policy : Policy
        Its answers are the actions; mirror descent moves the actions themselves.
    theta : array_like, shape (..., P)
        Policies at which one update is made, by an optimizer without a memory.
    log_ref : array_like, shape (..., A)
    reward : array_like, shape (A,)
        0 or 1.
    tau : float
        Weight of the reference KL: in the reward, and for GRPO in the loss.
    batch, group_size : int
        Answers sampled for one update; GRPO splits them into groups, the others are given the
        exact baseline.
    rng : numpy.random.Generator

    Returns
    -------
    dict
        name -> (geometry, estimator, end, cost): angles in degrees in the Fisher metric, shape
        (...), between the exact update and the mirror direction, and between the sampled and the
        exact update; KL to the Gibbs policy at the end of a long exact run with a logit for each
        answer; answers touched by one update.
    """
    net, passes = _counted(policy)
    found = {}
    for name in ("mirror", "TRPO", "PPO", "GRPO"):
        learner, exact = _rung(name, net, log_ref, reward, tau)
        state = learner.init(policy.log_prob(theta) if name == "mirror" else theta)
        aim = gibbs.soft_advantage(state.log_pi, log_ref, reward, tau)
        if name == "GRPO":
            n = batch // group_size
            drawn = signals.grouped(state.log_pi, reward, group_size, n, rng=rng)
        else:
            drawn = signals.sampled(state.log_pi, aim, batch, rng=rng)
        ideal = learner.step(state, exact(state))[0].log_pi - state.log_pi
        passes["n"] = 0
        real = learner.step(state, drawn)[0].log_pi - state.log_pi
        cost = policy.n_actions if name == "mirror" else passes["n"] * batch
        angles = _angle(ideal, aim, state.log_pi), _angle(real, ideal, state.log_pi)
        found[name] = (*angles, _end(name, log_ref[0], reward, tau, group_size), cost)
    return found


def _rung(name, policy, log_ref, reward, tau):
    """Algorithm of one rung, and its exact signal as a function of the state."""

    def soft(state):
        return signals.exact(state.log_pi, gibbs.soft_advantage(state.log_pi, log_ref, reward, tau))

    def bare(state):  # GRPO has the penalty in its loss
        mean = simplex.expect(state.log_pi, reward)[..., None]
        return signals.exact(state.log_pi, reward - mean)

    match name:
        case "mirror":
            return mirror.mirror_descent(0.5), soft
        case "TRPO":
            return trpo.trpo(policy, 0.002), soft
        case "PPO":
            return ppo.ppo(policy, learning_rate=0.02), soft
    return grpo_algorithm.grpo(policy, log_ref=log_ref, beta=tau, learning_rate=0.02), bare


def _end(name, log_ref, reward, tau, group_size, n_steps=200, last=40):
    """KL to the Gibbs policy after many exact updates: a mean, since TRPO goes on hopping."""
    learner, signal = _rung(name, policies.tabular(len(reward)), log_ref, reward, tau)
    if name == "GRPO":
        signal = grpo_algorithm.group_signal(reward, group_size)
    path = run(learner, log_ref, signal, n_steps).log_pi
    return float(np.mean(simplex.kl(path[-last:], gibbs.log_gibbs(log_ref, reward, tau))))


def _angle(u, v, log_pi):
    return np.degrees(np.arccos(simplex.fisher_cosine(u, v, log_pi)))


def ladder(found: Mapping[str, tuple[Any, ...]], n_actions: int) -> None:
    """Draw the four rungs: error of geometry, error of the estimator, end point, cost."""
    roles = {"mirror": "mirror", "TRPO": "trpo", "PPO": "ppo", "GRPO": "grpo"}
    titles = (
        "geometry: exact update against the mirror direction",
        "estimator: sampled update against the exact one",
        "end point: KL to Gibbs, exact updates, one logit per answer",
        "cost: answers touched by one update",
    )
    markers = {"mirror": "o", "TRPO": "s", "PPO": "^", "GRPO": "D"}
    with figure(4, 1, size=(5.6, 8.4)) as axes:
        for column, (ax, title) in enumerate(zip(axes, titles, strict=True)):
            for row, (name, role) in enumerate(roles.items()):
                low, mid, high = np.quantile(found[name][column], [0.1, 0.5, 0.9])
                color = COLORS[role]
                text = f"{mid:.0f}°" if column < 2 else f"{mid:,.0f}"
                if column == 2:
                    # Below this the digits may differ between machines.
                    text = f"{mid:.0e}" if mid > 1e-8 else "below 1e-8"
                    low, mid, high = np.maximum([low, mid, high], 1e-8)
                ax.plot([low, high], [row, row], color=color, lw=3, alpha=0.45)
                ax.plot(mid, row, markers[name], color=color, ms=8)
                if column == 3 and name == "mirror":
                    text += f": all {n_actions}, and twice that for one token more"
                label_line(ax, max(high, mid), row, text, color, dx=9, va="center", fontsize=10)
            ax.set_yticks(range(4), roles)
            ax.set(ylim=(3.6, -0.6), title=title)
            if column < 2:
                ax.set(xlim=(-6, 190))
                ax.set_xticks([0, 45, 90, 135, 180], ["0°", "45°", "90°", "135°", "180°"])
            else:
                ax.set(xscale="log", xlim=(60, 3e4) if column == 3 else (3e-9, 10))

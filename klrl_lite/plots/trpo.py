"""Figures of chapter 03, TRPO."""

from collections.abc import Sequence

import numpy as np

from .. import gibbs, policies, signals, simplex
from .._types import Array, ArrayLike
from ..algorithms import iterate, trpo
from ..algorithms.mirror import trust_region_step
from ..problems import Problem
from . import simplex as draw
from .style import COLORS, LINES, figure, label_line

#: The two exact regions, each in the colour and line style of chapter 01's figure of balls.
REGIONS = {"new_old": ("mirror", "new||old"), "old_new": ("trpo", "old||new")}


def ball(log_old: ArrayLike, radius: ArrayLike, direction: str, n_angles: int = 180) -> Array:
    """Boundary of a KL ball on the 2-simplex, or the border of the simplex where that is nearer.

    Parameters
    ----------
    log_old : array_like, shape (3,)
    radius : array_like, shape (...)
    direction : {"new_old", "old_new"}
    n_angles : int

    Returns
    -------
    numpy.ndarray, shape (..., n_angles + 1, 3)
        Probabilities; the first point is repeated at the end.

    Examples
    --------
    >>> edge = ball(np.log([0.5, 0.3, 0.2]), 0.1, "old_new", 8)
    >>> simplex.kl(np.log([0.5, 0.3, 0.2]), np.log(edge)).round(9).tolist()
    [0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1]
    """
    old = np.exp(log_old)
    angle = np.linspace(0.0, 2.0 * np.pi, n_angles + 1)
    e1, e2 = np.array([-1.0, 1.0, 0.0]) / np.sqrt(2), np.array([-1.0, -1.0, 2.0]) / np.sqrt(6)
    ray = np.cos(angle)[:, None] * e1 + np.sin(angle)[:, None] * e2
    # Along a ray the first coordinate to vanish is where it leaves the simplex.
    with np.errstate(divide="ignore"):
        reach = np.where(ray < 0, -old / np.minimum(ray, -1e-300), np.inf).min(axis=-1)
    radius = np.asarray(radius, dtype=float)[..., None]
    shape = radius.shape[:-1] + angle.shape
    low, high = np.zeros(shape), np.broadcast_to(reach, shape)
    for _ in range(50):
        middle = 0.5 * (low + high)
        with np.errstate(divide="ignore"):
            log_q = np.log(np.maximum(old + middle[..., None] * ray, 0.0))
        log_q = simplex.log_normalize(log_q)
        pair = (log_q, log_old) if direction == "new_old" else (log_old, log_q)
        inside = simplex.kl(*pair) <= radius
        low, high = np.where(inside, middle, low), np.where(inside, high, middle)
    q = np.maximum(old + low[..., None] * ray, 0.0)
    return q / q.sum(axis=-1, keepdims=True)


def _one_step(ax, old, advantage, radius):
    log_old = np.log(old)
    draw.triangle(ax)
    spread = np.ptp(advantage)
    levels = np.min(advantage) + spread * np.linspace(0.1, 0.9, 9)
    draw.contours(ax, lambda p: p @ np.asarray(advantage), levels)
    for way, (role, _) in REGIONS.items():
        xy = draw.to_plane(ball(log_old, radius, way))
        ax.plot(*xy.T, color=COLORS[role], ls=LINES[role])
        best = np.exp(trust_region_step(log_old, advantage, radius, direction=way)[0])
        marker = "o" if way == "new_old" else "^"
        ax.scatter(*draw.to_plane(best), color=COLORS[role], s=60, marker=marker, zorder=6)
    draw.mark(ax, old, "old", dx=8, dy=-3)


def regions(
    old: ArrayLike,
    advantage: ArrayLike,
    radius: float,
    problem: Problem,
    tau: float,
    log_start: ArrayLike,
    path_radius: float,
    n_steps: int = 8,
) -> None:
    """One step in both KL balls; and runs of both regions beside natural-gradient steps."""
    ref, reward = problem.log_ref, problem.reward

    def soft(log_pi):
        return gibbs.soft_advantage(log_pi, ref, reward, tau)

    def exact_step(way):
        return lambda z: trust_region_step(z, soft(z), path_radius, direction=way)[0]

    policy = policies.tabular(3)
    init, step = trpo.trpo(policy, path_radius, line_search=False)

    def natural(z):
        return step(init(z), signals.exact(z, soft(z)))[0].log_pi

    with figure(2, 1, size=(5.0, 8.2)) as (left, right):
        _one_step(left, old, advantage, radius)
        left.set_title("one step", y=0.92)
        draw.triangle(right)
        for way, (role, name) in REGIONS.items():
            path = iterate(exact_step(way), log_start, n_steps)
            xy = draw.to_plane(np.exp(path))
            look = {"color": COLORS[role], "ls": LINES[role]}
            look["marker"] = "o" if way == "new_old" else "^"
            right.plot(*xy.T, **look, lw=1.5, ms=5)
            left.plot([], [], **look, label=f"KL({name})")
        beads = draw.to_plane(np.exp(iterate(natural, log_start, n_steps)))
        right.plot(*beads.T, "x", color=COLORS["gibbs"], ms=7, mew=1.5, zorder=6)
        left.legend(loc="upper right", bbox_to_anchor=(1.08, 0.98))
        draw.mark(right, np.exp(log_start), "start", dx=10, dy=-7)
        target = np.exp(gibbs.log_gibbs(ref, reward, tau))
        draw.mark(right, target, r"$\pi^*$", marker="*", size=130, dx=22, dy=6)
        right.set_title("a run", y=0.92)


def price(log_old: Array, advantage: ArrayLike, radius: float) -> None:
    """KL spent against the step, and the best value against the radius with its tangent."""
    advantage = np.asarray(advantage)
    room = -log_old[np.argmax(advantage)]
    etas = np.geomspace(0.05, 60, 300)
    spent = simplex.kl(simplex.tilt(log_old, etas[:, None] * advantage), log_old)
    radii = np.linspace(1e-4, 1.35 * room, 400)
    values = simplex.expect(trust_region_step(log_old, advantage, radii)[0], advantage)
    log_new, info = trust_region_step(log_old, advantage, radius)
    here, cost = simplex.expect(log_new, advantage), 1.0 / info.eta
    blue, grey = COLORS["mirror"], COLORS["reference"]
    with figure(2, 1, size=(5.6, 5.8)) as (top, bottom):
        top.semilogx(etas, spent, color=blue)
        top.axhline(room, color=grey, ls=":")
        top.plot(info.eta, radius, "o", color=COLORS["gibbs"], zorder=5)
        label_line(top, etas[0], room, r"$-\log\,\pi(a^*)$", grey, dy=5)
        label_line(top, float(info.eta), radius, rf"$\delta$ = {radius:g}", COLORS["gibbs"],
                   dx=-6, dy=8, ha="right")  # fmt: skip
        top.set(xlabel=r"step $\eta$", ylabel="KL(new||old)", ylim=(-0.1, 1.2 * room))
        bottom.plot(radii, values, color=blue)
        reach = np.array([0.0, radius + (0.98 - here) / cost])
        bottom.plot(reach, here + cost * (reach - radius), color=COLORS["euclid"], ls=(0, (5, 2)))
        bottom.plot(radius, here, "o", color=COLORS["gibbs"], zorder=5)
        label_line(bottom, reach[1], 0.98, r"slope $\lambda^*$ = " + f"{cost:.2f}",
                   COLORS["euclid"], dx=4, dy=2)  # fmt: skip
        bottom.axvline(room, color=grey, ls=":")
        label_line(bottom, room, 0.06, "slack from here on ", grey, dx=-5, ha="right")
        bottom.set(xlabel=r"radius $\delta$", ylabel=r"best $E_q[A]$ in the ball", ylim=(0, 1.12))


def parting(log_old: ArrayLike, advantage: ArrayLike) -> None:
    """Length of the step and distance of the two optima against the radius."""
    radii = np.geomspace(1e-6, 1.0, 60)
    new, other = (
        np.exp(trust_region_step(log_old, advantage, radii, direction=way)[0]) for way in REGIONS
    )
    step, apart = np.abs(new - np.exp(log_old)).max(-1), np.abs(new - other).max(-1)
    with figure(size=(5.6, 3.6)) as ax:
        ax.loglog(radii, step, color=COLORS["mirror"])
        ax.loglog(radii, apart, color=COLORS["trpo"], ls=LINES["trpo"])
        i = 25
        label_line(ax, radii[i], step[i], r"step, order $\sqrt{\delta}$", COLORS["mirror"],
                   dx=-6, dy=8, ha="right")  # fmt: skip
        label_line(ax, radii[i], apart[i], r"between the optima, order $\delta$", COLORS["trpo"],
                   dx=10, dy=-10)  # fmt: skip
        ax.set(xlabel=r"radius $\delta$", ylabel="largest change of a probability")


def _cosines(policy, theta, advantage, counts):
    """Cosine with the advantage after each number of conjugate-gradient iterations."""
    log_pi = policy.log_prob(theta)
    signal = signals.exact(log_pi, advantage)
    found = [trpo.natural_direction(policy, theta, signal, max_iter=k)[0] for k in counts]
    return np.array([simplex.fisher_cosine(policy.jvp(theta, x), advantage, log_pi) for x in found])


def reach(seed: int = 0, n_steps: int = 6, widths: Sequence[int] = (1, 2, 3, 4, 5, 6)) -> None:
    """Cosine of natural and plain gradient with the advantage: parameters, and CG iterations."""
    rng = np.random.default_rng(seed)
    n = 2**n_steps
    advantage, features = rng.normal(size=n), rng.normal(size=(n, n - 1))
    base = simplex.log_normalize(rng.normal(size=n))
    sizes, ends = np.array([1, 2, 4, 8, 16, 24, 32, 40, 48, 56, 63]), (1, 500)
    flat = np.array(
        [
            _cosines(policies.linear(features[:, :p], base), np.zeros(p), advantage, ends)
            for p in sizes
        ]
    )
    nets = [policies.autoregressive(n_steps, w) for w in widths]
    thetas = [net.init(rng=rng) for net in nets]
    deep = np.array(
        [_cosines(net, t, advantage, ends) for net, t in zip(nets, thetas, strict=True)]
    )
    green, brown = COLORS["trpo"], COLORS["euclid"]
    with figure(2, 1, size=(5.6, 6.4)) as (top, bottom):
        top.plot(sizes, flat[:, 1], color=green, ls=LINES["trpo"], marker="o", ms=4)
        top.plot(sizes, flat[:, 0], color=brown, ls=LINES["euclid"], marker="s", ms=4)
        counts = [net.n_params for net in nets]
        top.plot(counts, deep[:, 1], color=green, marker="o", mfc="white", ms=7, lw=1)
        top.plot(counts, deep[:, 0], color=brown, marker="s", mfc="white", ms=7, lw=1)
        top.set(xlabel="parameters", ylabel="cosine with the advantage", ylim=(0, 1.08))
        label_line(top, 30, 0.88, "natural gradient", green, ha="right")
        label_line(top, sizes[7], flat[7, 0], "plain gradient", brown, dx=0, dy=-18)
        top.set_title("filled: linear; open: network")
        ks = np.unique(np.geomspace(1, 300, 16).astype(int))
        net, theta = nets[3], thetas[3]
        bottom.semilogx(ks, _cosines(net, theta, advantage, ks), color=green, ls=LINES["trpo"])
        bottom.axhline(deep[3, 1], color=COLORS["reference"], ls=":")
        ten = _cosines(net, theta, advantage, [10])[0]
        bottom.plot(10, ten, "o", color=COLORS["gibbs"])
        label_line(bottom, 1, deep[3, 1], "all", COLORS["reference"], dy=-13)
        bottom.plot(1, deep[3, 0], "s", color=brown, zorder=5)
        label_line(bottom, 1, deep[3, 0], "plain gradient", brown, dx=9, dy=-4)
        label_line(bottom, 10, ten, "ten, as in trainers", COLORS["gibbs"], dx=8, dy=-13)
        bottom.set(xlabel="iterations of conjugate gradients", ylabel="cosine with the advantage")
        bottom.set_title("network with 4 hidden units")


def overspend(log_pi: Array, advantage: Array, radius: float) -> None:
    """KL of the full quadratic step over the radius, against the skewness of the advantage."""
    policy = policies.tabular(log_pi.shape[-1])
    signal = signals.exact(log_pi, advantage)
    init, step = trpo.trpo(policy, radius, line_search=False)
    spent = step(init(log_pi), signal)[1].kl / radius
    centred = advantage - simplex.expect(log_pi, advantage)[..., None]
    variance = simplex.expect(log_pi, centred**2)
    skew = simplex.expect(log_pi, centred**3) / variance**1.5
    line = np.linspace(-1.6, 1.6, 2)
    over = spent > 1
    with figure(size=(5.6, 3.8)) as ax:
        for keep, role, marker in ((over, "euclid", "^"), (~over, "trpo", "o")):
            ax.plot(skew[keep], spent[keep], marker, color=COLORS[role], ms=3.5, alpha=0.6, ls="")
        ax.plot(line, 1 + 2 * line * np.sqrt(2 * radius) / 3, color=COLORS["gibbs"], lw=1.4)
        ax.axhline(1, color=COLORS["reference"], ls=":")
        ax.text(0.03, 0.93, "refused by the line search", color=COLORS["euclid"],
                transform=ax.transAxes)  # fmt: skip
        ax.text(0.97, 0.06, "accepted", color=COLORS["trpo"], transform=ax.transAxes, ha="right")
        ax.set(xlim=(-4, 4), ylim=(0, 2.6), xlabel="skewness of the advantage")
        ax.set(ylabel="KL spent / radius")


def runs(away: Array, radius: float) -> None:
    """KL to the Gibbs policy along four runs: shrinking, bare, constant radius, capped step."""
    k = np.arange(len(away))
    rows = (
        (2, "trpo", "constant radius"),
        (0, "mirror", "shrinking radius"),
        (3, "gibbs", r"constant, $\eta \leq 1/\tau$"),
        (1, "euclid", "bare reward"),
    )
    with figure(size=(5.6, 4.2)) as ax:
        for j, role, name in rows:
            y = np.where(away[:, j] > 1e-10, away[:, j], 1e-10)
            stop = int(np.argmax(y <= 1e-10)) + 1 if np.any(y <= 1e-10) else len(y)
            ls = (0, (1, 1)) if role == "gibbs" else LINES[role]
            ax.semilogy(k[:stop], y[:stop], color=COLORS[role], ls=ls, lw=1.6, label=name)
        ax.axhline(radius / 3, color=COLORS["reference"], ls=":", lw=1)
        label_line(ax, k[-1], radius / 3, r"$\delta/3$", COLORS["reference"], dx=16, dy=3)
        ax.set(xlabel="updates", ylabel=r"KL($\pi_k$||$\pi^*$)", ylim=(1e-8, None))
        ax.legend(loc="lower left", bbox_to_anchor=(0.08, 0.0))

"""What one cell of a sweep is: a run, and what is kept of it."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from .. import _checks, policies, problems, thresholds
from .._types import Array, ArrayLike
from ..gibbs import log_gibbs
from ..policies import Policy
from ..problems import Problem
from ..simplex import entropy, kl, log_normalize
from .gaps import Gaps, gaps
from .lineup import LINEUP, Match, prepare
from .observed import pass_at_k_of
from .path import alignment, fisher_length, geodesic_distance, proximal_kl_spent
from .target import kl_to_target, off_curve, total_variation

#: Updates of a run, and over how many of the last its results are averaged.
N_STEPS, N_LAST = 200, 50
#: Shares of the right and of the wrong answers in `sixteen`.
_RIGHT = np.array([0.6, 0.3, 0.1])
_WRONG = 0.75 ** np.arange(13) / np.sum(0.75 ** np.arange(13))


def sixteen(p_ref: ArrayLike, gap: ArrayLike = 1.0) -> Problem:
    """Test problem of the phase planes: 16 answers of unequal mass, the first three right.

    Parameters
    ----------
    p_ref, gap : array_like, shape (...)
        Support, the mass of the right ones, in (0, 1); and their reward.

    Examples
    --------
    >>> float(np.exp(sixteen(0.2).log_ref)[:3].sum().round(12))
    0.2
    """
    log_good, log_bad = problems.log_support(p_ref, log_p=False)
    parts = (log_good[..., None] + np.log(_RIGHT), log_bad[..., None] + np.log(_WRONG))
    log_ref = log_normalize(np.concatenate(parts, axis=-1))
    reward = _checks.number("gap", gap)[..., None] * (np.arange(16) < 3)
    return Problem(log_ref, reward, "sixteen answers")


def plane_cells(
    name: str, signal: str = "drawn", *, chain: bool = False, n_steps: int = N_STEPS
) -> Callable[..., dict[str, Array]]:
    """Cells of a phase plane for `sweeps.sweep`: run a contestant from the reference.

    Parameters
    ----------
    name : str
        Key of `LINEUP`.
    signal : {"exact", "expected", "drawn"}
    chain : bool
        The cells get tau, q_step and n_tokens (K) in place of tau and p: support q^K, gap K.
    n_steps : int

    Returns
    -------
    callable
        Arguments tau, p (or q_step, n_tokens), seed, flat arrays (n,), and rng; returns means
        over the last `N_LAST` updates, (n,): success, entropy, ref_kl, pass16, above (KL to the
        Gibbs policy).

    Examples
    --------
    >>> cells = plane_cells("mirror", "exact")
    >>> found = cells(tau=np.array([0.5]), p=np.array([0.1]), seed=np.zeros(1), rng=None)
    >>> float(found["success"][0].round(4))
    0.4509
    """
    _checks.choice("name", name, LINEUP)
    _checks.choice("signal", signal, ("exact", "expected", "drawn"))
    chain, n_steps = _checks.flag("chain", chain), _checks.count("n_steps", n_steps)

    def run_cells(
        problem: Problem, tau: Array, rng: np.random.Generator | None
    ) -> dict[str, Array]:
        log_ref, reward = problem.log_ref, problem.reward
        match = prepare(name, log_ref, reward, tau, rng=rng or np.random.default_rng(0))
        sums: dict[str, Array] = {}
        state, signal_fn = match.algorithm.init(match.start), getattr(match, signal)
        for k in range(n_steps):
            state, _ = match.algorithm.step(state, signal_fn(state))
            if k >= n_steps - N_LAST:
                for key, value in _thermometers(state.log_pi, log_ref, reward, tau).items():
                    sums[key] = sums.get(key, 0.0) + value / N_LAST
        return sums

    if chain:

        def chain_cells(tau, q_step, n_tokens, seed=0, rng=None):
            return run_cells(sixteen(q_step**n_tokens, 1.0 * n_tokens), tau, rng)

        return chain_cells

    def support_cells(tau, p, seed=0, rng=None):
        return run_cells(sixteen(p), tau, rng)

    return support_cells


def _thermometers(log_pi, log_ref, reward, tau):
    success = np.minimum(np.sum(np.exp(log_pi) * (reward > 0), axis=-1), 1.0)
    return {
        "success": success,
        "entropy": entropy(log_pi),
        "ref_kl": kl(log_pi, log_ref),
        "pass16": pass_at_k_of(success, 16),
        "above": kl_to_target(log_pi, log_ref, reward, tau),
    }


# --- the scoreboard ---


class Arena(NamedTuple):
    """A policy class with a problem for each of a batch of seeds."""

    policy: Policy
    start: Array
    log_ref: Array
    reward: Array
    p_ref: Array


def arena(kind: str, seeds: ArrayLike) -> Arena:
    """Return problem and policy class of the scoreboard.

    Parameters
    ----------
    kind : {"tabular", "linear", "network"}
        One logit for each of sixteen answers, support 0.02; eight features for them; or a small
        network that writes six tokens, right if at least five are 1s, whose weights at the
        start, and so the reference and the support, depend on the seed.
    seeds : array_like of int, shape (n,)

    Examples
    --------
    >>> arena("network", [0, 1]).log_ref.shape
    (2, 64)
    """
    seeds = _checks.number("seeds", seeds, least=0.0)
    if np.any(seeds % 1):
        raise ValueError(f"seeds must be whole numbers; got {seeds}")
    seeds = seeds.astype(int)
    if kind in ("tabular", "linear"):
        problem = sixteen(np.full(seeds.shape, 0.02))
        if kind == "tabular":
            policy, start = policies.tabular(16), problem.log_ref
        else:
            # One feature tells right from wrong, roughly; the other seven are random.
            noise = np.random.default_rng(8).normal(size=(16, 8))
            noise[:, 0] = 2.0 * (np.arange(16) < 3) - 1.0 + 0.3 * noise[:, 0]
            policy = policies.linear(noise, problem.log_ref[0])
            start = np.zeros((*seeds.shape, 8))
        reward = np.broadcast_to(problem.reward, problem.log_ref.shape)
        return Arena(policy, start, problem.log_ref, reward, np.full(seeds.shape, 0.02))
    if kind != "network":
        raise ValueError(f"kind must be 'tabular', 'linear' or 'network'; got {kind!r}")
    net = policies.autoregressive(6, 8)
    weights = [net.init(rng=np.random.default_rng([6, int(s)])) for s in seeds]
    theta = np.reshape(weights, (*seeds.shape, net.n_params))
    log_ref = net.log_prob(theta)
    right = policies.sequences(6).sum(axis=-1) >= 5
    reward = np.broadcast_to(1.0 * right, log_ref.shape)
    return Arena(net, theta, log_ref, reward, np.sum(np.exp(log_ref) * right, axis=-1))


def board_cells(
    name: str, kind: str, *, n_steps: int = N_STEPS, gap_every: int = 10
) -> Callable[..., dict[str, Array]]:
    """Cells of the scoreboard: one contestant in one arena, with all three signals.

    Parameters
    ----------
    name : str
        Key of `LINEUP`.
    kind : str
        Of `arena`.
    n_steps, gap_every : int
        Updates; at every `gap_every`-th one its gaps are taken, and averaged over each quarter
        of the run.

    Returns
    -------
    callable
        Arguments x (temperature in units of tau_c), seed, flat arrays (n,), and rng. It returns
        arrays (n,): for each signal s `success_s`, `above_s`; for the drawn one the measures of
        `klrl_lite.diagnostics`; and the gaps, (n, 4) for
        the quarters of the run, and accumulated (`end_...`).

    Examples
    --------
    >>> cells = board_cells("mirror", "tabular", n_steps=60)
    >>> found = cells(x=np.ones(1), seed=np.zeros(1), rng=np.random.default_rng(0))
    >>> float(found["align_exact"][0].round(12))
    1.0
    """
    _checks.choice("name", name, LINEUP)
    _checks.choice("kind", kind, ("tabular", "linear", "network"))
    n_steps, gap_every = _checks.count("n_steps", n_steps), _checks.count("gap_every", gap_every)
    if gap_every > n_steps / 4:
        raise ValueError(f"gap_every must be at most a quarter of n_steps; got {gap_every}")

    def cells(x: Array, seed: Array, rng: np.random.Generator) -> dict[str, Array]:
        place = arena(kind, seed)
        tau = x * thresholds.critical_tau(place.p_ref)
        start = place.log_ref if LINEUP[name].family == "policy" else place.start
        match = prepare(name, place.log_ref, place.reward, tau, rng=rng,
                        policy=place.policy, start=start)  # fmt: skip
        found: dict[str, Array] = {}
        last: dict[str, Array] = {}
        for signal in ("exact", "expected", "drawn"):
            every = gap_every if signal == "drawn" else 0
            path, aims, parts = follow(match, getattr(match, signal), n_steps, every)
            late = path[-N_LAST:]
            success = np.sum(np.exp(late) * (place.reward > 0), axis=-1).mean(axis=0)
            above = kl_to_target(late, place.log_ref, place.reward, tau).mean(axis=0)
            found |= {f"success_{signal}": success, f"above_{signal}": above}
            turned = alignment(path[1:], path[:-1], aims)
            found[f"first_{signal}"] = turned[0]
            found[f"align_{signal}"] = _mean_known(turned[: n_steps // 4])
            found[f"off_{signal}"] = off_curve(path, place.log_ref, place.reward).distance.max(0)
            found[f"spent_{signal}"] = proximal_kl_spent(path)
            found[f"length_{signal}"] = fisher_length(path)
            last[signal] = path[-1]
            if parts is not None:
                quarters = {k: np.array_split(v, 4, axis=-1) for k, v in parts._asdict().items()}
                found |= {
                    f"gap_{key}": np.stack([q.mean(axis=-1) for q in four], axis=-1)
                    for key, four in quarters.items()
                }
        goal = log_gibbs(place.log_ref, place.reward, tau)
        found["tv_drawn"] = total_variation(last["drawn"], goal)
        found["way"] = geodesic_distance(place.log_ref, goal)
        found["end_geometric"] = geodesic_distance(last["exact"], goal)
        found["end_bias"] = geodesic_distance(last["expected"], last["exact"])
        found["end_noise"] = geodesic_distance(last["drawn"], last["expected"])
        found["p_ref"] = place.p_ref
        return found

    return cells


def follow(
    match: Match, signal_fn: Callable[[Any], Any], n_steps: int, gap_every: int = 0
) -> tuple[Array, Array, Gaps | None]:
    """Run a match and keep what its measures need.

    Parameters
    ----------
    match : Match
    signal_fn : callable
        One of its signals.
    n_steps : int
    gap_every : int
        Take the gaps at every so many updates; never if 0.

    Returns
    -------
    tuple
        Path (n_steps + 1, n, A), mirror directions along it (n_steps, n, A), and `Gaps` with a
        last axis for the updates at which they were taken, or None.

    Examples
    --------
    >>> ref, reward = np.log([0.9, 0.1]), np.array([0.0, 1.0])
    >>> match = prepare("mirror", ref, reward, 0.5, rng=np.random.default_rng(0))
    >>> path, aims, parts = follow(match, match.exact, 3)
    >>> path.shape, aims.shape, parts
    ((4, 2), (3, 2), None)
    """
    state = match.algorithm.init(match.start)
    path, aims, parts = [state.log_pi], [], []
    for k in range(n_steps):
        aim, signal = match.aim(state), signal_fn(state)
        if gap_every and k % gap_every == 0:
            exact, expected = match.exact(state), match.expected(state)
            parts.append(gaps(match.algorithm, state, aim,
                              exact=exact, expected=expected, drawn=signal))  # fmt: skip
        state, _ = match.algorithm.step(state, signal)
        path.append(state.log_pi)
        aims.append(aim)
    stacked = Gaps(*(np.stack(p, axis=-1) for p in zip(*parts, strict=True))) if parts else None
    return np.stack(np.broadcast_arrays(*path)), np.stack(aims), stacked


def _mean_known(values):
    """Mean over steps, without those that moved nothing."""
    known = np.isfinite(values)
    total = np.sum(np.where(known, values, 0.0), axis=0)
    n = known.sum(axis=0)
    return np.where(n > 0, total / np.maximum(n, 1), np.nan)

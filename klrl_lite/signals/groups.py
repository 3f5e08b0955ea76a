"""Signals whose advantages are relative to a group of samples, drawn or in exact expectation."""

from functools import lru_cache
from itertools import combinations
from math import comb

import numpy as np
from scipy.special import gammaln

from .. import _checks
from .._types import ArrayLike
from ..simplex import _dot
from .batches import Signal, _draw, _policy_and_values
from .raw import group_rule


def grouped(
    log_pi: ArrayLike,
    reward: ArrayLike,
    group_size: int,
    n_groups: int,
    *,
    rng: np.random.Generator,
    normalize: bool = True,
    ddof: int = 0,
    std_floor: float = 0.0,
    floor_kind: str = "add",
    baseline: str = "mean",
    singleton: str = "zero",
) -> Signal:
    """Draw `n_groups` groups of `group_size` actions and score each within its group.

    Parameters
    ----------
    log_pi, reward : array_like, shape (..., A)
    group_size, n_groups : int
        G and the number of independent groups.
    rng : numpy.random.Generator
    normalize, ddof, std_floor, floor_kind, baseline, singleton
        As in `group_advantages`.

    Returns
    -------
    Signal
        Averages over all samples of all groups.

    Notes
    -----
    Only the counts of each group are drawn: memory grows with n_groups * A, not with G.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> signal = grouped(np.log([0.5, 0.5]), [0.0, 1.0], 4, 10, rng=rng)
    >>> bool(np.isclose(signal.gain.sum(), signal.loss.sum()))
    True
    """
    log_pi, reward = _policy_and_values(log_pi, "reward", reward)
    size, n_groups = _checks.count("group_size", group_size), _checks.count("n_groups", n_groups)
    rule = group_rule(normalize, ddof, std_floor, floor_kind, baseline, singleton)
    drawn, order = _draw(log_pi, size, (n_groups,), rng)
    # Groups first, so that sums over them run along the batch. Actions are in the order of the
    # draw, and put back when the groups have been averaged.
    drawn = _checks.by_action(np.moveaxis(drawn, -2, 0).astype(float))
    worth = _checks.by_action(np.take_along_axis(reward, order, axis=-1))
    average = _average(drawn / size, rule(drawn, worth, size), 1.0 / n_groups, axis=0)
    signal = Signal(*(np.empty_like(log_pi) for _ in average))
    for into, part in zip(signal, average, strict=True):
        np.put_along_axis(into, order, part, axis=-1)
    return signal


def _average(share, advantage, probability, axis):
    """Signal of groups on an axis, each with its probability."""
    gain = np.maximum(advantage, 0.0)
    loss = gain - advantage  # max(-A, 0), exactly
    weight = probability * share
    gain, loss = gain * weight, loss * weight
    return Signal(
        *(np.sum(part, axis=axis) for part in (np.broadcast_to(weight, gain.shape), gain, loss))
    )


def grouped_expected(
    log_pi: ArrayLike,
    reward: ArrayLike,
    group_size: int,
    *,
    normalize: bool = True,
    ddof: int = 0,
    std_floor: float = 0.0,
    floor_kind: str = "add",
    baseline: str = "mean",
    singleton: str = "zero",
    max_terms: int = 200_000,
) -> Signal:
    """Exact expectation of `grouped` over its samples, for any number of groups.

    Parameters
    ----------
    log_pi, reward : array_like, shape (..., A)
    group_size : int
    normalize, ddof, std_floor, floor_kind, baseline, singleton
        As in `group_advantages`.
    max_terms : int
        Refuse a larger sum.

    Returns
    -------
    Signal
        weight = pi. For binary rewards with the std, gain - loss on the correct action is
        E[sigma_G].

    Raises
    ------
    ValueError
        Also where the sum would have more than `max_terms` terms.

    Notes
    -----
    A group matters only through how many of its members have each reward, so the sum runs over
    the ways to put G samples on M distinct reward levels: C(G + M - 1, M - 1) terms, each
    weighted by its multinomial probability. That is G + 1 for binary rewards, 969 for M = 4 and
    G = 16, 5e5 for M = 6 and G = 32.

    Examples
    --------
    >>> signal = grouped_expected(np.log([0.5, 0.5]), [0.0, 1.0], 2)
    >>> signal.gain.tolist()
    [0.0, 0.25]
    """
    log_pi, reward = _policy_and_values(log_pi, "reward", reward)
    size, max_terms = _checks.count("group_size", group_size), _checks.count("max_terms", max_terms)
    rule = group_rule(normalize, ddof, std_floor, floor_kind, baseline, singleton)
    pi, (member, worth) = np.exp(log_pi), _levels(reward)
    n_levels = worth.shape[-1]
    if (n_terms := comb(size + n_levels - 1, n_levels - 1)) > max_terms:
        raise ValueError(
            f"max_terms must be at least {n_terms}, the ways to put group_size = {size} samples on "
            f"{n_levels} reward levels; got {max_terms}"
        )
    mass = np.sum(pi[..., None] * member, axis=-2)
    ways = _compositions(size, n_levels)
    log_ways = gammaln(size + 1) - gammaln(ways + 1).sum(axis=-1)
    mass, worth = _checks.by_action(mass), _checks.by_action(worth)
    # 0 log 0 = 0, and a level without mass has no chance to be drawn.
    log_mass = np.log(mass, where=mass > 0, out=np.full_like(mass, -1e300))
    gain, loss = np.zeros_like(mass), np.zeros_like(mass)
    # In pieces, so that a large batch of large groups fits into memory.
    piece = max(1, int(2e6 // max(1, mass.size)))
    for start in range(0, n_terms, piece):
        some = ways[start : start + piece]
        log_some = log_ways[start : start + piece]
        # The terms come first, so that sums run along the batch.
        some, log_some = (
            a.reshape(len(a), *(1 for _ in mass.shape[:-1]), *a.shape[1:]) for a in (some, log_some)
        )
        probability = np.exp(log_some + _dot(some, log_mass))[..., None]
        part = _average(some / size, rule(some, worth, size), probability, axis=0)
        gain, loss = gain + part.gain, loss + part.loss
    # Actions of one level share its gain in proportion to their probabilities.
    per_mass = (np.divide(x, mass, where=mass > 0, out=np.zeros(mass.shape)) for x in (gain, loss))
    return Signal(pi, *(pi * np.sum(member * x[..., None, :], axis=-1) for x in per_mass))


def _levels(reward):
    """Distinct rewards of each row: which action has which (..., A, M), and their values (..., M).

    Rows with fewer levels than others are filled up with levels that no action has.
    """
    order = np.argsort(reward, axis=-1)
    steps = np.diff(np.take_along_axis(reward, order, axis=-1), axis=-1) > 0
    rank = np.concatenate([np.zeros((*steps.shape[:-1], 1), int), np.cumsum(steps, axis=-1)], -1)
    level = np.empty_like(rank)
    np.put_along_axis(level, order, rank, axis=-1)
    member = level[..., None] == np.arange(rank.max(initial=0) + 1)
    worth = np.where(member, reward[..., None], -np.inf).max(axis=-2)
    return member, np.where(worth > -np.inf, worth, 0.0)


@lru_cache(maxsize=32)
def _compositions(total, parts):
    """All ways to write `total` as an ordered sum of `parts` whole numbers >= 0 (stars, bars)."""
    bars = np.array(list(combinations(range(total + parts - 1), parts - 1)), dtype=int)
    bars = bars.reshape(comb(total + parts - 1, parts - 1), parts - 1)
    first, last = (np.full((len(bars), 1), edge) for edge in (-1, total + parts - 1))
    ways = np.diff(np.concatenate([first, bars, last], axis=1), axis=1) - 1
    ways.flags.writeable = False
    return ways

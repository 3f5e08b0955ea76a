"""Answers to the exercises of chapter 16."""

import numpy as np
from scipy.stats import binom

from ..diagnose import Sweep, find_crossing
from ..diagnose.doubts import two_levels
from ..diagnose.runs import of_numbers
from ..diagnose.settle import point_of


def _flat():
    """Share of groups of 16 without any spread: half the prompts certain, and one P = 1/2."""
    certain = np.mean([binom.pmf([0, 16], 16, P).sum() for P in (0.0, 1.0)])
    return np.array([certain, binom.pmf([0, 16], 16, 0.5).sum()])


def _gap():
    """Gap of a two-level reward, and its success, from mean and deviation."""
    run = of_numbers(0.1, [0.4] * 8, 1e9, reward=[1.2] * 8, reward_std=[np.sqrt(2.16)] * 8)
    found = two_levels([point_of(run, 0.5)])
    assert found is not None
    return np.array([found[0], 1.2 / found[0]])


def _needed():
    """Answers for an expected lead of 6 nats at one temperature, P = 0.6 against 0.5."""
    k = np.arange(2)
    once = np.sum(binom.pmf(k, 1, 0.6) * np.log(binom.pmf(k, 1, 0.6) / binom.pmf(k, 1, 0.5)))
    return 6.0 / once


def _worth():
    """Answers that a mean is worth whose ten block means have a deviation of 0.02."""
    blocks = np.tile([0.3 - 0.02 * np.sqrt(0.9), 0.3 + 0.02 * np.sqrt(0.9)], 5)
    return point_of(of_numbers(0.1, np.repeat(blocks, 10), 1e4), 1.0).n


def _bracket():
    """Ends of the bracket for success 0.93, 0.71, 0.31, 0.12 at four betas."""
    beta, success = np.array([0.1, 0.2, 0.3, 0.4]), np.array([0.93, 0.71, 0.31, 0.12])
    sweep = Sweep(beta, success, np.full(4, 4000.0), np.zeros(4, int))
    found = find_crossing(beta, success, sweep.n, rng=np.random.default_rng(0))
    return np.array([found.bracket_low, found.bracket_high])


ANSWERS = {
    "ex-runs-flat": (_flat, 1e-3),
    "ex-runs-gap": (_gap, 1e-3),
    "ex-runs-needed": (_needed, 1e-2),
    "ex-runs-worth": (_worth, 1e-2),
    "ex-runs-bracket": (_bracket, 1e-3),
}

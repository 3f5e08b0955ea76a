"""Answers to the exercises of chapter 04."""

import numpy as np

from .. import gibbs, policies, problems, simplex
from ..algorithms.ppo import ppo
from ..signals import exact


def _most_kl_in_band(clip):
    """KL of the policy with half of the old mass at each edge of the band."""
    log_old = np.log([0.5, 0.5])
    return simplex.kl(np.log([0.5 * (1 - clip), 0.5 * (1 + clip)]), log_old)


def _nearest_maximizer(p, clip):
    """Ratio and KL where the bad one of two answers has lost the share `clip` of its mass."""
    log_old = problems.binary(p).log_ref
    bad = np.log1p(-clip) + log_old[0]
    log_new = np.array([bad, np.log(-np.expm1(bad))])
    return np.array([np.exp(log_new[1] - log_old[1]), simplex.kl(log_new, log_old)])


def _fractions(clip):
    """Shares of the six samples outside the band, and switched off: those that got their way."""
    rho = np.array([1.3, 0.7, 1.3, 0.7, 1.1, 0.75])
    advantage = np.array([1.0, 1.0, -1.0, -1.0, 2.0, -0.5])
    outside = np.abs(rho - 1.0) > clip
    return np.array([outside.mean(), np.mean(outside & (advantage * (rho - 1.0) > 0))])


def _first_step_cosines():
    """Cosines of a tiny first step that PPO takes, not of the sign itself."""
    advantage = np.array([[3.0, -1.0, -1.0, -1.0], [3.0, 0.1, -1.5, -1.6]])
    log_old = np.full((2, 4), np.log(0.25))
    init, step = ppo(policies.tabular(4), epochs=1, learning_rate=1e-6)
    state, _ = step(init(log_old), exact(log_old, advantage))
    return simplex.fisher_cosine(state.theta - log_old, advantage, log_old)


def _shifted_success(error):
    """Success at tau = 0.5 where the wrong answer is overrated."""
    problem = problems.binary(0.1)
    return np.exp(gibbs.log_gibbs(problem.log_ref, np.add(problem.reward, [error, 0.0]), 0.5))[1]


ANSWERS = {
    "ex-band-kl": (lambda: [_most_kl_in_band(0.2), _most_kl_in_band(0.5)], 1e-2),
    "ex-plateau": (lambda: _nearest_maximizer(1e-3, 0.2), 1e-2),
    "ex-clip-fraction": (lambda: _fractions(0.2), 1e-2),
    "ex-first-step": (_first_step_cosines, 1e-2),
    "ex-critic-shift": (lambda: [_shifted_success(0.3), _shifted_success(0.0)], 1e-2),
}

"""Answers to the exercises of chapter 03, by search and by the package's own steps."""

import numpy as np

from .. import policies, signals, simplex
from ..algorithms import trpo
from ..algorithms.mirror import trust_region_step
from ..solvers import bisect


def _slack_radius(p):
    """Radius at which the two-action trust region stops binding."""
    p = np.asarray(p, dtype=float)
    log_pi, advantage = np.log(np.stack([1.0 - p, p], axis=-1)), [0.0, 1.0]

    def still_binds(radius):
        return np.where(trust_region_step(log_pi, advantage, radius)[1].hits_boundary, 1.0, -1.0)

    return bisect(still_binds, np.full(p.shape, 1e-4), np.full(p.shape, 10.0), rtol=1e-6)[0]


def _two_regions(radius=0.1):
    start, advantage = np.log([0.5, 0.5]), [0.0, 1.0]
    return [
        np.exp(trust_region_step(start, advantage, radius, direction=way)[0][1])
        for way in ("new_old", "old_new")
    ]


def _full_step(p=0.1, radius=0.02):
    """KL(new||old) of the step without line search, on two logits."""
    policy, theta = policies.tabular(2), np.log([1.0 - p, p])
    init, step = trpo.trpo(policy, radius, line_search=False)
    return step(init(theta), signals.exact(theta, [0.0, 1.0]))[1].kl


def _constant_error(error=0.3, discount=0.9, lam=0.5, n_steps=400):
    """First advantage of a long episode without rewards, seen by a critic that is wrong."""
    values = np.full(n_steps, error)
    return signals.gae(np.zeros(n_steps), values, error, [False] * n_steps, discount, lam)[0]


def _two_parameters():
    answers = np.arange(8)
    policy = policies.linear(np.stack([answers >= 4, answers % 2], axis=-1).astype(float))
    theta, advantage = policy.init(), answers.astype(float)
    log_pi = policy.log_prob(theta)
    x, *_ = trpo.natural_direction(policy, theta, signals.exact(log_pi, advantage), max_iter=10)
    return simplex.fisher_cosine(policy.jvp(theta, x), advantage, log_pi)


ANSWERS = {
    "ex-slack": (lambda: _slack_radius([0.05, 0.99]), 1e-2),
    "ex-two-regions": (_two_regions, 1e-3),
    "ex-overspend": (_full_step, 1e-2),
    "ex-constant-critic": (_constant_error, 1e-2),
    "ex-two-parameters": (_two_parameters, 1e-3),
}

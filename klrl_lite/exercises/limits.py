"""Answers to the exercises of chapter 09, by search and by counting."""

import numpy as np
from scipy.optimize import linprog

from .. import gibbs, simplex
from ..solvers import bisect


def _decoding_temperature(sampling=(0.8, 0.5)):
    """Temperature tau at which the reward log pi_ref gives pi_ref sharpened to the power 1/T."""
    log_ref, power = np.log([0.6, 0.3, 0.1]), np.asarray(sampling)

    def apart(tau):
        ratio = gibbs.log_gibbs(log_ref, log_ref, tau) - log_ref / power[:, None]
        return ratio[:, 0] - ratio[:, 1]

    return bisect(apart, np.full(power.shape, 0.1), np.full(power.shape, 50.0))[0]


def _knob_turn(mass=0.05, h=1e-3):
    """Temperature at which the free energy of the knob stops curving upwards in the middle."""
    log_ref = np.log([mass, mass, 1.0 - 2.0 * mass])
    three = simplex.tilt(log_ref, np.array([[-h], [0.0], [h]]) * [-1.0, 1.0, 0.0])

    def curvature(tau):
        left, middle, right = gibbs.free_energy(three, log_ref, [1.0, 1.0, 0.0], tau)
        return left - 2.0 * middle + right

    return bisect(curvature, 0.5, 1.2)[0]


def _promise(k=100, old=0.99, new=0.995):
    """Gain in success of k right tokens in a row, and what the token-level surrogate says."""
    value = old ** np.arange(k, -1, -1.0)  # after t right tokens
    visits = old ** np.arange(k)
    advantage_right = value[1:] - value[:-1]
    advantage_wrong = 0.0 - value[:-1]
    promised = np.sum(visits * (new * advantage_right + (1.0 - new) * advantage_wrong))
    return [np.prod(np.full(k, new)) - value[0], promised]


def _clip_reach(old=(0.5, 0.3, 0.15, 0.05), clip=0.2):
    """Largest KL(new||old) among the maximizers of the clipped surrogate, by linear programs."""
    old, good = np.asarray(old), np.array([False, False, True, True])
    bounds = [((1.0 + clip) * p, 1.0) if g else (0.0, (1.0 - clip) * p)
              for p, g in zip(old, good, strict=True)]  # fmt: skip
    ends = [
        linprog(-np.eye(4)[j], A_eq=np.ones((1, 4)), b_eq=[1.0], bounds=bounds).x for j in range(4)
    ]
    with np.errstate(divide="ignore"):
        return max(float(simplex.kl(simplex.log_normalize(np.log(x)), np.log(old))) for x in ends)


def _die(mean=4.5):
    """Temperature of a fair die whose throws average 4.5."""
    pips = np.arange(1.0, 7.0)
    even = np.full(6, -np.log(6.0))
    return bisect(
        lambda tau: simplex.expect(gibbs.log_gibbs(even, pips, tau), pips) - mean, 0.5, 50.0
    )[0]


ANSWERS = {
    "ex-decoding": (_decoding_temperature, 1e-3),
    "ex-knob-turn": (_knob_turn, 1e-3),
    "ex-promise": (_promise, 1e-3),
    "ex-clip-reach": (_clip_reach, 1e-2),
    "ex-die": (_die, 1e-2),
}

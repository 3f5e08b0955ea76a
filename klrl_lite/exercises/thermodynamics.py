"""Answers to the exercises of chapter 12, by search and simulation rather than by its formulas."""

import numpy as np
from scipy import stats
from scipy.integrate import quad

from .. import gibbs, problems, simplex
from .._types import Array
from ..algorithms.mirror import explicit_step
from ..solvers import bisect


def _temperature_of_best(p: float, n: int) -> float:
    """Temperature at which the Gibbs policy is right as often as one of n draws."""
    problem, target = problems.binary(p), 1.0 - (1.0 - p) ** n

    def behind(tau):
        return np.exp(gibbs.log_gibbs(problem.log_ref, problem.reward, tau)[..., 1]) - target

    return float(bisect(behind, 0.01, 50.0)[0])


def _waste(n: int) -> Array:
    """KL of the best of n standard normal rewards, and what it spends beyond m^2/2."""
    law = stats.norm()

    def over_best(value):
        def inner(x):
            density = n * law.pdf(x) * law.cdf(x) ** (n - 1)
            return density * value(x)

        return quad(inner, -3.0, 9.0, limit=200)[0]

    spent = over_best(lambda x: np.log(n) + (n - 1) * law.logcdf(x))
    return np.array([spent, spent - over_best(lambda x: x) ** 2 / 2])


def _fifty_steps() -> Array:
    """Length of the way by summing many short distances, and the KL of one step in fifty."""
    success = np.sin(np.linspace(np.arcsin(0.1), np.arccos(0.1), 5001)) ** 2
    log_pi = np.log(np.stack([1 - success, success], axis=-1))
    length = np.sqrt(2 * simplex.kl(log_pi[1:], log_pi[:-1])).sum()
    return np.array([length, simplex.kl(log_pi[100::100], log_pi[:-100:100]).mean()])


def _behind_the_dial(eta: float = 0.05, dial: float = 10.0) -> float:
    """Inverse temperature of a policy cooled with 1/tau_k = eta k, when the dial says `dial`."""
    problem = problems.binary(0.1)
    log_pi = problem.log_ref
    for k in range(1, round(dial / eta)):
        gain = gibbs.soft_advantage(log_pi, problem.log_ref, problem.reward, 1.0 / (eta * k))
        log_pi = explicit_step(log_pi, gain, eta)
    return float(np.diff(log_pi - problem.log_ref)[0])


ANSWERS = {
    "ex-next-nat": (lambda: [0.5 * 0.1, -(1.2 - 0.5 * 1.5)], 0.05),
    "ex-bon-temperature": (
        lambda: [_temperature_of_best(0.01, 16), _temperature_of_best(0.01, 69)],
        1e-2,
    ),
    "ex-bon-waste": (lambda: _waste(100), 1e-2),
    "ex-fifty-steps": (_fifty_steps, 0.02),
    "ex-never-catches-up": (_behind_the_dial, 0.02),
}

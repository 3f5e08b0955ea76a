"""Answers to the exercises of chapter 06, by search on the package's flows."""

import numpy as np

from .. import flow, gibbs, problems, simplex, thresholds
from ..algorithms.mirror import explicit_step, implicit_step
from ..solvers import bisect

_BANDIT = ([0.7, 0.25, 0.05], [0.0, 0.6, 1.0])


def _log_ratio(log_pi, log_star):
    """Log-ratio to Gibbs of the first pair of actions."""
    u = log_pi - log_star
    return u[..., 1] - u[..., 0]


def _time_to_one_percent(tau):
    start, star = np.log([0.9, 0.1]), np.log([0.3, 0.7])
    left = 0.01 * _log_ratio(start, star)
    return bisect(
        lambda t: _log_ratio(flow.kl_flow(t, start, star, tau), star) - left, 0.0, 100.0 / tau
    )[0]


def _same_point(bare_time, tau):
    """Temperature of the bare flow's policy, and when the regularized flow is there."""
    problem = problems.levels(np.log(_BANDIT[0]), _BANDIT[1])
    log_bare = simplex.tilt(problem.log_ref, bare_time * problem.reward)
    log_star = gibbs.log_gibbs(problem.log_ref, problem.reward, tau)

    def behind(log_pi):
        return simplex.expect(log_pi, problem.reward) - simplex.expect(log_bare, problem.reward)

    same_tau, _ = bisect(
        lambda t: behind(gibbs.log_gibbs(problem.log_ref, problem.reward, t)), 0.01, 10.0
    )
    same_time, _ = bisect(
        lambda t: behind(flow.kl_flow(t, problem.log_ref, log_star, tau)), 0.0, 100.0
    )
    return np.array([same_tau, same_time])


def _crossing_times(p, share):
    """Time to success one half at tau = share * tau_c, and for the bare reward."""
    problem, tau = problems.binary(p), share * thresholds.critical_tau(p)
    log_star = gibbs.log_gibbs(problem.log_ref, problem.reward, tau)
    kl_time, _ = bisect(
        lambda t: flow.kl_flow(t, problem.log_ref, log_star, tau)[..., 1] - np.log(0.5), 0.0, 1e4
    )
    bare_time, _ = bisect(
        lambda t: simplex.tilt(problem.log_ref, t * problem.reward)[1] - np.log(0.5), 0.0, 1e3
    )
    return np.array([kl_time, bare_time])


def _flow_time_of_a_step(product):
    """Flow time that one explicit and one implicit step cover, in units of eta (tau = 1)."""
    problem = problems.levels(np.log(_BANDIT[0]), _BANDIT[1])
    ref, reward, start = problem.log_ref, problem.reward, np.log([0.9, 0.02, 0.08])
    log_star = gibbs.log_gibbs(ref, reward, 1.0)
    advantage = gibbs.soft_advantage(start, ref, reward, 1.0)
    ends = (
        explicit_step(start, advantage, product),
        implicit_step(start, ref, reward, 1.0, product),
    )
    times = [-np.log(_log_ratio(end, log_star) / _log_ratio(start, log_star)) for end in ends]
    return np.array(times) / product


ANSWERS = {
    "ex-one-percent": (lambda: _time_to_one_percent(0.5), 1e-3),
    "ex-early-stop": (lambda: _same_point(5.0, 0.1), 1e-3),
    "ex-crossing-time": (lambda: _crossing_times(1e-3, 0.9), 1e-2),
    "ex-flow-clock": (lambda: _flow_time_of_a_step(0.5), 1e-2),
    # Kramers against a rate of tau: only the exponential differs between two temperatures.
    "ex-cooling": (lambda: [np.exp(1.0 / 0.1) / np.exp(1.0 / 0.2), 0.2 / 0.1], 1e-2),
}

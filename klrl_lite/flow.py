"""Continuous-time limits: the replicator field and the closed-form flow to Gibbs."""

import numpy as np

from . import _checks
from .simplex import _centred, _log_normalize


def replicator(log_pi, advantage):
    """Replicator field d log pi_a / dt = A_a - E_pi[A]. Book: eq-replicator.

    Parameters
    ----------
    log_pi, advantage : array_like, shape (..., A)

    Returns
    -------
    numpy.ndarray, shape (..., A)
        Velocity of the log-probabilities; mean zero under pi.

    Examples
    --------
    >>> replicator(np.log([0.5, 0.5]), [0.0, 1.0]).tolist()
    [-0.5, 0.5]
    """
    log_pi = _checks.policy("log_pi", log_pi)
    advantage = _checks.on_actions("advantage", advantage)
    _checks.same_actions(log_pi=log_pi, advantage=advantage)
    return _centred(advantage, log_pi)


def kl_flow(t, log_pi0, log_gibbs, tau):
    """Exact flow of F_tau: pi_t ~ pi_0^w (pi*)^(1-w) with w = exp(-tau t). Book: eq-kl-flow.

    The solution of the replicator equation with the free-energy advantage: a straight line in
    log-probabilities (an e-geodesic) from pi_0 to the Gibbs policy, whatever the reward. An
    action that pi_0 excludes stays excluded, also in the limit.

    Parameters
    ----------
    t : array_like, shape (...)
        Time, >= 0 (infinity allowed).
    log_pi0, log_gibbs : array_like, shape (..., A)
        Start and Gibbs policy for this tau.
    tau : array_like, shape (...)
        Temperature, > 0: the only rate in the problem.

    Returns
    -------
    numpy.ndarray, shape (..., A)

    Examples
    --------
    >>> start, end = np.log([0.5, 0.5]), np.log([0.2, 0.8])
    >>> bool(np.allclose(kl_flow(0.0, start, end, 1.0), start))
    True
    """
    t = _checks.number("t", t, least=0.0, finite=False)
    tau = _checks.number("tau", tau, above=0.0)
    log_pi0, log_gibbs = _checks.policy("log_pi0", log_pi0), _checks.policy("log_gibbs", log_gibbs)
    _checks.same_actions(log_pi0=log_pi0, log_gibbs=log_gibbs)
    _checks.broadcast(t=t, tau=tau, log_pi0=log_pi0[..., 0])
    rate = np.asarray(tau * t)[..., None]
    path = _weighted(np.exp(-rate), log_pi0) + _weighted(-np.expm1(-rate), log_gibbs)
    return _log_normalize(np.where(log_pi0 == -np.inf, -np.inf, path), "log_pi0")


def _weighted(weight, log_p):
    """Weight times log_p, where a weight of exactly 0 also wins against -inf."""
    weight, log_p = np.broadcast_arrays(weight, log_p)
    return np.multiply(weight, log_p, where=weight > 0, out=np.zeros(log_p.shape))

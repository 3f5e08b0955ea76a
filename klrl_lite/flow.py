"""Continuous-time limits: the replicator field, the closed-form flow to Gibbs, any other flow."""

from collections.abc import Callable

import numpy as np
from scipy.integrate import solve_ivp

from . import _checks
from ._types import Array, ArrayLike
from .simplex import _centred, _log_normalize


def replicator(log_pi: ArrayLike, advantage: ArrayLike) -> Array:
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


def kl_flow(t: ArrayLike, log_pi0: ArrayLike, log_gibbs: ArrayLike, tau: ArrayLike) -> Array:
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
    _checks.broadcast(t=t, tau=tau, log_pi0=log_pi0[..., 0], log_gibbs=log_gibbs[..., 0])
    rate = np.asarray(tau * t)[..., None]
    left, gone = np.exp(-rate), -np.expm1(-rate)
    if log_pi0.min(initial=0.0) > -np.inf and log_gibbs.min(initial=0.0) > -np.inf:
        path = left * log_pi0 + gone * log_gibbs
    else:
        path = _weighted(left, log_pi0) + _weighted(gone, log_gibbs)
        path = np.where(log_pi0 == -np.inf, -np.inf, path)
    return _log_normalize(path, "log_pi0", overwrite=True)


def integrate(
    field: Callable[[float, Array], ArrayLike],
    log_pi0: ArrayLike,
    t_eval: ArrayLike,
    *,
    rtol: float = 1e-9,
    atol: float = 1e-11,
) -> Array:
    """Integrate d log pi/dt = field(t, log_pi) from time 0, for any field.

    Parameters
    ----------
    field : callable
        t, log_pi (..., A) -> velocity (..., A). It gets normalized policies, and must be finite
        where they are.
    log_pi0 : array_like, shape (..., A)
        Start. A batch is solved as one system, with one step size for all.
    t_eval : array_like, shape (T,)
        Times, >= 0 and strictly ascending.
    rtol, atol : float
        Error of log pi per step that the solver aims at.

    Returns
    -------
    numpy.ndarray, shape (T, ..., A)
        Normalized log-probabilities. Impossible actions stay impossible.

    Raises
    ------
    RuntimeError
        If the solver gives up, with its reason.

    Notes
    -----
    Order 8 of Dormand and Prince. In log-space positivity needs no care. The solver leaves the
    simplex by its own error, so that the policy is normalized before the field sees it, and at
    the end.

    Examples
    --------
    >>> path = integrate(lambda t, x: replicator(x, [0.0, 1.0]), np.log([0.5, 0.5]), [0.0, 2.0])
    >>> (path[:, 1] - path[:, 0]).round(6).tolist()
    [0.0, 2.0]
    """
    log_pi0 = _checks.policy("log_pi0", log_pi0)
    t_eval = _checks.number("t_eval", t_eval, least=0.0)
    if t_eval.ndim != 1 or np.any(np.diff(t_eval) <= 0):
        raise ValueError(f"t_eval must be a strictly ascending list of times; got {t_eval}")
    rtol, atol = _checks.scalar("rtol", rtol, above=0.0), _checks.scalar("atol", atol, above=0.0)
    possible = log_pi0 > -np.inf

    def policy(y):
        log_pi = np.full(log_pi0.shape, -np.inf)
        log_pi[possible] = y
        return _log_normalize(log_pi, "log_pi0")

    def velocity(t, y):
        speed = np.broadcast_to(field(t, policy(y)), log_pi0.shape)[possible]
        if not np.all(np.isfinite(speed)):  # or the solver would shorten its step for ever
            raise ValueError(f"field must be finite where the policy is; got {speed} at time {t}")
        return speed

    start, end = log_pi0[possible], t_eval[-1] if t_eval.size else 0.0
    if end == 0.0 or not start.size:
        return np.broadcast_to(log_pi0, (*t_eval.shape, *log_pi0.shape)).copy()
    solved = solve_ivp(
        velocity, (0.0, end), start, method="DOP853", t_eval=t_eval, rtol=rtol, atol=atol
    )
    if not solved.success:
        raise RuntimeError(f"the flow could not be integrated: {solved.message}")
    return np.stack([policy(y) for y in solved.y.T])


def _weighted(weight: Array, log_p: Array) -> Array:
    """Weight times log_p, where a weight of exactly 0 also wins against -inf."""
    weight, log_p = np.broadcast_arrays(weight, log_p)
    return np.multiply(weight, log_p, where=weight > 0, out=np.zeros(log_p.shape))

"""TRPO and the natural gradient: the mirror step as seen through the parameters of a policy."""

from typing import NamedTuple

import numpy as np

from .. import _checks
from .._types import Array, ArrayLike, BoolArray, IntArray
from ..policies import Policy, tangent_at
from ..signals import Signal
from ..simplex import _dot, _expect, _kl
from ..solvers import CGInfo, backtrack, conjugate_gradient
from .base import Algorithm, log_ratio
from .region import _check_direction


class ThetaState(NamedTuple):
    """State of an algorithm that moves parameters."""

    theta: Array
    log_pi: Array


class TrpoInfo(NamedTuple):
    """What a step did; arrays of shape (...).

    Attributes
    ----------
    eta : numpy.ndarray
        Step length along F^-1 g: the multiplier 1/lambda of the trust region.
    kl, surrogate : numpy.ndarray
        KL spent in the chosen direction, and the rise of the surrogate sum (gain - loss) rho.
    accepted, n_backtracks : numpy.ndarray
        Whether the line search found a step, and how often it shrank one.
    cg_converged, cg_residual : numpy.ndarray
        Whether conjugate gradients solved F x = g, and |g - F x| / |g|.
    """

    eta: Array
    kl: Array
    surrogate: Array
    accepted: BoolArray
    n_backtracks: IntArray
    cg_converged: BoolArray
    cg_residual: Array


def natural_direction(
    policy: Policy,
    theta: ArrayLike,
    signal: Signal,
    *,
    max_iter: int,
    rtol: float = 1e-10,
    damping: float = 0.0,
) -> tuple[Array, Array, CGInfo]:
    """Solve (F + damping) x = g for the policy gradient g = J^T (gain - loss).

    Parameters
    ----------
    policy : Policy
    theta : array_like, shape (..., P)
    signal : Signal
    max_iter, rtol
        Of `conjugate_gradient`.
    damping : float
        Added to the diagonal of F. It shortens directions that the policy hardly feels; 0 keeps
        the method exact, also where F is singular (g lies in its range).

    Returns
    -------
    x : numpy.ndarray, shape (..., P)
    length2 : numpy.ndarray, shape (...)
        x' F x: squared Fisher length of the direction, without the damping.
    info : CGInfo

    Examples
    --------
    >>> from klrl_lite import policies, signals
    >>> theta = np.log([0.25, 0.75])
    >>> signal = signals.exact(theta, [3.0, -1.0])
    >>> x, length2, _ = natural_direction(policies.tabular(2), theta, signal, max_iter=5)
    >>> float((x[0] - x[1]).round(12)), float(length2.round(12))
    (4.0, 3.0)
    """
    log_pi, jvp, vjp = tangent_at(policy, theta)
    if not isinstance(signal, Signal):
        raise TypeError(f"signal must be a Signal; got {type(signal).__name__}")
    _checks.same_actions(log_pi=log_pi, signal=signal.gain)
    max_iter, rtol, damping = _cg_options(max_iter, rtol, damping)
    pi, g = np.exp(log_pi), vjp(_checks.on_actions("signal", np.subtract(signal.gain, signal.loss)))

    def damped_fisher(v):
        fv = vjp(pi * jvp(v))
        return fv + damping * v if damping else fv

    x, info = conjugate_gradient(damped_fisher, g, max_iter=max_iter, rtol=rtol)
    # From the change of the policy itself, sum pi (J x)^2: never negative.
    return x, _expect(log_pi, np.square(jvp(x))), info


def natural_gradient(
    policy: Policy, eta: ArrayLike, *, max_iter: int = 10, rtol: float = 1e-10, damping: float = 0.0
) -> Algorithm:
    """Natural gradient with a fixed step, theta + eta F^-1 g: TRPO without search or budget.

    For tabular softmax (and CG run to the end) it is the mirror step pi exp(eta A), at any eta;
    else the nearest direction, in the Fisher metric, that the parameters can take.

    Parameters
    ----------
    policy : Policy
    eta : array_like, shape (...)
        Step, >= 0.
    max_iter, rtol, damping
        As in `natural_direction`.

    Returns
    -------
    Algorithm
        Starts from theta; reports a `TrpoInfo` with KL(new || old).

    Notes
    -----
    Source: Amari (1998); Kakade (2001).

    Examples
    --------
    >>> from klrl_lite import policies, signals
    >>> init, step = natural_gradient(policies.tabular(2), 1.0)
    >>> state = init(np.log([0.5, 0.5]))
    >>> state, info = step(state, signals.exact(state.log_pi, [0.0, np.log(3.0)]))
    >>> np.exp(state.log_pi).round(12).tolist()
    [0.25, 0.75]
    """
    eta = _checks.number("eta", eta, least=0.0)
    max_iter, rtol, damping = _cg_options(max_iter, rtol, damping)

    def step(state, signal):
        x, _, cg = natural_direction(
            policy, state.theta, signal, max_iter=max_iter, rtol=rtol, damping=damping
        )
        theta = state.theta + eta[..., None] * x
        log_new = policy.log_prob(theta)
        kl = _kl(log_new, state.log_pi)
        rise = _surrogate_rise(log_new, state.log_pi, signal.gain - signal.loss)
        done, none = np.ones(kl.shape, bool), np.zeros(kl.shape, int)
        info = _info(eta, kl, rise, done, none, cg)
        return ThetaState(theta, log_new), info

    return Algorithm(_init(policy), step)


def trpo(
    policy: Policy,
    kl_radius: ArrayLike,
    *,
    direction: str = "new_old",
    max_iter: int = 10,
    rtol: float = 1e-10,
    damping: float = 0.0,
    line_search: bool = True,
    shrink: float = 0.5,
    max_backtracks: int = 10,
) -> Algorithm:
    r"""Trust-region policy optimization: CG, step sqrt(2 kl_radius / x'Fx), line search.

    The direction x solves F x = g. The full step spends kl_radius in the quadratic model of the
    KL; the search shrinks it until the true KL is within the radius and the surrogate
    sum (gain - loss) rho does not fall.

    Parameters
    ----------
    policy : Policy
    kl_radius : array_like, shape (...)
        Budget of one step in nats, > 0.
    direction : {"new_old", "old_new"}
        Which KL the search measures: KL(pi_new || pi_old), which goes with mirror descent, or
        KL(pi_old || pi_new), as in the TRPO paper. Both have the same quadratic model; the exact
        steps differ, as in `trust_region_step`.
    max_iter, rtol, damping
        Of conjugate gradients; trainers stop after 10 iterations.
    line_search : bool
        Without it the full step is taken as it is.
    shrink, max_backtracks
        Of `backtrack`.

    Returns
    -------
    Algorithm
        Starts from theta; reports a `TrpoInfo`. Where no step is accepted the policy stays.

    Notes
    -----
    To next order the full step spends kl_radius (1 + c s sqrt(2 kl_radius)), with s the skewness
    of the advantage and c = 2/3 ("new_old") or 1/3 ("old_new"). So a positive skew makes the
    search reject the full step at any radius, and the step taken is `shrink` times as long.
    Source: Schulman et al., arXiv 1502.05477, appendix C.

    Examples
    --------
    >>> from klrl_lite import policies, signals
    >>> init, step = trpo(policies.tabular(2), 0.02)
    >>> state = init(np.log([0.5, 0.5]))
    >>> state, info = step(state, signals.exact(state.log_pi, [0.0, 1.0]))
    >>> bool(info.accepted), bool(info.kl <= 0.02), float(info.eta.round(12))
    (True, True, 0.4)
    """
    kl_radius = _checks.number("kl_radius", kl_radius, above=0.0)
    max_iter, rtol, damping = _cg_options(max_iter, rtol, damping)
    line_search, shrink = _checks.flag("line_search", line_search), _checks.share("shrink", shrink)
    max_backtracks = _checks.count("max_backtracks", max_backtracks, least=0)
    _check_direction(direction)

    def outcome(eta, theta, x, log_old, force):
        theta = theta + eta[..., None] * x
        log_new = policy.log_prob(theta)
        kl = _kl(log_new, log_old) if direction == "new_old" else _kl(log_old, log_new)
        return theta, log_new, kl, _surrogate_rise(log_new, log_old, force)

    def step(state, signal):
        x, length2, cg = natural_direction(
            policy, state.theta, signal, max_iter=max_iter, rtol=rtol, damping=damping
        )
        moves = length2 > 0
        full = np.sqrt(2.0 * kl_radius) / np.sqrt(np.where(moves, length2, 1.0))
        # A direction that the policy does not feel would be followed for ever: it is not at all.
        with np.errstate(over="ignore"):
            moves &= full * np.abs(x).max(axis=-1) < 1e300
        full = np.where(moves, full, 0.0)

        whole = state.theta, x, state.log_pi, signal.gain - signal.loss

        def accept(eta):
            # All rows, also those that search no more: a policy may have a batch of its own.
            _, _, kl, rise = outcome(eta, *whole)
            return (kl <= kl_radius) & (rise >= 0.0)

        if line_search:
            eta, search = backtrack(accept, full, shrink=shrink, max_iter=max_backtracks)
            accepted, n_backtracks = search
        else:
            eta, accepted, n_backtracks = full, np.ones(full.shape, bool), np.zeros(full.shape, int)
        theta, log_new, kl, rise = outcome(eta, *whole)
        info = _info(eta, kl, rise, accepted, n_backtracks, cg)
        return ThetaState(theta, log_new), info

    return Algorithm(_init(policy), step)


def _cg_options(max_iter, rtol, damping):
    """Options of conjugate gradients, checked when the algorithm is made, not in its first step."""
    return (
        _checks.count("max_iter", max_iter, least=0),
        _checks.scalar("rtol", rtol, least=0.0),
        _checks.scalar("damping", damping, least=0.0),
    )


def _init(policy):
    def init(theta):
        log_pi = policy.log_prob(theta)
        return ThetaState(np.array(_checks.on_actions("theta", theta, minus_inf=True)), log_pi)

    return init


def _info(eta, kl, rise, accepted, n_backtracks, cg):
    """All fields with the shape of the batch, so that runs can be stacked and compared."""
    parts = (eta, kl, rise, accepted, n_backtracks, cg.converged, cg.residual)
    return TrpoInfo(*np.broadcast_arrays(*parts))


def _surrogate_rise(log_new, log_old, force):
    """Rise of E[rho A] over its value at the old policy, without the cancellation."""
    return _dot(force, np.expm1(np.minimum(log_ratio(log_new, log_old), 700.0)))

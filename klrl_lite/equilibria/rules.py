"""Fixed points of an update rule put together from its parts: advantage, penalty, where summed."""

import numpy as np

from .. import _checks
from .._types import Array, ArrayLike, BoolArray
from ..solvers import bisect
from .penalties import k2_fixed_point, k3_fixed_point, token_fixed_point
from .std import _group_size, std_advantage_force


def rule_equilibria(
    q_steps: ArrayLike,
    beta: float,
    *,
    advantage: str = "loo",
    penalty: str = "k2",
    per_token: bool = False,
    group_size: float = np.inf,
) -> tuple[Array, BoolArray]:
    r"""All fixed points of the expected update of a trainer, for a task of K steps and reward 1.

    The reward pulls with W(P): 1 for leave-one-out, 1 - 1/G for the mean of the group,
    `std_advantage_force` with the std. The penalty answers a pull W/beta with a success P. Where
    the two agree the update rests.

    Parameters
    ----------
    q_steps : array_like, shape (K,)
        Support of each step, in (0, 1).
    beta : float
        Coefficient of the penalty, > 0.
    advantage : {"loo", "mean", "std"}
    penalty : {"k2", "k3"}
        "k2" is any true gradient of KL(pi || pi_ref): k2 or ratio times k3 in the loss and, per
        answer, k1 in the reward. "k3" is k3 in the loss as it stands.
    per_token : bool
        The penalty is summed over tokens, each differentiated by itself.
    group_size : int or inf
        G >= 2; leave-one-out does not depend on it.

    Returns
    -------
    success : numpy.ndarray, shape (n,)
        P, ascending; without std always one.
    stable : numpy.ndarray of bool, shape (n,)

    Notes
    -----
    Success grows with the pull w = W/beta, so the roots of W(P(w)) - beta w are looked for
    along w, on a grid of 1,500 places (more where the force spans more than eight decades), and
    bisected: two roots closer than a grid step are missed.
    Stable where the sign falls. For one sequence and true KL see `grpo_equilibria`, which needs no
    grid.

    Examples
    --------
    >>> success, stable = rule_equilibria([0.2, 0.2], 0.6, advantage="std", group_size=64)
    >>> success.round(4).tolist(), stable.tolist()
    ([0.5341, 0.8956, 1.0], [True, False, True])
    >>> rule_equilibria([0.2, 0.2], 0.3, penalty="k3", per_token=True)[0].round(4).tolist()
    [0.5604]
    """
    q = _steps(q_steps)
    beta = _checks.scalar("beta", beta, above=0.0)
    _checks.choice("advantage", advantage, ("loo", "mean", "std"))
    _checks.choice("penalty", penalty, ("k2", "k3"))
    per_token, group_size = _checks.flag("per_token", per_token), _group_size(group_size)

    def answer(pull: Array) -> Array:
        if per_token:
            steps = token_fixed_point(q, 1.0 / np.asarray(pull), penalty=penalty)
            return np.asarray(np.prod(steps, axis=-1))
        solve = k2_fixed_point if penalty == "k2" else k3_fixed_point
        return np.asarray(solve(float(np.prod(q)), 1.0, pull))

    if advantage != "std":
        pull = np.array([1.0 if advantage == "loo" else 1.0 - 1.0 / group_size]) / beta
        return answer(pull), np.array([True])

    def excess(log_pull: Array) -> Array:
        pull = np.exp(log_pull)
        success = np.minimum(answer(pull), 1.0 - 2.0**-53)
        return np.log(std_advantage_force(success, group_size)) - np.log(beta) - log_pull

    # The pull lies between those of the smallest and of the largest force, which for infinite
    # groups is the one at the support or the one next to certainty, 1e8.
    most = np.sqrt(group_size - 1.0)
    if not np.isfinite(group_size):
        most = max(1e8, float(std_advantage_force(max(float(np.prod(q)), 1e-300))))
    points = 1500 * max(1, round(np.log(most) / np.log(1e8)))
    grid = np.linspace(np.log(0.9 / beta), np.log(1.1 * most / beta), points)
    value = excess(grid)
    (change,) = np.nonzero(value[:-1] * value[1:] <= 0)
    root, _ = bisect(excess, grid[change], grid[change + 1])
    return answer(np.exp(root)), value[change] > 0


def _steps(q_steps: ArrayLike) -> Array:
    """Check the supports of the steps of one task."""
    q = _checks.number("q_steps", _checks.on_actions("q_steps", q_steps), above=0.0)
    if q.ndim != 1 or np.any(q >= 1.0):
        raise ValueError(f"q_steps must be (K,) and < 1; got {q_steps!r}")
    return q


def rule_crossing(
    q_steps: ArrayLike,
    level: float = 0.5,
    *,
    advantage: str = "loo",
    penalty: str = "k2",
    per_token: bool = False,
    group_size: float = np.inf,
) -> float:
    r"""Coefficient beta at which `level` is a fixed point of `rule_equilibria`.

    Parameters
    ----------
    q_steps : array_like, shape (K,)
    level : float
        Success, above that of the reference and < 1.
    advantage, penalty, per_token, group_size
        As in `rule_equilibria`.

    Returns
    -------
    float

    Notes
    -----
    beta = W(level)/w, where w is the pull that the penalty answers with `level`, by bisection.

    Examples
    --------
    >>> float((rule_crossing([0.2, 0.2]) * np.log(24.0)).round(12))  # 1/L, as for Gibbs
    1.0
    """
    q = _steps(q_steps)
    group_size = _group_size(group_size)
    level = _checks.scalar("level", level)
    _checks.choice("advantage", advantage, ("loo", "mean", "std"))
    if not np.prod(q) < level < 1.0:
        raise ValueError(f"level must lie between {np.prod(q):g} and 1; got {level!r}")

    def excess(log_pull: Array) -> Array:
        at = [
            rule_equilibria(q, float(np.exp(-x)), penalty=penalty, per_token=per_token)[0][0]
            for x in np.ravel(log_pull)
        ]
        return np.reshape(at, np.shape(log_pull)) - level

    root, _ = bisect(excess, np.array(-50.0), np.array(50.0))
    force = {"loo": 1.0, "mean": 1.0 - 1.0 / group_size}
    if advantage == "std":
        force["std"] = float(std_advantage_force(level, group_size))
    return float(force[advantage]) * float(np.exp(-root))

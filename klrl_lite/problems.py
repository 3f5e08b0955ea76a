"""Test systems that carry their own closed forms, derived apart from `gibbs`.

Each problem is a `Problem`: a reference policy, a reward, and what is known about it in
closed form. The closed forms use other formulas than the general code, so that comparing
the two is a test and not a tautology.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from . import _checks
from ._types import Array, ArrayLike
from .simplex import _log_normalize, excess


@dataclass(frozen=True, eq=False)
class Problem:
    """A reference policy with a reward.

    Attributes
    ----------
    log_ref, reward : numpy.ndarray, shape (..., A)
    name : str
    known : dict
        Closed forms: functions of tau (and of nothing else) by name, such as
        `success_probability`, `mean_reward`, `log_partition`; or plain values, such as
        `critical_tau`.

    Examples
    --------
    >>> Problem(np.log([0.5, 0.5]), np.array([0.0, 1.0]), "coin").n_actions
    2
    """

    log_ref: Array
    reward: Array
    name: str
    known: dict[str, Any] = field(default_factory=dict, repr=False)

    @property
    def n_actions(self) -> int:
        """Number of actions, A."""
        return self.log_ref.shape[-1]


def log_support(p_ref: ArrayLike, log_p: bool) -> tuple[Array, Array]:
    """Return (log p, log(1 - p)) for a probability given as p, or as log p if `log_p`.

    Examples
    --------
    >>> log_good, log_bad = log_support(0.25, log_p=False)
    >>> float(np.exp(log_bad).round(12))
    0.75
    """
    if not _checks.flag("log_p", log_p):
        p = _checks.number("p_ref", p_ref, least=0.0, most=1.0)
        with np.errstate(divide="ignore"):
            return np.log(p), np.log1p(-p)
    log_good = _checks.number("p_ref", p_ref, most=0.0, finite=False)
    with np.errstate(divide="ignore"):
        # log(1 - e^x): expm1 near 0, log1p far from it (Maechler 2012).
        near = np.log(-np.expm1(np.maximum(log_good, -1.0)))
        return log_good, np.where(log_good > -0.7, near, np.log1p(-np.exp(log_good)))


def binary(p_ref: ArrayLike, gap: ArrayLike = 1.0, *, log_p: bool = False) -> Problem:
    """Two outcomes: correct (reward `gap`, reference mass p) and wrong (reward 0).

    Parameters
    ----------
    p_ref : array_like, shape (...)
        Reference probability of the correct outcome, in [0, 1]; its logarithm if `log_p`.
    gap : array_like, shape (...)
        Reward of the correct outcome.
    log_p : bool
        Read `p_ref` as log p: for support below 1e-308.

    Returns
    -------
    Problem
        Actions in the order (wrong, correct). Knows `success_probability`, `log_partition`.

    Examples
    --------
    >>> problem = binary(0.1, gap=np.log(9.0))
    >>> float(problem.known["success_probability"](1.0).round(12))
    0.5
    """
    gap = _checks.number("gap", gap)
    log_good, log_bad = np.broadcast_arrays(*log_support(p_ref, log_p))
    shape = _checks.broadcast(p_ref=log_good, gap=gap)
    log_ref = np.stack([np.broadcast_to(log_bad, shape), np.broadcast_to(log_good, shape)], axis=-1)
    reward = np.stack([np.zeros(shape), np.broadcast_to(gap, shape)], axis=-1)

    def success_probability(tau):
        with np.errstate(over="ignore"):
            return 1.0 / (1.0 + np.exp(log_bad - log_good - gap / tau))

    def log_partition(tau):
        return _two_level_log_z(log_bad, log_good, gap / tau)

    known = {"success_probability": success_probability, "log_partition": log_partition}
    return Problem(log_ref, reward, "binary", known)


def _two_level_log_z(log_bad, log_good, x):
    """log(1 - p + p e^x): the mass moved, p (e^x - 1), for small x, and the plain sum beyond."""
    small = np.abs(x) < 0.5
    moved = np.log1p(np.exp(log_good) * np.expm1(np.where(small, x, 0.0)))
    return np.where(small, moved, np.logaddexp(log_bad, log_good + x))[()]


def levels(log_mass: ArrayLike, reward: ArrayLike) -> Problem:
    """Reward levels with given reference log-masses (normalized here).

    Parameters
    ----------
    log_mass, reward : array_like, shape (..., A)

    Returns
    -------
    Problem
        Knows `crossings`: the temperatures at which neighbouring levels on the concave hull of
        (reward, log-mass) carry equal weight. Only for one problem, not for a batch.

    Examples
    --------
    >>> problem = levels(np.log([1.0, 1e-3, 1e-12]), [0.0, 1.0, 1.5])
    >>> (1 / problem.known["crossings"]).round(2).tolist()
    [6.91, 41.45]
    """
    log_mass = _checks.on_actions("log_mass", log_mass, minus_inf=True)
    reward = _checks.on_actions("reward", reward)
    _checks.same_actions(log_mass=log_mass, reward=reward)
    known = {}
    if log_mass.ndim == reward.ndim == 1:
        known["crossings"] = _hull_crossings(log_mass, reward)
    return Problem(_log_normalize(log_mass, "log_mass"), reward, "levels", known)


def _hull_crossings(log_mass: Array, reward: Array) -> Array:
    """Temperatures of equal weight along the upper concave hull, hottest first."""
    order = np.lexsort((log_mass, reward))
    hull: list[tuple[float, float]] = []
    for point in zip(reward[order], log_mass[order], strict=True):
        if point[1] == -np.inf:
            continue
        while hull and (hull[-1][1] <= point[1] or _below_chord(hull, point)):
            hull.pop()
        hull.append(point)
    if len(hull) < 2:
        return np.array([])
    rewards, masses = np.array(hull).T
    return np.diff(rewards) / -np.diff(masses)


def _below_chord(hull, point):
    """Whether the last hull point lies on or under the chord to `point`."""
    if len(hull) < 2:
        return False
    (x0, y0), (x1, y1) = hull[-2:]
    return (y1 - y0) * (point[0] - x0) <= (point[1] - y0) * (x1 - x0)


def chain(
    q_step: ArrayLike,
    n_steps: int,
    step_gap: ArrayLike = 1.0,
    *,
    credit: str | Callable[[Array], ArrayLike] = "all",
) -> Problem:
    """K independent steps, each right with probability q under the reference.

    Parameters
    ----------
    q_step : array_like, shape (...)
        Per-step support, in (0, 1).
    n_steps : int
        K >= 1.
    step_gap : array_like, shape (...)
        Reward per step: a perfect answer earns K * step_gap.
    credit : {"all", "additive"} or callable
        "all": reward only if every step is right (two outcomes: wrong, correct).
        "additive": step_gap for each right step. A callable f earns K * step_gap * f(m/K) for
        m right steps, with f on [0, 1].

    Returns
    -------
    Problem
        For "all" the two outcomes of `binary`; otherwise one action per number m = 0..K of right
        steps. "additive" knows `mean_reward`, `log_partition` and `all_correct`, from the
        factorization into single steps.

    Examples
    --------
    >>> problem = chain(0.5, 3, credit="additive")
    >>> np.exp(problem.log_ref).round(12).tolist()
    [0.125, 0.375, 0.375, 0.125]
    """
    q_step = _checks.number("q_step", q_step, above=0.0)
    if np.any(q_step >= 1.0):
        raise ValueError(f"q_step must be < 1; got {q_step.max()!r}")
    step_gap = _checks.number("step_gap", step_gap)
    _checks.broadcast(q_step=q_step, step_gap=step_gap)
    n_steps = _checks.count("n_steps", n_steps)
    if isinstance(credit, str) and credit == "all":
        return binary(n_steps * np.log(q_step), n_steps * step_gap, log_p=True)
    if not (isinstance(credit, str) and credit == "additive") and not callable(credit):
        raise ValueError(f"credit must be 'all', 'additive' or a function; got {credit!r}")
    right = np.arange(n_steps + 1.0)
    share = right / n_steps
    worth = share if isinstance(credit, str) else _checks.on_actions("credit", credit(share))
    if worth.shape != share.shape:
        raise ValueError(f"credit must map shape {share.shape} to itself; got {worth.shape}")
    log_ref = _log_binomial(right, n_steps, q_step[..., None])
    reward = n_steps * step_gap[..., None] * worth
    known = _additive_forms(q_step, n_steps, step_gap) if credit == "additive" else {}
    name = f"chain ({credit})" if credit == "additive" else "chain (graded)"
    return Problem(_log_normalize(log_ref, "q_step"), reward, name, known)


def _additive_forms(q, n_steps, step_gap):
    """Give the closed forms of an additive reward: each step is a `binary` of its own."""

    def step_log_z(tau):
        return _two_level_log_z(np.log1p(-q), np.log(q), step_gap / tau)

    def log_step_success(tau):  # near 0 for easy steps, and then multiplied by K
        return -np.logaddexp(0.0, np.log1p(-q) - np.log(q) - step_gap / tau)

    return {
        "log_partition": lambda tau: n_steps * step_log_z(tau),
        "mean_reward": lambda tau: n_steps * step_gap * np.exp(log_step_success(tau)),
        "all_correct": lambda tau: np.exp(n_steps * log_step_success(tau)),
    }


def _stirling_error(n):
    """Log n! - [(n + 1/2) log n - n + log(2 pi)/2], for n >= 1."""
    table = np.cumsum(np.log(np.arange(1.0, 17.0)))
    k = np.arange(1.0, 17.0)
    exact = table - (k + 0.5) * np.log(k) + k - 0.5 * np.log(2 * np.pi)
    n = np.maximum(n, 1.0)
    y = 1.0 / (n * n)
    tail = (1 / 12 - y * (1 / 360 - y * (1 / 1260 - y * (1 / 1680 - y / 1188)))) / n
    return np.where(n <= 16, exact[np.minimum(n, 16).astype(int) - 1], tail)


def _log_binomial(m, n, q):
    """Log binomial mass, to full precision for any n: the saddle-point form of Loader (2000).

    The difference of three log-gammas loses log10(n log n) digits; here every part is small.
    """
    inside = (m > 0) & (m < n)
    k = np.where(inside, m, 0.5 * n)

    def deviance(x, mean):  # x log(x/mean) + mean - x, without cancellation
        return x * excess(np.log(x / mean))

    log_mass = (
        _stirling_error(np.float64(n))
        - np.where(inside, _stirling_error(k) + _stirling_error(n - k), 0.0)
        - deviance(k, n * q)
        - deviance(n - k, n * (1.0 - q))
        + 0.5 * np.log(n / (2 * np.pi * k * (n - k)))
    )
    ends = np.where(m == 0, n * np.log1p(-q), n * np.log(q))
    return np.where(inside, log_mass, ends)


def random_bandit(
    n_actions: int, *, rng: np.random.Generator, concentration: float = 1.0
) -> Problem:
    """Draw a random problem: Dirichlet reference, standard normal rewards.

    Parameters
    ----------
    n_actions : int
    rng : numpy.random.Generator
    concentration : float
        Of the symmetric Dirichlet; small values give a reference with small support.

    Examples
    --------
    >>> random_bandit(5, rng=np.random.default_rng(0)).n_actions
    5
    """
    n_actions, rng = _checks.count("n_actions", n_actions), _checks.generator(rng)
    # Logarithms of gamma variates, boosted so that tiny concentrations do not underflow.
    shape = _checks.scalar("concentration", concentration, least=1e-300)
    log_gamma = np.log(rng.gamma(shape + 1.0, size=n_actions))
    log_gamma += np.log1p(-rng.random(n_actions)) / shape
    return Problem(
        _log_normalize(log_gamma, "log_mass"), rng.standard_normal(n_actions), "random bandit"
    )


def random_energy(n_steps: int, sigma: float = 1.0, *, rng: np.random.Generator) -> Problem:
    """Random energy model: 2^K equally likely answers with independent N(0, K sigma^2) rewards.

    Knows `critical_tau` = sigma / sqrt(2 log 2), the freezing temperature as K grows
    (Derrida 1981).

    Examples
    --------
    >>> random_energy(4, rng=np.random.default_rng(0)).n_actions
    16
    """
    n_steps, rng = _checks.count("n_steps", n_steps), _checks.generator(rng)
    sigma = _checks.scalar("sigma", sigma, above=0.0)
    reward = sigma * np.sqrt(n_steps) * rng.standard_normal(2**n_steps)
    log_ref = np.full(2**n_steps, -n_steps * np.log(2.0))
    known = {"critical_tau": sigma / np.sqrt(2 * np.log(2.0))}
    return Problem(log_ref, reward, "random energy", known)

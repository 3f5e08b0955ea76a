"""The laws that TRL's `GRPOTrainer` obeys, from its own options.

Read in the source of TRL 1.16.0, `grpo_trainer.py`, and tested on its recorded runs:

- advantages are reward minus the group's mean, divided by the std of the group ("group", the
  default), of the whole batch ("batch"), or not at all ("none"); the std has Bessel's correction;
- the penalty is k3, token by token, in the loss; with `use_bias_correction_kl` (the default) it is
  multiplied by the importance ratio, whose derivative makes it a true KL of each token;
- with `importance_sampling_level="sequence"` that ratio is one for the whole answer, the geometric
  mean over its tokens, so that only a share 1/K of the correction is there;
- loss types differ by factors that advantage and penalty share, for answers of one length and one
  update per batch; but "cispo" multiplies the advantage by min(1, epsilon_high), 0.2 by default.
"""

from typing import Any

import numpy as np
from scipy.special import expit, logit

from .. import _checks
from .._types import Array, ArrayLike
from ..equilibria import rule_crossing, rule_equilibria, std_advantage_force
from ..equilibria.rules import _steps
from ..simplex import kl
from ..solvers import bisect

#: `scale_rewards` and `use_bias_correction_kl` of the recorded sweeps; the first is the default.
OPTIONS = (
    ("group", True), ("group", False), ("batch", True), ("batch", False), ("none", True),
    ("none", False),
)  # fmt: skip


def trl_force(success: ArrayLike, scale_rewards: str, num_generations: int, batch: int) -> Array:
    r"""Pull of TRL's advantages on the log-odds of one binary prompt.

    Parameters
    ----------
    success : array_like, shape (...)
        P.
    scale_rewards : {"group", "batch", "none"}
    num_generations : int
        G.
    batch : int
        N, answers that share one std with "batch"; all of one prompt.

    Returns
    -------
    numpy.ndarray, shape (...)
        (1 - 1/G) for "none"; with C_n = `std_advantage_force` of n answers,
        sqrt(1 - 1/G) C_G for "group" and (1 - 1/G) sqrt(N/(N - 1)) C_N for "batch".

    Notes
    -----
    Given the batch's right answers, the mean variance within its groups is 1 - 1/G times the
    corrected variance of the batch. So for "batch" the mean over groups of variance/std is
    (1 - 1/G) times the batch's std: groups of G have the law of a group of N.

    Examples
    --------
    >>> trl_force(0.5, "group", 8, 64).round(4), trl_force(0.5, "batch", 8, 64).round(4)
    (np.float64(1.7358), np.float64(1.7499))
    """
    scale, size = _scale(scale_rewards, num_generations, batch)
    if scale_rewards == "none":
        success = _checks.number("success", success, least=0.0, most=1.0)
        return np.full(success.shape, scale)[()]
    return scale * std_advantage_force(success, size)


def trl_crossing(
    q_steps: ArrayLike,
    scale_rewards: str,
    use_bias_correction_kl: bool,
    num_generations: int = 8,
    batch: int = 128,
) -> float:
    """Coefficient beta at which a fixed point of TRL's update has success 1/2.

    Parameters
    ----------
    q_steps : array_like, shape (K,)
    scale_rewards, use_bias_correction_kl, num_generations, batch
        As in `trl_equilibria`.

    Returns
    -------
    float

    Examples
    --------
    >>> [round(trl_crossing([0.05], option, True), 3) for option in ("none", "group")]
    [0.297, 0.59]
    """
    penalty = "k2" if use_bias_correction_kl else "k3"
    unit = rule_crossing(q_steps, penalty=penalty, per_token=True)
    return unit * float(trl_force(0.5, scale_rewards, num_generations, batch))


def _scale(scale_rewards: str, num_generations: int, batch: int) -> tuple[float, float]:
    """Factor of the pull, and the number of answers that share a std."""
    _checks.choice("scale_rewards", scale_rewards, ("group", "batch", "none"))
    num_generations = _checks.count("num_generations", num_generations, least=2)
    inverse = 1.0 - 1.0 / num_generations
    if scale_rewards == "none":
        return inverse, np.inf
    if scale_rewards == "group":
        return float(np.sqrt(inverse)), num_generations
    batch = _checks.count("batch", batch, least=num_generations)
    return inverse * float(np.sqrt(batch / (batch - 1.0))), batch


def trl_equilibria(
    q_steps: ArrayLike,
    beta: float,
    *,
    scale_rewards: str = "group",
    use_bias_correction_kl: bool = True,
    num_generations: int = 8,
    batch: int = 128,
    importance_sampling_level: str = "token",
) -> Array:
    """Stable fixed points of `GRPOTrainer` on one prompt with one right answer, reward 1.

    Parameters
    ----------
    q_steps : array_like, shape (K,)
        Support of each token of the right answer, given those before it.
    beta : float
        > 0.
    scale_rewards, use_bias_correction_kl, importance_sampling_level
        As in `GRPOConfig`.
    num_generations, batch : int
        G, and answers of an update: they share one std with "batch", and do not matter otherwise.

    Returns
    -------
    numpy.ndarray, shape (n,)
        Success, ascending: more than one where a run remembers its start.

    Examples
    --------
    >>> trl_equilibria([0.05], 0.4).round(4).tolist()
    [0.9414]
    >>> trl_equilibria([0.05], 0.4, scale_rewards="none").round(4).tolist()
    [0.3193]
    """
    beta = _checks.scalar("beta", beta, above=0.0)
    _checks.choice("importance_sampling_level", importance_sampling_level, ("token", "sequence"))
    scale, size = _scale(scale_rewards, num_generations, batch)
    q = _steps(q_steps)
    if importance_sampling_level == "token" or not use_bias_correction_kl or q.size == 1:
        rule: dict[str, Any] = {"advantage": "loo"} if scale_rewards == "none" else {
            "advantage": "std", "group_size": size}  # fmt: skip
        success, stable = rule_equilibria(
            q, beta / scale, penalty="k2" if use_bias_correction_kl else "k3",
            per_token=True, **rule,
        )  # fmt: skip
        return success[stable]

    def excess(log_pull: Array) -> Array:
        success = _whole_ratio(q, np.exp(log_pull)).prod(-1)
        force = trl_force(success, scale_rewards, num_generations, batch)
        return np.log(force) - np.log(beta) - log_pull

    # The pull lies between those of the smallest and of the largest force.
    most = 1.0 if scale_rewards == "none" else np.sqrt(size - 1.0)
    grid = np.log(scale / beta) + np.linspace(np.log(0.9), np.log(1.1 * most), 1000)
    value = excess(grid)
    (falls,) = np.nonzero((value[:-1] > 0) & (value[1:] <= 0))
    root, _ = bisect(excess, grid[falls], grid[falls + 1])
    return np.asarray(_whole_ratio(q, np.exp(root)).prod(-1))


def _whole_ratio(q: Array, pull: Array) -> Array:
    """Success of each token, (..., K), at this pull, where one ratio serves the whole answer.

    Of a token's penalty a share 1/K acts as a true KL and the rest as a literal k3; and a share
    1/K of the KL of later tokens is charged to it.
    """
    share = 1.0 / len(q)
    steps: list[Array] = []
    ahead, cost = np.ones(np.shape(pull)), np.zeros(np.shape(pull))
    for support in q[::-1]:
        force = pull * ahead - share * cost

        def rest(x: Array, support: float = support, force: Array = force) -> Array:
            literal = (expit(x) - support) * (2.0 + 2.0 * np.cosh(x))
            return force - share * (x - logit(support)) - (1.0 - share) * literal

        # The literal part has the sign of the other: alone, that one would go farther. At 700 the
        # literal part outweighs all else.
        ends = logit(support) + np.abs(force / share) * np.array([[-1.0], [1.0]])
        p = expit(bisect(rest, *np.clip(ends, -700.0, 700.0))[0])
        steps.append(p)
        both = np.log(np.stack([1.0 - p, p], -1)), np.log([1.0 - support, support])
        # After a right token the rest of the answer is worth `ahead` and costs `cost`.
        cost = kl(*both) + p * cost
        ahead = ahead * p
    return np.stack(steps[::-1], axis=-1)

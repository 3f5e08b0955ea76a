"""A sweep of the book's own GRPO, written as TRL would write it: something to diagnose."""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from .. import policies
from .._types import Array, ArrayLike
from ..algorithms.grpo import grpo
from ..signals import Signal, group_advantages
from .write import arguments, write_run


class Training(NamedTuple):
    """How a sweep is trained; see `train`."""

    std: bool = True
    corrected: bool = True
    group: int = 16
    n_groups: int = 4
    n_steps: int = 300
    rate: float = 0.2
    gap: float = 1.0
    every: int = 5


USUAL = Training()


def train(
    folder: Path, betas: ArrayLike, p_ref: ArrayLike, how: Training = USUAL, *,
    n_seeds: int = 2, rng: np.random.Generator,
) -> Array:  # fmt: skip
    """Train on one prompt (or several, averaged in the log) at each beta, and write the logs.

    Parameters
    ----------
    folder : pathlib.Path
    betas : array_like, shape (B,)
    p_ref : array_like, shape () or (prompts,)
        Support of each prompt.
    how : Training
    n_seeds : int
    rng : numpy.random.Generator

    Returns
    -------
    numpy.ndarray, shape (B, seeds)
        Success at the end, averaged over prompts: P, not a sample.

    Examples
    --------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> end = train(folder, [0.5], 0.1, Training(n_steps=10), rng=np.random.default_rng(0))
    >>> end.shape, sorted(p.name for p in folder.iterdir())
    ((1, 2), ['beta-0.5-seed-0', 'beta-0.5-seed-1'])
    """
    betas, p = np.asarray(betas, float), np.atleast_1d(np.asarray(p_ref, float))
    shape = (len(betas), n_seeds, len(p))
    log_ref = np.broadcast_to(np.log(np.stack([1 - p, p], -1)), (*shape, 2))
    init, step = grpo(
        policies.tabular(2), log_ref=log_ref, optimizer="sgd", learning_rate=how.rate,
        beta=betas[:, None, None], penalty="exact" if how.corrected else "k3",
    )  # fmt: skip
    state, seen = init(log_ref), []
    for _ in range(how.n_steps):
        signal, right = _draw(np.exp(state.log_pi[..., 1]), how, rng)
        seen.append(right)
        state, _ = step(state, signal)
    _write(folder, betas, np.stack(seen, axis=2), how)  # (B, seeds, steps, prompts, groups)
    return np.exp(state.log_pi[..., 1]).mean(axis=-1)


def _draw(P, how, rng):
    """Groups of answers, and the signal that GRPO makes of them."""
    right = rng.binomial(how.group, P[..., None], size=(*P.shape, how.n_groups))
    reward = how.gap * (np.arange(how.group) < right[..., None])
    value = group_advantages(reward, normalize=how.std, ddof=1 if how.std else 0, std_floor=1e-4)
    total = how.group * how.n_groups
    won, lost = (np.where(mask, value, 0.0) for mask in (reward > 0, reward == 0))

    def sides(x):
        return np.stack([x(lost), x(won)], axis=-1) / total

    share = right.sum(axis=-1) / total
    gain = sides(lambda v: np.maximum(v, 0.0).sum(axis=(-2, -1)))
    loss = sides(lambda v: np.maximum(-v, 0.0).sum(axis=(-2, -1)))
    return Signal(np.stack([1 - share, share], axis=-1), gain, loss), right


def _write(folder, betas, right, how):
    """Log every few steps the averages over them, as a trainer does."""
    n = how.group * how.n_groups * right.shape[3]
    mean = right.mean(axis=(3, 4)) / how.group
    std = np.sqrt(mean * (1 - mean) * n / (n - 1))
    flat = ((right == 0) | (right == how.group)).mean(axis=(3, 4))
    blocks = how.n_steps // how.every

    def logged(x):
        return x[..., : blocks * how.every].reshape(*x.shape[:2], blocks, how.every).mean(-1)

    columns = {"reward": how.gap * logged(mean), "reward_std": how.gap * logged(std),
               "frac_reward_zero_std": logged(flat)}  # fmt: skip
    for i, beta in enumerate(betas):
        for seed in range(right.shape[1]):
            history = [
                {"step": (t + 1) * how.every}
                | {k: float(v[i, seed, t]) for k, v in columns.items()}
                for t in range(blocks)
            ]
            given = arguments(
                float(beta), n, group=how.group, seed=seed, logging_steps=how.every,
                scale_rewards="group" if how.std else "none",
                use_bias_correction_kl=how.corrected,
            )  # fmt: skip
            state = {"global_step": blocks * how.every, "log_history": history}
            write_run(folder / f"beta-{beta:g}-seed-{seed}", state, given)

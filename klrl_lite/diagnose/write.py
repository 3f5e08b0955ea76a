"""Write runs in the format of TRL's trainers: for examples and tests of the reader."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from .._types import Array


def trainer_state(
    success: Array, n: int, *, rng: np.random.Generator, group: int = 16, gap: float = 1.0,
    every: int = 1,
) -> dict[str, Any]:  # fmt: skip
    """State of a run whose policy had these chances of a right answer.

    Parameters
    ----------
    success : numpy.ndarray, shape (entries,)
        P at each log entry.
    n : int
        Answers behind each entry, in groups of `group`.
    rng : numpy.random.Generator
    group : int
    gap : float
        Reward of a right answer.
    every : int
        Optimizer steps between entries.

    Returns
    -------
    dict
        As in trainer_state.json, with the keys of TRL 1.16 that `diagnose` reads.

    Examples
    --------
    >>> state = trainer_state(np.array([0.5]), 64, rng=np.random.default_rng(0))
    >>> sorted(state["log_history"][0])
    ['epoch', 'frac_reward_zero_std', 'reward', 'reward_std', 'step']
    """
    history = []
    for i, P in enumerate(success, 1):
        right = rng.binomial(group, P, size=n // group)
        mean = right.sum() / n
        history.append({
            "epoch": float(i), "step": i * every, "reward": gap * mean,
            "reward_std": gap * float(np.sqrt(mean * (1 - mean) * n / (n - 1))),
            "frac_reward_zero_std": float(np.mean((right == 0) | (right == group))),
        })  # fmt: skip
    return {"global_step": len(success) * every, "log_history": history}


def write_run(folder: Path, state: dict[str, Any], given: dict[str, Any]) -> None:
    """Write trainer_state.json, in a checkpoint folder, and training_args.json beside it.

    Parameters
    ----------
    folder : pathlib.Path
    state : dict
        Of `trainer_state`.
    given : dict
        Arguments, of `arguments`.

    Examples
    --------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> write_run(folder, {"global_step": 5, "log_history": []}, arguments(0.1, 64))
    >>> [p.name for p in sorted(folder.iterdir())]
    ['checkpoint-5', 'training_args.json']
    """
    inside = folder / f"checkpoint-{state['global_step']}"
    inside.mkdir(parents=True, exist_ok=True)
    (inside / "trainer_state.json").write_text(json.dumps(state), encoding="utf-8")
    (folder / "training_args.json").write_text(json.dumps(given), encoding="utf-8")


def arguments(beta: float, n: int, *, group: int = 16, **more: Any) -> dict[str, Any]:
    """Arguments of a run with n new answers in each optimizer step.

    Examples
    --------
    >>> arguments(0.1, 64, scale_rewards="none")["generation_batch_size"]
    64
    """
    return {
        "beta": beta, "num_generations": group, "generation_batch_size": n,
        "steps_per_generation": 1, "gradient_accumulation_steps": 1, "num_iterations": 1,
        "scale_rewards": "group", "use_bias_correction_kl": True, "loss_type": "dapo",
    } | more  # fmt: skip

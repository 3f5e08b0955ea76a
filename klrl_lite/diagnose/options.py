"""What a reader may tell `diagnose` about a sweep, with the values that it assumes otherwise."""

import re
from dataclasses import dataclass, field
from typing import Any

from .messages import BadInput

#: Name in this package -> names under which trainers and exports have it, in the order tried.
COLUMNS: dict[str, tuple[str, ...]] = {
    "run": ("run", "run_id", "run_name", "name"),
    "step": ("step", "global_step", "_step", "train/global_step"),
    "beta": ("beta", "kl_coef", "kl_beta", "cfg.beta", "config.beta", "args.beta"),
    "seed": ("seed", "cfg.seed", "config.seed", "args.seed"),
    "prompt": ("prompt", "prompt_id", "task", "problem"),
    "success": ("success", "accuracy", "pass_rate", "pass@1", "eval/accuracy"),
    "n": ("n", "n_samples", "num_samples", "samples"),
    "group": ("num_generations", "group_size", "cfg.num_generations", "config.num_generations"),
    "reward": ("reward", "train/reward"),
    "reward_std": ("reward_std", "train/reward_std"),
    "zero_std": ("frac_reward_zero_std", "train/frac_reward_zero_std"),
    "kl": ("kl", "train/kl"),
    "entropy": ("entropy", "train/entropy"),
    "length": ("completions/mean_length", "train/completions/mean_length"),
    "logp": ("logp", "logprob", "sequence_logp"),
    "ref_logp": ("ref_logp", "ref_logprob", "sequence_ref_logp"),
    "scale_rewards": ("scale_rewards", "cfg.scale_rewards", "config.scale_rewards"),
    "use_bias_correction_kl": ("use_bias_correction_kl", "config.use_bias_correction_kl"),
}
#: Those that hold text, true or false.
TEXT = {"run", "seed", "prompt", "scale_rewards", "use_bias_correction_kl"}


@dataclass(frozen=True)
class Options:
    """Settings of one diagnosis, as `python -m klrl_lite.diagnose --help` explains them.

    Examples
    --------
    >>> Options(p_ref=0.01).level
    0.05

    Attributes
    ----------
    columns : dict
        Name in this package -> column, where the usual names do not do.
    settings : dict
        The same for all runs: beta, num_generations, scale_rewards, use_bias_correction_kl, ...
    from_path : str
        Regular expression with named groups, searched in the path of each file.
    percent : bool
        Success rates are in percent.
    samples : float or None
        Answers behind each logged success rate.
    p_ref : float, tuple or None
        Support: a number, or (right, out of).
    gap : float or None
        Reward of a right answer above a wrong one.
    tail : float
        Share of each run, at its end, that is averaged.
    slack : float
        By how many nats of log-odds a law may be off and still count as right.
    level : float
        A true law is left out at most this often.
    resamples, seed : int
        Of the bootstrap.
    """

    columns: dict[str, str] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)
    from_path: str = ""
    percent: bool = False
    samples: float | None = None
    p_ref: float | tuple[int, int] | None = None
    gap: float | None = None
    tail: float = 0.5
    slack: float = 0.05
    level: float = 0.05
    resamples: int = 399
    seed: int = 0


def pairs(given: list[str], option: str) -> dict[str, str]:
    """Split NAME=VALUE arguments.

    Examples
    --------
    >>> pairs(["success=eval/acc", "beta=cfg.beta"], "--map")
    {'success': 'eval/acc', 'beta': 'cfg.beta'}
    """
    found = {}
    for item in given:
        name, sign, value = item.partition("=")
        if not (sign and name and value):
            raise BadInput(f"{item!r} is not of the form NAME=VALUE.", where=option)
        if option == "--map" and name not in COLUMNS:
            raise BadInput(f"{name!r} is not a name to map to.", f"Known: {', '.join(COLUMNS)}.",
                           option)  # fmt: skip
        found[name] = value
    return found


def support(text: str) -> float | tuple[int, int]:
    """Read a support: a number in (0, 1), or a count such as 13/1000.

    Examples
    --------
    >>> support("13/1000"), support("0.02")
    ((13, 1000), 0.02)
    """
    count = re.fullmatch(r"\s*(\d+)\s*/\s*(\d+)\s*", text)
    if count:
        right, total = int(count[1]), int(count[2])
        if 0 <= right <= total and total > 0:
            return right, total
        raise BadInput(f"{text!r} counts more right answers than answers.", where="--p-ref")
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0.0 < value < 1.0:
        raise BadInput(f"{text!r} is no support.", "Give a number between 0 and 1, or a count "
                       "such as 13/1000.", "--p-ref")  # fmt: skip
    return value

"""The recorded runs of TRL's trainer, `experiments/trl`, and what theory expects of each."""

import csv
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._types import Array
from .recorded import folder_of
from .trl import trl_equilibria

#: Columns of the recorded table that hold text.
TEXT = ("scale_rewards", "importance_sampling_level", "loss_type", "start")
Runs = dict[str, NDArray[Any]]


def trl_runs() -> Runs:
    """Return the recorded runs of `experiments/trl`, column by column.

    Returns
    -------
    dict
        Options as in `GRPOConfig`, and measured: `success` (mean over the last two thirds of the
        updates), `wander` around it, `support` of the reference, `began`, `ref_kl` at the end.

    Examples
    --------
    >>> runs = trl_runs()
    >>> str(runs["scale_rewards"][0]), float(runs["beta"][0]), runs["epsilon_high"].dtype
    ('none', 0.18, dtype('float64'))
    """
    with open(folder_of("trl") / "runs.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    found: Runs = {}
    for key in rows[0]:
        column = np.array([row[key] for row in rows])
        if key == "use_bias_correction_kl":
            found[key] = column == "True"
        else:
            found[key] = column if key in TEXT else np.where(column == "", "nan", column)
            if key not in TEXT:
                found[key] = found[key].astype(float)
    return found


def trl_states(scale_rewards: str) -> Path:
    """Return the folder of a sweep as the trainer wrote it: "group" or "none".

    Examples
    --------
    >>> sorted(path.name for path in trl_states("group").iterdir())[0]
    'beta-0.42'
    """
    return folder_of("trl") / "states" / scale_rewards


def trl_predicted(runs: Runs, batch: int = 128, **instead: Any) -> Array:
    """Return where theory expects each of the recorded runs, for its options and its start.

    Parameters
    ----------
    runs : dict
        Of `trl_runs`.
    batch : int
    instead
        Options of `trl_equilibria` to put in the place of a run's own: what a rival would say.

    Returns
    -------
    numpy.ndarray, shape (runs,)
        The lowest stable fixed point for runs that start at the reference, the highest for those
        that start above.

    Examples
    --------
    >>> runs = {key: column[:2] for key, column in trl_runs().items()}
    >>> trl_predicted(runs).round(3).tolist()
    [0.872, 0.737]
    """
    found = []
    for i, n in enumerate(runs["n_tokens"].astype(int)):
        q = np.full(n, runs["support"][i] ** (1.0 / n))
        given: dict[str, Any] = {
            "scale_rewards": str(runs["scale_rewards"][i]),
            "use_bias_correction_kl": bool(runs["use_bias_correction_kl"][i]),
            "importance_sampling_level": str(runs["importance_sampling_level"][i]),
        }
        given |= instead
        # CISPO bounds the ratio, which is 1, and weighs the reward by the bound if that is smaller.
        weight = min(1.0, runs["epsilon_high"][i]) if runs["loss_type"][i] == "cispo" else 1.0
        rest = trl_equilibria(q, float(runs["beta"][i]) / weight, batch=batch, **given)
        found.append(rest[-1 if runs["start"][i] == "hot" else 0])
    return np.array(found)

"""Results of long runs, as `experiments/` keeps them."""

import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from .._types import Array


@cache
def folder_of(experiment: str) -> Path:
    """Find the folder of an experiment beside the package or above the current folder.

    Parameters
    ----------
    experiment : str

    Returns
    -------
    pathlib.Path

    Examples
    --------
    >>> folder_of("transformer").name
    'transformer'
    """
    for root in (Path(__file__).resolve().parents[2], Path.cwd(), *Path.cwd().parents):
        folder = root / "experiments" / experiment
        if (folder / "manifest.json").is_file():
            return folder
    raise FileNotFoundError(f"no recorded experiment {experiment!r} beside the package or above")


def recorded(name: str, experiment: str = "phase_plane") -> dict[str, Array]:
    """Load recorded arrays, in double precision.

    Parameters
    ----------
    name : str
        File without its ending.
    experiment : str

    Returns
    -------
    dict
        Name -> array. They were rounded to half precision where they are stored: three digits.

    Examples
    --------
    >>> planes = recorded("planes")
    >>> planes["tau"].shape, planes["drawn.ppo.success"].shape
    ((64,), (32, 64, 16))
    """
    with np.load(folder_of(experiment) / f"{name}.npz", allow_pickle=False) as file:
        return {key: file[key].astype(np.float64) for key in file.files}


def manifest(experiment: str = "phase_plane") -> dict[str, Any]:
    """How the recorded arrays were made: command, versions, seed, date, seconds.

    Parameters
    ----------
    experiment : str

    Examples
    --------
    >>> manifest()["command"]
    'python experiments/phase_plane/run.py'
    """
    return json.loads((folder_of(experiment) / "manifest.json").read_text(encoding="utf-8"))

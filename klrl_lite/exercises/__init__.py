"""Exercises that check themselves: the reader's numbers against the package's.

Each chapter has a file with its `ANSWERS`: label -> (function that computes the answer, relative
tolerance).
"""

import numpy as np

from .._types import ArrayLike
from . import (
    diagnostics,
    flow,
    grpo,
    grpo_transition,
    limits,
    mirror,
    ppo,
    sharpening,
    support,
    thermodynamics,
    thresholds,
    transformer,
    trpo,
    two_kls,
    which_kl,
    your_runs,
)

ANSWERS = (
    diagnostics.ANSWERS
    | flow.ANSWERS
    | grpo.ANSWERS
    | grpo_transition.ANSWERS
    | limits.ANSWERS
    | mirror.ANSWERS
    | ppo.ANSWERS
    | sharpening.ANSWERS
    | support.ANSWERS
    | thermodynamics.ANSWERS
    | thresholds.ANSWERS
    | transformer.ANSWERS
    | trpo.ANSWERS
    | two_kls.ANSWERS
    | which_kl.ANSWERS
    | your_runs.ANSWERS
)


class Verdict(str):
    """A line of text that a notebook shows without quotes."""

    __repr__ = str.__str__


def check_exercise(label: str, answer: ArrayLike) -> Verdict:
    """Compare an answer with what the package computes.

    Parameters
    ----------
    label : str
        Label of the exercise in the book.
    answer : array_like
        One number, or a list in the order in which the exercise asks for them.

    Returns
    -------
    Verdict
        "right", or by how much it is off. It never tells the answer.

    Raises
    ------
    ValueError
        For an unknown label, or an answer with the wrong number of entries.

    Examples
    --------
    >>> check_exercise("ex-pass-k", 700)
    ex-pass-k: not yet, off by 1 %
    """
    if label not in ANSWERS:
        raise ValueError(f"label must be one of {', '.join(ANSWERS)}; got {label!r}")
    expected, tolerance = ANSWERS[label]
    wanted = np.atleast_1d(expected())
    given = np.atleast_1d(np.asarray(answer, dtype=float))
    if given.shape != wanted.shape:
        raise ValueError(f"answer must have {wanted.size} entries; got {given.size}")
    miss = float(np.max(np.abs(given / wanted - 1.0)))
    if miss <= tolerance:
        return Verdict(f"{label}: right")
    return Verdict(f"{label}: not yet, off by {100 * miss:.1g} %")

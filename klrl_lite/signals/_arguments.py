"""Checks of whole numbers and generators (as in `problems`, which algorithms must not reach)."""

import numpy as np

from .. import _checks


def count(name: str, value: float) -> int:
    """Check a whole number >= 1.

    Examples
    --------
    >>> count("n_samples", 3.0)
    3
    """
    array = _checks.number(name, value, least=1.0)
    if array.ndim or array % 1:
        raise ValueError(f"{name} must be one whole number >= 1; got {value!r}")
    return int(array)


def generator(rng: np.random.Generator) -> np.random.Generator:
    """Check a random generator.

    Examples
    --------
    >>> type(generator(np.random.default_rng(0))).__name__
    'Generator'
    """
    if not isinstance(rng, np.random.Generator):
        raise TypeError(f"rng must be a numpy.random.Generator; got {type(rng).__name__}")
    return rng

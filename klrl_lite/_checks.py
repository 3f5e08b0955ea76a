"""Input checks at the public boundary: one rule, one message, nothing modified."""

import numpy as np

from ._types import Array, ArrayLike, BoolArray

#: How far the total mass of a "normalized" policy may be from 1. Rounding of a million
#: float64 terms stays below 1e-12; a policy stored in float32 (about 1e-7) is refused on
#: purpose, with the advice to call `log_normalize`.
MASS_TOLERANCE = 1e-9


def _first_bad(value: Array, bad: BoolArray) -> str:
    """Describe the first offending entry, with its index when there is more than one."""
    index = tuple(int(i) for i in np.argwhere(bad)[0])
    shown = np.asarray(value)[index]
    return f"{shown!r} at index {index}" if index else f"{shown!r}"


def real_array(name: str, value: ArrayLike) -> Array:
    """Return `value` as a float64 array; refuse what only looks like numbers."""
    if isinstance(value, np.ma.MaskedArray):
        raise TypeError(f"{name} must be a plain array, not a masked one: masks would be dropped")
    try:
        array = np.asarray(value)
    except ValueError as error:
        raise ValueError(f"{name} must be an array of numbers; got {value!r}") from error
    if array.dtype.kind not in "fiu":
        raise TypeError(f"{name} must be real numbers; got dtype {array.dtype}")
    return array.astype(np.float64, copy=False)


def number(
    name: str,
    value: ArrayLike,
    *,
    above: float = -np.inf,
    least: float = -np.inf,
    most: float = np.inf,
    finite: bool = True,
) -> Array:
    """Check a real parameter of any batch shape against `above < value`, `least <= value <= most`.

    Parameters
    ----------
    name : str
        What the caller calls it, for the message.
    value : array_like, shape (...)
    above, least, most : float
        Strict lower bound, lower bound and upper bound.
    finite : bool
        Whether infinities are refused.

    Returns
    -------
    numpy.ndarray
        float64, the caller's own data when it already was.
    """
    array = real_array(name, value)
    rules = [
        (np.isnan(array), "must not be NaN"),
        (~np.isfinite(array) if finite else np.zeros(array.shape, bool), "must be finite"),
        (
            array <= above if above > -np.inf else np.zeros(array.shape, bool),
            f"must be > {above:g}",
        ),
        (array < least, f"must be >= {least:g}"),
        (array > most, f"must be <= {most:g}"),
    ]
    for bad, rule in rules:
        if np.any(bad):
            raise ValueError(f"{name} {rule}; got {_first_bad(array, bad)}")
    return array


def on_actions(name: str, value: ArrayLike, *, minus_inf: bool = False) -> Array:
    """Check an array over actions (last axis): at least one action, no NaN, no +inf."""
    array = real_array(name, value)
    if array.ndim == 0 or array.shape[-1] == 0:
        raise ValueError(
            f"{name} must have at least one action on its last axis; got shape {array.shape}"
        )
    bad = ~np.isfinite(array)
    if minus_inf:
        bad &= array != -np.inf
    if np.any(bad):
        rule = "must be finite or -inf" if minus_inf else "must be finite"
        raise ValueError(f"{name} {rule}; got {_first_bad(array, bad)}")
    return array


def policy(name: str, log_p: ArrayLike) -> Array:
    """Check normalized log-probabilities: sum of exp over the last axis is 1."""
    array = on_actions(name, log_p, minus_inf=True)
    with np.errstate(over="ignore"):
        mass = np.exp(array).sum(axis=-1)
    bad = ~(np.abs(mass - 1.0) <= MASS_TOLERANCE)
    if np.any(bad):
        raise ValueError(
            f"{name} must be normalized log-probabilities (mass 1 along the last axis); "
            f"got mass {_first_bad(mass, bad)}; pass it through log_normalize first"
        )
    return array


def broadcast(**arrays: ArrayLike) -> tuple[int, ...]:
    """Check that the named arrays broadcast together; say which shapes do not."""
    try:
        return np.broadcast_shapes(*(np.shape(a) for a in arrays.values()))
    except ValueError:
        shapes = ", ".join(f"{k} {np.shape(a)}" for k, a in arrays.items())
        raise ValueError(f"shapes must broadcast together; got {shapes}") from None


def same_actions(**arrays: ArrayLike) -> tuple[int, ...]:
    """Check that arrays over actions broadcast together and have the same number of actions.

    NumPy would stretch a single action over all of them, which is not a policy any more.
    """
    shape = broadcast(**arrays)
    if any(np.shape(a)[-1] != shape[-1] for a in arrays.values()):
        shapes = ", ".join(f"{k} {np.shape(a)}" for k, a in arrays.items())
        raise ValueError(f"the number of actions (last axis) must agree; got {shapes}")
    return shape

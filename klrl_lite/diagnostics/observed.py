"""Reading sweeps: crossings, susceptibility, pass@k, and intervals over seeds."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from .. import _checks
from .._types import Array, ArrayLike


class Interval(NamedTuple):
    """An estimate and the ends of its bootstrap interval."""

    estimate: Array
    low: Array
    high: Array


def crossing_at(tau: ArrayLike, curve: ArrayLike, level: float = 0.5) -> Array:
    """Temperature at which a measured curve falls through `level`, read between two points.

    Parameters
    ----------
    tau : array_like, shape (points,)
        Temperatures, ascending, > 0.
    curve : array_like, shape (..., points)
    level : float

    Returns
    -------
    numpy.ndarray, shape (...)
        The hottest crossing, interpolated in log tau; NaN where the curve stays on one side.

    Examples
    --------
    >>> float(crossing_at([1.0, 4.0], [0.75, 0.25]))
    2.0
    """
    tau = _checks.number("tau", tau, above=0.0)
    curve, level = _checks.number("curve", curve), _checks.scalar("level", level)
    if tau.ndim != 1 or curve.shape[-1:] != tau.shape or np.any(np.diff(tau) <= 0):
        raise ValueError(
            f"tau must be (points,), ascending, and curve (..., points); got {tau.shape}, "
            f"{curve.shape}"
        )
    above = curve >= level
    falls = above[..., :-1] & ~above[..., 1:]
    last = falls.shape[-1] - 1 - np.argmax(falls[..., ::-1], axis=-1)
    y0, y1 = (np.take_along_axis(curve, (last + i)[..., None], -1)[..., 0] for i in (0, 1))
    drop = np.where(y0 > y1, y0 - y1, 1.0)
    log_tau = np.log(tau)
    between = log_tau[last] + (y0 - level) / drop * (log_tau[last + 1] - log_tau[last])
    return np.where(falls.any(axis=-1), np.exp(between), np.nan)[()]


def susceptibility(tau: ArrayLike, curve: ArrayLike) -> Array:
    """Response of a measured curve to the temperature, -d curve / d log tau.

    Parameters
    ----------
    tau : array_like, shape (points,)
    curve : array_like, shape (..., points)

    Returns
    -------
    numpy.ndarray, shape (..., points)
        Central differences. For the success of a Gibbs policy it is (gap/tau) P (1 - P).

    Examples
    --------
    >>> susceptibility(np.exp([0.0, 1.0, 2.0]), [3.0, 2.0, 1.0]).round(12).tolist()
    [1.0, 1.0, 1.0]
    """
    tau, curve = _checks.number("tau", tau, above=0.0), _checks.number("curve", curve)
    if tau.ndim != 1 or tau.size < 2 or curve.shape[-1:] != tau.shape:
        raise ValueError(
            f"tau must be (points,), two or more, and curve (..., points); got {tau.shape}, "
            f"{curve.shape}"
        )
    return -np.gradient(curve, np.log(tau), axis=-1)


def pass_at_k_of(success: ArrayLike, k: ArrayLike) -> Array:
    """Chance that k samples hold a right answer, 1 - (1 - P)^k, for a policy whose P is known.

    Parameters
    ----------
    success : array_like, shape (...)
        P in [0, 1].
    k : array_like of int, shape (...)
        >= 1. From counts of samples use `thresholds.pass_at_k`.

    Returns
    -------
    numpy.ndarray, shape (...)

    Examples
    --------
    >>> float(pass_at_k_of(0.5, 2))
    0.75
    """
    success = _checks.number("success", success, least=0.0, most=1.0)
    k = _checks.number("k", k, least=1.0)
    if np.any(k % 1):
        raise ValueError(f"k must be whole numbers; got {k}")
    _checks.broadcast(success=success, k=k)
    with np.errstate(divide="ignore"):
        return -np.expm1(k * np.log1p(-success))


def bootstrap(
    values: ArrayLike,
    statistic: Callable[[Array], Array] = lambda mean: mean,
    *,
    rng: np.random.Generator,
    level: float = 0.95,
    n_resamples: int = 999,
) -> Interval:
    """Percentile interval of a statistic of the mean over seeds.

    Parameters
    ----------
    values : array_like, shape (seeds, ...)
        One run for each seed.
    statistic : callable
        Maps a mean, (resamples, ...), to (resamples, ...): a crossing of the mean curve, say.
    rng : numpy.random.Generator
    level : float
        Coverage.
    n_resamples : int

    Returns
    -------
    Interval
        NaN in a resample (no crossing) is left out; NaN where fewer than half have a number.

    Notes
    -----
    Whole runs are drawn with replacement, all resamples at once: their counts times the values.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> mean, low, high = bootstrap(np.arange(9.0), rng=rng)
    >>> float(mean), bool(low < 4.0 < high)
    (4.0, True)
    """
    values = _checks.number("values", values, finite=False)
    if values.ndim == 0 or values.shape[0] < 2:
        raise ValueError(f"values must have two seeds or more; got shape {values.shape}")
    rng, level = _checks.generator(rng), _checks.share("level", level)
    n_resamples = _checks.count("n_resamples", n_resamples)
    n = values.shape[0]
    weight = rng.multinomial(n, np.full(n, 1.0 / n), size=n_resamples) / n
    with np.errstate(invalid="ignore"):  # 0 times infinity: a resample without a number
        found = np.asarray(statistic(np.tensordot(weight, values, axes=1)))
    estimate = np.asarray(statistic(values.mean(axis=0, keepdims=True)))[0]
    known = np.isfinite(found).mean(axis=0) >= 0.5
    filled = np.where(known, found, 0.0)
    ends = [50.0 * (1.0 - level), 50.0 * (1.0 + level)]
    low, high = np.nanpercentile(filled, ends, axis=0) if filled.size else filled[:2]
    return Interval(estimate, np.where(known, low, np.nan), np.where(known, high, np.nan))

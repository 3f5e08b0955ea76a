"""Whether success crosses one half, where, and how sure that is."""

from typing import NamedTuple

import numpy as np
from scipy.special import logit

from .._types import Array
from ..diagnostics import crossing_at


class CrossingFound(NamedTuple):
    """Where success falls through one half.

    Attributes
    ----------
    state : {"crosses", "above", "below", "unclear", "one temperature"}
        Seen with confidence; all runs above, or below, one half; or not clear.
    beta : float
        Interpolated; NaN unless it crosses.
    low, high : float
        Interval, for a curve that is smooth between neighbouring betas.
    bracket_low, bracket_high : float
        Betas of the sweep between which it is found, for any curve that falls.
    share : float
        Share of resampled sweeps that cross.
    """

    state: str
    beta: float = np.nan
    low: float = np.nan
    high: float = np.nan
    bracket_low: float = np.nan
    bracket_high: float = np.nan
    share: float = np.nan


def falling(curve: Array, weight: Array) -> Array:
    """Nearest curve that does not rise along the last axis, in weighted least squares.

    Parameters
    ----------
    curve : numpy.ndarray, shape (..., points)
    weight : numpy.ndarray, shape (points,)

    Returns
    -------
    numpy.ndarray, shape (..., points)

    Notes
    -----
    The minimum over starts of the maximum over ends of the means of all stretches around a
    point.

    Examples
    --------
    >>> falling(np.array([0.9, 0.2, 0.4, 0.1]), np.ones(4)).round(12).tolist()
    [0.9, 0.3, 0.3, 0.1]
    """
    size = curve.shape[-1]
    sums = np.concatenate([np.zeros((*curve.shape[:-1], 1)), np.cumsum(curve * weight, -1)], -1)
    mass = np.concatenate([[0.0], np.cumsum(weight)])
    result = np.empty_like(curve)
    for i in range(size):
        starts, ends = np.arange(i + 1), np.arange(i, size)
        total = sums[..., None, ends + 1] - sums[..., starts, None]
        mean = total / (mass[None, ends + 1] - mass[starts, None])
        result[..., i] = mean.max(axis=-1).min(axis=-1)
    return result


def find_crossing(
    beta: Array, success: Array, n: Array, *, rng: np.random.Generator, level: float = 0.95,
    resamples: int = 999,
) -> CrossingFound:  # fmt: skip
    """Locate the crossing of one half, law-free.

    Parameters
    ----------
    beta, success, n : numpy.ndarray, shape (runs,)
        Answers that each rate is worth, spread between runs included.
    rng : numpy.random.Generator
    level : float
        Coverage of the intervals.
    resamples : int

    Returns
    -------
    CrossingFound

    Notes
    -----
    Runs at one beta are pooled, and the rates made monotone. Resampled sweeps draw the right
    answers at each beta anew. Between two betas the curve is interpolated in three ways (success,
    and its log-odds, in log beta; log-odds in 1/beta, the Gibbs law); the interval covers all.

    Examples
    --------
    >>> beta = np.array([0.1, 0.2, 0.4])
    >>> found = find_crossing(beta, np.array([0.9, 0.5, 0.1]), np.full(3, 400.0),
    ...                       rng=np.random.default_rng(0))
    >>> found.state, round(found.beta, 3)
    ('crosses', 0.2)
    """
    betas, index = np.unique(beta, return_inverse=True)
    mass = np.asarray(np.bincount(index, n), dtype=np.float64)
    rate = np.asarray(np.bincount(index, n * success), dtype=np.float64) / mass
    if len(betas) < 2:
        return CrossingFound("one temperature")
    counts = np.maximum(1, np.round(mass)).astype(int)
    again = rng.binomial(counts, rate, size=(resamples, len(betas))) / counts
    curve = falling(np.concatenate([rate[None], again]), mass)
    above = curve >= 0.5
    crosses = above[:, 0] & ~above[:, -1]
    share = float(crosses[1:].mean())
    ends = 0.5 * (1 - level), 0.5 * (1 + level)
    if not crosses[0] or share < level:
        sure = np.quantile(curve[1:], ends, axis=0)
        if sure[0, -1] > 0.5:
            return CrossingFound("above", share=share)
        if sure[1, 0] < 0.5:
            return CrossingFound("below", share=share)
        return CrossingFound("unclear", share=share)
    first = np.argmax(~above, axis=1)
    rows = np.flatnonzero(crosses)
    low_end, high_end = betas[first[rows] - 1], betas[first[rows]]
    odds = logit((curve * mass + 0.5) / (mass + 1.0))[rows]
    linear = crossing_at(betas, curve[rows])
    smooth = crossing_at(betas, odds, level=0.0)
    a, b = odds[np.arange(len(rows)), first[rows] - 1], odds[np.arange(len(rows)), first[rows]]
    gibbs = 1.0 / (1 / low_end + a / np.where(a > b, a - b, 1.0) * (1 / high_end - 1 / low_end))
    ways = np.stack([linear, smooth, np.clip(gibbs, low_end, high_end)])
    ways = np.where(np.isfinite(ways), ways, gibbs)
    spread = np.quantile(ways[:, 1:], ends, axis=1)
    bracket = [float(np.quantile(x[1:], q)) for x, q in zip((low_end, high_end), ends, strict=True)]
    return CrossingFound("crosses", float(smooth[0]), float(spread[0].min()),
                         float(spread[1].max()), bracket[0], bracket[1], share)  # fmt: skip

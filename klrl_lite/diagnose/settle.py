"""Whether a run has settled, and at which success rate, with which error."""

from typing import NamedTuple

import numpy as np
from scipy.stats import t as student

from .._types import Array
from .runs import Run

#: A run drifts if its tail moves at this level ...
DRIFT_LEVEL = 0.01
#: ... and by more than this in log-odds; less is no news for a law with a slack.
DRIFT_NATS = 0.1
#: Right (or wrong) answers below which a run cannot have learned what its equilibrium is.
FEW = 10
#: Above this a run hardly learns, and its last percent is not compared with any law.
SATURATED = 0.98


class Point(NamedTuple):
    """What the tail of a run says.

    Attributes
    ----------
    run : Run
    success : float
        Mean over the tail.
    n : float
        Answers that it is worth: fewer than were drawn if the run wanders.
    drawn : float
        Answers in the tail, NaN if unknown.
    right : float
        Right answers in the whole run, NaN if unknown.
    drift, drift_se : float
        Change over the tail and its standard error, in success; NaN if it is too short.
    p_drift : float
        Chance of such a drift in a run that has settled.
    state : {"settled", "drifting", "too short", "nothing found", "saturated"}
    first : int
        Where the tail begins.
    """

    run: Run
    success: float
    n: float
    drawn: float
    right: float
    drift: float
    drift_se: float
    p_drift: float
    state: str
    first: int = 0


def drift(tail: Array) -> tuple[float, float, float]:
    """Change over a stretch of a series: least squares line, error aware of autocorrelation.

    Parameters
    ----------
    tail : numpy.ndarray, shape (T,)

    Returns
    -------
    change, standard error, p
        NaN for fewer than six entries.

    Notes
    -----
    Long series are averaged in 25 blocks, which takes care of correlations shorter than a block.
    What remains between neighbouring blocks (their residuals' first autocorrelation, corrected
    for its small-sample bias) widens the error; Student's t has the blocks less two degrees. Where
    entries are correlated over a tenth of the stretch, alarms are a few times as frequent as p
    says: a run that is not clearly settled.

    Examples
    --------
    >>> change, error, p = drift(np.linspace(0.2, 0.4, 50))
    >>> round(change, 6), bool(p < 1e-6)
    (0.204082, True)
    """
    tail = np.asarray(tail, float)
    if len(tail) < 6:
        return np.nan, np.nan, np.nan
    blocks = _blocks(tail, 25)
    m = len(blocks)
    x = (np.arange(m) - (m - 1) / 2) / m
    size = x @ x
    slope = x @ blocks / size
    rest = blocks - blocks.mean() - slope * x
    noise = rest @ rest
    if noise <= 1e-24 * max(1.0, float(blocks @ blocks)):
        return float(slope), 0.0, 1.0 if abs(slope) < 1e-12 else 0.0
    neighbours = (rest[1:] @ rest[:-1]) / noise + 2.0 / m
    neighbours = min(max(neighbours, 0.0), 0.8)
    error = np.sqrt(noise / (m - 2) / size * (1 + neighbours) / (1 - neighbours))
    return float(slope), float(error), float(2 * student.sf(abs(slope) / error, m - 2))


def _blocks(tail: Array, count: int) -> Array:
    if len(tail) < 2 * count:
        return tail
    return np.array([part.mean() for part in np.array_split(tail, count)])


def point_of(run: Run, share: float) -> Point:
    """Average the end of a run and say whether it still moves.

    Parameters
    ----------
    run : Run
    share : float
        How much of the run is its tail, in (0, 1].

    Returns
    -------
    Point

    Notes
    -----
    The mean is worth P(1 - P)/variance answers, the variance from block means, and never more
    than were drawn. Without numbers of answers, it is worth what the variance says.

    Examples
    --------
    >>> from .runs import of_numbers
    >>> point = point_of(of_numbers(0.1, np.linspace(0.1, 0.9, 60)), 0.5)
    >>> round(point.success, 3), point.state
    (0.703, 'drifting')
    """
    first = min(len(run.success) - 1, int(np.floor(len(run.success) * (1.0 - share))))
    tail, n = run.success[first:], run.n[first:]
    weight = np.where(np.isfinite(n), n, 1.0)
    success = float(np.clip(np.average(tail, weights=weight), 0.0, 1.0))
    drawn, right = float(n.sum()), float((run.n * run.success).sum())
    change, error, p = drift(tail)
    blocks = _blocks(tail, 10)
    worth = np.nan
    if len(blocks) >= 6:
        variance = blocks.var(ddof=1) / len(blocks)
        binary = max(success * (1 - success), 0.5 / (drawn if drawn > 1 else len(tail) + 1.0))
        worth = binary / variance if variance > 0 else float(len(tail))
        if variance == 0 and np.isfinite(drawn):
            worth = drawn
    n_eff = np.nanmin([drawn, worth]) if np.isfinite([drawn, worth]).any() else np.nan
    p_mean = min(max(success, 1e-3), 1 - 1e-3)
    state = "settled"
    if right < FEW or not run.success.any():
        state = "nothing found"
    elif success > SATURATED:
        state = "saturated"
    elif np.isnan(p):
        state = "too short"
    elif p < DRIFT_LEVEL and abs(change) / (p_mean * (1 - p_mean)) > DRIFT_NATS:
        state = "drifting"
    return Point(run, success, float(n_eff), drawn, right, change, error, p, state, first)


def move_together(points: list[Point]) -> list[Point]:
    """Test replicates at one beta together: a drift too slow for one run is seen in several.

    Parameters
    ----------
    points : list of Point

    Returns
    -------
    list of Point
        The same, with more of them called drifting.

    Examples
    --------
    >>> from .runs import of_numbers
    >>> wave = 0.5 + 0.05 * np.sin(np.arange(60)) + np.linspace(-0.03, 0.03, 60)
    >>> alone = point_of(of_numbers(0.1, wave), 0.5)
    >>> [p.state for p in move_together([alone] * 3)], alone.state
    (['settled', 'settled', 'settled'], 'settled')
    """
    found = list(points)
    for beta in {p.run.beta for p in points}:
        mine = [i for i, p in enumerate(points)
                if p.run.beta == beta and p.state == "settled" and p.drift_se > 0]  # fmt: skip
        if len(mine) < 2:
            continue
        weight = np.array([points[i].drift_se ** -2.0 for i in mine])
        change = weight @ np.array([points[i].drift for i in mine]) / weight.sum()
        p = float(2 * student.sf(abs(change) * np.sqrt(weight.sum()), 10 * len(mine)))
        P = float(np.mean([points[i].success for i in mine]))
        if p < DRIFT_LEVEL and abs(change) > DRIFT_NATS * max(P * (1 - P), 1e-3):
            for i in mine:
                found[i] = points[i]._replace(state="drifting", p_drift=min(p, points[i].p_drift))
    return found


def common_drift(points: list[Point]) -> tuple[float, float]:
    """Drift that runs have in common, in nats of log-odds, and its z-score.

    Many small drifts in one direction are seen here where each is lost in its noise.

    Parameters
    ----------
    points : list of Point

    Returns
    -------
    nats, z
        0, 0 where no run can tell.

    Examples
    --------
    >>> common_drift([])
    (0.0, 0.0)
    """
    known = [p for p in points if p.drift_se > 0 and p.state == "settled" and p.success > 1e-3]
    if not known:
        return 0.0, 0.0
    scale = np.array([p.success * (1 - p.success) for p in known])
    nats = np.array([p.drift for p in known]) / scale
    error = np.array([p.drift_se for p in known]) / scale
    weight = error**-2.0
    mean = float(weight @ nats / weight.sum())
    # Errors from few blocks are themselves uncertain: Student's t is wider than a normal law.
    return mean, mean * float(np.sqrt(weight.sum() * 0.85))

"""Which laws are compatible with the equilibrium points: likelihoods and a set of laws.

For each law, two statistics of the sweep: how much better the best other law fits, and how far the
law is from a curve through every point. Sweeps drawn from the law itself, at its best support, say
how large the two become when the law is true. A law is left out if one of them is too large.

Success above `SATURATED` counts as that: near 1 the softmax gradient fades, and where exactly a run
stands there is a matter of patience.
"""

from typing import NamedTuple

import numpy as np
from scipy.special import expit, xlogy

from .._types import Array, IntArray
from .laws import BY_NAME, PRICES, curves, names_for
from .settle import SATURATED


class Sweep(NamedTuple):
    """Points of a sweep, for fitting.

    Attributes
    ----------
    beta, success, n : numpy.ndarray, shape (runs,)
        n: answers that the success rate is worth.
    prompt : numpy.ndarray of int, shape (runs,)
        Each prompt has a support of its own.
    group, gap, ddof
        Of `laws.curves`.
    p_ref : float, tuple or None
        Known support, or (right, out of), for all prompts.
    """

    beta: Array
    success: Array
    n: Array
    prompt: IntArray
    group: float = np.inf
    gap: float = 1.0
    ddof: int = 0
    p_ref: float | tuple[int, int] | None = None


class LawFit(NamedTuple):
    """How one law fares.

    Attributes
    ----------
    law : str
    log_likelihood : float
        Less that of a curve through every point: 0 at best.
    delta : float
        Log-likelihood below the best law; the difference in AIC is twice that.
    p_ref : list of float
        Best support of each prompt.
    p_relative, p_fit, p_value : float
        Share of sweeps drawn from this law in which another law is ahead by as much; in which it
        fits as badly; and twice the smaller of the two.
    predicted : numpy.ndarray, shape (runs,)
    """

    law: str
    log_likelihood: float
    delta: float
    p_ref: list[float]
    p_relative: float
    p_fit: float
    p_value: float
    predicted: Array


def compare(
    sweep: Sweep, *, rng: np.random.Generator, resamples: int = 399, laws: list[str] | None = None
) -> list[LawFit]:
    """Fit every law, and calibrate the fits.

    Parameters
    ----------
    sweep : Sweep
    rng : numpy.random.Generator
    resamples : int
        Sweeps drawn from each law.
    laws : list of str, optional
        Names of `laws.LAWS`; by default all that can be told apart in principle.

    Returns
    -------
    list of LawFit
        Best first.

    Examples
    --------
    >>> beta = np.array([0.15, 0.2, 0.25, 0.3, 0.4])
    >>> success = expit(1 / beta - np.log(99.0))
    >>> sweep = Sweep(beta, success, np.full(5, 4e3), np.zeros(5, int))
    >>> found = compare(sweep, rng=np.random.default_rng(0), resamples=99)
    >>> found[0].law, [f.p_value > 0.05 for f in found]
    ('gibbs', [True, False, False, False])
    """
    names = laws or names_for(sweep.group)
    sweep = sweep._replace(success=np.minimum(sweep.success, SATURATED))
    tables = {name: _table(name, sweep) for name in names}
    fits = {name: _fit(tables[name], sweep, sweep.success[None]) for name in names}
    full = _saturated(sweep, sweep.success[None])[0]
    best = max(fit[0][0] for fit in fits.values())
    found = []
    counts = np.maximum(1, np.round(sweep.n)).astype(int)
    for name in names:
        value, place = fits[name][0][0], fits[name][1][0]
        predicted = _predicted(tables[name], sweep, place)
        drawn = rng.binomial(counts, predicted, size=(resamples, len(counts))) / counts
        drawn = np.minimum(drawn, SATURATED)
        seen = None
        if isinstance(sweep.p_ref, tuple):
            seen = rng.binomial(sweep.p_ref[1], expit(-place), size=(resamples, len(place)))
        again = {k: _fit(tables[k], sweep, drawn, seen)[0] for k in names}
        others = [k for k in names if k != name]
        lead = np.max([again[k] for k in others], axis=0) - again[name]
        ahead = max(fits[k][0][0] for k in others) - value
        misfit = _saturated(sweep, drawn, seen) - again[name]
        tiny = 1e-9
        relative = (1 + np.sum(lead >= ahead - tiny)) / (resamples + 1)
        absolute = (1 + np.sum(misfit >= full - value - tiny)) / (resamples + 1)
        both = min(1.0, 2.0 * float(min(relative, absolute)))
        support = [float(expit(-x)) for x in place]
        found.append(LawFit(name, float(value - full), float(best - value), support,
                            float(relative), float(absolute), both, predicted))  # fmt: skip
    return sorted(found, key=lambda f: f.delta)


def families(fits: list[LawFit], level: float) -> list[str]:
    """Families of the laws that are left, best first.

    Examples
    --------
    >>> families([LawFit("std", 0, 0, [0.1], 0.5, 0.5, 1.0, np.zeros(1))], 0.05)
    ['Gibbs at beta sigma']
    """
    left = [BY_NAME[f.law].family for f in fits if f.p_value > level]
    return list(dict.fromkeys(left))


def expected_lead(
    law: str, other: str, beta: Array, p_ref: float, n: Array | float, *,
    group: float = np.inf, gap: float = 1.0,
) -> float:  # fmt: skip
    """Log-likelihood by which a true law is expected to lead another: what a design can tell.

    Parameters
    ----------
    law, other : str
        Names of `laws.LAWS`; `law` is true.
    beta : numpy.ndarray, shape (temperatures,)
    p_ref : float
        True support; the other law may choose its own.
    n : array_like, shape () or (temperatures,)
        Answers at each temperature.
    group, gap : float

    Returns
    -------
    float
        The smallest sum of n KL(P_law || P_other), over the other law's support.

    Examples
    --------
    >>> lead = expected_lead("gibbs", "k3", np.array([0.2, 0.3]), 0.01, 100.0)
    >>> bool(lead > 1)
    True
    """
    price = float(np.log1p(-p_ref) - np.log(p_ref))
    betas = tuple(float(b) for b in beta)
    truth = np.minimum(curves(law, betas, group, gap, 0, (price,))[0, 0], SATURATED)
    weight = np.broadcast_to(np.asarray(n, float), truth.shape)
    sweep = Sweep(np.asarray(beta, float), truth, weight, np.zeros(truth.shape, int), group, gap)
    value = _fit(_table(other, sweep), sweep, truth[None])[0][0]
    return float(max(0.0, _saturated(sweep, truth[None])[0] - value))


def _table(name: str, sweep: Sweep) -> Array:
    """Logarithms of P and 1 - P of a law at the points, (2, branches, prices, runs)."""
    betas, index = np.unique(sweep.beta, return_inverse=True)
    exact = sweep.p_ref if isinstance(sweep.p_ref, float) else None
    prices = None if exact is None else (float(np.log1p(-exact) - np.log(exact)),)
    table = curves(name, tuple(betas.tolist()), sweep.group, sweep.gap, sweep.ddof, prices)
    table = np.minimum(table, SATURATED)
    return np.stack([np.log(table), np.log1p(-table)])[..., index]


def _prices(sweep: Sweep) -> Array:
    p = sweep.p_ref
    return np.array([np.log1p(-p) - np.log(p)], float) if isinstance(p, float) else PRICES


def _fit(
    table: Array, sweep: Sweep, success: Array, seen: IntArray | None = None
) -> tuple[Array, Array]:
    """Maximal log-likelihood of each of several sweeps, (B,), and its prices, (B, prompts).

    `seen`, (B, prompts), are right answers of the reference, where those were counted.
    """
    total: Array = np.zeros(len(success))
    places = []
    prices = _prices(sweep)
    for prompt in range(int(sweep.prompt.max()) + 1):
        mine = sweep.prompt == prompt
        right, wrong = success[:, mine] * sweep.n[mine], (1 - success[:, mine]) * sweep.n[mine]
        low, high = table[..., mine]
        # Runs at one beta share a curve: their right and wrong answers are added up first.
        first, cell = np.unique(sweep.beta[mine], return_index=True, return_inverse=True)[1:]
        add = np.eye(len(first))[cell]
        value = (right @ add) @ low[0][:, first].T + (wrong @ add) @ high[0][:, first].T
        # Where there are two equilibria, each run may be at either.
        for j in np.flatnonzero(np.any(low[0] != low[1], axis=0)):
            (two,) = np.nonzero(low[0, :, j] != low[1, :, j])
            lead = right[:, j, None] * (low[1] - low[0])[two, j]
            lead += wrong[:, j, None] * (high[1] - high[0])[two, j]
            value[:, two] += np.maximum(lead, 0.0)
        if isinstance(sweep.p_ref, tuple):
            right_ref, drawn = sweep.p_ref
            count = np.full((1, 1), right_ref) if seen is None else seen[:, prompt, None]
            value = value - count * np.logaddexp(0, prices)
            value = value - (drawn - count) * np.logaddexp(0, -prices)
        best = np.argmax(value, axis=1)
        total = total + value[np.arange(len(value)), best]
        places.append(prices[best])
    return total, np.stack(places, axis=-1)


def _saturated(sweep: Sweep, success: Array, seen: IntArray | None = None) -> Array:
    wrong = 1 - success
    total = np.sum(sweep.n * (xlogy(success, success) + xlogy(wrong, wrong)), axis=1)
    if isinstance(sweep.p_ref, tuple):
        right_ref, drawn = sweep.p_ref
        prompts = int(sweep.prompt.max()) + 1
        share = (np.full((1, prompts), right_ref) if seen is None else seen) / drawn
        total = total + drawn * np.sum(xlogy(share, share) + xlogy(1 - share, 1 - share), axis=1)
    return total


def _predicted(table: Array, sweep: Sweep, place: Array) -> Array:
    """Success at the fitted supports, at whichever equilibrium is nearer to what was seen."""
    at = np.searchsorted(_prices(sweep), place)
    found = np.empty(sweep.beta.shape)
    for i, prompt in enumerate(sweep.prompt):
        both = np.exp(table[0, :, at[prompt], i])
        right, wrong = sweep.success[i], 1 - sweep.success[i]
        likely = [right * np.log(P) + wrong * np.log1p(-P) for P in both]
        found[i] = both[int(np.argmax(likely))]
    return found

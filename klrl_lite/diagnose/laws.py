"""The laws that equilibrium points are compared with, as curves over support and beta.

Each is a pull of the reward W against a pull of the reference D, with W = beta D at rest:

==============  =========================  =======================
law             W                          D
==============  =========================  =======================
gibbs           gap                        l - l0
gibbs_mean      gap (1 - 1/G)              l - l0
std             1/sqrt(P (1 - P))          l - l0
std_group       E[sigma_G]/(P (1 - P))     l - l0
k3              gap                        (P - p)/(P (1 - P))
k3_mean         gap (1 - 1/G)              (P - p)/(P (1 - P))
k3_std          E[sigma_G]/(P (1 - P))     (P - p)/(P (1 - P))
==============  =========================  =======================

with l = logit P and l0 = logit p. With Bessel's correction, which TRL uses, sigma_G is larger, and
its pull smaller by sqrt(1 - 1/G).
"""

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from scipy.special import expit

from .._types import Array
from ..equilibria import std_advantage_force

#: Prices L = log((1 - p)/p) at which the curves are tabulated: supports from 0.95 to 4e-18.
_FINE, _COARSE = np.arange(-3.0, 10.0, 0.02), np.arange(10.0, 40.001, 0.05)
PRICES: Array = np.round(np.append(_FINE, _COARSE), 10).astype(float)
#: Share of answers that no law is held responsible for (a wrong label, say).
LAPSE = 1e-4
#: Log-odds of success between which an equilibrium is looked for; beyond, only the lapse counts.
_LOG_ODDS = np.arange(-10.5, 10.501, 0.05)


class Law(NamedTuple):
    """A law: its name, how it reads, in short for a figure, and the family it belongs to."""

    name: str
    text: str
    short: str
    family: str


LAWS = (
    Law("gibbs", "Gibbs at beta", "Gibbs", "Gibbs"),
    Law("gibbs_mean", "Gibbs at beta G/(G - 1)", "Gibbs, G/(G - 1)", "Gibbs"),
    Law("std", "Gibbs at beta sigma, large groups", "sigma, large G", "Gibbs at beta sigma"),
    Law("std_group", "Gibbs at beta sigma, groups of G", "sigma, G", "Gibbs at beta sigma"),
    Law("k3", "literal k3, no std", "k3", "literal k3"),
    Law("k3_mean", "literal k3, no std, beta G/(G - 1)", "k3, G/(G - 1)", "literal k3"),
    Law("k3_std", "literal k3, std", "k3 and std", "literal k3 with std"),
)
BY_NAME = {law.name: law for law in LAWS}


def names_for(group: float) -> list[str]:
    """Laws that can be told apart in principle: those with G only where G is known.

    Examples
    --------
    >>> names_for(np.inf)
    ['gibbs', 'std', 'k3', 'k3_std']
    """
    own = ("gibbs_mean", "std_group", "k3_mean")
    return [law.name for law in LAWS if np.isfinite(group) or law.name not in own]


@lru_cache(maxsize=256)
def curves(
    law: str, betas: tuple[float, ...], group: float, gap: float, ddof: int = 0,
    prices: tuple[float, ...] | None = None,
) -> Array:  # fmt: skip
    """Success at equilibrium for every price and beta.

    Parameters
    ----------
    law : str
        A name of `LAWS`.
    betas : tuple of float
    group : float
        G, or inf.
    gap : float
        Reward of a right answer.
    ddof : {0, 1}
        1 for Bessel's correction of the std.
    prices : tuple of float, optional
        `PRICES` by default.

    Returns
    -------
    numpy.ndarray, shape (2, prices, betas)
        The lowest and the highest stable equilibrium; they differ only where groups are large
        enough for two. Without one (large groups, small beta) success runs away to 1.

    Notes
    -----
    One table of l serves all: W - beta D changes sign from + to - at a stable point, which is
    interpolated. The error is below 1e-3 nats.

    Examples
    --------
    >>> curves("gibbs", (0.5,), np.inf, 1.0, 0, (2.0,))[0, 0].round(6).tolist()
    [0.5]
    >>> curves("std", (0.5, 0.3), np.inf, 1.0, 0, (4.59512,))[0, 0].round(3).tolist()
    [0.382, 1.0]
    """
    price = np.asarray(PRICES if prices is None else prices)[:, None]
    pull = _pull(law, float(group), gap, ddof)
    if law.startswith("k3"):
        # (P - p)/(P (1 - P)) without cancellation
        l0 = -price
        drag = 2 * np.sinh((_LOG_ODDS - l0) / 2) * np.cosh(_LOG_ODDS / 2) / np.cosh(l0 / 2)
    else:
        drag = _LOG_ODDS + price
    found = np.empty((2, price.shape[0], len(betas)))
    for j, beta in enumerate(betas):
        found[:, :, j] = _rest(pull - beta * drag)
    return LAPSE + (1 - 2 * LAPSE) * expit(found)


def _pull(law: str, group: float, gap: float, ddof: int) -> Array:
    finite = np.isfinite(group)
    if law in ("gibbs", "k3"):
        return np.full(_LOG_ODDS.shape, gap)
    if law in ("gibbs_mean", "k3_mean"):
        return np.full(_LOG_ODDS.shape, gap * (1.0 - 1.0 / group if finite else 1.0))
    if law == "std" or not finite:
        return 2.0 * np.cosh(0.5 * _LOG_ODDS)
    force = std_advantage_force(expit(_LOG_ODDS), group)
    return force * (np.sqrt(1.0 - 1.0 / group) if ddof else 1.0)


def _rest(total: Array) -> Array:
    """Lowest and highest zero through which each row falls; the end of the table if none."""
    falls = (total[:, :-1] > 0) & (total[:, 1:] <= 0)
    some = falls.any(axis=1)
    rows = np.arange(len(total))
    width = falls.shape[1]
    ends = np.where(total[:, -1] > 0, _LOG_ODDS[-1], _LOG_ODDS[0])
    found = []
    for index in (np.argmax(falls, axis=1), width - 1 - np.argmax(falls[:, ::-1], axis=1)):
        a, b = total[rows, index], total[rows, index + 1]
        share = np.where(some, a / np.where(some, a - b, 1.0), 0.0)
        place = _LOG_ODDS[index] + share * (_LOG_ODDS[1] - _LOG_ODDS[0])
        found.append(np.where(some, place, ends))
    return np.stack(found)

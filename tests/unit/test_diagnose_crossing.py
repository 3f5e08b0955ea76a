"""Crossings of one half: intervals by brute force, and when none is claimed."""

import numpy as np
import pytest
from diagnosed import Recorded
from scipy.special import logit

from klrl_lite.diagnose import find_crossing as crossing


def isotonic(curve, weight):
    """Pool neighbours that rise, until none does."""
    blocks = []
    for y, w in zip(curve, weight, strict=True):
        blocks.append([y, w, 1])
        while len(blocks) > 1 and blocks[-2][0] < blocks[-1][0]:
            b, a = blocks.pop(), blocks.pop()
            mass = a[1] + b[1]
            blocks.append([(a[0] * a[1] + b[0] * b[1]) / mass, mass, a[2] + b[2]])
    return np.concatenate([[y] * k for y, _, k in blocks])


def ways_down(betas, curve, mass):
    """Where a falling curve passes one half, read in three ways, and the betas on its sides."""
    i = int(np.argmax(curve < 0.5))
    pair = slice(i - 1, i + 1)
    x, y = np.log(betas[pair]), curve[pair]
    odds = logit((curve * mass + 0.5) / (mass + 1))[pair]
    linear = np.exp(np.interp(-0.5, -y, x))
    smooth = np.exp(np.interp(0.0, -odds, x))
    gibbs = 1 / np.interp(0.0, -odds, 1 / betas[pair])
    return linear, smooth, gibbs, betas[i - 1], betas[i]


@pytest.mark.parametrize("resamples", [9, 200])
@pytest.mark.parametrize("level", [0.5, 0.9])
@pytest.mark.parametrize("n", [12.0, 40.0])
def test_the_interval_of_a_crossing_is_that_of_brute_force(n, level, resamples):
    beta = np.array([0.4, 0.1, 0.2, 0.3, 0.1, 0.2, 0.8])
    success = np.array([0.2, 1.0, 0.75, 0.5, 0.75, 0.85, 0.25])
    size = n * np.array([1.0, 0.5, 1.5, 1.0, 2.0, 1.0, 1.25])
    rng = Recorded()
    found = crossing(beta, success, size, rng=rng, level=level, resamples=resamples)
    betas = np.unique(beta)
    mass = np.array([size[beta == b].sum() for b in betas])
    rate = np.array([np.average(success[beta == b], weights=size[beta == b]) for b in betas])
    ((counts, chance, right),) = rng.calls
    np.testing.assert_array_equal(counts, np.round(mass))
    np.testing.assert_allclose(chance, rate)
    again = [isotonic(row, mass) for row in right / counts]
    down = np.array([ways_down(betas, c, mass) for c in again if c[0] >= 0.5 > c[-1]])
    share = len(down) / resamples
    assert found.share == pytest.approx(share)
    assert share >= level
    assert found.state == "crosses"
    assert found.beta == pytest.approx(ways_down(betas, isotonic(rate, mass), mass)[1])
    ends = 0.5 - level / 2, 0.5 + level / 2
    low, high = (np.quantile(down[:, :3], q, axis=0) for q in ends)
    assert found.low == pytest.approx(low.min())
    assert found.high == pytest.approx(high.max())
    assert found.bracket_low == pytest.approx(np.quantile(down[:, 3], ends[0]))
    assert found.bracket_high == pytest.approx(np.quantile(down[:, 4], ends[1]))
    assert found.low <= found.beta <= found.high


def test_a_crossing_is_seen_if_the_share_of_sweeps_that_cross_reaches_the_level():
    beta, success, size = np.array([0.1, 0.2]), np.array([0.6, 0.4]), np.full(2, 5.0)
    share = crossing(beta, success, size, rng=Recorded(), resamples=200).share
    assert 0.3 < share < 0.8
    for level, state in ((share, "crosses"), (share + 1e-9, "unclear")):
        found = crossing(beta, success, size, rng=Recorded(), level=level, resamples=200)
        assert (found.state, found.share) == (state, share)


@pytest.mark.parametrize(
    ("success", "state"),
    [
        ([0.9, 0.8, 0.7], "above"),
        ([0.99, 0.9, 0.55], "unclear"),  # all above, as far as seen; the last may be below
        ([0.3, 0.2, 0.1], "below"),
        ([0.45, 0.2, 0.1], "unclear"),
        ([0.9, 0.55, 0.49], "unclear"),  # crosses, but not in nearly all sweeps
        ([0.9, 0.5, 0.5], "unclear"),  # touches one half, and half of the sweeps cross
    ],
)
def test_one_side_is_claimed_only_with_confidence(success, state):
    beta, size = np.array([0.1, 0.2, 0.4]), np.full(3, 100.0)
    found = crossing(beta, np.array(success), size, rng=Recorded())
    assert found.state == state
    assert 0.0 <= found.share < 0.95
    assert np.isnan([found.beta, found.low, found.high, found.bracket_low]).all()


def test_the_ends_of_an_interval_decide_which_side_is_sure():
    """At the end nearer to one half, the drawn rates themselves say how sure a side is."""
    beta, success, size = np.array([0.1, 0.2]), np.array([0.9, 0.62]), np.full(2, 50.0)
    rng = Recorded()
    crossing(beta, success, size, rng=rng, level=0.9, resamples=200)
    last = np.sort(np.array([isotonic(r, size) for r in rng.calls[0][2] / 50])[:, -1])
    for level in (0.7, 0.8, 0.9, 0.95, 0.99):
        state = crossing(beta, success, size, rng=Recorded(), level=level, resamples=200).state
        assert state == ("above" if np.quantile(last, 0.5 - level / 2) > 0.5 else "unclear")
        state = crossing(beta, 1 - success[::-1], size, rng=Mirrored(), level=level,
                         resamples=200).state  # fmt: skip
        assert state == ("below" if np.quantile(1 - last, 0.5 + level / 2) < 0.5 else "unclear")


class Scripted:
    """A generator whose drawn rates are written down."""

    def __init__(self, *rates):
        self.rates = np.array(rates)

    def binomial(self, n, p, size):
        """Give the rates, as right answers."""
        self.counts = n
        return np.resize(self.rates, size) * n


def test_one_half_itself_is_not_below():
    """So the crossing is between it and the next beta, or nowhere if there is none."""
    beta, size = np.array([0.1, 0.2, 0.4]), np.full(3, 100.0)
    rates = np.array([0.9, 0.5, 0.1])
    found = crossing(beta, rates, size, rng=Scripted(rates))
    assert (found.state, found.share) == ("crosses", 1.0)
    assert (found.bracket_low, found.bracket_high) == (0.2, 0.4)
    assert (found.beta, found.low, found.high) == (pytest.approx(0.2),) * 3
    first = np.array([0.5, 0.2, 0.1])
    assert crossing(beta, first, size, rng=Scripted(first)).bracket_low == 0.1
    last = np.array([0.9, 0.8, 0.5])
    assert crossing(beta, last, size, rng=Scripted(last)).share == 0.0


def test_the_data_have_to_cross_and_the_share_is_that_of_the_others():
    beta, size = np.array([0.1, 0.2]), np.full(2, 100.0)
    down, up = [0.7, 0.3], [0.7, 0.6]
    found = crossing(beta, np.array(down), size, rng=Scripted(up, down, down, down), level=0.5,
                     resamples=4)  # fmt: skip
    assert (found.state, found.share) == ("crosses", 0.75)
    found = crossing(beta, np.array(up), size, rng=Scripted(down, down, down, up), level=0.5,
                     resamples=4)  # fmt: skip
    assert (found.state, found.share) == ("unclear", 0.75)
    # Of three other sweeps only the first is not surely above one half.
    low, high = [0.7, 0.2], [0.9, 0.8]
    found = crossing(beta, np.array(high), size, rng=Scripted(low, high, high), level=0.9,
                     resamples=3)  # fmt: skip
    assert (found.state, found.share) == ("unclear", pytest.approx(1 / 3))


def test_at_least_one_answer_is_drawn():
    rng = Scripted([0.9, 0.1])
    crossing(np.array([0.1, 0.2]), np.array([0.9, 0.1]), np.array([0.3, 1.4]), rng=rng)
    assert rng.counts.tolist() == [1, 1]


def test_intervals_hold_95_percent_unless_told():
    beta, success, size = np.array([0.1, 0.2, 0.4]), np.array([0.9, 0.6, 0.1]), np.full(3, 40.0)
    usual = crossing(beta, success, size, rng=Recorded())
    assert usual == crossing(beta, success, size, rng=Recorded(), level=0.95)


class Mirrored(Recorded):
    """The wrong answers of the other generator's sweeps, in the opposite order of betas."""

    def binomial(self, n, p, size=None):
        """Draw at the mirrored rates."""
        return n - super().binomial(n[::-1], 1 - p[::-1], size=size)[:, ::-1]


def test_without_a_second_temperature_no_crossing_is_looked_for():
    found = crossing(np.full(3, 0.2), np.array([0.9, 0.5, 0.1]), np.full(3, 9.0), rng=None)
    assert found.state == "one temperature"
    assert np.isnan(found.share)

"""What the tail of a run says, against SciPy's regressions and sums by hand."""

import inspect
import itertools

import numpy as np
import pytest
from scipy import stats

from klrl_lite.diagnose.runs import of_numbers
from klrl_lite.diagnose.settle import (
    DRIFT_LEVEL,
    DRIFT_NATS,
    FEW,
    SATURATED,
    Point,
    common_drift,
    drift,
    move_together,
    point_of,
)

RNG = np.random.default_rng(3)
NOISE = RNG.normal(size=49)
SMOOTH = np.convolve(RNG.normal(size=60), np.ones(4) / 4, "valid")[:49]


def line(values):
    """Change over as many entries as there are, its plain error, and the residuals."""
    fit = stats.linregress(np.arange(len(values)), values)
    m = len(values)
    rest = values - fit.intercept - fit.slope * np.arange(m)
    return m * fit.slope, m * fit.stderr, rest


@pytest.mark.parametrize(
    "tail",
    [
        0.5 + 0.1 * NOISE[:6],
        0.5 + 0.1 * NOISE[:20],
        0.5 + 0.1 * SMOOTH,
        0.5 + 0.05 * NOISE[:24] + np.linspace(0.0, 0.3, 24),
        0.5 + 0.1 * (-1.0) ** np.arange(21) + np.linspace(0.1, 0.0, 21),
        np.cos(np.arange(30) / 6),
    ],
    ids=["six", "white", "smooth", "rising", "saw", "wave"],
)
def test_drift_is_a_regression_with_a_wider_error(tail):
    change, error, p = drift(tail)
    m = len(tail)
    slope, plain, rest = line(tail)
    assert change == pytest.approx(slope)
    first = np.sum(rest[1:] * rest[:-1]) / np.sum(rest**2) + 2 / m
    rho = np.clip(first, 0.0, 0.8)
    assert error == pytest.approx(plain * np.sqrt((1 + rho) / (1 - rho)))
    assert p == pytest.approx(2 * stats.t.sf(abs(change) / error, m - 2))


def test_the_correction_of_drift_has_both_ends():
    saw, wave = (line(x) for x in ((-1.0) ** np.arange(21), np.cos(np.arange(30) / 6)))
    assert drift((-1.0) ** np.arange(21))[1] == pytest.approx(saw[1])
    assert drift(np.cos(np.arange(30) / 6))[1] == pytest.approx(3 * wave[1])  # sqrt(1.8/0.2)


@pytest.mark.parametrize("size", [50, 63])
def test_long_tails_are_averaged_in_25_blocks(size):
    tail = np.random.default_rng(size).normal(size=size)
    blocks = [np.mean(part) for part in np.array_split(tail, 25)]
    np.testing.assert_allclose(drift(tail), drift(blocks))
    assert drift(tail[:49])[0] == pytest.approx(line(tail[:49])[0])


def test_a_line_without_noise_drifts_for_sure_and_a_constant_does_not():
    assert np.isnan(drift(np.arange(5.0))).all()
    assert drift(np.full(9, 0.3)) == (pytest.approx(0.0, abs=1e-15), 0.0, 1.0)
    for size, scale in ((6, 1.0), (20, 1e-3), (20, 1e6), (20, 1e-9)):
        change, error, p = drift(scale * np.arange(float(size)) / size)
        assert change == pytest.approx(scale)
        assert (error, p) == (0.0, 0.0)
    assert drift(0.5 + 0.001 * np.sin(np.arange(20)))[1] > 0.0  # small noise is noise


def test_the_tail_is_weighted_by_its_answers():
    run = of_numbers(0.1, np.linspace(0.2, 0.7, 10))
    run.n = np.arange(10.0) + 3
    for share, first in ((0.5, 5), (0.25, 7), (1.0, 0), (0.01, 9), (0.45, 5)):
        point = point_of(run, share)
        weight = run.n[first:]
        assert point.success == pytest.approx(np.sum(run.success[first:] * weight) / weight.sum())
        assert point.drawn == weight.sum()
        assert point.right == pytest.approx(np.sum(run.success * run.n))
    assert point_of(run, 1e-20).success == pytest.approx(0.7), "one entry at least"
    run.n = np.where(np.arange(10) == 9, np.nan, 3.0)  # a number that is lost counts as one answer
    mean = np.average(run.success[5:], weights=[3, 3, 3, 3, 1])
    assert point_of(run, 0.5).success == pytest.approx(mean)


def test_a_point_holds_its_run_and_the_drift_of_its_tail():
    run = of_numbers(0.1, 0.5 + 0.1 * NOISE[:40])
    found = point_of(run, 0.5)
    assert found.run is run
    assert (found.drift, found.drift_se, found.p_drift) == drift(run.success[20:])


def test_success_stays_between_zero_and_one():
    assert point_of(of_numbers(0.1, np.full(40, 1 + 1e-9)), 0.5).success == 1.0
    assert point_of(of_numbers(0.1, np.full(40, 0.5)), 0.5).success == 0.5
    assert point_of(of_numbers(0.1, np.full(40, 0.0)), 0.5).success == 0.0


@pytest.mark.parametrize(("size", "n"), [(19, 64.0), (46, 1e9), (46, np.nan), (12, np.nan)])
def test_a_tail_is_worth_what_its_block_means_say(size, n):
    rate = 0.5 + 0.02 * np.random.default_rng(size).normal(size=size)
    point = point_of(of_numbers(0.1, rate, n), 0.5)
    tail = rate[size // 2 :]
    means = [x.mean() for x in np.array_split(tail, 10)] if len(tail) >= 20 else tail
    variance = np.var(means, ddof=1) / len(means)
    worth = point.success * (1 - point.success) / variance
    assert point.n == pytest.approx(min(worth, np.inf if np.isnan(n) else n * len(tail)))


@pytest.mark.parametrize(
    ("rate", "n", "worth"),
    [
        (np.full(40, 0.5), 64.0, 20 * 64.0),  # no spread at all: as many as were drawn
        (np.full(40, 0.5), np.nan, 20.0),  # or as there are entries, if nobody counted
        (np.linspace(0.4, 0.5, 10), 64.0, 5 * 64.0),  # five entries say nothing about spread
        (np.linspace(0.4, 0.5, 10), np.nan, np.nan),
    ],
)
def test_a_tail_without_a_spread_is_worth_its_answers(rate, n, worth):
    np.testing.assert_equal(point_of(of_numbers(0.1, rate, n), 0.5).n, worth)


def test_a_run_that_is_always_right_is_not_worth_nothing():
    """P(1 - P) is taken to be at least that of half an answer."""
    for n, least in ((64.0, 0.5 / 64 / 20), (np.nan, 0.5 / 21), (0.025, 0.5 / 21)):
        rate = np.ones(40)
        rate[20:] += 1e-2 * np.sin(np.arange(20.0))
        rate -= rate[20:].mean() - 1.0
        run = of_numbers(0.1, rate, n)
        means = [x.mean() for x in np.array_split(rate[20:], 10)]
        worth = least / (np.var(means, ddof=1) / 10)
        point = point_of(run, 0.5)
        assert point.success == pytest.approx(1.0)
        assert point.n == pytest.approx(worth if np.isnan(n) else min(worth, 20 * n), rel=1e-6)


SETTLED = 0.5 + 0.02 * np.sin(1.7 * np.arange(60))


@pytest.mark.parametrize(
    ("rate", "n", "state"),
    [
        (SETTLED, 64.0, "settled"),
        (SETTLED, np.nan, "settled"),
        (SETTLED[:11], 64.0, "settled"),  # six entries in the tail
        (SETTLED[:10], 64.0, "too short"),
        (np.linspace(0.1, 0.9, 60), 64.0, "drifting"),
        (np.linspace(0.9, 0.1, 60), 64.0, "drifting"),
        # On its way for sure, by 0.10 nats over the tail, a little less or more.
        (np.linspace(0.475, 0.525, 60), 64.0, "drifting"),
        (np.linspace(0.478, 0.522, 60), 64.0, "settled"),
        (np.linspace(0.01, 0.012, 60), 6400.0, "settled"),
        (np.linspace(0.01, 0.0125, 60), 6400.0, "drifting"),
        (np.linspace(0.9490, 0.9590, 60), 64.0, "drifting"),
        (np.linspace(0.9520, 0.9560, 60), 64.0, "settled"),
        (np.linspace(0.9760, 0.9797, 60), 64.0, "settled"),
        (np.linspace(0.9740, 0.9795, 60), 64.0, "drifting"),
        # Near 0 a change is measured in a thousandth, not in what is there.
        (np.linspace(0.0003, 0.0005, 60), 1e5, "drifting"),
        (np.linspace(0.0003, 0.00035, 60), 1e5, "settled"),
        (np.full(16, SATURATED), 64.0, "settled"),
        (np.full(60, SATURATED + 0.001), 64.0, "saturated"),
        (np.linspace(0.97, 1.0, 60), 64.0, "saturated"),
        (np.full(64, FEW / 64 / 64), 64.0, "settled"),
        (np.full(60, (FEW - 0.1) / 60 / 64), 64.0, "nothing found"),
        (np.zeros(60), np.nan, "nothing found"),
        (np.full(60, 1e-9), np.nan, "settled"),  # who knows how many
    ],
)
def test_states(rate, n, state):
    assert point_of(of_numbers(0.1, rate, n), 0.5).state == state


def point(success=0.5, beta=0.1, move=0.0, error=0.01, p=0.5, state="settled"):
    return Point(of_numbers(beta, [success]), success, 64.0, 64.0, 32.0, move, error, p, state)


def states(points):
    return [p.state for p in points]


def test_replicates_that_move_a_little_move_together():
    near = [point(move=0.028), point(0.4, move=0.032), point(0.6, move=0.03)]
    other = point(0.5, 0.2, 0.03)
    short = point(move=np.nan, error=np.nan, p=np.nan, state="too short")
    alone = [point(beta=b, move=0.03) for b in (1e-3, 1.0, 7.0)]
    points = [near[0], other, near[1], short, near[2], *alone]
    found = move_together(points)
    assert states(found[:5]) == ["drifting", "settled", "drifting", "too short", "drifting"]
    assert states(found[5:]) == ["settled"] * 3
    found = found[:5]
    # One test for all three, with ten degrees of freedom for each.
    p = 2 * stats.t.sf(0.03 / (0.01 / np.sqrt(3)), 30)
    assert [f.p_drift for f in found[::2]] == pytest.approx([p] * 3)
    assert p < DRIFT_LEVEL < 0.5
    assert states(points)[0] == "settled", "the argument is left as it was"


def test_every_beta_is_looked_at():
    single, pair = (
        [point(beta=b) for b in (1.0, 3.0)],
        [point(beta=b, move=0.03) for b in (2.0, 4.0)],
    )
    assert states(move_together(single + pair + pair)) == ["settled"] * 2 + ["drifting"] * 4


def test_a_p_value_that_was_smaller_stays():
    found = move_together([point(move=0.03, p=1e-9), point(move=0.03, p=0.5)])
    p = 2 * stats.t.sf(3 * np.sqrt(2), 20)
    assert [f.p_drift for f in found] == pytest.approx([1e-9, p])


@pytest.mark.parametrize(
    ("points", "together"),
    [
        ([point(move=0.03)], False),  # one run is not several
        ([point(move=0.03), point(move=-0.03)], False),  # they do not agree
        ([point(move=-0.03), point(move=-0.03)], True),
        ([point(move=0.026), point(move=0.026)], True),
        ([point(move=0.0249, error=0.001)] * 2, False),  # sure, but below a tenth of a nat
        ([point(0.2, move=0.0165, error=0.001), point(0.2, move=0.0159, error=0.001)], True),
        ([point(0.2, move=0.0159, error=0.001), point(0.2, move=0.0158, error=0.001)], False),
        ([point(1e-4, move=1.1e-4, error=1e-6)] * 2, True),  # P (1 - P) is at least 0.001
        ([point(1e-4, move=0.9e-4, error=1e-6)] * 2, False),
        ([point(move=0.5, error=0.0), point(move=0.03)], False),  # without an error, no weight
        ([point(move=0.026, error=0.01), point(move=0.5, error=10.0)], False),
        ([point(move=0.035, error=0.01), point(move=-0.5, error=10.0)], True),
    ],
)
def test_what_counts_as_moving_together(points, together):
    assert states(move_together(points)) == ["drifting" if together else "settled"] * len(points)


def test_the_level_of_moving_together():
    """The pooled t that has exactly one percent beyond it lies between these two."""
    t = stats.t.isf(DRIFT_LEVEL / 2, 20)
    for factor, state in ((0.9999, "settled"), (1.0001, "drifting")):
        pair = [point(move=factor * t * 0.05 / np.sqrt(2), error=0.05)] * 2
        assert states(move_together(pair)) == [state] * 2
    assert t * 0.05 / np.sqrt(2) > DRIFT_NATS * 0.25


def test_common_drift_weighs_runs_by_their_errors():
    points = [point(0.5, move=0.02, error=0.02), point(0.2, move=0.004, error=0.008),
              point(0.9, move=-0.009, error=0.018)]  # fmt: skip
    nats, error = np.array([0.08, 0.025, -0.1]), np.array([0.08, 0.05, 0.2])
    mean = np.average(nats, weights=error**-2)
    found = common_drift(points)
    assert found[0] == pytest.approx(mean)
    assert found[1] == pytest.approx(mean * np.sqrt(0.85 * np.sum(error**-2)))


@pytest.mark.parametrize(
    "left_out",
    [
        point(move=5.0, state="drifting"),
        point(move=5.0, state="saturated"),
        point(move=5.0, error=0.0),
        point(move=np.nan, error=np.nan),
        point(1e-3, move=5.0),
    ],
)
def test_runs_that_say_nothing_about_a_common_drift(left_out):
    assert common_drift([left_out]) == (0.0, 0.0)
    alone = common_drift([point(move=0.02)])
    assert common_drift([left_out, point(move=0.02)]) == alone
    assert alone[0] == pytest.approx(0.08)
    assert common_drift([point(1.1e-3, move=1e-3)])[0] > 0.0


def test_the_rules_are_those_of_the_book():
    """Chapter 16 and the reports name these numbers."""
    assert (DRIFT_LEVEL, DRIFT_NATS, FEW, SATURATED) == (0.01, 0.1, 10, 0.98)
    assert inspect.signature(point_of).parameters["share"].default is inspect.Parameter.empty
    for share, size in itertools.product((0.1, 0.5, 1.0), (1, 2, 7)):
        assert 0.0 <= point_of(of_numbers(0.1, np.full(size, 0.5)), share).success <= 1.0

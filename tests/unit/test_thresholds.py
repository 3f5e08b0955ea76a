"""Thresholds: many-digit oracles over all supports and temperatures, and the fit's statistics."""

from fractions import Fraction
from math import comb

import mpmath as mp
import numpy as np
import oracles
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracles import EPS
from samples import TAUS
from scipy.optimize import minimize_scalar

from klrl_lite import gibbs, problems, thresholds

#: From 1e-300 to just below 1, dense around 1/2, where the price of an answer changes sign.
SUPPORTS = np.concatenate(
    [
        np.geomspace(1e-300, 0.2, 25),
        0.5 + np.array([-0.26, -0.25, -0.1, -1e-3, -1e-10, 0.0, 1e-10]),
        [0.6, 0.74, 0.75, 0.76, 0.9, 1 - 1e-6, 1 - 2**-53],
    ]
)
#: log p for supports that no float can hold, such as 0.5**10000.
LOG_SUPPORTS = np.array([-6931.0, -800.0, -690.0, -30.0, -1.4, -1.0, -0.7, -0.3, -1e-3, -1e-300])


def prices():
    """Exact L for every support, given as p and as log p."""
    with oracles.digits(700):
        plain = [oracles.log_odds(p) for p in SUPPORTS]
        logs = [oracles.log_odds(x, log_p=True) for x in LOG_SUPPORTS]
    return plain, logs


PLAIN, LOGS = prices()
BOTH = pytest.mark.parametrize(
    ("support", "exact", "log_p"),
    [(SUPPORTS, PLAIN, False), (LOG_SUPPORTS, LOGS, True)],
    ids=["p", "log p"],
)


@BOTH
def test_log_odds_against(agree, support, exact, log_p):
    agree("log_odds_against", thresholds.log_odds_against(support, log_p=log_p), exact)


def test_log_odds_at_the_ends_and_in_the_middle():
    assert thresholds.log_odds_against([0.0, 0.5, 1.0]).tolist() == [np.inf, 0.0, -np.inf]
    assert thresholds.log_odds_against([-np.inf, 0.0], log_p=True).tolist() == [np.inf, -np.inf]
    # From log p, the middle is only as good as the float that stands for log 2.
    near = -np.log(2.0) * (1 + np.array([-1e-3, -1e-8, 1e-12, 1e-3]))
    exact = [float(oracles.log_odds(x, log_p=True)) for x in near]
    computed = thresholds.log_odds_against(near, log_p=True)
    np.testing.assert_allclose(computed, exact, rtol=1e-12, atol=EPS)


@given(st.floats(1e-300, 0.5))
def test_odds_are_antisymmetric(p):
    # 1 - p is only exact for some p; for the others the two sides see different supports.
    if 1.0 - (1.0 - p) == p:
        there = thresholds.log_odds_against(1.0 - p)
        assert thresholds.log_odds_against(p) == pytest.approx(-there, rel=1e-15)


@BOTH
@pytest.mark.parametrize("gap", [1e-6, 1.0, 1e4])
def test_critical_tau(agree, support, exact, log_p, gap):
    tau_c = thresholds.critical_tau(support, gap, log_p=log_p)
    agree("critical_tau", tau_c, [gap / e if e > 0 else mp.inf for e in exact])


def test_critical_tau_at_the_ends():
    assert thresholds.critical_tau([0.0, 0.5, 0.9, 1.0]).tolist() == [0.0, np.inf, np.inf, np.inf]
    assert thresholds.critical_tau(0.1, 0.0) == 0.0


@BOTH
def test_success_probability(agree, support, exact, log_p):
    tau = TAUS[:, None]
    with np.errstate(all="raise", under="ignore"):
        computed = thresholds.success_probability(support, 1.0, tau, log_p=log_p)
    for row, t in zip(computed, TAUS, strict=True):
        with oracles.digits(60):
            values = [1 / (1 + mp.exp(e - 1 / oracles.many(t))) for e in exact]
        # gap/tau and L are rounded before the sigmoid: an absolute error of the exponent is a
        # relative error of a small result.
        sizes = 4 * EPS * (np.abs(np.array(exact, dtype=float)) + 1.0 / t)
        bound = sizes * np.array(values, dtype=float)
        agree("success_probability", row, values, bound=bound)
    assert thresholds.success_probability(0.0, 1.0, TAUS).tolist() == [0.0] * TAUS.size
    assert thresholds.success_probability(1.0, 1.0, TAUS).tolist() == [1.0] * TAUS.size


@pytest.mark.parametrize("p", [1e-300, 1e-12, 0.1, 0.4])
def test_success_is_one_half_at_the_critical_temperature(p):
    tau_c = thresholds.critical_tau(p, 3.0)
    assert thresholds.success_probability(p, 3.0, tau_c) == pytest.approx(0.5, abs=1e-13)
    log_pi = gibbs.log_gibbs(*_two_levels(p, 3.0), tau_c)
    assert np.exp(log_pi[1]) == pytest.approx(0.5, abs=1e-12)


def _two_levels(p, gap):
    problem = problems.binary(p, gap)
    return problem.log_ref, problem.reward


@BOTH
@pytest.mark.parametrize("level", [0.4999999, 0.3, 0.1, 1e-3, 1e-30])
def test_crossover_width(agree, support, exact, log_p, level):
    width = thresholds.crossover_width(support, 2.0, level=level, log_p=log_p)
    edge = oracles.log_odds(level)
    values = [4 * edge / (e**2 - edge**2) if e > edge else mp.inf for e in exact]
    # Where p is close to the level, L - l is a difference of rounded numbers.
    close = [float(4 * EPS * abs(e) / abs(e - edge)) if e > edge else 0.0 for e in exact]
    bound = np.array(close) * np.array([float(v) if mp.isfinite(v) else 0.0 for v in values])
    agree("crossover_width", width, values, bound=bound)


def test_crossover_width_is_the_distance_between_two_levels():
    for p, level in ((1e-3, 0.1), (1e-6, 0.01), (0.2, 0.25)):
        log_odds = thresholds.log_odds_against(p)
        edge = np.log((1 - level) / level)
        hot, cold = 2.0 / (log_odds - edge), 2.0 / (log_odds + edge)
        assert thresholds.success_probability(p, 2.0, hot) == pytest.approx(level)
        assert thresholds.success_probability(p, 2.0, cold) == pytest.approx(1 - level)
        width = thresholds.crossover_width(p, 2.0, level=level)
        assert width == pytest.approx(hot - cold, rel=1e-13)
    assert thresholds.crossover_width(0.0) == 0.0
    assert thresholds.crossover_width([0.1, 0.5, 1.0]).tolist() == [np.inf] * 3
    for level in (0.0, 0.5, 0.9, -0.1, np.nan):
        with pytest.raises(ValueError, match="level must"):
            thresholds.crossover_width(0.1, level=level)


@BOTH
def test_heat_capacity_peak(agree, support, exact, log_p):
    peak = thresholds.heat_capacity_peak(support, 2.0, log_p=log_p)
    tau, height = [], []
    for price in exact:
        with oracles.digits(700):
            # From y = x - L, with (L + y) tanh(y/2) = 2, bracketed by 0 (or x = 0) and 4 more.
            low = max(-price, mp.mpf(0))
            y = mp.findroot(
                lambda y, price=price: (price + y) * mp.tanh(y / 2) - 2,
                (low, low + 4),
                solver="anderson",
                tol=mp.mpf(10) ** -700,
            )
            x = price + y
            tau.append(2 / x)
            height.append((x / (2 * mp.cosh(y / 2))) ** 2)
    agree("heat_capacity_peak, tau", peak.tau, tau)
    agree("heat_capacity_peak, height", peak.height, height)


@pytest.mark.parametrize("p", [1e-30, 1e-3, 0.3, 0.5, 0.9])
def test_heat_capacity_peak_is_the_largest_value(p):
    peak = thresholds.heat_capacity_peak(p, 2.0)
    log_ref, reward = _two_levels(p, 2.0)

    def capacity(log_tau):
        return -float(gibbs.heat_capacity(log_ref, reward, np.exp(log_tau)))

    around = np.log(peak.tau)
    found = minimize_scalar(capacity, (around - 1, around + 0.9))
    assert found.x == pytest.approx(around, abs=1e-6)
    assert -found.fun == pytest.approx(peak.height, rel=1e-10)
    assert peak.tau < thresholds.critical_tau(p, 2.0)


@BOTH
def test_fisher_zeros(agree, support, exact, log_p):
    zeros = thresholds.fisher_zeros(support, 2.0, 3, log_p=log_p)
    values = [(e + 1j * mp.pi * (2 * m + 1)) / 2 for e in exact for m in range(3)]
    agree("fisher_zeros", zeros, values)


def test_the_partition_function_vanishes_at_its_zeros():
    for p in (1e-3, 0.3, 0.8):
        zeros = thresholds.fisher_zeros(p, 2.0, 5)
        for b in (zeros, zeros.conj()):
            np.testing.assert_allclose(1 - p + p * np.exp(2.0 * b), 0.0, atol=1e-14)
    for p in (0.0, 1.0, [0.5, 0.0]):
        for function in (thresholds.fisher_zeros, thresholds.heat_capacity_peak):
            with pytest.raises(ValueError, match="p_ref must be strictly between 0 and 1"):
                function(p)
    for n in (0, 1.5, -1):
        with pytest.raises(ValueError, match="n_zeros must be"):
            thresholds.fisher_zeros(0.1, n_zeros=n)


# --- pass@k ---


def exact_pass(n, c, k):
    """1 - C(n - c, k)/C(n, k) in whole numbers."""
    return 1 - Fraction(comb(n - c, k), comb(n, k))


def test_pass_at_k_of_every_small_case(agree):
    cases = np.array(
        [(n, c, k) for n in range(1, 9) for c in range(n + 1) for k in range(1, n + 1)]
    )
    exact = [mp.mpf(f.numerator) / f.denominator for f in (exact_pass(*map(int, x)) for x in cases)]
    agree("pass_at_k", thresholds.pass_at_k(*cases.T), exact)


@pytest.mark.parametrize(
    ("n", "c", "k"),
    [
        *((10_000, 1, 1), (10_000, 3, 100), (10_000, 5000, 7), (10_000, 9_999, 2)),
        *((10_000, 2, 9_998), (10_000, 100, 5000), (10_000, 300, 300)),
        *((10**6, 1, 10), (10**6, 30, 1000)),
    ],
)
def test_pass_at_k_of_many_samples(agree, n, c, k):
    f = exact_pass(n, c, k)
    with oracles.digits(60):
        agree("pass_at_k", thresholds.pass_at_k(n, c, k), mp.mpf(f.numerator) / f.denominator)


def test_pass_at_k_is_unbiased():
    # Averaged over the binomial number of right answers it is the chance of a right one in k.
    n, p = 12, 0.3
    c = np.arange(n + 1)
    mass = np.array([comb(n, i) for i in c]) * p**c * (1 - p) ** (n - c)
    for k in range(1, n + 1):
        assert mass @ thresholds.pass_at_k(n, c, k) == pytest.approx(1 - (1 - p) ** k, rel=1e-13)
    # The plug-in is not.
    assert mass @ (1 - (1 - c / n) ** 4) != pytest.approx(1 - (1 - p) ** 4, rel=1e-3)


# --- data collapse ---


def test_collapse_spread():
    x = np.linspace(0, 2, 2001)
    shifted = np.stack([x, x + 0.5])
    assert thresholds.collapse_spread(shifted, np.sin(shifted)) < 1e-6
    assert thresholds.collapse_spread([x, x], [x, 2 * x]) == pytest.approx(2.0)
    for bad_x, bad_y in [([0, 1], [0, 1]), ([[0, 1]], [[0, 1, 2]]), ([[1, 0]], [[0, 1]])]:
        with pytest.raises(ValueError, match="x and y must"):
            thresholds.collapse_spread(bad_x, bad_y)
    with pytest.raises(ValueError, match="x must overlap"):
        thresholds.collapse_spread([[0, 1], [2, 3]], [[0, 1], [0, 1]])
    with pytest.raises(ValueError, match="n_points must be"):
        thresholds.collapse_spread([x, x], [x, x], n_points=0)


def test_collapse_of_finite_sizes():
    # The rescaled curves of all lengths are one curve, and with another exponent they are not.
    ratio = np.linspace(3.0, 0.3, 1001)
    log_p = np.array([20, 80, 320]) * np.log(0.7)
    price = thresholds.log_odds_against(log_p, log_p=True)
    tau_c = thresholds.critical_tau(log_p, log_p=True)
    curves = thresholds.success_probability(log_p[:, None], 1.0, ratio * tau_c[:, None], log_p=True)
    good = thresholds.collapse_spread(price[:, None] * (1 / ratio - 1), curves)
    bad = thresholds.collapse_spread(np.sqrt(price)[:, None] * (1 / ratio - 1), curves)
    assert good < 2e-3
    assert bad > 0.2


# --- the fit ---


@pytest.mark.parametrize("log_odds", [0.5, 2.0, 7.0, 23.0, 69.0, 690.0, 6900.0])
def test_fit_recovers_exact_curves(log_odds):
    # Narrow and wide sampling of the crossing; limiting the steps would not get there on the wide.
    narrow = 1 / (1 + np.linspace(-0.9, 4.0, 41) / log_odds * 0.5)
    wide = np.linspace(0.1, 3.0, 60)  # of the sharpest crossing it sees only zeros and ones
    for tau in (narrow, wide) if log_odds < 1000 else (narrow,):
        success = thresholds.success_probability(
            -np.logaddexp(0, log_odds), log_odds, tau, log_p=True
        )
        fit = thresholds.fit_crossing(tau, success)
        assert fit.converged
        assert fit.tau == pytest.approx(1.0, rel=1e-9)
        assert fit.log_odds == pytest.approx(log_odds, rel=1e-6)
        assert np.isnan(fit.tau_se)
        assert np.isnan(fit.log_odds_se)


def test_fit_of_a_crossing_as_narrow_as_can_be_told():
    # All temperatures within 3e-7 of each other: the information is nearly singular, not quite.
    width = 3.15e-7
    success = np.array([0.6, 0.55, 0.5, 0.45, 0.4])
    fit = thresholds.fit_crossing(1 + width * np.linspace(-1, 1, 5), success)
    assert fit.converged
    assert fit.tau == pytest.approx(1.0, rel=1e-12)
    assert fit.log_odds * width == pytest.approx(np.log(1.5), rel=5e-3)


def test_fit_of_nearly_separated_data():
    # One answer in 21,741 is right where all should be wrong: an optimum, but a flat one, where
    # a tolerance on the parameters would wait for digits that rounding does not give.
    tau = [0.119, 0.251, 0.31, 0.38, 0.426, 0.442, 0.579, 1.196, 1.2, 1.238, 2.018, 3.352]
    success = np.array([1.0] * 7 + [0.0, 0.0, 1 / 21741, 0.0, 0.0])
    fit = thresholds.fit_crossing(tau, success, 21741)
    assert fit.converged
    z = fit.log_odds * (fit.tau / np.array(tau) - 1)
    residual = success - 1 / (1 + np.exp(-z))
    # The score equations, in units of one answer.
    assert np.abs(21741 * residual.sum()) < 1e-6
    assert np.abs(21741 * (residual / tau).sum()) < 1e-6


def test_fit_claims_no_optimum_where_the_data_do_not_overlap():
    # However long the likelihood is climbed, sharper is better; also with one mixed point.
    rng = np.random.default_rng(0)
    for _ in range(50):
        tau = np.sort(rng.uniform(0.2, 3.0, 12))
        for curve in (np.arange(12) < rng.integers(1, 12), np.arange(12) >= rng.integers(1, 12)):
            assert not thresholds.fit_crossing(tau, curve * 1.0, 4).converged
        mixed = np.where(np.arange(12) == 5, 0.5, np.arange(12) < 5)
        assert not thresholds.fit_crossing(tau, mixed, 4).converged


@pytest.mark.parametrize("trials", [30, 1000])
def test_fit_standard_errors(trials):
    # 2,000 simulated curves: the z-scores must be standard normal, not only of the right size.
    rng, p_ref, runs = np.random.default_rng(7), 1e-3, 2000
    exact = thresholds.critical_tau(p_ref), thresholds.log_odds_against(p_ref)
    # Unevenly spread, so that the two errors are of different size in the fit's own units.
    tau = np.append(np.linspace(0.08, 0.3, 25), np.linspace(0.01, 0.02, 25))
    chance = thresholds.success_probability(p_ref, 1.0, tau)
    success = rng.binomial(trials, chance, (runs, tau.size)) / trials
    fit = thresholds.fit_crossing(tau, success, trials)
    assert np.all(fit.converged)
    for value, error, truth in (
        (fit.tau, fit.tau_se, exact[0]),
        (fit.log_odds, fit.log_odds_se, exact[1]),
    ):
        z = (value - truth) / error
        # The maximum of a likelihood is biased at order 1/(number of trials), which is well
        # below one standard error; the spread is known to 1/sqrt(2 * 2000) = 1.6 %.
        assert abs(z.mean()) < 4 / np.sqrt(runs) + 1.5 / np.sqrt(trials)
        assert z.std() == pytest.approx(1.0, abs=4 * 0.016)
        assert np.mean(np.abs(z) < 1.96) == pytest.approx(0.95, abs=0.02)
    # Errors shrink as one over the root of the number of trials.
    more = thresholds.fit_crossing(tau, chance, 4 * trials)
    fewer = thresholds.fit_crossing(tau, chance, trials)
    assert fewer.tau_se == pytest.approx(2 * more.tau_se, rel=1e-9)
    assert fewer.log_odds_se == pytest.approx(2 * more.log_odds_se, rel=1e-9)


def test_fit_is_the_maximum_of_the_likelihood():
    rng = np.random.default_rng(1)
    tau, trials = np.linspace(0.1, 0.6, 12), rng.integers(5, 50, 12)
    success = rng.binomial(trials, thresholds.success_probability(0.02, 1.0, tau)) / trials
    fit = thresholds.fit_crossing(tau, success, trials)

    def log_likelihood(tau_c, log_odds):
        z = log_odds * (tau_c / tau - 1)
        return np.sum(trials * (success * z - np.logaddexp(0, z)))

    best = log_likelihood(fit.tau, fit.log_odds)
    for d_tau, d_odds in 1e-3 * rng.normal(size=(50, 2)):
        assert log_likelihood(fit.tau * (1 + d_tau), fit.log_odds * (1 + d_odds)) < best


def test_fit_says_where_there_is_no_answer():
    tau = np.linspace(0.1, 0.5, 5)
    curves = np.array(
        [[1.0, 1, 1, 0, 0], [0.0] * 5, [1.0] * 5, [0.5] * 5, [0.9, 0.8, 0.5, 0.2, 0.1]]
    )
    fit = thresholds.fit_crossing(tau, curves, 10)
    assert fit.converged.tolist() == [False, False, False, False, True]
    alone = thresholds.fit_crossing(tau, curves[-1], 10)
    # A hopeless neighbour changes nothing, and trials may differ between curves and points.
    assert alone.tau == pytest.approx(fit.tau[-1], rel=1e-12)
    assert alone.tau_se == pytest.approx(fit.tau_se[-1], rel=1e-9)
    many = thresholds.fit_crossing(tau, curves[-1], np.array([[10.0] * 5, [40.0] * 5]))
    assert many.tau.shape == (2,)
    assert many.tau_se[0] == pytest.approx(2 * many.tau_se[1], rel=1e-9)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"tau": [0.1, -0.2, 0.3]}, "tau must be > 0"),
        ({"tau": [0.1, np.nan, 0.3]}, "tau must not be NaN"),
        ({"tau": [[0.1, 0.2, 0.3]]}, r"tau must be \(points,\)"),
        ({"tau": 0.1}, r"tau must be \(points,\)"),
        ({"tau": [0.1], "success": [0.5]}, r"tau must be \(points,\)"),
        ({"success": [0.1, 0.2]}, r"success \(..., points\)"),
        ({"success": 0.5}, r"success \(..., points\)"),
        ({"success": [0.1, 1.2, 0.3]}, "success must be <= 1"),
        ({"trials": 0}, "trials must be > 0"),
        ({"trials": [1, 2]}, "must broadcast together"),
    ],
)
def test_fit_refuses(change, message):
    valid = {"tau": [0.1, 0.2, 0.3], "success": [0.9, 0.5, 0.2]}
    with pytest.raises(ValueError, match=message):
        thresholds.fit_crossing(**(valid | change))


@pytest.mark.parametrize("spread", [(0.1, 0.5), (1.0, 1.01)])
def test_a_flat_curve_has_no_crossing_at_any_height(spread):
    heights = np.random.default_rng(0).uniform(0.01, 0.99, (400, 1))
    flat = np.broadcast_to(heights, (400, 5))
    assert not thresholds.fit_crossing(np.linspace(*spread, 5), flat, 10.0).converged.any()
    # One part in a thousand of a slope is a slope.
    tilted = flat + 1e-3 * np.minimum(flat, 1.0 - flat) * np.linspace(1.0, -1.0, 5)
    found = thresholds.fit_crossing(np.linspace(*spread, 5), tilted, 10.0)
    assert np.array_equal(found.converged, found.log_odds > 0.0)
    assert found.converged.mean() > 0.3

"""The Gibbs policy and its numbers, from tau = 1e-6 to 1e6 and support down to 1e-300 and 0."""

import mpmath as mp
import numpy as np
import oracles
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracles import EPS
from samples import TAUS, mass_digits, policies, positive, systems, vectors
from scipy.optimize import minimize

from klrl_lite import gibbs, simplex

SYSTEMS = pytest.mark.parametrize("name", systems())


def system(name):
    """One system, the temperatures to try it at (fewer where it is large), and digits."""
    log_ref, reward = (np.asarray(x) for x in systems()[name])
    taus = TAUS if log_ref.size < 100 else TAUS[[0, 4, 6, 12]]
    return log_ref, reward, taus, oracles.digits(mass_digits(log_ref))


def exponent_rounding(log_ref, reward, tau):
    """Bound for a log-probability: log_ref and r/tau are each rounded, as is their sum.

    The size that counts is that of the differences between possible actions; a constant in the
    reward is taken out before the division.
    """
    possible = log_ref > -np.inf
    spread = np.ptp(reward[possible]) / tau
    return 4 * EPS * (np.abs(log_ref[possible]).max() + spread)


@SYSTEMS
def test_log_gibbs(agree, name):
    log_ref, reward, taus, enough = system(name)
    with np.errstate(all="raise", under="ignore"):
        log_pi = gibbs.log_gibbs(log_ref, reward, taus)
    assert np.all((log_pi == -np.inf) == (log_ref == -np.inf))
    with enough:
        for row, tau in zip(log_pi, taus, strict=True):
            bound = exponent_rounding(log_ref, reward, tau)
            agree("log_gibbs", row, oracles.log_gibbs(log_ref, reward, tau), bound=bound)


@SYSTEMS
def test_log_partition(agree, name):
    log_ref, reward, taus, enough = system(name)
    with np.errstate(all="raise", under="ignore"):
        log_z = gibbs.log_partition(log_ref, reward, taus)
    with enough:
        exact = [oracles.log_partition(log_ref, reward, tau) for tau in taus]
        agree("log_partition", log_z, exact)


def test_log_partition_where_its_terms_cancel(agree):
    # At the crossing log(p) + gap/tau = 0, the answer is log 2 of terms of size 690.
    log_ref = simplex.log_normalize([0.0, np.log(1e-300)])
    tau = 1.0 / 690.0
    bound = exponent_rounding(log_ref, np.array([0.0, 1.0]), tau)
    with oracles.digits(700):
        exact = oracles.log_partition(log_ref, [0.0, 1.0], tau)
    agree("log_partition", gibbs.log_partition(log_ref, [0.0, 1.0], tau), exact, bound=bound)
    # Mean zero: at high temperature only the variance is left, while E[r] rounds to 1e-17.
    log_ref, reward = np.log([0.2, 0.3, 0.5]), np.array([1.0, 1.0, -1.0])
    for tau in (1.0, 1e3, 1e6):
        exact = oracles.log_partition(log_ref, reward, tau)
        computed = gibbs.log_partition(log_ref, reward, tau)
        agree("log_partition", computed, exact, bound=2 * EPS / tau)


@SYSTEMS
def test_heat_capacity(agree, name):
    log_ref, reward, taus, enough = system(name)
    with np.errstate(all="raise", under="ignore"):
        capacity = gibbs.heat_capacity(log_ref, reward, taus)
    with enough:
        for c, tau in zip(capacity, taus, strict=True):
            log_pi = oracles.log_gibbs(log_ref, reward, tau)
            weights = [mp.exp(v) for v in log_pi]
            mean = mp.fsum(p * r for p, r in zip(weights, oracles.many(reward), strict=True))
            exact = (
                mp.fsum(
                    p * (r - mean) ** 2 for p, r in zip(weights, oracles.many(reward), strict=True)
                )
                / oracles.many(tau) ** 2
            )
            agree("heat_capacity", c, exact)


@SYSTEMS
@pytest.mark.parametrize("tau_pi", [1e-2, 1.0, 1e4])
def test_free_energy_and_soft_advantage(agree, name, tau_pi):
    log_ref, reward, taus, enough = system(name)
    log_pi = gibbs.log_gibbs(log_ref, reward, tau_pi)
    possible = log_pi > -np.inf
    with np.errstate(all="raise", under="ignore"):
        value = gibbs.free_energy(log_pi, log_ref, reward, taus)
        advantage = gibbs.soft_advantage(log_pi, log_ref, reward, taus)
    distance = simplex.kl(log_pi, log_ref)
    with enough:
        p, r = oracles.masses(log_pi), oracles.many(reward)
        mean = mp.fsum(a * b for a, b in zip(p, r, strict=True))
        kl = oracles.generalized_kl(log_pi, log_ref)
        for v, row, tau in zip(value, advantage, taus, strict=True):
            # Two terms of opposite sign, each right to a few units in the last place.
            sizes = np.abs(reward[possible]).max() + tau * distance
            exact = oracles.many(tau) * kl - mean
            agree("free_energy", v, exact, bound=4 * EPS * sizes)
            ratio = [
                a - b if ok else mp.mpf(0)
                for a, b, ok in zip(
                    oracles.many(log_pi), oracles.many(log_ref), possible, strict=True
                )
            ]
            score = [b - oracles.many(tau) * c for b, c in zip(r, ratio, strict=True)]
            centre = mp.fsum(a * b for a, b in zip(p, score, strict=True))
            exact = [s - centre if ok else 0 for s, ok in zip(score, possible, strict=True)]
            # It is a difference of r and tau log(pi/ref), and zero at the optimum.
            logs = np.abs(log_pi[possible]).max() + np.abs(log_ref[possible]).max()
            bound = 4 * EPS * (np.abs(reward[possible]).max() + tau * logs)
            agree("soft_advantage", row, exact, bound=bound)


def test_a_million_actions(agree):
    # Uniform reference, reward i/n: the partition function is a geometric series.
    # A power of two, so that i/n is exact and the series is that of these very floats.
    n = 2**20
    log_ref, reward = np.full(n, -np.log(n)), np.arange(n) / n
    for tau in (1e-6, 1e-2, 1.0, 1e6):
        x = mp.exp(1 / (n * oracles.many(tau)))
        exact = mp.log((x**n - 1) / (n * (x - 1)))
        agree("log_partition, 1e6 actions", gibbs.log_partition(log_ref, reward, tau), exact)
        top = -mp.log(n) + oracles.many(reward[-1]) / oracles.many(tau) - exact
        log_pi = gibbs.log_gibbs(log_ref, reward, tau)
        agree("log_gibbs, 1e6 actions", log_pi[-1], top)


def test_cold_and_hot_limits():
    log_ref = simplex.log_normalize([0.0, 1.0, 2.0, 0.0])
    reward = np.array([0.0, 1.0, 1.0, 0.5])
    cold = gibbs.log_gibbs(log_ref, reward, 1e-6)
    # The reference decides among the best.
    restricted = simplex.log_normalize(np.where(reward == 1.0, log_ref, -np.inf))
    np.testing.assert_allclose(np.exp(cold), np.exp(restricted), atol=1e-15)
    hot = gibbs.log_gibbs(log_ref, reward, 1e6)
    np.testing.assert_allclose(hot, log_ref, atol=2e-6)


def test_no_support_stays_no_support():
    log_ref = np.array([0.0, -np.inf])
    for tau in TAUS:
        assert gibbs.log_gibbs(log_ref, [0.0, 1.0], tau).tolist() == [0.0, -np.inf]
        assert gibbs.log_partition(log_ref, [0.0, 1.0], tau) == 0.0
        assert gibbs.heat_capacity(log_ref, [0.0, 1.0], tau) == 0.0
    assert gibbs.free_energy(np.log([0.5, 0.5]), log_ref, [0.0, 1.0], 1.0) == np.inf
    with pytest.raises(ValueError, match="log_pi must have no mass where log_ref has none"):
        gibbs.soft_advantage(np.log([0.5, 0.5]), log_ref, [0.0, 1.0], 1.0)


# --- properties ---


@given(st.data())
def test_excess_free_energy_is_a_kl(data):
    log_ref = data.draw(policies(spread=5.0))
    reward = data.draw(vectors(log_ref.size))
    log_pi = data.draw(policies(n=log_ref.size, holes=True))
    tau = data.draw(positive())
    best = -tau * gibbs.log_partition(log_ref, reward, tau)
    log_star = gibbs.log_gibbs(log_ref, reward, tau)
    excess = gibbs.free_energy(log_pi, log_ref, reward, tau) - best
    expected = tau * simplex.kl(log_pi, log_star)
    assert excess == pytest.approx(expected, rel=1e-10, abs=1e-12 * (1 + tau))


@given(st.data())
def test_symmetries(data):
    log_ref = data.draw(policies(holes=True))
    reward = data.draw(vectors(log_ref.size))
    tau = data.draw(positive())
    order = data.draw(st.permutations(range(log_ref.size)))
    log_pi = gibbs.log_gibbs(log_ref, reward, tau)
    close = {"rtol": 1e-12, "atol": 1e-11}
    np.testing.assert_allclose(gibbs.log_gibbs(log_ref[order], reward[order], tau), log_pi[order])
    # A constant reward changes nothing; a common factor of reward and tau neither.
    np.testing.assert_allclose(gibbs.log_gibbs(log_ref, reward + 3.0, tau), log_pi, **close)
    np.testing.assert_allclose(gibbs.log_gibbs(log_ref, 7 * reward, 7 * tau), log_pi, **close)
    shifted = gibbs.log_partition(log_ref, reward + 3.0, tau)
    expected = gibbs.log_partition(log_ref, reward, tau) + 3.0 / tau
    assert shifted == pytest.approx(expected, rel=1e-12, abs=1e-12)
    # It is a tilt, and adding rewards composes tilts.
    np.testing.assert_allclose(simplex.tilt(log_ref, reward / tau), log_pi, **close)
    twice = gibbs.log_gibbs(gibbs.log_gibbs(log_ref, reward, tau), reward[::-1], tau)
    both = gibbs.log_gibbs(log_ref, reward + reward[::-1], tau)
    np.testing.assert_allclose(twice, both, **close)


@given(st.data())
def test_the_soft_advantage_is_the_slope_of_the_free_energy(data):
    log_ref = data.draw(policies(n=4, spread=3.0))
    log_pi = data.draw(policies(n=4, spread=3.0))
    reward, direction = data.draw(vectors(4)), data.draw(vectors(4, size=1.0))
    tau = data.draw(positive(-1, 1))
    advantage = gibbs.soft_advantage(log_pi, log_ref, reward, tau)
    assert simplex.expect(log_pi, advantage) == pytest.approx(0.0, abs=1e-12)
    h = 1e-5
    up, down = (
        gibbs.free_energy(simplex.tilt(log_pi, s * h * direction), log_ref, reward, tau)
        for s in (1, -1)
    )
    slope = -simplex.fisher_inner(advantage, direction, log_pi)
    assert (up - down) / (2 * h) == pytest.approx(slope, rel=1e-5, abs=1e-7)
    at_optimum = gibbs.soft_advantage(gibbs.log_gibbs(log_ref, reward, tau), log_ref, reward, tau)
    np.testing.assert_allclose(at_optimum, 0.0, atol=1e-12 * (1 + tau))


@given(st.data())
def test_derivatives_in_temperature(data):
    log_ref = data.draw(policies(n=4, spread=3.0))
    reward = data.draw(vectors(4, size=2.0))
    tau, h = data.draw(positive(-0.3, 1)), 1e-4

    def mean_reward(t):
        return simplex.expect(gibbs.log_gibbs(log_ref, reward, t), reward)

    slope = (mean_reward(tau + h) - mean_reward(tau - h)) / (2 * h)
    capacity = gibbs.heat_capacity(log_ref, reward, tau)
    assert capacity >= 0
    assert slope == pytest.approx(-capacity, rel=1e-4, abs=1e-6)
    # d log Z / d(1/tau) = mean reward.
    b = 1 / tau
    up, down = (gibbs.log_partition(log_ref, reward, 1 / (b + s * h)) for s in (1, -1))
    assert (up - down) / (2 * h) == pytest.approx(mean_reward(tau), rel=1e-5, abs=1e-6)


@pytest.mark.parametrize("seed", range(5))
def test_gibbs_is_the_minimizer(seed):
    # A generic optimizer that knows nothing about exponentials of rewards.
    rng = np.random.default_rng(seed)
    log_ref, reward, tau = simplex.log_normalize(rng.normal(size=4)), rng.normal(size=4), 0.7

    def value(logits):
        return float(gibbs.free_energy(simplex.log_normalize(logits), log_ref, reward, tau))

    found = simplex.log_normalize(minimize(value, np.zeros(4), tol=1e-12).x)
    np.testing.assert_allclose(found, gibbs.log_gibbs(log_ref, reward, tau), atol=1e-5)
    best = -tau * gibbs.log_partition(log_ref, reward, tau)
    assert value(found) == pytest.approx(best, abs=1e-10)


def test_batch_of_references_against_one_policy():
    # The reference may have more axes than the policy.
    log_pi = np.log([0.5, 0.5])
    log_ref = np.log([[0.5, 0.5], [0.2, 0.8], [0.9, 0.1]])
    advantage = gibbs.soft_advantage(log_pi, log_ref, [0.0, 1.0], 1.0)
    for row, ref in zip(advantage, log_ref, strict=True):
        np.testing.assert_array_equal(row, gibbs.soft_advantage(log_pi, ref, [0.0, 1.0], 1.0))


@pytest.mark.parametrize("function", [gibbs.free_energy, gibbs.soft_advantage])
def test_shapes_that_do_not_fit_are_all_told(function):
    even = np.log([0.5, 0.5])
    log_pi, log_ref = np.broadcast_to(even, (3, 2)), np.broadcast_to(even, (1, 2))
    with pytest.raises(ValueError, match="broadcast together") as caught:
        function(log_pi, log_ref, [0.0, 1.0], [1.0, 2.0])
    shapes = "log_pi (3,), log_ref (1,), reward (), tau (2,)"
    assert shapes in str(caught.value)

"""Measures of a policy and of a path, against definitions, generic solvers and other libraries."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from samples import policies, systems, vectors
from scipy.optimize import minimize_scalar
from scipy.special import logsumexp

from klrl_lite import diagnostics, flow, gibbs, simplex
from klrl_lite.algorithms import iterate, mirror

RNG = np.random.default_rng(0)
REF = simplex.log_normalize(RNG.normal(0, 1.5, 7))
REWARD = RNG.normal(size=7)


# --- the target ---


@pytest.mark.parametrize("tau", [1e-2, 0.5, 30.0])
@pytest.mark.parametrize("name", systems())
def test_kl_to_target_is_the_excess_free_energy(name, tau):
    log_ref, reward = systems()[name]
    log_pi = simplex.tilt(log_ref, 0.3 * np.cos(np.arange(len(log_ref))))
    excess = gibbs.free_energy(log_pi, log_ref, reward, tau)
    excess += tau * logsumexp(np.asarray(log_ref) + np.asarray(reward) / tau)
    # The difference of two free energies as large as the reward loses the digits of its size.
    tol = 1e-12 * (1 + np.abs(reward).max() / tau)
    found = diagnostics.kl_to_target(log_pi, log_ref, reward, tau)
    assert found == pytest.approx(excess / tau, rel=1e-9, abs=tol)


def test_kl_to_target_vanishes_there_only():
    taus = np.geomspace(0.1, 1e2, 9)
    log_star = gibbs.log_gibbs(REF, REWARD, taus)
    assert np.all(diagnostics.kl_to_target(log_star, REF, REWARD, taus) < 1e-14)
    assert np.all(diagnostics.kl_to_target(log_star, REF, REWARD, 2 * taus) > 1e-9)


def test_kl_to_target_off_the_support_is_infinite():
    log_ref = np.array([0.0, -np.inf])
    assert diagnostics.kl_to_target(np.log([0.5, 0.5]), log_ref, [0.0, 1.0], 1.0) == np.inf


@given(policies(5), policies(5))
def test_total_variation_is_the_largest_difference_over_events(log_p, log_q):
    events = (np.arange(32)[:, None] >> np.arange(5)) & 1
    largest = np.max(events @ (np.exp(log_p) - np.exp(log_q)))
    assert diagnostics.total_variation(log_p, log_q) == pytest.approx(largest, abs=1e-12)


# --- the curve ---


@given(policies(5, spread=4.0), policies(5, spread=4.0), vectors(5, 2.0))
def test_off_curve_is_the_minimum_over_s(log_pi, log_ref, reward):
    found = diagnostics.off_curve(log_pi, log_ref, reward)

    def distance(s):
        return simplex.kl(log_pi, simplex.tilt(log_ref, s * reward))

    others = [distance(s) for s in np.linspace(-20, 20, 81)]
    assert found.distance <= min(others) + 1e-9
    if np.ptp(reward) > 0.1:
        near = minimize_scalar(distance, bounds=(-60, 60), options={"xatol": 1e-10})
        assert found.distance == pytest.approx(near.fun, abs=1e-7)


@pytest.mark.parametrize("s", [-3.0, 0.0, 1e-6, 0.4, 25.0])
def test_a_tilt_by_the_reward_is_on_the_curve(s):
    found = diagnostics.off_curve(simplex.tilt(REF, s * REWARD), REF, REWARD)
    assert found.distance == pytest.approx(0.0, abs=1e-13)
    assert found.inverse_tau == pytest.approx(s, rel=1e-6, abs=1e-12)


def test_the_ends_of_the_curve():
    best = np.where(np.array([0.0, 1.0, 1.0]) > 0, np.log([0.5, 0.25, 0.75]), -np.inf)
    found = diagnostics.off_curve(best, np.log([0.5, 0.3, 0.2]), [0.0, 1.0, 1.0])
    assert found.inverse_tau == np.inf
    inside = simplex.kl(np.log([0.25, 0.75]), np.log([0.6, 0.4]))
    assert found.distance == pytest.approx(inside, rel=1e-12)
    flat = diagnostics.off_curve(np.log([0.5, 0.5]), np.log([0.9, 0.1]), [2.0, 2.0])
    assert flat.inverse_tau == 0.0
    assert flat.distance == pytest.approx(simplex.kl(np.log([0.5, 0.5]), np.log([0.9, 0.1])))


def test_effective_temperature_is_a_weighted_regression():
    log_pi = simplex.log_normalize(RNG.normal(size=7))
    slope, share = diagnostics.effective_temperature(log_pi, REF, REWARD)
    w = np.sqrt(np.exp(log_pi))
    design = np.stack([REWARD, np.ones(7)], axis=-1) * w[:, None]
    fit, left, *_ = np.linalg.lstsq(design, w * (log_pi - REF))
    moved = log_pi - REF
    total = np.exp(log_pi) @ (moved - np.exp(log_pi) @ moved) ** 2
    assert slope == pytest.approx(fit[0], rel=1e-10)
    assert share == pytest.approx(1 - left[0] / total, rel=1e-10)


def test_effective_temperature_of_a_mirror_orbit():
    # The slope after k steps is (1 - (1 - eta tau)^k) / tau, and nothing is left over.
    eta, tau = 0.3, 0.7
    orbit = iterate(
        lambda z: mirror.explicit_step(z, gibbs.soft_advantage(z, REF, REWARD, tau), eta), REF, 9
    )
    fit = diagnostics.effective_temperature(orbit[1:], REF, REWARD)
    k = np.arange(1, 10)
    np.testing.assert_allclose(fit.inverse_tau, (1 - (1 - eta * tau) ** k) / tau, rtol=1e-10)
    np.testing.assert_allclose(fit.r_squared, 1.0, rtol=1e-12)


def test_effective_temperature_without_a_slope():
    fit = diagnostics.effective_temperature(REF, REF, np.ones(7))
    assert np.isnan(fit.inverse_tau)
    assert np.isnan(fit.r_squared)
    with pytest.raises(ValueError, match="log_pi must have no mass"):
        diagnostics.effective_temperature(np.log([0.5, 0.5]), [0.0, -np.inf], [0.0, 1.0])


def test_an_impossible_action_has_no_weight_in_the_regression():
    hole = np.array([np.log(0.6), np.log(0.4), -np.inf])
    log_pi = np.array([np.log(0.3), np.log(0.7), -np.inf])
    with_hole = diagnostics.effective_temperature(log_pi, hole, [0.0, 1.0, 5.0])
    without = diagnostics.effective_temperature(log_pi[:2], hole[:2], [0.0, 1.0])
    assert with_hole.inverse_tau == pytest.approx(without.inverse_tau, rel=1e-12)


# --- the path ---


def test_proximal_kl_adds_up_steps():
    path = simplex.log_normalize(RNG.normal(size=(6, 3, 5)))
    by_hand = np.zeros(3)
    for old, new in zip(np.exp(path[:-1]), np.exp(path[1:]), strict=True):
        by_hand += np.sum(new * np.log(new / old), axis=-1)
    np.testing.assert_allclose(diagnostics.proximal_kl_spent(path), by_hand, rtol=1e-12)


@given(policies(4), policies(4))
def test_geodesic_distance_is_the_angle_of_square_roots(log_p, log_q):
    overlap = np.sum(np.exp(0.5 * (log_p + log_q)))
    by_angle = 2.0 * np.arccos(min(overlap, 1.0))
    assert diagnostics.geodesic_distance(log_p, log_q) == pytest.approx(by_angle, abs=1e-7)


def test_geodesic_distance_of_small_steps_keeps_its_digits():
    u = RNG.normal(size=7)
    h = 1e-9
    near = simplex.tilt(REF, h * u)
    infinitesimal = h * np.sqrt(simplex.fisher_inner(u, u, REF))
    assert diagnostics.geodesic_distance(near, REF) == pytest.approx(infinitesimal, rel=1e-6)


def test_length_of_the_flow_of_a_binary_reward_is_the_distance():
    log_ref, reward, tau = np.log([0.95, 0.05]), np.array([0.0, 1.0]), 0.2
    walk = flow.kl_flow(
        np.linspace(0, 30, 400), log_ref, gibbs.log_gibbs(log_ref, reward, tau), tau
    )
    way = diagnostics.geodesic_distance(walk[0], walk[-1])
    angles = 2 * np.arcsin(np.exp(0.5 * walk[[0, -1], 1]))
    assert way == pytest.approx(angles[1] - angles[0], rel=1e-12)
    assert diagnostics.fisher_length(walk) == pytest.approx(way, rel=1e-9)


def test_a_path_needs_steps():
    with pytest.raises(ValueError, match="path must have steps"):
        diagnostics.proximal_kl_spent(np.log([0.5, 0.5]))


@given(st.floats(0.01, 3.0), policies(4, spread=3.0), vectors(4))
def test_a_tilt_is_aligned_with_its_direction(eta, log_old, advantage):
    new = simplex.tilt(log_old, eta * advantage)
    cosine = diagnostics.alignment(new, log_old, advantage)
    assert np.isnan(cosine) or cosine == pytest.approx(1.0, abs=1e-6)


def test_alignment_is_a_weighted_correlation():
    old, new = simplex.log_normalize(RNG.normal(size=(2, 7)))
    c = np.cov(new - old, REWARD, aweights=np.exp(old), ddof=0)
    expected = c[0, 1] / np.sqrt(c[0, 0] * c[1, 1])
    assert diagnostics.alignment(new, old, REWARD) == pytest.approx(expected, rel=1e-12)
    assert np.isnan(diagnostics.alignment(old, old, REWARD))


def test_a_dead_action_counts_as_far():
    new = np.array([0.0, -np.inf])
    assert diagnostics.realized(new, np.log([0.5, 0.5]))[1] == -745.0

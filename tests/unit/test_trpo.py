"""TRPO and the natural gradient against the exact mirror step and a dense Fisher matrix."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from samples import policies, vectors

from klrl_lite import simplex
from klrl_lite.algorithms import run
from klrl_lite.algorithms.mirror import explicit_step, trust_region_step
from klrl_lite.algorithms.trpo import natural_direction, natural_gradient, trpo
from klrl_lite.policies import autoregressive, linear, tabular
from klrl_lite.signals import exact, sampled

LOG_PI = np.log([0.1, 0.2, 0.3, 0.4])
ADVANTAGE = np.array([2.0, -1.0, 0.5, -0.6])
RADII = np.array([1e-3, 1e-4, 1e-5, 1e-6])


def centred(log_pi, advantage):
    return advantage - np.exp(log_pi) @ advantage


def order(x, y):
    return np.polyfit(np.log(x), np.log(y), 1)[0]


# --- tabular softmax: the natural gradient is the exact tilt ---


@settings(max_examples=25)
@given(policies(4, spread=3.0), vectors(4, size=2.0), st.floats(0.0, 5.0))
def test_the_natural_gradient_is_the_tilt_at_any_step(log_pi, advantage, eta):
    algorithm = natural_gradient(tabular(4), eta, max_iter=100, rtol=1e-13)
    state, info = algorithm.step(algorithm.init(log_pi), exact(log_pi, advantage))
    tilted = explicit_step(log_pi, advantage, eta)
    np.testing.assert_allclose(state.log_pi, tilted, atol=1e-6)
    assert info.kl == pytest.approx(simplex.kl(tilted, log_pi), abs=1e-6)


def test_the_full_step_of_trpo_has_the_length_of_the_quadratic_model():
    algorithm = trpo(tabular(4), 1e-3, line_search=False, max_iter=30)
    state, info = algorithm.step(algorithm.init(LOG_PI), exact(LOG_PI, ADVANTAGE))
    variance = simplex.fisher_inner(ADVANTAGE, ADVANTAGE, LOG_PI)
    assert info.eta == pytest.approx(np.sqrt(2e-3 / variance))
    np.testing.assert_allclose(state.log_pi, explicit_step(LOG_PI, ADVANTAGE, info.eta), atol=1e-12)


@pytest.mark.parametrize("direction", ["new_old", "old_new"])
def test_small_radius_is_the_exact_trust_region(direction):
    # Both are of length sqrt(radius) and part at the next order, by an amount of order radius.
    steps, gaps, cosines = [], [], []
    for radius in RADII:
        algorithm = trpo(tabular(4), radius, line_search=False, max_iter=30)
        state, _ = algorithm.step(algorithm.init(LOG_PI), exact(LOG_PI, ADVANTAGE))
        best, _ = trust_region_step(LOG_PI, ADVANTAGE, radius, direction=direction)
        steps.append(np.abs(state.log_pi - LOG_PI).max())
        gaps.append(np.abs(state.log_pi - best).max())
        cosines.append(1 - simplex.fisher_cosine(state.log_pi - LOG_PI, best - LOG_PI, LOG_PI))
    assert order(RADII, steps) == pytest.approx(0.5, abs=0.02)
    assert order(RADII, gaps) == pytest.approx(1.0, abs=0.03)
    if direction == "old_new":  # the direction itself differs, by a factor of 1 + O(sqrt radius)
        assert order(RADII, cosines) == pytest.approx(1.0, abs=0.05)
    else:  # both are tilts
        assert max(cosines) < 1e-12


@pytest.mark.parametrize(("direction", "c"), [("new_old", 2 / 3), ("old_new", 1 / 3)])
def test_what_the_full_step_overspends(direction, c):
    # kl = radius (1 + c s sqrt(2 radius)), s the skewness of the advantage.
    a = centred(LOG_PI, ADVANTAGE)
    pi = np.exp(LOG_PI)
    skewness = (pi @ a**3) / (pi @ a**2) ** 1.5
    for sign in (1.0, -1.0):
        algorithm = trpo(tabular(4), 1e-6, direction=direction, line_search=False, max_iter=30)
        _, info = algorithm.step(algorithm.init(LOG_PI), exact(LOG_PI, sign * ADVANTAGE))
        excess = (info.kl / 1e-6 - 1) / np.sqrt(2e-6)
        assert excess == pytest.approx(c * sign * skewness, rel=5e-3)
        # Hence the search halves the step for one sign of the skewness, at any radius.
        algorithm = trpo(tabular(4), 1e-6, direction=direction, max_iter=30)
        _, info = algorithm.step(algorithm.init(LOG_PI), exact(LOG_PI, sign * ADVANTAGE))
        assert info.n_backtracks == (1 if sign * skewness > 0 else 0)
        assert info.kl <= 1e-6


# --- other policies ---

NETWORK = autoregressive(3, 4)
LINEAR = linear(np.random.default_rng(0).normal(size=(4, 2)), LOG_PI)


def dense_direction(policy, theta, w):
    jac = np.stack([policy.jvp(theta, e) for e in np.eye(policy.n_params)], axis=1)
    fisher = jac.T @ (np.exp(policy.log_prob(theta))[:, None] * jac)
    return jac, np.linalg.pinv(fisher, rcond=1e-11, hermitian=True) @ (jac.T @ w)


@pytest.mark.parametrize("policy", [LINEAR, NETWORK, tabular(4)], ids=lambda p: p.name)
def test_direction_against_the_dense_fisher_matrix(policy):
    rng = np.random.default_rng(3)
    theta = rng.normal(size=policy.n_params)
    log_pi = policy.log_prob(theta)
    advantage = rng.normal(size=policy.n_actions)
    signal = exact(log_pi, advantage)
    x, length2, info = natural_direction(policy, theta, signal, max_iter=400, rtol=1e-9)
    jac, dense = dense_direction(policy, theta, signal.gain - signal.loss)
    assert info.converged
    # Parameters that move nothing may differ; what the policy sees may not.
    np.testing.assert_allclose(policy.jvp(theta, x), jac @ dense, atol=1e-6)
    assert length2 == pytest.approx(np.exp(log_pi) @ (jac @ dense) ** 2, rel=1e-6)
    # It is the projection of the advantage, in the Fisher metric, on what theta can do.
    rest = centred(log_pi, advantage) - policy.jvp(theta, x)
    np.testing.assert_allclose(policy.vjp(theta, np.exp(log_pi) * rest), 0.0, atol=1e-8)


def test_damping_is_added_to_the_diagonal():
    theta = np.random.default_rng(0).normal(size=2)
    signal = exact(LINEAR.log_prob(theta), ADVANTAGE)
    x, _, _ = natural_direction(LINEAR, theta, signal, max_iter=20, damping=0.3)
    jac, _ = dense_direction(LINEAR, theta, signal.gain - signal.loss)
    fisher = jac.T @ (np.exp(LINEAR.log_prob(theta))[:, None] * jac)
    g = jac.T @ (signal.gain - signal.loss)
    np.testing.assert_allclose(x, np.linalg.solve(fisher + 0.3 * np.eye(2), g), rtol=1e-8)


def test_too_few_iterations_are_reported_and_cost_alignment():
    rng = np.random.default_rng(4)
    theta = NETWORK.init(rng=rng)
    log_pi = NETWORK.log_prob(theta)
    advantage = centred(log_pi, rng.normal(size=8))
    signal, cosines = exact(log_pi, advantage), []
    for max_iter in (1, 4, 100):
        x, _, info = natural_direction(NETWORK, theta, signal, max_iter=max_iter, rtol=1e-8)
        cosines.append(simplex.fisher_cosine(NETWORK.jvp(theta, x), advantage, log_pi))
        assert info.converged == (max_iter == 100)
        assert (info.residual <= 1e-8) == info.converged
    assert cosines[0] < cosines[1] < cosines[2]


@pytest.mark.parametrize("direction", ["new_old", "old_new"])
@pytest.mark.parametrize("policy", [LINEAR, NETWORK, tabular(4)], ids=lambda p: p.name)
def test_every_step_respects_the_budget_and_does_not_fall(policy, direction):
    rng = np.random.default_rng(5)
    theta = 0.5 * rng.normal(size=(6, policy.n_params))
    reward = rng.normal(size=policy.n_actions)
    algorithm = trpo(policy, 0.02, direction=direction)
    ride = run(algorithm, theta, lambda s: exact(s.log_pi, reward), 15)
    new, old = ride.log_pi[1:], ride.log_pi[:-1]
    spent = simplex.kl(new, old) if direction == "new_old" else simplex.kl(old, new)
    assert np.all(spent <= 0.02 * (1 + 1e-9))
    np.testing.assert_allclose(ride.info.kl, spent, rtol=1e-9, atol=1e-15)
    rise = np.diff(simplex.expect(ride.log_pi, np.broadcast_to(reward, ride.log_pi.shape)), axis=0)
    np.testing.assert_allclose(ride.info.surrogate, rise, atol=1e-12)
    assert rise.min() >= -1e-12
    assert ride.log_pi.shape == (16, 6, policy.n_actions)


def test_a_search_that_fails_stays_where_it_is():
    # A skewed advantage overspends the budget, and there is no second try.
    algorithm = trpo(tabular(4), 1e-3, max_backtracks=0)
    state = algorithm.init(LOG_PI)
    after, info = algorithm.step(state, exact(LOG_PI, ADVANTAGE))
    assert (bool(info.accepted), float(info.eta), float(info.kl)) == (False, 0.0, 0.0)
    np.testing.assert_array_equal(after.log_pi, state.log_pi)


def test_the_search_also_asks_for_a_rise():
    # Where directions are shared, a long step may stay within the budget and yet lose.
    rng = np.random.default_rng(1)
    theta = rng.normal(size=(50, NETWORK.n_params))
    log_pi = NETWORK.log_prob(theta)
    advantage = rng.normal(size=(50, 8))
    lost = {}
    for line_search in (True, False):
        algorithm = trpo(NETWORK, 2.0, line_search=line_search)
        _, info = algorithm.step(algorithm.init(theta), exact(log_pi, advantage))
        lost[line_search] = np.sum((info.surrogate < 0) & (info.kl <= 2.0))
    assert lost[True] == 0
    assert lost[False] > 0


def test_no_advantage_no_step():
    algorithm = trpo(tabular(4), 0.01)
    with np.errstate(all="raise", under="ignore"):
        state, info = algorithm.step(algorithm.init(LOG_PI), exact(LOG_PI, np.zeros(4)))
    np.testing.assert_allclose(state.log_pi, LOG_PI, atol=1e-15)
    assert (bool(info.accepted), float(info.kl)) == (True, 0.0)


def test_an_impossible_action_stays_impossible():
    log_pi = np.append(LOG_PI, -np.inf)
    algorithm = trpo(tabular(5), 0.01)
    ride = run(algorithm, log_pi, lambda s: exact(s.log_pi, [0, 0, 0, 1, 9]), 3)
    assert np.all(ride.log_pi[:, 4] == -np.inf)
    assert np.all(np.isfinite(ride.log_pi[:, :4]))


def test_fixed_budget_never_settles():
    # With the free-energy advantage TRPO hops across the optimum, mean KL = radius/3 (R37).
    log_ref, reward, tau = LOG_PI, np.array([1.0, 0.0, 0.3, 0.5]), 0.5
    target, radius = simplex.tilt(log_ref, reward / tau), 1e-3

    def signal(state):
        pull = reward - tau * (state.log_pi - log_ref)
        return exact(state.log_pi, centred(state.log_pi, pull))

    algorithm = trpo(tabular(4), radius, line_search=False, max_iter=30)
    ride = run(algorithm, log_ref, signal, 600)
    distance = simplex.kl(ride.log_pi[200:], target)
    assert distance.mean() == pytest.approx(radius / 3, rel=0.1)


def test_noise_is_told_apart_from_geometry():
    # The same algorithm with samples: direction error shrinks as one over the root of n.
    sizes, errors = np.array([100, 1000, 10_000]), []
    batch = np.broadcast_to(LOG_PI, (300, 4))
    for n in sizes:
        algorithm = natural_gradient(tabular(4), 1.0, max_iter=30)
        a = centred(LOG_PI, ADVANTAGE)
        signal = sampled(batch, a, int(n), rng=np.random.default_rng(0))
        state, _ = algorithm.step(algorithm.init(batch), signal)
        errors.append(np.sqrt(np.mean((state.log_pi - explicit_step(LOG_PI, a, 1.0)) ** 2)))
    assert order(sizes, errors) == pytest.approx(-0.5, abs=0.05)


BAD = {
    "radius": (lambda: trpo(tabular(2), 0.0), "kl_radius"),
    "direction": (lambda: trpo(tabular(2), 0.1, direction="forward"), "direction"),
    "damping": (lambda: trpo(tabular(2), 0.1, damping=-1.0), "damping"),
    "eta": (lambda: natural_gradient(tabular(2), -1.0), "eta"),
    "nan": (lambda: natural_gradient(tabular(2), np.nan), "eta"),
    "start": (lambda: trpo(tabular(2), 0.1).init([0.0, 0.0, 0.0]), "theta"),
}


@pytest.mark.parametrize(("call", "words"), BAD.values(), ids=BAD)
def test_wrong_input(call, words):
    with pytest.raises(ValueError, match=words):
        call()


def test_the_start_is_checked_also_for_a_policy_that_does_not_check():
    trusting = tabular(2)._replace(log_prob=np.asarray)
    for algorithm in (trpo(trusting, 0.1), natural_gradient(trusting, 0.1)):
        with pytest.raises(ValueError, match=r"^theta must be finite or -inf; got .*nan"):
            algorithm.init([0.0, np.nan])


def test_the_search_goes_on_in_a_policy_with_a_batch_of_its_own():
    # One base in a hundred makes the advantage skewed, and its step is shrunk.
    base = simplex.log_normalize(np.append(np.tile(LOG_PI[::-1], (99, 1)), [LOG_PI], axis=0))
    whole = trpo(linear(np.eye(4), base), 1e-3)
    state, info = whole.step(*felt(whole, np.zeros((100, 4))))
    assert 0 < info.n_backtracks.astype(bool).sum() < 50
    for row in (0, 99):
        alone = trpo(linear(np.eye(4), base[row]), 1e-3)
        same, told = alone.step(*felt(alone, np.zeros(4)))
        np.testing.assert_allclose(state.log_pi[row], same.log_pi, rtol=1e-12)
        assert info.n_backtracks[row] == told.n_backtracks


def felt(algorithm, theta):
    """Return a state and the exact signal of one advantage there."""
    state = algorithm.init(theta)
    return state, exact(state.log_pi, ADVANTAGE - np.exp(state.log_pi) @ ADVANTAGE[:, None])


@pytest.mark.parametrize("make", [lambda p: trpo(p, 0.05), lambda p: natural_gradient(p, 5.0)])
def test_a_policy_that_is_all_but_certain_does_not_break_its_step(make):
    """Its Fisher matrix underflows to entries by which nothing can be divided."""
    rng = np.random.default_rng(0)
    reward, algorithm = rng.normal(size=(500, 16)), make(tabular(16))
    state = algorithm.init(rng.normal(size=(500, 16)))
    for _ in range(40):
        mean = np.sum(np.exp(state.log_pi) * reward, axis=-1, keepdims=True)
        state, _ = algorithm.step(state, exact(state.log_pi, reward - mean))
    assert np.all(np.isfinite(state.log_pi))
    best = np.take_along_axis(np.exp(state.log_pi), reward.argmax(-1)[:, None], -1)[:, 0]
    assert np.mean(best > 0.9) > 0.9


def test_a_direction_that_is_not_felt_is_not_followed():
    # One cell whose direction has no length to speak of must not end the others.
    log_pi = simplex.log_normalize(np.array([[0.0, -700.0, -800.0], [0.0, 0.0, 0.0]]))
    algorithm = trpo(tabular(3), 1e-2)
    state = algorithm.init(log_pi)
    with np.errstate(all="raise", under="ignore"):
        after, info = algorithm.step(state, exact(log_pi, [[0.0, 1e-8, 0.0], [0.0, 1.0, 2.0]]))
    assert np.all(np.isfinite(after.log_pi))
    assert np.all(np.isfinite(info.eta))
    assert info.kl[1] == pytest.approx(0.01, rel=0.5)
    _, alone = algorithm.step(algorithm.init(log_pi[1]), exact(log_pi[1], [0.0, 1.0, 2.0]))
    assert info.eta[1] == pytest.approx(float(alone.eta), rel=1e-12)

"""Policies: derivatives against differences, and the Fisher matrix against its definition."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from klrl_lite import simplex
from klrl_lite.policies import (
    autoregressive,
    fisher_vector_product,
    linear,
    sequences,
    tabular,
    tangent_at,
)

FEATURES = np.random.default_rng(0).normal(size=(6, 3))
BASE = simplex.log_normalize(np.random.default_rng(1).normal(size=6))
POLICIES = {
    "tabular": tabular(5),
    "linear": linear(FEATURES, BASE),
    "linear, no base": linear(FEATURES),
    "binary sequences": autoregressive(4, 3),
    "three letters": autoregressive(2, 4, vocabulary=3),
    "one step": autoregressive(1, 2),
}
EACH = pytest.mark.parametrize("policy", POLICIES.values(), ids=POLICIES)


def draw(policy, *batch, seed=0):
    rng = np.random.default_rng(seed)
    theta, v = rng.normal(size=(2, *batch, policy.n_params))
    return theta, v, rng.normal(size=(*batch, policy.n_actions))


def jacobian(policy, theta):
    """d log pi / d theta, (A, P), by Richardson's extrapolation of central differences."""

    def central(h):
        ends = (policy.log_prob(theta + s * h * np.eye(policy.n_params)) for s in (1, -1))
        return np.subtract(*ends).T / (2 * h)

    return (4 * central(1e-3) - central(2e-3)) / 3


@EACH
@settings(max_examples=10)
@given(seed=st.integers(0, 10_000))
def test_derivatives_against_differences(policy, seed):
    theta, v, w = draw(policy, seed=seed)
    j = jacobian(policy, theta)
    # The next order of the extrapolation is h^4 times a fifth derivative.
    np.testing.assert_allclose(policy.jvp(theta, v), j @ v, atol=1e-8)
    np.testing.assert_allclose(policy.vjp(theta, w), w @ j, atol=1e-8)


@EACH
@settings(max_examples=10)
@given(seed=st.integers(0, 10_000))
def test_jvp_and_vjp_are_transposed(policy, seed):
    theta, v, w = draw(policy, 3, seed=seed)
    left = np.sum(w * policy.jvp(theta, v), axis=-1)
    right = np.sum(v * policy.vjp(theta, w), axis=-1)
    np.testing.assert_allclose(left, right, rtol=1e-11, atol=1e-12)


@EACH
def test_a_tangent_gives_the_same_derivatives(policy):
    theta, v, w = draw(policy, 3)
    # A policy that brings no tangent of its own gets one from its three functions.
    for here in (tangent_at(policy, theta), tangent_at(policy._replace(tangent=None), theta)):
        np.testing.assert_array_equal(here.log_pi, policy.log_prob(theta))
        np.testing.assert_array_equal(here.jvp(v), policy.jvp(theta, v))
        np.testing.assert_array_equal(here.vjp(w), policy.vjp(theta, w))


@EACH
def test_policies_are_normalized_and_scores_have_mean_zero(policy):
    theta, v, _ = draw(policy, 2, 3)
    log_pi = policy.log_prob(theta)
    assert log_pi.shape == (2, 3, policy.n_actions)
    np.testing.assert_allclose(np.exp(log_pi).sum(axis=-1), 1.0, rtol=1e-13)
    assert np.abs(simplex.expect(log_pi, policy.jvp(theta, v))).max() < 1e-14
    np.testing.assert_allclose(policy.vjp(theta, np.exp(log_pi)), 0.0, atol=1e-15)


@EACH
def test_a_batch_is_the_stack_of_its_cells(policy):
    theta, v, w = draw(policy, 2, 3)
    together = policy.log_prob(theta), policy.jvp(theta, v), policy.vjp(theta, w)
    for i in np.ndindex(2, 3):
        alone = policy.log_prob(theta[i]), policy.jvp(theta[i], v[i]), policy.vjp(theta[i], w[i])
        for whole, cell in zip(together, alone, strict=True):
            np.testing.assert_allclose(whole[i], cell, rtol=1e-12, atol=1e-15)
    # One theta and many directions, and the other way round.
    np.testing.assert_allclose(policy.vjp(theta[0, 0], w)[1, 2], policy.vjp(theta[0, 0], w[1, 2]))
    np.testing.assert_allclose(policy.jvp(theta, v[0, 0])[1, 2], policy.jvp(theta[1, 2], v[0, 0]))


@EACH
def test_fisher_product_is_the_covariance_of_the_score(policy):
    theta, v, _ = draw(policy)
    j, pi = jacobian(policy, theta), np.exp(policy.log_prob(theta))
    fisher = j.T @ (pi[:, None] * j)
    np.testing.assert_allclose(fisher_vector_product(policy, theta, v), fisher @ v, atol=1e-7)


@EACH
def test_fisher_is_the_second_order_of_both_kls(policy):
    theta, v, _ = draw(policy)
    quadratic = 0.5 * v @ fisher_vector_product(policy, theta, v)
    sizes, errors = np.array([1e-2, 5e-3, 2.5e-3]), []
    for h in sizes:
        pair = policy.log_prob(theta), policy.log_prob(theta + h * v)
        errors.append([abs(simplex.kl(*p) / h**2 - quadratic) for p in (pair, pair[::-1])])
    slopes = np.polyfit(np.log(sizes), np.log(errors), 1)[0]
    np.testing.assert_allclose(slopes, 1.0, atol=0.15)


def test_starts():
    assert np.exp(tabular(4).log_prob(tabular(4).init())).tolist() == [0.25] * 4
    log_pi = np.array([np.log(0.3), -np.inf, np.log(0.7)])
    policy = tabular(3)
    np.testing.assert_allclose(policy.log_prob(policy.init(log_pi)), log_pi)
    policy = linear(FEATURES, BASE)
    np.testing.assert_allclose(policy.log_prob(policy.init()), BASE)
    policy = autoregressive(3, 4)
    theta = policy.init(rng=np.random.default_rng(0), batch=(5, 2))
    assert theta.shape == (5, 2, policy.n_params)
    assert np.ptp(policy.log_prob(theta), axis=0).min() > 0
    even = policy.init(rng=np.random.default_rng(0), scale=0.0)
    np.testing.assert_allclose(policy.log_prob(even), -3 * np.log(2))


def test_an_impossible_action_stays_impossible():
    policy, theta = tabular(3), np.array([0.0, -np.inf, 1.0])
    assert policy.log_prob(theta)[1] == -np.inf
    assert policy.vjp(theta, [1.0, 0.0, -1.0])[1] == 0
    assert np.all(np.isfinite(fisher_vector_product(policy, theta, [1.0, 2.0, 3.0])))


def test_parameters_that_leave_no_action_possible_are_named():
    # Finite ones whose logits all overflow.
    with np.errstate(over="ignore"), pytest.raises(ValueError, match=r"^theta must leave"):
        linear([[-10.0], [-20.0]]).log_prob([1e308])


def plain_sequence_log_prob(policy_shape, theta, tokens):
    """One sequence through the network of the docstring, token by token."""
    k, width, v = policy_shape
    n_in = k + (k - 1) * v
    w = theta[: n_in * width].reshape(n_in, width)
    u = theta[n_in * width : n_in * width + width * v].reshape(width, v)
    c = theta[n_in * width + width * v :]
    total = 0.0
    for t in range(k):
        x = np.zeros(n_in)
        x[t] = 1.0
        for s in range(t):
            x[k + s * v + tokens[s]] = 1.0
        logits = np.tanh(x @ w) @ u + c
        total += logits[tokens[t]] - np.log(np.sum(np.exp(logits)))
    return total


@pytest.mark.parametrize(("k", "width", "v"), [(1, 2, 2), (4, 3, 2), (3, 2, 3)])
def test_sequences_one_by_one(k, width, v):
    policy = autoregressive(k, width, vocabulary=v)
    theta = policy.init(rng=np.random.default_rng(2), scale=2.0)
    listed = sequences(k, v)
    assert listed.shape == (v**k, k) == (policy.n_actions, k)
    assert len({tuple(row) for row in listed.tolist()}) == v**k
    plain = [plain_sequence_log_prob((k, width, v), theta, row) for row in listed]
    np.testing.assert_allclose(policy.log_prob(theta), plain, rtol=1e-12)


BAD = {
    "no action": (lambda: tabular(0), "n_actions"),
    "other count": (lambda: tabular(3).log_prob(np.zeros(2)), "theta must have 3"),
    "nan": (lambda: tabular(2).log_prob([0.0, np.nan]), "theta"),
    "direction": (lambda: tabular(2).jvp(np.zeros(2), np.zeros(3)), "v must have 2"),
    "weights": (lambda: linear(FEATURES).vjp(np.zeros(3), np.zeros(3)), "w must have 6"),
    "batches": (lambda: tabular(2).jvp(np.zeros((2, 2)), np.zeros((3, 2))), "broadcast together"),
    "features": (lambda: linear(np.zeros(3)), "features must have two axes"),
    "base": (lambda: linear(FEATURES, np.log([0.5, 0.5])), "log_base"),
    "no policy": (lambda: tabular(2).init([0.0, 0.0]), "log_pi"),
    "no step": (lambda: autoregressive(0, 2), "n_steps"),
    "one letter": (lambda: autoregressive(2, 2, vocabulary=1), "vocabulary"),
    "no unit": (lambda: autoregressive(2, 0), "n_hidden"),
    "half a step": (lambda: autoregressive(2.5, 2), "n_steps"),
    "infinite": (lambda: autoregressive(2, 2).log_prob(np.full(18, -np.inf)), "theta"),
}


@pytest.mark.parametrize(("call", "words"), BAD.values(), ids=BAD)
def test_wrong_input(call, words):
    with pytest.raises(ValueError, match=words):
        call()

"""PPO: the clipped surrogate sample by sample, its gradient, and what it reduces to."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from samples import policies, vectors

from klrl_lite import gibbs, simplex
from klrl_lite.algorithms import run
from klrl_lite.algorithms.ppo import (
    clipped_surrogate,
    clipped_surrogate_gradient,
    ppo,
    reference_gradient,
)
from klrl_lite.policies import autoregressive, linear, tabular
from klrl_lite.signals import KL_TERMS, Signal, exact, gae, kl_gradient_term, sampled

LOG_PI = np.log([0.1, 0.2, 0.3, 0.4])
ADVANTAGE = np.array([2.0, -1.0, 0.5, -0.6])
REWARD, TAU = np.array([1.0, 0.0, 0.3, 0.5]), 0.5


def surrogate_of_samples(rho, advantages, actions, low, high, dual):
    """Mean of min(rho A, clip(rho) A), sample by sample; the dual clip as in its paper."""
    total = 0.0
    for a, advantage in zip(actions, advantages, strict=True):
        plain = min(rho[a] * advantage, min(max(rho[a], 1 - low), 1 + high) * advantage)
        total += max(plain, dual * advantage) if advantage < 0 else plain
    return total / len(actions)


@settings(max_examples=40)
@given(
    st.integers(0, 10_000),
    st.sampled_from([0.0, 0.2, 0.7, np.inf]),
    st.sampled_from([None, 0.05, 0.5]),
    st.sampled_from([np.inf, 1.5, 3.0]),
)
def test_counts_give_the_mean_over_samples(seed, clip, clip_high, dual):
    rng = np.random.default_rng(seed)
    actions, advantages = rng.integers(0, 4, 30), rng.normal(size=30)
    # Advantages differ within an action, as in groups: gain and loss hold all there is to know.
    parts = np.zeros((3, 4))
    for a, x in zip(actions, advantages, strict=True):
        parts[:, a] += np.array([1.0, max(x, 0.0), max(-x, 0.0)]) / 30
    log_ratio = rng.normal(size=4)
    ours = clipped_surrogate(log_ratio, Signal(*parts), clip, clip_high=clip_high, dual_clip=dual)
    high = clip if clip_high is None else clip_high
    plain = surrogate_of_samples(np.exp(log_ratio), advantages, actions, clip, high, dual)
    assert ours == pytest.approx(plain, rel=1e-12, abs=1e-14)


@settings(max_examples=40)
@given(st.integers(0, 10_000), st.sampled_from([0.1, 0.4, np.inf]), st.sampled_from([np.inf, 2.0]))
def test_gradient_by_differences(seed, clip, dual):
    rng = np.random.default_rng(seed)
    log_ratio, (weight, gain, loss) = rng.normal(size=4), rng.uniform(0.1, 1, (3, 4))
    signal, h = Signal(weight, gain, loss), 1e-6
    numeric = [
        (clipped_surrogate(log_ratio + h * e, signal, clip, dual_clip=dual)
         - clipped_surrogate(log_ratio - h * e, signal, clip, dual_clip=dual)) / (2 * h)
        for e in np.eye(4)
    ]  # fmt: skip
    ours = clipped_surrogate_gradient(log_ratio, signal, clip, dual_clip=dual)
    np.testing.assert_allclose(ours, numeric, rtol=1e-6, atol=1e-8)


def test_the_clip_acts_on_one_side_only():
    signal = exact(np.log([0.5, 0.5]), [1.0, -1.0])
    far_good, far_bad = np.log([1.5, 0.5]), np.log([0.5, 1.5])
    assert clipped_surrogate_gradient(far_good, signal, 0.2).tolist() == [0.0, -0.0]
    np.testing.assert_allclose(clipped_surrogate_gradient(far_bad, signal, 0.2), [0.25, -0.75])
    # A flat top: anything beyond the interval is worth the same, up to a KL of log 2.
    ratios = np.log(np.stack([np.array([1.2, 1.5, 1.99]), np.array([0.8, 0.5, 0.01])], axis=-1))
    np.testing.assert_allclose(clipped_surrogate(ratios, signal, 0.2), 0.2)


def test_value_and_slope_at_the_old_policy_do_not_know_the_clip():
    signal = exact(LOG_PI, ADVANTAGE)
    for clip in (0.0, 0.2, np.inf):
        value = clipped_surrogate(np.zeros(4), signal, clip)
        assert value == pytest.approx(np.exp(LOG_PI) @ ADVANTAGE)
        slope = clipped_surrogate_gradient(np.zeros(4), signal, clip)
        np.testing.assert_allclose(slope, np.exp(LOG_PI) * ADVANTAGE)


def test_extreme_ratios():
    signal = exact(LOG_PI, [1.0, 0.0, 0.0, -1.0])
    with np.errstate(over="raise", invalid="raise"):
        for clip in (0.2, np.inf):
            for log_ratio in (np.full(4, 800.0), np.full(4, -800.0), np.full(4, -np.inf)):
                assert np.isfinite(clipped_surrogate(log_ratio, signal, clip))
                assert np.all(np.isfinite(clipped_surrogate_gradient(log_ratio, signal, clip)))


# --- what PPO reduces to ---

NETWORK = autoregressive(2, 3)
FAMILY = [tabular(4), linear(np.random.default_rng(0).normal(size=(4, 2)), LOG_PI), NETWORK]


@pytest.mark.parametrize("policy", FAMILY, ids=lambda p: p.name)
def test_one_plain_epoch_without_clip_is_the_policy_gradient(policy):
    theta = np.random.default_rng(1).normal(size=policy.n_params)
    signal = sampled(policy.log_prob(theta), ADVANTAGE, 50, rng=np.random.default_rng(2))
    expected = theta + 0.3 * policy.vjp(theta, signal.gain - signal.loss)
    for clip in (np.inf, 0.2, 0.0):  # nor does a clip matter in the first epoch
        algorithm = ppo(policy, clip=clip, epochs=1, learning_rate=0.3, optimizer="sgd")
        state, _ = algorithm.step(algorithm.init(theta), signal)
        np.testing.assert_array_equal(state.theta, expected)


def test_the_first_step_of_adam_keeps_only_signs():
    algorithm = ppo(tabular(4), epochs=1, learning_rate=0.1)
    a = ADVANTAGE - np.exp(LOG_PI) @ ADVANTAGE
    state, _ = algorithm.step(algorithm.init(LOG_PI), exact(LOG_PI, a))
    np.testing.assert_allclose(state.theta - LOG_PI, 0.1 * np.sign(a), rtol=1e-6)


def test_epochs_are_single_steps_on_one_old_policy():
    # Three epochs by hand, with plain ascent: the ratio is always to the policy at the start.
    signal, theta = exact(LOG_PI, ADVANTAGE), LOG_PI.copy()
    for _ in range(3):
        log_pi = simplex.log_normalize(theta)
        w = clipped_surrogate_gradient(log_pi - LOG_PI, signal, 0.1)
        theta = theta + 0.5 * (w - np.exp(log_pi) * w.sum())
    algorithm = ppo(tabular(4), clip=0.1, epochs=3, learning_rate=0.5, optimizer="sgd")
    state, info = algorithm.step(algorithm.init(LOG_PI), signal)
    np.testing.assert_allclose(state.theta, theta, rtol=1e-13)
    assert info.kl == pytest.approx(simplex.kl(state.log_pi, LOG_PI))


def test_the_shaped_advantage_leads_to_gibbs_and_the_bare_one_to_the_best_action():
    algorithm = ppo(tabular(4), clip=0.2, epochs=2, learning_rate=1.0, optimizer="sgd")

    def shaped(state):
        return exact(state.log_pi, gibbs.soft_advantage(state.log_pi, LOG_PI, REWARD, TAU))

    target = gibbs.log_gibbs(LOG_PI, REWARD, TAU)
    end = run(algorithm, LOG_PI, shaped, 250).state.log_pi
    np.testing.assert_allclose(end, target, atol=1e-10)

    def bare(state):
        return exact(state.log_pi, REWARD - np.exp(state.log_pi) @ REWARD)

    fast = ppo(tabular(4), clip=0.2, epochs=2, learning_rate=10.0, optimizer="sgd")
    assert np.exp(run(fast, LOG_PI, bare, 200).state.log_pi[0]) > 0.99


def test_the_penalty_in_the_loss_has_the_same_fixed_point():
    algorithm = ppo(
        tabular(4), epochs=2, learning_rate=1.0, optimizer="sgd", log_ref=LOG_PI, beta=TAU
    )

    def bare(state):
        return exact(state.log_pi, REWARD - np.exp(state.log_pi) @ REWARD)

    end = run(algorithm, LOG_PI, bare, 250).state.log_pi
    np.testing.assert_allclose(end, gibbs.log_gibbs(LOG_PI, REWARD, TAU), atol=1e-10)


def test_fractions_of_what_is_clipped():
    algorithm = ppo(tabular(2), clip=0.2, epochs=30, learning_rate=0.05)
    log_pi = np.log([0.5, 0.5])
    state, info = algorithm.step(algorithm.init(log_pi), exact(log_pi, [1.0, -1.0]))
    rho = np.exp(state.log_pi - log_pi)
    assert rho[0] > 1.2  # the clip does not confine the ratio
    assert rho[1] < 0.8
    assert (info.clip_fraction, info.outside_fraction) == (1.0, 1.0)
    # A ratio that left on the wrong side is counted as outside, and is not clipped.
    push = exact(log_pi, [1.0, 0.0])
    low = ppo(tabular(2), clip=0.2, epochs=1, learning_rate=1e-9)
    _, info = low.step(low.init(log_pi), push)
    assert (info.clip_fraction, info.outside_fraction) == (0.0, 0.0)


# --- the reference ---


@pytest.mark.parametrize("kind", KL_TERMS)
def test_reference_gradient(kind):
    rng = np.random.default_rng(7)
    log_pi, log_old, log_ref = simplex.log_normalize(rng.normal(size=(3, 4)))
    signal = sampled(log_old, ADVANTAGE, 9, rng=rng)
    ours = reference_gradient(log_pi, log_old, log_ref, signal, kind)
    d = log_pi - log_ref
    expected = {
        "exact": np.exp(log_pi) * d,
        "k1_in_reward": np.zeros(4),
    }.get(kind, signal.weight * kl_gradient_term(d, kind, log_pi - log_old))
    np.testing.assert_allclose(ours, expected, rtol=1e-12)


def test_reference_gradient_where_nothing_can_be_sampled():
    log_pi = np.append(LOG_PI, -np.inf)
    for log_ref in (log_pi, np.append(LOG_PI + np.log(0.5), np.log(0.5))):
        for kind in KL_TERMS:
            ours = reference_gradient(log_pi, log_pi, log_ref, exact(log_pi, np.ones(5)), kind)
            assert ours[4] == 0
            assert np.all(np.isfinite(ours))


@pytest.mark.parametrize("kind", KL_TERMS)
def test_reference_gradient_of_several_policies_on_one_signal(kind):
    batch = np.stack([LOG_PI, LOG_PI[::-1]])
    signal = exact(LOG_PI, ADVANTAGE)
    ours = reference_gradient(batch, LOG_PI, LOG_PI, signal, kind)
    alone = [reference_gradient(one, LOG_PI, LOG_PI, signal, kind) for one in batch]
    np.testing.assert_allclose(ours, alone, rtol=1e-14, strict=True)


# --- the critic ---


def test_the_critic_learns_the_mean_reward():
    algorithm = ppo(tabular(4), learning_rate=1e-9, critic_rate=0.5)

    def signal(state):
        # One step, so that the estimate of the advantage is r - V whatever lam is.
        advantage = gae(REWARD[:, None], np.full((4, 1), state.value), 0.0, [True], 1.0, 0.95)
        return exact(state.log_pi, advantage[:, 0])

    ride = run(algorithm, LOG_PI, signal, 60, record=lambda state, info: state.value)
    mean = np.exp(LOG_PI) @ REWARD
    np.testing.assert_allclose(ride.info[:4] / mean, [0.5, 0.75, 0.875, 0.9375], rtol=1e-6)
    assert ride.state.value == pytest.approx(mean, rel=1e-6)


def test_a_wrong_critic_changes_what_the_clip_sees_and_nothing_else():
    right = REWARD - np.exp(LOG_PI) @ REWARD
    for clip, same in ((np.inf, True), (0.1, False)):
        ends = []
        for error in (0.0, 0.4):
            algorithm = ppo(tabular(4), clip=clip, epochs=20, learning_rate=0.5, optimizer="sgd")
            state, _ = algorithm.step(algorithm.init(LOG_PI), exact(LOG_PI, right + error))
            ends.append(state.log_pi)
        assert np.allclose(*ends, atol=1e-10) == same


@settings(max_examples=20)
@given(policies(3, holes=True), vectors(3))
def test_nothing_is_nan(log_pi, advantage):
    for optimizer in ("adam", "sgd"):
        algorithm = ppo(
            tabular(3), learning_rate=0.3, optimizer=optimizer, log_ref=log_pi, beta=0.1
        )
        ride = run(algorithm, log_pi, lambda s: exact(s.log_pi, advantage), 5)
        assert not np.any(np.isnan(ride.log_pi))
        np.testing.assert_allclose(np.exp(ride.log_pi).sum(axis=-1), 1.0)
        assert np.all(ride.log_pi[:, log_pi == -np.inf] == -np.inf)


SIGNAL = exact(LOG_PI, ADVANTAGE)
BAD = {
    "clip": (lambda: clipped_surrogate(np.zeros(4), SIGNAL, -0.1), "clip"),
    "clip high": (lambda: ppo(tabular(2), clip_high=-0.1), "clip_high"),
    "dual clip": (lambda: ppo(tabular(2), dual_clip=0.9), "dual_clip"),
    "nan": (lambda: clipped_surrogate(np.full(4, np.nan), SIGNAL, 0.1), "log_ratio"),
    "optimizer": (lambda: ppo(tabular(2), optimizer="lion"), "optimizer"),
    "rate": (lambda: ppo(tabular(2), learning_rate=0.0), "learning_rate"),
    "epochs": (lambda: ppo(tabular(2), epochs=0), "epochs"),
    "half an epoch": (lambda: ppo(tabular(2), epochs=1.5), "epochs"),
    "no reference": (lambda: ppo(tabular(2), beta=0.1), "log_ref"),
    "beta": (lambda: ppo(tabular(2), beta=-0.1, log_ref=np.log([0.5, 0.5])), "beta"),
    "reference": (lambda: ppo(tabular(2), beta=0.1, log_ref=[0.0, 0.0]), "log_ref"),
    "penalty": (lambda: ppo(tabular(2), penalty="k4"), "penalty"),
    "kind": (lambda: reference_gradient(LOG_PI, LOG_PI, LOG_PI, SIGNAL, "k4"), "kind"),
    "critic": (lambda: ppo(tabular(2), critic_rate=0.0), "critic_rate"),
}


@pytest.mark.parametrize(("call", "words"), BAD.values(), ids=BAD)
def test_wrong_input(call, words):
    with pytest.raises(ValueError, match=words):
        call()

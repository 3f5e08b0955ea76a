"""GRPO: the factor of the group mean, the penalties, and where each convention comes to rest."""

import numpy as np
import pytest

from klrl_lite import equilibria, gibbs, simplex
from klrl_lite.algorithms import run
from klrl_lite.algorithms.base import PolicyState
from klrl_lite.algorithms.grpo import group_signal, grpo
from klrl_lite.algorithms.ppo import ppo
from klrl_lite.plots.grpo import ladder_runs
from klrl_lite.policies import autoregressive, sequences, tabular
from klrl_lite.signals import KL_TERMS, exact, grouped_expected

LOG_REF = np.log([0.4, 0.3, 0.2, 0.1])
REWARD = np.array([0.0, 0.25, 1.0, 1.0])
BINARY = np.array([0.0, 1.0])


def settle(log_ref, reward, beta, penalty, size, n_steps=250, rate=3.0, start=None, **options):
    """The fixed point of the expected update, from the reference (or from `start`)."""
    algorithm = grpo(tabular(len(reward)), log_ref=log_ref, beta=beta, penalty=penalty,
                     learning_rate=rate, optimizer="sgd")  # fmt: skip
    signal = group_signal(reward, size, log_ref=log_ref, beta=beta, penalty=penalty, **options)
    state = algorithm.init(log_ref if start is None else start)
    for _ in range(n_steps):
        state, _ = algorithm.step(state, signal(state))
    return state.log_pi


def two(p):
    return np.log([1 - p, p])


# --- the group mean ---


@pytest.mark.parametrize("policy", [tabular(4), autoregressive(2, 3)], ids=lambda p: p.name)
def test_without_std_the_update_is_the_gradient_times_one_minus_one_over_g(policy):
    theta = np.random.default_rng(0).normal(size=policy.n_params)
    log_pi = policy.log_prob(theta)
    exact_step = policy.vjp(theta, np.exp(log_pi) * REWARD)
    for size in (2, 4, 9):
        for baseline, factor in (("mean", 1 - 1 / size), ("leave_one_out", 1.0)):
            signal = grouped_expected(log_pi, REWARD, size, normalize=False, baseline=baseline)
            algorithm = grpo(policy, log_ref=log_pi, beta=0.0, learning_rate=0.1, optimizer="sgd")
            state, _ = algorithm.step(algorithm.init(theta), signal)
            np.testing.assert_allclose(state.theta - theta, 0.1 * factor * exact_step, atol=1e-14)


def test_large_groups_tend_to_the_standardized_gradient():
    # With the std the deviation from A/sigma falls as 1/G: measured, not exact.
    centred = REWARD - np.exp(LOG_REF) @ REWARD
    sigma = np.sqrt(np.exp(LOG_REF) @ centred**2)
    sizes, errors = np.array([16, 32, 64, 128]), []
    for size in sizes:
        signal = grouped_expected(LOG_REF, REWARD, int(size))
        errors.append(np.abs(signal.gain - signal.loss - np.exp(LOG_REF) * centred / sigma).max())
    slope = np.polyfit(np.log(sizes), np.log(errors), 1)[0]
    assert slope == pytest.approx(-1.0, abs=0.06)


# --- the penalty ---


@pytest.mark.parametrize("penalty", KL_TERMS)
def test_the_step_is_the_signal_minus_beta_times_the_penalty(penalty):
    # Independent of reference_gradient: on-policy forces in logits, from their expectations.
    log_pi = simplex.log_normalize(np.random.default_rng(1).normal(size=4))
    pi, ref, d = np.exp(log_pi), np.exp(LOG_REF), log_pi - LOG_REF
    true, wrong = pi * (d - pi @ d), pi - ref
    pull = {"k1": 0 * pi, "k1_in_reward": 0 * pi, "k3": wrong}.get(penalty, true)
    algorithm = grpo(tabular(4), log_ref=LOG_REF, beta=0.7, penalty=penalty, learning_rate=1.0,
                     optimizer="sgd")  # fmt: skip
    state, _ = algorithm.step(algorithm.init(log_pi), exact(log_pi, np.zeros(4)))
    np.testing.assert_allclose(state.theta - log_pi, -0.7 * pull, atol=1e-14)


def test_the_penalty_of_later_epochs():
    # Off-policy the corrected k3 and the exact KL still agree, and plain k3 and k2 move away.
    log_pi = simplex.log_normalize(np.random.default_rng(2).normal(size=4))
    ends = {}
    for penalty in ("exact", "k3_corrected", "k2", "k3", "k1"):
        algorithm = grpo(tabular(4), log_ref=LOG_REF, beta=1.0, penalty=penalty, epochs=5,
                         learning_rate=0.5, optimizer="sgd")  # fmt: skip
        state, _ = algorithm.step(algorithm.init(log_pi), exact(log_pi, np.zeros(4)))
        ends[penalty] = state.log_pi
    np.testing.assert_allclose(ends["k3_corrected"], ends["exact"], atol=1e-14)
    for penalty in ("k2", "k3", "k1"):
        assert np.abs(ends[penalty] - ends["exact"]).max() > 1e-3
    # k1 has no force on its own samples, so that it never gets off them.
    assert np.abs(ends["k1"] - log_pi).max() < 1e-15


# --- where it comes to rest ---


@pytest.mark.parametrize("penalty", ["exact", "k2", "k3_corrected"])
def test_without_std_it_is_gibbs_at_a_hotter_temperature(penalty):
    beta, size = 0.6, 4
    mean = settle(LOG_REF, REWARD, beta, penalty, size, normalize=False)
    hotter = gibbs.log_gibbs(LOG_REF, REWARD, beta * size / (size - 1))
    np.testing.assert_allclose(mean, hotter, atol=1e-10)
    others = settle(LOG_REF, REWARD, beta, penalty, size, normalize=False, baseline="leave_one_out")
    np.testing.assert_allclose(others, gibbs.log_gibbs(LOG_REF, REWARD, beta), atol=1e-10)
    assert simplex.kl(mean, others) > 1e-2


def test_with_std_it_is_gibbs_at_beta_sigma_for_two_levels():
    reward = np.array([0.0, 0.0, 1.0, 1.0])
    end = settle(LOG_REF, reward, 1.2, "exact", 32)
    slope = (end - LOG_REF)[2] - (end - LOG_REF)[0]
    p = np.exp(end[2:]).sum()
    force = equilibria.std_advantage_force(p, 32)
    assert slope == pytest.approx(force / 1.2, rel=1e-9)
    # The scale of the reward is not in it.
    np.testing.assert_allclose(settle(LOG_REF, 10 * reward, 1.2, "exact", 32), end, atol=1e-10)


def test_with_std_and_three_levels_it_is_no_gibbs_policy():
    reward = np.array([0.0, 1.0, 4.0])
    log_ref = np.log([0.5, 0.3, 0.2])
    end = settle(log_ref, reward, 1.5, "exact", 4)
    signal = grouped_expected(end, reward, 4)
    # Self-consistent: log(pi/ref) is the expected advantage over beta, up to a constant...
    mean_advantage = (signal.gain - signal.loss) / np.exp(end) / 1.5
    np.testing.assert_allclose(np.diff(end - log_ref), np.diff(mean_advantage), atol=1e-9)
    # ... which is not affine in the reward.
    slopes = np.diff(end - log_ref) / np.diff(reward)
    assert slopes[0] > 1.2 * slopes[1]


@pytest.mark.parametrize("size", [2, 8])
def test_two_levels_against_the_equations_of_state(size):
    p = 0.05
    for penalty, options, expected in (
        ("exact", {}, equilibria.grpo_equilibria(p, 1.2, size)[0][0]),
        ("k2", {}, equilibria.grpo_equilibria(p, 1.2, size)[0][0]),
        ("k3", {}, equilibria.k3_std_fixed_point(p, 1.2, size)),
        ("k2", {"normalize": False}, equilibria.k2_fixed_point(p, 1.2, 1 - 1 / size)),
        ("k3", {"normalize": False}, equilibria.k3_fixed_point(p, 1.2, 1 - 1 / size)),
        ("k3", {"normalize": False, "baseline": "leave_one_out"},
         equilibria.k3_fixed_point(p, 1.2)),
    ):  # fmt: skip
        end = settle(two(p), BINARY, 1.2, penalty, size, n_steps=120, rate=2.5, **options)
        assert np.exp(end[1]) == pytest.approx(expected, rel=1e-9)


def test_ddof_one_is_hotter_by_a_known_factor():
    # Advantages smaller by sqrt(1 - 1/G): the same fixed point at a beta larger by the inverse.
    p, size = 0.05, 8
    end = settle(two(p), BINARY, 1.2, "exact", size, ddof=1)
    hotter = 1.2 / np.sqrt(1 - 1 / size)
    assert np.exp(end[1]) == pytest.approx(equilibria.grpo_equilibria(p, hotter, size)[0][0])


def test_k1_in_the_loss_holds_nothing_back():
    end = settle(two(0.2), BINARY, 5.0, "k1", 4)
    assert np.exp(end[1]) > 0.99


@pytest.mark.parametrize("size", [2, 4])
def test_the_penalty_inside_the_reward_is_gibbs_even_with_std(size):
    # The reward is constant at Gibbs, so every group ties there; a step of given size hops around.
    rate, beta = 0.02, 0.7
    end = settle(LOG_REF, REWARD, beta, "k1_in_reward", size, n_steps=800, rate=rate)
    target = gibbs.log_gibbs(LOG_REF, REWARD, beta)
    np.testing.assert_allclose(end, target, atol=2 * rate)
    # Without std it is exact, and the factor is common to reward and penalty.
    end = settle(LOG_REF, REWARD, beta, "k1_in_reward", size, normalize=False)
    np.testing.assert_allclose(end, target, atol=1e-10)


def test_samples_settle_where_the_expectation_says():
    # Mean-centred groups of 4 with a separate KL: Gibbs at beta 4/3 (S8.7), not at beta.
    p, beta, runs = 0.05, 0.5, 64
    log_ref = np.broadcast_to(two(p), (runs, 2))
    algorithm = grpo(tabular(2), log_ref=log_ref, beta=beta, learning_rate=0.5, optimizer="sgd")
    signal = group_signal(BINARY, 4, 64, rng=np.random.default_rng(0), normalize=False)
    start = np.broadcast_to(two(0.19), (runs, 2))
    path = run(algorithm, start, signal, 300).log_pi
    logit = (path[100:, :, 1] - path[100:, :, 0]).mean(axis=0)
    predicted = equilibria.k2_fixed_point(p, beta, 0.75)
    expected = np.log(predicted / (1 - predicted))
    z = (logit.mean() - expected) / (logit.std(ddof=1) / np.sqrt(runs))
    # The noise bends the mean of a convex law a little; Gibbs at beta is far away.
    assert abs(logit.mean() - expected) < 0.03, z
    assert abs(logit.mean() - (np.log(p / (1 - p)) + 1 / beta)) > 0.4


# --- the rest ---


def test_grpo_is_ppo_with_another_signal():
    theta = np.random.default_rng(3).normal(size=4)
    options = {"clip": 0.1, "epochs": 3, "learning_rate": 0.2, "optimizer": "adam"}
    ours = grpo(tabular(4), log_ref=LOG_REF, beta=0.3, penalty="k2", **options)
    same = ppo(tabular(4), log_ref=LOG_REF, beta=0.3, penalty="k2", **options)
    signal = exact(ours.init(theta).log_pi, REWARD)
    ours, same = (a.step(a.init(theta), signal)[0] for a in (ours, same))
    np.testing.assert_array_equal(ours.theta, same.theta)


def test_a_tied_group_is_pulled_back_by_the_penalty_alone():
    p, log_pi = 0.1, two(0.3)
    algorithm = grpo(tabular(2), log_ref=two(p), beta=0.5, learning_rate=1.0, optimizer="sgd")
    signal = grouped_expected(log_pi, [1.0, 1.0], 8)
    state, _ = algorithm.step(algorithm.init(log_pi), signal)
    # S8.15: -0.142 on the logit, for P = 0.3, p = 0.1, beta = 0.5.
    assert (state.theta - log_pi)[1] == pytest.approx(-0.142, abs=5e-4)


def test_group_signal_reads_the_state_and_nothing_else():
    state, rng = PolicyState(LOG_REF), np.random.default_rng(0)
    drawn = group_signal(REWARD, 4, 5, rng=rng, normalize=False)(state)
    assert (drawn.weight * 20 % 1 == 0).all()
    shaped = group_signal(REWARD, 4, log_ref=LOG_REF, beta=0.5, penalty="k1_in_reward")
    other = PolicyState(simplex.tilt(LOG_REF, [0.0, 1.0, 0.0, 0.0]))
    worth = REWARD - 0.5 * (other.log_pi - LOG_REF)
    np.testing.assert_allclose(shaped(other).gain, grouped_expected(other.log_pi, worth, 4).gain)


def test_ladder_counts_every_pass_through_the_network():
    net, rng = autoregressive(3, 4), np.random.default_rng(0)
    theta = net.init(rng=rng, batch=(2,))
    reward = (sequences(3).sum(axis=-1) >= 2).astype(float)
    found = ladder_runs(
        net, theta, net.log_prob(theta), reward, 0.4, batch=16, group_size=4, rng=rng
    )
    cost = {name: answers for name, (*_, answers) in found.items()}
    # Each epoch is one pass forward and one back, and one more to see where it has led.
    assert cost["TRPO"] > cost["PPO"]  # a product with the Fisher matrix is two passes
    del cost["TRPO"]
    assert cost == {"mirror": 8, "PPO": (2 * 4 + 1) * 16, "GRPO": (2 + 1) * 16}


BAD = {
    "penalty": (lambda: grpo(tabular(2), log_ref=two(0.1), beta=0.1, penalty="k4"), "penalty"),
    "reference": (lambda: grpo(tabular(2), log_ref=[0.0, 0.0], beta=0.1), "log_ref"),
    "beta": (lambda: grpo(tabular(2), log_ref=two(0.1), beta=-0.1), "beta"),
    "shaping": (lambda: group_signal(BINARY, 4, penalty="k1_in_reward"), "log_ref"),
    "kind": (lambda: group_signal(BINARY, 4, penalty="k4"), "penalty"),
    "no rng": (lambda: group_signal(BINARY, 4, 8), "rng"),
    "no groups": (lambda: group_signal(BINARY, 4, rng=np.random.default_rng(0)), "n_groups"),
    "reward": (lambda: group_signal([np.nan, 1.0], 4), "reward"),
}


@pytest.mark.parametrize(("call", "words"), BAD.values(), ids=BAD)
def test_wrong_input(call, words):
    with pytest.raises(ValueError, match=words):
        call()

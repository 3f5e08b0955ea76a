"""Signals: exact against brute force over all groups, sampled against exact by z-scores."""

from itertools import product

import mpmath as mp
import numpy as np
import oracles
import pytest
from hypothesis import given
from hypothesis import strategies as st
from samples import policies, vectors

from klrl_lite import simplex
from klrl_lite.signals import (
    KL_TERMS,
    Signal,
    advantage_of,
    aggregate,
    exact,
    gae,
    group_advantages,
    grouped,
    grouped_expected,
    kl_estimate,
    kl_gradient_term,
    sampled,
)

LOG_PI = np.log([0.1, 0.2, 0.3, 0.4])
REWARD = np.array([0.0, 1.0, 1.0, 4.0])
OPTIONS = {
    "std": {},
    "no std": {"normalize": False},
    "leave one out": {"normalize": False, "baseline": "leave_one_out"},
    "leave one out, std": {"baseline": "leave_one_out"},
    "ddof 1, floor": {"ddof": 1, "std_floor": 0.3},
    "larger of std and floor": {"std_floor": 0.7, "floor_kind": "max"},
}
EACH = pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)


def plain_group(rewards, normalize=True, ddof=0, std_floor=0.0, floor_kind="add", baseline="mean"):
    """Advantages of one group, sample by sample, with the statistics module's definitions."""
    n, out = len(rewards), []
    if len(set(rewards)) == 1:
        return [0.0] * n
    mean = sum(rewards) / n
    std = (sum((r - mean) ** 2 for r in rewards) / (n - ddof)) ** 0.5
    scale = {"add": std + std_floor, "max": max(std, std_floor)}[floor_kind] if normalize else 1.0
    for i, r in enumerate(rewards):
        others = [x for j, x in enumerate(rewards) if j != i]
        base = mean if baseline == "mean" else sum(others) / (n - 1)
        out.append((r - base) / scale)
    return out


def all_groups(log_pi, reward, size, **options):
    """Expected signal by listing every group of samples in order."""
    pi, parts = np.exp(log_pi), np.zeros((3, len(log_pi)))
    for group in product(range(len(log_pi)), repeat=size):
        chance = np.prod(pi[list(group)]) / size
        for a, advantage in zip(group, plain_group(reward[list(group)], **options), strict=True):
            parts[:, a] += chance * np.array([1.0, max(advantage, 0.0), max(-advantage, 0.0)])
    return Signal(*parts)


def z_score(draws, mean):
    """Distance of a mean of draws (first axis) from what it should be, in standard errors."""
    error = draws.std(axis=0, ddof=1) / np.sqrt(len(draws))
    same = error == 0
    assert np.all(np.abs(draws.mean(axis=0) - mean)[same] < 1e-14)
    return (draws.mean(axis=0) - mean) / np.where(same, 1.0, error)


# --- exact and sampled ---


def test_exact():
    signal = exact(LOG_PI, REWARD - 1.5)
    np.testing.assert_allclose(signal.weight, [0.1, 0.2, 0.3, 0.4])
    np.testing.assert_allclose(signal.gain, [0, 0, 0, 1.0])
    np.testing.assert_allclose(signal.loss, [0.15, 0.1, 0.15, 0])
    np.testing.assert_allclose(advantage_of(signal, LOG_PI), REWARD - 1.5)


def test_sampled_is_unbiased():
    rng = np.random.default_rng(1)
    batch = np.broadcast_to(LOG_PI, (4000, 4))
    signal = sampled(batch, REWARD - 1.5, 7, rng=rng)
    np.testing.assert_allclose(signal.weight.sum(axis=-1), 1.0)
    for ours, mean in zip(signal, exact(LOG_PI, REWARD - 1.5), strict=True):
        assert np.abs(z_score(ours, mean)).max() < 4
    by_policy = advantage_of(signal, batch)
    assert np.abs(z_score(by_policy, REWARD - 1.5)).max() < 4
    # By the counts: right for what was seen, so biased by the chance of not seeing it.
    by_weight = advantage_of(signal, batch, divide_by="weight")
    shrunk = (1 - (1 - np.exp(LOG_PI)) ** 7) * (REWARD - 1.5)
    assert np.abs(z_score(by_weight, shrunk)).max() < 4
    assert np.abs(z_score(by_weight, REWARD - 1.5)).max() > 10


def test_the_variance_is_that_of_a_multinomial():
    signal = sampled(np.broadcast_to(LOG_PI, (4000, 4)), REWARD, 7, rng=np.random.default_rng(2))
    pi = np.exp(LOG_PI)
    np.testing.assert_allclose(signal.weight.var(axis=0), pi * (1 - pi) / 7, rtol=0.1)


def test_an_impossible_action_is_never_drawn():
    # Rounding leaves a remainder of probability, and NumPy gives it to the last category: with
    # 1e18 draws some 100 of them. Ours go to an action that is possible.
    rng, n = np.random.default_rng(0), 10**18
    for actions in (3, 7):
        p = np.append(np.full(actions, 1 / actions), 0.0)
        assert rng.multinomial(n, p / p.sum())[-1] > 0
        log_pi = np.append(np.full(actions, -np.log(actions)), -np.inf)
        drawn = sampled(log_pi, np.ones(actions + 1), n, rng=rng)
        assert drawn.weight[-1] == 0
        np.testing.assert_allclose(drawn.weight[:-1], 1 / actions, rtol=1e-8)


def test_drawing_needs_no_default_that_an_older_numpy_lacks(monkeypatch):
    # Before NumPy 2.3 `take_along_axis` has to be told the axis.
    newer = np.take_along_axis
    monkeypatch.setattr(np, "take_along_axis", lambda arr, indices, axis: newer(arr, indices, axis))
    sampled(LOG_PI, REWARD, 5, rng=np.random.default_rng(0))
    grouped(LOG_PI, REWARD, 2, 5, rng=np.random.default_rng(0))


def test_aggregation_of_lengths():
    signal, lengths = exact(LOG_PI, REWARD - 2.0), np.array([1.0, 2.0, 5.0, 10.0])
    assert aggregate(signal, lengths, "seq-mean-token-sum").gain.tolist() == signal.gain.tolist()
    mean = aggregate(signal, lengths, "seq-mean-token-mean")
    np.testing.assert_allclose(mean.loss, signal.loss / lengths)
    tokens = aggregate(signal, lengths, "token-mean")
    # One loss value: the sum over all tokens of the batch divided by their number.
    np.testing.assert_allclose(tokens.gain, signal.gain / (np.exp(LOG_PI) @ lengths))
    # Equal lengths: all three agree up to the length.
    for kind in ("seq-mean-token-mean", "token-mean"):
        same = aggregate(signal, np.full(4, 3.0), kind)
        np.testing.assert_allclose(3 * same.gain, signal.gain)


# --- groups ---


@EACH
@pytest.mark.parametrize("size", [2, 3, 5])
def test_expected_groups_against_every_group(options, size):
    brute = all_groups(LOG_PI, REWARD, size, **options)
    for ours, mean in zip(grouped_expected(LOG_PI, REWARD, size, **options), brute, strict=True):
        np.testing.assert_allclose(ours, mean, rtol=1e-12, atol=1e-16)


@EACH
def test_drawn_groups_by_z_scores(options):
    batch = np.broadcast_to(LOG_PI, (3000, 4))
    drawn = grouped(batch, REWARD, 4, 2, rng=np.random.default_rng(3), **options)
    for ours, mean in zip(drawn, grouped_expected(LOG_PI, REWARD, 4, **options), strict=True):
        assert np.abs(z_score(ours, mean)).max() < 4.5


@EACH
def test_group_advantages_sample_by_sample(options):
    rng = np.random.default_rng(4)
    rewards = rng.integers(0, 3, (20, 6)) * 0.1
    ours = group_advantages(rewards, **options)
    plain = [plain_group(list(row), **options) for row in rewards]
    np.testing.assert_allclose(ours, plain, rtol=1e-10, atol=1e-15)


def test_groups_over_a_batch_of_rewards():
    # Rows with different numbers of levels share one call.
    reward = np.array([[0.0, 0.0, 1.0, 1.0], [3.0, 3.0, 3.0, 3.0], [0.0, 2.0, 1.0, 2.0]])
    together = grouped_expected(LOG_PI, reward, 4)
    for row, alone in enumerate(reward):
        for ours, one in zip(together, grouped_expected(LOG_PI, alone, 4), strict=True):
            np.testing.assert_allclose(ours[row], one, rtol=1e-13, atol=1e-16)
    assert np.all(together.gain[1] == 0)


def test_a_long_sum_is_done_in_pieces():
    batch = simplex.log_normalize(np.random.default_rng(0).normal(size=(4000, 4)))
    many = grouped_expected(batch, REWARD, 12)
    np.testing.assert_allclose(many.gain[-1], grouped_expected(batch[-1], REWARD, 12).gain)


@given(policies(4), st.integers(2, 9))
def test_the_factor_of_the_group_mean_is_exact(log_pi, size):
    # E[r_i - mean | a] = (1 - 1/G)(r_a - E r), and leave-one-out takes the factor away.
    centred = np.exp(log_pi) * (REWARD - np.exp(log_pi) @ REWARD)
    plain = grouped_expected(log_pi, REWARD, size, normalize=False)
    others = grouped_expected(log_pi, REWARD, size, normalize=False, baseline="leave_one_out")
    np.testing.assert_allclose(plain.gain - plain.loss, (1 - 1 / size) * centred, atol=1e-13)
    np.testing.assert_allclose(others.gain - others.loss, centred, atol=1e-13)


def test_two_levels_in_closed_form():
    # E[A | correct] = E[sigma_G]/P and E[A | wrong] = -E[sigma_G]/(1 - P), with many digits.
    for p, size in ((1e-9, 8), (0.3, 16), (1 - 1e-6, 5), (0.5, 200)):
        exact_p = mp.mpf(p)
        sigma = mp.fsum(
            mp.binomial(size, k) * exact_p**k * (1 - exact_p) ** (size - k)
            * mp.sqrt(mp.mpf(k) / size * (1 - mp.mpf(k) / size))
            for k in range(size + 1)
        )  # fmt: skip
        signal = grouped_expected(np.log([1 - p, p]), [0.0, 1.0], size)
        oracles.compare(signal.gain - signal.loss, [-sigma, sigma], rtol=3e-12)


def test_ties_and_scale():
    # Three times 0.1 does not add up to three times the mean, and yet a tie is a tie.
    assert np.all(group_advantages([0.1, 0.1, 0.1]) == 0)
    assert np.all(group_advantages([0.1, 0.1, 0.1], std_floor=1e-6, ddof=1) == 0)
    rewards = np.array([0.0, 0.3, 1.0, 1.0])
    for scale in (1e-200, 1e-9, 1e200):
        np.testing.assert_allclose(group_advantages(scale * rewards), group_advantages(rewards))
    # A floor breaks the invariance: small rewards are damped by sigma/(sigma + floor).
    small = group_advantages(1e-6 * rewards, std_floor=1e-4)
    sigma = 1e-6 * rewards.std()
    np.testing.assert_allclose(small, group_advantages(rewards) * sigma / (sigma + 1e-4))


def test_a_group_of_one():
    assert group_advantages([[3.0]]).tolist() == [[0.0]]
    assert group_advantages([[3.0]], ddof=1, baseline="leave_one_out").tolist() == [[0.0]]
    assert group_advantages([[3.0]], singleton="raw").tolist() == [[3.0]]
    assert np.all(grouped_expected(LOG_PI, REWARD, 1).gain == 0)
    raw = grouped_expected(LOG_PI, REWARD, 1, singleton="raw")
    np.testing.assert_allclose(raw.gain, np.exp(LOG_PI) * REWARD)


# --- GAE ---


def plain_gae(r, v, last, done, discount, lam):
    """The infinite sum of the definition, cut where an episode ends."""
    t_max, out = len(r), []
    nxt = [*v[1:], last]
    delta = [r[t] + discount * (not done[t]) * nxt[t] - v[t] for t in range(t_max)]
    for t in range(t_max):
        total = 0.0
        for k in range(t, t_max):
            total += (discount * lam) ** (k - t) * delta[k]
            if done[k]:
                break
        out.append(total)
    return out


def test_gae_against_its_definition():
    rng = np.random.default_rng(0)
    r, v = rng.normal(size=(2, 5, 8))
    last, done = rng.normal(size=5), rng.random((5, 8)) < 0.3
    discount, lam = rng.uniform(0.5, 1, (2, 5))
    ours = gae(r, v, last, done, discount, lam)
    for i in range(5):
        plain = plain_gae(r[i], v[i], last[i], done[i], discount[i], lam[i])
        np.testing.assert_allclose(ours[i], plain, rtol=1e-12, atol=1e-14)


def test_gae_ends():
    r, v = np.array([1.0, 2.0, 3.0]), np.array([0.3, 0.2, 0.1])
    never = np.zeros(3, bool)
    # lam = 1: discounted return with the bootstrap, minus the value.
    returns = [1 + 0.5 * (2 + 0.5 * (3 + 0.5 * 4)), 2 + 0.5 * (3 + 0.5 * 4), 3 + 0.5 * 4]
    np.testing.assert_allclose(gae(r, v, 4.0, never, 0.5, 1.0), returns - v)
    # lam = 0: the one-step error.
    np.testing.assert_allclose(
        gae(r, v, 4.0, never, 0.5, 0.0), r + 0.5 * np.array([0.2, 0.1, 4]) - v
    )
    # The end of an episode hides what comes after it.
    ended = gae(r, v, 4.0, [False, False, True], 0.5, 1.0)
    np.testing.assert_allclose(ended, gae(r, v, -7.0, [False, False, True], 0.5, 1.0))


def test_truncation_is_neither_the_end_nor_the_middle():
    # Two windows glued together: the first stopped by a time limit in a state worth 2.
    rng = np.random.default_rng(0)
    r, v = rng.normal(size=(2, 6))
    apart = np.concatenate([gae(r[:3], v[:3], 2.0, np.zeros(3), 0.9, 0.8),
                            gae(r[3:], v[3:], 5.0, np.zeros(3), 0.9, 0.8)])  # fmt: skip
    cut = np.arange(6) == 2
    glued = gae(r, v, 5.0, np.zeros(6), 0.9, 0.8, truncated=cut, final_values=np.where(cut, 2.0, 9))
    np.testing.assert_allclose(glued, apart)
    # The same by the old trick: fold the bootstrap into the reward and call it done.
    folded = gae(r + 0.9 * 2.0 * cut, v, 5.0, cut, 0.9, 0.8)
    np.testing.assert_allclose(folded, apart)
    # Calling it done without that is another, biased, estimate.
    assert np.abs(gae(r, v, 5.0, cut, 0.9, 0.8) - apart).max() > 1.0


def test_a_wrong_critic_is_a_baseline_only_at_lam_one():
    # A chain of two actions; V is wrong by an amount that depends on the first one.
    wrong = np.array([0.0, 1.0])
    values = np.stack([np.full(2, 0.5), 1.0 + wrong], axis=-1)
    rewards = np.array([[0.0, 1.0], [0.0, 1.0]])
    done = np.array([False, True])
    for lam, bias in ((1.0, 0.0), (0.5, 0.5), (0.0, 1.0)):
        first = gae(rewards, values, 0.0, done, 1.0, lam)[:, 0]
        assert first[1] - first[0] == pytest.approx(bias)


# --- KL estimators ---


@given(policies(4, spread=3.0), policies(4, spread=3.0))
def test_kl_estimators_in_expectation(log_pi, log_ref):
    d, pi = log_pi - log_ref, np.exp(log_pi)
    true = simplex.kl(log_pi, log_ref)
    assert pi @ kl_estimate(d, "k1") == pytest.approx(true, abs=1e-12)
    assert pi @ kl_estimate(d, "k3") == pytest.approx(true, abs=1e-12)
    assert np.all(kl_estimate(d, "k3") >= 0)


def test_k2_is_biased_at_third_order():
    u = np.array([1.0, -2.0, 0.5, 0.7])
    biases, sizes = [], np.array([1e-1, 5e-2, 2.5e-2])
    for size in sizes:
        log_pi = simplex.tilt(LOG_PI, size * u)
        k2 = np.exp(log_pi) @ kl_estimate(log_pi - LOG_PI, "k2")
        biases.append(abs(k2 - simplex.kl(log_pi, LOG_PI)))
    assert np.polyfit(np.log(sizes), np.log(biases), 1)[0] == pytest.approx(3.0, abs=0.1)


def test_k3_keeps_its_digits():
    d = np.array([1e-12, -1e-8, 1e-4, 3.0, -20.0])
    oracles.compare(kl_estimate(d, "k3"), [mp.exp(-x) - 1 + x for x in oracles.many(d)], rtol=1e-14)


def penalty_value(kind, log_pi, log_old, log_ref):
    """Expected penalty over samples of pi_old, as an autodiff would see it."""
    d, old = log_pi - log_ref, np.exp(log_old)
    rho = np.exp(log_pi - log_old)
    match kind:
        case "exact":
            return simplex.kl(log_pi, log_ref)
        case "k1_in_reward":
            return old @ (rho * (log_old - log_ref))
        case "k3_corrected":
            return old @ (rho * kl_estimate(d, "k3"))
    return old @ kl_estimate(d, kind)


@pytest.mark.parametrize("kind", KL_TERMS)
@pytest.mark.parametrize("on_policy", [True, False])
def test_gradient_of_each_penalty_by_differences(kind, on_policy):
    rng = np.random.default_rng(5)
    log_pi, log_old, log_ref = simplex.log_normalize(rng.normal(size=(3, 4)))
    log_old = log_pi if on_policy else log_old
    term = kl_gradient_term(log_pi - log_ref, kind, log_pi - log_old)
    w = np.exp(log_old) * term  # coefficients of grad log pi
    ours, h = w - np.exp(log_pi) * w.sum(), 1e-6  # chain rule of the softmax
    numeric = [
        (penalty_value(kind, simplex.tilt(log_pi, h * e), log_old, log_ref)
         - penalty_value(kind, simplex.tilt(log_pi, -h * e), log_old, log_ref)) / (2 * h)
        for e in np.eye(4)
    ]  # fmt: skip
    np.testing.assert_allclose(ours, numeric, atol=1e-9)


def test_what_each_gradient_is_on_policy():
    rng = np.random.default_rng(6)
    log_pi, log_ref = simplex.log_normalize(rng.normal(size=(2, 4)))
    d, pi, ref = log_pi - log_ref, np.exp(log_pi), np.exp(log_ref)

    def force(kind):
        c = kl_gradient_term(d, kind)
        return pi * (c - pi @ c)

    for kind in ("exact", "k1_in_reward", "k2", "k3_corrected"):
        np.testing.assert_allclose(force(kind), pi * (d - pi @ d), atol=1e-15)
    np.testing.assert_allclose(force("k1"), 0.0, atol=1e-15)
    np.testing.assert_allclose(force("k3"), pi - ref, atol=1e-15)  # grad KL(ref || pi)


def test_the_correction_is_exact_sample_by_sample():
    # rho k3 + rho (1 - e^-d), the two parts of the product rule, is rho d.
    d, log_rho = np.random.default_rng(0).normal(size=(2, 50))
    rho = np.exp(log_rho)
    parts = rho * (kl_estimate(d, "k3") + kl_gradient_term(d, "k3"))
    np.testing.assert_allclose(kl_gradient_term(d, "k3_corrected", log_rho), parts, atol=1e-13)


# --- wrong input ---

RNG = np.random.default_rng(0)
BAD = {
    "no policy": (lambda: exact([0.0, 0.0], [1.0, 2.0]), ValueError, "log_pi"),
    "nan": (lambda: exact(LOG_PI, np.full(4, np.nan)), ValueError, "advantage"),
    "other count": (lambda: exact(LOG_PI, [1.0, 2.0]), ValueError, "shapes must broadcast"),
    "one action": (lambda: exact(LOG_PI, [1.0]), ValueError, "number of actions"),
    "half a sample": (lambda: sampled(LOG_PI, REWARD, 2.5, rng=RNG), ValueError, "n_samples"),
    "no sample": (lambda: sampled(LOG_PI, REWARD, 0, rng=RNG), ValueError, "n_samples"),
    "a seed": (lambda: sampled(LOG_PI, REWARD, 2, rng=0), TypeError, "rng"),
    "old generator": (
        lambda: sampled(LOG_PI, REWARD, 2, rng=np.random.RandomState(0)),
        TypeError,
        "rng",
    ),
    "no group": (lambda: grouped(LOG_PI, REWARD, 0, 1, rng=RNG), ValueError, "group_size"),
    "no groups": (lambda: grouped(LOG_PI, REWARD, 2, 0, rng=RNG), ValueError, "n_groups"),
    "too many": (
        lambda: grouped_expected(LOG_PI, REWARD, 9, max_terms=10),
        ValueError,
        "max_terms must be at least 55",
    ),
    "ddof": (lambda: group_advantages([0.0, 1.0], ddof=2), ValueError, "ddof"),
    "half ddof": (lambda: group_advantages([0.0, 1.0], ddof=0.5), ValueError, "ddof"),
    "floor": (lambda: group_advantages([0.0, 1.0], std_floor=-1.0), ValueError, "std_floor"),
    "floor kind": (lambda: group_advantages([0.0], floor_kind="min"), ValueError, "floor_kind"),
    "baseline": (lambda: group_advantages([0.0], baseline="median"), ValueError, "baseline"),
    "singleton": (lambda: group_advantages([0.0], singleton="one"), ValueError, "singleton"),
    "divisor": (
        lambda: advantage_of(exact(LOG_PI, REWARD), LOG_PI, divide_by="n"),
        ValueError,
        "divide_by",
    ),
    "lengths": (
        lambda: aggregate(exact(LOG_PI, REWARD), np.zeros(4), "token-mean"),
        ValueError,
        "lengths",
    ),
    "aggregation": (
        lambda: aggregate(exact(LOG_PI, REWARD), np.ones(4), "mean"),
        ValueError,
        "kind",
    ),
    "estimator": (lambda: kl_estimate(0.1, "k4"), ValueError, "kind"),
    "term": (lambda: kl_gradient_term(0.1, "k4"), ValueError, "kind"),
    "ratio": (lambda: kl_estimate(np.inf, "k1"), ValueError, "log_ratio"),
    "discount": (lambda: gae([1.0], [0.0], 0.0, [0], 1.1, 1.0), ValueError, "discount"),
    "lam": (lambda: gae([1.0], [0.0], 0.0, [0], 1.0, -0.1), ValueError, "lam"),
    "done": (lambda: gae([1.0], [0.0], 0.0, [2], 1.0, 1.0), ValueError, "done"),
    "no final value": (
        lambda: gae([1.0], [0.0], 0.0, [0], 1.0, 1.0, truncated=[1]),
        ValueError,
        "final_values",
    ),
    "steps": (lambda: gae([1.0], [0.0, 1.0], 0.0, [0], 1.0, 1.0), ValueError, "rewards and values"),
}


@pytest.mark.parametrize(("call", "error", "words"), BAD.values(), ids=BAD)
def test_wrong_input(call, error, words):
    with pytest.raises(error, match=words):
        call()


@given(policies(3, holes=True), vectors(3), st.integers(1, 6))
def test_nothing_is_nan_and_inputs_stay(log_pi, values, size):
    before = log_pi.copy(), values.copy()
    rng = np.random.default_rng(0)
    for signal in (
        exact(log_pi, values),
        sampled(log_pi, values, size, rng=rng),
        grouped(log_pi, values, size, 3, rng=rng),
        grouped_expected(log_pi, values, size),
    ):
        for array in signal:
            assert np.all(np.isfinite(array))
            assert np.all(array >= 0)
            assert np.all(array[log_pi == -np.inf] == 0)
        assert signal.weight.sum() == pytest.approx(1.0)
    np.testing.assert_array_equal(log_pi, before[0])
    np.testing.assert_array_equal(values, before[1])

"""Edges of equilibria, thresholds and signals that other tests pass by.

Each was once changed without a test noticing it: brackets that are only just wide enough, roots
that are about to meet, rows of a batch that must not know of each other, names in messages.
"""

import mpmath as mp
import numpy as np
import oracles
import pytest
from scipy.special import logit

from klrl_lite import equilibria, signals, thresholds
from klrl_lite.equilibria import (
    grpo_equilibria,
    grpo_fold_price,
    grpo_folds,
    k3_fixed_point,
    k3_std_fixed_point,
    rule_crossing,
    rule_equilibria,
    std,
    token_fixed_point,
)

REF = np.log([0.5, 0.3, 0.2])
REWARD = np.array([0.0, 0.5, 1.0])


# --- equilibria ---


def price_of(excess, size):
    """Support whose price is so much above the least at which a group has three fixed points."""
    return 1.0 / (1.0 + np.exp(grpo_fold_price(size) + excess))


@pytest.mark.parametrize(
    ("size", "excess"),
    [(5, 1e-4), (5, 1e-3), (5, 1e-2), (16, 2e-6), (16, 3e-6), (16, 1e-4), (16, 1e-2)],
)
def test_three_fixed_points_that_have_only_just_parted_are_all_found(size, excess):
    p_ref = price_of(excess, size)
    beta, _ = grpo_folds(p_ref, size)
    success, stable = grpo_equilibria(p_ref, beta.mean(), size)
    assert stable.tolist() == [True, False, True]
    assert np.all(np.isfinite(success))
    assert len(grpo_equilibria(price_of(-excess, size), beta.mean(), size)[0]) == 1


def test_at_the_price_itself_there_are_no_folds_yet():
    price, p_ref = grpo_fold_price(16), price_of(0.0, 16)
    around = p_ref + np.arange(-40, 41) * np.spacing(p_ref)
    (same,) = np.nonzero(thresholds.log_odds_against(around) == price)
    assert same.size > 0
    for p in around[same]:
        assert [part.size for part in grpo_folds(p, 16)] == [0, 0]


@pytest.mark.parametrize(
    ("f", "turns", "roots", "falls"),
    [
        (lambda x: (1.0 - x) * (x - 3.0) ** 2, [5 / 3, 3.0], [1.0, 3.0], [True, False]),
        (lambda x: (1.0 - x) ** 2 * (3.0 - x), [1.0, 7 / 3], [1.0, 3.0], [False, True]),
        (lambda x: (1.0 - x) ** 3, [1.0], [1.0], [True]),
        (lambda x: (1.0 - x) ** 2 + 1e-16, [1.0], [1.0], [False]),  # rounding, at values near 1
        (lambda x: (1.0 - x) ** 2 + 1e-12, [1.0], [], []),
        (lambda x: (1.0 - x) * (2.0 - x) * (3.0 - x), [2 - 3**-0.5, 2 + 3**-0.5], [1, 2, 3],
         [True, False, True]),
    ],
)  # fmt: skip
@pytest.mark.parametrize("size", [1e-3, 1.0, 1e3])
def test_a_root_at_a_turning_point_counts_once_and_is_half_stable(f, turns, roots, falls, size):
    nodes = np.array([0.0, *turns, 4.0])
    scale = np.full(nodes.shape, size)
    found, stable = std._roots_between(nodes, lambda x: size * f(x), scale)
    np.testing.assert_allclose(found, roots, rtol=1e-14)
    assert stable.tolist() == falls


@pytest.mark.parametrize("p_ref", [0.5, 0.7, 0.9])
def test_a_likely_answer_has_two_fixed_points_under_a_strong_penalty(p_ref):
    success, stable = grpo_equilibria(p_ref, 5.0)
    assert stable.tolist() == [True, False]
    force = 1.0 / np.sqrt(success * (1.0 - success))
    np.testing.assert_allclose(5.0 * (logit(success) - logit(p_ref)), force, rtol=1e-9)


@pytest.mark.parametrize("price", [1e12, 1e20])
def test_a_support_of_almost_nothing_has_three_fixed_points_too(price):
    # The force of the likely answers stays at sqrt(15) up to log-odds of 30, or of 50.
    success, stable = grpo_equilibria(-price, 2.8 / price, 16, log_p=True)
    assert stable.tolist() == [True, False, True]
    np.testing.assert_allclose(success[0], 1.0 - success[1], rtol=1e-9)  # the force is even
    assert success[2] == 1.0


@pytest.mark.parametrize("beta", [0.25, 1.0, 2.0])
def test_without_support_the_k3_penalty_still_finds_the_answer(beta):
    assert k3_fixed_point(0.0, beta) == max(0.0, 1.0 - beta)
    if beta < 1.0:  # and with next to none it keeps its digits
        near = k3_fixed_point(1e-14, [beta, 1.0 / 1.5])
        np.testing.assert_allclose(near, [1.0 - beta, 1.0 / 3.0], rtol=2e-13)


@pytest.mark.parametrize("size", [2, 16, 1000])
def test_a_penalty_of_almost_nothing_leaves_certainty(size):
    for p_ref in (1e-300, 1e-3, 0.9):
        assert k3_std_fixed_point(p_ref, 1e-100, size) == 1.0


@pytest.mark.parametrize("solve", [k3_fixed_point, k3_std_fixed_point])
def test_other_floats_give_doubles(solve):
    for p_ref in (np.longdouble(0.25), np.full(2, 0.25, np.longdouble), np.float32(0.25)):
        found = solve(p_ref, 0.5)
        assert np.asarray(found).dtype == np.float64
        np.testing.assert_array_equal(found, solve(0.25, 0.5))


def test_the_steps_of_a_chain_are_called_so_where_shapes_do_not_fit():
    with pytest.raises(ValueError, match="broadcast") as caught:
        token_fixed_point(np.full((2, 3), 0.5), np.ones(3), np.ones(2))
    assert str(caught.value).endswith("got q_steps (2,), beta (3,), gap (2,)")


def test_one_support_is_asked_for_and_several_are_counted():
    with pytest.raises(ValueError, match=r"single numbers; got shapes \(2,\) and \(\)$"):
        grpo_equilibria([0.1, 0.2], 1.0)


@pytest.mark.parametrize("q", [[0.0, 0.5], [-0.5, 0.5], [0.5, 1.0], [0.5, 1.5], [[0.5, 0.5]]])
def test_the_supports_of_steps_are_chances(q):
    with pytest.raises(ValueError, match=r"^q_steps must"):
        rule_equilibria(q, 0.5)


@pytest.mark.parametrize("level", [0.0, 0.125, 1.0])
def test_a_crossing_lies_strictly_between_the_support_and_certainty(level):
    with pytest.raises(ValueError, match=r"^level must lie between 0.125 and 1; got"):
        rule_crossing([0.25, 0.5], level)


@pytest.mark.parametrize("size", [2, 3])
@pytest.mark.parametrize("beta", [0.1, 1.0, 7.0])
def test_pairs_and_triples_pull_with_a_constant_force(size, beta):
    success, stable = rule_equilibria([0.2, 0.4], beta, advantage="std", group_size=size)
    assert stable.tolist() == [True]
    assert logit(success[0]) - logit(0.08) == pytest.approx(np.sqrt(size - 1.0) / beta, rel=1e-9)


@pytest.mark.parametrize("part", [1e-6, 1.3e-6, 1.7e-6, 2.2e-6, 3e-6, 4e-6, 1e-5, 1e-4])
def test_a_rule_finds_both_roots_that_are_about_to_meet_or_neither(part):
    beta, at = grpo_folds(1e-3, 16)
    for fold, inside, place in zip(beta, (1.0 + part, 1.0 - part), at, strict=True):
        success, stable = rule_equilibria([1e-3], fold * inside, advantage="std", group_size=16)
        assert np.all(np.isfinite(success))
        assert len(success) in ((1, 3) if part < 2e-6 else (3,))
        if len(success) == 3:
            assert stable.tolist() == [True, False, True]
            assert np.any(np.abs(logit(success) - logit(place)) < 0.06)


# --- thresholds ---


@pytest.mark.parametrize("sign", [-1.0, 1.0])
def test_a_price_close_to_none_keeps_its_digits(sign):
    for power in (2, 10, 30, 52):
        x = sign * 2.0**-power  # p = (1 + x)/2 is exact
        found = thresholds.log_odds_against(0.5 * (1.0 + x))
        assert found == pytest.approx(-2.0 * np.arctanh(x), rel=1e-15, abs=0.0)


def test_a_price_from_a_logarithm_is_off_by_no_more_than_the_float_of_log_two():
    step = np.geomspace(1e-16, 1e-4, 40)
    log_p = -np.log(2.0) * (1.0 + np.concatenate([step, -step]))
    found = thresholds.log_odds_against(log_p, log_p=True)
    with oracles.digits(40):
        exact = [oracles.log_odds(x, log_p=True) for x in log_p]
        off = [abs(mp.mpf(float(a)) - b) for a, b in zip(found, exact, strict=True)]
        assert max(off) < 2 * abs(mp.mpf(float(np.log(2.0))) - mp.log(2)) + mp.mpf("1e-18")


def test_the_default_number_of_zeros_is_three():
    assert thresholds.fisher_zeros([0.1, 0.2]).shape == (2, 3)


def test_a_level_that_does_not_fit_is_among_the_shapes():
    with pytest.raises(ValueError, match=r"broadcast.*\bp_ref \(2,\).*\blevel \(3,\)"):
        thresholds.crossover_width([0.1, 0.2], level=[0.1, 0.2, 0.3])


@pytest.mark.parametrize(
    ("x", "said"),
    [
        ([[0.0, 1.0, 1.0], [0.0, 1.0, 2.0]], r"^x and y must be \(curves, points\), x ascending"),
        ([[0.0, 0.5, 1.0], [1.0, 2.0, 3.0]], r"^x must overlap between curves; got 1.0 to 1.0"),
    ],
)
def test_curves_that_cannot_be_compared(x, said):
    with pytest.raises(ValueError, match=said):
        thresholds.collapse_spread(x, np.zeros((2, 3)))


@pytest.mark.parametrize("name", ["n", "c", "k"])
def test_numbers_of_samples_are_not_negative(name):
    with pytest.raises(ValueError, match=rf"^{name} must be >= 0; got"):
        thresholds.pass_at_k(**({"n": 5, "c": 2, "k": 1} | {name: -1}))


def test_a_fit_says_what_is_wrong():
    tau = np.array([0.1, 0.2, 0.3])
    with pytest.raises(ValueError, match=r"^success must be >= 0; got .*-0.1"):
        thresholds.fit_crossing(tau, [0.9, 0.5, -0.1])
    with pytest.raises(ValueError, match="broadcast") as caught:
        thresholds.fit_crossing(tau, np.full((4, 3), 0.5), np.ones((2, 3)))
    assert str(caught.value).endswith("got tau (3,), success (4, 3), trials (2, 3)")


def test_curves_are_fitted_each_for_itself():
    tau = np.linspace(0.1, 0.5, 5)
    right = np.array(
        [[0.9, 0.8, 0.5, 0.2, 0.1], [1, 1, 0.5, 0, 0], [1, 1, 0, 0, 0], [1, 1, 1, 1, 1]]
    )
    curves = np.concatenate([right, right[:, ::-1], [[0.6, 0.5, 0.4, 0.3, 0.2]]])
    together = thresholds.fit_crossing(tau, curves, 4)
    alone = [thresholds.fit_crossing(tau, curve, 4) for curve in curves]
    assert together.converged.tolist() == [bool(one.converged) for one in alone]
    assert together.converged.tolist() == [True] + 3 * [False] + [True] + 3 * [False] + [True]
    grid = thresholds.fit_crossing(tau, curves[:8].reshape(2, 4, 5), 4)
    np.testing.assert_array_equal(grid.tau.ravel(), together.tau[:8])
    for row in np.flatnonzero(together.converged):
        for field in ("tau", "log_odds", "tau_se", "log_odds_se"):
            ours = getattr(together, field)[row]
            assert ours == pytest.approx(float(getattr(alone[row], field)), rel=1e-9), field


# --- signals ---


@pytest.mark.parametrize("name", ["last_value", "discount", "lam"])
def test_gae_takes_a_batch_from_any_of_its_numbers(name):
    given = {"last_value": 0.5, "discount": 0.75, "lam": 0.5}
    steps = {"rewards": [1.0, 0.0, 2.0], "values": [0.5, 0.25, 1.0], "done": [0, 1, 0]}
    several = np.array([0.0, 0.25, 1.0])
    whole = signals.gae(**steps, **(given | {name: several}))
    rows = [signals.gae(**steps, **(given | {name: x})) for x in several]
    np.testing.assert_array_equal(whole, rows)
    batch = {key: np.broadcast_to(value, (2, 3)) for key, value in steps.items()}
    with pytest.raises(ValueError, match=rf"^shapes must broadcast.*\b{name} \(3,\)"):
        signals.gae(**batch, **(given | {name: several}))


def test_a_group_of_one_says_nothing_of_what_it_did_not_draw():
    for singleton, own in (("raw", 2.0), ("zero", 0.0)):
        rule = signals.raw.group_rule(True, 0, 0.0, "add", "mean", singleton)
        assert rule(np.array([1, 0]), np.array([2.0, 5.0]), 1).tolist() == [own, 0.0]


@pytest.mark.parametrize("absent", [-1e200, 1e200])
def test_what_was_not_drawn_does_not_overflow(absent):
    rule = signals.raw.group_rule(True, 0, 0.0, "add", "mean", "zero")
    found = rule(np.array([2, 2, 0]), np.array([0.0, 1e-200, absent]), 4)
    assert found.tolist() == [-1.0, 1.0, 0.0]


@pytest.mark.parametrize("field", signals.Signal._fields)
def test_a_signal_is_of_shares(field):
    signal = signals.exact(REF, REWARD)._replace(**{field: np.array([0.1, -0.1, 0.2])})
    with pytest.raises(ValueError, match=rf"^signal\.{field} must be >= 0; got"):
        signals.advantage_of(signal, REF)
    with pytest.raises(TypeError, match=r"^signal must be a Signal; got tuple$"):
        signals.advantage_of(tuple(signal), REF)


def test_an_action_without_a_chance_has_no_advantage():
    log_pi = np.where(np.arange(64) % 2, np.log(1 / 32), -np.inf)
    signal = signals.exact(log_pi, np.ones(64))
    worn = [np.full(64, 7.0) for _ in range(20)]
    del worn  # memory that is not cleared would show these
    np.testing.assert_allclose(signals.advantage_of(signal, log_pi), np.arange(64) % 2)


@pytest.mark.parametrize("kind", ["seq-mean-token-sum", "seq-mean-token-mean", "token-mean"])
def test_sequences_of_one_length_are_all_weighed_alike(kind):
    signal = signals.exact(REF, REWARD)
    found = signals.aggregate(signal, np.full((2, 3), 1.0), kind)
    for ours, part in zip(found, signal, strict=True):
        assert ours.dtype == np.float64
        np.testing.assert_allclose(ours, [part, part], rtol=1e-14)


def test_gradients_of_penalties_may_overflow():
    assert signals.kl_gradient_term(-800.0, "k3") == -np.inf
    assert signals.kl_gradient_term(1.0, "exact", 800.0) == np.inf


def test_a_sum_over_groups_is_refused_above_its_limit_and_not_at_it():
    pi, reward = np.log([0.5, 0.5]), [0.0, 1.0]
    exact = signals.grouped_expected(pi, reward, 4, max_terms=5)
    assert exact.weight.tolist() == [0.5, 0.5]
    with pytest.raises(ValueError, match=r"^max_terms must be at least 5, .* got 4$"):
        signals.grouped_expected(pi, reward, 4, max_terms=4)
    with pytest.raises(ValueError, match=r"at least 200001, .* got 200000$"):
        signals.grouped_expected(pi, reward, 200_000)
    # One reward: there is one way to draw it.
    assert signals.grouped_expected(pi, [3.0, 3.0], 50, max_terms=1).gain.tolist() == [0.0, 0.0]


@pytest.mark.parametrize(
    ("log_p", "beta", "size"),
    [(np.log(0.1), 1e14, 16), (-1e12, 1e3, 16), (np.log(0.1), 1e15, np.inf), (-700.0, 1e300, 8)],
)
def test_a_price_beyond_all_reason_leaves_the_reference_where_it_is(log_p, beta, size):
    success, stable = equilibria.grpo_equilibria(log_p, beta, size, log_p=True)
    assert stable[0]
    # The force over the price is all that the log-odds can rise by.
    most = np.sqrt(size - 1.0) / beta if np.isfinite(size) else 4.0 / beta
    assert np.exp(log_p) <= success[0] <= np.exp(log_p) * (1.0 + 1.01 * most + 1e-14)


@pytest.mark.parametrize("penalty", ["k2", "k3"])
@pytest.mark.parametrize("level", [0.2001, 0.2 * (1.0 + 1e-9), 0.9995, 1.0 - 1e-12])
def test_every_level_has_its_price(level, penalty):
    beta = equilibria.rule_crossing([0.2], level, penalty=penalty)
    found, _ = equilibria.rule_equilibria([0.2], beta, penalty=penalty)
    assert found[0] == pytest.approx(level, rel=1e-11)
    assert (level - 0.2) / (found[0] - 0.2) == pytest.approx(1.0, abs=1e-3)


def test_single_numbers_are_asked_for_with_both_shapes():
    with pytest.raises(ValueError, match=r"single numbers; got shapes \(\) and \(2,\)"):
        equilibria.grpo_equilibria(0.1, [1.0, 2.0])

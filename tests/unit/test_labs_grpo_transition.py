"""The lab of chapter 10, its curve, and the folds of the equation of state."""

import numpy as np
import pytest
from scipy.special import expit, logit
from scipy.stats import binom

from klrl_lite.equilibria import (
    grpo_equilibria,
    grpo_fold_price,
    grpo_folds,
    grpo_spinodal,
)
from klrl_lite.explore.grpo_transition import transition_values
from klrl_lite.labs.grpo_transition import equation_of_state, transition_state


def curve(p, size, reach=14.0, n=40_001):
    """Log-odds and beta of all fixed points, from binomial sums of standard deviations."""
    odds = np.linspace(logit(p) + 0.02, reach, n)
    k = np.arange(1, size)
    sigma = binom.pmf(k, size, expit(odds)[:, None]) @ np.sqrt(k * (size - k)) / size
    return odds, sigma / (expit(odds) * expit(-odds)) / (odds - logit(p))


@pytest.mark.parametrize(("p", "size"), [(1e-3, 16), (1e-3, 8), (0.05, 14), (0.3, 40), (1e-6, 6)])
def test_folds_are_where_the_curve_turns(p, size):
    odds, beta = curve(p, size)
    (turns,) = np.nonzero(np.diff(np.sign(np.diff(beta))))
    ours, success = grpo_folds(p, size)
    assert len(turns) == 2
    assert np.all(np.diff(ours) > 0)
    np.testing.assert_allclose(ours, beta[turns + 1], rtol=1e-6)
    np.testing.assert_allclose(logit(success), odds[turns + 1], atol=2e-2)
    # Three fixed points between the two, one outside.
    counts = [len(grpo_equilibria(p, b, size)[0]) for b in (*(ours * [0.999, 1.001]), ours.mean())]
    assert counts == [1, 1, 3]


@pytest.mark.parametrize("p", [1e-8, 1e-3, 0.05, 0.4, 0.7])
def test_the_fold_of_large_groups_is_the_spinodal(p):
    beta, success = grpo_folds(p)
    assert beta == pytest.approx([grpo_spinodal(p)], rel=1e-12)
    assert success == pytest.approx(expit(2 * np.arcsinh(beta)), rel=1e-12)
    # Finite groups approach it, with an upper fold that moves away.
    lower = [grpo_folds(p, size)[0][0] for size in (200, 800)]
    assert np.abs(lower - beta).max() < 0.02 * beta[0]
    assert np.abs(lower[1] - beta) < np.abs(lower[0] - beta)


@pytest.mark.parametrize("size", [4, 5, 8, 17, 64, 300])
def test_both_sides_of_the_fold_price(size):
    price = grpo_fold_price(size)
    # Less support, or a little more.
    assert grpo_folds(float(expit(-(price + 1e-3))), size)[0].size == 2
    assert grpo_folds(float(expit(-(price - 1e-3))), size)[0].size == 0


def test_the_fold_price_in_closed_form():
    # The weights of groups of 4 and 5 are linear in P (1 - P): tanh(l/2) = 1/sqrt(3).
    root = np.sqrt(3)
    assert grpo_fold_price(4) == pytest.approx(18 + 11 * root - np.arccosh(2), rel=1e-12)
    # C_5 = 2 - k s with its value 8 E[sigma_5] / 2 at s = 1/4.
    half = binom.pmf(np.arange(6), 5, 0.5) @ np.sqrt(np.arange(6) * np.arange(5, -1, -1.0)) / 5 * 4
    ratio = 2 / (4 * (2 - half))
    assert grpo_fold_price(5) == pytest.approx(6 * root * ratio - root - np.arccosh(2), rel=1e-12)
    prices = [grpo_fold_price(g) for g in range(2, 60)]
    assert prices[:2] == [np.inf, np.inf]
    assert np.all(np.diff(prices[1:]) < 0)
    assert grpo_fold_price(np.inf) == -np.inf


@pytest.mark.parametrize("size", [2, 3, 4])
def test_small_groups_have_no_fold(size):
    assert [x.size for x in grpo_folds(1e-3, size)] == [0, 0]


@pytest.mark.parametrize("p", [0.0, 1.0, np.nan, 1.5])
def test_a_support_that_is_none(p):
    with pytest.raises(ValueError, match="p_ref"):
        grpo_folds(p, 8)


def test_a_loop_jumps_at_the_folds():
    state = transition_state(1e-3, 16, beta_low=0.25, beta_high=0.38, n_rungs=14, n_steps=60)
    low, high = state["folds"]
    beta, down, up = state["beta"], state["down"].mean(axis=1), state["up"].mean(axis=1)
    assert np.all(down[beta > low + 0.01] < 0.75)
    assert np.all(down[beta < low - 0.01] > 0.95)
    assert np.all(up[beta < high - 0.02] > 0.9)
    assert np.all((state["down"] >= 0) & (state["down"] <= 1))
    # The same numbers for the same seed.
    again = transition_state(1e-3, 16, beta_low=0.25, beta_high=0.38, n_rungs=14, n_steps=60)
    np.testing.assert_array_equal(again["up"], state["up"])


def test_no_loop_without_folds():
    slow = {"n_steps": 80, "learning_rate": 1.0, "n_groups": 64, "n_seeds": 8}
    state = transition_state(0.1, 4, beta_low=0.5, beta_high=1.2, n_rungs=6, **slow)
    assert state["folds"].size == 0
    assert np.abs(state["down"].mean(axis=1) - state["up"].mean(axis=1)).max() < 0.04
    assert len(np.atleast_1d(state["gibbs"])) == 6


@pytest.mark.parametrize("p_ref", [1e-4, 0.1])
@pytest.mark.parametrize("group_size", [4, 32])
@pytest.mark.parametrize("n_groups", [2, 64])
def test_the_ends_of_the_sliders(p_ref, group_size, n_groups):
    state = transition_state(
        p_ref, group_size, beta_low=0.1, beta_high=1.0, n_rungs=3, n_steps=5, n_groups=n_groups
    )
    assert state["down"].shape == state["up"].shape == (3, 4)
    assert np.isfinite(state["up"]).all()


@pytest.mark.parametrize("size", [4, 16, np.inf])
def test_the_curve_holds_the_fixed_points(size):
    beta, success = equation_of_state(1e-3, size, 0.2, 0.5, n_points=20_000)
    assert beta.min() >= 0.2
    assert beta.max() <= 0.5
    for b in (0.25, 0.31, 0.45):
        near = success[np.nonzero(np.diff(np.sign(beta - b)))[0]]
        roots = grpo_equilibria(1e-3, b, size)[0]
        roots = roots[roots < expit(13)]
        np.testing.assert_allclose(logit(near), logit(roots), atol=3e-3)


def test_values_of_the_explorable():
    inside = transition_values(0.3, -3.0, 16)
    assert inside["cold"] == pytest.approx(0.4104, abs=1e-4)
    assert inside["hot"] == pytest.approx(0.9972, abs=1e-4)
    large = transition_values(0.6, -2.0, 0)
    assert large["hot"] == pytest.approx(expit(12.0))
    assert large["fold_low"] == pytest.approx(grpo_spinodal(0.01))
    none = transition_values(0.3, -3.0, 4)
    assert none["cold"] == none["hot"]
    assert none["fold_low"] == none["fold_high"] == 0.0

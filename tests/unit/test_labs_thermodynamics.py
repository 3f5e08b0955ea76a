"""The lab of chapter 12 and the best-of-n policy behind it."""

from itertools import product

import numpy as np
import pytest
from scipy.special import expit, logit

from klrl_lite import problems
from klrl_lite.explore.thermodynamics import frontier_values
from klrl_lite.labs.thermodynamics import SHAPES, thermodynamics_state
from klrl_lite.plots.thermodynamics import best_of_n


@pytest.mark.parametrize("n", [1, 2, 5])
@pytest.mark.parametrize(
    "reward", [[0.0, 1.0, 2.0, 3.0], [1.0, 0.0, 1.0, 0.0], [2.0, 2.0, 2.0, 2.0]]
)
def test_best_of_n_is_what_all_draws_together_keep(reward, n):
    problem = problems.levels(np.log([0.4, 0.3, 0.2, 0.1]), reward)
    mass, kept = np.exp(problem.log_ref), np.zeros(4)
    for draw in product(range(4), repeat=n):
        best = [a for a in draw if reward[a] == max(reward[b] for b in draw)]
        for answer in best:
            kept[answer] += mass[list(draw)].prod() / len(best)
    np.testing.assert_allclose(np.exp(best_of_n(problem, n)), kept, rtol=1e-12)


@pytest.fixture(scope="module", params=SHAPES)
def state(request):
    return thermodynamics_state(request.param, 0.7, 8)


def test_gibbs_lies_on_the_frontier_and_best_of_n_not_above(state):
    spent, mean = (np.array(axis)[::-1] for axis in state["frontier"])
    height = np.ptp(mean)
    at_kl, reward = state["gibbs"]
    assert np.interp(at_kl, spent, mean) == pytest.approx(reward, abs=2e-3 * height)
    at_kl, reward = state["best_of_n"]
    assert reward <= np.interp(at_kl, spent, mean) + 2e-3 * height


def test_policies_have_the_numbers_that_are_shown(state):
    reward, star, best = state["policies"]
    for name, policy in (("gibbs", star), ("best_of_n", best)):
        spent = np.sum(policy * np.log(np.maximum(policy, 1e-300) * policy.size))
        np.testing.assert_allclose(state[name], [spent, policy @ reward], atol=1e-9)


def test_nothing_is_wasted_on_two_levels_and_on_a_reversed_exponential():
    assert thermodynamics_state("right or wrong (1 %)", 0.7, 64)["wasted"] < 1e-9
    # A thousand levels are not a continuum.
    assert thermodynamics_state("turned round", 0.7, 8)["wasted"] < 1e-3
    waste = [thermodynamics_state(s, 0.7, 8)["wasted"] for s in ("bell curve", "long upper tail")]
    assert waste[1] > waste[0] > 0.1


def test_temperature_of_best_of_n_on_right_or_wrong():
    success = 1 - 0.99**16
    tau = 1 / (logit(success) - logit(0.01))
    state = thermodynamics_state("right or wrong (1 %)", tau, 16)
    assert state["gibbs"][1] == pytest.approx(success, rel=1e-12)
    assert expit(1 / tau + logit(0.01)) == pytest.approx(success)


def test_slope_and_intercept_of_the_chart_change_places():
    problem = problems.levels(np.zeros(5), [0.0, 0.2, 0.5, 0.7, 1.0])
    before, now, after = (frontier_values(problem, -0.5 + h, 3) for h in (-1e-4, 0.0, 1e-4))
    tau = 10**-0.5
    assert now["value"] == pytest.approx(now["reward"] - tau * now["kl"])
    slope = (after["reward"] - before["reward"]) / (after["kl"] - before["kl"])
    assert slope == pytest.approx(tau, rel=1e-5)
    step = 10 ** (-0.5 + 1e-4) - 10 ** (-0.5 - 1e-4)
    assert (after["value"] - before["value"]) / step == pytest.approx(-now["kl"], rel=1e-5)
    assert frontier_values(problem, 0.0, 0)["wasted"] == 0.0

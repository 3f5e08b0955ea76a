"""The lab of chapter 14, the crossing that its figure marks, and what its explorable must say."""

import numpy as np
import pytest

from klrl_lite.explore.support import support_values
from klrl_lite.labs.support import KS, TASKS, pass_at, support_state
from klrl_lite.plots.support import where_behind


def test_pass_at_k_is_the_share_of_problems_solved_by_simulated_samples():
    success = np.array([0.02, 0.3, 0.0])
    drawn = np.random.default_rng(0).random((40_000, 8, 3)) < success
    share = drawn.any(axis=1).mean(axis=-1)
    assert pass_at(success, [8])[0] == pytest.approx(share.mean(), abs=5 * share.std() / 200)


@pytest.mark.parametrize("task", TASKS)
def test_tasks_are_policies_and_say_what_solves_them(task):
    log_ref, reward, solved = TASKS[task](7)
    assert np.exp(log_ref).sum(axis=-1) == pytest.approx(1.0)
    assert reward.shape == log_ref.shape[1:]
    solves = solved(np.exp(log_ref))
    assert np.all((solves > 0) & (solves < 1))
    # All mass on the best-rewarded answers solves everything that can be solved.
    assert reward[0] == 0.0


@pytest.mark.parametrize("task", TASKS)
def test_tilting_has_the_success_of_the_run_and_never_loses(task):
    state = support_state(task, n_steps=100, n_prompts=40)
    assert state["gibbs"].mean() == pytest.approx(state["run"].mean(), abs=1e-9)
    assert np.all(state["gibbs"] >= state["base"] * (1 - 1e-12))
    assert np.all(pass_at(state["gibbs"]) <= pass_at(state["base"], KS * np.exp(1 / state["tau"])))


def test_the_runs_of_the_page_cross_their_base():
    lost_prompts = support_state("partial credit")
    lost_answers = support_state("one method counts", learning_rate=3.0, n_steps=200)
    for state, (low, high) in ((lost_prompts, (50, 150)), (lost_answers, (5, 20))):
        curves = pass_at(state["run"]), pass_at(state["base"])
        assert curves[0][0] > 2 * curves[1][0]
        assert low < where_behind(KS, *curves) < high


def test_a_binary_reward_loses_no_prompt_only_ways_to_be_right():
    state = support_state("one method counts", learning_rate=3.0, n_steps=100)
    right = np.exp(state["log_pi"])[:, 1:].sum(axis=-1)
    before = np.exp(state["log_ref"])[:, 1:].sum(axis=-1)
    assert np.all(right >= before * (1 - 1e-12))
    assert np.mean(state["run"] < state["base"]) > 0.3


def test_expectations_do_not_depend_on_the_seed():
    first, second = (
        support_state("partial credit", expected=True, n_steps=5, n_prompts=6, seed=seed)
        for seed in (0, 1)
    )
    np.testing.assert_array_equal(first["run"], second["run"])


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("beta", [0.0, 0.2])
@pytest.mark.parametrize("group_size", [2, 32])
@pytest.mark.parametrize("normalize", [True, False])
def test_the_ends_of_the_sliders(task, beta, group_size, normalize):
    state = support_state(
        task, beta=beta, group_size=group_size, learning_rate=10.0, n_steps=20,
        normalize=normalize, n_prompts=20,
    )  # fmt: skip
    for name in ("base", "run", "gibbs"):
        assert np.all((state[name] >= 0) & (state[name] <= 1))


def test_where_behind_knows_curves_that_never_cross():
    k = np.array([1.0, 2.0, 4.0])
    assert where_behind(k, np.full(3, 0.6), np.full(3, 0.5)) == np.inf
    assert where_behind(k, np.full(3, 0.4), np.full(3, 0.5)) == 1.0


def test_the_explorable_crosses_where_pass_at_k_does():
    values = support_values(0.25, -1.5, 2.5, 0.2)
    assert values["base_1"] < values["run_1"] < values["tilted_1"]
    assert 100 < values["cross"] < 300
    assert support_values(0.25, -1.5, 2.5, 0.0)["cross"] == 0.0

"""The lab of chapter 05 against sampled runs, expected runs, and the ends of its sliders."""

import numpy as np
import pytest

from klrl_lite import policies
from klrl_lite.algorithms import run
from klrl_lite.algorithms.grpo import group_signal, grpo
from klrl_lite.labs.grpo import PENALTIES, grpo_state


@pytest.mark.parametrize("penalty", ["exact", "k3"])
@pytest.mark.parametrize("normalize", [True, False])
@pytest.mark.parametrize("baseline", ["mean", "leave_one_out"])
def test_predictions_are_where_expected_updates_stop(penalty, normalize, baseline):
    options = {"baseline": baseline, "normalize": normalize}
    state = grpo_state(0.05, 1.0, 4, penalty=penalty, n_steps=1, n_seeds=1, **options)
    log_ref = np.log([0.95, 0.05])
    learner = grpo(
        policies.tabular(2), log_ref=log_ref, beta=1.0, penalty=penalty, learning_rate=2.0,
        optimizer="sgd",
    )  # fmt: skip
    end = run(learner, log_ref, group_signal([0.0, 1.0], 4, **options), 400).log_pi[-1]
    assert len(state["rest"]) == 1
    assert np.exp(end[1]) == pytest.approx(state["rest"][0], abs=1e-9)


@pytest.mark.parametrize("normalize", [True, False])
def test_sampled_runs_settle_there(normalize):
    state = grpo_state(0.05, 0.5, 4, normalize=normalize, n_steps=400, n_groups=64, n_seeds=16)
    late = state["success"][200:].mean(axis=0)
    assert late.mean() == pytest.approx(state["rest"][0], abs=6 * late.std() / 4 + 2e-3)
    assert abs(late.mean() - state["gibbs"]) > 0.05


def test_the_penalty_in_the_reward_keeps_gibbs():
    state = grpo_state(0.2, 1.0, 8, penalty="k1_in_reward", learning_rate=0.02, n_groups=64)
    assert state["rest"] == pytest.approx([state["gibbs"]])
    assert state["success"][-1].mean() == pytest.approx(state["gibbs"], abs=0.03)


@pytest.mark.parametrize("penalty", PENALTIES)
@pytest.mark.parametrize("p_ref", [1e-3, 10**-0.4])
@pytest.mark.parametrize("beta", [0.1, 10**0.7])
@pytest.mark.parametrize("group_size", [2, 64])
def test_the_ends_of_the_sliders(penalty, p_ref, beta, group_size):
    state = grpo_state(p_ref, beta, group_size, penalty=penalty, n_steps=2, n_seeds=2)
    assert state["success"].shape == (3, 2)
    assert np.all((state["rest"] >= 0) & (state["rest"] <= 1))

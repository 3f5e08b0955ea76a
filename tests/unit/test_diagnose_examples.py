"""Runs that the package writes itself: the logs are those of the answers that were drawn."""

import json

import numpy as np
import pytest
from diagnosed import Recorded

from klrl_lite import equilibria, signals
from klrl_lite.diagnose import diagnose
from klrl_lite.diagnose.live import Training, _draw, train
from klrl_lite.diagnose.write import arguments, trainer_state, write_run


def rewards_of(right, group, gap):
    """Every answer's reward, in groups (in any order)."""
    return gap * (np.arange(group) < np.asarray(right)[..., None])


def close(found, rewards):
    """An entry of a log against the rewards of its answers."""
    flat = (rewards == rewards[:, :1]).all(axis=1)
    assert found["reward"] == pytest.approx(rewards.mean())
    assert found["reward_std"] == pytest.approx(rewards.std(ddof=1))
    assert found["frac_reward_zero_std"] == pytest.approx(flat.mean())


@pytest.mark.parametrize(("group", "gap", "every"), [(16, 1.0, 1), (4, 2.5, 3)])
def test_a_state_holds_the_mean_and_the_deviation_of_its_answers(group, gap, every):
    rng, success = Recorded(), np.array([0.1, 0.5, 0.9])
    if every == 1:
        state = trainer_state(success, 48, rng=rng)
    else:
        state = trainer_state(success, 48, rng=rng, group=group, gap=gap, every=every)
    assert state["global_step"] == 3 * every
    history = state["log_history"]
    assert [(e["epoch"], e["step"]) for e in history] == [(i, i * every) for i in (1, 2, 3)]
    for entry, P, (n, p, right) in zip(history, success, rng.calls, strict=True):
        assert (n, p, right.shape) == (group, P, (48 // group,))
        close(entry, rewards_of(right, group, gap))


def test_a_run_is_written_where_trl_writes_it(tmp_path):
    given = arguments(0.3, 64, group=8, seed=5, scale_rewards="none")
    state = {"global_step": 7, "log_history": [{"step": 7, "reward": 0.5}]}
    for _ in range(2):  # again, over what is there
        write_run(tmp_path / "new" / "run", state, given)
    written = {p.relative_to(tmp_path).as_posix(): json.loads(p.read_text())
               for p in tmp_path.rglob("*.json")}  # fmt: skip
    assert written == {
        "new/run/training_args.json": given,
        "new/run/checkpoint-7/trainer_state.json": state,
    }


def test_arguments_are_those_of_trl():
    """All answers new at each step; TRL's defaults for the rest, unless told."""
    assert arguments(0.3, 64) == {
        "beta": 0.3, "num_generations": 16, "generation_batch_size": 64, "steps_per_generation": 1,
        "gradient_accumulation_steps": 1, "num_iterations": 1, "scale_rewards": "group",
        "use_bias_correction_kl": True, "loss_type": "dapo",
    }  # fmt: skip
    changed = arguments(0.3, 64, group=8, seed=5, scale_rewards="none")
    assert changed == arguments(0.3, 64) | {
        "num_generations": 8,
        "seed": 5,
        "scale_rewards": "none",
    }


@pytest.mark.parametrize("std", [True, False])
@pytest.mark.parametrize("gap", [1.0, 0.5, 3.0])
def test_the_signal_is_that_of_each_answer(std, gap):
    how = Training(std=std, gap=gap, group=5, n_groups=7)
    rng = Recorded()
    P = np.array([[0.02, 0.5], [0.7, 0.95]])
    (weight, gain, loss), right = _draw(P, how, rng)
    ((n, p, given),) = rng.calls
    assert (n, given.shape) == (5, (2, 2, 7))
    np.testing.assert_array_equal(p, P[..., None])
    np.testing.assert_array_equal(right, given)
    for place in np.ndindex(2, 2):
        sums = np.zeros((3, 2))
        for k in given[place]:
            reward = rewards_of(k, 5, gap)
            value = signals.group_advantages(reward, normalize=std, ddof=int(std), std_floor=1e-4)
            for r, a in zip(reward, value, strict=True):
                sums[:, int(r > 0)] += np.array([1.0, max(a, 0.0), max(-a, 0.0)]) / 35
        np.testing.assert_allclose([weight[place], gain[place], loss[place]], sums, atol=1e-12)


@pytest.mark.parametrize(
    "how",
    [Training(n_steps=7, every=3, group=4, n_groups=5, gap=2.0),
     Training(n_steps=4, every=1, std=False, corrected=False)],
)  # fmt: skip
def test_logs_are_averages_over_the_answers_of_their_steps(tmp_path, how):
    rng = Recorded()
    train(tmp_path, [0.2, 1.5], [0.3, 0.5, 0.6], how, n_seeds=3, rng=rng)
    draws = np.array([right for _, _, right in rng.calls])  # (steps, B, seeds, prompts, groups)
    assert draws.shape == (how.n_steps, 2, 3, 3, how.n_groups)
    answers = how.group * how.n_groups * 3
    assert len(list(tmp_path.iterdir())) == 6
    for i, beta in enumerate((0.2, 1.5)):
        for seed in range(3):
            folder = tmp_path / f"beta-{beta:g}-seed-{seed}"
            blocks = how.n_steps // how.every
            (file,) = folder.glob("checkpoint-*/trainer_state.json")
            state = json.loads(file.read_text())
            assert state["global_step"] == blocks * how.every
            assert file.parent.name == f"checkpoint-{blocks * how.every}"
            log = state["log_history"]
            assert [e["step"] for e in log] == [how.every * (t + 1) for t in range(blocks)]
            for t, entry in enumerate(log):
                steps = range(t * how.every, (t + 1) * how.every)
                all_of = [rewards_of(draws[s, i, seed].ravel(), how.group, how.gap) for s in steps]
                flat = [(r == r[:, :1]).all(axis=1).mean() for r in all_of]
                assert set(entry) == {"step", "reward", "reward_std", "frac_reward_zero_std"}
                assert entry["reward"] == pytest.approx(np.mean([r.mean() for r in all_of]))
                assert entry["reward_std"] == pytest.approx(
                    np.mean([r.std(ddof=1) for r in all_of])
                )
                assert entry["frac_reward_zero_std"] == pytest.approx(np.mean(flat))
            assert json.loads((folder / "training_args.json").read_text()) == arguments(
                beta, answers, group=how.group, seed=seed, logging_steps=how.every,
                scale_rewards="group" if how.std else "none", use_bias_correction_kl=how.corrected,
            )  # fmt: skip
    report = diagnose([tmp_path])
    assert len(report.points) == 6
    assert report.points[0].run.n[0] == answers * how.every


@pytest.mark.parametrize("corrected", [True, False])
def test_training_ends_where_its_law_says(tmp_path, corrected):
    """With the mean of the group as baseline: at beta G/(G - 1). Two seeds unless told."""
    how = Training(std=False, corrected=corrected, n_steps=250, rate=0.5, group=8, n_groups=50,
                   every=250)  # fmt: skip
    beta = np.array([0.3, 0.5, 0.9])
    end = train(tmp_path, beta, 0.2, how, rng=np.random.default_rng(0))
    assert end.shape == (3, 2)
    law = equilibria.k2_fixed_point if corrected else equilibria.k3_fixed_point
    np.testing.assert_allclose(end, np.tile(law(0.2, beta, 7 / 8)[:, None], 2), atol=0.03)


def test_training_begins_at_the_support_of_each_prompt(tmp_path):
    rng = Recorded()
    end = train(tmp_path, [0.4], [0.3, 0.01], Training(n_steps=2), n_seeds=1, rng=rng)
    np.testing.assert_allclose(rng.calls[0][1][0, 0, :, 0], [0.3, 0.01])
    P = rng.calls[1][1][0, 0, :, 0]
    assert end[0, 0] != pytest.approx(P.mean(), abs=1e-6)
    still = train(tmp_path, [0.4], [0.3, 0.01], Training(n_steps=1, rate=1e-12, every=1),
                  rng=np.random.default_rng(0))  # fmt: skip
    np.testing.assert_allclose(still, [[0.155, 0.155]])

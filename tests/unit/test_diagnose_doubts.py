"""Why a sweep is mistrusted: every doubt where it begins, with its numbers and names."""

import re

import numpy as np
import pytest
from diagnosed import named, only, well_said, with_reward
from scipy import stats

from klrl_lite.diagnose.doubts import beginning, doubts, mixture, two_levels
from klrl_lite.diagnose.messages import some
from klrl_lite.diagnose.settle import common_drift, point_of


def point(run=None, **changes):
    return point_of(run or named("a run"), 0.5)._replace(**changes)


# --- two levels ---


def test_the_gap_is_measured_whatever_the_success():
    runs = [with_reward(P, 3.0, n) for P in (0.25, 0.5, 0.75) for n in (2.0, 64.0, np.inf, np.nan)]
    runs = [r for r in runs if not np.isnan(r.n[0])] + [with_reward(0.4, 3.0) for _ in range(1)]
    runs[-1].n[:] = np.nan  # not known: as if it were large
    runs.append(with_reward(0.4, 3.0))
    runs[-1].n[:] = 1.0  # one answer has no deviation of its own
    gap, spread = two_levels([point_of(r, 0.5) for r in runs])
    assert two_levels([point_of(runs[-1], 0.5)])[0] == pytest.approx(3.0)
    assert gap == pytest.approx(3.0)
    assert spread == pytest.approx(0.0, abs=1e-9)


def test_the_gap_is_the_median_and_its_spread_is_in_units_of_what_batches_explain():
    runs = [with_reward(0.5, g, 100.0) for g in (1.0, 1.1, 1.06)]
    for i, run in enumerate(runs):
        run.step = run.step * (2.0 + i)  # 50, 33 and 25 answers a step
    gap, spread = two_levels([point_of(r, 0.5) for r in runs])
    assert gap == pytest.approx(1.06)
    assert spread == pytest.approx(0.1 / 1.06 / (0.08 + 1.5 / (100 / 3)))
    first = with_reward(0.5, 1.0, 100.0, entries=2)  # steps are counted from 0
    first.step = np.array([1.0, 4.0])
    more = [point_of(r, 0.5) for r in (first, with_reward(0.5, 1.2, 100.0, entries=1))]
    assert two_levels(more)[1] == pytest.approx(
        0.2 / 1.1 / (0.08 + 1.5 / np.median([100 / 3, 100]))
    )


def test_only_the_later_half_and_the_middle_of_success_count():
    run = with_reward(0.5, 2.0)
    run.extra["reward"][:4] = 17.0  # the first half of the log
    gap, _ = two_levels([point_of(run, 0.5)])
    assert gap == pytest.approx(2.0)
    for share in (0.1, 0.19, 0.81, 0.9):
        assert two_levels([point_of(with_reward(share, 2.0), 0.5)]) is None
    for share in (0.21, 0.79):
        assert two_levels([point_of(with_reward(share, 2.0), 0.5)])[0] == pytest.approx(2.0)
    odd = with_reward(0.5, 2.0, entries=5)
    odd.extra["reward"][:2] = 1.2
    assert two_levels([point_of(odd, 0.5)])[0] == pytest.approx(2.0)
    mixed = with_reward(0.5, 2.0)
    mixed.extra["reward"][5:7] = 0.0  # batches without a right answer say nothing, nor warn
    mixed.extra["reward_std"][5:7] = 0.0, 1.0
    assert two_levels([point_of(mixed, 0.5)])[0] == pytest.approx(2.0)


@pytest.mark.parametrize("lost", ["reward", "reward_std"])
def test_runs_without_both_columns_are_passed_over(lost):
    run = with_reward(0.5, 2.0)
    del run.extra[lost]
    assert two_levels([point_of(run, 0.5)]) is None
    assert two_levels([point_of(r, 0.5) for r in (run, with_reward(0.5, 3.0))])[0] == 3.0


# --- flat groups ---


def flat_run(P, group, n, seen):
    run = named("flat", np.full(8, P), n, zero_std=np.full(8, seen))
    run.group = group
    return run


@pytest.mark.parametrize(("P", "group", "n"), [(0.15, 8, 80.0), (0.5, 2, 64.0), (0.9, 16, 160.0),
                                               (0.3, 4, 0.5), (0.3, 4, np.nan)])  # fmt: skip
def test_flat_groups_are_too_many_above_four_errors(P, group, n):
    """The error has two parts: of the share that is seen, and of the success it is compared to."""

    def alone(p):
        return stats.binom.pmf(0, group, p) + stats.binom.pmf(group, group, p)

    groups = max(1.0, 4 * n / group) if n > 0 else 1.0  # the later half: four entries
    slope = (alone(P + 1e-6) - alone(P - 1e-6)) / 2e-6
    chance = alone(P)
    error = np.hypot(np.sqrt(chance * (1 - chance) / groups),
                     slope * np.sqrt(P * (1 - P) / (group * groups)))  # fmt: skip
    limit = chance + 0.05 + 4 * error
    for seen, found in ((limit - 1e-6, []), (limit + 1e-6, ["flat"])):
        assert mixture([point_of(flat_run(P, group, n, seen), 0.5)]) == found


def test_groups_that_are_not_known_are_passed_over():
    good, bad = flat_run(0.5, 16.0, 1e4, 0.9), flat_run(0.5, 16.0, 1e4, 0.9)
    for group in (1.0, np.nan):
        bad.group = group
        assert mixture([point_of(r, 0.5) for r in (bad, good)]) == ["flat"]
    bad.group = 16.0
    del bad.extra["zero_std"]
    assert mixture([point_of(r, 0.5) for r in (bad, good)]) == ["flat"]
    good.extra["zero_std"][:4] = 0.0  # long ago
    good.extra["zero_std"][5] = np.nan
    good.success[:4] = 0.01
    assert mixture([point_of(good, 0.5)]) == ["flat"]


# --- the beginning ---


def test_the_beginning_is_a_mean_with_four_errors():
    runs = [named("a", np.r_[rate, np.full(39, 0.5)], n) for rate, n in ((0.2, 50.0), (0.3, 150.0))]
    mean, low, high = beginning([point(r) for r in runs])
    assert mean == pytest.approx((0.2 * 50 + 0.3 * 150) / 200)
    between, within = np.var([0.2, 0.3]) / 2, mean * (1 - mean) / 200
    assert between > within
    assert (mean - low, high - mean) == (pytest.approx(4 * np.sqrt(between)),) * 2
    for run in runs:
        run.n = run.n / 10
    mean, low, high = beginning([point(r) for r in runs])
    assert high - mean == pytest.approx(4 * np.sqrt(mean * (1 - mean) / 20))
    assert low == 0.0


def test_a_beginning_without_right_answers_is_no_certainty():
    run = named("a", np.r_[0.0, np.full(39, 0.5)], 64.0)
    assert beginning([point(run)]) == (0.0, 0.0, pytest.approx(4 / 64))


def test_runs_that_say_how_they_began():
    short, long = named("a", np.full(19, 0.1)), named("b", np.full(20, 0.2))
    unknown, none = named("c", np.full(40, 0.3), np.nan), named("d", np.full(40, 0.4), 0.0)
    part = named("e", np.full(40, 0.7), 0.5)
    part.n[1] = 0.0
    assert beginning([point_of(short, 0.5), point_of(unknown, 0.5)]) is None
    found = beginning([point_of(r, 0.5) for r in (short, unknown, long)])
    assert found[0] == pytest.approx(0.2)
    assert beginning([point()._replace(run=none)]) is None
    assert beginning([point()._replace(run=part)])[0] == pytest.approx(0.7)


# --- all of them ---


def ask(points, used=None, runs=None):
    return doubts(runs or [p.run for p in points], points, points if used is None else used)


def test_a_sweep_without_fault_raises_no_doubt():
    assert ask([point()] * 3) == []


def test_runs_that_move_are_named_and_counted():
    points = [point(named(f"r{i}"), state="drifting" if i < 17 else "settled") for i in range(50)]
    found = ask(points)
    message = only(found, "still move at their end", "left out")
    assert message.what.startswith("17 of 50 runs ")
    assert message.where == some([f"r{i}" for i in range(17)]) == "r0, r1, r2, r3 and 13 more"
    assert "Train on" in message.do
    assert len(found) == 1, "17 of 50 is not more than 0.34"
    found = ask(points[:49])
    assert only(found, "more than a third of the runs have not settled", "doubt").do
    assert len(found) == 2


def test_runs_that_found_nothing_are_named_and_counted():
    points = [point(named("none"), state="nothing found"), point(named("good"))]
    message = only(ask(points), "1 of 2 runs saw fewer than ten right answers in all", "left out")
    assert message.where == "none"
    assert "Start them from a policy that is right more often" in message.do


def test_runs_whose_tail_is_short_are_named_if_they_are_used():
    points = [point(named("short"), state="too short"), point(named("lost"), state="too short")]
    found = ask(points, points[:1])
    message = only(found, "fewer than six entries in their tail", "note")
    assert message.what.startswith("1 runs ")
    assert message.where == "short"
    assert len(found) == 1


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_a_common_drift_is_told_with_its_size(sign):
    moving = [point(drift=sign * 0.03, drift_se=0.03 / 3**0.5 * k) for k in (1.0, 1.1, 1.2)] * 4
    nats, z = common_drift(moving)
    assert abs(z) > 3.5
    message = only(ask(moving), "together at their end", "doubt")
    assert f"the runs move {'up' if sign > 0 else 'down'} together" in message.what
    size, score = map(float, re.findall(r"by ([\d.]+) nats of log-odds \(z = ([-\d.]+)\)",
                                        message.what)[0])  # fmt: skip
    assert size == pytest.approx(abs(nats), abs=0.005)
    assert score == pytest.approx(z, abs=0.05)
    assert message.do == "Train on."


@pytest.mark.parametrize(
    ("nats", "z", "said"),
    [(0.051, 3.6, True), (0.049, 3.6, False), (0.051, 3.4, False), (0.9, 3.4, False),
     (-0.051, -3.6, True), (-0.9, -3.4, False)],
)  # fmt: skip
def test_a_common_drift_has_to_be_sure_and_large(nats, z, said):
    P = 0.5
    run = point(success=P, drift=nats * P * (1 - P),
                drift_se=abs(nats / z) * np.sqrt(0.85) * P * (1 - P))  # fmt: skip
    assert common_drift([run]) == (pytest.approx(nats), pytest.approx(z))
    assert [m.kind for m in ask([run])] == ["doubt"] * said
    assert ask([run], used=[]) == []


def test_mixed_prompts_are_named():
    said = ask([point(flat_run(0.5, 16.0, 1e4, 0.9))])
    message = only(said, "prompts of different difficulty are mixed", "doubt")
    assert message.where == "flat"
    assert "--map prompt=COLUMN" in message.do


def test_a_third_level_is_a_doubt():
    points = [point_of(with_reward(0.5, g, entries=40), 0.5) for g in (1.0, 1.07)]
    assert ask(points) == []
    points.append(point_of(with_reward(0.5, 1.12, entries=40), 0.5))
    message = only(ask(points), "do not fit two levels", "doubt")
    assert message.do == "The laws here are for right and wrong."


def test_answers_of_several_tokens_are_noted():
    long = named("long", length=np.r_[np.full(19, 1.5), np.full(21, 1.6)])
    half = named("half", length=np.r_[np.full(20, 1.0), np.full(20, 9.0)])
    short = named("short", length=np.full(40, 1.5))
    points = [point(r) for r in (half, named("none"), short, long)]
    message = only(ask(points), "several tokens", "note")
    assert message.where == "long"
    assert "TRL's penalty acts on each token" in message.what
    assert ask([point(half)]) == []


@pytest.mark.parametrize("key", ["scale_rewards", "use_bias_correction_kl"])
def test_runs_with_different_settings_are_not_diagnosed_together(key):
    one, two = named("one"), named("two")
    one.settings, two.settings = {key: "group", "seed": 0}, {key: "none", "seed": 1}
    message = only(
        ask([point(one), point(two)]), "scale_rewards or use_bias_correction_kl", "doubt"
    )
    assert message.do == "Diagnose them apart."
    two.settings = {key: "group", "seed": 1}
    assert ask([point(one), point(two)]) == []


def test_a_std_of_the_batch_is_noted():
    one = named("one")
    one.settings = {"scale_rewards": "batch"}
    well_said(only(ask([point(one)]), "scale_rewards='batch'", "note"))

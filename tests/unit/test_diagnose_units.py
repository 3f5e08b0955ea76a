"""Units, gaps and copies: what a rate is a share of, and which runs are counted."""

import numpy as np
import pytest
from diagnosed import WAVE, named, only, well_said, with_reward

from klrl_lite.diagnose import BadInput, Options
from klrl_lite.diagnose.messages import Message, some
from klrl_lite.diagnose.units import check_units, without_copies


def test_a_negative_rate_is_shown_where_it_stands():
    good, bad = named("good"), named("bad", np.array([0.5, -0.25, 0.2, -0.5]))
    bad.where = [f"a.csv, line {i}" for i in range(2, 6)]
    with pytest.raises(BadInput) as caught:
        check_units([good, bad], Options(gap=1.0), [])
    message = well_said(caught.value.message)
    assert message.where == "a.csv, line 5"
    assert "-0.5" in message.what
    assert "Map the share of right answers" in message.do
    assert check_units([named("zero", np.array([0.0, 1.0]))], Options(gap=2.0), []) == 2.0


def test_percent_is_divided_once_for_all():
    runs = [named("a", 100 * (0.5 + WAVE)), named("b", np.full(3, 0.5)), named("c", [100.0, 0.0])]
    assert check_units(runs, Options(percent=True, gap=1.5), []) == 1.5
    np.testing.assert_allclose(runs[0].success, 0.5 + WAVE)
    np.testing.assert_allclose(runs[1].success, 0.005)
    np.testing.assert_allclose(runs[2].success, [1.0, 0.0])


def test_percent_that_is_none():
    with pytest.raises(BadInput) as caught:
        check_units([named("a", np.array([0.4, 1.0]))], Options(percent=True), [])
    message = well_said(caught.value.message)
    assert message.where == "--percent"
    assert "leave --percent out" in message.do
    low = [named("a", np.array([0.4, 1.5]))]
    check_units(low, Options(percent=True, gap=1.0), [])
    np.testing.assert_allclose(low[0].success, [0.004, 0.015])
    high = named("b", np.array([40.0, 101.0, 50.0]))
    high.where = ["line 1", "line 2", "line 3"]
    with pytest.raises(BadInput, match=r"1\.01 in units of 100") as caught:
        check_units([named("a", np.full(3, 0.5)), high], Options(percent=True), [])
    assert well_said(caught.value.message).where == "line 1", "the first entry above 1"


def test_rates_above_one_are_percent_or_a_mixture_of_units():
    percent = [named("a", np.array([1.0, 1.5, 1.2])), named("b", np.array([2.0, 60.0]))]
    percent[0].where = ["one", "two", "three"]
    with pytest.raises(BadInput, match="success rates up to 60") as caught:
        check_units(percent, Options(), [])
    assert well_said(caught.value.message).where == "two"
    assert "--percent" in caught.value.message.do
    assert "--map success=COLUMN" in caught.value.message.do
    mixed = [named("low", np.array([0.5, 1.0])), *percent]
    with pytest.raises(BadInput, match=r"but never in low: percent and fractions") as caught:
        check_units(mixed, Options(), [])
    assert well_said(caught.value.message).where == "two"
    assert caught.value.message.do == "Bring the files to one unit."
    assert check_units([named("one", np.array([1.0, 0.5]))], Options(gap=1.0), []) == 1.0


def scaled(gap, shares=(0.3, 0.6), n=1e9):
    """Runs that log the reward alone, under the name of success."""
    runs = [with_reward(P, gap, n) for P in shares]
    for run in runs:
        run.success = run.extra["reward"].copy()
    return runs


@pytest.mark.parametrize(("gap", "said"), [(10.0, 10.0), (9.97, 10.0), (13.5, 13.5), (3.0, 3.0)])
def test_a_reward_with_two_levels_is_measured(gap, said):
    runs, messages = scaled(gap), []
    assert check_units(runs, Options(), messages) == pytest.approx(said, rel=1e-6)
    for run, P in zip(runs, (0.3, 0.6), strict=True):
        np.testing.assert_allclose(run.success, P * gap / said, rtol=1e-6)
    message = only(messages, f"success is reward/{said:g}", "note")
    assert f"goes up to {0.6 * gap:g}" in message.what
    assert f"0 and {said:g}:" in message.what


def test_a_gap_that_is_given_is_not_measured():
    runs = scaled(10.0)
    assert check_units(runs, Options(gap=12.0), []) == 12.0
    np.testing.assert_allclose(runs[1].success, 0.5)
    runs = scaled(10.0)
    runs[0].where[0] = "a.csv, line 2"
    with pytest.raises(BadInput, match="in units of 5") as caught:
        check_units(runs, Options(gap=5.0), [])
    message = well_said(caught.value.message)
    assert (message.where, message.do) == ("a.csv, line 2", "Correct the unit.")


def test_a_batch_may_be_all_right():
    runs = scaled(10.0)
    runs[0].extra["reward"][0] = runs[0].success[0] = 10.0
    messages = []
    assert check_units(runs, Options(), messages) == 10.0
    assert runs[0].success[0] == 1.0
    assert "map the success rate" in only(messages, "success is reward/10", "note").do


def nearly_two_levels():
    """The gaps of two runs differ by one and a half times what batches explain."""
    runs = scaled(10.0)
    runs[0].extra["reward_std"] = runs[0].extra["reward_std"] * np.sqrt(1.17)
    return runs


def three_levels():
    runs = scaled(10.0)
    runs[0].extra["reward_std"] = runs[0].extra["reward_std"] * 0.5
    return runs


def other_column():
    runs = scaled(10.0)
    runs[1].success = runs[1].success + 0.5
    return runs


def over_the_top():
    """A top of 14 is no mean of levels 0 and 10."""
    runs = scaled(10.0)
    for run in runs:
        run.extra["reward"][0] = run.success[0] = 14.0
    return runs


@pytest.mark.parametrize("make", [three_levels, nearly_two_levels, other_column,
                                  over_the_top])  # fmt: skip
def test_a_reward_that_is_not_two_levels_is_not_taken_for_success(make):
    with pytest.raises(BadInput, match="In percent"):
        check_units(make(), Options(), [])


def beside(success, reward, **more):
    return [named(f"r{i}", np.full(8, s), reward=np.full(8, r), **more)
            for i, (s, r) in enumerate(zip(success, reward, strict=True))]  # fmt: skip


@pytest.mark.parametrize(
    ("success", "reward", "gap"),
    [
        ([0.2, 0.5, 0.8], [0.7, 1.3, 1.9], 2.0),
        ([0.2, 0.5, 0.8], [-0.6, 0.0, 0.6], 2.0),  # a penalty for wrong answers
        ([0.2, 0.5, 0.8], [0.4996, 1.2490, 1.9984], 2.5),  # a round number, nearly
        ([0.2, 0.5, 0.8], [0.254, 0.635, 1.016], 1.27),  # and one that is not near one
        ([0.2, 0.31], [0.4, 0.62], 2.0),
        ([0.2, 0.5, 0.8], [0.1, 0.25, 0.4], 0.5),
    ],
)
def test_a_reward_beside_the_success_says_what_right_answers_are_worth(success, reward, gap):
    messages = []
    assert check_units(beside(success, reward), Options(), messages) == pytest.approx(gap)
    message = only(messages, "from wrong to right answers", "note")
    assert f"reward rises by {gap:g} " in message.what
    assert "--gap" in message.do
    assert check_units(beside(success, reward), Options(gap=7.0), []) == 7.0


def test_a_gap_of_one_needs_no_remark():
    messages = []
    assert check_units(beside([0.2, 0.8], [0.5, 1.1]), Options(), messages) == 1.0
    assert messages == []


@pytest.mark.parametrize("reward", [[0.4, 1.0 + 0.1, 1.6], [1.6, 1.0, 0.4], [1.0, 1.0, 1.0]])
def test_a_reward_that_is_no_rising_line_is_a_doubt(reward):
    messages = []
    assert check_units(beside([0.2, 0.5, 0.8], reward), Options(), messages) == 1.0
    message = only(messages, "no straight line in success", "doubt")
    assert message.do == "The laws here are for right and wrong."


def test_a_line_may_be_off_by_three_percent_of_the_gap():
    for off, gap in ((0.08, 2.0), (0.1, 1.0)):  # two thirds of it are off at the middle
        messages = []
        found = check_units(beside([0.2, 0.5, 0.8], [0.4, 1.0 + off, 1.6]), Options(), messages)
        assert found == gap
        assert messages[0].kind == ("note" if gap == 2.0 else "doubt")


def test_the_later_half_of_a_reward_counts():
    runs = beside([0.2, 0.8], [0.4, 1.6])
    for run in runs:
        run.extra["reward"][:4] = 33.0
    assert check_units(runs, Options(), []) == 2.0
    runs[0].extra["reward"][4:] = [0.1, 0.7, 0.3, 0.5]
    assert check_units(runs, Options(), []) == 2.0


@pytest.mark.parametrize(
    "runs",
    [
        beside([0.2], [0.4]),
        beside([0.2, 0.29], [0.4, 0.8]),  # too close to each other
        beside([0.2, 0.8], [0.2, 0.8]),  # the success itself
        [named("a"), named("b", np.full(8, 0.2)), *beside([0.3], [0.6])],
    ],
)
def test_without_two_rewards_that_differ_nothing_is_measured(runs):
    assert check_units(runs, Options(), []) is None


@pytest.mark.parametrize(("gap", "found"), [(1.0, 1.0), (0.96, 1.0), (1.04, 1.0), (0.94, None),
                                            (1.06, None)])  # fmt: skip
def test_a_deviation_beside_the_reward_says_whether_it_is_one(gap, found):
    runs = [with_reward(P, gap) for P in (0.4, 0.6)]
    for run in runs:
        run.success = run.extra["reward"].copy()
    assert check_units(runs, Options(), []) == found


def test_a_third_level_hides_the_gap():
    runs = [with_reward(0.5, g) for g in (0.95, 1.0, 1.05)]
    for run in runs:
        run.success = run.extra["reward"].copy()
    assert check_units(runs, Options(), []) is None


# --- copies ---


def test_a_copy_is_named_with_its_original():
    one, two = named("one"), named("two")
    two.where = ["b.csv, line 2"]
    messages = []
    kept = without_copies([named("other", 0.5 - WAVE), one, two], messages)
    assert [r.name for r in kept] == ["other", "one"]
    message = only(messages, "entry for entry", "left out")
    assert "'two' repeats 'one'" in message.what
    assert message.where == "b.csv, line 2"


def constant():
    return [named(name, np.full(40, 0.5)) for name in ("one", "two")]


@pytest.mark.parametrize(
    "runs",
    [
        [named("one"), named("two", beta=0.2)],
        [named("one"), named("two", np.r_[0.5 + WAVE[:-1], 0.9])],
        [named("one", WAVE[:5] + 0.5), named("two", WAVE[:5] + 0.5)],  # by chance, for so few
        constant(),
    ],
)
def test_runs_that_are_no_copies(runs):
    assert without_copies(runs, []) == runs
    runs = [named("one"), named("two")]
    runs[1].prompt = "another"
    assert without_copies(runs, []) == runs
    assert len(without_copies([named("one", WAVE[:6] + 0.5)] * 2, [])) == 1


def test_a_message_says_where_what_and_what_to_do():
    assert str(Message("note", "it is.", "Do.", "a.csv")) == "note: a.csv: it is. Do."
    assert str(Message("note", "it is.")) == "note: it is."
    error = BadInput("it is.", "Do.", "a.csv")
    assert error.message == Message("error", "it is.", "Do.", "a.csv")
    assert str(error) == str(error.message) == "error: a.csv: it is. Do."
    assert str(BadInput("it is.")) == "error: it is."
    assert [some(list("abcdef")), some(list("abcd")), some(list("ab"), 1), some([])] == [
        "a, b, c, d and 2 more", "a, b, c, d", "a and 1 more", ""]  # fmt: skip

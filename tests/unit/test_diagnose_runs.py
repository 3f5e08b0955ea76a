"""Columns and runs: which column holds what, and which rows are a run."""

import numpy as np
import pytest
from diagnosed import only, refused, table, well_said

from klrl_lite.diagnose import BadInput, Options
from klrl_lite.diagnose.options import COLUMNS
from klrl_lite.diagnose.runs import find_columns, number, of_numbers, runs_of

# --- columns ---


def test_numbers():
    assert number(" 0.5 ", "", "x") == 0.5
    assert number(3, "", "x") == 3.0
    assert np.isnan([number(x, "", "x") for x in (None, "", "  ", "nan")]).all()
    for value, do in (("50%", "Use plain numbers, with --percent."), ("good", "Correct it."),
                      ([1], "Correct it.")):  # fmt: skip
        message = refused(number, value, "a.csv, line 2", "success")
        assert message.where == "a.csv, line 2"
        assert message.what == f"{value!r} in column 'success' is no number."
        assert message.do == do


@pytest.mark.parametrize("key", COLUMNS)
def test_every_usual_name_of_a_column_is_known_the_first_one_first(key):
    rest = {} if key == "success" else {"success": 0.5}
    for i, usual in enumerate(COLUMNS[key]):
        later = dict.fromkeys(COLUMNS[key][i:], 1)
        assert find_columns(table([rest | later]), Options())[key] == usual
    inner = [n for n in COLUMNS[key] if n.startswith("cfg.")]
    for name in inner:
        row = rest | {"cfg": {name.removeprefix("cfg."): 1}}
        assert find_columns(table([row]), Options())[key] == name


def test_columns_that_are_named_come_first_and_have_to_be_there():
    rows = [{"success": 1, "acc": 0}, {"late": 2}]
    assert find_columns(table(rows), Options({"success": "acc"})) == {"success": "acc"}
    assert find_columns(table(rows), Options({"n": "late"})) == {"success": "success", "n": "late"}
    message = refused(find_columns, table(rows), Options({"n": "size"}))
    assert (message.where, message.what) == ("T", "there is no column 'size' (for n).")
    assert message.do == "It has acc, late, success."
    many = [{f"c{i:02}": 1 for i in range(14)}]
    assert refused(find_columns, table(many), Options({"n": "x"})).do.endswith("c11 and 2 more.")


def test_a_reward_may_stand_for_success():
    assert find_columns(table([{"reward": 0.5, "beta": 1}]), Options())["success"] == "reward"
    for name in ("rewards/is_right/mean", "train/rewards/is_right/mean"):
        found = find_columns(
            table([{"reward": 0.5, name: 1, "rewards/is_right/std": 2}]), Options()
        )
        assert found["success"] == name
    two = table([{"rewards/b/mean": 1, "rewards/a/mean": 1, "reward": 1}])
    message = refused(find_columns, two, Options())
    assert message.what == "several rewards were logged: rewards/a/mean, rewards/b/mean."
    assert message.where == "T"
    assert "--map success=rewards/a/mean" in message.do
    found = find_columns(two, Options({"success": "rewards/b/mean"}))
    assert found["success"] == "rewards/b/mean"
    answers = find_columns(
        table([{"logp": 1, "rewards/a/mean": 1, "rewards/b/mean": 1}]), Options()
    )
    assert "success" not in answers
    message = refused(find_columns, table([{"loss": 1, "beta": 2}]), Options())
    assert (message.where, message.what) == ("T", "no column with a success rate.")
    assert message.do == "Name it with --map success=COLUMN. It has beta, loss."
    many = [{f"c{i:02}": 1 for i in range(14)}]
    assert refused(find_columns, table(many), Options()).do.endswith("c11 and 2 more.")


# --- runs ---


def test_of_numbers():
    run = of_numbers(0.25, [0.2, 0.4], 8, kl=[1, 2])
    assert (run.name, run.prompt, run.beta) == ("beta 0.25", "", 0.25)
    assert (run.step.tolist(), run.success.tolist(), run.n.tolist()) == ([1, 2], [0.2, 0.4], [8, 8])
    assert run.where == ["entry 1", "entry 2"]
    assert np.isnan(run.group)
    assert run.extra["kl"].tolist() == [1.0, 2.0]
    assert run.extra["kl"].dtype == of_numbers(0.25, [0, 1]).success.dtype == float
    assert of_numbers(0.1, [0.5]).n.tolist() == [64.0]
    assert run.settings == {}


def entries(size=6, **more):
    return [{"step": t, "success": 0.1 * t} | more for t in range(1, size + 1)]


def made(rows, options=None, **how):
    messages = []
    return runs_of(table(rows, **how), options or Options(), messages), messages


def test_rows_are_put_together_by_run_seed_and_prompt():
    rows = [r | {"run": a, "seed": s, "prompt": p, "beta": 0.1}
            for a in "xy" for s in (0, 1) for p in ("easy", "hard")
            for r in entries(3)]  # fmt: skip
    runs, messages = made(rows[::-1])
    assert messages == []
    assert sorted(r.name for r in runs) == sorted(
        f"{a}, seed {s}, {p}" for a in "xy" for s in (0, 1) for p in ("easy", "hard"))  # fmt: skip
    assert {r.prompt for r in runs} == {"easy", "hard"}
    for run in runs:
        assert run.step.tolist() == [1, 2, 3]
        np.testing.assert_allclose(run.success, [0.1, 0.2, 0.3])


def test_without_a_name_a_run_is_a_beta_or_a_row():
    rows = [r | {"beta": b} for b in ("0.1", "0.2") for r in entries(3)]
    assert [r.name for r in made(rows)[0]] == ["T, beta 0.1", "T, beta 0.2"]
    rows = [{"beta": 0.1, "success": 0.5}, {"beta": 0.1, "success": 0.6, "seed": 7}]
    runs, _ = made([*rows, rows[0]])
    assert [r.name for r in runs] == ["T line 2", "T line 3, seed 7", "T line 4"]
    assert [r.success.tolist() for r in runs] == [[0.5], [0.6], [0.5]]
    rows = [r | {"run": "x", "beta": 0.1} for r in entries(2)]
    assert [r.name for r in made(rows)[0]] == ["x"]
    rows = [{"success": 0.1 * i, "run": "x", "beta": 0.1} for i in range(3)]
    (run,), _ = made(rows)  # without steps: in the order of the file
    assert run.step.tolist() == [1, 2, 3]


def test_entries_of_trl_are_one_run_and_those_without_a_reward_are_none():
    rows = [{"step": t, "reward": 0.5} for t in (1, 2)]
    rows.insert(1, {"step": 1, "eval_reward": 0.1})
    (run,), _ = made(rows, settings={"beta": 0.1, "seed": 3}, trl=True)
    assert (run.name, run.beta, len(run.success)) == ("T", 0.1, 2)
    assert run.where == ["T, entry 2", "T, entry 4"]
    assert run.settings == {"seed": 3}
    message = refused(made, [{"step": 1, "reward": None}], None)
    assert "beta of run" in message.what
    with pytest.raises(BadInput) as caught:
        runs_of(table([{"step": 1, "reward": None}], trl=True), Options(), [])
    message = well_said(caught.value.message)
    assert (message.where, message.what) == ("T", "column 'reward' is empty throughout.")
    assert message.do == "Name another with --map success=COLUMN."


def test_what_is_known_of_all_runs_fills_empty_cells():
    """Columns first; then --set, the path, and the arguments of the run, in this order."""
    how = {"settings": {"beta": 0.1, "num_generations": 4, "seed": 1}, "label": "b0.2-s5"}
    (run,), _ = made(entries(), **how)
    assert (run.beta, run.group, run.name) == (0.1, 4.0, "b0.2-s5, seed 1, beta 0.1")
    path = {"from_path": r"b(?P<beta>[\d.]+)-s(?P<seed>\d)(?P<prompt>x)?"}
    (run,), _ = made(entries(), Options(**path), **how)
    assert (run.beta, run.name, run.prompt) == (0.2, "b0.2-s5, seed 5, beta 0.2", "")
    (run,), _ = made(entries(), Options(settings={"beta": "0.3"}, **path), **how)
    assert run.beta == 0.3
    rows = entries(beta="0.4", num_generations="", seed=None)
    (run,), _ = made(rows, Options(settings={"beta": "0.3"}, **path), **how)
    assert (run.beta, run.group, run.name) == (0.4, 4.0, "b0.2-s5, seed 5, beta 0.4")


def test_a_path_that_does_not_match():
    message = refused(made, entries(), Options(from_path="x(?P<beta>1)"))
    assert message.where == "T"
    assert message.what == "--from-path 'x(?P<beta>1)' does not match this path."
    assert message.do == "Correct the pattern, or leave the file out."
    message = refused(made, entries(), Options(from_path="("))
    assert message.where == "--from-path"
    assert message.what.startswith("no regular expression (missing )")


def test_answers_behind_each_rate():
    rows = entries(3, beta=0.1)
    assert np.isnan(made(rows)[0][0].n).all()
    assert made(entries(3, beta=0.1, n=5))[0][0].n.tolist() == [5, 5, 5]
    assert made(rows, Options(samples=7))[0][0].n.tolist() == [7, 7, 7]
    assert made(entries(3, beta=0.1, n=5), Options(samples=7))[0][0].n.tolist() == [7, 7, 7]
    steps = [{"step": t, "success": 0.5, "beta": 0.1} for t in (2, 5, 6)]
    assert made(steps, settings={"per_step": 10})[0][0].n.tolist() == [20, 30, 10]
    counted = [r | {"n": 5} for r in steps]
    assert made(counted, settings={"per_step": 10})[0][0].n.tolist() == [5, 5, 5]


def test_settings_and_further_columns_are_kept():
    rows = entries(2, beta=0.1, scale_rewards="none", reward=0.5, kl="", num_generations=8)
    (run,), _ = made(rows, settings={"beta": 0.3, "per_step": 2, "seed": 4, "scale_rewards": "x"})
    assert run.settings == {"seed": 4, "scale_rewards": "none"}
    assert {k: v.tolist() for k, v in run.extra.items()} == {"reward": [0.5, 0.5]}
    assert run.group == 8.0
    (run,), _ = made(entries(1, beta=0.1, use_bias_correction_kl="False"))
    assert run.settings == {"use_bias_correction_kl": "False"}
    usual = {"reward": 1, "reward_std": 2, "frac_reward_zero_std": 3, "kl": 4, "entropy": 5,
             "completions/mean_length": 6}  # fmt: skip
    (run,), _ = made(entries(1, beta=0.1, **usual))
    assert list(run.extra) == ["reward", "reward_std", "zero_std", "kl", "entropy", "length"]


@pytest.mark.parametrize(
    ("rows", "where", "said", "do"),
    [
        (entries(run="x"), "T, line 2", "beta of run 'x' is not known.", "--map beta=COLUMN"),
        (entries(run="x", beta=""), "T, line 2", "beta of run 'x' is not known.", "--from-path"),
        (entries(2, run="x", beta=1) + entries(2, run="x", beta=2), "T, line 4",
         "beta changes from 1 to 2 within run 'x'.", "--map run=COLUMN"),
        ([r | {"beta": i} for i, r in enumerate(entries(3, run="x"), 1)], "T, line 3",
         "beta changes from 1 to 2 within run 'x'.", "split it"),
        (entries(3, run="x", beta=1, acc=[1])[:2] + entries(1, run="x", beta="b"), "T, line 4",
         "'b' in column 'beta' is no number.", "Correct it."),
        (entries(1, run="x", beta=0), "T, line 2", "beta is 0 in run 'x'.", "leave the run out"),
        (entries(run="x", beta=-0.5), "T, line 2", "beta is -0.5 in run 'x'.", "no equilibrium"),
        ([*entries(run="x", beta=1), {"run": "x", "beta": 1, "step": 3, "success": 0.9}],
         "T, line 8", "step 3 of run 'x' is there twice, with 0.3 and 0.9", "--map seed=COLUMN"),
        (entries(9, run="x", beta=1, success=""), "T, line 2",
         "9 of 9 success rates of run 'x' are not numbers.", "diverged or its log is damaged"),
    ],
)  # fmt: skip
def test_runs_that_cannot_be_used(rows, where, said, do):
    message = refused(made, rows)
    assert message.where == where
    assert said in message.what
    assert do in message.do
    good = entries(run="good", beta=0.1)
    runs, messages = made(rows + good)
    assert [r.name for r in runs] == ["good"]
    assert messages == [message._replace(kind="left out")]


def test_a_cell_that_is_no_number_is_named_with_its_column_and_line():
    rows = [{"step": t, "acc": "x" if t == 2 else 0.5, "beta": 0.1} for t in (1, 2)]
    message = refused(made, rows, Options({"success": "acc"}))
    assert (message.where, message.what) == ("T, line 3", "'x' in column 'acc' is no number.")
    message = refused(made, entries(), Options(settings={"beta": "x"}))
    assert (message.where, message.what) == ("T, line 2", "'x' in column 'beta' is no number.")


def test_one_entry_in_ten_may_be_lost():
    rows = entries(10, run="x", beta=1)
    rows[3] = rows[3] | {"success": "nan"}
    (run,), messages = made(rows)
    assert run.step.tolist() == [1, 2, 3, 5, 6, 7, 8, 9, 10]
    assert run.where[3] == "T, line 6"
    message = only(messages, "1 of 10 success rates of run 'x' are not numbers; skipped.")
    assert (message.kind, message.where) == ("note", "T, line 5")
    assert "2 of 9 success" in refused(made, [*rows[:8], rows[3] | {"step": 99}]).what


def test_entries_are_sorted_and_doubled_ones_skipped():
    rows = entries(4, run="x", beta=1, n=3)
    (run,), messages = made([rows[2], rows[0], *rows, rows[3]])
    assert run.step.tolist() == [1, 2, 3, 4]
    np.testing.assert_allclose(run.success, [0.1, 0.2, 0.3, 0.4])
    assert run.where == ["T, line 3", "T, line 5", "T, line 2", "T, line 7"]
    message = only(messages, "3 doubled entries of run 'x' skipped")
    assert (message.kind, message.where) == ("note", "T, line 2")
    assert made(rows)[1] == []
    steps = np.random.default_rng(0).integers(0, 10, 300)
    (run,), _ = made([{"run": "x", "beta": 1, "step": int(t), "success": 0.1 * t} for t in steps])
    first = [int(np.argmax(steps == t)) for t in range(10)]
    assert run.where == [f"T, line {i + 2}" for i in first], "of those that are the same, the first"


def test_a_step_that_is_missing_leaves_entries_in_the_order_of_the_file():
    rows = entries(4, run="x", beta=1)
    rows[1]["step"] = ""
    (run,), _ = made(rows)
    np.testing.assert_allclose(run.success, [0.1, 0.2, 0.3, 0.4])
    assert run.step.tolist() == [1, 2, 3, 4]

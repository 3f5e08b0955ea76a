"""Effective temperatures from answers, and how options are read."""

import numpy as np
import pytest
from diagnosed import only, refused, table

from klrl_lite.diagnose import Options
from klrl_lite.diagnose.options import COLUMNS, pairs, support
from klrl_lite.diagnose.slope import regress, slopes_of


def answers(size=40, **more):
    rng = np.random.default_rng(0)
    reward, prompt = rng.integers(0, 3, size), rng.integers(0, 2, size)
    ratio = 1.5 * reward + 4.0 * prompt + rng.normal(size=size)
    return ratio, reward, prompt, [
        {"logp": float(u - 9.0 * u**2), "ref_logp": float(-9.0 * u**2), "reward": int(r),
         "prompt": f"p{k}"} | more
        for u, r, k in zip(ratio, reward, prompt, strict=True)]  # fmt: skip


def test_the_slope_is_that_of_a_regression_with_dummies():
    ratio, reward, prompt, rows = answers(beta=0.4)
    design = np.stack([reward, prompt == 0, prompt == 1], axis=1).astype(float)
    solved = np.linalg.lstsq(design, ratio, rcond=None)[0]
    rest = ratio - design @ solved
    bread = np.linalg.inv(design.T @ design)
    white = bread @ (design.T * rest**2) @ design @ bread
    base = design[:, 1:]
    without = ratio - base @ np.linalg.lstsq(base, ratio, rcond=None)[0]
    (slope,) = slopes_of(table(rows), Options(), [])
    assert (slope.run, slope.beta, slope.answers, slope.prompts, slope.levels) == (
        "T",
        0.4,
        40,
        2,
        3,
    )
    assert slope.inverse_tau == pytest.approx(solved[0])
    assert slope.error == pytest.approx(np.sqrt(white[0, 0]))
    assert slope.r_squared == pytest.approx(1 - rest @ rest / (without @ without))
    assert slope.distance == pytest.approx(0.5 * rest @ rest / (40 - 2))
    assert regress(ratio, reward, prompt) == pytest.approx(slope[5:])


def test_a_slope_needs_rewards_that_differ():
    assert np.isnan(regress(np.arange(4.0), np.ones(4), np.zeros(4))).all()
    tiny = regress(np.arange(4.0), 1e-5 * np.arange(4.0), np.zeros(4))
    assert tiny[0] == pytest.approx(1e5)
    assert np.isnan(regress(np.arange(4.0), 1e-7 * np.arange(4.0), np.zeros(4))).all()
    assert np.isnan(regress(np.arange(4.0), 6e-7 * np.arange(4.0), np.zeros(4))).all()
    flat = regress(np.ones(4), np.arange(4.0), np.zeros(4))
    assert (flat[0], flat[1], flat[3]) == (0.0, 0.0, 0.0)
    assert np.isnan(flat[2])
    assert regress(np.array([0.0, 3.0]), np.array([0.0, 1.0]), np.zeros(2))[3] == 0.0
    single = regress([1.0, 2.0, 0.0, 5.0], [0, 1, 0, 0], [0, 0, 1, 2])  # three prompts, four rows
    assert single == pytest.approx((1.0, 0.0, 1.0, 0.0))


def test_each_run_and_beta_has_a_slope():
    rows = [r | {"run": name, "beta": b} for name, b in (("x", 0.1), ("x", 0.2), ("y", 0.1))
            for r in answers()[3]]  # fmt: skip
    found = slopes_of(table(rows), Options(), [])
    assert [(s.run, s.beta, s.answers) for s in found] == [
        ("x", 0.1, 40), ("x", 0.2, 40), ("y", 0.1, 40)]  # fmt: skip
    assert np.isnan(slopes_of(table(answers()[3]), Options(), [])[0].beta)
    own = table(answers()[3], settings={"beta": 0.7})
    assert slopes_of(own, Options(), [])[0].beta == 0.7
    assert slopes_of(own, Options(settings={"beta": "0.8"}), [])[0].beta == 0.8
    alone = [{k: v for k, v in r.items() if k != "prompt"} for r in answers()[3]]
    assert slopes_of(table(alone), Options(), [])[0].prompts == 1


def test_answers_without_numbers_are_skipped_and_counted():
    rows = answers()[3]
    for i, (key, value) in enumerate((("logp", ""), ("ref_logp", "-inf"), ("reward", None))):
        rows[3 * i + 1] = rows[3 * i + 1] | {key: value}
    messages = []
    (slope,) = slopes_of(table(rows), Options(), messages)
    assert slope.answers == 37
    message = only(messages, "answers without")
    assert message.what == "3 answers without a finite log-probability or reward skipped."
    assert (message.kind, message.where) == ("note", "T")
    rows[5] = rows[5] | {"logp": "x"}
    message = refused(slopes_of, table(rows), Options(), [])
    assert (message.where, message.what) == ("T, line 7", "'x' in column 'logp' is no number.")
    rows[5] = rows[5] | {"logp": 0.0, "beta": "x"}
    message = refused(slopes_of, table(rows), Options(), [])
    assert (message.where, message.what) == ("T, line 7", "'x' in column 'beta' is no number.")
    own = [{"lp": -1.0, "lp0": -2.0, "reward": 1}, {"lp": -5.0, "lp0": -2.0, "reward": 0}]
    mapped = Options({"logp": "lp", "ref_logp": "lp0"})
    assert slopes_of(table(own), mapped, [])[0].inverse_tau == 4.0
    message = refused(slopes_of, table([own[0], own[1] | {"lp0": "?"}]), mapped, [])
    assert message.what == "'?' in column 'lp0' is no number."


@pytest.mark.parametrize("lost", ["logp", "ref_logp", "reward"])
def test_a_column_that_a_slope_needs_is_named(lost):
    rows = [{k: v for k, v in r.items() if k != lost} | {"success": 1} for r in answers()[3]]
    messages = []
    assert slopes_of(table(rows), Options(), messages) == []
    message = only(messages, "no effective temperature: ")
    assert (message.kind, message.where) == ("note", "T")
    assert message.what == f"no effective temperature: {lost} missing."
    assert message.do == f"Name it with --map {lost}=COLUMN."
    neither = [{"success": 1, "reward": 1}]
    messages = []
    assert slopes_of(table(neither), Options(), messages) == []
    assert messages == []
    assert slopes_of(table([{"logp": 1}]), Options(), messages) == []
    assert messages[0].what == "no effective temperature: ref_logp, reward missing."


# --- options ---


def test_pairs():
    assert pairs(["a=b=c", "d=e"], "--set") == {"a": "b=c", "d": "e"}
    assert pairs(["n=size"], "--map") == {"n": "size"}
    for item in ("a", "=b", "a=", ""):
        message = refused(pairs, [item], "--set")
        assert (message.where, message.what) == (
            "--set", f"{item!r} is not of the form NAME=VALUE.")  # fmt: skip
    message = refused(pairs, ["wins=a"], "--map")
    assert (message.where, message.what) == ("--map", "'wins' is not a name to map to.")
    assert message.do == f"Known: {', '.join(COLUMNS)}."
    assert pairs(["wins=a"], "--set") == {"wins": "a"}


def test_supports():
    assert support(" 3 / 10 ") == (3, 10)
    assert support("0/1") == (0, 1)
    assert support("5/5") == (5, 5)
    assert support("1e-9") == 1e-9
    for text in ("6/5", "0/0"):
        message = refused(support, text)
        assert (message.where, message.what) == (
            "--p-ref", f"{text!r} counts more right answers than answers.")  # fmt: skip
    for text in ("0", "1", "1.5", "-1", "x", "nan", ""):
        message = refused(support, text)
        assert (message.where, message.what) == ("--p-ref", f"{text!r} is no support.")
        assert "a count such as 13/1000" in message.do
    assert support("0.999") == 0.999

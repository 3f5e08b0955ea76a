"""The scoreboard: numbers from made-up runs whose answers are known, and how they are written."""

import numpy as np
import pytest

from klrl_lite import equilibria, thresholds
from klrl_lite.diagnostics.lineup import GROUP, LINEUP
from klrl_lite.diagnostics.scores import QUESTIONS, own_crossing, score
from klrl_lite.plots.scoreboard import Scoreboard, Table

X = np.geomspace(0.25, 4, 13)
SEEDS = 6


def made_up(name="ppo", kind="tabular", shift=1.3):
    """Runs that cross at `shift` times tau_c, of length 2 on a way of 1, with noise 3 ideals."""
    rng = np.random.default_rng(0)
    tau_c = thresholds.critical_tau(0.02)
    success = thresholds.success_probability(0.02, 1.0, X * tau_c / shift)
    curves = np.clip(success[:, None] + 0.01 * rng.normal(size=(13, SEEDS)), 0, 1)
    flat = np.ones((13, SEEDS))
    board = {"x": X}
    own = {
        "success_drawn": curves, "success_expected": np.repeat(success[:, None], SEEDS, 1),
        "above_drawn": 0.5 * flat, "above_expected": 0 * flat, "way": flat,
        "length_drawn": 2 * flat, "spent_drawn": 0.1 * flat, "off_drawn": 0.2 * flat,
        "first_drawn": 0.9 * flat, "align_drawn": 0.4 * flat, "align_exact": flat,
        **{f"gap_{g}": np.full((13, SEEDS, 4), size) for g, size in
           (("ideal", 0.1), ("geometric", 0.0), ("bias", 0.05), ("noise", 0.3))},
        **{f"end_{g}": 0.25 * flat for g in ("geometric", "bias", "noise")},
    }  # fmt: skip
    return board | {f"{kind}.{name}.{key}": value for key, value in own.items()}


def test_a_score_is_what_was_put_in():
    found = score(made_up(), "tabular", "ppo", rng=np.random.default_rng(1))
    assert tuple(found) == QUESTIONS
    assert found["crossing_exact"].estimate == pytest.approx(1.3, rel=0.01)
    assert found["crossing"].low < 1.31 < found["crossing"].high + 0.02
    for key, value in (("length", 2), ("noise", 3), ("bias", 0.5), ("end_noise", 0.25)):
        assert found[key].estimate == pytest.approx(value)
        assert found[key].low == pytest.approx(value)


@pytest.mark.parametrize("name", ["mean", "grpo", "mean_k3", "grpo_k3", "ppo"])
@pytest.mark.parametrize("p", [1e-3, 0.1])
def test_own_crossing_is_where_the_fixed_point_is_one_half(name, p):
    tau_c = float(thresholds.critical_tau(p))
    beta = own_crossing(name, p) * tau_c
    gap = 1 - 1 / GROUP
    match name:
        case "mean":
            half = equilibria.k2_fixed_point(p, beta, gap)
        case "mean_k3":
            half = equilibria.k3_fixed_point(p, beta, gap)
        case "grpo_k3":
            half = equilibria.k3_std_fixed_point(p, beta, GROUP)
        case "grpo":
            half = equilibria.grpo_equilibria(p, beta, GROUP)[0]
        case _:
            half = thresholds.success_probability(p, 1.0, beta)
    assert np.min(np.abs(np.asarray(half) - 0.5)) < 1e-9


def test_a_board_with_one_contestant():
    board = Scoreboard(made_up())
    table = board.by_arena("crossing", predicted=True)
    assert len(table.rows) == len(LINEUP)
    row = next(r for r in table.rows if r[0] == "PPO")
    assert row[1] == "1.00"
    assert row[2].startswith("1.3")
    assert row[3:] == ["", ""]
    assert board.gaps("tabular").rows == [["PPO", "0", "0.5", "3", "0.25", "0.25", "0.25"]]


def test_a_table_can_be_read_without_a_page():
    table = Table(["", "a <b"], [["one", "✓ 1"], ["three", "✗ 2"]])
    assert repr(table).splitlines()[1] == "one    ✓ 1"
    assert "a &lt;b" in table._repr_html_()
    assert ">three</th>" in table._repr_html_()


def test_each_question_has_its_own_number():
    """Every array is another one, and so is every quarter and every temperature in it."""
    board = made_up()
    marks = {}
    for count, key in enumerate(k for k in board if "success" not in k and k != "x"):
        marks[key.split(".")[-1]] = value = 2.0 + count
        board[key] = np.full(board[key].shape, value)
        board[key][:6] *= 3.0
        board[key][7:] *= 5.0
        if board[key].ndim == 3:
            board[key][..., 1:] *= 7.0
    found = score(board, "tabular", "ppo", rng=np.random.default_rng(1))
    expected = {
        "above": marks["above_drawn"], "above_exact": marks["above_expected"],
        "length": marks["length_drawn"] / marks["way"], "spent": marks["spent_drawn"],
        "off": marks["off_drawn"], "first": marks["first_drawn"],
        "cosine": marks["align_drawn"], "cosine_exact": marks["align_exact"],
        **{g: marks[f"gap_{g}"] / marks["gap_ideal"] for g in ("geometric", "bias", "noise")},
        **{f"end_{g}": marks[f"end_{g}"] / marks["way"] for g in ("geometric", "bias", "noise")},
    }  # fmt: skip
    assert expected.keys() == set(QUESTIONS) - {"crossing", "crossing_exact"}
    assert {k: found[k].estimate for k in expected} == pytest.approx(expected)

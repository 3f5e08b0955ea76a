"""The lab of chapter 13 shows what the package computes, for every system and exponent."""

import numpy as np
import pytest

from klrl_lite.labs.sharpening import SIZES, SYSTEMS, sharpening_state


@pytest.mark.parametrize("system", SYSTEMS)
@pytest.mark.parametrize("exponent", [0.0, 0.75, 1.25])
def test_the_curves_cross_where_the_state_says(system, exponent):
    state = sharpening_state(system, exponent)
    middle = len(state["x"]) // 2
    assert state["x"][middle] == 0
    np.testing.assert_allclose(state["curves"][:, middle], 0.5, atol=1e-9)
    assert np.all((state["curves"] >= 0) & (state["curves"] <= 1))
    assert np.all(np.diff(state["curves"], axis=1) >= -1e-12), "cooling never hurts"
    assert len(state["crossing"]) == len(SIZES)


@pytest.mark.parametrize(
    ("system", "best"),
    [
        ("all or nothing, q = 0.7", 1.0),
        ("one point per step, q = 0.3", 0.0),
        ("squared credit, q = 0.03", 1.0),
        ("squared credit, q = 0.3", 0.0),
        ("prompts, averaged", 0.0),
    ],
)
def test_the_right_exponent_collapses_the_curves(system, best):
    spread = {e: sharpening_state(system, e)["spread"] for e in (0.0, 0.5, 1.0)}
    assert min(spread, key=spread.get) == best
    assert spread[best] < 0.06


def test_at_the_critical_point_neither_a_jump_nor_a_crossover_fits():
    spread = [
        sharpening_state("squared credit, q = 0.119", e)["spread"] for e in (0.0, 0.5, 0.6, 1.0)
    ]
    assert min(spread) == min(spread[1:3])


def test_shared_difficulty_runs_off():
    crossing = sharpening_state("shared difficulty", 0.5)["crossing"]
    assert np.all(np.diff(np.log(crossing)) > 0.4)


def test_the_widgets_are_made(monkeypatch):
    pytest.importorskip("ipywidgets")
    monkeypatch.setenv("MPLBACKEND", "agg")
    import matplotlib.pyplot as plt

    from klrl_lite.labs.sharpening import sharpening_lab

    monkeypatch.setattr(plt, "show", lambda: plt.close("all"))
    assert sharpening_lab().children

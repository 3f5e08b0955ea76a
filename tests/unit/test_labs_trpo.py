"""The lab of chapter 03 shows what the package computes, at the ends of its sliders too."""

import numpy as np
import pytest

from klrl_lite import simplex
from klrl_lite.labs.trpo import trpo_state


@pytest.mark.parametrize("direction", ["new_old", "old_new"])
@pytest.mark.parametrize("radius", [1e-3, 0.1, 4.0])
@pytest.mark.parametrize("old", [[0.6, 0.24, 0.16], [0.02, 1.0, 0.02], [1.0, 1.0, 1.0]])
def test_the_state_keeps_to_the_radius(old, radius, direction):
    state = trpo_state(old, [0.0, 0.4, 1.0], radius, direction=direction)
    log_old = np.log(state["old"])
    with np.errstate(divide="ignore"):
        log_new = {name: np.log(p) for name, p in state["new"].items()}
    assert simplex.kl(log_new["new_old"], log_old) <= radius * (1 + 1e-9)
    assert simplex.kl(log_old, log_new["old_new"]) <= radius * (1 + 1e-9)
    pair = (log_new["searched"], log_old)
    assert simplex.kl(*(pair if direction == "new_old" else pair[::-1])) <= radius * (1 + 1e-9)
    assert state["gain"]["new_old"] >= state["gain"]["searched"] - 1e-12 or direction == "old_new"
    assert all(gain >= -1e-12 for gain in state["gain"].values())


def test_the_constraint_does_not_bind_beyond_the_surprise_of_the_best_action():
    below, above = (trpo_state([0.6, 0.2, 0.2], [0.0, 0.4, 1.0], r) for r in (1.6, 1.62))
    assert below["binds"]
    assert not above["binds"]
    assert above["new"]["new_old"][2] == 1.0
    assert above["new"]["old_new"][0] > 0


def test_a_positive_skew_needs_the_line_search():
    state = trpo_state([0.9, 0.05, 0.05], [0.0, 0.0, 1.0], 0.02)
    assert state["kl"]["full"] > 0.02 >= state["kl"]["searched"]
    assert state["n_backtracks"] == 1


def test_a_flat_advantage_moves_nothing():
    state = trpo_state([0.6, 0.2, 0.2], [0.3, 0.3, 0.3], 0.1)
    for new in state["new"].values():
        np.testing.assert_allclose(new, state["old"], atol=1e-12)


def test_the_widgets_are_made(monkeypatch):
    pytest.importorskip("ipywidgets")
    monkeypatch.setenv("MPLBACKEND", "agg")
    import matplotlib.pyplot as plt

    from klrl_lite.labs.trpo import trpo_lab

    monkeypatch.setattr(plt, "show", lambda: plt.close("all"))
    assert trpo_lab().children

"""The labs show what the package computes, for every setting that their widgets allow."""

import numpy as np
import pytest

from klrl_lite import gibbs, problems
from klrl_lite.labs import mirror, thresholds


@pytest.mark.parametrize("credit", thresholds.CREDITS)
@pytest.mark.parametrize("n_steps", [1, 200])
@pytest.mark.parametrize("q_step", [0.05, 0.95])
def test_the_threshold_lab_at_the_ends_of_its_sliders(credit, n_steps, q_step):
    state = thresholds.thresholds_state(credit, n_steps, q_step, 0.1)
    assert np.all((state["share"] >= 0) & (state["share"] <= 1))
    assert np.all(np.diff(state["share"]) <= 1e-12), "heating never helps"
    assert np.all(state["capacity"] >= 0)
    assert np.exp(state["levels"]).sum() == pytest.approx(1, abs=1e-12)


def test_the_threshold_lab_knows_all_or_nothing():
    state = thresholds.thresholds_state("all or nothing", 20, 0.5, 1.0)
    exact = problems.chain(0.5, 20).known["success_probability"](state["taus"])
    np.testing.assert_allclose(state["share"], exact, atol=1e-12)


def test_the_mirror_lab_ends_on_the_gibbs_policy():
    state = mirror.mirror_state([0.7, 0.24, 0.06], [0.0, 0.6, 1.0], 0.25, 2.0, [0.9, 0.02, 0.08])
    exact = np.exp(gibbs.log_gibbs(np.log([0.7, 0.24, 0.06]), [0.0, 0.6, 1.0], 0.25))
    np.testing.assert_allclose(state["entropy"][-1], exact, atol=1e-9)
    np.testing.assert_allclose(state["target"], exact, atol=1e-12)
    assert state["gaps"][0][-1] < 1e-12


def test_the_widgets_are_made(monkeypatch):
    pytest.importorskip("ipywidgets")
    monkeypatch.setenv("MPLBACKEND", "agg")
    import matplotlib.pyplot as plt

    monkeypatch.setattr(plt, "show", lambda: plt.close("all"))
    for lab in (mirror.mirror_lab, thresholds.thresholds_lab):
        assert lab().children

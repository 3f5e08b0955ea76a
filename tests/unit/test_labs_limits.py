"""The lab of chapter 09 shows what the package computes, at the ends of its sliders too."""

import numpy as np
import pytest
from scipy.optimize import minimize_scalar

from klrl_lite import gibbs, policies
from klrl_lite.labs.limits import limits_state
from klrl_lite.plots import limits


@pytest.mark.parametrize("eta", [0.02, 1.0])
@pytest.mark.parametrize("tau", [0.1, 1.2])
@pytest.mark.parametrize("pay", [0.0, 1.0])
@pytest.mark.parametrize("theta0", [-4.0, 4.0])
def test_the_run_stays_above_its_class_and_the_flow_reaches_the_target(pay, tau, theta0, eta):
    state = limits_state([0.1, 0.1, 0.8], pay, tau, theta0, eta)
    np.testing.assert_allclose(state["path"].sum(-1), 1.0, atol=1e-12)
    np.testing.assert_allclose(state["path"][0], state["flow"][0], atol=1e-12)
    assert np.all(state["gap"] >= state["floor"].min() - 1e-12)
    if eta == 1.0:
        np.testing.assert_allclose(state["flow"][-1], state["target"], atol=1e-9)


def test_a_cold_run_takes_the_side_from_which_it_started():
    left, right = (limits_state([0.1, 0.1, 0.8], 1.0, 0.4, side, 0.2) for side in (-0.8, 0.8))
    np.testing.assert_allclose(left["path"][-1], right["path"][-1][[1, 0, 2]], atol=1e-12)
    assert left["path"][-1][0] > 100 * left["path"][-1][1]
    np.testing.assert_allclose(right["gap"][-1], right["floor"], atol=1e-9)


@pytest.mark.parametrize("pay", [0.0, 0.7, 1.0])
@pytest.mark.parametrize("tau", [0.05, 0.3, 0.79, 2.0])
def test_valleys_are_minima_of_the_free_energy(tau, pay):
    log_ref, reward = np.log([0.15, 0.05, 0.8]), [pay, 1.0, 0.0]
    found = limits.valleys(log_ref, reward, tau)
    policy = policies.linear(limits.KNOB, log_ref)

    def energy(theta):
        return float(gibbs.free_energy(policy.log_prob([theta]), log_ref, reward, tau))

    for theta, value in zip(found.theta, found.free_energy, strict=True):
        near = minimize_scalar(energy, bounds=(theta - 0.3, theta + 0.3), method="bounded")
        assert value <= near.fun + 1e-9
    everywhere = min(energy(theta) for theta in np.linspace(-25, 25, 2001))
    assert found.free_energy.min() <= everywhere + 1e-9


def test_one_valley_when_hot_and_two_when_cold():
    turns = limits.valleys(np.log([0.1, 0.1, 0.8]), [1.0, 1.0, 0.0], [0.81, 0.79]).theta
    assert abs(turns[:, 0]).max() < 1e-6
    assert turns[1, 1] == pytest.approx(-turns[0, 1])
    assert turns[1, 1] > 0.1


def test_the_widgets_are_made(monkeypatch):
    pytest.importorskip("ipywidgets")
    monkeypatch.setenv("MPLBACKEND", "agg")
    import matplotlib.pyplot as plt

    from klrl_lite.labs.limits import limits_lab

    monkeypatch.setattr(plt, "show", lambda: plt.close("all"))
    assert limits_lab().children

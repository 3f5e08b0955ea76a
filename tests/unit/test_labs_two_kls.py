"""The lab of chapter 02: a run, its two KLs, and what resetting the reference does."""

import numpy as np
import pytest

from klrl_lite import gibbs

two_kls_state = pytest.importorskip("klrl_lite.labs.two_kls").two_kls_state

REF, REWARD = np.array([0.6, 0.3, 0.1]), np.array([0.0, 0.5, 1.0])


@pytest.mark.parametrize("implicit", [False, True])
def test_without_resets_the_run_ends_on_the_target(implicit):
    state = two_kls_state(REF, REWARD, 0.4, 2.0, implicit=implicit, n_steps=80)
    np.testing.assert_allclose(state["path"][-1], state["target"], atol=1e-12)
    assert state["of_step"][-1] < 1e-20
    assert state["to_reference"][-1] > 0.1


def test_shapes_and_start():
    state = two_kls_state(3 * REF, REWARD, 0.4, 0.5, reset_every=7, n_steps=25)
    assert state["path"].shape == (26, 3)
    assert state["to_reference"].shape == state["of_step"].shape == (25,)
    np.testing.assert_allclose(state["path"][0], REF)


def test_resets_divide_the_temperature():
    # A step with eta tau = 1 lands, so that four steps are four rounds.
    state = two_kls_state(REF, REWARD, 0.8, 1.25, reset_every=1, n_steps=4)
    expected = np.exp(gibbs.log_gibbs(np.log(REF), REWARD, 0.2))
    np.testing.assert_allclose(state["path"][-1], expected, rtol=1e-12)


def test_the_implicit_run_survives_steps_that_the_explicit_one_does_not():
    ends = [
        two_kls_state(REF, REWARD, 0.4, 8.0, implicit=implicit)["path"][-1]
        for implicit in (True, False)
    ]
    target = two_kls_state(REF, REWARD, 0.4, 1.0)["target"]
    np.testing.assert_allclose(ends[0], target, atol=1e-12)
    assert np.abs(ends[1] - target).max() > 0.1

"""The lab of chapter 06: what its numbers must be."""

import numpy as np
import pytest

from klrl_lite.labs.flow import FLOWS, flow_state

SETTINGS = {
    "p_ref": [0.7, 0.24, 0.06],
    "reward": [0.0, 0.6, 1.0],
    "tau": 0.3,
    "cap": 0.1,
    "start": [0.9, 0.02, 0.08],
}


@pytest.fixture(scope="module")
def state():
    return flow_state(**SETTINGS, last=400.0)


def test_the_target_is_gibbs_of_normalized_weights(state):
    weights = np.array(SETTINGS["p_ref"]) * np.exp(np.array(SETTINGS["reward"]) / 0.3)
    np.testing.assert_allclose(state["target"], weights / weights.sum(), rtol=1e-12)


@pytest.mark.parametrize("name", FLOWS)
def test_every_flow_starts_at_the_start_descends_and_ends_at_the_target(state, name):
    path, above = state[name]
    np.testing.assert_allclose(path[0], SETTINGS["start"], rtol=1e-6)
    assert np.all(np.diff(above) < 1e-8)
    # The gradient in the logits is the slow one: its last mode decays as pi_min tau t.
    np.testing.assert_allclose(path[-1], state["target"], atol=5e-3)


def test_without_a_cap_that_binds_the_saturating_flow_is_the_exact_one():
    state = flow_state(**SETTINGS | {"cap": 100.0})
    np.testing.assert_allclose(state["saturated"][0], state["exact"][0], atol=1e-6)
    assert np.abs(state["plain"][0] - state["exact"][0]).max() > 0.1


def test_free_energy_above_minimum_is_what_the_definition_says(state):
    ref = np.array(SETTINGS["p_ref"])
    for name in FLOWS:
        path, above = state[name]
        energy = (path * (0.3 * np.log(path / ref) - SETTINGS["reward"])).sum(-1)
        lowest = -0.3 * np.log(ref @ np.exp(np.array(SETTINGS["reward"]) / 0.3))
        np.testing.assert_allclose(above, energy - lowest, atol=1e-12)

"""The lab of chapter 08: what it shows, and the ends of its menus."""

import numpy as np
import pytest

from klrl_lite.diagnostics.lineup import LINEUP
from klrl_lite.explore.diagnostics import SHOWN, planes_values
from klrl_lite.labs.diagnostics import KINDS, diagnostics_state


@pytest.mark.parametrize("name", LINEUP)
@pytest.mark.parametrize("kind", KINDS)
def test_the_ends_of_its_menus(name, kind):
    if LINEUP[name].family == "policy" and kind != "tabular":
        with pytest.raises(ValueError, match="kind must be 'tabular'"):
            diagnostics_state(name, kind)
        return
    state = diagnostics_state(name, kind, 0.25, n_steps=3, n_seeds=2)
    assert state["success"].shape == (4, 2)
    assert state["cosine"].shape == (3, 2)
    assert np.all(state["above"] >= 0)


def test_exact_mirror_descent_stays_on_the_curve():
    state = diagnostics_state("mirror", signal="exact", n_steps=150)
    np.testing.assert_allclose(state["cosine"][:50], 1.0, atol=1e-9)
    np.testing.assert_allclose(state["fit"][1:], 1.0, atol=1e-9)
    np.testing.assert_allclose(state["success"][-1], state["target"], atol=1e-2)
    assert np.all(np.diff(state["way"], axis=0) > -1e-9)


@pytest.mark.parametrize("algorithm", range(len(SHOWN)))
def test_the_explorable_reads_the_recorded_planes(algorithm):
    values = planes_values(algorithm, -0.7, -2.0)
    assert 0 <= values["seen"] <= 1
    if algorithm < 4:  # those that rest at the Gibbs policy
        assert values["seen"] == pytest.approx(values["gibbs"], abs=0.03)

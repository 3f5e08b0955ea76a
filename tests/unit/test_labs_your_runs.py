"""The lab of chapter 16, its figures' inputs, and what its explorable must say."""

import numpy as np
import pytest
from scipy.special import expit

from klrl_lite import equilibria
from klrl_lite.explore.your_runs import BETAS, KINDS, LOG10_P, STRIDES, _tables, your_runs_values
from klrl_lite.labs.your_runs import your_runs_state


def test_the_lab_names_the_law_where_there_is_data_enough():
    state = your_runs_state("k3", n_temperatures=8, n_answers=1000)
    assert state["families"] == ["literal k3"]
    assert set(state["curves"]) == {"gibbs", "std", "k3", "k3_std"}
    few = your_runs_state("gibbs", n_temperatures=2, n_answers=20)
    assert len(few["families"]) > 1


def test_the_lab_knows_finite_groups():
    state = your_runs_state("std_group", group=8, n_temperatures=10, n_answers=2000, seed=1)
    assert state["families"] == ["Gibbs at beta sigma"]
    assert state["fits"][0].p_ref[0] == pytest.approx(0.02, rel=0.2)


def test_tables_hold_the_nearest_law():
    # Two routes to the lead: the table of the page, and a fit of each other law.
    _, nearest = _tables()
    for law, row, places in [(0, 4, 2), (1, 2, 3), (2, 6, 1), (3, 0, 3)]:
        lead, other, price, jump = nearest[law][row][places]
        values = your_runs_values(law, float(LOG10_P[row]), places, 0.0)
        assert lead == pytest.approx(values["lead"], rel=1e-3, abs=1e-7)
        assert other != law
        assert jump == pytest.approx(
            2 * np.arcsinh(equilibria.grpo_spinodal(expit(-price))), rel=1e-5
        )


def test_tables_hold_the_true_curves():
    truth, _ = _tables()
    p = 10.0 ** LOG10_P[3]
    exact = equilibria.k3_fixed_point(p, np.array(BETAS))
    np.testing.assert_allclose(truth[KINDS.index("k3")][3], exact, atol=3e-4)
    assert [len(BETAS[::s]) for s in STRIDES] == [2, 3, 5, 9]

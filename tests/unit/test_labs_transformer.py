"""Lab, chart and table of chapter 15 against the equilibria."""

import numpy as np
import pytest

from klrl_lite import equilibria, plots
from klrl_lite.diagnostics.recorded import recorded
from klrl_lite.diagnostics.transformer import NAMES, RULES, predicted_crossing
from klrl_lite.explore.transformer import transformer_chart, transformer_values
from klrl_lite.labs.transformer import transformer_state


def test_the_lab_shows_all_fixed_points():
    state = transformer_state("grpo_k2", 0.173, 2, 64, n_beta=12)
    for beta in np.unique(state["beta"]):
        here = state["success"][state["beta"] == beta]
        there = equilibria.grpo_equilibria(0.173**2, float(beta), 64)[0]
        np.testing.assert_allclose(here, there, atol=1e-9)


@pytest.mark.parametrize("rule", ["rloo_k1", "loo_k2"])
def test_gibbs_rules_lie_on_the_gibbs_curve(rule):
    state = transformer_state(rule, 0.4, 3, n_beta=7)
    np.testing.assert_allclose(state["success"], state["gibbs"], rtol=1e-12)
    assert state["stable"].all()


@pytest.mark.parametrize("rule", range(len(RULES)))
def test_the_chart_says_where_a_rule_crosses(rule):
    values, q = transformer_values(rule), recorded("rules", "transformer")["steps_ref"]
    assert values["foretold"] == predicted_crossing(list(RULES)[rule], q)
    assert abs(values["seen"] / values["foretold"] - 1) < 0.05
    assert values["off"] < 0.025


def test_the_chart_has_a_row_for_every_run():
    spec = transformer_chart(recorded("rules", "transformer")).spec
    assert len(spec["datasets"]["dots"]) == 4 * 11 * 12
    assert {row["rule"] for row in spec["datasets"]["lines"]} == set(range(11))


def test_every_rule_has_a_name():
    assert NAMES.keys() == RULES.keys()


def test_the_table_gives_the_distance_in_percent():
    ones = np.ones(11)
    table = plots.transformer.crossing_table(ones, ones, 1.1 * ones)
    assert "+10.0 %" in repr(table)

"""Lab and chart of chapter 11 against the equilibria, and the ends of the sliders."""

import numpy as np
import pytest

from klrl_lite import equilibria
from klrl_lite.explore.which_kl import LENGTHS, PENALTIES, which_kl_chart, which_kl_values
from klrl_lite.labs.which_kl import PENALTIES as IN_THE_LAB
from klrl_lite.labs.which_kl import which_kl_state
from klrl_lite.plots.which_kl import LOOKS, curve, price, success_at


@pytest.mark.parametrize("kind", ["token k2", "token k3"])
@pytest.mark.parametrize(("q", "n"), [(0.3, 1), (0.5, 7), (0.95, 40)])
def test_the_short_recursion_is_the_packages(kind, q, n):
    pulls = np.geomspace(1e-3, 300, 50)
    steps = equilibria.token_fixed_point(np.full(n, q), 1 / pulls, penalty=kind[6:])
    ours = success_at(kind, pulls, q, n)
    np.testing.assert_allclose(ours, steps.prod(axis=-1), rtol=1e-11)


def test_one_token_is_an_answer():
    pulls = np.geomspace(0.1, 30, 9)
    for token, answer in (("token k2", "exact"), ("token k3", "k3")):
        one = success_at(token, pulls, 0.1, 1)
        np.testing.assert_allclose(one, success_at(answer, pulls, 0.1, 1), rtol=1e-12)


@pytest.mark.parametrize("kind", LOOKS)
def test_the_price_is_where_half_of_the_answers_are_right(kind):
    for q, n in ((0.4, 1), (0.6, 5), (0.99, 500)):
        assert success_at(kind, price(kind, q, n), q, n) == pytest.approx(0.5, abs=1e-8)
    assert success_at(kind, price(kind, 0.5, 4, 0.9), 0.5, 4) == pytest.approx(0.9, abs=1e-8)


def test_the_price_in_closed_form():
    assert price("exact", 0.5, 8) == pytest.approx(np.log(255), rel=1e-8)
    assert price("k3", 0.5, 8) == pytest.approx(2 * (1 - 2 / 256), rel=1e-8)
    # Two tokens: x2 from w, and then x1 from w x2, by hand.
    w = price("token k2", 0.3, 2)
    second = 1 / (1 + 7 / 3 * np.exp(-w))
    assert second / (1 + 7 / 3 * np.exp(-w * second)) == pytest.approx(0.5, abs=1e-8)


def test_curves_with_std_lie_on_their_equation():
    beta, success = curve("k3", 0.2, 3, std=True)
    inside = (success > 0.02) & (success < 0.98)
    p = 0.2**3
    np.testing.assert_allclose(
        np.sqrt(success * (1 - success))[inside], (beta * (success - p))[inside], rtol=1e-9
    )


def test_an_unknown_penalty_is_named():
    with pytest.raises(ValueError, match="kind must be one of"):
        success_at("k4", 1.0, 0.5, 2)
    with pytest.raises(ValueError, match="penalty must be one of"):
        which_kl_state(0.5, 2, 1.0, penalty="k4 in the loss")


@pytest.mark.parametrize("penalty", IN_THE_LAB)
def test_runs_of_the_lab_end_where_it_predicts(penalty):
    state = which_kl_state(0.5, 3, 0.4, penalty=penalty, n_updates=900)
    assert state["success"][0] == pytest.approx(0.125)
    assert state["success"][-1] == pytest.approx(state["rest"], abs=1e-5)


def test_only_the_kl_of_the_answer_is_gibbs():
    ends = {name: which_kl_state(0.5, 3, 0.4, penalty=name, n_updates=1) for name in IN_THE_LAB}
    gibbs = {name for name, state in ends.items() if abs(state["rest"] - state["gibbs"]) < 1e-12}
    assert gibbs == {"k1 in the reward", "k3 times the answer's ratio"}


def test_with_std_the_literal_loss_meets_its_identity():
    state = which_kl_state(0.5, 3, 0.8, std=True, n_updates=900)
    P, w = state["success"][-1], 0.0
    w = 1 / (0.8 * np.sqrt(P * (1 - P)))
    steps = equilibria.token_fixed_point([0.5] * 3, 1 / w, penalty="k3")
    assert steps.prod() == pytest.approx(P, abs=1e-6)
    assert state["rest"] is None


@pytest.mark.parametrize("penalty", IN_THE_LAB)
@pytest.mark.parametrize("std", [True, False])
@pytest.mark.parametrize(("q", "n"), [(0.1, 8), (0.95, 1)])
@pytest.mark.parametrize("beta", [10**-1.5, 10**0.7])
def test_the_ends_of_the_sliders(penalty, std, q, n, beta):
    state = which_kl_state(q, n, beta, penalty=penalty, std=std, n_updates=40)
    assert state["success"].shape == (41,)
    assert np.all((state["success"] >= 0) & (state["success"] <= 1))


def test_the_chart_knows_its_midpoints():
    params = {p["name"]: p for p in which_kl_chart().spec["params"]}
    table = params["pulls"]["value"]
    for place, n in enumerate(LENGTHS):
        values = which_kl_values(list(PENALTIES.values()).index("token k3"), -3.0, place, 0)
        assert table["token k3"][6][place] == pytest.approx(1 / values["midpoint"], rel=1e-6)
        assert price("token k3", 10 ** (-3 / n), n) == pytest.approx(1 / values["midpoint"])

"""Cells of the sweeps: every number they return against its definition, and what they refuse."""

import numpy as np
import pytest

from klrl_lite import gibbs, policies, simplex, thresholds
from klrl_lite.diagnostics import cells
from klrl_lite.diagnostics.lineup import prepare

SIGNALS = ("exact", "expected", "drawn")


@pytest.fixture
def path():
    """The mirror step from the reference, 60 times."""
    problem = cells.sixteen(np.array([0.1]))
    match = prepare("mirror", problem.log_ref, problem.reward, np.array([0.5]),
                    rng=np.random.default_rng(0))  # fmt: skip
    state, found = match.algorithm.init(match.start), []
    for _ in range(60):
        state, _ = match.algorithm.step(state, match.exact(state))
        found.append(state.log_pi)
    return problem, np.array(found)


def test_a_plane_cell_averages_five_thermometers_over_the_last_updates(path):
    problem, log_pi = path
    run = cells.plane_cells("mirror", "exact", n_steps=60)
    found = run(tau=np.array([0.5]), p=np.array([0.1]), seed=np.zeros(1), rng=None)
    late = log_pi[-cells.N_LAST :]
    success = np.exp(late[..., :3]).sum(axis=-1)
    optimum = gibbs.log_gibbs(problem.log_ref, problem.reward, 0.5)
    expected = {
        "success": success,
        "entropy": -np.sum(np.exp(late) * late, axis=-1),
        "ref_kl": simplex.kl(late, problem.log_ref),
        "pass16": 1.0 - (1.0 - success) ** 16,
        "above": simplex.kl(late, optimum),
    }
    assert found.keys() == expected.keys()
    for key, values in expected.items():
        np.testing.assert_allclose(found[key], values.mean(axis=0), rtol=1e-9)


def test_a_board_cell_has_a_number_for_each_signal():
    run = cells.board_cells("mirror", "tabular", n_steps=60)
    found = run(x=np.array([0.5, 2.0]), seed=np.arange(2.0), rng=np.random.default_rng(0))
    kinds = ("success", "above", "first", "align", "off", "spent", "length")
    assert found.keys() == {
        *(f"{kind}_{signal}" for kind in kinds for signal in SIGNALS),
        *(f"gap_{g}" for g in ("ideal", "realized", "geometric", "bias", "noise", "eta")),
        *("end_geometric", "end_bias", "end_noise", "tv_drawn", "way", "p_ref"),
    }
    np.testing.assert_allclose(found["p_ref"], 0.02)
    # The plane asks the same of the same problem, with the temperature in its own units.
    tau = np.array([0.5, 2.0]) * thresholds.critical_tau(0.02)
    plane = cells.plane_cells("mirror", "exact", n_steps=60)
    same = plane(tau=tau, p=np.full(2, 0.02), seed=np.zeros(2), rng=None)
    for key in ("success", "above"):
        np.testing.assert_allclose(found[f"{key}_exact"], same[key], rtol=1e-12)
    np.testing.assert_allclose(found["align_exact"], 1.0, rtol=1e-12)
    one = run(x=np.array([2.0]), seed=np.ones(1), rng=np.random.default_rng(0))
    for kind in kinds:
        np.testing.assert_allclose(found[f"{kind}_exact"][1:], one[f"{kind}_exact"], rtol=1e-9)
    assert found["gap_noise"].shape == (2, 4)
    assert np.all(found["gap_noise"] > 0)


@pytest.mark.parametrize("kind", ["tabular", "linear", "network"])
def test_each_arena_can_be_a_board(kind):
    assert callable(cells.board_cells("mirror", kind))


@pytest.mark.parametrize("signal", SIGNALS)
def test_each_signal_can_fill_a_plane(signal):
    assert callable(cells.plane_cells("mirror", signal))


def test_gaps_are_taken_from_the_first_update_on_at_every_so_many():
    ref, reward = np.log([[0.5, 0.3, 0.2]]), np.array([[0.0, 0.5, 1.0]])
    rng = np.random.default_rng(0)
    match = prepare("trpo", ref, reward, np.array([0.5]), rng=rng, policy=policies.tabular(3),
                    start=ref)  # fmt: skip
    path, aims, often = cells.follow(match, match.exact, 4, 1)
    _, _, seldom = cells.follow(match, match.exact, 4, 2)
    assert path.shape == (5, 1, 3)
    assert aims.shape == (4, 1, 3)
    for every, second in zip(often, seldom, strict=True):
        assert every.shape == (1, 4)
        assert second.shape == (1, 2)
    np.testing.assert_allclose(seldom.ideal, often.ideal[:, ::2], rtol=1e-12)
    assert cells.follow(match, match.exact, 4)[2] is None

"""The lab and the explorable of chapter 04 show what the package computes."""

import numpy as np
import pytest

from klrl_lite import gibbs, simplex
from klrl_lite.explore import ppo as explorable
from klrl_lite.labs.ppo import ppo_state

REF, REWARD = [0.7, 0.24, 0.06], [0.0, 0.6, 1.0]


def test_with_the_reference_term_the_lab_ends_near_gibbs():
    state = ppo_state(REF, REWARD, 0.3, 0.2, 4, 0.01, n_updates=150)
    exact = gibbs.log_gibbs(np.log(REF), REWARD, 0.3)
    np.testing.assert_allclose(state["target"], np.exp(exact), atol=1e-12)
    assert simplex.kl(np.log(state["path"][-1]), exact) < 1e-3
    np.testing.assert_allclose(state["path"][0], REF, atol=1e-12)


def test_without_it_the_lab_goes_to_the_best_answer():
    state = ppo_state(REF, REWARD, 0.0, 0.2, 8, 0.03, n_updates=120)
    np.testing.assert_allclose(state["target"], [0, 0, 1], atol=1e-12)
    assert state["path"][-1, 2] > 0.95


def test_kl_of_each_update_is_that_of_neighbours_on_the_path():
    state = ppo_state(REF, REWARD, 0.2, 0.1, 20, 0.05, n_samples=30, seed=3, n_updates=10)
    log_path = np.log(state["path"])
    np.testing.assert_allclose(state["kl"], simplex.kl(log_path[1:], log_path[:-1]), atol=1e-12)
    assert np.all((state["clipped"] >= 0) & (state["clipped"] <= 1 + 1e-12))
    assert np.all((state["outside"] >= 0) & (state["outside"] <= 1 + 1e-12))
    assert state["kl"].max() > state["band"]


def test_band_is_the_kl_of_half_the_mass_at_each_edge():
    half = np.log([0.5, 0.5])
    for clip in (0.02, 0.2, 0.9):
        state = ppo_state(REF, REWARD, 0.2, clip, 1, 0.01, n_updates=1)
        edges = np.log([0.5 * (1 - clip), 0.5 * (1 + clip)])
        assert state["band"] == pytest.approx(float(simplex.kl(edges, half)), rel=1e-12)


def test_tables_of_the_explorable_are_runs_of_ppo():
    """Its tables go epoch by epoch; `inner_loop` asks the algorithm for so many epochs."""
    ratios, spent = explorable._tables()
    for clip, epochs in ((0.05, 1), (0.2, 12), (0.5, 40)):
        row = 1 + explorable.CLIPS.index(clip)
        log_ratio, kl = explorable.inner_loop(clip, epochs)
        np.testing.assert_allclose(ratios[row, epochs], log_ratio, atol=1e-10)
        assert spent[row, epochs] == pytest.approx(kl, abs=1e-10)
    log_ratio, kl = explorable.inner_loop(np.inf, 30)
    np.testing.assert_allclose(ratios[0, 30], log_ratio, atol=1e-10)

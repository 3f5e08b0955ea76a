"""Gaps, crossings, bootstrap, the line-up, and the cells of the recorded sweeps."""

import numpy as np
import pytest

from klrl_lite import diagnostics, gibbs, signals, simplex, thresholds
from klrl_lite.algorithms import run
from klrl_lite.diagnostics import cells, lineup

REF = np.log([0.5, 0.3, 0.15, 0.05])
REWARD = np.array([0.0, 0.3, 0.2, 1.0])


# --- gaps ---


def parts_of(name, seed=0, tau=0.4):
    rng = np.random.default_rng(seed)
    match = lineup.prepare(name, REF, REWARD, tau, rng=rng, start=simplex.tilt(REF, REWARD))
    state = match.algorithm.init(match.start)
    batch = match.drawn(state)
    found = diagnostics.gaps(
        match.algorithm, state, match.aim(state),
        exact=match.exact(state), expected=match.expected(state), drawn=batch,
    )  # fmt: skip
    return found, match, state, batch


@pytest.mark.parametrize("name", ["mirror", "natural", "ppo", "loo", "grpo", "mean_k3", "critic"])
def test_the_parts_of_an_update_obey_the_triangle(name):
    found, *_ = parts_of(name)
    longest = found.ideal + found.geometric + found.bias + found.noise
    assert found.realized <= longest + 1e-12
    assert found.geometric <= found.realized + found.ideal + found.bias + found.noise + 1e-12


def test_gaps_of_the_mirror_step():
    found, match, state, batch = parts_of("mirror")
    assert found.geometric == pytest.approx(0.0, abs=1e-12)
    assert found.bias == 0.0
    assert found.eta == pytest.approx(0.25, rel=1e-10)
    # Noise by hand: the sampled advantage minus the exact one, times the step.
    u = 0.25 * (signals.advantage_of(batch, state.log_pi) - match.aim(state))
    pi = np.exp(state.log_pi)
    assert found.noise == pytest.approx(np.sqrt(pi @ u**2 - (pi @ u) ** 2), rel=1e-10)


def test_natural_gradient_of_one_logit_each_has_no_geometric_gap():
    assert parts_of("natural")[0].geometric == pytest.approx(0.0, abs=1e-9)


def test_leave_one_out_is_unbiased_and_the_mean_is_not():
    assert parts_of("loo")[0].bias == pytest.approx(0.0, abs=1e-9)
    assert parts_of("mean")[0].bias > 1e-5


def test_a_critic_without_practice_is_a_bias():
    # At the start its value is 0; the baseline then changes what the clip sees, not the mean.
    assert parts_of("critic")[0].bias >= 0.0


# --- crossings ---


def test_crossing_between_points():
    tau = np.geomspace(0.05, 2, 400)
    p = np.array([1e-4, 1e-2, 0.1])
    curves = thresholds.success_probability(p[:, None], 1.0, tau)
    np.testing.assert_allclose(
        diagnostics.crossing_at(tau, curves), thresholds.critical_tau(p), rtol=1e-4
    )


def test_crossing_takes_the_hottest_and_misses_none():
    assert diagnostics.crossing_at([1.0, 2.0, 4.0, 8.0], [1, 0, 1, 0]) == pytest.approx(32**0.5)
    assert np.isnan(diagnostics.crossing_at([1.0, 2.0], [0.9, 0.8]))
    assert np.isnan(diagnostics.crossing_at([1.0, 2.0], [0.1, 0.8]))
    assert diagnostics.crossing_at([1.0, 2.0], [0.5, 0.1]) == 1.0


@pytest.mark.parametrize(
    ("tau", "curve"), [([2.0, 1.0], [1, 0]), ([1.0], [[1, 0]]), ([1.0, 2.0], [1.0])]
)
def test_crossing_refuses_what_is_no_sweep(tau, curve):
    with pytest.raises(ValueError, match="tau must be"):
        diagnostics.crossing_at(tau, curve)


def test_susceptibility_of_gibbs_is_its_fluctuation():
    tau = np.geomspace(0.1, 1, 2000)
    success = thresholds.success_probability(0.02, 1.0, tau)
    expected = success * (1 - success) / tau
    found = diagnostics.susceptibility(tau, success)
    np.testing.assert_allclose(found[1:-1], expected[1:-1], atol=1e-4)


def test_pass_at_k_of_agrees_with_the_mean_of_its_estimator():
    rng = np.random.default_rng(1)
    right = rng.binomial(50, 0.1, 40_000)
    mean = thresholds.pass_at_k(50, right, 8).mean()
    assert diagnostics.pass_at_k_of(0.1, 8) == pytest.approx(mean, abs=3e-3)
    assert diagnostics.pass_at_k_of(1.0, 3) == 1.0


# --- bootstrap ---


def test_bootstrap_against_scipy():
    from scipy import stats

    values = np.random.default_rng(2).normal(size=40)
    ours = diagnostics.bootstrap(values, rng=np.random.default_rng(3), n_resamples=9999)
    theirs = stats.bootstrap(
        (values,), np.mean, method="percentile", n_resamples=9999,
        random_state=np.random.default_rng(4),  # the name that old versions know too
    ).confidence_interval  # fmt: skip
    assert ours.low == pytest.approx(theirs.low, abs=0.02)
    assert ours.high == pytest.approx(theirs.high, abs=0.02)
    assert ours.estimate == pytest.approx(values.mean())


def test_bootstrap_covers():
    rng = np.random.default_rng(5)
    runs = rng.normal(size=(30, 300))  # 300 experiments of 30 seeds
    found = diagnostics.bootstrap(runs, rng=rng)
    covered = np.mean((found.low < 0) & (found.high > 0))
    assert 0.87 < covered < 0.98  # percentile intervals of 30 are slightly short


def test_bootstrap_of_a_crossing_and_of_none():
    tau = np.geomspace(0.1, 1, 50)
    curve = thresholds.success_probability(0.02, 1.0, tau)
    rng = np.random.default_rng(6)
    seeds = np.clip(curve + 0.05 * rng.normal(size=(16, 1)), 0, 1)
    found = diagnostics.bootstrap(seeds, lambda m: diagnostics.crossing_at(tau, m), rng=rng)
    assert found.low < thresholds.critical_tau(0.02) < found.high
    none = diagnostics.bootstrap(
        np.ones((4, 50)), lambda m: diagnostics.crossing_at(tau, m), rng=rng
    )
    assert np.isnan(none.estimate)
    assert np.isnan(none.low)


def test_bootstrap_refuses_one_seed_and_a_number_for_rng():
    with pytest.raises(ValueError, match="two seeds"):
        diagnostics.bootstrap(np.ones((1, 3)), rng=np.random.default_rng(0))
    with pytest.raises(TypeError, match="rng"):
        diagnostics.bootstrap(np.ones(3), rng=0)


# --- the line-up ---


@pytest.mark.parametrize("name", ["mirror", "region", "natural", "trpo", "ppo", "loo", "folded"])
def test_those_who_should_arrive_do(name):
    match = lineup.prepare(name, REF, REWARD, 0.4, rng=np.random.default_rng(0))
    end = run(match.algorithm, match.start, match.exact, 400).log_pi[-1]
    assert diagnostics.kl_to_target(end, REF, REWARD, 0.4) < 0.02


@pytest.mark.parametrize("name", lineup.LINEUP)
def test_expected_signals_are_means_of_drawn_ones(name):
    match = lineup.prepare(name, np.tile(REF, (4000, 1)), REWARD, 0.4,
                           rng=np.random.default_rng(1))  # fmt: skip
    state = match.algorithm.init(simplex.tilt(np.tile(REF, (4000, 1)), 0.5 * REWARD))
    drawn, expected = match.drawn(state), match.expected(state)
    for one, mean in zip(drawn, expected, strict=True):
        error = one.std(axis=0) / np.sqrt(4000) + mean.std(axis=0) / np.sqrt(4000) + 1e-12
        assert np.all(np.abs(one.mean(axis=0) - mean.mean(axis=0)) < 5 * error)


# --- cells ---


def test_a_cell_is_a_run():
    rng = np.random.default_rng(7)
    found = cells.plane_cells("mirror", "exact")(
        tau=np.array([0.2, 0.5]), p=np.array([0.02, 0.1]), seed=np.zeros(2), rng=rng
    )
    problem = cells.sixteen(np.array([0.02, 0.1]))
    goal = gibbs.log_gibbs(problem.log_ref, problem.reward, np.array([0.2, 0.5]))
    right = np.exp(goal)[:, :3].sum(axis=-1)
    np.testing.assert_allclose(found["success"], right, atol=1e-3)
    np.testing.assert_allclose(found["entropy"], simplex.entropy(goal), atol=3e-3)
    np.testing.assert_allclose(found["pass16"], 1 - (1 - right) ** 16, atol=2e-3)


def test_a_chain_has_the_support_of_all_its_steps():
    found = cells.plane_cells("mirror", "exact", chain=True)(
        tau=np.array([2.0]), q_step=np.array([0.6]), n_tokens=np.array([4]), rng=None
    )
    exact = thresholds.success_probability(0.6**4, 4.0, 2.0)
    assert found["success"][0] == pytest.approx(exact, abs=1e-3)


@pytest.mark.parametrize("kind", ["tabular", "linear", "network"])
def test_arenas(kind):
    place = cells.arena(kind, [0, 1, 2])
    np.testing.assert_allclose(place.policy.log_prob(place.start), place.log_ref, atol=1e-12)
    by_hand = np.sum(np.exp(place.log_ref) * (place.reward > 0), axis=-1)
    np.testing.assert_allclose(place.p_ref, by_hand, rtol=1e-12)
    with pytest.raises(ValueError, match="kind must be"):
        cells.arena("forest", [0])


def test_a_row_of_the_scoreboard():
    found = cells.board_cells("trpo", "linear", n_steps=60)(
        x=np.array([0.5, 2.0]), seed=np.array([0, 1]), rng=np.random.default_rng(8)
    )
    assert found["gap_noise"].shape == (2, 4)
    assert np.all(found["length_drawn"] > 0.9 * diagnostics_way(found))
    assert np.all(found["end_bias"] == 0.0)


def diagnostics_way(found):
    """The way to the target, less what the runs have left."""
    return found["way"] - found["end_geometric"] - found["end_noise"]

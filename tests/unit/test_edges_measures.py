"""Edges of what is read off sweeps, paths and records; each was once changed unnoticed."""

import json

import numpy as np
import pytest

from klrl_lite import simplex
from klrl_lite.diagnostics import observed, path, recorded, target
from klrl_lite.diagnostics.transformer import predicted

REF = np.log([0.5, 0.3, 0.2])
REWARD = np.array([0.0, 0.5, 1.0])


@pytest.mark.parametrize("tau", [[0.0, 1.0], [-1.0, 1.0]])
@pytest.mark.parametrize("read", [observed.crossing_at, observed.susceptibility])
def test_a_curve_is_read_at_temperatures(read, tau):
    with pytest.raises(ValueError, match=r"^tau must be > 0"):
        read(tau, [1.0, 0.0])


def test_a_crossing_is_between_two_temperatures():
    with pytest.raises(ValueError, match=r"^tau must be \(points,\), ascending"):
        observed.crossing_at([1.0, 1.0], [1.0, 0.0])


def test_responses_of_several_curves_keep_apart():
    tau = np.exp([0.0, 1.0, 3.0])
    curves = np.array([[3.0, 2.0, 0.0], [9.0, 9.0, 9.0], [1.0, 3.0, 7.0]])
    found = observed.susceptibility(tau, curves)
    np.testing.assert_allclose(found, np.repeat([[1.0], [0.0], [-2.0]], 3, axis=1), atol=1e-14)
    np.testing.assert_allclose(observed.susceptibility(tau[:2], [2.0, 1.0]), [1.0, 1.0])


def test_the_ends_of_an_interval_are_percentiles():
    def counted(mean):
        return np.arange(len(mean)) * 1.0

    rng = np.random.default_rng(0)
    found = observed.bootstrap(np.ones(4), counted, rng=rng, n_resamples=1001)
    assert found == pytest.approx((0.0, 25.0, 975.0))
    found = observed.bootstrap(np.ones(4), counted, rng=rng)  # 999 resamples
    assert found == pytest.approx((0.0, 0.025 * 998, 0.975 * 998))


def test_two_seeds_are_enough_and_nothing_has_no_interval():
    rng = np.random.default_rng(0)
    assert observed.bootstrap([1.0, 3.0], rng=rng) == (2.0, 1.0, 3.0)
    assert [part.shape for part in observed.bootstrap(np.ones((3, 0)), rng=rng)] == 3 * [(0,)]


def test_half_of_the_resamples_are_enough_for_an_interval():
    def half(mean, rest=1):
        return np.where(np.arange(len(mean)) % 2 == rest, np.nan, 7.0)

    rng = np.random.default_rng(0)
    assert observed.bootstrap(np.ones(4), half, rng=rng, n_resamples=10) == (7.0, 7.0, 7.0)
    fewer = observed.bootstrap(np.ones(4), lambda m: half(m, 0), rng=rng, n_resamples=11)
    assert np.isnan(fewer.low)
    assert np.isnan(fewer.high)


def test_infinite_runs_have_an_interval_where_the_statistic_does():
    rng = np.random.default_rng(0)
    values = np.array([[1.0, np.inf, np.inf], *[[1.0, np.inf, 2.0]] * 7])
    found = observed.bootstrap(values, lambda mean: 1.0 / mean, rng=rng)
    assert found.estimate.tolist() == [1.0, 0.0, 0.0]
    # A resample without the infinite run is 0 times infinity: a third of them, in the last column.
    np.testing.assert_array_equal(found.low, [1.0, np.nan, 0.0])
    np.testing.assert_array_equal(found.high, [1.0, np.nan, 0.0])


# --- measures ---


def test_the_largest_distance_is_pi_whatever_the_masses_round_to():
    log_p, log_q = np.array([9e-10, -np.inf]), np.array([-np.inf, 9e-10])
    assert path.geodesic_distance(log_p, log_q) <= np.pi * (1 + 1e-15)


def test_an_old_policy_that_does_not_fit_is_among_the_shapes():
    with pytest.raises(ValueError, match="broadcast") as caught:
        path.alignment(np.stack([REF] * 2), np.stack([REF] * 4), REWARD)
    assert str(caught.value).endswith("got log_new (2, 3), log_old (4, 3), advantage (3,)")


def test_updates_are_cut_on_both_sides():
    there, back = np.array([-800.0, 0.0]), np.array([0.0, -800.0])
    assert path.realized(there, back).tolist() == [-745.0, 745.0]


@pytest.mark.parametrize("scale", [1e-30, 1e-3, 1.0, 1e3, 1e30])
@pytest.mark.parametrize("shift", [0.0, 2.0**40])
def test_the_nearest_temperature_knows_units_and_no_origin(scale, shift):
    log_pi = np.log([0.2, 0.5, 0.3])
    distance, s = target.off_curve(log_pi, REF, REWARD)
    found = target.off_curve(log_pi, REF, scale * (REWARD + shift))
    tol = 1e-9 if shift == 0 or scale in (1.0,) else 1e-3  # products with a shift are rounded
    np.testing.assert_allclose(found, [distance, s / scale], rtol=tol)


def test_the_reward_of_an_impossible_action_does_not_count():
    hole = np.append(REF, -np.inf)
    for reward in (-1e200, 0.3, 1e200):
        tilted = np.append(simplex.tilt(REF, 3.0 * REWARD), -np.inf)
        found = target.off_curve(tilted, hole, np.append(REWARD, reward))
        np.testing.assert_allclose(found, [0.0, 3.0], rtol=1e-9, atol=1e-12)


def test_an_action_that_died_has_no_weight_in_the_regression():
    died = np.append(np.log([0.4, 0.6]), -np.inf)
    found = target.effective_temperature(died, REF, REWARD)
    slope = (np.log(0.6 / 0.4) - np.log(0.3 / 0.5)) / 0.5
    np.testing.assert_allclose(found, [slope, 1.0], rtol=1e-9)


def test_the_recorded_runs_had_groups_of_eight():
    runs = "mean_k2", [0.2, 0.2], 0.5
    assert predicted(*runs) == predicted(*runs, 8) != predicted(*runs, 9)


def test_a_record_holds_numbers_and_no_objects(tmp_path, monkeypatch):
    folder = tmp_path / "experiments" / "hostile"
    folder.mkdir(parents=True)
    (folder / "manifest.json").write_text(json.dumps({"command": "τ"}), encoding="utf-8")
    np.savez(folder / "runs.npz", x=np.float16([0.5]))
    np.savez(folder / "others.npz", x=np.array([{"a": 1}], dtype=object))
    monkeypatch.chdir(tmp_path)
    assert recorded.manifest("hostile") == {"command": "τ"}
    found = recorded.recorded("runs", "hostile")["x"]
    assert (found.dtype, found.tolist()) == (np.float64, [0.5])
    with pytest.raises(ValueError, match="allow_pickle"):
        recorded.recorded("others", "hostile")

"""Edges of the test problems; each was once changed without a test noticing it."""

import math

import numpy as np
import pytest

from klrl_lite import problems
from klrl_lite.diagnostics.cells import sixteen


def test_problems_know_their_names():
    rng = np.random.default_rng(0)
    made = {
        "binary": problems.binary(0.1),
        "levels": problems.levels([0.0, 0.0], [0.0, 1.0]),
        "chain (additive)": problems.chain(0.5, 3, credit="additive"),
        "chain (graded)": problems.chain(0.5, 3, credit=np.square),
        "random bandit": problems.random_bandit(3, rng=rng),
        "random energy": problems.random_energy(3, rng=rng),
        "sixteen answers": sixteen(0.1),
    }
    for name, problem in made.items():
        assert problem.name == name
    # What is true of an additive reward is not claimed of another one.
    assert made["chain (graded)"].known == {}


@pytest.mark.parametrize("shift", [0.0, -3.0, 5.0])
@pytest.mark.parametrize("unit", [0.25, 1.0, 8.0])
def test_levels_on_a_chord_are_passed_over_whatever_the_units(shift, unit):
    def crossings(log_mass, reward):
        made = problems.levels(np.add(log_mass, shift), unit * np.array(reward))
        return (made.known["crossings"] / unit).tolist()

    assert crossings([0.0, -1.0, -2.0], [0.0, 1.0, 2.0]) == [1.0]
    assert crossings([0.0, -1.0, -4.0], [0.0, 1.0, 2.0]) == pytest.approx([1.0, 1.0 / 3.0])
    assert crossings([0.0, -3.0, -4.0], [0.0, 1.0, 2.0]) == [0.5]


def test_a_random_bandit_has_standard_normal_rewards():
    made = problems.random_bandit(4000, rng=np.random.default_rng(0))
    # Its reference is uniform on the simplex: the masses are exponential in units of the mean.
    assert np.mean(4000 * np.exp(made.log_ref) < 1.0) == pytest.approx(1 - np.exp(-1), abs=0.03)
    reward = made.reward
    assert reward.shape == (4000,)
    assert abs(reward.mean()) < 4 / np.sqrt(4000)
    assert reward.std() == pytest.approx(1.0, abs=4 / np.sqrt(8000))
    assert np.mean(np.abs(reward) < 1.0) == pytest.approx(0.6827, abs=0.03)


@pytest.mark.parametrize("n", [16, 17, 18, 33, 40])
def test_a_chain_counts_its_right_steps_to_the_last_digits(n):
    found = problems.chain(0.5, n, credit="additive").log_ref
    exact = [math.log(math.comb(n, m)) - n * math.log(2.0) for m in range(n + 1)]
    np.testing.assert_allclose(found, exact, rtol=0.0, atol=8e-15)


def test_the_random_energies_have_a_variance_for_each_step():
    for sigma, made in (
        (1.0, problems.random_energy(12, rng=np.random.default_rng(0))),
        (3.0, problems.random_energy(12, 3.0, rng=np.random.default_rng(1))),
    ):
        spread = sigma * np.sqrt(12)
        assert made.reward.std() == pytest.approx(spread, rel=4 / np.sqrt(2 * 4096))
        assert abs(made.reward.mean()) < 4 * spread / np.sqrt(4096)
        # Derrida: freezing where the entropy K (log 2 - sigma^2/(2 tau^2)) is gone.
        tau = made.known["critical_tau"]
        assert np.log(2.0) - sigma**2 / (2 * tau**2) == pytest.approx(0.0, abs=1e-15)

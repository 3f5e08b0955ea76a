"""The search inside a trust-region step: how many evaluations it takes, and that rows keep apart.

A slip in a starting value or in a slope changes no result, since the search ends at the same root,
or in a bisection. It costs evaluations, so these are counted.
"""

import numpy as np
import pytest

from klrl_lite import simplex
from klrl_lite.algorithms import region
from klrl_lite.algorithms.mirror import trust_region_step
from klrl_lite.simplex import log_normalize

RADII = np.geomspace(1e-9, 0.3, 19)


@pytest.fixture
def evaluations(monkeypatch):
    """Counts of what the search evaluates; a bisection is not expected at all."""
    counts = {"rough": 0, "precise": 0}
    newton = region._newton

    def counting(spent, *args, tol, max_iter):
        def counted(z, rows):
            counts["rough" if tol > 1e-10 else "precise"] += 1
            return spent(z, rows)

        return newton(counted, *args, tol=tol, max_iter=max_iter)

    def bisected(*args):
        raise AssertionError("Newton's method has given up")

    monkeypatch.setattr(region, "_newton", counting)
    monkeypatch.setattr(region, "_bisected", bisected)
    return counts


def worst(evaluations, direction):
    """Most evaluations of any step over a grid of policies, advantages and radii."""
    found = dict.fromkeys(evaluations, 0)
    rng = np.random.default_rng(5)
    for n_actions in (2, 3, 8, 30):
        log_pi = log_normalize(2.0 * rng.normal(size=n_actions))
        advantage = rng.normal(size=n_actions)
        most = -log_pi[advantage.argmax()]  # the price of certainty; near it a search is longer
        for radius in RADII[0.8 * most > RADII]:
            evaluations.update(rough=0, precise=0)
            _, info = trust_region_step(log_pi, advantage, radius, direction=direction)
            assert info.converged
            found = {k: max(found[k], evaluations[k]) for k in found}
    return found


@pytest.mark.parametrize(
    ("direction", "most"),
    [("new_old", {"rough": 6, "precise": 4}), ("old_new", {"rough": 6, "precise": 4})],
)
def test_the_search_is_as_short_as_promised(evaluations, direction, most):
    found = worst(evaluations, direction)
    assert all(0 < found[k] <= most[k] for k in most)


@pytest.mark.parametrize("direction", ["new_old", "old_new"])
@pytest.mark.parametrize("radius", [0.01, 3.0])
def test_rows_of_very_different_scales_keep_apart(direction, radius):
    """Also where some actions are impossible, so that the best of a row is looked for among few."""
    rng = np.random.default_rng(6)
    log_pi = log_normalize(rng.normal(size=(5, 6)))
    log_pi[::2] = log_normalize(np.where(np.arange(6) % 2, log_pi[::2], -np.inf))
    advantage = rng.normal(size=(5, 6)) * 10.0 ** np.array([[-200], [-9], [0], [9], [100]])
    advantage += 10.0 ** np.array([[-200], [-9], [0], [9], [100]])
    new, info = trust_region_step(log_pi, advantage, radius, direction=direction)
    for row in range(5):
        alone, one = trust_region_step(log_pi[row], advantage[row], radius, direction=direction)
        np.testing.assert_allclose(new[row], alone, rtol=1e-12)
        np.testing.assert_allclose(info.eta[row], one.eta, rtol=1e-12)
        assert info.hits_boundary[row] == one.hits_boundary


def test_ties_beyond_the_reach_of_the_search_are_reported():
    # The search ends at a tilt of e^60 spreads: the worst action is gone, the tie is still there.
    log_pi = np.log([0.4, 0.4, 0.2])
    log_new, info = trust_region_step(log_pi, [1e-60, 0.0, -0.5], 0.9)
    assert not info.converged
    assert info.eta == pytest.approx(np.exp(60.0) / 0.5, rel=1e-12)
    assert info.kl == pytest.approx(-np.log(0.8), rel=1e-12)
    np.testing.assert_allclose(log_new[:2], np.log(0.5), rtol=1e-14)


def test_the_other_direction_goes_as_far_as_doubles():
    # The rarer action gets a mass of e^-700, near the least there is: KL 350 - log 2 and no more.
    log_pi = np.log([0.5, 0.5])
    log_new, info = trust_region_step(log_pi, [0.0, 1.0], 350.0, direction="old_new")
    assert not info.converged
    assert not info.hits_boundary
    assert log_new[0] == pytest.approx(-700.0, rel=1e-12)
    assert info.kl == pytest.approx(350.0 - np.log(2.0), rel=1e-12)


@pytest.mark.parametrize("radius", [1e-3, 400.0, 799.9])
def test_a_best_action_whose_mass_underflows_has_a_price_all_the_same(radius):
    log_pi, advantage = np.array([0.0, -800.0]), [0.0, 1.0]
    new, info = trust_region_step(log_pi, advantage, radius)
    assert info.hits_boundary
    assert info.converged
    assert simplex.kl(new, log_pi) == pytest.approx(radius, rel=1e-11)
    # 800 nats buy it, and more than it there is not.
    new, info = trust_region_step(log_pi, advantage, 801.0)
    assert new.tolist() == [-np.inf, 0.0]
    assert (info.hits_boundary, info.converged, info.kl) == (False, True, 800.0)

"""Mirror steps: many-digit oracles, optimality against optimizers, KKT conditions, limits."""

import numpy as np
import oracles
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from oracles import EPS
from samples import TAUS, mass_digits, policies, positive, systems, vectors
from scipy.optimize import minimize

from klrl_lite import gibbs, simplex
from klrl_lite.algorithms import iterate
from klrl_lite.algorithms.mirror import (
    euclidean_descent,
    euclidean_step,
    explicit_step,
    implicit_step,
    trust_region_step,
)

DIRECTIONS = pytest.mark.parametrize("direction", ["new_old", "old_new"])
SYSTEMS = pytest.mark.parametrize("name", [name for name in systems() if name != "a thousand"])
LOG_PI, ADVANTAGE = np.log([0.2, 0.3, 0.5]), np.array([0.0, 1.0, 3.0])


# --- explicit and implicit steps against many digits ---


@SYSTEMS
@pytest.mark.parametrize("eta", [0.0, 1e-10, 1e-3, 1.0, 1e3, 1e6])
def test_explicit_step(agree, name, eta):
    log_pi, advantage = (np.asarray(x) for x in systems()[name])
    with np.errstate(all="raise", under="ignore"):
        log_new = explicit_step(log_pi, advantage, eta)
    possible = log_pi > -np.inf
    # eta A is rounded at the size of its spread, log pi at its own.
    spread = eta * np.ptp(advantage[possible])
    bound = 4 * EPS * (np.abs(log_pi[possible]).max() + spread)
    with oracles.digits(mass_digits(log_pi)):
        step = [oracles.many(eta) * a for a in oracles.many(advantage)]
        exact = oracles.log_normalize(
            [a + b for a, b in zip(oracles.many(log_pi), step, strict=True)]
        )
        agree("explicit_step", log_new, exact, bound=bound)


@SYSTEMS
@pytest.mark.parametrize("eta", [1e-6, 1.0, 1e6])
def test_implicit_step(agree, name, eta):
    log_ref, reward = (np.asarray(x) for x in systems()[name])
    log_pi = simplex.tilt(log_ref, np.linspace(0, 5, log_ref.size))
    with np.errstate(all="raise", under="ignore"):
        log_new = implicit_step(log_pi, log_ref, reward, TAUS, eta)
    possible = log_ref > -np.inf
    logs = np.abs(log_ref[possible]).max() + np.abs(log_pi[possible]).max()
    with oracles.digits(mass_digits(log_ref)):
        for row, tau in zip(log_new, TAUS, strict=True):
            exact = oracles.implicit_step(log_pi, log_ref, reward, tau, eta)
            pull = eta / (1 + eta * tau)
            bound = 4 * EPS * (logs + pull * np.ptp(reward[possible]))
            agree("implicit_step", row, exact, bound=bound)


def test_a_large_constant_costs_no_digits():
    # 1e8 A is 1e16, where the next float is 2 away.
    exact = explicit_step(LOG_PI, ADVANTAGE, 1.0)
    for constant in (1e3, 1e6):
        shifted = explicit_step(LOG_PI, ADVANTAGE + constant, 1.0)
        np.testing.assert_allclose(shifted, exact, atol=4 * EPS * 3)
    # An impossible action does not set the scale either.
    log_pi = np.append(LOG_PI, -np.inf)
    shifted = explicit_step(log_pi, np.append(ADVANTAGE, 1e17), 1.0)
    np.testing.assert_allclose(shifted[:3], exact, atol=4 * EPS * 3)
    ours = implicit_step(log_pi, log_pi, np.append(ADVANTAGE, 1e17), 1.0, 1.0)
    alone = implicit_step(LOG_PI, LOG_PI, ADVANTAGE, 1.0, 1.0)
    np.testing.assert_allclose(ours[:3], alone, atol=4 * EPS * 3)


@given(st.data())
def test_explicit_steps_compose(data):
    log_pi = data.draw(policies(holes=True))
    a = data.draw(vectors(log_pi.size))
    s, t = data.draw(positive(-2, 0.5)), data.draw(positive(-2, 0.5))
    once = explicit_step(log_pi, a, s + t)
    twice = explicit_step(explicit_step(log_pi, a, s), a, t)
    np.testing.assert_allclose(twice, once, rtol=1e-12, atol=1e-13)
    np.testing.assert_allclose(explicit_step(log_pi, a, 0.0), log_pi, rtol=1e-15, atol=1e-15)


@settings(max_examples=10)
@given(st.data())
def test_implicit_step_is_the_proximal_minimizer(data):
    log_pi, log_ref = (data.draw(policies(n=3, spread=2.0)) for _ in range(2))
    reward = data.draw(vectors(3, size=2.0))
    tau, eta = data.draw(positive(-1, 0.5)), data.draw(positive(-1, 0.5))

    def objective(logits):
        q = simplex.log_normalize(np.append(logits, 0.0))
        value = gibbs.free_energy(q, log_ref, reward, tau) + simplex.kl(q, log_pi) / eta
        return float(value) / (tau + 1 / eta)

    start = log_pi[:2] - log_pi[2] + np.array([0.3, -0.2])  # its simplex scales with the start
    found = minimize(
        objective, start, method="Nelder-Mead", options={"xatol": 1e-9, "fatol": 1e-16}
    )
    step = implicit_step(log_pi, log_ref, reward, tau, eta)
    closest = objective(step[:2] - step[2])
    assert closest <= found.fun + 1e-14
    np.testing.assert_allclose(simplex.log_normalize(np.append(found.x, 0.0)), step, atol=1e-6)


@given(st.data())
def test_explicit_and_implicit_steps_are_the_same_at_matched_sizes(data):
    # explicit(eta) = implicit(eta'), eta = eta'/(1 + eta' tau): from any start, not only from
    # the reference.
    log_pi, log_ref = (data.draw(policies(n=4)) for _ in range(2))
    reward, tau, eta = data.draw(vectors(4)), data.draw(positive()), data.draw(positive())
    advantage = gibbs.soft_advantage(log_pi, log_ref, reward, tau)
    explicit = explicit_step(log_pi, advantage, eta / (1 + eta * tau))
    implicit = implicit_step(log_pi, log_ref, reward, tau, eta)
    # Exponents of size eta r, up to 1e3, are rounded on both sides.
    atol = 1e-13 * (1 + eta / (1 + eta * tau) * (10 + 80 * tau))
    np.testing.assert_allclose(implicit, explicit, rtol=1e-12, atol=atol)


@given(st.data())
def test_implicit_steps_contract_to_gibbs(data):
    log_pi, log_ref = (data.draw(policies(n=4)) for _ in range(2))
    reward, tau, eta = data.draw(vectors(4)), data.draw(positive()), data.draw(positive())
    star = gibbs.log_gibbs(log_ref, reward, tau)
    step = implicit_step(log_pi, log_ref, reward, tau, eta)
    # Log-ratios to the target shrink by exactly 1/(1 + eta tau).
    kept = 1 / (1 + eta * tau)
    size = 1 + np.abs(star).max()
    ratios = np.diff(step - star)
    np.testing.assert_allclose(ratios, kept * np.diff(log_pi - star), atol=1e-12 * size)
    fixed = implicit_step(star, log_ref, reward, tau, eta)
    np.testing.assert_allclose(fixed, star, rtol=1e-12, atol=1e-13 * size)
    # A huge step lands on it.
    far = implicit_step(log_pi, log_ref, reward, tau, 1e15 / tau)
    np.testing.assert_allclose(far, star, rtol=1e-11, atol=1e-12 * size)


# --- trust region ---


@DIRECTIONS
@pytest.mark.parametrize("radius", [1e-300, 1e-100, 1e-30, 1e-20, 1e-10, 1e-4, 0.02, 0.3, 0.6])
def test_trust_region_step(agree, direction, radius):
    with np.errstate(all="raise", under="ignore"):
        log_new, info = trust_region_step(LOG_PI, ADVANTAGE, radius, direction=direction)
    assert info.hits_boundary
    assert info.converged
    with oracles.digits(700 if radius < 1e-30 else 120):
        eta, exact = oracles.trust_region(LOG_PI, ADVANTAGE, radius, direction, info.eta)
        agree("trust_region_step, eta", info.eta, eta)
        agree("trust_region_step, policy", log_new, exact)
        agree("trust_region_step, kl", info.kl, oracles.many(radius))


@DIRECTIONS
@pytest.mark.parametrize("rare", [1e-3, 1e-30, 1e-300])
def test_trust_region_step_towards_rare_actions(agree, direction, rare):
    log_pi = simplex.log_normalize([0.0, np.log(rare), np.log(rare)])
    radius = 0.02
    log_new, info = trust_region_step(log_pi, [0.0, 1.0, -2.0], radius, direction=direction)
    with oracles.digits(mass_digits(log_pi)):
        eta, exact = oracles.trust_region(log_pi, [0.0, 1.0, -2.0], radius, direction, info.eta)
        agree("trust_region_step, eta", info.eta, eta)
        # The exponent eta A reaches 690 and is rounded there.
        bound = 8 * EPS * (np.abs(log_pi).max() + 3 * info.eta)
        agree("trust_region_step, policy", log_new, exact, bound=bound)


@DIRECTIONS
@given(data=st.data())
def test_trust_region_constraint_and_kkt(direction, data):
    log_pi = data.draw(policies(spread=5.0, holes=True))
    advantage = data.draw(vectors(log_pi.size))
    radius = data.draw(positive(-8, 0))
    with np.errstate(all="raise", under="ignore"):
        log_new, info = trust_region_step(log_pi, advantage, radius, direction=direction)
    pair = (log_new, log_pi) if direction == "new_old" else (log_pi, log_new)
    spent = simplex.kl(*pair)
    possible = log_pi > -np.inf
    assert np.exp(log_new).sum() == pytest.approx(1.0, rel=1e-13)
    assert np.all(log_new[~possible] == -np.inf)
    # Rounding of the stored policy, EPS in its logarithms, is a change of KL by EPS sqrt(KL).
    assert spent <= radius * (1 + 1e-12) + 40 * EPS * np.sqrt(radius)
    assert info.kl == pytest.approx(spent, rel=1e-10, abs=40 * EPS * np.sqrt(radius))
    flat, best = np.ptp(advantage[possible]) == 0, advantage[possible].max()
    if not info.hits_boundary:
        assert info.eta == np.inf
        # In the other direction only mass below every float could spend more than this.
        others = -np.expm1(np.logaddexp.reduce(log_pi[possible & (advantage == best)]))
        assert flat or direction == "new_old" or radius > 600 * others
        return
    assert spent == pytest.approx(radius, rel=1e-9, abs=40 * EPS * np.sqrt(radius))
    # Stationarity: the gradient of the Lagrangian is constant over the possible actions.
    a, p, q = advantage[possible], np.exp(log_pi[possible]), np.exp(log_new[possible])
    if direction == "new_old":
        residual = info.eta * a - (log_new[possible] - log_pi[possible])
        size = 1 + info.eta * np.ptp(a)
    else:
        residual = info.eta * a + p / q
        size = (p / q).max()
    assert np.ptp(residual) <= 1e-11 * (size + np.abs(log_pi[possible]).max())


@DIRECTIONS
@settings(max_examples=20)
@given(data=st.data())
def test_trust_region_beats_every_feasible_policy(direction, data):
    log_pi = data.draw(policies(n=4, spread=3.0))
    advantage, radius = data.draw(vectors(4)), data.draw(positive(-4, 0))
    seed = data.draw(st.integers(0, 100))
    log_new, _ = trust_region_step(log_pi, advantage, radius, direction=direction)
    best = simplex.expect(log_new, advantage)
    # Random directions, each followed up to the surface of the ball.
    u = np.random.default_rng(seed).normal(size=(60, 4))
    rivals, _ = trust_region_step(log_pi, u, radius, direction=direction)
    pair = (rivals, log_pi) if direction == "new_old" else (log_pi, rivals)
    feasible = simplex.kl(*pair) <= radius * (1 + 1e-12)
    assert feasible.any()
    assert np.all(simplex.expect(rivals[feasible], advantage) <= best + 1e-9)
    rivals = simplex.tilt(log_pi, u * np.sqrt(radius))
    pair = (rivals, log_pi) if direction == "new_old" else (log_pi, rivals)
    feasible = simplex.kl(*pair) <= radius
    assert np.all(simplex.expect(rivals[feasible], advantage) <= best + 1e-12)


@given(st.data())
def test_a_radius_that_does_not_bind_gives_the_best_actions(data):
    log_pi = data.draw(policies(n=5, spread=3.0, holes=True))
    # Few values, so that several actions tie for the best.
    advantage = np.array(data.draw(st.lists(st.integers(0, 2), min_size=5, max_size=5)), float)
    possible = log_pi > -np.inf
    is_best = possible & (advantage == advantage[possible].max())
    assume(not np.array_equal(is_best, possible))
    limit = simplex.log_normalize(np.where(is_best, log_pi, -np.inf))
    needed = simplex.kl(limit, log_pi)
    log_new, info = trust_region_step(log_pi, advantage, needed * 1.01)
    assert not info.hits_boundary
    assert info.converged
    assert info.eta == np.inf
    np.testing.assert_array_equal(log_new, limit)
    assert info.kl == needed == pytest.approx(-np.log(np.exp(log_pi[is_best]).sum()), rel=1e-12)
    # Just inside, it binds and is close to that.
    log_new, info = trust_region_step(log_pi, advantage, needed * 0.99)
    assert info.hits_boundary
    assert info.kl == pytest.approx(0.99 * needed, rel=1e-10)


def test_near_ties_are_told_apart():
    # Separating two actions 1e-16 apart takes a tilt of 1e16 and more.
    log_pi = np.log([0.4, 0.4, 0.2])
    log_new, info = trust_region_step(log_pi, [1.0, 1.0 - 2.0**-53, 0.0], 0.9)
    assert info.hits_boundary
    assert info.converged
    assert info.kl == pytest.approx(0.9, rel=1e-12)
    assert log_new[0] > log_new[1] > log_new[2]


@DIRECTIONS
def test_a_constant_advantage_moves_nothing(direction):
    for advantage in (np.zeros(3), np.full(3, 0.1)):
        log_new, info = trust_region_step(LOG_PI, advantage, 0.1, direction=direction)
        np.testing.assert_array_equal(log_new, LOG_PI)
        assert (float(info.eta), float(info.kl)) == (np.inf, 0.0)
        assert not info.hits_boundary
        assert info.converged
    log_new, _ = trust_region_step([0.0], [5.0], 0.1, direction=direction)
    assert log_new.tolist() == [0.0]


def test_a_huge_radius_in_the_other_direction_is_reported():
    # KL(pi || q) could be 1000 only for masses below every float: told as data, not as NaN.
    log_new, info = trust_region_step(LOG_PI, ADVANTAGE, 1000.0, direction="old_new")
    assert not info.converged
    assert not info.hits_boundary
    assert np.all(np.isfinite(log_new))
    # As far as doubles go: all mass on the best action.
    assert log_new[2] > -1e-300
    assert info.kl > 300


def test_one_bad_cell_does_not_spoil_its_neighbours():
    radius = np.array([1e-300, 0.02, 1e3])
    for direction in ("new_old", "old_new"):
        log_new, info = trust_region_step(LOG_PI, ADVANTAGE, radius, direction=direction)
        alone, ours = trust_region_step(LOG_PI, ADVANTAGE, 0.02, direction=direction)
        np.testing.assert_allclose(log_new[1], alone, rtol=1e-14)
        assert info.eta[1] == pytest.approx(ours.eta, rel=1e-14)
        assert not np.isnan(log_new).any()


@DIRECTIONS
def test_easy_and_hard_cells_side_by_side(direction):
    # Cells that Newton's method settles at once, late and never (near ties), in a large batch.
    rng = np.random.default_rng(0)
    log_pi = simplex.log_normalize(rng.normal(0, 3, size=(1500, 3)))
    advantage, radius = rng.normal(size=(1500, 3)), 10.0 ** rng.uniform(-6, 0, 1500)
    hard = np.arange(0, 1500, 100)
    log_pi[hard] = simplex.log_normalize([0.0, -690.0, -5.0])
    log_pi[hard[:5]] = np.log([0.4, 0.4, 0.2])
    advantage[hard[:5]] = [1.0, 1.0 - 2.0**-53, 0.0]
    radius[hard] = np.geomspace(1e-300, 600.0, hard.size)
    with np.errstate(all="raise", under="ignore"):
        log_new, info = trust_region_step(log_pi, advantage, radius, direction=direction)
    pair = (log_new, log_pi) if direction == "new_old" else (log_pi, log_new)
    binds = info.hits_boundary
    assert binds.mean() > 0.7
    np.testing.assert_allclose(info.kl[binds], radius[binds], rtol=1e-12)
    spent = simplex.kl(*pair)
    np.testing.assert_allclose(spent, info.kl, rtol=1e-9, atol=1e-14)
    for i in (*hard, 1, 2, 3):
        alone, ours = trust_region_step(log_pi[i], advantage[i], radius[i], direction=direction)
        np.testing.assert_allclose(log_new[i], alone, rtol=1e-11, atol=1e-12)
        for field, same in zip(info, ours, strict=True):
            np.testing.assert_allclose(field[i], same, rtol=1e-11)


@DIRECTIONS
@settings(max_examples=20)
@given(data=st.data())
def test_trust_region_symmetries(direction, data):
    log_pi = data.draw(policies(n=4, spread=4.0))
    advantage, radius = data.draw(vectors(4)), data.draw(positive(-4, -1))
    assume(np.ptp(advantage) > 0)
    log_new, info = trust_region_step(log_pi, advantage, radius, direction=direction)
    scaled, other = trust_region_step(log_pi, 8 * advantage + 3, radius, direction=direction)
    np.testing.assert_allclose(scaled, log_new, rtol=1e-9, atol=1e-11)
    assert other.eta == pytest.approx(info.eta / 8, rel=1e-8)
    order = data.draw(st.permutations(range(4)))
    moved, _ = trust_region_step(log_pi[order], advantage[order], radius, direction=direction)
    np.testing.assert_allclose(moved, log_new[order], rtol=1e-10, atol=1e-12)


def test_both_directions_agree_for_small_steps():
    # To leading order both are the natural gradient step of length sqrt(2 radius).
    radius = np.array([1e-4, 1e-6, 1e-8])
    gaps = []
    for r in radius:
        a, b = (
            trust_region_step(LOG_PI, ADVANTAGE, r, direction=d)[0] for d in ("new_old", "old_new")
        )
        gaps.append(np.abs(a - b).max())
    slope = np.polyfit(np.log(radius), np.log(gaps), 1)[0]
    assert slope == pytest.approx(1.0, abs=0.02)  # the difference is second order in the step
    _, info = trust_region_step(LOG_PI, ADVANTAGE, 1e-12)
    natural = np.sqrt(2e-12 / simplex.fisher_inner(ADVANTAGE, ADVANTAGE, LOG_PI))
    assert info.eta == pytest.approx(natural, rel=1e-5)


def test_a_thousand_and_a_hundred_thousand_actions():
    for n in (1_000, 100_000):
        rng = np.random.default_rng(0)
        log_pi, advantage = simplex.log_normalize(rng.normal(size=n)), rng.normal(size=n)
        for direction in ("new_old", "old_new"):
            log_new, info = trust_region_step(log_pi, advantage, 0.02, direction=direction)
            pair = (log_new, log_pi) if direction == "new_old" else (log_pi, log_new)
            assert simplex.kl(*pair) == pytest.approx(0.02, rel=1e-11)
            assert info.converged


@pytest.mark.parametrize("direction", ["forward", "", None, 1])
def test_unknown_direction(direction):
    with pytest.raises(ValueError, match="direction must be one of new_old, old_new; got"):
        trust_region_step(LOG_PI, ADVANTAGE, 0.1, direction=direction)


# --- Euclidean steps ---


@given(st.data())
def test_euclidean_step_is_the_proximal_minimizer(data):
    p = np.exp(data.draw(policies(n=3, spread=3.0)))
    g, eta = data.draw(vectors(3)), data.draw(positive(-2, 1))
    q = euclidean_step(p, g, eta)

    def objective(x):
        return eta * (x @ g) + 0.5 * np.sum((x - p) ** 2, axis=-1)

    rivals = np.random.default_rng(0).dirichlet(np.full(3, 0.3), 300)
    assert np.all(objective(q) <= objective(rivals) + 1e-12)
    np.testing.assert_allclose(euclidean_step(p, g + 5.0, eta), q, atol=1e-12 * (1 + eta))


def test_euclidean_descent_stops_on_a_face_and_says_so():
    # Minimize KL(x || ref) from near a corner, in big steps: it lands where the slope is infinite.
    def slope(x):
        return 1.0 + np.log(x) - np.log([0.2, 0.3, 0.5])

    x0 = np.array([0.9, 0.05, 0.05])
    path, stuck = euclidean_descent(slope, x0, np.array([0.02, 0.5]), 300)
    assert path.shape == (301, 2, 3)
    assert stuck.tolist() == [False, True]
    np.testing.assert_allclose(path[-1, 0], [0.2, 0.3, 0.5], atol=1e-4)
    assert np.any(path[-1, 1] == 0)
    landed = np.argmax(np.any(path[:, 1] == 0, axis=-1))
    np.testing.assert_array_equal(
        path[landed:, 1], np.broadcast_to(path[landed, 1], (301 - landed, 3))
    )
    # Landing with the last step is landing.
    short, stuck = euclidean_descent(slope, x0, np.array([0.02, 0.5]), landed)
    assert stuck.tolist() == [False, True]
    np.testing.assert_array_equal(short[-1, 1], path[landed, 1])


def test_euclidean_descent_from_many_starts_at_one_step_size():
    starts = np.random.default_rng(0).dirichlet(np.ones(3), 4)
    path, stuck = euclidean_descent(lambda x: x, starts, 0.1, 20)
    assert path.shape == (21, 4, 3)
    assert stuck.shape == (4,)
    alone, _ = euclidean_descent(lambda x: x, starts[2], 0.1, 20)
    np.testing.assert_array_equal(path[:, 2], alone)


def test_iterate_keeps_the_whole_path():
    path = iterate(lambda x: explicit_step(x, ADVANTAGE, 0.5), LOG_PI, 4)
    assert path.shape == (5, 3)
    np.testing.assert_array_equal(path[0], LOG_PI)
    np.testing.assert_allclose(path[-1], explicit_step(LOG_PI, ADVANTAGE, 2.0), rtol=1e-13)
    assert iterate(lambda x: x, [1, 2], 0).tolist() == [[1.0, 2.0]]

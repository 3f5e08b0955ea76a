"""The simplex: many-digit oracles at the extremes, and the identities of KL, tilts, Bregman."""

import math

import mpmath as mp
import numpy as np
import oracles
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from oracles import EPS
from samples import mass_digits, policies, systems, vectors

from klrl_lite import gibbs, simplex

SYSTEMS = pytest.mark.parametrize("name", systems())


# --- against many digits ---


def test_excess(agree):
    d = np.concatenate([s * np.geomspace(1e-300, 700, 200) for s in (1.0, -1.0)])
    # d^2 underflows below 1e-154; there the answer is 0 to double precision.
    with oracles.digits(700):
        exact = [v + mp.exp(-v) - 1 for v in oracles.many(d)]
    agree("excess", simplex.excess(d), exact)
    assert simplex.excess([np.inf, -np.inf, 0.0]).tolist() == [np.inf, np.inf, 0.0]


@pytest.mark.parametrize("scale", [1e-10, 1.0, 1e2, 1e6, 1e300])
@pytest.mark.parametrize("n", [1, 2, 1000])
def test_log_normalize(agree, scale, n):
    x = scale * np.random.default_rng(n).normal(size=n)
    # The difference of two logits is rounded once, at the size of the difference.
    exact = oracles.log_normalize(oracles.many(x))
    agree("log_normalize", simplex.log_normalize(x), exact, bound=2 * EPS)


def test_log_normalize_keeps_the_log_of_almost_one(agree):
    # log(1 - 1e-300) is -1e-300, not 0: the largest term goes through log1p.
    for tiny in (-20.0, -100.0, -690.0):
        with oracles.digits(700):
            exact = oracles.log_normalize(oracles.many([0.0, tiny, -np.inf]))
            agree("log_normalize", simplex.log_normalize([0.0, tiny, -np.inf]), exact)


def test_log_normalize_of_a_million_actions():
    x = np.random.default_rng(0).normal(0, 3, 1_000_000)
    log_p = simplex.log_normalize(x)
    # math.fsum adds without any rounding; only the exponentials are rounded.
    log_sum = math.log(math.fsum(np.exp(x)))
    assert log_p[17] == pytest.approx(x[17] - log_sum, rel=1e-14)
    assert abs(math.fsum(np.exp(log_p)) - 1.0) < 1e-14


def test_kl_and_entropy_of_a_million_actions():
    # A geometric policy p_i ~ x^i on n actions has closed forms for both.
    n = 1_000_000
    with oracles.digits(60):
        log_x = mp.mpf(-1e-5)
        x = mp.exp(log_x)
        total = (1 - x**n) / (1 - x)
        mean = x / (1 - x) - n * x**n / (1 - x**n)
        exact_entropy = mp.log(total) - mean * log_x
        exact_kl = mp.log(n) - exact_entropy
    log_p = simplex.log_normalize(-1e-5 * np.arange(n))
    uniform = np.full(n, -np.log(n))
    assert float(simplex.entropy(log_p)) == pytest.approx(float(exact_entropy), rel=1e-12)
    assert float(simplex.kl(log_p, uniform)) == pytest.approx(float(exact_kl), rel=1e-12)


@SYSTEMS
@pytest.mark.parametrize("step", [1e-10, 1e-8, 1e-4, 1.0, 50.0])
def test_kl(agree, name, step):
    log_p = np.asarray(systems()[name][0])
    direction = np.random.default_rng(3).normal(size=log_p.size)
    log_q = simplex.tilt(log_p, step * direction)
    with oracles.digits(mass_digits(log_p)):
        for a, b in ((log_p, log_q), (log_q, log_p)):
            agree("kl", simplex.kl(a, b), oracles.generalized_kl(a, b))


def test_kl_of_a_small_step_is_half_the_fisher_norm(agree):
    # The textbook sum is 6e-4 off at 1e-6 and has no digit left at 1e-10.
    log_p = np.log([0.1, 0.2, 0.3, 0.4])
    u = np.array([1.0, -2.0, 0.5, 0.0])
    for step in (1e-10, 1e-8, 1e-6):
        log_q = simplex.tilt(log_p, step * u)
        with oracles.digits(60):
            p, q = oracles.masses(log_p), oracles.masses(log_q)
            exact = mp.fsum(a * mp.log(a / b) for a, b in zip(p, q, strict=True))
        # Normalization itself is only good to 1e-16, which is second order in KL.
        agree("kl, normalized", simplex.kl(log_p, log_q), exact, rtol=1e-12 + (EPS / step) ** 2)
        # The step is stored in log-probabilities of size 1: it is known to 1e-16/step.
        half_norm = 0.5 * step**2 * simplex.fisher_inner(u, u, log_p)
        assert float(simplex.kl(log_p, log_q)) == pytest.approx(half_norm, rel=4e-16 / step + step)


def test_kl_at_the_edge_of_the_simplex():
    inside, face = np.log([0.5, 0.5]), np.array([0.0, -np.inf])
    assert float(simplex.kl(face, inside)) == pytest.approx(np.log(2.0), rel=1e-15)
    assert simplex.kl(inside, face) == np.inf
    assert simplex.kl(face, face) == 0.0
    # A mass too small for a float64, -800 in logs, is still mass outside the support.
    assert simplex.kl([0.0, -800.0], face) == np.inf
    assert simplex.kl(face, [0.0, -800.0]) == 0.0


@SYSTEMS
def test_entropy(agree, name):
    log_p = systems()[name][0]
    with oracles.digits(mass_digits(log_p)):
        agree("entropy", simplex.entropy(log_p), oracles.entropy(log_p))


def test_entropy_of_a_sure_thing_is_plain_zero():
    assert math.copysign(1.0, simplex.entropy([0.0, -np.inf])) == 1.0
    assert simplex.entropy([0.0]) == 0.0


@pytest.mark.parametrize("size", [1e-10, 1.0, 1e3, 1e6])
@pytest.mark.parametrize("constant", [0.0, 1e6])
def test_tilt(agree, size, constant):
    log_p = simplex.log_normalize(np.random.default_rng(0).normal(0, 3, 6))
    direction = constant + size * np.random.default_rng(1).random(6)
    # The exponent is rounded, once per operation: at the size of its spread, not of a constant.
    bound = 4 * EPS * (np.abs(log_p).max() + np.ptp(direction))
    with oracles.digits(400):
        exact = oracles.tilt(log_p, direction)
        agree("tilt", simplex.tilt(log_p, direction), exact, bound=bound)


def test_fisher_inner(agree):
    rng = np.random.default_rng(0)
    for scale in (1.0, 30.0, 300.0):
        log_p = simplex.log_normalize(scale * rng.normal(size=5))
        u = rng.normal(size=5)
        with oracles.digits(700):
            agree("fisher_inner", simplex.fisher_inner(u, u, log_p), oracles.variance(log_p, u))


@pytest.mark.parametrize("rest", [-40.0, -300.0, -690.0])
def test_fisher_inner_of_an_almost_certain_policy(agree, rest):
    # The variance is about e^rest; the mean rounds to the likeliest value long before.
    log_p = simplex.log_normalize([rest, 0.0])
    for u in ([0.0, 1e6 + 1.0], [1 / 3, 1e6 / 7]):
        with oracles.digits(700):
            agree("fisher_inner", simplex.fisher_inner(u, u, log_p), oracles.variance(log_p, u))


# --- properties ---


@given(policies(holes=True))
def test_policies_are_normalized_and_shifts_do_not_matter(log_p):
    assert np.exp(log_p).sum() == pytest.approx(1.0, rel=1e-14)
    for shift in (-1e3, 1e6):
        moved = simplex.log_normalize(log_p + shift)
        np.testing.assert_allclose(moved, log_p, rtol=1e-12, atol=4 * EPS * abs(shift))


@given(st.data())
def test_tilts_compose_and_permute(data):
    log_p = data.draw(policies(holes=True))
    u, v = (data.draw(vectors(log_p.size)) for _ in range(2))
    once = simplex.tilt(log_p, u + v)
    np.testing.assert_allclose(simplex.tilt(simplex.tilt(log_p, u), v), once, rtol=0, atol=1e-13)
    back = simplex.tilt(simplex.tilt(log_p, u), -u)
    np.testing.assert_allclose(back, log_p, rtol=0, atol=1e-13)
    order = data.draw(st.permutations(range(log_p.size)))
    np.testing.assert_allclose(simplex.tilt(log_p[order], (u + v)[order]), once[order], atol=1e-14)


@given(st.data())
def test_kl_is_positive_and_zero_only_at_equality(data):
    log_p = data.draw(policies(holes=True))
    log_q = data.draw(policies(n=log_p.size, holes=True))
    value = simplex.kl(log_p, log_q)
    assert simplex.kl(log_p, log_p) == 0.0
    assert value >= 0.0
    # Pinsker: zero is not possible unless the two agree.
    assert value >= 0.5 * np.abs(np.exp(log_p) - np.exp(log_q)).sum() ** 2 - 1e-15
    assert np.isinf(value) == bool(np.any((log_p > -np.inf) & (log_q == -np.inf)))


@given(st.data())
def test_pythagoras_and_the_three_point_identity(data):
    n = data.draw(st.integers(2, 6))
    p, q, r = (data.draw(policies(n, spread=8.0)) for _ in range(3))
    cross = np.sum((np.exp(p) - np.exp(q)) * (r - q))
    left = simplex.kl(p, r)
    assert left == pytest.approx(simplex.kl(p, q) + simplex.kl(q, r) - cross, rel=1e-11, abs=1e-13)
    # Equality without the cross term: q is the tilt of r with the mean of p (an exponential
    # family and the linear family through p meet at a right angle).
    u = data.draw(vectors(n))
    tilted = simplex.tilt(r, u)
    mean = np.sum(np.exp(tilted) * u)
    swap = np.zeros(n)
    i, j = np.argmax(u), np.argmin(u)
    assume(u[i] > u[j])
    # A second policy with the same mean of u: move mass in pairs that leave it alone.
    k = data.draw(st.integers(0, n - 1))
    share = (u[k] - u[j]) / (u[i] - u[j])
    swap[[i, j]] += [share, 1.0 - share]
    swap[k] -= 1.0
    other = np.exp(tilted) + 0.5 * np.exp(tilted).min() * swap
    assume(np.all(other > 0))
    log_other = simplex.log_normalize(np.log(other))
    assert np.sum(other * u) == pytest.approx(mean, abs=1e-12)
    total = simplex.kl(log_other, tilted) + simplex.kl(tilted, r)
    assert simplex.kl(log_other, r) == pytest.approx(total, rel=1e-11, abs=1e-13)


@given(st.data())
def test_merging_actions_never_raises_kl(data):
    p = data.draw(policies(n=5, holes=True))
    q = data.draw(policies(n=5, holes=True))
    groups = np.array(data.draw(st.lists(st.integers(0, 2), min_size=5, max_size=5)))

    def merged(log_p):
        return np.stack(
            [np.logaddexp.reduce(log_p[groups == g], initial=-np.inf) for g in (0, 1, 2)]
        )

    with np.errstate(invalid="ignore"):
        coarse = simplex.kl(merged(p), merged(q))
    fine = simplex.kl(p, q)
    assert coarse <= fine * (1 + 1e-12) + 1e-14


@given(st.data())
def test_chain_rule(data):
    # KL of a joint policy = KL of the first factor + the mean KL of the second.
    p, q = (data.draw(policies(n=3)) for _ in range(2))
    rows = [[data.draw(policies(n=4)) for _ in range(3)] for _ in range(2)]
    joint = [(a[:, None] + np.array(b)).ravel() for a, b in zip((p, q), rows, strict=True)]
    conditional = simplex.kl(np.array(rows[0]), np.array(rows[1]))
    total = simplex.kl(p, q) + simplex.expect(p, conditional)
    assert simplex.kl(*joint) == pytest.approx(total, rel=1e-11, abs=1e-14)


@given(st.data())
def test_entropy_is_the_distance_from_uniform(data):
    log_p = data.draw(policies(holes=True))
    n = log_p.size
    distance = simplex.kl(log_p, np.full(n, -np.log(n)))
    assert simplex.entropy(log_p) == pytest.approx(np.log(n) - distance, abs=1e-13)
    assert 0.0 <= simplex.entropy(log_p) <= np.log(n) * (1 + 1e-15)


# --- Bregman divergences ---


@given(st.data())
def test_bregman_of_negative_entropy_is_kl(data):
    p, q = data.draw(policies(n=4, spread=4.0)), data.draw(policies(n=4, spread=4.0))
    divergence = simplex.bregman(simplex.NEGATIVE_ENTROPY, np.exp(p), np.exp(q))
    assert divergence == pytest.approx(simplex.kl(p, q), rel=1e-10, abs=1e-13)


@pytest.mark.parametrize(
    "mirror_map", [simplex.EUCLIDEAN, simplex.NEGATIVE_ENTROPY, simplex.BURG], ids=lambda m: m.name
)
def test_mirror_maps(mirror_map):
    rng = np.random.default_rng(0)
    x, y = rng.uniform(0.2, 2.0, (2, 50, 3))
    np.testing.assert_allclose(mirror_map.grad_inverse(mirror_map.grad(x)), x, rtol=1e-14)
    # The gradient is that of psi, by central differences.
    h, v = 1e-6, rng.normal(size=(50, 3))
    slope = (mirror_map.psi(x + h * v) - mirror_map.psi(x - h * v)) / (2 * h)
    np.testing.assert_allclose(slope, np.sum(mirror_map.grad(x) * v, axis=-1), rtol=1e-7, atol=1e-8)
    divergence = simplex.bregman(mirror_map, x, y)
    assert np.all(divergence > 0)
    # Strictly convex in its first argument; symmetric only for the Euclidean map.
    middle = simplex.bregman(mirror_map, 0.5 * (x + y), y)
    assert np.all(middle < 0.5 * divergence)
    gap = np.abs(divergence - simplex.bregman(mirror_map, y, x)).max()
    assert (gap < 1e-12) == (mirror_map is simplex.EUCLIDEAN)


def test_bregman_closed_forms():
    x, y = np.array([0.3, 2.0]), np.array([1.5, 0.7])
    euclid, entropy, burg = (
        simplex.bregman(m, x, y)
        for m in (simplex.EUCLIDEAN, simplex.NEGATIVE_ENTROPY, simplex.BURG)
    )
    assert euclid == pytest.approx(0.5 * np.sum((x - y) ** 2), rel=1e-14)
    assert entropy == pytest.approx(np.sum(x * np.log(x / y) - x + y), rel=1e-14)
    assert burg == pytest.approx(np.sum(x / y - np.log(x / y) - 1), rel=1e-14)


def test_bregman_outside_the_domain():
    half, face, beyond = [0.5, 0.5], [1.0, 0.0], [1.5, -0.5]
    assert simplex.bregman(simplex.NEGATIVE_ENTROPY, face, half) == pytest.approx(np.log(2.0))
    assert simplex.bregman(simplex.BURG, face, half) == np.inf
    assert simplex.bregman(simplex.NEGATIVE_ENTROPY, beyond, half) == np.inf
    for mirror_map, x, y in [
        (simplex.NEGATIVE_ENTROPY, half, face),
        (simplex.NEGATIVE_ENTROPY, half, beyond),
        (simplex.BURG, half, face),
        (simplex.BURG, beyond, half),
    ]:
        with pytest.raises(ValueError, match=f"domain of {mirror_map.name}"):
            simplex.bregman(mirror_map, x, y)


# --- projection ---


@given(st.data())
def test_projection_is_the_nearest_point(data):
    n = data.draw(st.integers(1, 6))
    x = data.draw(vectors(n))
    p = simplex.project_to_simplex(x)
    assert np.all(p >= 0)
    assert p.sum() == pytest.approx(1.0, abs=1e-13)
    # The obtuse angle condition at every corner is necessary and sufficient.
    for corner in np.eye(n):
        assert np.dot(x - p, corner - p) <= 1e-12
    np.testing.assert_allclose(simplex.project_to_simplex(p), p, atol=1e-15)
    np.testing.assert_allclose(simplex.project_to_simplex(x + 7.0), p, atol=1e-13)


@pytest.mark.parametrize("size", [1e6, 1e17, 1e300])
def test_projection_of_far_points(size):
    # Where 1 is below the rounding of x, theta must not be computed as x - 1.
    assert simplex.project_to_simplex([size, 0.0, -size]).tolist() == [1.0, 0.0, 0.0]
    assert simplex.project_to_simplex([size, size, 0.0]).tolist() == [0.5, 0.5, 0.0]


# --- Fisher metric ---


@given(st.data())
def test_fisher_inner_is_a_covariance(data):
    log_p = data.draw(policies(spread=5.0, holes=True))
    u, v, w = (data.draw(vectors(log_p.size)) for _ in range(3))
    inner = simplex.fisher_inner
    p = np.exp(log_p)
    covariance = np.sum(p * (u - p @ u) * (v - p @ v))
    assert inner(u, v, log_p) == pytest.approx(covariance, abs=1e-12)
    assert inner(u, v + 3.0, log_p) == pytest.approx(inner(u, v, log_p), abs=1e-12)
    linear = inner(u, v, log_p) + 2 * inner(u, w, log_p)
    assert inner(u, v + 2 * w, log_p) == pytest.approx(linear, abs=1e-12)
    cosine = simplex.fisher_cosine(u, v, log_p)
    assert np.isnan(cosine) or -1.0 <= cosine <= 1.0


@pytest.mark.parametrize("size", [1e-150, 1e-100, 1.0, 1e100, 1e150])
def test_fisher_cosine_at_any_length(size):
    log_p = np.log([0.2, 0.3, 0.5])
    u, v = np.array([1.0, 0.0, -1.0]), np.array([0.5, 1.0, 0.25])
    expected = simplex.fisher_cosine(u, v, log_p)
    assert simplex.fisher_cosine(size * u, size * v, log_p) == pytest.approx(expected, rel=1e-13)
    assert simplex.fisher_cosine(u, -size * u, log_p) == pytest.approx(-1.0, rel=1e-15)


@pytest.mark.parametrize("constant", [0.0, 0.1, 1e6 / 3])
def test_a_constant_direction_has_no_angle(constant):
    # On the support: what an impossible action is worth does not count either.
    # Many policies, since the mean of a constant rounds to it for some of them by luck.
    logits = np.random.default_rng(0).normal(0, 2, (100, 8))
    log_p = simplex.log_normalize(np.append(logits, np.full((100, 1), -np.inf), axis=-1))
    u = np.append(np.full(8, constant), 5.0)
    assert np.all(simplex.fisher_inner(u, u, log_p) == 0.0)
    assert np.all(np.isnan(simplex.fisher_cosine(u, np.arange(9.0), log_p)))


@pytest.mark.parametrize("n", [2, 100])
def test_a_row_that_overflows_does_not_spoil_a_tie_beside_it(n):
    rows = np.full((3, n), -np.inf)
    rows[:, 0], rows[0], rows[1, 1] = 0.0, np.inf, 0.0
    with np.errstate(invalid="ignore"):
        found = simplex._log_normalize(rows, "x")
    np.testing.assert_array_equal(found[1:, :2], [[-np.log(2.0)] * 2, [0.0, -np.inf]])


def test_what_an_impossible_action_is_worth_does_not_overflow():
    np.testing.assert_array_equal(simplex.tilt([0.0, -np.inf], [-1e308, 1e308]), [0.0, -np.inf])
    log_ref = np.array([np.log(0.4), np.log(0.6), -np.inf])
    coldest = gibbs.log_gibbs(log_ref, [0.0, 1.0, 9.0], 1e-308)
    np.testing.assert_array_equal(coldest, [-1e308, 0.0, -np.inf])

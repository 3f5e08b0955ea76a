"""The edges of the parts that algorithms are made of: checks, policies, solvers, and the search
inside a trust-region step, for rows of one batch and for curves that resist it.
"""

import numpy as np
import pytest

from klrl_lite import _checks, flow, gibbs, policies, simplex, solvers
from klrl_lite.algorithms import mirror, region

LOG_PI, REWARD = np.log([0.5, 0.25, 0.25]), np.array([0.0, 1.0, -1.0])
TABULAR, NETWORK = policies.tabular(3), policies.autoregressive(2, 3)


# --- the search inside a trust-region step ---


@pytest.fixture
def work(monkeypatch):
    """What the search evaluates: rounds, and rows in all of them; it may not come to bisect."""
    done = {"rounds": 0, "rows": 0}
    newton = region._newton

    def counting(spent, *args, **options):
        def counted(z, rows):
            done["rounds"] += 1
            done["rows"] += len(z)
            return spent(z, rows)

        return newton(counted, *args, **options)

    def bisected(*args):
        raise AssertionError("Newton's method has given up")

    monkeypatch.setattr(region, "_newton", counting)
    monkeypatch.setattr(region, "_bisected", bisected)

    def of(*args, **options):
        done.update(rounds=0, rows=0)
        return mirror.trust_region_step(*args, **options), dict(done)

    return of


@pytest.mark.parametrize("direction", ["new_old", "old_new"])
def test_a_step_so_small_that_the_first_guess_is_exact_takes_one_look(work, direction):
    for advantage in (REWARD, 1e9 * REWARD + 3.0, REWARD[::-1]):
        (_, info), done = work(LOG_PI, advantage, 1e-30, direction=direction)
        assert done == {"rounds": 1, "rows": 1}
        assert info.kl == pytest.approx(1e-30, rel=1e-13)


@pytest.mark.parametrize("direction", ["new_old", "old_new"])
def test_a_batch_is_searched_for_no_longer_than_its_slowest_row(work, direction):
    """And rows that have arrived are not evaluated for long, those that do not move never."""
    log_pi = np.tile(LOG_PI, (10, 1))
    log_pi[1] = np.array([np.log(0.5), np.log(0.5), -np.inf])
    advantage, radius = np.tile(REWARD, (10, 1)), np.geomspace(1e-3, 0.2, 10)
    advantage[1, 2] = -1e300  # of an impossible action
    # A long search, in one direction with a tilt under which all masses underflow but one.
    if direction == "new_old":
        log_pi[0], radius[0] = [0.0, -800.0, -np.inf], 700.0
    else:
        log_pi[0], radius[0] = simplex.log_normalize([0.0, -60.0, -20.0]), 50.0
    rows = [work(*row, direction=direction) for row in zip(log_pi, advantage, radius, strict=True)]
    (new, info), done = work(log_pi, advantage, radius, direction=direction)
    np.testing.assert_allclose(new, [row[0][0] for row in rows], rtol=1e-11)
    np.testing.assert_allclose(info.kl, radius, rtol=1e-12)
    # The rough part and the precise one are each as long as in the slowest row.
    assert done["rounds"] <= max(row[1]["rounds"] for row in rows) + 2
    assert done["rows"] <= 2 * sum(row[1]["rows"] for row in rows)
    still = np.append(log_pi, LOG_PI[None], axis=0), np.append(advantage, np.ones((1, 3)), axis=0)
    (_, info), same = work(*still, np.append(radius, 0.1), direction=direction)
    assert same["rounds"] == done["rounds"]
    assert (info.kl[-1], info.eta[-1], info.hits_boundary[-1]) == (0.0, np.inf, False)


@pytest.mark.parametrize("direction", ["new_old", "old_new"])
def test_the_bisection_ends_where_newtons_method_does(monkeypatch, direction):
    radius = np.geomspace(1e-9, 0.3, 12)
    log_pi = simplex.log_normalize(np.random.default_rng(2).normal(size=(12, 4)))
    advantage = np.random.default_rng(3).normal(size=(12, 4))
    new, info = mirror.trust_region_step(log_pi, advantage, radius, direction=direction)

    def gives_up(spent, z, target, active, **options):
        return z, z, np.zeros(z.shape), np.full(z.shape, np.inf)

    monkeypatch.setattr(region, "_newton", gives_up)
    same, told = mirror.trust_region_step(log_pi, advantage, radius, direction=direction)
    np.testing.assert_allclose(same, new, rtol=1e-9)
    np.testing.assert_allclose(told.eta, info.eta, rtol=1e-9)
    assert np.all(told.converged & told.hits_boundary)


def test_a_radius_that_just_buys_certainty_does_not_bind():
    most = mirror.trust_region_step(LOG_PI, REWARD, 10.0)[1].kl
    for radius, binds in ((most, False), (np.nextafter(most, 9.0), False), (0.99 * most, True)):
        new, info = mirror.trust_region_step(LOG_PI, REWARD, radius)
        assert (info.hits_boundary, np.isinf(info.eta), info.converged) == (binds, not binds, True)
        assert (new.tolist() == [-np.inf, 0.0, -np.inf]) == (not binds)


def search(spent, start, target, max_iter):
    """Newton's method for one number, with the strengths at which it has looked."""
    looked = []

    def noted(z, rows):
        looked.append(float(z[0]))
        with np.errstate(all="ignore"):
            return spent(z)

    start, target = np.array([start]), np.array([target])
    with np.errstate(all="ignore"):
        z, _, _, error = region._newton(
            noted, start, target, np.array([True]), tol=1e-9, max_iter=max_iter
        )
    return float(z[0]), float(error[0]), looked


@pytest.mark.parametrize("root", [0.5, -30.0])
@pytest.mark.parametrize("start", [-40.0, -39.6, -1.1, -0.6, 0.6, 1.1, 39.6, 40.0])
def test_newtons_method_is_kept_within_its_bracket(start, root):
    """On a curve that flattens out on both sides, where it would swing wider and wider."""

    def spent(z):
        x = (np.log(z) - root) / 0.3
        return np.exp(np.arctan(x)), 1.0 / (0.3 * (1.0 + x * x))

    z, error, looked = search(spent, np.exp(start + root), 1.0, 30)
    assert error <= 1e-9
    assert z == pytest.approx(np.exp(root), rel=1e-8)
    assert np.abs(np.diff(np.log(looked))).max() <= 3.0 + 1e-9


@pytest.mark.parametrize("start", [-11.0, 11.0])
def test_a_search_that_sees_nothing_goes_the_right_way(start):
    """Where what is spent under- or overflows there is no slope: on in steps of e^3."""

    def spent(z):
        x = np.log(z)
        seen = np.where(np.abs(x) > 1.0, np.inf * np.maximum(np.sign(x), 0.0), z * z)
        return np.nan_to_num(seen, nan=0.0, posinf=np.inf), np.full(1, 2.0)

    z, error, looked = search(spent, np.exp(start), 1.5, 12)
    assert error <= 1e-9
    assert z == pytest.approx(np.sqrt(1.5), rel=1e-9)
    np.testing.assert_allclose(np.abs(np.diff(np.log(looked[:4]))), 3.0, rtol=1e-9)


def test_a_rough_look_at_one_row_does_not_mind_the_others():
    log_pi = simplex.log_normalize([[0.0, -800.0, -np.inf], [0.0, -1.0, -2.0], [-3.0, 0.0, -1.0]])
    u, s = np.array([[-1.0, 0.0, -0.5], [-1.0, 0.0, -0.5], [0.0, -0.2, -1.0]]), np.full(3, 900.0)
    together = region._rough_tilt(s, log_pi, u)
    for row in range(3):
        one = slice(row, row + 1)
        alone = region._rough_tilt(s[one], log_pi[one], u[one])
        np.testing.assert_allclose(np.array(together)[:, one], alone, rtol=1e-12)
    assert together[0][0] == pytest.approx(800.0, rel=1e-9)


# --- checks, policies, solvers ---


def test_a_batch_that_repeats_itself_is_turned_like_any_other():
    rows = np.random.default_rng(0).normal(size=(3000, 4))
    turned = _checks.by_action(np.broadcast_to(rows, (2, 3000, 4)))
    np.testing.assert_array_equal(turned, [rows, rows])
    assert np.moveaxis(turned, -1, 0).flags.c_contiguous


def test_a_line_through_a_batch_of_policies_starts_at_each_of_them():
    base = simplex.log_normalize(np.random.default_rng(0).normal(size=(2, 5, 3)))
    policy = policies.linear([[0.0], [1.0], [2.0]], base)
    assert policy.init().shape == (2, 5, 1)
    np.testing.assert_allclose(policy.log_prob(policy.init()), base, rtol=1e-14)


def test_what_was_accepted_is_not_asked_about_again():
    asked = []

    def accept(scale):
        asked.append(scale.copy())
        return scale < 0.3

    scale, info = solvers.backtrack(accept, np.array([1.0, 0.2]))
    assert (scale.tolist(), info.n_iter.tolist()) == ([0.25, 0.2], [2, 0])
    assert len(asked) == 3


@pytest.mark.parametrize(
    ("value", "limits", "rule"),
    [
        (-np.inf, {"least": 0.0}, "must be >= 0; got"),
        (np.inf, {"most": 1.0}, "must be <= 1; got"),
        (-np.inf, {"above": 0.0}, "must be > 0; got"),
        ([0.0, 2.0], {"least": 0.0, "most": 1.0}, r"must be <= 1; got 2.0 at index \(1,\)"),
        ([1.0, 2.0], {"most": 1.0}, r"must be <= 1; got 2.0 at index \(1,\)"),
        ([0.0, 2.0], {"above": -1.0, "most": 1.0}, "must be <= 1; got"),
        ([0.5, np.inf, -1.0], {"least": 0.0}, r"must be >= 0; got .* at index \(2,\)"),
    ],
)
def test_a_value_breaks_no_rule_but_the_one_it_breaks(value, limits, rule):
    with pytest.raises(ValueError, match=f"^x {rule}"):
        _checks.number("x", value, finite=False, **limits)


def test_long_rows_keep_apart_and_ties_count():
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(5, 100)) * np.array([[0.1], [1.0], [10.0], [100.0], [0.0]])
    logits[:, 7] = np.max(logits, axis=-1)  # a tie for the first place
    ours = simplex.log_normalize(logits)
    peak = logits.max(axis=-1, keepdims=True)
    plain = logits - peak - np.log(np.exp(logits - peak).sum(axis=-1, keepdims=True))
    np.testing.assert_allclose(ours, plain, rtol=1e-12)


@pytest.mark.parametrize("n", [2, 100])
def test_rows_that_overflow_do_not_hide_a_tie(n):
    rows = np.full((4, n), -np.inf)
    rows[:, 0], rows[0, 1], rows[1:, 1] = 0.0, 0.0, np.inf
    with np.errstate(invalid="ignore"):
        found = simplex._log_normalize(rows, "x")
    np.testing.assert_array_equal(found[0, :2], -np.log(2.0))
    assert np.all(np.isnan(found[1:, 1]))


def test_a_row_of_large_values_costs_the_others_no_digits():
    log_p = np.array([np.log(0.5), np.log(0.5), -np.inf])
    direction = np.array([[0.0, 0.3, 0.0], [1e17, 1e17, 0.0], [-1e17, -1e17, 9.0]])
    expected = [simplex.tilt(log_p, row) for row in direction]
    np.testing.assert_array_equal(simplex.tilt(log_p, direction), expected)
    assert expected[0][1] - expected[0][0] == pytest.approx(0.3, rel=1e-14)


def test_weights_are_drawn_with_the_variance_of_the_docstring():
    k, width, v = 3, 5, 2
    network = policies.autoregressive(k, width, vocabulary=v)
    drawn = network.init(rng=np.random.default_rng(0), batch=(4000,))
    same = network.init(rng=np.random.default_rng(0), scale=1.0, batch=(4000,))
    np.testing.assert_array_equal(drawn, same)
    n_first = (k + (k - 1) * v) * width
    for part, fan_in in ((drawn[:, :n_first], k), (drawn[:, n_first:], width)):
        np.testing.assert_allclose(np.var(part, axis=0), 1.0 / fan_in, rtol=0.15)
        np.testing.assert_allclose(np.mean(part**4), 3.0 / fan_in**2, rtol=0.1)


def test_weights_of_actions_are_pulled_back_through_each_network_of_a_batch():
    theta = NETWORK.init(rng=np.random.default_rng(0), batch=(2, 3))
    w = np.array([1.0, -2.0, 0.5, 0.0])
    ours = NETWORK.vjp(theta, w)
    assert ours.shape == theta.shape
    for cell in np.ndindex(2, 3):
        np.testing.assert_allclose(ours[cell], NETWORK.vjp(theta[cell], w), rtol=1e-12)
    for policy in (TABULAR, NETWORK, policies.linear(np.eye(3))):
        assert policy.tangent is not None  # evaluated once for many derivatives


def test_a_flow_without_times_is_a_path_without_policies():
    assert flow.integrate(lambda t, x: 0.0 * x, LOG_PI, []).shape == (0, 3)


def test_a_flow_is_integrated_with_order_eight():
    """A thousandth of the error costs 1000^(1/8) = 2.4 times the work; with order five, 4.0."""

    def work(accuracy):
        times = []

        def field(t, log_pi):
            times.append(t)
            return np.sin(3.0 * t) * REWARD

        end = flow.integrate(field, LOG_PI, [60.0], rtol=accuracy, atol=accuracy)[0]
        exact = simplex.tilt(LOG_PI, (1.0 - np.cos(180.0)) / 3.0 * REWARD)
        np.testing.assert_allclose(end, exact, atol=1e3 * accuracy)
        return len(times)

    assert 1.9 < work(1e-11) / work(1e-8) < 2.9


def test_a_root_at_zero_is_found_when_it_is_met():
    x, info = solvers.bisect(lambda x: x, [-1.0, -4.0], [1.0, 4.0])
    assert (x.tolist(), info.converged.tolist(), info.n_iter) == ([0.0, 0.0], [True, True], 1)


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_a_root_at_an_end_is_not_searched_for(sign):
    ends = np.array([0.0, 2.0]), np.array([2.0, 5.0])
    x, info = solvers.bisect(lambda x: sign * (x - 2.0), *ends)
    assert (x.tolist(), info.converged.tolist(), info.n_iter) == ([2.0, 2.0], [True, True], 0)


def test_a_residual_on_the_limit_is_small_enough():
    x, info = solvers.conjugate_gradient(lambda v: 2.0 * v, [3.0, 4.0], max_iter=5, rtol=1.0)
    assert (x.tolist(), int(info.n_iter), bool(info.converged)) == ([0.0, 0.0], 0, True)


def test_what_a_term_of_kl_costs_at_the_end_of_the_scale():
    np.testing.assert_array_equal(simplex.excess([np.inf, -np.inf, -1e3]), np.inf)
    assert simplex.excess(1e3) == 999.0
    assert np.isnan(simplex.excess([np.nan, 1.0])).tolist() == [True, False]


def test_a_heat_capacity_is_a_double_whatever_tau_is():
    plain = gibbs.heat_capacity(LOG_PI, REWARD, 0.5)
    for tau in (np.longdouble(0.5), np.float32(0.5), [0.5]):
        found = gibbs.heat_capacity(LOG_PI, REWARD, tau)
        assert np.asarray(found).dtype == np.float64
        np.testing.assert_array_equal(found, plain)


def test_conjugate_gradients_may_be_asked_for_no_step():
    x, info = solvers.conjugate_gradient(lambda v: 2.0 * v, [[3.0, 4.0], [0.0, 0.0]], max_iter=0)
    np.testing.assert_array_equal(x, np.zeros((2, 2)))
    assert info.converged.tolist() == [False, True]
    assert info.residual.tolist() == [1.0, 0.0]
    assert info.n_iter.dtype.kind == "i"


def test_moments_of_whole_numbers_are_no_whole_numbers():
    state = solvers.adam(0.1)[0](np.arange(3))
    assert (state.mean.dtype, state.square.dtype) == (float, float)

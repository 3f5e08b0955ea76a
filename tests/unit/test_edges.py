"""Small things at the edges of functions that no table of tests reaches: names in messages, batches
of unlike rows, values that count nowhere. Each was once changed without a test noticing it."""

import itertools
import re

import numpy as np
import pytest
from samples import PUBLIC, draw_role

from klrl_lite import (
    _checks,
    algorithms,
    equilibria,
    flow,
    gibbs,
    policies,
    problems,
    signals,
    simplex,
    solvers,
    thresholds,
)
from klrl_lite.algorithms import euclidean, grpo, mirror, ppo, trpo
from klrl_lite.diagnostics import observed, target
from klrl_lite.sweeps import sweep

LOG_PI = np.log([0.5, 0.25, 0.25])


@pytest.mark.parametrize(
    ("numbers", "said"),
    [
        ((3, 1.5, 1), "n, c and k must be whole numbers; got n=3.0, c=1.5, k=1.0"),
        ((3, 4, 1), "c must be <= n; got n=3.0, c=4.0, k=1.0"),
        ((3, 1, 4), "k must lie between 1 and n; got n=3.0, c=1.0, k=4.0"),
        ((3, 1, 0), "k must lie between 1 and n; got n=3.0, c=1.0, k=0.0"),
        (([3, 3], [1, 1], [3, 9]), "k must lie between 1 and n; got n=3.0, c=1.0, k=9.0"),
    ],
)
def test_pass_at_k_says_which_rule_is_broken_and_where(numbers, said):
    with pytest.raises(ValueError) as caught:
        thresholds.pass_at_k(*numbers)
    assert str(caught.value) == said


@pytest.mark.parametrize(("p_ref", "log_p"), [(1.5, False), (-0.5, False), (0.5, True)])
def test_a_support_that_is_none_is_called_p_ref(p_ref, log_p):
    with pytest.raises(ValueError, match=r"^p_ref must be"):
        problems.log_support(p_ref, log_p=log_p)


def test_only_the_curve_that_falls_has_a_crossing():
    tau = np.array([0.5, 1.0, 2.0])
    curves = np.array([[1.0, 0.75, 0.25], [0.75, 0.75, 0.75], [0.25, 0.25, 0.25]])
    found = observed.crossing_at(tau, curves)
    np.testing.assert_allclose(found, [np.sqrt(2.0), np.nan, np.nan])


@pytest.mark.parametrize("name", ["rewards", "values", "done", "truncated", "final_values"])
def test_gae_names_every_array_that_does_not_fit(name):
    arrays = dict.fromkeys(("rewards", "values", "final_values"), np.ones(3))
    arrays |= dict.fromkeys(("done", "truncated"), np.zeros(3, bool))
    arrays = {k: np.broadcast_to(v, (2, 3)) for k, v in arrays.items()}
    arrays[name] = np.broadcast_to(arrays[name][0], (4, 3))
    with pytest.raises(ValueError, match=rf"^shapes must broadcast.*\b{name} \(4, 3\)"):
        signals.gae(last_value=0.0, discount=0.5, lam=0.5, **arrays)


def test_a_cosine_never_leaves_its_range():
    rng = np.random.default_rng(0)
    log_p = simplex.log_normalize(rng.normal(size=(2000, 5)))
    u = rng.normal(size=(2000, 5))
    for sign in (1.0, -1.0):
        cosine = simplex.fisher_cosine(u, sign * 3.0 * u, log_p)
        assert np.abs(cosine).max() <= 1.0
        np.testing.assert_allclose(cosine, sign, rtol=1e-12)


@pytest.mark.parametrize("size", [5e-324, 1e-200, 1.0, 1e200, 1e307])
def test_a_direction_of_any_length_has_an_angle(size):
    log_p = np.log([0.25, 0.5, 0.25])
    u, v = np.array([0.0, 1.0, 2.0]), np.array([4.0, 1.0, 0.0])
    expected = simplex.fisher_inner(u, v, log_p) / np.sqrt(
        simplex.fisher_inner(u, u, log_p) * simplex.fisher_inner(v, v, log_p)
    )
    found = simplex.fisher_cosine([size * u, 0.0 * u], v, log_p)
    assert found[0] == pytest.approx(expected, rel=1e-14)
    assert np.isnan(found[1])
    with_another = np.log([0.25, 0.5, 0.25, 0.0 + 1e-320])
    assert simplex.fisher_cosine([*(size * u), 0.0], [*v, 0.0], with_another) == pytest.approx(
        expected, rel=1e-12
    )


def test_an_impossible_action_has_no_share_in_an_angle():
    log_p = np.array([np.log(0.5), np.log(0.5), -np.inf])
    assert simplex.fisher_cosine([0.0, 1.0, 1e300], [0.0, 2.0, -1e300], log_p) == 1.0


def test_plain_tuples_are_recorded_as_well():
    algorithm = mirror.mirror_descent(0.5)
    kept = algorithms.run(
        algorithm, LOG_PI, lambda s: signals.exact(s.log_pi, [0.0, 1.0, -1.0]), 3,
        record=lambda state, info: (state.log_pi[..., 0], info.kl),
    )  # fmt: skip
    assert isinstance(kept.info, tuple)
    np.testing.assert_array_equal(kept.info[0], kept.log_pi[1:, 0])
    assert kept.info[1].shape == (3,)


@pytest.mark.parametrize("times", [[1.0, 0.0], [0.0, 1.0, 1.0]])
def test_times_ascend(times):
    with pytest.raises(ValueError, match=r"^t_eval must be a strictly ascending list"):
        flow.integrate(lambda t, x: np.zeros(3), LOG_PI, times)


def test_policies_know_their_names():
    made = policies.tabular(3), policies.linear(np.eye(3)), policies.autoregressive(2, 3)
    assert [policy.name for policy in made] == ["tabular", "linear", "autoregressive"]


@pytest.mark.parametrize("make", [lambda p: trpo.trpo(p, 0.1), ppo.ppo], ids=["trpo", "ppo"])
def test_weights_that_are_none_are_called_theta(make):
    with pytest.raises(ValueError, match=r"^theta must"):
        make(policies.tabular(3)).init(np.array([0.0, np.nan, 1.0]))


@pytest.mark.parametrize("seed", [[[1, 2], [3, 4]], [], -1, [3, -1], 0.5])
def test_a_seed_is_a_whole_number_or_a_row_of_them(seed, tmp_path):
    with pytest.raises(ValueError, match="seed must be a whole number"):
        sweep(lambda x, rng: {"y": x}, {"x": np.ones(2)}, seed=seed)


def test_a_reward_that_was_not_drawn_does_not_count_however_large_it_is():
    """Nor does it overflow in units of the others' range."""
    log_pi, reward = np.log([0.5, 0.5, 1e-300]), np.array([0.0, 1e-200, 1e200])
    drawn = signals.grouped(log_pi, reward, 4, 3, rng=np.random.default_rng(0))
    fewer = signals.grouped(log_pi[:2], reward[:2], 4, 3, rng=np.random.default_rng(0))
    for ours, same in zip(drawn, fewer, strict=True):
        assert np.all(np.isfinite(ours))
        np.testing.assert_allclose(ours[..., 2], 0.0, atol=1e-290)
        assert ours[..., :2].shape == same.shape


@pytest.mark.parametrize("name", [n for n, (_, roles) in PUBLIC.items() if len(roles) > 1])
def test_any_two_arguments_that_do_not_broadcast_are_named_among_the_shapes(name):
    function, roles = PUBLIC[name]
    for pair in itertools.combinations(range(len(roles)), 2):
        rng, batches = np.random.default_rng(1), [()] * len(roles)
        batches[pair[0]], batches[pair[1]] = (2,), (3,)
        args = [draw_role(r, rng, b) for r, b in zip(roles.values(), batches, strict=True)]
        with pytest.raises(ValueError, match=r"^shapes must broadcast together; got") as caught:
            function(*args)
        for place, batch in zip(pair, ("2", "3"), strict=True):
            name = list(roles)[place]
            assert re.search(rf"\b{name} \({batch},", str(caught.value)), (name, caught.value)


@pytest.mark.parametrize(
    ("limits", "said"),
    [
        ({"most": 1.0}, r"^x must be <= 1; got 2.0 at index \(1,\)$"),
        ({"least": 2.0}, r"^x must be >= 2; got 1.0 at index \(0,\)$"),
        ({"above": 1.0}, r"^x must be > 1; got 1.0 at index \(0,\)$"),
        ({"least": 1.0, "most": 2.0}, None),
        ({"above": 0.5, "most": 2.0, "finite": False}, None),
    ],
)
def test_a_bound_belongs_to_its_range_or_not(limits, said):
    if said is None:
        assert _checks.number("x", [1.0, 2.0], **limits).tolist() == [1.0, 2.0]
    else:
        with pytest.raises(ValueError, match=said):
            _checks.number("x", [1.0, 2.0], **limits)


def test_rows_with_impossible_actions_keep_apart():
    rng = np.random.default_rng(2)
    reward = rng.normal(size=(4, 5)) * 10.0 ** np.arange(4)[:, None]
    log_ref = rng.normal(size=(4, 5))
    log_ref[np.arange(4), reward.argmax(axis=-1)] = -np.inf
    log_ref = simplex.log_normalize(log_ref)
    together = (
        simplex.tilt(log_ref, 300.0 * reward),
        gibbs.log_gibbs(log_ref, reward, 0.01),
        gibbs.soft_advantage(log_ref, log_ref, reward, 0.01),
    )
    for row in range(4):
        ref, r = log_ref[row], reward[row]
        alone = (
            simplex.tilt(ref, 300.0 * r),
            gibbs.log_gibbs(ref, r, 0.01),
            gibbs.soft_advantage(ref, ref, r, 0.01),
        )
        for whole, one in zip(together, alone, strict=True):
            np.testing.assert_allclose(whole[row], one, rtol=1e-12, atol=1e-12)


def test_a_residual_is_relative_to_the_right_hand_side():
    matrix = np.diag([1.0, 2.0, 5.0])
    b = np.array([1.0, -1.0, 2.0])
    sizes = np.array([1e-6, 1.0, 1e6])[:, None]
    _, info = solvers.conjugate_gradient(lambda v: v @ matrix, sizes * b, max_iter=1, rtol=0.0)
    np.testing.assert_allclose(info.residual, info.residual[1], rtol=1e-12)
    step = (b @ b) / (b @ matrix @ b)
    expected = np.linalg.norm(b - step * matrix @ b) / np.linalg.norm(b)
    assert info.residual[1] == pytest.approx(expected, rel=1e-12)


def test_a_share_is_at_most_one():
    rng = np.random.default_rng(3)
    log_ref, reward = simplex.log_normalize(rng.normal(size=(3000, 4))), rng.normal(size=(3000, 4))
    tilted = simplex.tilt(log_ref, 2.0 * reward)
    share = target.effective_temperature(tilted, log_ref, reward).r_squared
    assert share.max() <= 1.0
    np.testing.assert_allclose(share, 1.0, rtol=1e-9)


@pytest.mark.parametrize(
    "algorithm",
    [
        trpo.trpo(policies.tabular(3), 0.05),
        trpo.trpo(policies.tabular(3), 0.05, line_search=False),
        trpo.natural_gradient(policies.tabular(3), 0.05),
        ppo.ppo(policies.tabular(3), learning_rate=0.3, epochs=3),
        grpo.grpo(policies.tabular(3), log_ref=LOG_PI, beta=0.5, learning_rate=0.3, epochs=3),
    ],
    ids=["trpo", "trpo without a search", "natural gradient", "ppo", "grpo"],
)
def test_what_a_step_reports_is_about_its_own_row(algorithm):
    start = np.array([[0.0, 0.5, -0.5], [1.0, 0.0, 0.0]])
    advantage = np.array([[0.0, 1.0, -1.0], [-30.0, 50.0, 10.0]])

    def stepped(theta, values):
        state = algorithm.init(theta)
        return algorithm.step(state, signals.exact(state.log_pi, values))[1]

    info = stepped(start, advantage)
    for row in range(2):
        alone = stepped(start[row], advantage[row])
        for name, ours, one in zip(info._fields, info, alone, strict=True):
            if isinstance(one, tuple):  # of the solver inside
                continue
            assert np.asarray(ours).dtype == np.asarray(one).dtype, name
            np.testing.assert_allclose(np.asarray(ours)[row], one, rtol=1e-10, err_msg=name)
    if hasattr(info, "accepted"):
        assert info.accepted.dtype == bool
        assert info.n_backtracks.dtype.kind == "i"


def test_a_response_needs_a_row_of_temperatures():
    with pytest.raises(ValueError, match=r"^tau must be \(points,\), two or more, and curve"):
        observed.susceptibility([1.0], [0.5])


def test_one_action_is_a_policy_too():
    one, tau = np.zeros(1), 0.5
    assert mirror.explicit_step(one, [2.0], 0.5) == 0.0
    assert mirror.implicit_step(one, one, [2.0], tau, 0.5) == 0.0
    assert mirror.trust_region_step(one, [2.0], 0.1)[0] == 0.0
    assert gibbs.log_gibbs(one, [2.0], tau) == 0.0
    assert gibbs.log_partition(one, [2.0], tau) == 4.0
    assert gibbs.free_energy(one, one, [2.0], tau) == -2.0
    assert gibbs.soft_advantage(one, one, [2.0], tau) == 0.0
    assert gibbs.heat_capacity(one, [2.0], tau) == 0.0
    assert flow.kl_flow(1.0, one, one, tau) == 0.0
    assert euclidean.euclidean_step([1.0], [2.0], 0.5) == 1.0
    assert simplex.kl(one, one) == 0.0
    assert simplex.fisher_inner([1.0], [1.0], one) == 0.0
    assert np.isnan(simplex.fisher_cosine([1.0], [1.0], one))


@pytest.mark.parametrize("n_steps", [1, 2])
def test_a_vocabulary_has_two_tokens_at_least(n_steps):
    with pytest.raises(ValueError, match=r"^vocabulary must be"):
        policies.autoregressive(n_steps, 3, vocabulary=1)


@pytest.mark.parametrize("penalty", ["k2", "k3"])
def test_leave_one_out_does_not_depend_on_the_size_of_the_group(penalty):
    q, options = [0.25, 0.5], {"advantage": "loo", "penalty": penalty}
    small, large = (
        equilibria.rule_equilibria(q, 0.5, group_size=size, **options)[0] for size in (4, np.inf)
    )
    np.testing.assert_array_equal(small, large)
    other = equilibria.rule_equilibria(q, 0.5, advantage="mean", penalty=penalty, group_size=4)[0]
    assert other < small


@pytest.mark.parametrize("name", ["q_steps", "beta", "gap"])
def test_a_chain_names_every_array_that_does_not_fit(name):
    shapes = {"q_steps": (2, 1), "beta": (2,), "gap": (2,)}
    shapes[name] = (3, *shapes[name][1:])
    arrays = {k: np.full(shape, 0.5) for k, shape in shapes.items()}
    with pytest.raises(ValueError, match=rf"^shapes must broadcast.*\b{name} \(3,\)"):
        equilibria.token_fixed_point(**arrays)


@pytest.mark.parametrize("beta", [0.8, 1.5, 3.0])
def test_an_infinite_group_rests_where_the_other_solver_says(beta):
    ours, stable = equilibria.rule_equilibria([0.1, 0.3], beta, advantage="std")
    known, attracts = equilibria.grpo_equilibria(0.03, beta)  # without certainty itself
    np.testing.assert_allclose(ours, [*known, 1.0], rtol=1e-9)
    np.testing.assert_array_equal(stable, [*attracts, True])

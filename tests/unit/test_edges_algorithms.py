"""The edges of the algorithms and of what they are made of: batches of unlike rows, actions that
have died, options that must arrive where they are used.
"""

import inspect

import numpy as np
import pytest

from klrl_lite import _checks, flow, gibbs, policies, signals, simplex, solvers
from klrl_lite.algorithms import base, euclidean, mirror, trpo
from klrl_lite.algorithms.grpo import group_signal, grpo
from klrl_lite.algorithms.ppo import (
    clipped_surrogate,
    clipped_surrogate_gradient,
    ppo,
    reference_gradient,
)
from klrl_lite.signals import KL_TERMS, Signal

LOG_PI, REWARD = np.log([0.5, 0.25, 0.25]), np.array([0.0, 1.0, -1.0])
SIGNAL = signals.exact(LOG_PI, REWARD)
NOT_CENTRED = signals.exact(LOG_PI, [0.5, 2.0, -0.25])
TABULAR = policies.tabular(3)
NETWORK = policies.autoregressive(2, 3)


# --- checks ---


def test_a_refusal_says_what_would_do_and_what_came():
    for minus_inf, rule in ((False, "finite"), (True, "finite or -inf")):
        with pytest.raises(ValueError, match=f"^x must be {rule}; got"):
            _checks.on_actions("x", [0.0, np.nan], minus_inf=minus_inf)
    with pytest.raises(TypeError, match=r"^rng must be a numpy.random.Generator; got int$"):
        _checks.generator(3)
    with pytest.raises(TypeError, match=r"^signal must be a Signal; got ndarray$"):
        trpo.natural_direction(TABULAR, LOG_PI, REWARD, max_iter=5)


NO_SIGNAL = Signal(SIGNAL.weight, SIGNAL.gain * np.nan, SIGNAL.loss)
TRUSTING = TABULAR._replace(log_prob=np.asarray, tangent=None)
NAMED = {
    "start of a policy": (lambda: mirror.mirror_descent(1.0).init(REWARD), "log_pi must be"),
    "signal": (
        lambda: mirror.mirror_descent(1.0).step(base.PolicyState(LOG_PI), NO_SIGNAL),
        "signal must be finite",
    ),
    "gradient": (
        lambda: ppo(TABULAR).step(ppo(TABULAR).init(LOG_PI), NO_SIGNAL),
        "gradient must be finite",
    ),
    "unchecked start": (lambda: ppo(TRUSTING).init([0.0, np.nan, 0.0]), "theta must be finite"),
    "no action": (lambda: TABULAR.log_prob([-np.inf] * 3), "theta must leave at least one"),
    "no token": (
        lambda: NETWORK.log_prob(np.where(np.arange(NETWORK.n_params) < 12, 1.0, -1e308)),
        "theta must leave at least one",
    ),
    "nothing in common": (
        lambda: mirror.implicit_step([0.0, -np.inf], [-np.inf, 0.0], [0.0, 1.0], 0.5, 0.5),
        "log_pi must leave at least one",
    ),
    "nothing between": (
        lambda: flow.kl_flow(1.0, [0.0, -np.inf], [-np.inf, 0.0], 0.5),
        "log_pi0 must leave at least one",
    ),
    "batches": (
        lambda: TABULAR.jvp(np.zeros((2, 3)), np.zeros((4, 3))),
        r"shapes must broadcast together; got theta \(2,\), v \(4,\)",
    ),
    "a step back": (
        lambda: euclidean.euclidean_descent(np.log, [0.5, 0.5], -0.1, 0),
        "eta must be >= 0",
    ),
    "accuracy": (lambda: trpo.trpo(TABULAR, 0.1, rtol=-0.1), "rtol must be >= 0"),
}


@pytest.mark.parametrize(("call", "said"), NAMED.values(), ids=NAMED)
def test_what_is_wrong_is_called_by_its_name(call, said):
    with np.errstate(over="ignore"), pytest.raises(ValueError, match=f"^{said}"):
        call()


@pytest.mark.parametrize("function", [gibbs.free_energy, gibbs.soft_advantage])
def test_all_shapes_are_told_whichever_does_not_fit(function):
    row = np.zeros((2, 1))
    with pytest.raises(ValueError) as caught:
        function(np.zeros((4, 3)) - np.log(3.0), LOG_PI[None], REWARD[None], np.ones(3))
    told = "log_pi (4,), log_ref (1,), reward (1,), tau (3,)"
    assert str(caught.value) == f"shapes must broadcast together; got {told}"
    with pytest.raises(ValueError) as caught:
        function(row, LOG_PI[None], REWARD, 1.0)
    told = "log_pi (2, 1), log_ref (1, 3), reward (3,)"
    assert str(caught.value).endswith(f"(last axis) must agree; got {told}")


# --- options that are passed on ---


def test_what_is_said_to_be_as_elsewhere_is():
    made = [ppo(TABULAR), grpo(TABULAR, log_ref=LOG_PI, beta=0.5), trpo.trpo(TABULAR, 0.1)]
    for init, step in [*made, trpo.natural_gradient(TABULAR, 0.1)]:
        assert step(init(LOG_PI), SIGNAL)[1].kl > 0.0  # nothing else need be said

    def defaults(function):
        found = inspect.signature(function).parameters.items()
        return {name: p.default for name, p in found if p.default is not p.empty}

    ours, theirs = defaults(grpo), defaults(ppo)
    for name in ("clip", "learning_rate", "optimizer", "clip_high", "dual_clip", "penalty"):
        assert ours[name] == theirs[name], name
    assert ours["epochs"] == 1
    conjugate = defaults(trpo.natural_direction), defaults(trpo.natural_gradient)
    for name in ("rtol", "damping"):
        assert conjugate[0][name] == conjugate[1][name] == defaults(trpo.trpo)[name], name
    assert defaults(trpo.trpo)["max_iter"] == conjugate[1]["max_iter"] == 10  # as trainers do
    search = defaults(solvers.backtrack)
    assert solvers.backtrack(lambda scale: scale < 0.0, 1.0)[1].n_iter == search["max_iter"]
    for name, same in (("shrink", "shrink"), ("max_iter", "max_backtracks")):
        assert search[name] == defaults(trpo.trpo)[same]


def test_a_group_is_drawn_with_the_options_given():
    state = base.PolicyState(LOG_PI)
    for options in ({"normalize": True, "std_floor": 0.5}, {"baseline": "leave_one_out"}):
        made = group_signal(REWARD, 4, 5, rng=np.random.default_rng(0), **options)(state)
        same = signals.grouped(LOG_PI, REWARD, 4, 5, rng=np.random.default_rng(0), **options)
        bare = signals.grouped(LOG_PI, REWARD, 4, 5, rng=np.random.default_rng(0))
        np.testing.assert_array_equal(made, same)
        assert not np.allclose(made, bare)


def test_a_penalty_in_the_reward_costs_what_beta_says():
    log_ref, state = LOG_PI[::-1], base.PolicyState(LOG_PI)
    options = {"log_ref": log_ref, "penalty": "k1_in_reward"}
    free = group_signal(REWARD, 4, **options)(state)  # no beta, no penalty
    np.testing.assert_array_equal(free, group_signal(REWARD, 4)(state))
    taxed = group_signal(REWARD, 4, beta=0.5, **options)(state)
    shaped = REWARD - 0.5 * (LOG_PI - log_ref)
    np.testing.assert_allclose(taxed, group_signal(shaped, 4)(state), rtol=1e-12)
    # Nor does an action count that the policy has lost and the reference keeps.
    log_pi = np.append(np.log([0.4, 0.6]), -np.inf)
    ours = group_signal(REWARD, 4, beta=0.5, **options)(base.PolicyState(log_pi))
    left = REWARD[:2] - 0.5 * (log_pi - log_ref)[:2]
    expected = group_signal(left, 4)(base.PolicyState(log_pi[:2]))
    np.testing.assert_allclose(np.array(ours)[:, :2], expected, rtol=1e-12)
    assert not np.any(np.array(ours)[:, 2])


@pytest.mark.parametrize(
    "make", [lambda **o: trpo.trpo(NETWORK, 1e-3, line_search=False, **o),
             lambda **o: trpo.natural_gradient(NETWORK, 0.01, **o)], ids=["trpo", "natural"],
)  # fmt: skip
def test_options_of_conjugate_gradients_arrive(make):
    theta = NETWORK.init(rng=np.random.default_rng(0))
    signal = signals.exact(NETWORK.log_prob(theta), [0.0, 1.0, -1.0, 3.0])
    seen = set()
    for options in ({}, {"max_iter": 0}, {"rtol": 0.7}, {"damping": 0.5}):
        algorithm = make(**options)
        state, info = algorithm.step(algorithm.init(theta), signal)
        whole = {"max_iter": 10} | options
        x, length2, cg = trpo.natural_direction(NETWORK, theta, signal, **whole)
        assert info.cg_residual == cg.residual
        np.testing.assert_allclose(state.theta - theta, info.eta * x, rtol=1e-9, atol=1e-15)
        rho = np.exp(state.log_pi - NETWORK.log_prob(theta))
        rise = np.sum((signal.gain - signal.loss) * (rho - 1.0))
        assert info.surrogate == pytest.approx(rise, rel=1e-6, abs=1e-15)
        seen.add(float(length2))
    assert len(seen) == 4
    assert 0.0 in seen  # without an iteration there is no direction


def test_a_search_shrinks_by_the_factor_given():
    taken = {}
    for shrink in (0.5, 0.9):
        algorithm = trpo.trpo(TABULAR, 1e-3, shrink=shrink)
        _, info = algorithm.step(algorithm.init(LOG_PI), signals.exact(LOG_PI, [-1.0, 3.0, -1.0]))
        assert info.n_backtracks > 0
        taken[shrink] = info.eta / shrink**info.n_backtracks
    assert taken[0.9] == pytest.approx(taken[0.5], rel=1e-12)  # the full step, whatever follows


def test_whole_states_can_be_recorded_and_records_of_two_kinds_cannot():
    def signal(state):
        return signals.exact(state.log_pi, REWARD)

    ride = base.run(ppo(TABULAR, optimizer="sgd"), LOG_PI, signal, 2, record=lambda s, i: s)
    np.testing.assert_array_equal(ride.info.log_pi, ride.log_pi[1:])
    assert ride.info.optimizer == ()
    kinds = [base.PolicyState(LOG_PI), base.Run(LOG_PI, LOG_PI, LOG_PI)]
    with pytest.raises(ValueError, match="longer"):  # no field is lost in silence
        base.run(ppo(TABULAR), LOG_PI, signal, 2, record=lambda s, i: kinds.pop(0))


def test_a_record_is_made_of_the_state_and_of_what_the_step_said():
    ride = base.run(
        mirror.mirror_descent(0.5), LOG_PI, lambda state: signals.exact(state.log_pi, REWARD), 2,
        record=lambda state, info: np.stack([state.log_pi[0], info.kl]),
    )  # fmt: skip
    first, spent = ride.info.T
    np.testing.assert_array_equal(first, ride.log_pi[1:, 0])
    np.testing.assert_allclose(spent, simplex.kl(ride.log_pi[1:], ride.log_pi[:-1]), rtol=1e-12)


# --- steps ---


def test_a_path_may_start_with_impossible_actions():
    start = np.array([np.log(0.5), np.log(0.5), -np.inf])
    path = base.iterate(lambda x: mirror.explicit_step(x, REWARD, 1.0), start, 3)
    np.testing.assert_allclose(path[-1, 1] - path[-1, 0], 3.0, rtol=1e-12)
    assert np.all(path[:, 2] == -np.inf)


def test_a_run_that_has_come_to_a_face_stays_there_to_the_last_bit():
    x = np.random.default_rng(0).dirichlet(np.ones(4), size=300) * [1.0, 1.0, 1.0, 0.0]
    x[::2] = np.random.default_rng(1).dirichlet(np.ones(4), size=150)
    path, stuck = euclidean.euclidean_descent(np.log, x, 0.01, 2)
    assert np.all(stuck[1::2])
    np.testing.assert_array_equal(path[:, 1::2], np.broadcast_to(x[1::2], (3, 150, 4)))
    assert np.all(np.any(path[1, ::2] != x[::2], axis=-1))
    path, stuck = euclidean.euclidean_descent(np.log, x, 0.01, 0)  # no step at all
    np.testing.assert_array_equal(path, x[None])
    assert stuck.tolist() == [False, True] * 150
    assert euclidean.euclidean_descent(np.log, [1.0], 0.01, 1)[0].tolist() == [[1.0], [1.0]]


def test_a_mirror_step_tells_what_it_did_in_flags():
    for algorithm in (mirror.mirror_descent(0.5), mirror.proximal(LOG_PI, 0.5, 0.5)):
        _, info = algorithm.step(algorithm.init(LOG_PI), SIGNAL)
        assert (info.hits_boundary.dtype, info.converged.dtype) == (bool, bool)
        assert not info.hits_boundary
        assert info.converged


@pytest.mark.parametrize("kind", KL_TERMS)
def test_a_reference_pulls_at_the_living_as_if_nobody_had_died(kind):
    """One action has died in the epochs since it was sampled; one is too rare to be sampled."""
    rng = np.random.default_rng(1)
    gone = [[0.0, 0.0, 0.0, -np.inf, -800.0], [0.0, 0.0, 0.0, 0.0, -800.0], [0.0] * 5]
    log_pi, log_old, log_ref = simplex.log_normalize(rng.normal(size=(3, 5)) + gone)
    signal = signals.exact(log_old, np.ones(5))
    ours = reference_gradient(log_pi, log_old, log_ref, signal, kind)
    d, log_rho = (log_pi - log_ref)[:3], (log_pi - log_old)[:3]
    expected, weight = np.zeros(5), signal.weight[:3]
    expected[:3] = {
        "exact": np.exp(log_pi[:3]) * d,
        "k1": weight,
        "k1_in_reward": 0.0,
        "k2": weight * d,
        "k3": weight * (1.0 - np.exp(-d)),
        "k3_corrected": weight * np.exp(log_rho) * d,
    }[kind]
    expected[3] = signal.weight[3] * (kind == "k1")  # a constant, whatever it is the gradient of
    np.testing.assert_allclose(ours, expected, rtol=1e-12)


@pytest.mark.parametrize("kind", KL_TERMS)
def test_a_reference_gradient_has_the_batch_of_policies_and_of_signals(kind):
    few = Signal(*(np.stack([part, part]) for part in SIGNAL))
    batch = np.stack([LOG_PI, LOG_PI])
    assert reference_gradient(batch, LOG_PI, LOG_PI[::-1], SIGNAL, kind).shape == (2, 3)
    shape = (3,) if kind == "exact" else (2, 3)  # of which the samples are no part
    assert reference_gradient(LOG_PI, LOG_PI, LOG_PI[::-1], few, kind).shape == shape


def test_a_batch_of_runs_has_optimizers_and_critics_of_its_own():
    init, step = ppo(TABULAR, critic_rate=0.5)
    state = init(np.tile(LOG_PI, (2, 4, 1)))
    assert state.optimizer.mean.shape == state.optimizer.square.shape == (2, 4, 3)
    assert state.value.shape == (2, 4)
    advantage = np.arange(8.0).reshape(2, 4, 1) + REWARD
    state, _ = step(state, signals.exact(state.log_pi, advantage))
    mean = np.sum(np.exp(LOG_PI) * advantage, axis=-1)
    np.testing.assert_allclose(state.value, 0.5 * mean, rtol=1e-12)


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e3])
def test_what_ppo_reports_of_a_signal_with_a_mean(scale):
    algorithm = ppo(TABULAR, clip=0.1, epochs=8, learning_rate=0.05)
    signal = Signal(*(scale * part for part in NOT_CENTRED))  # weighed anew, as by `aggregate`
    state, info = algorithm.step(algorithm.init(LOG_PI), signal)
    log_rho = state.log_pi - LOG_PI
    rise = clipped_surrogate(log_rho, signal, 0.1) - clipped_surrogate(np.zeros(3), signal, 0.1)
    assert info.surrogate == pytest.approx(rise, rel=1e-9)
    rho = np.exp(log_rho)
    off = signal.gain[rho > 1.1].sum() + signal.loss[rho < 0.9].sum()
    assert info.clip_fraction == pytest.approx(off / np.sum(signal.gain + signal.loss), rel=1e-12)
    outside = np.exp(LOG_PI)[(rho > 1.1) | (rho < 0.9)].sum()
    assert info.outside_fraction == pytest.approx(outside, rel=1e-12)
    assert 0.0 < info.clip_fraction < 1.0


def test_the_slope_at_a_kink_is_that_from_inside():
    signal, log_rho = Signal(np.ones(3), np.ones(3), np.full(3, 3.0)), np.log([0.5, 2.0, 4.0])
    slope = clipped_surrogate_gradient(log_rho, signal, 0.5, clip_high=1.0, dual_clip=4.0)
    gain, loss = np.array([0.5, 2.0, 0.0]), np.array([0.5, 2.0, 4.0])
    np.testing.assert_allclose(slope, gain - 3.0 * loss, rtol=1e-12)


def test_a_ratio_on_the_limit_is_not_outside():
    algorithm = ppo(TABULAR, clip=0.0, epochs=1, optimizer="sgd")
    resting = Signal(SIGNAL.weight, np.full(3, 0.1), np.full(3, 0.1))
    _, info = algorithm.step(algorithm.init(LOG_PI), resting)
    assert (info.outside_fraction, info.clip_fraction) == (0.0, 0.0)
    # The rarest blamed action gains from what is taken off the other; its ratio is the limit.
    blamed = signals.exact(LOG_PI, [-9.0, -0.1, 1.0])
    free = ppo(TABULAR, clip=np.inf, epochs=1, optimizer="sgd", learning_rate=0.01)
    state, _ = free.step(free.init(LOG_PI), blamed)
    rho = float(np.exp((state.log_pi - LOG_PI)[1]))
    for limit, idle in ((rho, 0.0), (np.nextafter(rho, 1.0), 0.025 / (4.5 + 0.025 + 0.25))):
        tight = ppo(
            TABULAR, clip=np.inf, epochs=1, optimizer="sgd", learning_rate=0.01, dual_clip=limit
        )
        _, info = tight.step(tight.init(LOG_PI), blamed)
        assert info.clip_fraction == pytest.approx(idle, rel=1e-12)
    _, info = free.step(free.init(LOG_PI), Signal(*np.zeros((3, 3))))
    assert (info.outside_fraction, info.clip_fraction, info.surrogate) == (0.0, 0.0, 0.0)


def test_cells_without_a_direction_stay_and_leave_the_others_alone():
    log_pi = simplex.log_normalize([[0.0, -700.0, -800.0], [0.0, 0.0, 0.0], [0.0, 1.0, 2.0]])
    advantage = np.array([[0.0, 1e-8, 0.0], [0.0, 1.0, 2.0], [0.0, 0.0, 0.0]])
    for line_search in (True, False):
        algorithm = trpo.trpo(TABULAR, 1e-2, line_search=line_search)
        state, info = algorithm.step(algorithm.init(log_pi), signals.exact(log_pi, advantage))
        np.testing.assert_array_equal(info.eta[[0, 2]], 0.0)
        np.testing.assert_array_equal(state.theta[[0, 2]], log_pi[[0, 2]])
        alone, _ = algorithm.step(algorithm.init(log_pi[1]), signals.exact(log_pi[1], advantage[1]))
        np.testing.assert_allclose(state.theta[1], alone.theta, rtol=1e-12)

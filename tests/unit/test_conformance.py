"""What every algorithm has to do, over the registry: a new one needs one row here, and passes.

The rows say how to make an algorithm with a small step, which velocity it has in the limit, and
how near the Gibbs policy it comes with the free-energy advantage.
"""

from typing import NamedTuple

import numpy as np
import pytest

from klrl_lite import gibbs, simplex
from klrl_lite.algorithms import REGISTRY, run
from klrl_lite.algorithms.base import Algorithm, Run
from klrl_lite.policies import tabular
from klrl_lite.signals import Signal, exact, sampled

N = 4
LOG_REF = np.log([0.4, 0.3, 0.2, 0.1])
START = np.log([0.25, 0.15, 0.35, 0.25])
REWARD, TAU = np.array([0.0, 0.5, 1.0, 0.3]), 0.5
GIBBS = gibbs.log_gibbs(LOG_REF, REWARD, TAU)
PLAIN = {"epochs": 1, "optimizer": "sgd"}


def shaped(state):
    """Exact signal of the free-energy advantage."""
    return exact(state.log_pi, gibbs.soft_advantage(state.log_pi, LOG_REF, REWARD, TAU))


def bare(state):
    """Exact signal of the reward, for algorithms that hold the reference themselves."""
    return exact(state.log_pi, REWARD - np.exp(state.log_pi) @ REWARD)


def mirror_velocity(log_pi, advantage):
    """d log pi per unit of eta of the mirror step: the centred advantage."""
    return advantage - np.exp(log_pi) @ advantage


def softmax_velocity(log_pi, advantage):
    """The same for gradient ascent on the logits of a table: J J^T (pi A)."""
    pi = np.exp(log_pi)
    force = pi * (advantage - pi @ advantage)
    return force - pi @ force


class Row(NamedTuple):
    """How to make an algorithm with the step `s`, and what to expect of it."""

    make: object  # s -> Algorithm; s may be an array over a batch
    signal: object = shaped
    velocity: object = mirror_velocity
    is_tilt: bool = True  # its exact direction is the advantage itself, at any step
    sizes: object = None  # s -> eta, where the step is not given as one
    step: float = 0.5
    n_steps: int = 120
    near: float = 1e-9  # KL to Gibbs at the end


TABLE = {
    "mirror_descent": Row(lambda s: REGISTRY["mirror_descent"](s)),
    "proximal": Row(
        lambda s: REGISTRY["proximal"](LOG_REF, TAU, s),
        signal=bare,
        # 1/(1 + eta tau) in the exponent, so eta/(1 + eta tau) along the advantage.
        sizes=lambda s, info: s / (1 + s * TAU),
    ),
    "trust_region": Row(
        lambda s: REGISTRY["trust_region"](0.5 * np.square(s)),
        sizes=lambda s, info: info.eta,
        step=0.05,
        n_steps=25,
        near=0.5 * 0.05**2,
    ),
    "natural_gradient": Row(lambda s: REGISTRY["natural_gradient"](tabular(N), s, max_iter=30)),
    "trpo": Row(
        lambda s: REGISTRY["trpo"](tabular(N), 0.5 * np.square(s), max_iter=30),
        sizes=lambda s, info: info.eta,
        step=0.02,
        near=0.5 * 0.02**2,
    ),
    "ppo": Row(
        lambda s: REGISTRY["ppo"](tabular(N), learning_rate=s, **PLAIN),
        velocity=softmax_velocity,
        is_tilt=False,
        step=2.0,
    ),
    "grpo": Row(
        lambda s: REGISTRY["grpo"](tabular(N), log_ref=LOG_REF, beta=TAU, learning_rate=s, **PLAIN),
        signal=bare,
        velocity=softmax_velocity,
        is_tilt=False,
        step=2.0,
    ),
}
EACH = pytest.mark.parametrize("name", REGISTRY)
TILTS = [name for name, row in TABLE.items() if row.is_tilt]


def advantage_at(log_pi):
    return gibbs.soft_advantage(log_pi, LOG_REF, REWARD, TAU)


def one_step(row, size, start=START):
    algorithm = row.make(size)
    state = algorithm.init(start)
    return state, *algorithm.step(state, row.signal(state))


def test_the_table_is_complete():
    assert set(TABLE) == set(REGISTRY)


@EACH
def test_shapes(name):
    row = TABLE[name]
    algorithm = row.make(row.step)
    assert isinstance(algorithm, Algorithm)
    start = np.broadcast_to(START, (2, 3, N))
    ride = run(algorithm, start, row.signal if row.signal is shaped else batched_bare, 4)
    assert isinstance(ride, Run)
    assert ride.log_pi.shape == (5, 2, 3, N)
    np.testing.assert_array_equal(ride.log_pi[-1], ride.state.log_pi)
    for field in ride.info:
        assert np.broadcast_shapes(field.shape, (4, 2, 3)) == (4, 2, 3)
    assert run(algorithm, START, row.signal, 0).info is None


def batched_bare(state):
    mean = simplex.expect(state.log_pi, np.broadcast_to(REWARD, state.log_pi.shape))
    return exact(state.log_pi, REWARD - mean[..., None])


@EACH
def test_a_batch_is_the_stack_of_its_cells(name):
    row = TABLE[name]
    starts = simplex.log_normalize(np.random.default_rng(0).normal(size=(3, N)))
    steps = row.step * np.array([0.5, 1.0, 1.3])
    signal_fn = shaped if row.signal is shaped else batched_bare
    together = run(row.make(steps), starts, signal_fn, 5)
    for i in range(3):
        alone = run(row.make(steps[i]), starts[i], signal_fn, 5)
        np.testing.assert_allclose(together.log_pi[:, i], alone.log_pi, rtol=1e-9, atol=1e-12)
        for whole, cell in zip(together.info, alone.info, strict=True):
            whole = np.broadcast_to(whole, (5, 3))[:, i]
            np.testing.assert_allclose(whole, cell, rtol=1e-6, atol=1e-9)
    # A grid of step sizes from one start: the batch appears with the first step.
    grid = run(row.make(steps), START, row.signal, 1)
    assert grid.log_pi.shape == (2, 3, N)


@EACH
def test_policies_stay_on_the_simplex_and_nothing_is_nan(name):
    row = TABLE[name]
    rng = np.random.default_rng(1)
    start = np.broadcast_to(START, (20, N))

    def noisy(state):
        return sampled(state.log_pi, rng.normal(size=(20, N)), 3, rng=rng)

    ride = run(row.make(row.step), start, noisy, 10)
    assert not np.any(np.isnan(ride.log_pi))
    np.testing.assert_allclose(np.exp(ride.log_pi).sum(axis=-1), 1.0, rtol=1e-12)
    assert not any(np.any(np.isnan(field)) for field in ride.info)


@EACH
def test_an_impossible_action_never_comes_back(name):
    row = TABLE[name]
    start = simplex.log_normalize(np.array([0.0, 0.5, -np.inf, 0.2]))
    algorithm = row.make(row.step)
    state = algorithm.init(start)
    state, info = algorithm.step(state, exact(state.log_pi, REWARD - 0.3))
    assert state.log_pi[2] == -np.inf
    assert np.all(np.isfinite(np.delete(state.log_pi, 2)))
    assert not any(np.any(np.isnan(field)) for field in info)


@EACH
def test_steps_are_pure(name):
    # Read-only input, the same result twice, and neither start nor state nor signal changed.
    row = TABLE[name]
    start = START.copy()
    start.flags.writeable = False
    algorithm = row.make(row.step)
    state = algorithm.init(start)
    signal = row.signal(state)
    for array in (*signal, state.log_pi):
        array.flags.writeable = False
    before = Signal(*(array.copy() for array in signal)), state.log_pi.copy()
    first, info = algorithm.step(state, signal)
    again, info_again = algorithm.step(state, signal)
    np.testing.assert_array_equal(first.log_pi, again.log_pi)
    for ours, same in zip(info, info_again, strict=True):
        np.testing.assert_array_equal(ours, same)
    for array, copy in zip((*signal, state.log_pi), (*before[0], before[1]), strict=True):
        np.testing.assert_array_equal(array, copy)
    np.testing.assert_array_equal(start, START)
    # Nor does a later change of the caller's array reach into the state.
    start = START.copy()
    state = algorithm.init(start)
    start[:] = 0.0
    np.testing.assert_allclose(state.log_pi, START, atol=1e-15)
    np.testing.assert_array_equal(algorithm.step(state, signal)[0].log_pi, first.log_pi)


@EACH
def test_small_steps_follow_the_velocity(name):
    # Change of log pi per unit of eta: it differs from the velocity at first order in eta.
    row, sizes, errors = TABLE[name], np.array([1e-2, 5e-3, 2.5e-3, 1.25e-3]), []
    velocity = row.velocity(START, advantage_at(START))
    for size in sizes:
        state, after, info = one_step(row, size)
        eta = size if row.sizes is None else row.sizes(size, info)
        errors.append(np.abs((after.log_pi - state.log_pi) / eta - velocity).max())
    assert np.polyfit(np.log(sizes), np.log(errors), 1)[0] == pytest.approx(1.0, abs=0.05)


@pytest.mark.parametrize("name", TILTS)
@pytest.mark.parametrize("scale", [0.01, 1.0])
def test_tilts_have_the_direction_of_the_mirror_step_at_any_size(name, scale):
    row = TABLE[name]
    state, after, _ = one_step(row, scale * row.step)
    change = after.log_pi - state.log_pi
    assert simplex.fisher_cosine(change, advantage_at(START), START) == pytest.approx(1, abs=1e-11)


@pytest.mark.parametrize("name", sorted(set(REGISTRY) - set(TILTS)))
def test_others_have_another_direction(name):
    # Ascent on logits moves along pi A, at any size of one plain epoch: not along A.
    row, advantage = TABLE[name], advantage_at(START)
    limit = simplex.fisher_cosine(softmax_velocity(START, advantage), advantage, START)
    assert limit < 0.995
    for size in (1.0, 0.01):
        state, after, _ = one_step(row, size)
        cosine = simplex.fisher_cosine(after.log_pi - state.log_pi, advantage, START)
        assert cosine == pytest.approx(limit, abs=1e-11)


@EACH
def test_the_free_energy_advantage_leads_to_gibbs(name):
    row = TABLE[name]
    ride = run(row.make(row.step), START, row.signal, row.n_steps)
    assert simplex.kl(ride.log_pi[-1], GIBBS) <= row.near * 1.01
    # And it was not there from the start.
    assert simplex.kl(START, GIBBS) > 0.05


@EACH
def test_gibbs_is_a_fixed_point(name):
    row = TABLE[name]
    algorithm = row.make(row.step)
    state = algorithm.init(GIBBS)
    # A fixed budget is spent on whatever rounding leaves of the advantage: so none is given.
    spends = name in ("trust_region", "trpo")
    signal = exact(GIBBS, np.zeros(N)) if spends else row.signal(state)
    after, info = algorithm.step(state, signal)
    np.testing.assert_allclose(after.log_pi, GIBBS, atol=1e-13)
    assert info.kl == pytest.approx(0.0, abs=1e-15)


@EACH
def test_record_replaces_the_info(name):
    row = TABLE[name]
    ride = run(
        row.make(row.step), START, row.signal, 3, record=lambda s, info: simplex.kl(s.log_pi, GIBBS)
    )
    np.testing.assert_allclose(ride.info, simplex.kl(ride.log_pi[1:], GIBBS))


@EACH
def test_wrong_start(name):
    algorithm = TABLE[name].make(TABLE[name].step)
    with pytest.raises(ValueError, match=r"must"):
        algorithm.init(np.full(N, np.nan))


@EACH
def test_a_run_without_its_path(name):
    row = TABLE[name]
    whole = run(row.make(row.step), START, row.signal, 5)
    ends = run(row.make(row.step), START, row.signal, 5, path=False)
    np.testing.assert_array_equal(ends.log_pi, whole.log_pi[[0, -1]])
    for field, same in zip(ends.info, whole.info, strict=True):
        np.testing.assert_array_equal(field, same)
    assert run(row.make(row.step), START, row.signal, 0, path=False).log_pi.shape == (2, N)


@EACH
def test_a_large_batch_is_the_stack_of_its_cells(name):
    # Large batches lie otherwise in memory, and iterations leave settled cells out.
    row = TABLE[name]
    starts = simplex.log_normalize(np.random.default_rng(0).normal(0, 2, size=(60, 25, N)))
    signal_fn = shaped if row.signal is shaped else batched_bare
    together = run(row.make(row.step), starts, signal_fn, 4)
    for index in ((0, 0), (17, 3), (59, 24), (30, 12)):
        alone = run(row.make(row.step), starts[index], signal_fn, 4)
        np.testing.assert_allclose(together.log_pi[:, *index], alone.log_pi, rtol=1e-9, atol=1e-12)
        for whole, cell in zip(together.info, alone.info, strict=True):
            whole = np.broadcast_to(whole, (4, 60, 25))[:, *index]
            np.testing.assert_allclose(whole, cell, rtol=1e-6, atol=1e-9)

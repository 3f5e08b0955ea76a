"""Edges of the diagnostics that other tests pass by; each was once changed unnoticed."""

import numpy as np
import pytest

from klrl_lite import policies, signals, simplex, thresholds
from klrl_lite.algorithms import mirror
from klrl_lite.diagnostics import cells, lineup, path
from klrl_lite.diagnostics.gaps import gaps
from klrl_lite.diagnostics.lineup import BATCH, GROUP, prepare

REF = np.log([0.5, 0.3, 0.2])
REWARD = np.array([0.0, 0.5, 1.0])

# --- cells ---


def test_the_mean_of_a_row_is_over_its_known_steps():
    nan = np.nan
    steps = np.array([[nan, 2.0, nan], [1.0, nan, nan], [nan, 4.0, nan]])
    np.testing.assert_array_equal(cells._mean_known(steps), [1.0, 3.0, nan])


def drawn_plane(rng, *given):
    one = {"tau": np.array([0.5]), "p": np.array([0.1]), "seed": np.zeros(1), "rng": rng}
    return cells.plane_cells("mirror", *given, n_steps=50)(**one)["success"]


def test_a_plane_is_drawn_with_the_generator_that_it_gets():
    first = drawn_plane(np.random.default_rng(5))
    assert first == drawn_plane(np.random.default_rng(5), "drawn")
    assert first != drawn_plane(np.random.default_rng(6))
    assert drawn_plane(None) == drawn_plane(None)
    chain = cells.plane_cells("mirror", chain=True, n_steps=50)
    one = {"tau": np.array([0.5]), "q_step": np.array([0.1]), "n_tokens": np.array([1])}
    same = chain(**one, seed=np.zeros(1), rng=np.random.default_rng(5))
    assert same["success"] == first


def test_certainty_is_not_exceeded_by_rounding():
    p = np.random.default_rng(0).uniform(0.01, 0.99, 500)
    problem = cells.sixteen(p)
    log_pi = simplex.tilt(problem.log_ref, 60.0 * problem.reward)
    assert np.exp(log_pi)[:, :3].sum(axis=-1).max() > 1.0
    found = cells._thermometers(log_pi, problem.log_ref, problem.reward, np.ones(500))
    assert found["success"].max() == 1.0
    assert found["success"].min() > 1.0 - 1e-14


def test_one_feature_of_the_linear_arena_tells_right_from_wrong_roughly():
    place = cells.arena("linear", [3])
    moved = place.policy.log_prob(np.eye(8)) - place.log_ref[0]
    features = moved - moved[:, 3:].mean(axis=-1, keepdims=True)
    right, wrong = features[0, :3], features[0, 3:]
    assert right.min() > wrong.max()
    assert right.mean() == pytest.approx(2.0, abs=0.6)
    assert 0.1 < wrong.std() < 0.6
    assert np.all(features[1:].std(axis=-1) > 0.5)
    again = cells.arena("linear", [3, 4]).policy.log_prob(np.eye(8))
    np.testing.assert_array_equal(again - place.log_ref[0], moved)


def test_an_arena_has_the_policy_class_that_it_is_called_by():
    assert cells.arena("tabular", [0]).policy.name == "tabular"
    assert cells.arena("linear", [0]).policy.name == "linear"
    assert cells.arena("network", np.zeros(0)).log_ref.shape == (0, 64)


def test_the_network_arena_belongs_to_its_seeds():
    place, again = cells.arena("network", [0, 1]), cells.arena("network", [1])
    np.testing.assert_array_equal(place.start[1], again.start[0])
    ones = np.array([bin(i).count("1") for i in range(64)])
    np.testing.assert_array_equal(place.reward, np.broadcast_to(ones >= 5, (2, 64)))
    mass = np.exp(place.log_ref)[:, ones >= 5].sum(axis=-1)
    np.testing.assert_allclose(place.p_ref, mass, rtol=1e-12)


def test_gaps_are_taken_four_times_at_least():
    with pytest.raises(
        ValueError, match=r"^gap_every must be at most a quarter of n_steps; got 11$"
    ):
        cells.board_cells("mirror", "tabular", n_steps=40, gap_every=11)


@pytest.mark.parametrize("kind", ["tabular", "linear"])
def test_a_board_cell_measures_what_it_says(kind):
    x, seed = np.array([0.8, 1.5]), np.arange(2.0)
    run = cells.board_cells("mirror", kind, n_steps=44)
    found = run(x=x, seed=seed, rng=np.random.default_rng(3))
    place = cells.arena(kind, seed)
    tau = x * thresholds.critical_tau(0.02)
    match = prepare("mirror", place.log_ref, place.reward, tau, rng=np.random.default_rng(3))
    walks = {}
    for name, every in (("exact", 0), ("expected", 0), ("drawn", 10)):
        walk, aims, parts = cells.follow(match, getattr(match, name), 44, every)
        turned = [path.alignment(walk[k + 1], walk[k], aims[k]) for k in range(11)]
        np.testing.assert_allclose(found[f"align_{name}"], np.mean(turned, axis=0), rtol=1e-9)
        np.testing.assert_allclose(found[f"first_{name}"], turned[0], rtol=1e-9)
        walks[name] = walk[-1]
    np.testing.assert_allclose(found["gap_noise"][:, 0], parts.noise[:, :2].mean(axis=-1))
    goal = place.log_ref + place.reward / tau[:, None]
    goal = simplex.log_normalize(goal)
    moved = 0.5 * np.abs(np.exp(walks["drawn"]) - np.exp(goal)).sum(axis=-1)
    np.testing.assert_allclose(found["tv_drawn"], moved, rtol=1e-9)
    ends = {"geometric": ("exact", goal), "bias": ("expected", walks["exact"]),
            "noise": ("drawn", walks["expected"])}  # fmt: skip
    for gap, (name, other) in ends.items():
        way = path.geodesic_distance(walks[name], other)
        np.testing.assert_allclose(found[f"end_{gap}"], way, rtol=1e-9, atol=1e-12)


def test_each_gap_is_the_length_of_its_own_part():
    algorithm = mirror.mirror_descent(0.5)
    advantage = REWARD - np.exp(REF) @ REWARD
    seen = [signals.exact(REF, share * advantage) for share in (1.0, 0.5, 0.125)]
    parts = gaps(algorithm, algorithm.init(REF), advantage,
                      **dict(zip(("exact", "expected", "drawn"), seen, strict=True)))  # fmt: skip
    length = 0.5 * np.sqrt(np.exp(REF) @ advantage**2)
    expected = (0.5, length, 0.0, 0.5 * length, 0.375 * length, 0.125 * length)
    np.testing.assert_allclose(parts, expected, rtol=1e-9, atol=1e-12)


def test_an_update_along_nothing_has_no_step():
    algorithm, same = mirror.mirror_descent(0.5), signals.exact(REF, REWARD)
    parts = gaps(algorithm, algorithm.init(REF), np.ones(3), exact=same, expected=same, drawn=same)
    assert (parts.eta, parts.ideal) == (0.0, 0.0)
    assert parts.geometric == pytest.approx(float(parts.realized))


def test_one_run_alone_has_gaps_too():
    match = prepare("mirror", REF, REWARD, 0.5, rng=np.random.default_rng(0))
    parts = cells.follow(match, match.drawn, 3, 2)[2]
    assert {part.shape for part in parts} == {(2,)}


# --- the line-up ---


def contestant(name, tau=0.5, scale=1.0, **given):
    """A contestant with sixteen answers, and its state away from the reference."""
    problem = cells.sixteen(0.2)
    match = prepare(name, problem.log_ref, scale * problem.reward, tau,
                    rng=np.random.default_rng(0), **given)  # fmt: skip
    away = simplex.tilt(problem.log_ref, np.cos(np.arange(16.0)))
    return match, match.algorithm.init(away), problem


@pytest.mark.parametrize("tau", [0.1, 1.0, 8.0])
def test_the_natural_gradient_of_single_logits_steps_as_far_as_mirror_descent(tau):
    lengths = []
    for name in ("natural", "mirror"):
        match, state, _ = contestant(name, tau)
        after = match.algorithm.step(state, match.exact(state))[0].log_pi
        lengths.append(path.geodesic_distance(after, state.log_pi))
    assert lengths[0] == pytest.approx(lengths[1], rel=0.03)  # ten steps of conjugate gradients


def test_the_exact_trust_region_goes_as_far_as_trpo():
    spent = []
    for name in ("region", "trpo"):
        match, state, _ = contestant(name)
        after = match.algorithm.step(state, match.exact(state))[0].log_pi
        spent.append(simplex.kl(after, state.log_pi))
    assert spent[0] == pytest.approx(spent[1], rel=0.1)


@pytest.mark.parametrize(
    ("name", "options"), [("trpo", ()), ("ppo", ()), ("grpo", ("exact",)), ("grpo_k3", ("k3",))]
)
def test_a_contestant_that_is_made_again_is_the_same(name, options):
    match, state, problem = contestant(name, 5.0)
    factory = getattr(lineup, "_" + name.partition("_")[0])
    again = factory(*options)(policies.tabular(16), problem.log_ref, np.asarray(5.0))
    signal, after = match.exact(state), []
    for algorithm in (match.algorithm, again):
        at = algorithm.init(state.log_pi)
        for _ in range(3):
            at, _ = algorithm.step(at, signal)
        after.append(at.log_pi)
    np.testing.assert_array_equal(*after)


@pytest.mark.parametrize("name", ["mean", "grpo"])
def test_the_penalty_of_a_contestant_is_its_own(name):
    after = []
    for one in (name, f"{name}_k3"):
        match, state, problem = contestant(one, 5.0)
        for _ in range(100):
            state, _ = match.algorithm.step(state, match.exact(state))
        after.append(simplex.kl(state.log_pi, problem.log_ref))
    assert np.ptp(after) > 1e-4


def test_a_learned_critic_is_what_its_algorithm_subtracts():
    match, state, problem = contestant("critic")
    for _ in range(3):
        state, _ = match.algorithm.step(state, match.drawn(state))
    signal = match.expected(state)
    worth = problem.reward - 0.5 * (state.log_pi - problem.log_ref)
    found = (signal.gain - signal.loss) / np.exp(state.log_pi)
    np.testing.assert_allclose(found, worth - state.value, rtol=1e-9, atol=1e-12)
    assert abs(state.value - np.exp(state.log_pi) @ worth) > 1e-3  # not the exact baseline
    drawn = match.drawn(state)
    np.testing.assert_allclose(drawn.gain - drawn.loss, drawn.weight * found, rtol=1e-9, atol=1e-12)
    assert np.all(drawn.weight * BATCH % 1 == 0)


def test_groups_are_scored_as_the_contestant_says():
    def seen(name, signal="drawn", **given):
        match, state, _ = contestant(name, **given)
        return getattr(match, signal)(state).gain

    for signal in ("drawn", "expected"):
        assert seen("folded", signal, scale=0.0).sum() > 0.01  # the penalty is in the reward
    for name in ("mean", "loo", "grpo"):
        assert seen(name, scale=0.0).sum() == 0.0
        size = 1.0 if name == "grpo" else 8.0
        np.testing.assert_allclose(seen(name, scale=8.0), size * seen(name), rtol=1e-9)
    np.testing.assert_allclose(seen("loo"), GROUP / (GROUP - 1) * seen("mean"), rtol=1e-9)


@pytest.mark.parametrize("name", ["mirror", "ppo", "grpo", "folded"])
@pytest.mark.parametrize("batched", ["log_ref", "reward", "tau"])
def test_a_match_takes_its_batch_from_any_array(name, batched):
    arrays = {"log_ref": REF, "reward": REWARD, "tau": np.array(0.5)}
    arrays[batched] = np.stack([arrays[batched]] * 2)
    match = prepare(name, rng=np.random.default_rng(0), **arrays)
    assert match.start.shape == (2, 3)
    state = match.algorithm.init(match.start)
    for signal in (match.exact(state), match.drawn(state)):
        assert match.algorithm.step(state, signal)[0].log_pi.shape == (2, 3)


def test_a_temperature_that_does_not_fit_is_among_the_shapes():
    with pytest.raises(ValueError, match="broadcast") as caught:
        prepare("mirror", np.stack([REF] * 2), np.stack([REWARD] * 2), np.ones(3),
                rng=np.random.default_rng(0))  # fmt: skip
    assert str(caught.value).endswith("got log_ref (2, 3), reward (2, 3), tau (3, 1)")


def test_whole_numbers_can_be_a_start():
    match, _, _ = contestant("ppo", start=[0] * 16)
    assert match.start.dtype == float

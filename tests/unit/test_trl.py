"""The laws of TRL's trainer: its arithmetic over all groups, followed to where it rests."""

import csv
import json

import numpy as np
import pytest
from scipy.integrate import solve_ivp
from scipy.special import binom, expit, logit

from klrl_lite.diagnostics.trl import OPTIONS, trl_crossing, trl_equilibria, trl_force
from klrl_lite.diagnostics.trl_runs import TEXT, trl_predicted, trl_runs, trl_states

#: The trainer's names for what `pull` calls otherwise.
NAMES = {
    "scale_rewards": "scale_rewards",
    "corrected": "use_bias_correction_kl",
    "group": "num_generations",
    "batch": "batch",
    "level": "importance_sampling_level",
}


# --- the trainer's arithmetic: every group with its probability, the loss as it is written ---


def chances(n, success):
    """Of 0, 1, ... n right answers."""
    k = np.arange(n + 1)
    return binom(n, k) * success**k * (1.0 - success) ** (n - k)


def advantages(success, scale_rewards, group, batch):
    """Mean advantage of a right and of a wrong answer."""
    found = []
    for reward in (1.0, 0.0):
        right = np.arange(group) + reward  # in its group
        a, chance = reward - right / group, chances(group - 1, success)
        if scale_rewards == "group":
            std = np.sqrt(right * (group - right) / group / (group - 1))
            a = np.divide(a, std, out=np.zeros(group), where=std > 0)
        elif scale_rewards == "batch":
            outside = chances(batch - group, success)
            right = right[:, None] + np.arange(len(outside))  # in the whole batch
            std = np.sqrt(right * (batch - right) / batch / (batch - 1))
            a = np.divide(a[:, None], std, out=np.zeros_like(std), where=std > 0) @ outside
        found.append(a @ chance)
    return np.array(found)


def pull(logits, q, beta, scale_rewards="group", corrected=True, group=8, batch=64, level="token"):
    """Expected update of the log-odds of each token, over the weight that it is reached with.

    The answer is right if all of its tokens are. After a wrong token nothing is at stake.
    """
    p, not_p, n = expit(logits), expit(-logits), len(q)
    right, wrong = advantages(p.prod(), scale_rewards, group, batch)
    reached = np.concatenate([[1.0], np.cumprod(p)])
    update = np.zeros(n)
    for first in range(n + 1):  # the first wrong token; n if there is none
        x, score, chance = np.zeros(n), np.zeros(n), reached[first]
        x[:first], score[:first] = np.log(p / q)[:first], not_p[:first]
        if first < n:
            x[first], score[first] = np.log(not_p / (1.0 - q))[first], -p[first]
            chance = chance * not_p[first]
        k3 = np.exp(-x) - 1.0 + x
        penalty = 1.0 - np.exp(-x)  # its derivative
        if corrected:  # the derivative of the ratio that it is multiplied by
            penalty = penalty + (k3 if level == "token" else k3.mean())
        update += chance * ((right if first == n else wrong) - beta * penalty) * score
    return update / (reached[:-1] * p * not_p)


def rest(q, beta, *, hot=False, **options):
    """Success in the end, from the reference or from far above."""
    q = np.asarray(q, float)
    start = np.full(len(q), 7.0) if hot else logit(q)
    path = solve_ivp(
        lambda _, x: pull(x, q, beta, **options),
        (0.0, 500.0 / beta),  # long, for where two fixed points are close
        start,
        method="LSODA",
        rtol=1e-8,
        atol=1e-9,
    )
    return expit(path.y[:, -1]).prod()


# --- the pull of the reward ---


@pytest.mark.parametrize("option", ["group", "batch", "none"])
@pytest.mark.parametrize(("group", "batch"), [(2, 2), (3, 9), (8, 24)])
def test_the_pull_is_the_mean_over_all_groups(option, group, batch):
    success = np.array([[0.02, 0.3, 0.5], [0.7, 0.9, 0.999]])
    found = trl_force(success, option, group, batch)
    assert found.shape == success.shape
    for ours, p in zip(found.flat, success.flat, strict=True):
        right, wrong = advantages(p, option, group, batch)
        np.testing.assert_allclose(ours, right - wrong, rtol=1e-12)
    one = trl_force(0.3, option, group, batch)
    assert np.ndim(one) == 0
    np.testing.assert_allclose(one, found[0, 1], rtol=1e-15)


def test_options_and_numbers_that_are_none_are_named():
    with pytest.raises(ValueError, match=r"^scale_rewards must be one of group, batch, none"):
        trl_force(0.5, "Group", 8, 64)
    with pytest.raises(ValueError, match=r"^importance_sampling_level must be one of token, se"):
        trl_equilibria([0.1], 0.5, importance_sampling_level="answer")
    for level in ("token", "sequence"):
        for beta in (0.0, -1.0):
            with pytest.raises(ValueError, match=rf"^beta must be > 0; got .*{beta}\)?$"):
                trl_equilibria([0.1], beta, importance_sampling_level=level)


# --- where it rests ---


@pytest.mark.parametrize(
    ("q", "beta", "options"),
    [
        ([0.05], 0.4, {}),
        ([0.3, 0.2], 0.9, {}),
        ([0.3, 0.2], 0.4, {"scale_rewards": "none", "group": 4}),
        ([0.3, 0.2], 1.2, {"scale_rewards": "batch", "group": 4, "batch": 12}),
        ([0.3, 0.2], 0.5, {"corrected": False, "group": 4}),
        ([0.3, 0.2], 0.5, {"corrected": False, "scale_rewards": "none"}),
        ([0.3, 0.2], 0.7, {"corrected": False, "scale_rewards": "batch", "group": 4, "batch": 8}),
        ([0.3, 0.2], 0.5, {"corrected": False, "level": "sequence", "group": 4}),
        ([0.3, 0.2], 0.6, {"level": "sequence", "group": 4}),
        ([0.3, 0.6, 0.2], 0.2, {"level": "sequence", "scale_rewards": "none", "group": 4}),
        ([0.2, 0.3], 0.7, {"level": "sequence", "scale_rewards": "batch", "group": 4, "batch": 12}),
    ],
)
def test_the_update_rests_at_the_fixed_point(q, beta, options):
    given = {NAMES[key]: value for key, value in options.items()}
    found = trl_equilibria(q, beta, **given)
    assert found.shape == (1,)
    np.testing.assert_allclose(found, rest(q, beta, **options), atol=1e-7)


@pytest.mark.parametrize(
    ("q", "beta", "options"),
    [
        ([0.05], 0.55, {}),
        ([0.05], 0.5, {"level": "sequence"}),  # a little higher than where the lower one ends
    ],
)
def test_one_std_for_a_large_batch_remembers_the_start(q, beta, options):
    options = options | {"scale_rewards": "batch", "batch": 128}
    given = {NAMES[key]: value for key, value in options.items()}
    found = trl_equilibria(q, beta, **given)
    ends = [rest(q, beta, hot=hot, **options) for hot in (False, True)]
    assert ends[1] - ends[0] > 0.1
    np.testing.assert_allclose(found, ends, atol=1e-7)


@pytest.mark.parametrize("level", ["token", "sequence"])
@pytest.mark.parametrize("beta", [40.8, 1.0, 0.0307])
def test_one_token_without_std_rests_at_gibbs(level, beta):
    found = trl_equilibria(
        [0.1], beta, scale_rewards="none", num_generations=4, importance_sampling_level=level
    )
    np.testing.assert_allclose(found, [expit(logit(0.1) + 0.75 / beta)], rtol=1e-9)


def test_a_fixed_point_on_a_place_of_the_grid_counts_once():
    place = np.linspace(-4.0, 3.2, 1000)[300:700:40]
    beta = 0.5 / np.exp(place)
    beta = beta[np.log(0.5) - np.log(beta) == place][:3]
    assert len(beta) == 3
    options = {"scale_rewards": "none", "num_generations": 2}
    for b in beta:
        found = trl_equilibria([0.1], b, importance_sampling_level="sequence", **options)
        np.testing.assert_allclose(found, [expit(logit(0.1) + 0.5 / b)], rtol=1e-9)


@pytest.mark.parametrize("level", ["token", "sequence"])
def test_single_precision_of_the_support_is_not_kept(level):
    q, given = np.array([0.1], np.float32), {"importance_sampling_level": level}
    found = trl_equilibria(q, 0.6, **given)
    assert found.dtype == np.float64
    np.testing.assert_allclose(found, trl_equilibria(q.tolist(), 0.6, **given), rtol=1e-12)


def test_the_defaults_are_those_of_the_trainer():
    np.testing.assert_allclose(
        trl_equilibria([0.3, 0.2], 0.9),
        trl_equilibria(
            [0.3, 0.2],
            0.9,
            scale_rewards="group",
            use_bias_correction_kl=True,
            num_generations=8,
            importance_sampling_level="token",
        ),
        rtol=1e-12,
    )
    found = trl_equilibria([0.1], 0.7, scale_rewards="batch")
    np.testing.assert_allclose(
        found, trl_equilibria([0.1], 0.7, scale_rewards="batch", batch=128), rtol=1e-12
    )


# --- where half of the answers are right ---


@pytest.mark.parametrize(("scale_rewards", "corrected"), OPTIONS)
def test_at_the_crossing_half_of_the_answers_are_right(scale_rewards, corrected):
    # One token: log-odds 0 at the pull W = beta L, or for literal k3 at W = 4 beta (1/2 - q).
    right, wrong = advantages(0.5, scale_rewards, 8, 128)
    price = -logit(0.05) if corrected else 4.0 * 0.45
    found = trl_crossing([0.05], scale_rewards, corrected)
    assert isinstance(found, float)
    assert found == pytest.approx((right - wrong) / price, rel=1e-9)
    # Two tokens: the update is at rest there, with other numbers of answers.
    beta = trl_crossing([0.3, 0.2], scale_rewards, corrected, num_generations=4, batch=16)
    options = {"scale_rewards": scale_rewards, "corrected": corrected, "group": 4, "batch": 16}
    assert rest([0.3, 0.2], beta, **options) == pytest.approx(0.5, abs=1e-5)


# --- the recorded runs ---


@pytest.fixture(scope="module")
def runs():
    return trl_runs()


def test_the_runs_are_those_of_the_table(runs, root):
    with open(root / "experiments" / "trl" / "runs.csv", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert runs.keys() == rows[0].keys()
    assert "scale_rewards" in TEXT
    blank = 0
    for key, column in runs.items():
        assert len(column) == len(rows)
        for ours, row in zip(column.tolist(), rows, strict=True):
            said = row[key]
            if said in ("True", "False"):
                assert ours is (said == "True")
            elif key in TEXT:
                assert ours == said
            elif said:
                assert ours == float(said)
            else:
                assert np.isnan(ours)
                blank += 1
    assert blank > 0
    assert {c.dtype.kind for k, c in runs.items() if k not in TEXT} == {"f", "b"}


@pytest.mark.parametrize("option", ["group", "none"])
def test_the_folder_of_a_sweep_holds_what_the_trainer_wrote(option):
    found = sorted(trl_states(option).glob("beta-*/trainer_state.json"))
    assert len(found) > 3
    for file in found:
        beta = float(file.parent.name.removeprefix("beta-"))
        made = json.loads((file.parent / "training_args.json").read_text(encoding="utf-8"))
        assert made["beta"] == beta
        assert made["scale_rewards"] == option


CASES = (
    {"n_tokens": 1, "beta": 0.5},
    {"n_tokens": 2, "beta": 0.9},
    {"n_tokens": 2, "beta": 0.4, "scale_rewards": "none"},
    {"n_tokens": 1, "beta": 0.5, "use_bias_correction_kl": False},
    {"n_tokens": 2, "beta": 0.5, "importance_sampling_level": "sequence"},
    {"n_tokens": 1, "beta": 0.1, "loss_type": "cispo"},
    {"n_tokens": 1, "beta": 0.6, "loss_type": "cispo", "epsilon_high": 3.0},
    {"n_tokens": 1, "beta": 0.6, "start": "hot"},  # as good as forgotten
    {"n_tokens": 1, "beta": 0.55, "scale_rewards": "batch"},
    {"n_tokens": 1, "beta": 0.55, "scale_rewards": "batch", "start": "hot"},
)
USUAL = {
    "scale_rewards": "group",
    "use_bias_correction_kl": True,
    "importance_sampling_level": "token",
    "loss_type": "dapo",
    "start": "reference",
    "epsilon_high": 0.2,
    "support": 0.05,
}


def columns(cases):
    """Make a table as `trl_runs` has it."""
    rows = [USUAL | case for case in cases]
    return {key: np.array([row[key] for row in rows]) for key in rows[0]}


def test_each_run_is_expected_where_its_own_options_rest():
    expected = []
    for case in CASES:
        row, weight = USUAL | case, 1.0
        if row["loss_type"] == "cispo":  # the reward counts as much as the ratio may be
            weight = min(1.0, row["epsilon_high"])
        options = {ours: row[name] for ours, name in NAMES.items() if name in row}
        q = np.full(row["n_tokens"], 0.05 ** (1.0 / row["n_tokens"]))
        hot = row["start"] == "hot"
        expected.append(rest(q, row["beta"] / weight, hot=hot, batch=128, **options))
    table = columns(CASES)
    table["n_tokens"] = table["n_tokens"].astype(float)  # as they are read
    found = trl_predicted(table)
    assert found.shape == (len(CASES),)
    np.testing.assert_allclose(found, expected, atol=1e-7)
    assert np.ptp(found[-2:]) > 0.3  # where the start is remembered


def test_a_rival_may_say_otherwise():
    table = columns(CASES[:2])
    same = columns([case | {"scale_rewards": "none"} for case in CASES[:2]])
    np.testing.assert_array_equal(trl_predicted(table, scale_rewards="none"), trl_predicted(same))
    few = trl_predicted(columns(CASES[-2:-1]), batch=16)
    expected = trl_equilibria([0.05], 0.55, scale_rewards="batch", batch=16)[0]
    np.testing.assert_allclose(few, expected, rtol=1e-12)
    assert abs(few - trl_predicted(columns(CASES[-2:-1]))) > 1e-3


def test_recorded_runs_lie_where_they_are_expected(runs):
    usual = np.flatnonzero(runs["start"] == "reference")[::16]
    few = {key: column[usual] for key, column in runs.items()}
    np.testing.assert_allclose(few["success"], trl_predicted(few), atol=0.03)


@pytest.mark.parametrize("level", ["token", "sequence"])
@pytest.mark.parametrize("beta", [60.0, 1e-4])
def test_an_extreme_price_leaves_the_reference_or_ends_in_certainty(level, beta):
    for q in ([0.05], [0.3, 0.4], [0.99999, 0.5], [1e-12, 0.5]):
        (found,) = trl_equilibria(q, beta, scale_rewards="none", importance_sampling_level=level)
        # One token earns the force 7/8 at the price beta: its odds grow by exp(force/beta).
        expected = np.prod(q) if beta > 1.0 else 1.0
        assert found == pytest.approx(expected, rel=2e-2)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"scale_rewards": "bogus"}, r"^scale_rewards must be"),
        ({"num_generations": 1}, r"^num_generations must be .*>= 2; got .*1"),
        ({"scale_rewards": "batch", "batch": 4}, r"^batch must be .*>= 8; got .*4"),
        ({"q_steps": [1.5]}, r"^q_steps must be"),
        ({"q_steps": 0.5}, r"^q_steps must"),
    ],
)
@pytest.mark.parametrize("level", ["token", "sequence"])
def test_options_that_the_trainer_has_not_are_refused(given, said, level):
    options = {"q_steps": [0.3, 0.4], "beta": 0.5, "importance_sampling_level": level} | given
    with pytest.raises(ValueError, match=said):
        trl_equilibria(**options)

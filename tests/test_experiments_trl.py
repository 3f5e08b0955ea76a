"""Recorded runs of TRL's trainer: what they claim to be, the laws they obey, and the same again."""

import hashlib
import importlib.util
import itertools
import json
import math
import sys

import numpy as np
import pytest

from klrl_lite.diagnose import Options, diagnose
from klrl_lite.diagnostics.recorded import recorded
from klrl_lite.diagnostics.trl import trl_equilibria, trl_force
from klrl_lite.diagnostics.trl_runs import trl_predicted, trl_runs, trl_states

#: Mean of eighty updates of 128 answers: how far a run may be from its fixed point.
NEAR = 0.03


@pytest.fixture(scope="module")
def folder(root):
    return root / "experiments" / "trl"


@pytest.fixture(scope="module")
def made(folder):
    return json.loads((folder / "manifest.json").read_text())


@pytest.fixture(scope="module")
def runs():
    return trl_runs()


# --- theory ---


@pytest.mark.parametrize("option", ["group", "batch", "none"])
@pytest.mark.parametrize("success", [0.02, 0.4, 0.9])
def test_the_pull_of_trl_is_that_of_all_batches(option, success):
    # Every batch of two groups of three, with its probability, through the trainer's arithmetic.
    force = 0.0
    for batch in itertools.product((0.0, 1.0), repeat=6):
        groups = np.reshape(batch, (2, 3))
        a = groups - groups.mean(1, keepdims=True)
        std = {"group": groups.std(1, ddof=1, keepdims=True), "batch": groups.std(ddof=1)}
        a = a / (std[option] + 1e-30) if option in std else a
        chance = np.prod(np.where(groups == 1, success, 1 - success))
        score = np.where(groups == 1, 1 / success, -1 / (1 - success))  # d log pi/d P
        force += chance * (a * score).mean()
    np.testing.assert_allclose(trl_force(success, option, 3, 6), force, rtol=1e-12)


def test_one_ratio_for_the_answer_is_the_token_ratio_for_one_token():
    for option, beta in itertools.product(("group", "none"), (0.4, 0.8)):
        sequence = trl_equilibria(
            [0.1], beta, scale_rewards=option, importance_sampling_level="sequence"
        )
        token = trl_equilibria([0.1], beta, scale_rewards=option)
        np.testing.assert_allclose(sequence, token, atol=1e-8)


@pytest.mark.parametrize("beta", [0.2, 0.4])
def test_one_ratio_for_the_answer_is_at_rest_in_its_own_loss(beta):
    # The expected update of a table, from the derivative of the loss as the trainer writes it.
    rng = np.random.default_rng(0)
    size = 3
    ref = [rng.dirichlet(np.ones(size)), rng.dirichlet(np.ones(size), size)]
    logits = [np.log(r) for r in ref]
    for _ in range(4000):
        one, two = (np.exp(z) / np.exp(z).sum(-1, keepdims=True) for z in logits)
        joint = one[:, None] * two
        d = [np.log(one / ref[0])[:, None] + 0 * two, np.log(two / ref[1])]
        k3 = [np.expm1(-x) + x for x in d]
        reward = np.zeros((size, size))
        reward[0, 0] = 1.0
        advantage = reward - joint[0, 0]
        # -A rho + beta sum_t k3_t rho with log rho the mean of the tokens' log-ratios, and each
        # token's own derivative of k3; times two, which is the same for all terms.
        shared = advantage - beta * (k3[0] + k3[1]) / 2
        weight = [joint * (shared + beta * np.expm1(-x)) for x in d]
        pull = [weight[0].sum(1), weight[1]]
        grad = [w - p * w.sum(-1, keepdims=True) for w, p in zip(pull, (one, two), strict=True)]
        logits = [z + 2.0 * g for z, g in zip(logits, grad, strict=True)]
    q = [ref[0][0], ref[1][0, 0]]
    rest = trl_equilibria(
        q, beta, scale_rewards="none", num_generations=10**9, importance_sampling_level="sequence"
    )
    np.testing.assert_allclose(rest, [one[0] * two[0, 0]], atol=1e-5)
    token = trl_equilibria(q, beta, scale_rewards="none", num_generations=10**9)
    assert abs(token[0] - rest[0]) > 0.01


def test_groups_of_eight_remember_only_with_one_std_for_the_batch():
    assert len(trl_equilibria([0.05], 0.55, scale_rewards="group", batch=128)) == 1
    assert len(trl_equilibria([0.05], 0.55, scale_rewards="batch", batch=128)) == 2


# --- the recorded runs, without TRL ---


def test_the_data_are_small_and_the_manifest_knows_them(folder, made, runs):
    found = [folder / "runs.csv", folder / "paths.npz", *folder.glob("states/*/*/*")]
    files = {f.relative_to(folder).as_posix(): f for f in found}
    assert files.keys() == made["files"].keys()
    for name, digest in made["files"].items():
        assert digest == hashlib.sha256(files[name].read_bytes()).hexdigest(), name
    assert sum(f.stat().st_size for f in files.values()) < 350_000
    assert made["command"] == "python experiments/trl/run.py"
    assert made["runs"] == len(runs["beta"])
    assert made["packages"]["trl"].startswith("1.")
    assert abs(made["seconds"] - runs["seconds"].sum()) < 5


def test_the_table_is_the_end_of_the_paths(runs, made):
    path = recorded("paths", "trl")["success"]
    tail = made["tail"] // made["every"]
    assert path.shape == (len(runs["beta"]), made["steps"] // made["every"])
    np.testing.assert_allclose(path[:, -tail:].mean(1), runs["success"], atol=1e-5)
    np.testing.assert_allclose(path[:, -tail:].std(1), runs["wander"], atol=1e-5)


def test_runs_rest_where_their_options_say(runs):
    theory, usual = trl_predicted(runs), runs["start"] == "reference"
    assert abs(runs["success"] - theory)[usual].max() < NEAR
    for wrong in (
        {"use_bias_correction_kl": True}, {"use_bias_correction_kl": False},
        {"scale_rewards": "none"}, {"scale_rewards": "group"},
        {"importance_sampling_level": "token"},
    ):  # fmt: skip
        rival = trl_predicted(runs, **wrong)
        ((key, value),) = wrong.items()
        other = usual & (runs[key] != value) & (abs(rival - theory) > 2 * NEAR)
        assert other.sum() >= 3, wrong
        near = abs(runs["success"] - theory)[other]
        assert np.all(near < abs(runs["success"] - rival)[other]), wrong


def test_runs_at_two_tokens_do_not_rest_where_whole_answers_would(runs):
    two = (runs["n_tokens"] == 2) & (runs["importance_sampling_level"] == "token")
    whole = {k: v[two] for k, v in runs.items()} | {"n_tokens": np.ones(two.sum())}
    theory = trl_predicted({k: v[two] for k, v in runs.items()})
    far = abs(trl_predicted(whole) - theory) > 2 * NEAR
    assert far.sum() >= 5
    assert np.all(abs(runs["success"][two] - trl_predicted(whole))[far] > NEAR)


def test_loss_types_are_one_rule_but_for_the_bound_of_cispo(runs):
    same = (runs["beta"] == 0.75) & (runs["n_tokens"] == 2) & (runs["seed"] == 1)
    same &= (runs["scale_rewards"] == "group") & runs["use_bias_correction_kl"]
    bounded = (runs["loss_type"] == "cispo") & (runs["epsilon_high"] < 1)
    assert {"dapo", "grpo", "dr_grpo", "bnpo", "cispo", "sapo"} == set(runs["loss_type"][same])
    assert np.ptp(runs["success"][same & ~bounded]) < 0.005
    assert bounded.sum() == 1
    assert abs(runs["success"] - trl_predicted(runs))[bounded] < 0.005
    assert runs["success"][same & ~bounded].min() - runs["success"][bounded] > 0.3


def test_starts_from_above_stay_or_fall_as_predicted(runs):
    hot = runs["start"] == "hot"
    stays = runs["scale_rewards"][hot] == "batch"
    assert np.all(runs["success"][hot][stays] > 0.99)
    assert np.all(runs["success"][hot][~stays] < 0.75)
    assert stays.sum() == (~stays).sum() == 3


def test_the_trainers_own_files_tell_their_law():
    known = {"resamples": 99, "p_ref": 0.05}
    default = diagnose([trl_states("group")], Options(**known))
    literal = diagnose([trl_states("none")], Options(**known))
    assert default.families == ["Gibbs at beta sigma"]
    assert literal.families == ["literal k3"]
    assert default.answer == literal.answer == "law"


def test_logs_that_begin_late_are_trusted_only_with_a_support():
    # The first entry is a mean over six updates, in which the runs have left the reference.
    report = diagnose([trl_states("group")], Options(resamples=99))
    assert report.families == ["Gibbs at beta sigma"]
    assert report.answer == "withheld"
    given = diagnose([trl_states("group")], Options(resamples=99, p_ref=0.05))
    assert any("not at the support that was given" in m.what for m in given.messages)


# --- with TRL ---


@pytest.fixture(scope="module")
def experiment(folder):
    pytest.importorskip("trl", reason="TRL is not installed: an optional extra")
    sys.path.insert(0, str(folder))
    spec = importlib.util.spec_from_file_location("trl_run", folder / "run.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules["trl_run"] = module
    spec.loader.exec_module(module)
    import grpo  # the experiment's own module

    yield grpo
    sys.path[:] = [path for path in sys.path if path != str(folder)]


#: TRL and transformers warn of each other's old names; here warnings are errors.
loud = pytest.mark.filterwarnings("ignore")


@loud
def test_a_slice_of_the_runs_is_the_same_again(experiment, tmp_path, runs, made):
    import torch
    from grid import Case, cases

    torch.set_num_threads(1)
    case = Case(1, 0.6)
    found = experiment.train(case, tmp_path, max_steps=20)
    kept = recorded("paths", "trl")["success"][cases().index(case)]
    # The same draws, until a last bit moves one of them on another machine.
    np.testing.assert_allclose(found["path"][:2], kept[:2], atol=1e-3)
    assert abs(np.mean(found["path"][5:]) - kept[5:10].mean()) < 0.1
    assert math.isclose(found["support"], runs["support"][0], abs_tol=1e-4)


@loud
def test_the_trainer_is_unmodified(experiment):
    from trl import GRPOTrainer

    assert GRPOTrainer.__module__.startswith("trl.")
    assert not GRPOTrainer.__subclasses__()


@loud
def test_another_option_gives_another_run(experiment, tmp_path):
    # Were the comparison blind, the one above would prove nothing.
    from grid import Case

    plain = experiment.train(Case(1, 0.6, scale_rewards="none"), tmp_path, max_steps=40)
    other = experiment.train(Case(1, 0.6), tmp_path, max_steps=40)
    assert other["path"][-1] - plain["path"][-1] > 0.1

"""Recorded transformer runs: complete, what they claim to be, and the same when made again."""

import hashlib
import importlib.util
import json
import sys

import numpy as np
import pytest

from klrl_lite.diagnostics.recorded import recorded
from klrl_lite.diagnostics.transformer import LONG_RULES, RULES, predicted, predicted_crossing
from klrl_lite.equilibria import (
    grpo_equilibria,
    k2_fixed_point,
    k3_std_fixed_point,
    rule_crossing,
    rule_equilibria,
    token_fixed_point,
)
from klrl_lite.sweeps import sweep

PARTS = ("rules", "loops", "geometry", "discovery", "prompts", "lengths")


@pytest.fixture(scope="module")
def folder(root):
    return root / "experiments" / "transformer"


@pytest.fixture(scope="module")
def made(folder):
    return json.loads((folder / "manifest.json").read_text())


# --- without PyTorch ---


def test_the_data_are_small_and_the_manifest_knows_them(folder, made):
    files = {f.stem: f for f in folder.glob("*.npz")}
    assert files.keys() == made["parts"].keys() == set(PARTS)
    assert sum(f.stat().st_size for f in files.values()) < 1e6
    for part, facts in made["parts"].items():
        assert facts["sha256"] == hashlib.sha256(files[part].read_bytes()).hexdigest(), part
        assert facts["bytes"] == files[part].stat().st_size
        assert facts["seconds"] > 0
    assert made["command"] == "python experiments/transformer/run.py"
    assert {"torch", "numpy", "python", "seed", "version"} <= made.keys()


def test_the_rules_are_those_of_the_recording(made):
    assert list(RULES) == made["rules"]
    assert list(LONG_RULES) == made["long_rules"]


def test_nothing_is_missing():
    shape = {"expected": (11, 12), "sampled": (4, 11, 12), "ppo": (4, 12)}
    data = recorded("rules", "transformer")
    for mode, size in shape.items():
        for key in ("late", "success", "above", "ref_kl", "entropy", "align", "length", "spent"):
            assert data[f"{mode}.{key}"].shape == size
    for part in PARTS:
        data = recorded(part, "transformer")
        for key, value in data.items():
            known = np.isfinite(value)
            if key.endswith(".steps"):  # a completion of fewer than four tokens has fewer steps
                known |= np.isnan(value)
            if part == "discovery" and key.startswith("sampled.align"):
                known |= data["sampled.length"] == 0  # a run that found nothing has no direction
            assert np.all(known), f"{part}: {key}"


@pytest.mark.parametrize("part", PARTS)
def test_the_numbers_can_be_what_they_are_called(part):
    for key, value in recorded(part, "transformer").items():
        name = key.split(".")[-1]
        if name in ("success", "late", "steps"):
            assert np.nanmin(value) >= 0, key
            assert np.nanmax(value) <= 1 + 1e-6, key
        if name in ("above", "ref_kl", "entropy", "spent", "length"):
            assert value.min() > -1e-5, key
        if name.startswith("align"):
            assert np.nanmax(np.abs(value)) <= 1 + 1e-6, key


def test_the_measures_agree_with_each_other():
    # For one right completion KL to the optimum follows from success and the reference KL.
    data = recorded("rules", "transformer")
    p = data["steps_ref"].prod()
    for mode in ("expected", "sampled"):
        success, tau = data[f"{mode}.success"], data["tau"]
        log_z = np.log1p(p * np.expm1(1 / tau))
        above = data[f"{mode}.ref_kl"] - success / tau + log_z
        np.testing.assert_allclose(data[f"{mode}.above"], above, atol=2e-5)
        np.testing.assert_allclose(data[f"{mode}.steps"].prod(-1), success, atol=2e-6)


def test_steps_have_the_predicted_success_too():
    data = recorded("rules", "transformer")
    row = list(RULES).index("loo_k3_token")
    steps = [token_fixed_point(data["steps_ref"], t, penalty="k3") for t in data["tau"]]
    np.testing.assert_allclose(data["expected.steps"][row], steps, atol=1e-3)


@pytest.mark.parametrize("beta", [0.4, 0.6, 0.8, 1.2])
@pytest.mark.parametrize("size", [4, 8, 64, np.inf])
def test_rule_equilibria_are_those_of_the_special_cases(beta, size):
    q = np.array([0.3, 0.1])
    here = rule_equilibria(q, beta, advantage="std", group_size=size)
    there = grpo_equilibria(q.prod(), beta, size)
    keep = there[0] < 1 - 1e-7  # infinite groups: the search ends before certainty
    np.testing.assert_allclose(here[0][: keep.sum()], there[0][keep], rtol=1e-8)
    assert here[1][: keep.sum()].tolist() == there[1][keep].tolist()
    k3 = rule_equilibria(q, beta, advantage="std", penalty="k3", group_size=size)[0]
    np.testing.assert_allclose(k3, k3_std_fixed_point(q.prod(), beta, size), rtol=1e-8)


def test_rule_equilibria_without_std_and_with_tokens():
    q = np.array([0.3, 0.1, 0.6])
    mean = rule_equilibria(q, 0.3, advantage="mean", group_size=4)[0]
    np.testing.assert_allclose(mean, k2_fixed_point(q.prod(), 0.3, 0.75))
    token = rule_equilibria(q, 0.3, penalty="k3", per_token=True)[0]
    np.testing.assert_allclose(token, token_fixed_point(q, 0.3, penalty="k3").prod())


@pytest.mark.parametrize("name", RULES)
def test_a_crossing_is_where_the_fixed_point_is_a_half(name):
    q = np.array([0.2, 0.2])
    beta = predicted_crossing(name, q)
    np.testing.assert_allclose(predicted(name, q, [beta]), 0.5, atol=1e-7)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"beta": 0.0}, "beta must be > 0"),
        ({"q_steps": [0.5, 1.0]}, "q_steps must be"),
        ({"advantage": "sum"}, "advantage must be one of"),
        ({"penalty": "k1"}, "penalty must be one of"),
    ],
)
def test_rule_equilibria_refuse_what_they_cannot_read(arguments, message):
    with pytest.raises(ValueError, match=message):
        rule_equilibria(**{"q_steps": [0.2, 0.3], "beta": 0.5} | arguments)


def test_a_level_below_the_reference_is_never_crossed():
    with pytest.raises(ValueError, match="level must lie between"):
        rule_crossing([0.9, 0.9], 0.5)


# --- with PyTorch ---


@pytest.fixture(scope="module")
def run(folder):
    """Module of the experiment; torch is no dependency of the book, so it may be absent."""
    torch = pytest.importorskip("torch", reason="PyTorch is not installed: an optional extra")
    torch.set_num_threads(1)
    spec = importlib.util.spec_from_file_location("transformer_run", folder / "run.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules["transformer_run"] = module
    spec.loader.exec_module(module)
    yield module
    sys.path.remove(str(folder))


def test_the_tree_is_the_transformer_on_whole_sequences(run):
    # A network of its own, one sequence at a time with a causal mask, from the same weights.
    import torch
    from model import Transformer, completions  # the experiment's own modules
    from torch.nn import functional as F

    net = Transformer(3)
    theta = net.init(1, 5).double() + 0.05 * torch.randn(
        (1, net.size), generator=torch.Generator().manual_seed(1), dtype=torch.float64
    )
    on_the_tree = completions(net.forward(theta)[0])[0, 0]
    split = theta[0].split([torch.Size(s).numel() for s in net.shapes.values()])
    w = {k: p.view(s) for (k, s), p in zip(net.shapes.items(), split, strict=True)}

    def norm(h, scale):
        return F.layer_norm(h, h.shape[-1:]) * scale[0] + scale[1]

    for index in (0, 63, 300, 511):
        y = [index // 64, index // 8 % 8, index % 8]
        h = w["token"][[8, *y[:2]]] + w["position"]
        qkv = norm(h, w["norm1"]) @ w["qkv"] + w["qkv_bias"]
        q, k, v = (part.view(3, 2, 16).transpose(0, 1) for part in qkv.split(32, -1))
        mixed = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        h = h + mixed.transpose(0, 1).reshape(3, 32) @ w["out"]
        up = F.gelu(norm(h, w["norm2"]) @ w["up"] + w["up_bias"])
        h = norm(h + up @ w["down"] + w["down_bias"], w["norm3"])
        log_p = (h @ w["head"] + w["head_bias"]).log_softmax(-1)
        alone = log_p[[0, 1, 2], y].sum()
        assert abs(float(alone - on_the_tree[index])) < 1e-10


def test_the_weights_are_the_gradients_of_the_losses_as_written(run):
    # Losses with detached samples, as trainers write them, differentiated by autograd.
    import torch
    from rules import Switches, weights

    rng = torch.Generator().manual_seed(2)
    logits = torch.randn((1, 1, 4), generator=rng, dtype=torch.float64, requires_grad=True)
    ref = torch.randn((1, 1, 4), generator=rng, dtype=torch.float64).log_softmax(-1)
    log_pi = logits.log_softmax(-1)
    pi, d = log_pi.detach().exp(), log_pi - ref
    rho = (log_pi - log_pi.detach()).exp()
    k3 = torch.expm1(-d) + d
    losses = {"k2": [d.square() / 2, rho * k3], "k3": [k3]}
    zero = torch.zeros_like(pi)
    for name, written in losses.items():
        rule = Switches.of([f"loo_{name}"])
        beta = torch.tensor([0.7]).view(1, 1, 1)
        held = d.detach()
        (weight,) = weights(rule, pi, zero, [held], held, beta, expected=False)
        (ours,) = torch.autograd.grad((weight * log_pi).sum(), logits, retain_graph=True)
        for loss in written:
            value = -0.7 * (pi * loss).sum()
            (literal,) = torch.autograd.grad(value, logits, retain_graph=True)
            assert torch.allclose(ours, literal.to(ours.dtype), atol=1e-6)


def test_drawn_updates_have_the_expected_update_as_their_mean(run):
    import torch
    from rules import NAMES, Switches, expected_advantage, sampled_weights, weights

    pi = torch.tensor([0.15, 0.25, 0.6]).repeat(len(NAMES), 1, 1)
    d = torch.tensor([0.9, -0.4, 0.1]).repeat(len(NAMES), 1, 1)
    beta, rule = torch.full((len(NAMES), 1, 1), 0.5), Switches.of(list(NAMES))
    push = pi * expected_advantage(rule, pi, 0, 8)
    (mean,) = weights(rule, pi, push, [d], d, beta, expected=True)
    rng, drawn = torch.Generator().manual_seed(3), []
    for _ in range(40):
        share, push = sampled_weights(rule, pi, d, beta, 0, 8, 500, rng)
        drawn.append(weights(rule, share, push, [d], d, beta, expected=False)[0])
    drawn = torch.stack(drawn)
    # Only what is left after the mean over completions moves the policy: the score sums to zero.
    off = (drawn - drawn.sum(-1, keepdim=True) * pi) - (mean - mean.sum(-1, keepdim=True) * pi)
    z = off.mean(0) / (drawn.std(0) / 40**0.5)
    assert float(z.abs().max()) < 5


@pytest.mark.parametrize("name", ["loo_k2", "grpo_k2", "grpo_k3_token"])
def test_a_slice_of_expected_runs_is_the_same_again(run, name):
    parts = run.parts
    row = parts.NAMES.index(name)
    tau = parts.TAU[[2, 7]]
    again = parts.rule_cells("expected")(rule=np.full(2, row), tau=tau)
    kept = recorded("rules", "transformer")
    for key in ("success", "above", "ref_kl", "entropy"):
        recorded_one = kept[f"expected.{key}"][row, [2, 7]]
        np.testing.assert_allclose(again[key], recorded_one, atol=1e-3, err_msg=key)


def test_other_settings_give_other_runs(run):
    # Were the comparison blind, the test above would prove nothing.
    parts = run.parts
    short = parts.rule_cells("expected", parts.Setting(n_steps=15, group=8))
    again = short(rule=np.array([0]), tau=parts.TAU[[0]])
    kept = recorded("rules", "transformer")["expected.success"][0, 0]
    assert abs(again["success"][0] - kept) > 0.05


def test_natural_gradient_follows_the_mirror_direction(run):
    import torch

    parts = run.parts
    net, theta = parts.references(2, (parts.Q,))
    setting = parts.Setting(n_steps=3, optimizer="natural", rate=0.1, damping=1e-5)
    found = run.parts.train(net, theta, theta, ["loo_k2"], torch.tensor([0.3]), setting)
    assert float(found["align_first"]) > 0.999


def test_a_killed_run_goes_on_where_it_stopped(run, tmp_path, monkeypatch):
    monkeypatch.setattr(run, "CHECKPOINTS", tmp_path)
    calls = []

    def cells(tau, seed, rng=None):
        calls.append(len(tau))
        if len(calls) == 2:
            raise KeyboardInterrupt
        return {"x": tau * rng.normal(size=tau.shape)}

    axes = {"seed": np.arange(3), "tau": np.arange(1.0, 5.0)}
    with pytest.raises(KeyboardInterrupt):
        sweep(**run.piece("test", cells, axes, 4, seed=1))
    done = sweep(**run.piece("test", cells, axes, 4, seed=1))
    assert calls == [4, 4, 4, 4]  # the first block was not made again
    monkeypatch.setattr(run, "CHECKPOINTS", tmp_path / "new")
    np.testing.assert_array_equal(done["x"], sweep(**run.piece("new", cells, axes, 4, seed=1))["x"])

"""What is run: the grids of each part, and their cells for `klrl_lite.sweeps.sweep`."""

from functools import cache

import numpy as np
import torch
from model import Transformer
from reference import pretrain
from rules import NAMES
from torch import Tensor
from train import Setting, train, train_ppo

#: Support of a step in most parts: two steps, p = 0.03.
Q = 0.173
#: What is kept of a run, one number each, and one for each step.
KEPT = ("late", "success", "above", "ref_kl", "entropy")
PATH = ("spent", "length", "align", "align_first")


@cache
def references(n_tokens: int, supports: tuple, width: int = 32, n_prompts: int = 1):
    """A network, and the weights of its references, (supports, size): one for all seeds."""
    heads = 2 if width >= 8 else 1
    net = Transformer(n_tokens, width=width, heads=heads, n_prompts=n_prompts)
    return net, pretrain(net, np.reshape(supports, (-1, n_prompts)))


def measured(n_tokens: int, supports: tuple, **shape) -> np.ndarray:
    """Per-step support of the references as it came out, (supports, prompts, steps)."""
    from train import measures

    net, theta = references(n_tokens, supports, **shape)
    with torch.no_grad():
        tokens, _ = net.forward(theta)
    return measures(net, tokens, tokens, torch.ones(len(theta)))["steps"].numpy()


def generator(rng: np.random.Generator | None) -> torch.Generator:
    return torch.Generator().manual_seed(0 if rng is None else int(rng.integers(2**62)))


def tensor(x) -> Tensor:
    return torch.as_tensor(np.asarray(x), dtype=torch.float32)


def kept(found: dict[str, Tensor]) -> dict[str, np.ndarray]:
    """Numbers of single-prompt runs, (runs, ...)."""
    one = {key: found[key][:, 0] for key in (*KEPT, "wander", "steps")}
    return {k: v.numpy().astype(np.float32) for k, v in (one | {k: found[k] for k in PATH}).items()}


# --- every rule over temperature: two steps, p = 0.03, groups of 8 ---

TAU = np.geomspace(0.12, 2.4, 12)
GROUP = 8
RULE_AXES = {"rule": np.arange(len(NAMES)), "tau": TAU}
RULE_SETTING = {
    "expected": Setting(n_steps=800, group=GROUP),
    "sampled": Setting(n_steps=600, group=GROUP, n_groups=8, sampled=True),
}


def rule_cells(mode: str, setting: Setting | None = None):
    def cells(rule, tau, seed=None, rng=None):
        net, theta = references(2, (Q,))
        names = [NAMES[int(i)] for i in rule]
        start = theta.expand(len(names), -1)
        chosen = setting or RULE_SETTING[mode]
        return kept(train(net, start, start, names, tensor(tau), chosen, generator(rng)))

    return cells


PPO_SETTING = Setting(n_steps=200, group=GROUP, n_groups=8, rate=1e-3)


def ppo_cells(tau, seed=None, rng=None):
    net, theta = references(2, (Q,))
    start = theta.expand(len(tau), -1)
    return kept(train_ppo(net, start, tensor(tau), PPO_SETTING, generator(rng)))


# --- longer completions: q = 0.3 per step, reward K ---

Q_LONG = 0.3
LONG_RULES = ("loo_k2", "loo_k2_token", "loo_k3_token", "grpo_k2", "grpo_k3_token")
#: Temperature in units of the reward per step; the coefficient for a reward of 1 is STEP_TAU/K.
STEP_TAU = np.geomspace(0.15, 6.0, 12)
LONG_STEPS = {1: 500, 2: 700, 3: 900, 4: 900}


def long_cells(n_tokens: int):
    def cells(rule, tau):
        net, theta = references(n_tokens, (Q_LONG,))
        names = [LONG_RULES[int(i)] for i in rule]
        start = theta.expand(len(names), -1)
        setting = Setting(n_steps=LONG_STEPS[n_tokens], group=GROUP)
        found = kept(train(net, start, start, names, tensor(tau) / n_tokens, setting))
        padded = np.full((len(names), 4), np.nan, np.float32)
        padded[:, :n_tokens] = found["steps"]
        return found | {"steps": padded}

    return cells


# --- hysteresis: std, true KL; ramps of three speeds, and starts from below and above ---

LOOP_GROUPS = (8, 64)
RUNGS = np.geomspace(1.6, 0.35, 20)
LOOP_BETA = np.concatenate([RUNGS, RUNGS[::-1]])
LOOP_SPEED = (10, 30, 100)
LOOP_SEEDS = 6
START_BETA = np.geomspace(0.35, 1.6, 14)


def loop_trace(group: int, speed: int, rng: np.random.Generator | None, n_runs: int) -> np.ndarray:
    """Success on each rung, mean over its second half, (runs, rungs)."""
    net, theta = references(2, (Q,))
    start = theta.expand(n_runs, -1)
    every = max(1, speed // 10)

    def beta(step):
        rung = min(step // speed, len(LOOP_BETA) - 1)
        return torch.full((n_runs,), float(LOOP_BETA[rung]))

    setting = Setting(
        n_steps=speed * len(LOOP_BETA), group=group, n_groups=2, sampled=rng is not None,
        rate=1e-3, hold=True,
    )  # fmt: skip
    found = train(
        net, start, start, ["grpo_k2"] * n_runs, beta, setting, generator(rng), trace_every=every
    )
    trace = found["trace"][..., 0].numpy().reshape(n_runs, len(LOOP_BETA), -1)
    return trace[..., trace.shape[-1] // 2 :].mean(-1)


def loop_cells(sampled: bool):
    """One cell is one call: all seeds of a group size and a speed."""

    def cells(group, speed, rng=None):
        n = LOOP_SEEDS if sampled else 1
        one = rng if sampled else None
        pairs = zip(group, speed, strict=True)
        rows = [loop_trace(int(g), int(s), one, n) for g, s in pairs]
        return {"success": np.stack(rows).astype(np.float32)}

    return cells


@cache
def hot_start() -> Tensor:
    """A policy trained from the same reference until it is right nearly always."""
    net, theta = references(2, (Q,))
    setting = Setting(n_steps=300, group=64, hold=True, rate=1e-3)
    return train(net, theta, theta, ["grpo_k2"], torch.tensor([0.4]), setting)["theta"]


def start_cells(group: int, sampled: bool):
    def cells(beta, hot, seed=None, rng=None):
        net, theta = references(2, (Q,))
        above = tensor(hot)[:, None] > 0
        start = torch.where(above, hot_start(), theta)
        setting = Setting(n_steps=600, group=group, n_groups=2, sampled=sampled, rate=1e-3)
        names = ["grpo_k2"] * len(beta)
        reference = theta.expand_as(start)
        draws = generator(rng)
        return kept(train(net, start, reference, names, tensor(beta), setting, draws))

    return cells


# --- natural gradient, Adam, plain gradient: geometry or sampling? ---

GEOMETRY_TAU = np.array([0.15, 0.22, 0.29, 0.4, 0.6])
GEOMETRY = {
    "natural": {"optimizer": "natural", "n_steps": 120, "rate": 0.25, "damping": 1e-3},
    "adam": {"optimizer": "adam", "n_steps": 500, "rate": 2e-3},
    "sgd": {"optimizer": "sgd", "n_steps": 1000, "rate": 0.1},
}
SAMPLES = {
    "exact": {"sampled": False},
    "64": {"sampled": True, "n_groups": 8},
    "1024": {"sampled": True, "n_groups": 128},
}


def geometry_cells(optimizer: str, samples: str):
    def cells(tau, seed, rng=None):
        net, theta = references(2, (Q,))
        start = theta.expand(len(tau), -1)
        setting = Setting(**GEOMETRY[optimizer], **SAMPLES[samples], group=GROUP)
        names = ["loo_k2"] * len(tau)
        return kept(train(net, start, start, names, tensor(tau), setting, generator(rng)))

    return cells


# --- discovery: supports down to 1e-5, 64 samples an update ---

FIND_P = np.geomspace(0.03, 3e-6, 9)
FIND_TAU = np.geomspace(0.04, 0.4, 8)
FIND_STEPS = 400


def find_cells(sampled: bool):
    def cells(p, tau, seed=None, rng=None):
        net, theta = references(2, tuple(np.sqrt(FIND_P)))
        which = np.abs(np.log(FIND_P)[None] - np.log(p)[:, None]).argmin(-1)
        start = theta[torch.as_tensor(which)]
        setting = Setting(n_steps=FIND_STEPS, group=GROUP, n_groups=8, sampled=sampled)
        found = train(net, start, start, ["loo_k2"] * len(p), tensor(tau), setting, generator(rng))
        first = {"first": found["first"][:, 0].numpy().astype(np.int32)} if sampled else {}
        return kept(found) | first

    return cells


# --- several prompts share the parameters ---

PROMPT_Q = tuple(np.sqrt([0.2, 0.05, 0.01, 0.002]))
PROMPT_TAU = np.geomspace(0.08, 0.8, 8)


def prompt_cells(width: int, n_steps: int):
    """`only` is the one prompt that is trained, or -1 for all of them."""

    def cells(only, tau):
        net, theta = references(2, PROMPT_Q, width=width, n_prompts=4)
        start = theta.expand(len(tau), -1)
        mask = torch.ones(len(tau), 4)
        for row, prompt in zip(mask, only, strict=True):
            if prompt >= 0:
                row[:] = 0.0
                row[int(prompt)] = 1.0
        setting = Setting(n_steps=n_steps, group=GROUP)
        names = ["loo_k2"] * len(tau)
        found = train(net, start, start, names, tensor(tau), setting, mask=mask[..., None])
        return {k: found[k].numpy().astype(np.float32) for k in (*KEPT, "wander")}

    return cells

"""Update rules: what each token's log-probability is multiplied by.

Every rule here is a weight for each prefix and next token. The loss is minus the sum of weight
times log-probability, so a rule is a vector field on the tree of completions, and its gradient
goes through the network as in any trainer. Weights come from all completions (the expected
update, nothing sampled) or from drawn groups.
"""

import math
from typing import NamedTuple

import torch
from model import gather, spread
from torch import Tensor


class Rule(NamedTuple):
    """Advantage and penalty of an update.

    Attributes
    ----------
    advantage : str
        "mean": reward minus mean of its group; "loo": minus mean of the others; "std": divided by
        the group's population standard deviation as well.
    penalty : str
        "k1": log-ratio in the reward; "k2", "k3": in the loss. Multiplied by the importance
        ratio, k3 has the gradient of k2 at the policy that was sampled: "k2" stands for both.
    per_token : bool
        The penalty is summed over tokens, each differentiated by itself.
    """

    advantage: str
    penalty: str
    per_token: bool = False


RULES = {
    "rloo_k1": Rule("loo", "k1"),
    "loo_k2": Rule("loo", "k2"),
    "loo_k3": Rule("loo", "k3"),
    "loo_k2_token": Rule("loo", "k2", True),
    "loo_k3_token": Rule("loo", "k3", True),
    "mean_k2": Rule("mean", "k2"),
    "mean_k3": Rule("mean", "k3"),
    "grpo_k2": Rule("std", "k2"),
    "grpo_k3": Rule("std", "k3"),
    "grpo_k2_token": Rule("std", "k2", True),
    "grpo_k3_token": Rule("std", "k3", True),
}
NAMES = tuple(RULES)


class Switches(NamedTuple):
    """Rules of stacked runs as columns of 0s and 1s, (runs, 1, 1)."""

    mean: Tensor
    std: Tensor
    k1: Tensor
    k2: Tensor
    k3: Tensor
    per_token: Tensor

    @classmethod
    def of(cls, names: list[str]) -> "Switches":
        rules = [RULES[name] for name in names]
        columns = (
            [r.advantage == "mean" for r in rules],
            [r.advantage == "std" for r in rules],
            [r.penalty == "k1" for r in rules],
            [r.penalty == "k2" for r in rules],
            [r.penalty == "k3" for r in rules],
            [r.per_token for r in rules],
        )
        return cls(*(torch.tensor(c, dtype=torch.float32)[:, None, None] for c in columns))


def mean_sigma(success: Tensor, size: int) -> Tensor:
    """E[population std of a group of binary rewards]."""
    k = torch.arange(size + 1.0)
    choose = math.lgamma(size + 1) - torch.lgamma(k + 1) - torch.lgamma(size - k + 1)
    p = success[..., None].clamp(1e-30, 1.0)
    miss = (1 - success[..., None]).clamp(1e-7, 1.0)
    mass = (choose + k * p.log() + (size - k) * miss.log()).exp()
    return (mass * (k / size * (1 - k / size)).sqrt()).sum(-1)


def expected_advantage(rule: Switches, pi: Tensor, right: int, size: int) -> Tensor:
    """E[advantage | completion], (runs, prompts, completions), reward 1 for `right`."""
    p = pi[..., right : right + 1]
    reward = torch.zeros_like(pi)
    reward[..., right] = 1.0
    plain = reward - p
    sigma = mean_sigma(p[..., 0], size)[..., None]
    divided = plain * sigma / (p * (1 - p)).clamp(1e-12)
    return torch.where(rule.std > 0, divided, plain * (1 - rule.mean / size))


def sampled_weights(
    rule: Switches,
    pi: Tensor,
    log_ratio: Tensor,
    beta: Tensor,
    right: int,
    size: int,
    n_groups: int,
    rng: torch.Generator,
) -> tuple[Tensor, Tensor]:
    """Share of each completion among the samples, and share times advantage."""
    runs, prompts, n = pi.shape
    total = size * n_groups
    edges = pi.double().cumsum(-1)
    u = torch.rand((runs, prompts, total), dtype=torch.float64, generator=rng)
    drawn = torch.searchsorted(edges, u * edges[..., -1:]).clamp(max=n - 1)
    score = (drawn == right).float()
    score = score - beta * rule.k1 * log_ratio.gather(-1, drawn)
    groups = score.view(runs, prompts, n_groups, size)
    centred = groups - groups.mean(-1, keepdim=True)
    spread_of = groups.var(-1, correction=0, keepdim=True).sqrt().clamp(min=1e-6)
    alone = (1 - rule.mean - rule.std)[..., None] > 0  # leave-one-out
    advantage = centred * torch.where(alone, size / (size - 1.0), 1.0)
    advantage = torch.where(rule.std[..., None] > 0, advantage / spread_of, advantage)
    share = torch.zeros_like(pi).scatter_add_(-1, drawn, torch.full_like(score, 1 / total))
    flat = advantage.reshape(score.shape) / total
    return share, torch.zeros_like(pi).scatter_add_(-1, drawn, flat)


def weights(
    rule: Switches,
    share: Tensor,
    share_advantage: Tensor,
    log_ratios: list[Tensor],
    log_ratio: Tensor,
    beta: Tensor,
    *,
    expected: bool,
) -> list[Tensor]:
    """Weight of each log pi(token | prefix): one array for each depth.

    `log_ratios` are those of the tokens by depth, `log_ratio` those of completions.
    """
    whole = rule.k2 * log_ratio - rule.k3 * torch.expm1(-log_ratio)
    if expected:  # k1 in the reward: with all completions its advantage is centred exactly
        whole = whole + rule.k1 * log_ratio
        centre = rule.k1 * (share * log_ratio).sum(-1, keepdim=True)
        whole = whole - centre
    completion = share_advantage - beta * (1 - rule.per_token) * share * whole
    found = []
    for d in log_ratios:
        size = d.shape[-1]
        each = rule.k2 * d - rule.k3 * torch.expm1(-d)
        token = gather(share, size) * beta * rule.per_token * each
        found.append(gather(completion, size) - token)
    return found


def ppo_weights(
    share: Tensor,
    ratio: list[Tensor],
    advantage: list[Tensor],
    clip: float,
) -> list[Tensor]:
    """PPO's clipped surrogate: ratio times advantage where the clip lets the gradient through."""
    found = []
    for rho, a in zip(ratio, advantage, strict=True):
        n = a.shape[-1]
        r = spread(rho, n)
        open_ = torch.where(a > 0, r < 1 + clip, r > 1 - clip)
        found.append(gather(share * a * r * open_, rho.shape[-1]))
    return found

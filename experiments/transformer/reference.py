"""References: networks trained until each step writes the right token with a given chance."""

import math

import torch
from model import Adam, Transformer
from torch import Tensor

#: The right token of each step.
RIGHT = (5, 2, 7, 1)


def target(net: Transformer, q: Tensor) -> list[Tensor]:
    """Next-token probabilities to learn, (runs, prompts, V^(t+1)): q for the right token, and the
    rest unequal, depending on the token before. q is (runs, prompts)."""
    v = net.vocabulary
    rng = torch.Generator().manual_seed(17)
    wrong = torch.rand((net.n_tokens, v, v), generator=rng) + 0.25
    found = []
    for t in range(net.n_tokens):
        share = wrong[t].clone()
        share[:, RIGHT[t]] = 0.0
        share = share / share.sum(-1, keepdim=True)
        n = v**t
        rest = share.repeat(max(1, n // v), 1)[:n]  # by the last token of the prefix
        p = (1 - q)[..., None, None] * rest
        p[..., RIGHT[t]] = q[..., None]
        found.append(p.flatten(-2))
    return found


def pretrain(net: Transformer, q, seed: int = 0, n_steps: int = 500) -> Tensor:
    """Weights (runs, size) of references with per-step support near q, (runs, prompts)."""
    q = torch.as_tensor(q, dtype=torch.float32)
    goal = target(net, q)
    log_goal = [g.log() for g in goal]
    theta = net.init(len(q), seed)
    adam = Adam(theta)
    for step in range(n_steps):
        theta.requires_grad_(True)
        log_tokens, _ = net.forward(theta)
        loss = sum(
            (g * (lg - lp)).sum((1, 2)) / (g.shape[-1] / net.vocabulary)
            for g, lg, lp in zip(goal, log_goal, log_tokens, strict=True)
        )
        (grad,) = torch.autograd.grad(-loss.sum(), theta)
        rate = 4e-3 * 0.5 * (1 + math.cos(math.pi * step / n_steps))
        theta = adam.step(theta.detach(), grad, rate)
    return theta

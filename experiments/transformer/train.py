"""Training of stacked runs from one reference, with the measures that the pages need."""

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from model import Adam, Transformer, completions, gather, spread
from reference import RIGHT
from rules import Switches, expected_advantage, ppo_weights, sampled_weights, weights
from torch import Tensor

Schedule = Callable[[int], Tensor]


class Setting(NamedTuple):
    """What all runs of one call share.

    Attributes
    ----------
    group, n_groups : int
        Samples of an update are n_groups groups of this size.
    sampled : bool
        Draw the groups; else the expected update, for groups of this size.
    optimizer : {"adam", "sgd", "natural"}
    rate : float
        Learning rate; it falls to zero over the last half (cosine) unless `hold`.
    damping : float
        Added to the Fisher matrix of the natural gradient.
    """

    n_steps: int = 600
    group: int = 8
    n_groups: int = 8
    sampled: bool = False
    optimizer: str = "adam"
    rate: float = 2e-3
    damping: float = 1e-4
    hold: bool = False


def right_index(net: Transformer) -> int:
    """Number of the one right completion."""
    index = 0
    for t in range(net.n_tokens):
        index = index * net.vocabulary + RIGHT[t]
    return index


def rate_at(step: int, setting: Setting) -> float:
    """Constant, then a cosine down to zero."""
    x = max(0.0, 2.0 * step / setting.n_steps - 1.0)
    return setting.rate if setting.hold else setting.rate * 0.5 * (1 + math.cos(math.pi * x))


def train(
    net: Transformer,
    start: Tensor,
    reference: Tensor,
    names: list[str],
    beta: Tensor | Schedule,
    setting: Setting,
    rng: torch.Generator | None = None,
    trace_every: int = 0,
    mask: Tensor | float = 1.0,
) -> dict[str, Tensor]:
    """Train stacked runs, one rule name and coefficient each, and measure them.

    Parameters
    ----------
    start, reference : Tensor, (runs, size)
    names : list of str
        Keys of `RULES`, one for each run.
    beta : Tensor, (runs,), or callable
        Coefficient, or a function of the step that returns it.
    trace_every : int
        Keep the success of all prompts every so many steps.
    mask : Tensor, (runs, prompts, 1)
        Which prompts are trained.

    Returns
    -------
    dict
        Arrays (runs, ...): see `measures` and the end of this function.
    """
    rule, right = Switches.of(names), right_index(net)
    with torch.no_grad():
        ref_tokens, _ = net.forward(reference)
        ref = completions(ref_tokens)
    theta, adam = start.clone(), Adam(start)
    path, trace, late, first = Path(), [], [], None
    n_late = max(1, setting.n_steps // 5)
    for step in range(setting.n_steps):
        theta.requires_grad_(True)
        log_tokens, _ = net.forward(theta)
        held = [lp.detach() for lp in log_tokens]
        log_pi = completions(held)
        now = (beta(step) if callable(beta) else beta).view(-1, 1, 1)
        pi, log_ratio = log_pi.exp(), log_pi - ref
        if trace_every and step % trace_every == 0:
            trace.append(pi[..., right])
        if step >= setting.n_steps - n_late:
            late.append(pi[..., right])
        if setting.sampled:
            share, push = sampled_weights(
                rule, pi, log_ratio, now, right, setting.group, setting.n_groups, rng
            )
            if first is None:
                first = torch.full(push.shape[:2], setting.n_steps)
            hit = (share[..., right] > 0) & (first == setting.n_steps)
            first = torch.where(hit, step, first)
        else:
            share, push = pi, pi * expected_advantage(rule, pi, right, setting.group)
        ratios = [a - b for a, b in zip(held, ref_tokens, strict=True)]
        weight = weights(rule, share, push, ratios, log_ratio, now, expected=not setting.sampled)
        weight = [w * mask for w in weight]
        path.add(log_pi, log_ratio, now, right)
        theta = update(net, theta, log_tokens, weight, adam, rate_at(step, setting), setting)
    with torch.no_grad():
        log_tokens, _ = net.forward(theta)
        path.add(completions(log_tokens), None, None, right)
    last = beta(setting.n_steps) if callable(beta) else beta
    found = measures(net, log_tokens, ref_tokens, last)
    late = torch.stack(late)
    wander = late.std(0, correction=min(1, len(late) - 1))
    found |= {"late": late.mean(0), "wander": wander, "theta": theta} | path.result()
    if first is not None:
        found["first"] = first
    if trace_every:
        found["trace"] = torch.stack(trace, 1)
    return found


def update(net, theta, log_tokens, weight, adam, rate, setting) -> Tensor:
    """One step up the gradient of sum(weight x log-probability)."""
    if setting.optimizer == "natural":
        return natural_step(net, theta.detach(), weight, rate, setting.damping)
    gain = sum((w * lp).sum() for w, lp in zip(weight, log_tokens, strict=True))
    (grad,) = torch.autograd.grad(gain, theta)
    if setting.optimizer == "sgd":
        return theta.detach() + rate * grad
    return adam.step(theta.detach(), grad, rate)


def natural_step(net, theta, weight, rate, damping) -> Tensor:
    """Natural gradient with the exact Fisher matrix F + damping, solved in the space of tokens.

    Tokens z = log pi(token | prefix) with masses m (prefix reached, token taken) give
    F = J^T diag(m) J and gradient J^T w; then (F + c)^-1 J^T w = J^T (c + m J J^T)^-1 w.
    """
    with torch.no_grad():
        now, _ = net.forward(theta)
        total = now[-1].shape[-1]
        pi = completions(now).exp()
        mass = torch.cat([gather(pi, lp.shape[-1]) for lp in now], -1).flatten(1)
        assert total == pi.shape[-1]

    def tokens(one):
        parts, _ = net.forward(one[None])
        return torch.cat([p.flatten() for p in parts])

    jac = torch.func.vmap(torch.func.jacrev(tokens))(theta)
    flat = torch.cat([w.flatten(1) for w in weight], -1)
    gram = (jac @ jac.mT).double()
    inner = mass.double()[..., None] * gram
    inner += damping * torch.eye(gram.shape[-1], dtype=torch.float64)
    solved = torch.linalg.solve(inner, flat.double()[..., None]).float()
    return theta + rate * (jac.mT @ solved)[..., 0]


class Path:
    """Lengths and directions along the way, for the first prompt."""

    def __init__(self) -> None:
        self.old, self.aim, self.at = None, None, []
        self.spent = self.length = self.aligned = self.weight = 0.0
        self.first = None

    def add(self, log_pi, log_ratio, beta, right) -> None:
        """Take in a new policy; `log_ratio` None ends the path."""
        new = log_pi[:, 0].double()
        if self.old is not None:
            old = self.old.exp()
            moved = new - self.old
            self.spent += (new.exp() * moved).sum(-1)
            chord = ((new / 2).exp() - (self.old / 2).exp()).square().sum(-1).sqrt()
            step = 4 * torch.asin((chord / 2).clamp(max=0.5**0.5))
            self.length += step
            moved = moved - (old * moved).sum(-1, keepdim=True)
            size = (old * moved.square()).sum(-1).sqrt() * (old * self.aim.square()).sum(-1).sqrt()
            cosine = (old * moved * self.aim).sum(-1) / size.clamp(min=1e-30)
            self.aligned += step * cosine
            self.weight += step
            self.first = cosine if self.first is None else self.first
        if log_ratio is not None:
            aim = -beta[:, 0] * log_ratio[:, 0].double()
            aim[:, right] += 1.0
            self.aim = aim - (new.exp() * aim).sum(-1, keepdim=True)
        self.old = new

    def result(self) -> dict[str, Tensor]:
        return {
            "spent": self.spent,
            "length": self.length,
            "align": self.aligned / self.weight,
            "align_first": self.first,
        }


def measures(net, log_tokens, ref_tokens, beta) -> dict[str, Tensor]:
    """Exact thermometers of policies, (runs, prompts); of steps, (runs, prompts, K)."""
    right = right_index(net)
    log_pi = completions([lp.detach().double() for lp in log_tokens])
    ref = completions([lp.double() for lp in ref_tokens])
    log_pi, ref = log_pi.log_softmax(-1), ref.log_softmax(-1)
    pi = log_pi.exp()
    goal = ref.clone()
    goal[..., right] += 1 / beta.double()[:, None]
    goal = goal.log_softmax(-1)
    steps = []
    for t in range(net.n_tokens):
        index = right // net.vocabulary ** (net.n_tokens - 1 - t)
        steps.append(log_tokens[t][..., index].detach().double().exp())
    return {
        "success": pi[..., right],
        "above": (pi * (log_pi - goal)).sum(-1),
        "ref_kl": (pi * (log_pi - ref)).sum(-1),
        "entropy": -(pi * log_pi).sum(-1),
        "steps": torch.stack(steps, -1),
    }


def train_ppo(
    net: Transformer,
    reference: Tensor,
    beta: Tensor,
    setting: Setting,
    rng: torch.Generator,
    *,
    epochs: int = 4,
    clip: float = 0.2,
    trace_lambda: float = 0.95,
) -> dict[str, Tensor]:
    """PPO: log-ratios in the reward of each token, a learned critic, GAE, clip, several epochs."""
    right, total = right_index(net), setting.group * setting.n_groups
    with torch.no_grad():
        ref_tokens, _ = net.forward(reference)
        ref = completions(ref_tokens)
    theta, adam, path, late = reference.clone(), Adam(reference), Path(), []
    now, n = beta.view(-1, 1, 1), ref.shape[-1]
    n_late = max(1, setting.n_steps // 5)
    critic = torch.zeros_like(reference)
    critic[:, -(net.width + 1) :] = 10.0  # the head learns faster than the rest
    rates = torch.where(critic > 0, critic, torch.ones_like(critic))
    for step in range(setting.n_steps):
        with torch.no_grad():
            old, hidden = net.forward(theta)
            log_pi = completions(old)
            pi, log_ratio = log_pi.exp(), log_pi - ref
            value = [spread(v, n) for v in net.values(theta, hidden)]
            path.add(log_pi, log_ratio, now, right)
            if step >= setting.n_steps - n_late:
                late.append(pi[..., right])
            edges = pi.double().cumsum(-1)
            u = torch.rand((*pi.shape[:2], total), dtype=torch.float64, generator=rng)
            drawn = torch.searchsorted(edges, u * edges[..., -1:]).clamp(max=n - 1)
            ones = torch.full(drawn.shape, 1 / total)
            share = torch.zeros_like(pi).scatter_add_(-1, drawn, ones)
            gain = [-now * spread(a - b, n) for a, b in zip(old, ref_tokens, strict=True)]
            gain[-1][..., right] += 1.0
            advantage, follow = [], torch.zeros_like(pi)
            for t in reversed(range(net.n_tokens)):
                after = value[t + 1] if t + 1 < net.n_tokens else 0.0
                follow = gain[t] + after - value[t] + trace_lambda * follow
                advantage.insert(0, follow)
            goals = [a + v for a, v in zip(advantage, value, strict=True)]
        for _ in range(epochs):
            theta.requires_grad_(True)
            log_tokens, hidden = net.forward(theta)
            ratio = [(a.detach() - b).exp() for a, b in zip(log_tokens, old, strict=True)]
            weight = ppo_weights(share, ratio, advantage, clip)
            aim = sum((w * lp).sum() for w, lp in zip(weight, log_tokens, strict=True))
            guess = [spread(v, n) for v in net.values(theta, hidden)]
            error = sum((share * (v - g).square()).sum() for v, g in zip(guess, goals, strict=True))
            (grad,) = torch.autograd.grad(aim - 0.5 * error, theta)
            theta = adam.step(theta.detach(), grad, rates * rate_at(step, setting))
    with torch.no_grad():
        log_tokens, _ = net.forward(theta)
        path.add(completions(log_tokens), None, None, right)
    found = measures(net, log_tokens, ref_tokens, beta)
    late = torch.stack(late)
    return found | {"late": late.mean(0), "wander": late.std(0)} | path.result()

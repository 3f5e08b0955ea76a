"""A causal transformer on the tree of all prefixes: many copies, every completion, one program.

A completion of K tokens from a vocabulary of V passes K prefixes. There are only
1 + V + ... + V^(K-1) of them, and a causal network needs each of them once: position t of a prefix
attends to the prefixes that it extends. So all V^K probabilities cost one pass over the tree, and
nothing is sampled. Parameters of all runs are stacked, (runs, size): a sweep is one tensor program.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F


@dataclass(frozen=True)
class Transformer:
    """Shape of the network: one pre-norm block, learned positions, one start token per prompt."""

    n_tokens: int
    vocabulary: int = 8
    width: int = 32
    heads: int = 2
    n_prompts: int = 1

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        d, v = self.width, self.vocabulary
        return {
            "token": (v + self.n_prompts, d),
            "position": (self.n_tokens, d),
            "norm1": (2, 1, d),
            "qkv": (d, 3 * d),
            "qkv_bias": (1, 3 * d),
            "out": (d, d),
            "norm2": (2, 1, d),
            "up": (d, 4 * d),
            "up_bias": (1, 4 * d),
            "down": (4 * d, d),
            "down_bias": (1, d),
            "norm3": (2, 1, d),
            "head": (d, v),
            "head_bias": (1, v),
            "critic": (d, 1),  # read by PPO only
            "critic_bias": (1, 1),
        }

    @property
    def size(self) -> int:
        return sum(torch.Size(s).numel() for s in self.shapes.values())

    def init(self, n_runs: int, seed: int) -> Tensor:
        """The same random weights in every copy, (runs, size)."""
        rng = torch.Generator().manual_seed(seed)
        parts = []
        for name, shape in self.shapes.items():
            if name.startswith("norm"):
                part = torch.stack([torch.ones(shape[1:]), torch.zeros(shape[1:])])
            elif name.endswith("bias") or name == "critic":
                part = torch.zeros(shape)
            else:
                scale = 0.3 if name in ("token", "position") else shape[0] ** -0.5
                part = scale * torch.randn(shape, generator=rng)
            parts.append(part.flatten())
        return torch.cat(parts).expand(n_runs, -1).clone()

    def forward(self, theta: Tensor) -> tuple[list[Tensor], Tensor]:
        """Log-probabilities of the next token, and the last hidden states.

        Returns
        -------
        list of Tensor
            For each depth t, (runs, prompts, V^(t+1)): log pi(token | prefix), token fastest.
        Tensor
            (runs, prefixes, width), depth after depth.
        """
        n, v, x = theta.shape[0], self.vocabulary, self.n_prompts
        split = theta.split([torch.Size(s).numel() for s in self.shapes.values()], dim=1)
        w = {k: p.view(n, *s) for (k, s), p in zip(self.shapes.items(), split, strict=True)}
        word = w["token"][:, :v]
        parts = [w["token"][:, v:]]
        parts += [word.repeat(1, x * v ** (t - 1), 1) for t in range(1, self.n_tokens)]
        sizes = [part.shape[1] for part in parts]
        h = torch.cat([p + w["position"][:, t : t + 1] for t, p in enumerate(parts)], dim=1)
        qkv = torch.baddbmm(w["qkv_bias"], norm(h, w["norm1"]), w["qkv"])
        h = h + torch.bmm(self._attend(qkv.split(sizes, dim=1)), w["out"])
        up = F.gelu(torch.baddbmm(w["up_bias"], norm(h, w["norm2"]), w["up"]))
        h = norm(h + torch.baddbmm(w["down_bias"], up, w["down"]), w["norm3"])
        logits = torch.baddbmm(w["head_bias"], h, w["head"])
        by_depth = logits.log_softmax(-1).split(sizes, dim=1)
        return [lp.reshape(n, x, -1) for lp in by_depth], h

    def _attend(self, qkv: tuple[Tensor, ...]) -> Tensor:
        """Each prefix attends to itself and to the prefixes that it extends."""
        n, d, k = qkv[0].shape[0], self.width, self.heads
        q, key, value = zip(*(part.split(d, dim=-1) for part in qkv), strict=True)
        mixed = []
        for t in range(self.n_tokens):
            size = q[t].shape[1]

            def seen(part, size=size):  # an ancestor's vector, once for each descendant
                times = size // part.shape[1]
                return part.repeat_interleave(times, dim=1).view(n, size, k, d // k)

            mine = q[t].view(n, size, k, d // k) * (d // k) ** -0.5
            scores = torch.stack([(mine * seen(key[a])).sum(-1) for a in range(t + 1)], -1)
            weight = scores.softmax(-1)
            mix = sum(weight[..., a, None] * seen(value[a]) for a in range(t + 1))
            mixed.append(mix.reshape(n, size, d))
        return torch.cat(mixed, dim=1)

    def values(self, theta: Tensor, hidden: Tensor) -> list[Tensor]:
        """The critic, a linear head on the last hidden states, which it does not move."""
        w = theta[:, -(self.width + 1) :]
        value = torch.bmm(hidden.detach(), w[:, :-1, None])[..., 0] + w[:, -1:]
        sizes = [self.n_prompts * self.vocabulary**t for t in range(self.n_tokens)]
        return [p.reshape(len(theta), self.n_prompts, -1) for p in value.split(sizes, dim=1)]


def norm(h: Tensor, w: Tensor) -> Tensor:
    return F.layer_norm(h, h.shape[-1:]) * w[:, 0] + w[:, 1]


def spread(part: Tensor, size: int) -> Tensor:
    """Repeat numbers of prefixes, (runs, prompts, n), for all their completions."""
    return part.repeat_interleave(size // part.shape[-1], dim=-1)


def gather(part: Tensor, size: int) -> Tensor:
    """Sum numbers of completions over those that share a prefix: the transpose of `spread`."""
    return part.view(*part.shape[:-1], size, -1).sum(-1)


def completions(log_tokens: list[Tensor]) -> Tensor:
    """log pi of every completion, (runs, prompts, V^K)."""
    size = log_tokens[-1].shape[-1]
    return sum(spread(part, size) for part in log_tokens)


class Adam:
    """Adam for stacked runs, each with a rate of its own."""

    def __init__(self, theta: Tensor, b1: float = 0.9, b2: float = 0.99) -> None:
        self.m, self.v, self.t = torch.zeros_like(theta), torch.zeros_like(theta), 0
        self.b1, self.b2 = b1, b2

    def step(self, theta: Tensor, grad: Tensor, rate: Tensor | float) -> Tensor:
        """Ascend: theta + rate m/sqrt(v)."""
        self.t += 1
        self.m.lerp_(grad, 1 - self.b1)
        self.v.mul_(self.b2).addcmul_(grad, grad, value=1 - self.b2)
        size = (self.v / (1 - self.b2**self.t)).sqrt_().add_(1e-10)
        return theta + rate * (self.m / (1 - self.b1**self.t)) / size

"""A language model that TRL's trainer accepts and of which every completion can be counted.

Eight tokens, one block, under 8,000 parameters. The tokenizer knows two more tokens, the end and
the padding, which the network has no logit for: so each completion has exactly K tokens, and what
the trainer samples from is what it differentiates. The prompt is one token.
"""

import math
from pathlib import Path

import torch
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from torch import Tensor
from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast

VOCABULARY = 8
PROMPT = 0
#: The right token of each step.
RIGHT = (5, 2)
#: Support of each token of the reference, for answers of one and of two tokens.
SUPPORT = {1: (0.05,), 2: (0.2, 0.2)}
#: Where runs start that start from above.
HOT = {1: (0.999,), 2: (0.999, 0.999)}


def tokenizer() -> PreTrainedTokenizerFast:
    words = {f"t{i}": i for i in range(VOCABULARY)}
    words |= {"end": VOCABULARY, "pad": VOCABULARY + 1}
    made = Tokenizer(WordLevel(words, unk_token="pad"))
    made.pre_tokenizer = Whitespace()
    return PreTrainedTokenizerFast(
        tokenizer_object=made, eos_token="end", pad_token="pad", padding_side="left"
    )


def network(seed: int = 0) -> GPT2LMHeadModel:
    """Random weights; no dropout, since a policy and its reference must be functions."""
    torch.manual_seed(seed)
    return GPT2LMHeadModel(
        GPT2Config(
            vocab_size=VOCABULARY, n_positions=4, n_embd=24, n_layer=1, n_head=2,
            resid_pdrop=0.0, embd_pdrop=0.0, attn_pdrop=0.0, initializer_range=0.2,
            bos_token_id=None, eos_token_id=None,
        )
    )  # fmt: skip


def log_steps(model: GPT2LMHeadModel, n_tokens: int) -> list[Tensor]:
    """log pi of the next token after every prefix, (prefixes, vocabulary), by length."""
    first = torch.full((VOCABULARY, 1), PROMPT)
    prefixes = torch.cat([first, torch.arange(VOCABULARY)[:, None]], 1)
    if n_tokens == 1:
        return [model(first[:1]).logits[:, 0].double().log_softmax(-1)]
    log_p = model(prefixes).logits.double().log_softmax(-1)
    return [log_p[:1, 0], log_p[:, 1]]


@torch.no_grad()
def chances(model: GPT2LMHeadModel, n_tokens: int) -> list[float]:
    """Chance of the right token at each step, given that those before are right."""
    log_p = log_steps(model, n_tokens)
    rows = (0, RIGHT[0])[:n_tokens]
    return [float(p[r, a].exp()) for p, r, a in zip(log_p, rows, RIGHT, strict=False)]


@torch.no_grad()
def divergence(model: GPT2LMHeadModel, reference: GPT2LMHeadModel, n_tokens: int) -> float:
    """KL(pi || pi_ref) over all completions."""
    log_p, log_q = log_steps(model, n_tokens), log_steps(reference, n_tokens)
    each = [(p.exp() * (p - q)).sum(-1) for p, q in zip(log_p, log_q, strict=True)]
    return float(each[0][0] + (log_p[0][0].exp() @ each[1] if n_tokens == 2 else 0.0))


def target(support: tuple[float, ...]) -> list[Tensor]:
    """Next-token probabilities to learn: these for the right tokens, the rest unequal."""
    rng = torch.Generator().manual_seed(17)
    found = []
    for t, q in enumerate(support):
        p = torch.rand((VOCABULARY**t, VOCABULARY), generator=rng, dtype=torch.float64) + 0.25
        p[:, RIGHT[t]] = 0.0
        p *= (1 - q) / p.sum(-1, keepdim=True)
        p[:, RIGHT[t]] = q
        found.append(p)
    return found


def pretrained(folder: Path, support: tuple[float, ...], n_steps: int = 500) -> Path:
    """Train a network to these chances, once, and save it as `from_pretrained` reads it."""
    path = folder / "-".join(["network", *map(str, support)])
    if (path / "done").is_file():
        return path
    model, goal = network(), target(support)
    adam = torch.optim.Adam(model.parameters())
    for step in range(n_steps):
        adam.param_groups[0]["lr"] = 5e-3 * (1 + math.cos(math.pi * step / n_steps))
        log_p = log_steps(model, len(support))
        loss = -sum((g * lp).sum(-1).mean() for g, lp in zip(goal, log_p, strict=True))
        adam.zero_grad()
        loss.backward()
        adam.step()
    model.save_pretrained(path)
    tokenizer().save_pretrained(path)
    (path / "done").touch()
    return path


def right(completion_ids: list[list[int]], **_: object) -> list[float]:
    """Reward 1 for the one right completion, 0 for all others."""
    return [float(tuple(ids) == RIGHT[: len(ids)]) for ids in completion_ids]

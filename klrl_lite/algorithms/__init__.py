"""Algorithms: each sees a policy and a signal, never the problem or its solution."""

from . import grpo, mirror, ppo, trpo
from .base import Algorithm, Run, iterate, run

#: Every algorithm by name: its constructor. The conformance tests run over this table.
REGISTRY = {
    "mirror_descent": mirror.mirror_descent,
    "proximal": mirror.proximal,
    "trust_region": mirror.trust_region,
    "natural_gradient": trpo.natural_gradient,
    "trpo": trpo.trpo,
    "ppo": ppo.ppo,
    "grpo": grpo.grpo,
}

__all__ = ["REGISTRY", "Algorithm", "Run", "iterate", "run"]

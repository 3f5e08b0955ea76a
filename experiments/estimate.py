"""What a sweep like those of this folder would need with a language model of 8 billion parameters.

    python experiments/estimate.py      prints the table of experiments/README.md

Nothing here is measured. Counts follow from the shape of the model and of the sweep; the two shares
of the peak that are reached, and the share of the time that is lost otherwise, are assumptions, and
hours are inversely proportional to them.
"""

from dataclasses import dataclass
from math import sqrt

GB, TERA, HOUR = 1e9, 1e12, 3600.0


@dataclass(frozen=True)
class Model:
    """A causal transformer with grouped queries and a gated feed-forward part."""

    layers: int = 32
    width: int = 4096
    inner: int = 14336
    key_width: int = 1024
    vocabulary: int = 128256

    @property
    def per_layer(self) -> int:
        """Entries of the matrices of a layer; the scales of its two norms do not count."""
        attention = 2 * self.width * (self.width + self.key_width)
        return attention + 3 * self.width * self.inner

    @property
    def parameters(self) -> int:
        """N, with the embedding and the head, which are two matrices."""
        return self.layers * self.per_layer + 2 * self.vocabulary * self.width

    @property
    def cache_bytes(self) -> int:
        """Keys and values of one token, two bytes a number."""
        return 2 * self.layers * self.key_width * 2


@dataclass(frozen=True)
class Sweep:
    """How much is run."""

    betas: int = 12
    supports: int = 3
    seeds: int = 3
    steps: int = 300
    prompts: int = 64
    samples: int = 16
    prompt_tokens: int = 256
    tokens: int = 512

    @property
    def points(self) -> int:
        """Runs of the trainer."""
        return self.betas * self.supports * self.seeds

    @property
    def sequences(self) -> int:
        """Completions of a step."""
        return self.prompts * self.samples


@dataclass(frozen=True)
class Machine:
    """One GPU, and what is reached of it; all three shares are assumptions."""

    peak: float = 989 * TERA  # H100, bfloat16, dense
    bandwidth: float = 3.35 * TERA
    memory: float = 80 * GB
    train_share: float = 0.4
    generate_share: float = 0.1
    lost: float = 1 / 3  # waiting for the longest completion, moving weights, rewards


def memory(model: Model) -> dict[str, float]:
    """Bytes for each copy of the weights and what belongs to it."""
    n = model.parameters
    return {
        "weights and gradients": 4.0 * n,  # bfloat16
        "optimizer": 12.0 * n,  # weights and two moments of Adam in single precision
        "reference": 2.0 * n,
        "inference engine": 2.0 * n,
    }


def work(model: Model, sweep: Sweep) -> dict[str, float]:
    """Operations of a step: 2 N for a token forward, 4 N backward."""
    n, generated = model.parameters, sweep.sequences * sweep.tokens
    seen = sweep.sequences * (sweep.prompt_tokens + sweep.tokens)
    return {
        "generate": 2.0 * n * generated,
        "score": 2.0 * n * seen * 2,  # with the policy that drew them, and with the reference
        "train": 6.0 * n * seen,
    }


def gpu_seconds(model: Model, sweep: Sweep, gpu: Machine) -> float:
    """GPU-seconds of a step, without what is lost."""
    todo = work(model, sweep)
    thinking = (todo["score"] + todo["train"]) / (gpu.peak * gpu.train_share)
    return thinking + todo["generate"] / (gpu.peak * gpu.generate_share)


def least_generating(model: Model, sweep: Sweep, gpu: Machine, n_gpus: int = 8) -> float:
    """GPU-seconds that generating takes at least: for each token all weights and keys are read."""
    there = sweep.sequences / n_gpus
    middle = sweep.prompt_tokens + sweep.tokens / 2
    read = 2.0 * model.parameters + there * middle * model.cache_bytes
    return n_gpus * sweep.tokens * read / gpu.bandwidth


def table() -> list[tuple[str, str]]:
    """Rows of the table: what, and how much."""
    model, sweep, gpu = Model(), Sweep(), Machine()
    n, todo, parts = model.parameters, work(model, sweep), memory(model)
    step = gpu_seconds(model, sweep, gpu)
    point = step * sweep.steps / HOUR / (1 - gpu.lost)
    cache = sweep.sequences * (sweep.prompt_tokens + sweep.tokens) * model.cache_bytes
    draws, length = 500 * 4096, sweep.tokens
    look = draws * length * 2 * n / (gpu.peak * gpu.generate_share) / HOUR
    return [
        ("parameters N", f"{n / 1e9:.2f} billion"),
        *((f"memory: {name}", f"{size / GB:.0f} GB") for name, size in parts.items()),
        ("memory: keys and values, all completions of a step", f"{cache / GB:.0f} GB"),
        ("memory of 8 GPUs", f"{8 * gpu.memory / GB:.0f} GB"),
        ("points", f"{sweep.points}"),
        ("tokens generated in a step", f"{sweep.sequences * length / 1e6:.2f} million"),
        *((f"operations of a step: {name}", f"{x / 1e15:.1f}e15") for name, x in todo.items()),
        ("GPU-seconds of a step", f"{step:.0f}"),
        ("of them generating", f"{todo['generate'] / (gpu.peak * gpu.generate_share):.0f}"),
        ("generating, at least", f"{least_generating(model, sweep, gpu):.0f}"),
        ("GPU-hours of a point", f"{point:.0f}"),
        ("GPU-hours of the sweep", f"{point * sweep.points:,.0f}"),
        ("days on 64 GPUs", f"{point * sweep.points / 64 / 24:.1f}"),
        ("GPU-hours to look at the reference", f"{look:.0f}"),
        ("support that 4096 samples without a success still allow, 95 %", f"{3 / 4096:.1e}"),
        ("steps to a first success at p = 1e-6", f"{1 / (1e-6 * sweep.sequences):.0f}"),
        ("state to save so that a point can go on", f"{(12 + 2) * n / GB:.0f} GB"),
        ("three log-probabilities of each token, a point",
         f"{3 * 4 * sweep.sequences * length * sweep.steps / GB:.1f} GB"),
        ("error of a sequence's log-ratio, 0.01 a token", f"{0.01 * sqrt(length):.2f} nats"),
    ]  # fmt: skip


def main() -> None:
    print("| | |\n|---|---|")
    for what, how_much in table():
        print(f"| {what} | {how_much} |")


if __name__ == "__main__":
    main()

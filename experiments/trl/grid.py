"""What is run: options of `GRPOConfig`, coefficients, starts and seeds."""

from typing import NamedTuple

#: Answers to a group (the trainer's default), answers of an update, updates, those measured.
GROUP, BATCH, STEPS, TAIL = 8, 128, 120, 80
#: The success rate is counted after every so many updates.
EVERY = 2
SEED = 1
#: The sweeps over coefficients are run with both.
SEEDS = (SEED, 2)


class Case(NamedTuple):
    """One run. The defaults are those of TRL 1.16, but for `beta`, which is 0 there."""

    n_tokens: int
    beta: float
    seed: int = SEED
    scale_rewards: str = "group"
    use_bias_correction_kl: bool = True
    importance_sampling_level: str = "token"
    loss_type: str = "dapo"
    start: str = "reference"
    epsilon_high: float = 0.2

    @property
    def name(self) -> str:
        kl = "corrected" if self.use_bias_correction_kl else "literal"
        options = (self.scale_rewards, kl, self.importance_sampling_level, self.loss_type)
        parts = (f"K{self.n_tokens}", *options, self.start, f"beta-{self.beta:g}")
        clip = () if self.epsilon_high == 0.2 else (f"clip-{self.epsilon_high:g}",)
        return "-".join((*parts, *clip, f"seed-{self.seed}"))


#: Coefficients around the predicted crossing: for one token and for two.
BETA = {
    ("none", True): ((0.18, 0.22, 0.27, 0.33, 0.42, 0.6), (0.22, 0.27, 0.33, 0.42)),
    ("none", False): ((0.2, 0.3, 0.42, 0.55, 0.75, 1.1), (0.15, 0.25, 0.4, 0.6)),
    ("group", True): ((0.42, 0.5, 0.6, 0.75, 1.0, 1.5), (0.5, 0.6, 0.75, 1.0)),
    ("group", False): ((0.35, 0.5, 0.7, 0.95, 1.3, 1.9), (0.3, 0.5, 0.75, 1.2)),
    ("batch", True): ((0.55, 0.62, 0.75, 0.95, 1.3, 1.8), (0.62, 0.7, 0.85, 1.1)),
    ("batch", False): ((0.35, 0.5, 0.7, 0.95, 1.3, 1.9), (0.3, 0.5, 0.75, 1.2)),
}
#: One importance ratio for each answer, as GSPO has it.
SEQUENCE = {"none": (0.2, 0.3, 0.42), "group": (0.3, 0.5, 0.8)}
LOSSES = ("grpo", "dr_grpo", "bnpo", "cispo", "sapo")
LOSS_BETA = 0.75
#: CISPO's clip is a bound on the ratio itself; this is what TRL's documentation recommends.
CISPO_CLIP = 5.0
#: Starts from above: one std for the batch, and one for each group.
HOT_BETA = (0.5, 0.55, 0.62)
#: Runs whose `trainer_state.json` is kept, as the trainer wrote it: the default, and the other end.
KEPT = [Case(1, beta) for beta in BETA["group", True][0]]
KEPT += [Case(1, beta, SEED, "none", False) for beta in BETA["none", False][0][:5]]


def cases() -> list[Case]:
    sweeps = [Case(n, b, SEED, *key) for n in (1, 2) for key, x in BETA.items() for b in x[n - 1]]
    found = list(sweeps)
    for scale in ("batch", "group"):
        found += [Case(1, beta, SEED, scale, start="hot") for beta in HOT_BETA]
    for scale, betas in SEQUENCE.items():
        found += [Case(2, beta, SEED, scale, True, "sequence") for beta in betas]
    found += [Case(2, LOSS_BETA, SEED, loss_type=loss) for loss in LOSSES]
    found += [Case(2, LOSS_BETA, SEED, loss_type="cispo", epsilon_high=CISPO_CLIP)]
    # Seed after seed, so that a recording that is broken off holds whole sweeps.
    return found + [case._replace(seed=SEEDS[1]) for case in sweeps]

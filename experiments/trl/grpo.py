"""One run of TRL's `GRPOTrainer`, as it comes: no method is replaced, no loss is changed."""

import json
import math
import time
from pathlib import Path

from datasets import Dataset
from grid import BATCH, EVERY, GROUP, STEPS, TAIL, Case
from tiny import HOT, SUPPORT, chances, divergence, pretrained, right, tokenizer
from transformers import GPT2LMHeadModel, TrainerCallback
from trl import GRPOConfig, GRPOTrainer

#: Arguments that are kept beside a trainer's state: the others are defaults, or folders.
ARGUMENTS = (
    "beta", "num_generations", "scale_rewards", "use_bias_correction_kl", "loss_type", "seed",
    "importance_sampling_level", "num_iterations", "learning_rate", "logging_steps", "max_steps",
    "generation_batch_size", "steps_per_generation", "gradient_accumulation_steps", "temperature",
    "max_completion_length", "per_device_train_batch_size", "epsilon", "max_grad_norm",
)  # fmt: skip
#: The same for all runs. `max_grad_norm=0` turns clipping of the gradient off.
SETTINGS = {
    "num_generations": GROUP, "per_device_train_batch_size": BATCH,
    "lr_scheduler_type": "constant", "adam_beta2": 0.99, "max_grad_norm": 0.0,
    "num_iterations": 1, "temperature": 1.0, "logging_steps": 6,
}  # fmt: skip
#: Near certainty the gradient is small and Adam's step is not: starts from above take smaller ones.
RATE = {"reference": 4e-3, "hot": 1e-3}


class Count(TrainerCallback):
    """Write down the exact success rate; it only looks."""

    def __init__(self, n_tokens: int) -> None:
        self.n_tokens, self.steps = n_tokens, []

    def on_step_end(self, args, state, control, model=None, **_):
        if state.global_step % EVERY == 0:
            self.steps.append(chances(model, self.n_tokens))


def train(case: Case, folder: Path, max_steps: int = STEPS) -> dict:
    """Train one case, and return what is recorded of it."""
    path = pretrained(folder, SUPPORT[case.n_tokens])
    policy = GPT2LMHeadModel.from_pretrained(path)
    reference = GPT2LMHeadModel.from_pretrained(path).eval()
    if case.start == "hot":
        # The trainer loads its reference from where the policy's configuration says it came from.
        hot = GPT2LMHeadModel.from_pretrained(pretrained(folder, HOT[case.n_tokens]))
        policy.load_state_dict(hot.state_dict())
    out = folder / "runs" / case.name
    config = GRPOConfig(
        output_dir=str(out), beta=case.beta, seed=case.seed, scale_rewards=case.scale_rewards,
        use_bias_correction_kl=case.use_bias_correction_kl, loss_type=case.loss_type,
        importance_sampling_level=case.importance_sampling_level, max_steps=max_steps,
        epsilon_high=case.epsilon_high, max_completion_length=case.n_tokens,
        learning_rate=RATE[case.start], use_cpu=True, bf16=False, report_to="none",
        save_strategy="no", disable_tqdm=True, log_level="error", **SETTINGS,
    )  # fmt: skip
    count = Count(case.n_tokens)
    prompts = Dataset.from_dict({"prompt": ["t0"] * (BATCH // GROUP)})
    start = time.perf_counter()
    trainer = GRPOTrainer(
        model=policy, reward_funcs=right, args=config, train_dataset=prompts,
        processing_class=tokenizer(), callbacks=[count],
    )  # fmt: skip
    began = chances(trainer.model, case.n_tokens)
    trainer.train()
    seconds = time.perf_counter() - start
    trainer.save_state()
    known = config.to_dict()
    kept = json.dumps({key: known[key] for key in ARGUMENTS}, indent=1)
    (out / "training_args.json").write_text(kept + "\n", encoding="utf-8")
    return summary(case, count.steps) | {
        "support": math.prod(chances(reference, case.n_tokens)),
        "began": math.prod(began),
        "ref_kl": divergence(trainer.model, reference, case.n_tokens),
        "seconds": seconds,
    }


def summary(case: Case, steps: list[list[float]]) -> dict:
    """Means over the tail, and the whole path of success."""
    path = [math.prod(each) for each in steps]
    tail = steps[-(TAIL // EVERY) :]
    means = [sum(each[t] for each in tail) / len(tail) for t in range(case.n_tokens)]
    late = [math.prod(each) for each in tail]
    success = sum(late) / len(late)
    wander = math.sqrt(sum((p - success) ** 2 for p in late) / len(late))
    return {"success": success, "wander": wander, "steps": means, "path": path}

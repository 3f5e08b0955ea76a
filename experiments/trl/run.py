"""TRL's GRPOTrainer, unmodified, on a task whose completions can all be counted.

    python experiments/trl/run.py           all runs, ten to twenty-five minutes on one core
    python experiments/trl/run.py --list    what is done
    python experiments/trl/run.py --only K1-group

Needs `experiments/requirements-trl.txt`; the book does not. Nothing is downloaded. Each run, some
five seconds, is kept under _build/trl when it ends: whatever interrupts the command, it goes on
with the next one.
"""

import argparse
import csv
import hashlib
import json
import os
import platform
import shutil
import sys
import time
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ |= {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}
HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

import grid

BUILD = Path(os.environ.get("KLRL_CHECKPOINTS", HERE.parents[1] / "_build")) / "trl"
#: Changing it makes all finished runs stale: do so when anything that is run changes.
VERSION = "1"
#: Columns of runs.csv.
COLUMNS = (
    *grid.Case._fields, "support", "began", "success", "wander", "step_1", "step_2", "ref_kl",
    "seconds",
)  # fmt: skip


def result_of(case: grid.Case) -> Path:
    return BUILD / "results" / f"{VERSION}-{case.name}.json"


def make(cases: list[grid.Case]) -> None:
    """Train what has not been trained yet."""
    todo = [case for case in cases if not result_of(case).is_file()]
    if not todo:
        return
    import torch

    torch.set_num_threads(1)
    import grpo
    from transformers import logging

    logging.set_verbosity_error()
    for i, case in enumerate(todo, 1):
        found = grpo.train(case, BUILD)
        path = result_of(case)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.with_suffix(".part").write_text(json.dumps(found), encoding="utf-8")
        os.replace(path.with_suffix(".part"), path)
        numbers = f"success {found['success']:.3f}, {found['seconds']:.0f} s"
        clock = time.strftime("%H:%M:%S")
        print(f"{clock}  {i} of {len(todo)}  {case.name}: {numbers}", file=sys.stderr, flush=True)


def rows_of(cases: list[grid.Case]) -> list[dict]:
    rows = []
    for case in cases:
        found = json.loads(result_of(case).read_text())
        steps = [*found["steps"], ""][:2]
        numbers = {k: found[k] for k in ("support", "began", "success", "wander", "ref_kl")}
        numbers |= dict(zip(("step_1", "step_2"), steps, strict=True))
        row = case._asdict() | {k: f"{v:.6f}" if v != "" else "" for k, v in numbers.items()}
        rows.append(row | {"seconds": f"{found['seconds']:.1f}"})
    return rows


def record(cases: list[grid.Case]) -> None:
    """Write the table, the paths, the kept states and the manifest."""
    import numpy as np

    with open(HERE / "runs.part", "w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        table.writeheader()
        table.writerows(rows_of(cases))
    os.replace(HERE / "runs.part", HERE / "runs.csv")
    paths = [json.loads(result_of(case).read_text())["path"] for case in cases]
    with open(HERE / "paths.part", "wb") as file:
        np.savez_compressed(file, success=np.array(paths, np.float32))
    os.replace(HERE / "paths.part", HERE / "paths.npz")
    shutil.rmtree(HERE / "states", ignore_errors=True)
    for case in grid.KEPT:
        target = HERE / "states" / f"{case.scale_rewards}" / f"beta-{case.beta:g}"
        target.mkdir(parents=True)
        for name in ("trainer_state.json", "training_args.json"):
            shutil.copyfile(BUILD / "runs" / case.name / name, target / name)
    write_manifest(cases)


def write_manifest(cases: list[grid.Case]) -> None:
    from importlib.metadata import version

    kept = sorted([HERE / "runs.csv", HERE / "paths.npz", *HERE.glob("states/*/*/*.json")])
    seconds = sum(json.loads(result_of(case).read_text())["seconds"] for case in cases)
    packages = ("torch", "trl", "transformers", "datasets", "accelerate", "tokenizers", "numpy")
    manifest = {
        "command": "python experiments/trl/run.py",
        "version": VERSION,
        "date": time.strftime("%Y-%m-%d"),
        "seconds": round(seconds),
        "seed": list(grid.SEEDS),
        "runs": len(cases),
        "group": grid.GROUP, "batch": grid.BATCH, "steps": grid.STEPS, "tail": grid.TAIL,
        "every": grid.EVERY,
        "python": platform.python_version(),
        "packages": {name: version(name) for name in packages},
        "threads": 1,
        "files": {
            f.relative_to(HERE).as_posix(): hashlib.sha256(f.read_bytes()).hexdigest()
            for f in kept
        },
    }  # fmt: skip
    target = HERE / "manifest.json"
    target.with_suffix(".part").write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")
    os.replace(target.with_suffix(".part"), target)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--list", action="store_true", help="show what is done and end")
    parser.add_argument("--only", default="", help="runs whose name begins so; records nothing")
    chosen = parser.parse_args()
    cases = grid.cases()
    if chosen.list:
        done = sum(result_of(case).is_file() for case in cases)
        print(f"{done} of {len(cases)} runs done")
        return
    if chosen.only:
        make([case for case in cases if case.name.startswith(chosen.only)])
        return
    make(cases)
    record(cases)
    print(f"{time.strftime('%H:%M:%S')}  recorded {len(cases)} runs", file=sys.stderr)


if __name__ == "__main__":
    main()

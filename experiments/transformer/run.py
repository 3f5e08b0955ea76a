"""A transformer small enough that every completion is counted: train it with every rule, measure.

    python experiments/transformer/run.py              all parts, about ten minutes on one core
    python experiments/transformer/run.py rules loops  some of them
    python experiments/transformer/run.py --list       parts, and what of them is done

Needs PyTorch (`experiments/requirements-torch.txt`); the book does not. Finished pieces, none of
them longer than a minute or so, are kept under _build/transformer: a run that was interrupted, also
by kill -9, goes on where it stopped.
"""

import argparse
import hashlib
import json
import os
import platform
import sys
import time
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

import numpy as np
import parts
import torch

from klrl_lite.sweeps import sweep

CHECKPOINTS = Path(os.environ.get("KLRL_CHECKPOINTS", HERE.parents[1] / "_build")) / "transformer"
#: Changing it makes all checkpoints stale: do so when anything that is run changes.
VERSION = "1"
SEED = 2027
N_SEEDS = 4


def piece(name: str, cells, axes: dict, tile: int, seed: int | None = None) -> dict:
    """One sweep with its checkpoint: `tile` runs are one tensor program, and one stored block."""
    start, total = time.perf_counter(), int(np.prod([len(a) for a in axes.values()]))

    def say(done: int, all_cells: int) -> None:
        seconds = time.perf_counter() - start
        print(f"{time.strftime('%H:%M:%S')}  {name}: {done} of {all_cells} runs, {seconds:.0f} s",
              file=sys.stderr, flush=True)  # fmt: skip

    random = {} if seed is None else {"seed": [SEED, seed], "tile": tile}
    return sweep(
        timed(name, cells), axes, block=min(tile, total), checkpoint=CHECKPOINTS / name,
        key=VERSION, progress=say, **random,
    )  # fmt: skip


def timed(name: str, cells):
    """Add the seconds of each call to a file: wall time over interruptions, reused pieces free."""
    import functools

    @functools.wraps(cells)
    def call(**arguments):
        start = time.perf_counter()
        found = cells(**arguments)
        path = CHECKPOINTS / "seconds" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        before = float(path.read_text()) if path.is_file() else 0.0
        path.write_text(str(before + time.perf_counter() - start))
        return found

    return call


def flat(prefix: str, found: dict) -> dict:
    return {f"{prefix}.{key}": value for key, value in found.items()}


def rules() -> dict:
    axes, seeds = parts.RULE_AXES, np.arange(N_SEEDS)
    runs = len(parts.NAMES) * len(parts.TAU)
    found = {"tau": parts.TAU, "steps_ref": parts.measured(2, (parts.Q,))[0, 0]}
    found |= flat("expected", piece("rules-expected", parts.rule_cells("expected"), axes, runs))
    found |= flat(
        "sampled",
        piece("rules-sampled", parts.rule_cells("sampled"), {"seed": seeds, **axes}, runs, seed=1),
    )
    axes = {"seed": seeds, "tau": parts.TAU}
    ppo = piece("rules-ppo", parts.ppo_cells, axes, len(parts.TAU) * N_SEEDS, seed=2)
    return found | flat("ppo", ppo)


def lengths() -> dict:
    found = {"tau": parts.STEP_TAU}
    axes = {"rule": np.arange(len(parts.LONG_RULES)), "tau": parts.STEP_TAU}
    for n in parts.LONG_STEPS:
        tile = len(parts.STEP_TAU) * (1 if n == 4 else len(parts.LONG_RULES))
        found |= flat(f"K{n}", piece(f"lengths-{n}", parts.long_cells(n), axes, tile))
        found[f"K{n}.steps_ref"] = parts.measured(n, (parts.Q_LONG,))[0, 0]
    return found


def loops() -> dict:
    found = {"beta": parts.LOOP_BETA, "start_beta": parts.START_BETA}
    found["speed"] = np.array(parts.LOOP_SPEED)
    found["steps_ref"] = parts.measured(2, (parts.Q,))[0, 0]
    axes = {"group": parts.LOOP_GROUPS, "speed": parts.LOOP_SPEED}
    found |= flat("expected", piece("loops-expected", parts.loop_cells(False), axes, 1))
    found |= flat("sampled", piece("loops-sampled", parts.loop_cells(True), axes, 1, seed=3))
    starts = {"beta": parts.START_BETA, "hot": np.arange(2)}
    runs = 2 * len(parts.START_BETA)
    for group in parts.LOOP_GROUPS:
        one = piece(f"starts-{group}-expected", parts.start_cells(group, False), starts, runs)
        found |= flat(f"starts.{group}.expected", one)
        axes = {"seed": np.arange(N_SEEDS), **starts}
        cells = parts.start_cells(group, True)
        many = piece(f"starts-{group}", cells, axes, runs * N_SEEDS, seed=4 + group)
        found |= flat(f"starts.{group}.sampled", many)
    return found


def geometry() -> dict:
    found = {"tau": parts.GEOMETRY_TAU}
    for i, optimizer in enumerate(parts.GEOMETRY):
        for j, samples in enumerate(parts.SAMPLES):
            axes = {"tau": parts.GEOMETRY_TAU, "seed": np.arange(1 if samples == "exact" else 2)}
            cells = parts.geometry_cells(optimizer, samples)
            runs = len(axes["tau"]) * len(axes["seed"])
            one = piece(f"geometry-{optimizer}-{samples}", cells, axes, runs, seed=200 + 10 * i + j)
            found |= flat(f"{optimizer}.{samples}", one)
    return found


def discovery() -> dict:
    found = {"p": parts.FIND_P, "tau": parts.FIND_TAU}
    found["steps_ref"] = parts.measured(2, tuple(np.sqrt(parts.FIND_P)))[:, 0]
    axes = {"p": parts.FIND_P, "tau": parts.FIND_TAU}
    runs = len(parts.FIND_P) * len(parts.FIND_TAU)
    found |= flat("expected", piece("discovery-expected", parts.find_cells(False), axes, runs))
    axes = {"seed": np.arange(N_SEEDS), **axes}
    return found | flat("sampled", piece("discovery", parts.find_cells(True), axes, runs, seed=6))


def prompts() -> dict:
    found = {"tau": parts.PROMPT_TAU}
    axes = {"only": np.array([-1, 0, 3]), "tau": parts.PROMPT_TAU}
    runs = 3 * len(parts.PROMPT_TAU)
    for width, n_steps in ((32, 100), (32, 1000), (3, 1500)):
        name = f"w{width}.{n_steps}"
        shape = {"width": width, "n_prompts": 4}
        found[f"{name}.steps_ref"] = parts.measured(2, parts.PROMPT_Q, **shape)[0]
        cells = parts.prompt_cells(width, n_steps)
        found |= flat(name, piece(f"prompts-{name}", cells, axes, runs))
    return found


PARTS = {f.__name__: f for f in (rules, loops, geometry, discovery, prompts, lengths)}


def seconds_of(part: str) -> int:
    """Wall time of all pieces of a part, over all interruptions."""
    first = {"rules": ("rules",), "loops": ("loops", "starts")}.get(part, (part,))
    folder = CHECKPOINTS / "seconds"
    return round(sum(float(f.read_text()) for f in folder.iterdir() if f.name.startswith(first)))


def small(key: str, array: np.ndarray) -> np.ndarray:
    """Single precision for results; axes as they are."""
    array = np.asarray(array)
    return array.astype(np.float32) if "." in key and array.dtype.kind == "f" else array


def save(part: str, found: dict) -> None:
    """Write the table and the manifest, each in one move."""
    path = HERE / f"{part}.npz"
    with open(path.with_suffix(".part"), "wb") as file:
        np.savez_compressed(file, **{key: small(key, value) for key, value in found.items()})
    os.replace(path.with_suffix(".part"), path)
    target = HERE / "manifest.json"
    manifest = json.loads(target.read_text()) if target.is_file() else {"parts": {}}
    manifest["parts"][part] = {
        "date": time.strftime("%Y-%m-%d"),
        "seconds": seconds_of(part),
        "bytes": path.stat().st_size,
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
    }
    manifest |= {
        "command": "python experiments/transformer/run.py",
        "seed": SEED,
        "version": VERSION,
        "rules": list(parts.NAMES),
        "long_rules": list(parts.LONG_RULES),
        "group": parts.GROUP,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": np.__version__,
        "threads": torch.get_num_threads(),
    }
    target.with_suffix(".part").write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")
    os.replace(target.with_suffix(".part"), target)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], help="default: all")
    parser.add_argument("--list", action="store_true", help="show the parts and end")
    parser.add_argument("--threads", type=int, default=1)
    chosen = parser.parse_args()
    torch.set_num_threads(chosen.threads)
    if chosen.list:
        for part in PARTS:
            print(f"{part:10s} {'recorded' if (HERE / f'{part}.npz').is_file() else 'not yet'}")
        return
    for part in chosen.parts or PARTS:
        save(part, PARTS[part]())
        print(f"{time.strftime('%H:%M:%S')}  {part}: recorded", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()

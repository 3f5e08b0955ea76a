"""A transformer small enough that every completion is counted: train it with every rule, measure.

    python experiments/transformer/run.py              all parts, about ten minutes on one core
    python experiments/transformer/run.py rules loops  some of them
    python experiments/transformer/run.py --list       parts, and what of them is done
    python experiments/transformer/run.py --workers 1  on one core; by default on all of them
    python experiments/transformer/run.py --cluster tcp://HOST:8786      on a Dask cluster

Needs PyTorch (`experiments/requirements-torch.txt`); the book does not. Finished pieces, none of
them longer than a minute or so, are kept under _build/transformer: a run that was interrupted, also
by kill -9, goes on where it stopped. Each process trains the references for itself, on one thread.
"""

import argparse
import hashlib
import json
import os
import platform
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

os.environ.setdefault("OMP_NUM_THREADS", "1")
HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

import numpy as np
import parts
import torch

from klrl_lite.sweeps import SweepResult, command, print_progress, sweep_all

CHECKPOINTS = Path(os.environ.get("KLRL_CHECKPOINTS", HERE.parents[1] / "_build")) / "transformer"
#: Changing it makes all checkpoints stale: do so when anything that is run changes.
VERSION = "1"
SEED = 2027
N_SEEDS = 4


class Part(NamedTuple):
    """What is stored as it is, and the sweeps by the start of their results' names."""

    axes: dict[str, np.ndarray]
    pieces: dict[str, dict]


def piece(name: str, cells, axes: dict, tile: int, seed: int | None = None) -> dict:
    """Arguments of one sweep: `tile` runs are one tensor program, and one stored block."""
    total = int(np.prod([len(a) for a in axes.values()]))
    random = {} if seed is None else {"seed": [SEED, seed], "tile": tile}
    checkpoint = CHECKPOINTS / name
    return {
        "cells": cells, "axes": axes, "block": min(tile, total), "checkpoint": checkpoint,
        "key": VERSION, **random,
    }  # fmt: skip


def rules() -> Part:
    axes, seeds = parts.RULE_AXES, np.arange(N_SEEDS)
    runs, many = len(parts.NAMES) * len(parts.TAU), {"seed": seeds, **axes}
    pairs = {"seed": seeds, "tau": parts.TAU}
    return Part(
        {"tau": parts.TAU, "steps_ref": parts.measured(2, (parts.Q,))[0, 0]},
        {
            "expected": piece("rules-expected", parts.rule_cells("expected"), axes, runs),
            "sampled": piece("rules-sampled", parts.rule_cells("sampled"), many, runs, seed=1),
            "ppo": piece("rules-ppo", parts.ppo_cells, pairs, len(parts.TAU) * N_SEEDS, seed=2),
        },
    )


def lengths() -> Part:
    found, pieces = {"tau": parts.STEP_TAU}, {}
    axes = {"rule": np.arange(len(parts.LONG_RULES)), "tau": parts.STEP_TAU}
    for n in parts.LONG_STEPS:
        tile = len(parts.STEP_TAU) * (1 if n == 4 else len(parts.LONG_RULES))
        pieces[f"K{n}"] = piece(f"lengths-{n}", parts.long_cells(n), axes, tile)
        found[f"K{n}.steps_ref"] = parts.measured(n, (parts.Q_LONG,))[0, 0]
    return Part(found, pieces)


def loops() -> Part:
    found = {"beta": parts.LOOP_BETA, "start_beta": parts.START_BETA}
    found["speed"] = np.array(parts.LOOP_SPEED)
    found["steps_ref"] = parts.measured(2, (parts.Q,))[0, 0]
    axes = {"group": parts.LOOP_GROUPS, "speed": parts.LOOP_SPEED}
    pieces = {
        "expected": piece("loops-expected", parts.loop_cells(False), axes, 1),
        "sampled": piece("loops-sampled", parts.loop_cells(True), axes, 1, seed=3),
    }
    starts = {"beta": parts.START_BETA, "hot": np.arange(2)}
    runs, axes = 2 * len(parts.START_BETA), {"seed": np.arange(N_SEEDS), **starts}
    for group in parts.LOOP_GROUPS:
        name, cells = f"starts-{group}-expected", parts.start_cells(group, False)
        pieces[f"starts.{group}.expected"] = piece(name, cells, starts, runs)
        name, cells = f"starts-{group}", parts.start_cells(group, True)
        one = piece(name, cells, axes, runs * N_SEEDS, seed=4 + group)
        pieces[f"starts.{group}.sampled"] = one
    return Part(found, pieces)


def geometry() -> Part:
    pieces = {}
    for i, optimizer in enumerate(parts.GEOMETRY):
        for j, samples in enumerate(parts.SAMPLES):
            axes = {"tau": parts.GEOMETRY_TAU, "seed": np.arange(1 if samples == "exact" else 2)}
            cells = parts.geometry_cells(optimizer, samples)
            runs = len(axes["tau"]) * len(axes["seed"])
            one = piece(f"geometry-{optimizer}-{samples}", cells, axes, runs, seed=200 + 10 * i + j)
            pieces[f"{optimizer}.{samples}"] = one
    return Part({"tau": parts.GEOMETRY_TAU}, pieces)


def discovery() -> Part:
    found = {"p": parts.FIND_P, "tau": parts.FIND_TAU}
    found["steps_ref"] = parts.measured(2, tuple(np.sqrt(parts.FIND_P)))[:, 0]
    axes = {"p": parts.FIND_P, "tau": parts.FIND_TAU}
    runs, many = len(parts.FIND_P) * len(parts.FIND_TAU), {"seed": np.arange(N_SEEDS), **axes}
    expected = piece("discovery-expected", parts.find_cells(False), axes, runs)
    sampled = piece("discovery", parts.find_cells(True), many, runs, seed=6)
    return Part(found, {"expected": expected, "sampled": sampled})


def prompts() -> Part:
    found, pieces = {"tau": parts.PROMPT_TAU}, {}
    axes = {"only": np.array([-1, 0, 3]), "tau": parts.PROMPT_TAU}
    runs = 3 * len(parts.PROMPT_TAU)
    for width, n_steps in ((32, 100), (32, 1000), (3, 1500)):
        name = f"w{width}.{n_steps}"
        shape = {"width": width, "n_prompts": 4}
        found[f"{name}.steps_ref"] = parts.measured(2, parts.PROMPT_Q, **shape)[0]
        pieces[name] = piece(f"prompts-{name}", parts.prompt_cells(width, n_steps), axes, runs)
    return Part(found, pieces)


PARTS = {f.__name__: f for f in (rules, loops, geometry, discovery, prompts, lengths)}


def small(key: str, array: np.ndarray) -> np.ndarray:
    """Single precision for results; axes as they are."""
    array = np.asarray(array)
    return array.astype(np.float32) if "." in key and array.dtype.kind == "f" else array


def save(part: str, axes: dict, done: Mapping[str, SweepResult]) -> None:
    """Write the table and the manifest, each in one move."""
    results = {f"{name}.{key}": a for name, one in done.items() for key, a in one.items()}
    found, path = axes | results, HERE / f"{part}.npz"
    with open(path.with_suffix(".part"), "wb") as file:
        np.savez_compressed(file, **{key: small(key, value) for key, value in found.items()})
    os.replace(path.with_suffix(".part"), path)
    target = HERE / "manifest.json"
    manifest = json.loads(target.read_text()) if target.is_file() else {"parts": {}}
    manifest["parts"][part] = {
        "date": time.strftime("%Y-%m-%d"),
        "seconds": round(sum(one.seconds for one in done.values())),
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


def say(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S')}  {text}", file=sys.stderr, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], help="default: all")
    parser.add_argument("--list", action="store_true", help="show the parts and end")
    command.add_options(parser)
    options = parser.parse_args()
    if options.list:
        for part in PARTS:
            print(f"{part:10s} {'recorded' if (HERE / f'{part}.npz').is_file() else 'not yet'}")
        return
    torch.set_num_threads(1)
    with command.chosen(options) as workers:
        say(f"workers: {workers}; training the references")
        chosen = {part: PARTS[part]() for part in options.parts or PARTS}
        sweeps = {
            f"{part} {name}": one for part, it in chosen.items() for name, one in it.pieces.items()
        }
        done = sweep_all(sweeps, workers=workers, progress=print_progress)
    for name, result in done.items():
        for file, reason in result.info.refused:
            say(f"computed again: {name}, {file}, {reason}")
    for part, it in chosen.items():
        save(part, it.axes, {name: done[f"{part} {name}"] for name in it.pieces})
        say(f"{part}: recorded")


if __name__ == "__main__":
    main()

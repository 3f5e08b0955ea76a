"""Phase planes and scoreboard of chapter 08: run every algorithm, keep what the pages show.

    python experiments/phase_plane/run.py                  all parts, about two hours on one core
    python experiments/phase_plane/run.py planes           one part: planes, chains or board
    python experiments/phase_plane/run.py --workers 1      on one core; by default on all of them
    python experiments/phase_plane/run.py --cluster tcp://HOST:8786      on a Dask cluster

An interrupted run, also one ended by kill -9, goes on where it stopped: finished pieces are kept
under _build/. Every row of a plane has a seed of its own, so that a page, or a test, can repeat any
of them by itself with `plane_row`. Results are stored in half precision (three digits), and are the
same however many processes or machines computed them.
"""

import argparse
import json
import os
import platform
import sys
import time
from collections.abc import Mapping
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import scipy

from klrl_lite.diagnostics.cells import board_cells, plane_cells
from klrl_lite.diagnostics.lineup import LINEUP
from klrl_lite.sweeps import SweepResult, command, print_progress, sweep, sweep_all

HERE = Path(__file__).resolve().parent
CHECKPOINTS = Path(os.environ.get("KLRL_CHECKPOINTS", HERE.parents[1] / "_build")) / "phase_plane"
#: Changing it makes all checkpoints stale: do so when `cells` or the line-up change.
VERSION = "1"
SEED = 2026

TAU = np.geomspace(0.05, 2.0, 64)
P_REF = np.geomspace(1e-5, 0.4, 64)
#: Supports of a plane: all of them with mean signals, every second one with samples.
ROWS = {"expected": np.arange(64), "drawn": np.arange(1, 64, 2)}
SEEDS = np.arange(16)
NAMES = {
    "expected": ("mirror", "trpo", "ppo", "grpo", "mean_k3", "loo"),
    "drawn": ("mirror", "trpo", "ppo", "grpo", "mean_k3"),
}
CHAIN = {
    "q_step": np.linspace(0.35, 0.84, 8),
    "n_tokens": np.array([2, 4, 8, 16]),
    "tau": np.geomspace(0.1, 10.0, 48),
}
X = np.geomspace(0.25, 4.0, 13)
ARENAS = ("tabular", "linear", "network")
#: Runs that are one piece: computed in one call, stored in one file.
PIECE = 512

#: Name of a sweep -> what it found.
Done = Mapping[str, SweepResult]


def code(name: str) -> int:
    return list(LINEUP).index(name)


# --- what is run: the arguments of each sweep ---


def row_sweep(name: str, i: int, signal: str) -> dict:
    """One row of a plane, support P_REF[i]."""
    return {
        "cells": plane_cells(name, signal),
        "axes": {
            "p": P_REF[i : i + 1],
            "tau": TAU,
            "seed": SEEDS if signal == "drawn" else SEEDS[:1],
        },
        "seed": [SEED, code(name), int(i)],
        "key": f"{VERSION} {name} {signal}",
    }


def chain_sweep(name: str) -> dict:
    return {
        "cells": plane_cells(name, "expected", chain=True),
        "axes": CHAIN,
        "seed": [SEED, 2000, code(name)],
        "key": f"{VERSION} {name}",
    }


def board_sweep(name: str, kind: str) -> dict:
    """One row of the scoreboard in one arena."""
    return {
        "cells": board_cells(name, kind),
        "axes": {"x": X, "seed": SEEDS[:8] if kind == "network" else SEEDS},
        "seed": [SEED, 1000 + ARENAS.index(kind), code(name)],
        "key": f"{VERSION} {name} {kind}",
    }


def sweeps_of(part: str) -> dict[str, dict]:
    """All sweeps of a part by name, which is also the folder of their checkpoint."""
    if part == "planes":
        return {
            f"{signal}/{name}/{i}": row_sweep(name, i, signal)
            for signal, names in NAMES.items()
            for name in names
            for i in ROWS[signal]
        }
    if part == "chains":
        return {f"chains/{name}": chain_sweep(name) for name in NAMES["expected"]}
    return {
        f"board/{kind}/{name}": board_sweep(name, kind)
        for kind in ARENAS
        for name, one in LINEUP.items()
        if one.family != "policy" or kind == "tabular"
    }


def plane_row(name: str, i: int, signal: str = "drawn") -> dict:
    """One row of a plane by itself: arrays (tau, seed)."""
    return {key: value[0] for key, value in sweep(**row_sweep(name, i, signal)).items()}


def board_part(name: str, kind: str) -> dict:
    """One row of the scoreboard by itself: arrays (x, seed, ...)."""
    return sweep(**board_sweep(name, kind))


# --- what is kept of it ---


def planes(done: Done) -> dict:
    found = {"tau": TAU, "p": P_REF, "p_drawn": P_REF[ROWS["drawn"]]}
    for signal, names in NAMES.items():
        for name in names:
            rows = [done[f"{signal}/{name}/{i}"] for i in ROWS[signal]]
            for key in rows[0]:
                plane = np.stack([row[key][0] for row in rows])  # p, tau, seed
                whole = key == "success" and signal == "drawn"
                found[f"{signal}.{name}.{key}"] = plane if whole else plane.mean(axis=-1)
    return found


def flat(done: Done, start: str) -> dict:
    """Results of all sweeps by dotted name."""
    return {
        f"{name.removeprefix(start).replace('/', '.')}.{key}": value
        for name, result in done.items()
        for key, value in result.items()
    }


def chains(done: Done) -> dict:
    return CHAIN | flat(done, "chains/")


def board(done: Done) -> dict:
    return {"x": X} | flat(done, "board/")


PARTS = {"planes": planes, "chains": chains, "board": board}


def say(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S')}  {text}", file=sys.stderr, flush=True)


def rounded(key: str, array: np.ndarray) -> np.ndarray:
    """Half precision for results; axes as they are."""
    if "." not in key:
        return array
    return np.clip(array, -6e4, 6e4).astype(np.float16)


def save(part: str, found: dict, seconds: float) -> None:
    """Write the table and the manifest, each in one move: a killed run leaves no half file."""
    table, target = HERE / f"{part}.npz", HERE / "manifest.json"
    with open(table.with_suffix(".part"), "wb") as file:
        np.savez_compressed(file, **{k: rounded(k, np.asarray(v)) for k, v in found.items()})
    os.replace(table.with_suffix(".part"), table)
    manifest = json.loads(target.read_text()) if target.is_file() else {"parts": {}}
    manifest["parts"][part] = {
        "date": time.strftime("%Y-%m-%d"),
        "seconds": round(seconds, 1),
        "bytes": table.stat().st_size,
    }
    manifest |= {
        "command": "python experiments/phase_plane/run.py",
        "seed": SEED,
        "version": VERSION,
        "python": platform.python_version(),
        "numpy": np.__version__,
        "scipy": scipy.__version__,
    }
    target.with_suffix(".part").write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")
    os.replace(target.with_suffix(".part"), target)
    say(f"{part}: {manifest['parts'][part]}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], help="default: all")
    command.add_options(parser)
    options = parser.parse_args()
    sweeps = {part: sweeps_of(part) for part in options.parts or PARTS}
    everything = {
        name: one | {"block": PIECE, "checkpoint": CHECKPOINTS / name}
        for several in sweeps.values()
        for name, one in several.items()
    }
    with command.chosen(options) as workers:
        say(f"workers: {workers}")
        done = sweep_all(everything, workers=workers, progress=print_progress)
    for name, result in done.items():
        for file, reason in result.info.refused:
            say(f"computed again: {name}/{file}, {reason}")
    for part, several in sweeps.items():
        own = {name: done[name] for name in several}
        save(part, PARTS[part](own), sum(result.seconds for result in own.values()))


if __name__ == "__main__":
    main()

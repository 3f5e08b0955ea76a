"""Phase planes and scoreboard of chapter 08: run every algorithm, keep what the pages show.

    python experiments/phase_plane/run.py                  all parts, about half an hour on one core
    python experiments/phase_plane/run.py planes           one part: planes, chains or board

An interrupted run goes on where it stopped: finished pieces are kept under _build/. Every row of a
plane has a seed of its own, so that a page, or a test, can repeat any of them by itself with
`plane_row`. Results are stored in half precision (three digits).
"""

import argparse
import json
import os
import platform
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import scipy

from klrl_lite.diagnostics.cells import board_cells, plane_cells
from klrl_lite.diagnostics.lineup import LINEUP
from klrl_lite.sweeps import sweep

HERE = Path(__file__).resolve().parent
CHECKPOINTS = HERE.parents[1] / "_build" / "phase_plane"
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


def code(name: str) -> int:
    return list(LINEUP).index(name)


def plane_row(name: str, i: int, signal: str = "drawn", checkpoint=None) -> dict:
    """One row of a plane, support P_REF[i]: arrays (tau, seed)."""
    seeds = SEEDS if signal == "drawn" else SEEDS[:1]
    result = sweep(
        plane_cells(name, signal),
        {"p": P_REF[i : i + 1], "tau": TAU, "seed": seeds},
        seed=[SEED, code(name), int(i)],
        checkpoint=checkpoint,
        key=f"{VERSION} {name} {signal}",
    )
    return {key: value[0] for key, value in result.items()}


def board_part(name: str, kind: str, checkpoint=None) -> dict:
    """One row of the scoreboard in one arena: arrays (x, seed, ...)."""
    return sweep(
        board_cells(name, kind),
        {"x": X, "seed": SEEDS[:8] if kind == "network" else SEEDS},
        seed=[SEED, 1000 + ARENAS.index(kind), code(name)],
        checkpoint=checkpoint,
        key=f"{VERSION} {name} {kind}",
    )


def planes() -> dict:
    found = {"tau": TAU, "p": P_REF, "p_drawn": P_REF[ROWS["drawn"]]}
    for signal, names in NAMES.items():
        for name in names:
            rows = []
            for i in ROWS[signal]:
                say(f"plane of {name}, {signal}: row {i}")
                rows.append(plane_row(name, i, signal, CHECKPOINTS / signal / name / str(i)))
            for key in rows[0]:
                plane = np.stack([row[key] for row in rows])  # p, tau, seed
                whole = key == "success" and signal == "drawn"
                found[f"{signal}.{name}.{key}"] = plane if whole else plane.mean(axis=-1)
    return found


def chains() -> dict:
    found = dict(CHAIN)
    for name in NAMES["expected"]:
        say(f"chains of {name}")
        result = sweep(
            plane_cells(name, "expected", chain=True),
            CHAIN,
            seed=[SEED, 2000, code(name)],
            checkpoint=CHECKPOINTS / "chains" / name,
            key=f"{VERSION} {name}",
        )
        found |= {f"{name}.{key}": value for key, value in result.items()}
    return found


def board() -> dict:
    found = {"x": X}
    for kind in ARENAS:
        for name, one in LINEUP.items():
            if one.family == "policy" and kind != "tabular":
                continue
            say(f"scoreboard: {name}, {kind}")
            result = board_part(name, kind, CHECKPOINTS / "board" / kind / name)
            found |= {f"{kind}.{name}.{key}": value for key, value in result.items()}
    return found


PARTS = {"planes": planes, "chains": chains, "board": board}


def say(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S')}  {text}", file=sys.stderr, flush=True)


@contextmanager
def stopwatch(part: str) -> Iterator[Callable[[], int]]:
    """Wall time of a part, added up over interruptions."""
    path = CHECKPOINTS / f"{part}.seconds"
    path.parent.mkdir(parents=True, exist_ok=True)
    before, start = float(path.read_text()) if path.is_file() else 0.0, time.perf_counter()
    try:
        yield lambda: round(float(path.read_text()))
    finally:
        path.write_text(str(before + time.perf_counter() - start))


def rounded(key: str, array: np.ndarray) -> np.ndarray:
    """Half precision for results; axes as they are."""
    if "." not in key:
        return array
    return np.clip(array, -6e4, 6e4).astype(np.float16)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("parts", nargs="*", choices=[*PARTS], help="default: all")
    chosen = parser.parse_args().parts or list(PARTS)
    path = HERE / "manifest.json"
    for part in chosen:
        with stopwatch(part) as seconds:
            found = {key: rounded(key, np.asarray(value)) for key, value in PARTS[part]().items()}
        np.savez_compressed(HERE / f"{part}.npz", **found)
        manifest = json.loads(path.read_text()) if path.is_file() else {"parts": {}}
        manifest["parts"][part] = {
            "date": time.strftime("%Y-%m-%d"),
            "seconds": seconds(),
            "bytes": (HERE / f"{part}.npz").stat().st_size,
        }
        manifest |= {
            "command": "python experiments/phase_plane/run.py",
            "seed": SEED,
            "version": VERSION,
            "python": platform.python_version(),
            "numpy": np.__version__,
            "scipy": scipy.__version__,
        }
        path.write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")
        say(f"{part}: {manifest['parts'][part]}")


if __name__ == "__main__":
    main()

"""Long runs survive: killed by SIGKILL at any point, or with damaged files, they end up the same.

A run kills itself at a chosen point, in a process of its own; then it is done again.
"""

import importlib.util
import json
import os
import runpy
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from klrl_lite.sweeps import sweep

pytestmark = pytest.mark.skipif(os.name != "posix", reason="kills in the way of POSIX")

#: Kills this process at the n-th time that something happens.
POINTS = """
import os, signal, sys, time
import numpy as np

def die():
    os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(60)

def at_call(n, function, before=die, after=None):
    count = [0]
    def call(*arguments, **named):
        count[0] += 1
        if count[0] == n and before:
            before(*arguments) if before is not die else die()
        result = function(*arguments, **named)
        if count[0] == n and after:
            after()
        return result
    return call

def half(file, *rest, **arrays):
    file.write(b"PK half a file")
    file.flush()
    die()

def prepare(point):
    what, _, n = point.partition(":")
    if what == "half a block":
        np.savez = at_call(int(n), np.savez, before=half)
    elif what == "half a table":
        np.savez_compressed = at_call(int(n), np.savez_compressed, before=half)
    elif what == "before the move":
        os.replace = at_call(int(n), os.replace)
    elif what == "after the move":
        os.replace = at_call(int(n), os.replace, before=None, after=die)
"""

SWEEP = """
from multiprocessing import active_children
from pathlib import Path
from klrl_lite.sweeps import pools, sweep

def cells(x, rng):
    if os.environ.get("KILL_AT") == str(x[0]):
        die()
    return {"x": x, "draw": rng.normal(size=(len(x), 3))}

OPTIONS = {"cells": cells, "axes": {"x": np.arange(50)}, "seed": 11, "tile": 5, "block": 10}

if __name__ == "__main__":
    folder, point, workers = sys.argv[1:]
    prepare(point)
    what, _, where = point.partition(":")
    if what == "inside":
        os.environ["KILL_AT"] = where

    def progress(done, total):
        Path(folder, "workers").write_text(" ".join(str(p.pid) for p in active_children()))
        if (what, where) == ("told", str(done)):
            die()

    workers = pools.local(2) if workers == "joblib" else int(workers)
    sweep(**OPTIONS, checkpoint=folder, workers=workers, progress=progress)
"""


def killed(script, *arguments):
    """Run a script that must end by being killed."""
    run = subprocess.run(
        [sys.executable, script, *map(str, arguments)], capture_output=True, text=True, timeout=120
    )
    assert run.returncode == -signal.SIGKILL, run.stderr


# --- sweeps ---


@pytest.fixture(scope="module")
def script(tmp_path_factory):
    path = tmp_path_factory.mktemp("script") / "script.py"
    path.write_text(POINTS + SWEEP)
    return path


def same(a, b):
    assert a.keys() == b.keys()
    for name, array in a.items():
        assert (array.dtype, array.shape) == (b[name].dtype, b[name].shape)
        assert array.tobytes() == b[name].tobytes()


# The first move is that of the note of the block size.
KILLS = {
    "in the first block": ("inside:0", 0),
    "between the tiles of a block": ("inside:25", 2),
    "in the last block": ("inside:40", 4),
    "half of the first file": ("half a block:1", 0),
    "half of the fourth file": ("half a block:4", 3),
    "before the note is there": ("before the move:1", 0),
    "a whole file, not in its place": ("before the move:3", 1),
    "just after a file": ("after the move:4", 3),
    "just after the last file": ("after the move:6", 5),
}


@pytest.mark.parametrize(("point", "kept"), KILLS.values(), ids=KILLS)
def test_a_killed_sweep_goes_on_where_it_stopped(script, tmp_path, point, kept):
    killed(script, tmp_path, point, 1)
    assert len(list(tmp_path.glob("cells-*.npz"))) == kept
    options = runpy.run_path(str(script))["OPTIONS"]
    resumed = sweep(**options, checkpoint=tmp_path)
    same(resumed, sweep(**options))
    assert resumed.info.n_reused == kept
    assert resumed.info.refused == ()


@pytest.mark.parametrize(
    ("workers", "error"), [("2", "BrokenProcessPool"), ("joblib", "TerminatedWorkerError")]
)
def test_a_killed_worker_process_ends_the_sweep_which_then_goes_on(
    script, tmp_path, workers, error
):
    if workers == "joblib":
        pytest.importorskip("joblib")
    run = subprocess.run(
        [sys.executable, script, tmp_path, "inside:20", workers],
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert run.returncode == 1
    assert error in run.stderr
    options = runpy.run_path(str(script))["OPTIONS"]
    resumed = sweep(**options, checkpoint=tmp_path)
    same(resumed, sweep(**options))
    assert resumed.info.n_reused < 5


def test_the_workers_of_a_killed_sweep_end_too(script, tmp_path):
    killed(script, tmp_path, "told:20", 2)
    workers = [int(pid) for pid in (tmp_path / "workers").read_text().split()]
    assert len(workers) == 2
    end = time.monotonic() + 30
    while any(map(is_running, workers)):
        assert time.monotonic() < end, "workers are left over"
        time.sleep(0.02)
    options = runpy.run_path(str(script))["OPTIONS"]
    resumed = sweep(**options, checkpoint=tmp_path)
    same(resumed, sweep(**options))
    assert resumed.info.n_reused >= 2


def is_running(pid):
    try:
        os.kill(pid, 0)
        # Where nobody asks for its exit status, an ended process keeps its number.
        ended = Path("/proc/self").exists() and ") Z" in Path(f"/proc/{pid}/stat").read_text()
    except (ProcessLookupError, FileNotFoundError):
        return False
    return not ended


# --- the phase planes, as a command with a small plan ---

PLANES = """
import importlib.util
from pathlib import Path

def small(path, folder):
    spec = importlib.util.spec_from_file_location("phase_plane_small", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    folder = Path(folder)
    module.HERE, module.CHECKPOINTS = folder, folder / "checkpoints"
    module.TAU, module.SEEDS = np.array([0.2, 0.4, 0.8]), np.arange(2)
    module.ROWS = {"expected": np.array([40]), "drawn": np.array([41, 55])}
    module.NAMES = {"expected": ("mirror",), "drawn": ("ppo",)}
    return module

if __name__ == "__main__":
    path, folder, point = sys.argv[1:4]
    prepare(point)
    module = small(path, folder)
    sys.argv[1:] = ["planes", *(sys.argv[4:] or ["--workers", "1"])]
    module.main()
"""


@pytest.fixture(scope="module")
def planes(root, tmp_path_factory):
    """Script of the command, and how to run it here: folder -> table, words that it said."""
    script = tmp_path_factory.mktemp("script") / "planes.py"
    script.write_text(POINTS + PLANES)
    path = root / "experiments" / "phase_plane" / "run.py"
    small = runpy.run_path(str(script))["small"]

    def run(folder, monkeypatch, capsys, *words):
        words = words or ("--workers", "1")
        monkeypatch.setattr(sys, "argv", ["run.py", "planes", *words])
        small(path, folder).main()
        with np.load(folder / "planes.npz") as file:
            table = dict(file)
        manifest = json.loads((folder / "manifest.json").read_text())
        assert manifest["parts"]["planes"]["bytes"] == (folder / "planes.npz").stat().st_size
        assert not list(folder.glob("*.part"))
        return table, capsys.readouterr().err

    return script, path, run


@pytest.fixture(scope="module")
def whole(planes, tmp_path_factory):
    """Table of a run that nothing happened to, in a process of its own."""
    script, path, _ = planes
    folder = tmp_path_factory.mktemp("whole")
    subprocess.run(
        [sys.executable, script, path, folder, ""], check=True, capture_output=True, timeout=120
    )
    with np.load(folder / "planes.npz") as file:
        return dict(file)


@pytest.mark.slow
@pytest.mark.parametrize(
    "point",
    # Two moves for each of three sweeps: note and block; then the table and the manifest.
    ["half a block:2", "before the move:5", "half a table:1", "before the move:7",
     "after the move:7", "before the move:8"],
)  # fmt: skip
def test_killed_phase_planes_go_on(planes, whole, tmp_path, monkeypatch, capsys, point):
    script, path, run = planes
    killed(script, path, tmp_path, point)
    table, said = run(tmp_path, monkeypatch, capsys)
    same(table, whole)
    assert "computed again" not in said


DAMAGE = {
    "zero bytes": lambda file, other: file.write_bytes(b""),
    "truncated": lambda file, other: file.write_bytes(file.read_bytes()[:200]),
    "garbage": lambda file, other: file.write_bytes(bytes(range(256)) * 8),
    "of another plan": lambda file, other: file.write_bytes(other.read_bytes()),
}


@pytest.mark.parametrize("how", DAMAGE)
def test_damaged_checkpoints_are_named_and_computed_again(
    planes, whole, tmp_path, monkeypatch, capsys, how
):
    _, _, run = planes
    same(run(tmp_path, monkeypatch, capsys)[0], whole)
    row, other = (tmp_path / "checkpoints" / "drawn" / "ppo" / i for i in ("41", "55"))
    (file,) = row.glob("cells-*.npz")
    DAMAGE[how](file, next(other.glob("cells-*.npz")))
    table, said = run(tmp_path, monkeypatch, capsys)
    same(table, whole)
    named = [line for line in said.splitlines() if "computed again" in line]
    reason = "of another sweep" if how == "of another plan" else "unreadable"
    assert len(named) == 1
    assert f"drawn/ppo/41/{file.name}, {reason}" in named[0]
    # The file is sound again: nothing is said next time.
    assert "computed again" not in run(tmp_path, monkeypatch, capsys)[1]


def test_the_number_of_processes_changes_nothing(planes, whole, tmp_path, monkeypatch, capsys):
    pytest.importorskip("joblib")
    _, _, run = planes
    same(run(tmp_path, monkeypatch, capsys, "--workers", "2")[0], whole)


# --- the transformer, where PyTorch is ---

TRANSFORMER = """
import importlib.util
from pathlib import Path

if __name__ == "__main__":
    path, folder, point = sys.argv[1:4]
    prepare(point)
    spec = importlib.util.spec_from_file_location("transformer_small", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.HERE, module.CHECKPOINTS = Path(folder), Path(folder) / "checkpoints"
    setting = module.parts.Setting(n_steps=3, group=8, n_groups=2, sampled=True)
    cells = module.parts.rule_cells("sampled", setting)
    axes = {"seed": np.arange(3), "rule": np.arange(2), "tau": np.array([0.3, 0.6])}

    def tiny():
        piece = module.piece("tiny", cells, axes, 4, seed=1)
        return module.Part({"tau": axes["tau"]}, {"sampled": piece})

    module.PARTS = {"tiny": tiny}
    sys.argv[1:] = sys.argv[4:] or ["--workers", "1"]
    module.main()
"""


@pytest.mark.slow
@pytest.mark.skipif(
    importlib.util.find_spec("torch") is None, reason="PyTorch is not installed: an optional extra"
)
@pytest.mark.parametrize("point", ["half a block:2", "before the move:3", "half a table:1"])
def test_a_killed_transformer_goes_on(root, tmp_path, point):
    script = tmp_path / "script.py"
    script.write_text(POINTS + TRANSFORMER)
    path = root / "experiments" / "transformer" / "run.py"
    tables = []
    for folder, points in ((tmp_path / "a", [point, ""]), (tmp_path / "b", [""])):
        folder.mkdir()
        for one in points:
            command = [sys.executable, script, path, folder, one]
            run = subprocess.run(command, capture_output=True, text=True, timeout=300)
            assert run.returncode == (-signal.SIGKILL if one else 0), run.stderr
        with np.load(folder / "tiny.npz") as file:
            tables.append(dict(file))
    same(*tables)

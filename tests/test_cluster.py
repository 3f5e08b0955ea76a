"""A sweep on a cluster: scheduler and workers are processes that speak TCP, and some are killed.

Nothing waits for a clock: blocks stop at a gate, so that a kill hits what it is meant to hit.
"""

import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from klrl_lite.sweeps import sweep

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.name != "posix", reason="kills in the way of POSIX"),
    pytest.mark.skipif(
        not all(importlib.util.find_spec(name) for name in ("distributed", "joblib")),
        reason="joblib and distributed are not installed: optional extras",
    ),
]

N_CELLS, BLOCK, N_WORKERS, BEFORE = 48, 4, 3, 4
AXES = {"x": np.arange(N_CELLS)}
#: The sweep, as a user's script has it; `cells` is a function inside another one.
CLIENT = """
import json, os, sys, time
from pathlib import Path
import numpy as np
from klrl_lite.sweeps import pools, sweep

def make(folder):
    def cells(x, rng):
        block = f"{x[0]:03d}"
        begun = folder / "begun" / f"{block}.{os.getpid()}.{time.monotonic_ns()}"
        begun.touch()
        if len([*folder.glob("begun/*"), *folder.glob("waiting/*")]) > BEFORE:
            begun.rename(folder / "waiting" / begun.name)
            while not (folder / "gate").exists():
                time.sleep(0.01)
            (folder / "waiting" / begun.name).rename(begun)
        noise = rng.normal(size=(len(x), 32))
        return {"x": x, "draw": np.linalg.svd(noise[:, None] * noise[..., None])[1]}
    return cells

if __name__ == "__main__":
    folder, address = Path(sys.argv[1]), sys.argv[2]

    def progress(done, total):
        print(f"{time.strftime('%H:%M:%S')} {done} of {total} cells", flush=True)

    with pools.cluster(address) as pool:
        found = sweep(make(folder), {"x": np.arange(N_CELLS)}, seed=7, tile=BLOCK, block=BLOCK,
                      workers=pool, checkpoint=folder / "checkpoint", progress=progress)
    np.savez(folder / "found.npz", **found)
    (folder / "info.json").write_text(json.dumps(found.info._asdict()))
"""


def plain(x, rng):
    """What `cells` computes, without gate and records."""
    noise = rng.normal(size=(len(x), 32))
    return {"x": x, "draw": np.linalg.svd(noise[:, None] * noise[..., None])[1]}


def wait_for(happened, processes, seconds=60.0):
    """Wait until something is so; fail at once if a process that must run has ended."""
    end = time.monotonic() + seconds
    while not (found := happened()):
        for process in processes:
            assert process.poll() is None, process.log.read_text()[-3000:]
        assert time.monotonic() < end, "nothing happened"
        time.sleep(0.02)
    return found


@pytest.fixture(scope="module")
def start(root, tmp_path_factory):
    """Start a process whose words go to a file; all are ended with the tests."""
    folder, started = tmp_path_factory.mktemp("cluster"), []
    # Workers refuse to go on with other sources than the client's, so nobody may edit them now.
    kept = shutil.ignore_patterns("__pycache__")
    shutil.copytree(root / "klrl_lite", folder / "klrl_lite", ignore=kept)
    # As many threads for everybody as `run.py test` gives: sums are rounded alike.
    env = os.environ | {"OMP_NUM_THREADS": "1", "DASK_CONFIG": str(folder / "none")}
    env |= {"PYTHONPATH": str(folder), "DASK_TEMPORARY_DIRECTORY": str(folder)}

    def begin(*command):
        path = folder / f"{len(started)}.log"
        with path.open("w") as log:
            command = [sys.executable, *map(str, command)]
            process = subprocess.Popen(command, stdout=log, stderr=log, env=env, cwd=folder)
        process.log = path
        started.append(process)
        return process

    yield begin
    for process in started:
        process.kill()
        process.wait()


@pytest.fixture(scope="module")
def cluster(start, tmp_path_factory):
    """Address of a scheduler on the loopback, and the processes of its workers."""
    folder = tmp_path_factory.mktemp("scheduler")
    address_file = folder / "scheduler.json"
    scheduler = start(
        *("-m", "distributed.cli.dask_scheduler", "--host", "127.0.0.1", "--port", "0"),
        *("--no-dashboard", "--dashboard-address", "127.0.0.1:0", "--idle-timeout", "300 seconds"),
        *("--scheduler-file", address_file),
    )

    def written():
        try:
            return json.loads(address_file.read_text())["address"]
        except (OSError, ValueError):
            return None

    address = wait_for(written, [scheduler])
    workers = [
        start(
            *("-m", "distributed.cli.dask_worker", address, "--no-nanny", "--nthreads", "1"),
            *("--host", "127.0.0.1", "--no-dashboard", "--dashboard-address", "127.0.0.1:0"),
            *("--death-timeout", "60", "--local-directory", folder),
        )
        for _ in range(N_WORKERS)
    ]
    return address, workers


class Case:
    """One sweep in its folder: begun blocks, those that wait at the gate, recorded ones."""

    def __init__(self, folder):
        self.folder = folder
        (folder / "begun").mkdir()
        (folder / "waiting").mkdir()
        settings = f"N_CELLS, BLOCK, BEFORE = {N_CELLS}, {BLOCK}, {BEFORE}\n"
        (folder / "client.py").write_text(settings + CLIENT)

    def names(self, where):
        """(block, process) of each."""
        parts = (f.name.split(".") for f in (self.folder / where).iterdir())
        return sorted((int(block), int(process)) for block, process, _ in parts)

    @property
    def recorded(self):
        """Blocks in the checkpoint."""
        names = [f.name for f in (self.folder / "checkpoint").glob("cells-*.npz")]
        return sorted(int(name.split("-")[1]) for name in names)

    def held(self, workers):
        """Whether all workers wait at the gate, and all that was computed is recorded."""
        waiting = {process for _, process in self.names("waiting")}
        done = {block for block, _ in self.names("begun")}
        return waiting == {w.pid for w in workers} and done == set(self.recorded)

    def open_gate(self):
        (self.folder / "gate").touch()

    def check(self):
        """The result is that of a local run, bit for bit, and each block is there once."""
        local = sweep(plain, AXES, seed=7, tile=BLOCK)
        with np.load(self.folder / "found.npz") as found:
            assert found.keys() == local.keys()
            for name, array in local.items():
                assert found[name].tobytes() == array.tobytes()
        assert self.recorded == list(range(0, N_CELLS, BLOCK))
        assert len(list((self.folder / "checkpoint").iterdir())) == N_CELLS // BLOCK + 1
        info = json.loads((self.folder / "info.json").read_text())
        assert info["refused"] == []
        return info["n_reused"]


def cells_counted(log):
    """What progress said, as numbers of cells."""
    return [int(line.split()[1]) for line in log.read_text().splitlines() if "cells" in line]


def finish(client):
    assert client.wait(timeout=60) == 0, client.log.read_text()


def test_a_killed_worker_costs_nothing_but_its_block(cluster, start, tmp_path):
    address, workers = cluster
    case = Case(tmp_path)
    client = start(tmp_path / "client.py", tmp_path, address)
    wait_for(lambda: case.held(workers), [client, *workers])
    before = case.recorded
    assert 0 < len(before) <= BEFORE
    lost = workers.pop()
    (block,) = (block for block, process in case.names("waiting") if process == lost.pid)
    lost.send_signal(signal.SIGKILL)
    lost.wait()
    case.open_gate()
    finish(client)
    assert case.check() == 0
    # What the lost worker was at was computed by another; everything else once.
    again = {b: process for b, process in case.names("begun") if b == block}
    assert case.names("waiting") == [(block, lost.pid)]
    assert again.keys() == {block}
    assert again[block] in {w.pid for w in workers}
    assert [b for b, _ in case.names("begun")] == list(range(0, N_CELLS, BLOCK))
    # Counted once: as many cells as there are, in equal steps.
    assert cells_counted(client.log) == list(range(BLOCK, N_CELLS + 1, BLOCK))


def test_a_killed_client_goes_on_where_it_stopped(cluster, start, tmp_path):
    address, workers = cluster
    case = Case(tmp_path)
    client = start(tmp_path / "client.py", tmp_path, address)
    wait_for(lambda: case.held(workers), [client, *workers])
    before = case.recorded
    assert 0 < len(before) <= BEFORE
    client.send_signal(signal.SIGKILL)
    client.wait()
    case.open_gate()
    resumed = start(tmp_path / "client.py", tmp_path, address)
    finish(resumed)
    assert case.check() == len(before)
    # What was recorded is not computed again.
    begun = [block for block, _ in case.names("begun")]
    assert [block for block in begun if block in before] == before
    assert cells_counted(resumed.log) == list(range(BLOCK, N_CELLS + 1, BLOCK))


#: The command of the phase planes with a small plan; the rest of its words go to the command.
PLANES = """
import importlib.util, sys
from pathlib import Path
import numpy as np

if __name__ == "__main__":
    spec = importlib.util.spec_from_file_location("phase_plane_small", sys.argv[1])
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.HERE = folder = Path(sys.argv[2])
    module.CHECKPOINTS = folder / "checkpoints"
    module.TAU, module.SEEDS = np.array([0.2, 0.4, 0.8]), np.arange(2)
    module.ROWS = {"expected": np.array([40]), "drawn": np.array([41, 55])}
    module.NAMES = {"expected": ("mirror",), "drawn": ("ppo",)}
    sys.argv[1:] = ["planes", *sys.argv[3:]]
    module.main()
"""


def test_the_command_of_an_experiment_runs_on_the_cluster(cluster, start, root, tmp_path):
    address, _ = cluster
    (tmp_path / "planes.py").write_text(PLANES)
    path, tables = root / "experiments" / "phase_plane" / "run.py", {}
    for where in (("--cluster", address), ("--workers", "1")):
        folder = tmp_path / where[0]
        folder.mkdir()
        finish(start(tmp_path / "planes.py", path, folder, *where))
        with np.load(folder / "planes.npz") as file:
            tables[where[0]] = dict(file)
    far, near = tables.values()
    assert far.keys() == near.keys()
    for name, array in near.items():
        assert far[name].tobytes() == array.tobytes()

"""Who computes the blocks of a sweep: how processes begin and end, and what a pool is sent.

The executor has threads here, and the cluster lives in this process, so that a test can hold a
block until it has looked. Real processes: test_sweeps.py; killed ones: tests/test_killed.py and
tests/test_cluster.py.
"""

import argparse
import contextlib
import os
import signal
import threading
import time
import tracemalloc
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from klrl_lite.sweeps import command, pools, sweep, workers
from klrl_lite.sweeps.blocks import Plan
from klrl_lite.sweeps.grid import make_grid

#: No test waits so long; what waits for a test that failed ends.
PATIENCE = 4.0


def until(happened):
    """Wait until something is so, or until patience ends."""
    end = time.monotonic() + PATIENCE
    while not happened() and time.monotonic() < end:
        time.sleep(0.002)


def plan_of(cells, n):
    """One cell a block."""
    return Plan(cells, make_grid({"x": np.arange(float(n))}), None, 1, 1)


# --- processes of this machine ---


class Threads(ThreadPoolExecutor):
    """In the place of processes; notes how it was made and how much it was given."""

    made: "Threads"

    def __init__(self, n, context, begin, arguments):
        super().__init__(n)
        self.n, self.context, self.begin, self.submitted = n, context, (begin, arguments), 0
        Threads.made = self

    def submit(self, *what):
        self.submitted += 1
        return super().submit(*what)


def twice(x):
    return {"y": 2.0 * x}


BEGUN, ENDED, GATE = [], [], threading.Event()


def gated(x):
    """The second cell waits at the gate."""
    BEGUN.append(x[0])
    if x[0] == 1.0:
        GATE.wait(PATIENCE)
    ENDED.append(x[0])
    return {"y": x}


@pytest.fixture
def threads(monkeypatch):
    monkeypatch.setattr(workers, "ProcessPoolExecutor", Threads)
    for one in (BEGUN, ENDED, GATE):
        one.clear()


@pytest.mark.parametrize(("n_blocks", "wanted", "n"), [(3, 2, 2), (3, 5, 3), (3, 3, 3)])
def test_as_many_processes_as_there_is_work_for(threads, n_blocks, wanted, n):
    found = sweep(twice, {"x": np.arange(float(n_blocks))}, block=1, workers=wanted)
    assert found["y"].tolist() == [0.0, 2.0, 4.0]
    assert Threads.made.n == n


@pytest.mark.parametrize(
    ("there", "fresh"),
    [(["fork", "spawn", "forkserver"], "forkserver"), (["fork", "spawn"], "spawn")],
)
def test_processes_are_fresh_and_not_copies(threads, monkeypatch, there, fresh):
    if fresh not in workers.multiprocessing.get_all_start_methods():
        pytest.skip("there is no fork server here")
    monkeypatch.setattr(workers.multiprocessing, "get_all_start_methods", lambda: there)
    sweep(twice, {"x": np.arange(2.0)}, block=1, workers=2)
    assert Threads.made.context.get_start_method() == fresh


def test_a_process_leaves_interrupts_to_its_caller_and_watches_it(threads, monkeypatch):
    sweep(twice, {"x": np.arange(2.0)}, block=1, workers=2)
    begin, arguments = Threads.made.begin
    watchers, watched = [], threading.Event()

    def watch():
        watchers.append(threading.current_thread())
        watched.set()

    monkeypatch.setattr(workers, "_end_with_the_caller", watch)
    before = signal.getsignal(signal.SIGINT)
    try:
        begin(*arguments)
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)
    assert watched.wait(PATIENCE)
    # A thread of the background: it does not keep a process from its end.
    assert watchers[0].daemon


def test_a_process_ends_when_its_caller_has_ended(monkeypatch):
    did = []

    class Caller:
        def join(self):
            did.append("waited")

    monkeypatch.setattr(os, "_exit", lambda status: did.append(int(status)))
    monkeypatch.setattr(workers.multiprocessing, "parent_process", lambda: None)
    workers._end_with_the_caller()
    assert did == []
    monkeypatch.setattr(workers.multiprocessing, "parent_process", Caller)
    workers._end_with_the_caller()
    assert did[0] == "waited"
    assert len(did) == 2


def test_a_process_does_the_block_it_is_told_as_its_caller_would():
    plan = plan_of(lambda x: {"y": 1.0 / (x - 2.0)}, 4)
    with np.errstate(divide="ignore"):
        task = workers.Task(5, plan, 2, np.geterr())
    with np.errstate(divide="raise"):
        place, block = workers._do(task)
    assert (place, block.start) == (5, 2)
    assert np.isinf(block.results["y"]).tolist() == [True]


def test_no_more_blocks_are_given_out_than_can_be_worked_on(threads):
    order = []
    for place, block in workers.each([plan_of(gated, 6)], 2, 1e6):
        order.append((place, block.start))
        assert Threads.made.submitted - len(order) <= 1
        # What is finished comes at once, though a block before it is not.
        if len(order) == 3:
            assert 1.0 not in ENDED
            GATE.set()
    assert sorted(order) == [(0, start) for start in range(6)]
    assert [start for _, start in order[:3]] == [0, 2, 3]


def test_blocks_under_way_are_finished_when_the_caller_stops(threads):
    blocks = workers.each([plan_of(gated, 6)], 2, 1e6)
    next(blocks)
    until(lambda: 1.0 in BEGUN)
    threading.Timer(0.05, GATE.set).start()
    blocks.close()
    assert sorted(ENDED) == sorted(BEGUN)
    assert BEGUN.count(1.0) == 1
    assert len(BEGUN) == 2


@pytest.mark.parametrize("memory", [1e6, np.inf])
def test_the_hint_to_the_allocator_keeps_to_the_memory(memory):
    tracemalloc.start()
    try:
        workers.keep_freed_memory(memory)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # glibc takes no hint below 128 kB, where it maps nothing, and none above 32 MB.
    assert 128 * 1024 < peak <= min(memory, 32 * 2**20)
    assert memory < np.inf or peak > 16 * 2**20


# --- pools ---


def test_a_pool_is_left_alone_where_nothing_is_missing(tmp_path):
    axes = {"x": np.arange(3.0)}
    whole = sweep(twice, axes, block=1, checkpoint=tmp_path)

    def never(compute, tasks):
        raise AssertionError("there is nothing to compute")

    never.sharing = 1
    found = sweep(twice, axes, checkpoint=tmp_path, workers=never)
    assert found["y"].tolist() == whole["y"].tolist()
    assert found.info.n_reused == 3


# --- joblib ---


def test_the_cores_compute_in_other_processes_and_hand_over_each_block_at_once(tmp_path):
    pytest.importorskip("joblib")
    table, caller = np.zeros(200_000), os.getpid()  # 1.6 MB: joblib would share it, read-only

    def cells(x):
        n, end = int(x[0]), time.monotonic() + PATIENCE
        before = tmp_path / f"cells-{n - 1:010d}-{n:010d}.npz"
        while n % 2 and not before.exists() and time.monotonic() < end:
            time.sleep(0.002)
        # In one order or another, an odd block finds the one before it in the checkpoint.
        known = n % 2 == 0 or before.exists()
        return {"known": [known], "own": [table.flags.writeable], "there": [os.getpid() != caller]}

    axes = {"x": np.arange(24.0)}
    found = sweep(cells, axes, block=1, workers=pools.local(2), checkpoint=tmp_path)
    for name in ("known", "own", "there"):
        assert found[name].all(), name


# --- a cluster ---


@pytest.fixture
def scheduler(tmp_path):
    """A Dask cluster in this process: one worker with two threads."""
    distributed = pytest.importorskip("distributed")
    GATE.clear()
    with distributed.LocalCluster(
        processes=False,
        n_workers=1,
        threads_per_worker=2,
        protocol="tcp://",
        host="127.0.0.1",
        dashboard_address="127.0.0.1:0",
        worker_dashboard_address="127.0.0.1:0",
        local_directory=str(tmp_path / "dask"),
    ) as found:
        yield found
        GATE.set()


def drawn(tau, p, rng):
    return {"draw": p / tau + rng.normal(size=tau.shape), "count": rng.integers(0, 9, (len(p), 2))}


def test_a_cluster_gives_the_same_numbers(scheduler):
    axes = {"tau": np.geomspace(0.1, 1.0, 7), "p": np.linspace(0.1, 0.9, 5)}
    grid = {"axes": axes, "seed": 3, "tile": 5, "block": 10}
    address = scheduler.scheduler_address
    options = argparse.Namespace(workers=None, cluster=address)
    with command.chosen(options) as pool:
        assert repr(pool) == f"pools.cluster({address!r})"
        assert pool.sharing == 1
        far, near = sweep(drawn, **grid, workers=pool), sweep(drawn, **grid)
    for name, array in near.items():
        assert far[name].tobytes() == array.tobytes()
    assert far.info == near.info


def test_a_cluster_is_given_what_it_can_hold_and_no_more(scheduler, monkeypatch):
    monkeypatch.setattr(pools, "_AHEAD", 3)
    taken, plan = [], plan_of(twice, 30)

    def tasks():
        for start in plan.starts:
            taken.append(start)
            yield workers.Task(0, plan, start, {})

    with pools.cluster(scheduler.scheduler_address) as pool:
        cores = {"one worker": 1, "another": 1}
        monkeypatch.setattr(pool.client, "ncores", lambda: cores)
        held = []
        for n_done, _ in enumerate(pool(workers._compute, tasks()), 1):
            held.append(len(taken) - n_done)
            if n_done == 10:
                cores.clear()  # all workers are lost: what is held beside their work stays
            if n_done == 16:
                cores["a new one"] = 4
    # Two for each core, one under way and the next, and some for workers that join.
    assert held[:10] == [3 + 2 * 2] * 10
    assert held[10:16] == [6, 5, 4, 3, 3, 3]
    assert held[16] == 3 + 2 * 4
    assert held[-1] == 0
    assert taken == list(range(30))


def wait_at_the_gate():
    GATE.wait(PATIENCE)


def test_after_an_error_a_cluster_is_left_empty_and_the_next_try_is_a_new_one(scheduler, tmp_path):
    mended = tmp_path / "mended"

    def cells(x):
        if x[0] > 0.0:
            wait_at_the_gate()
        elif not mended.exists():
            raise RuntimeError("no such file")
        return {"y": x}

    with pools.cluster(scheduler.scheduler_address) as pool:
        with pytest.raises(RuntimeError, match="no such file") as caught:
            sweep(cells, {"x": np.arange(40.0)}, block=1, workers=pool)
        # Whoever keeps the error, as a notebook does, keeps hold of what was sent.
        until(lambda: len(scheduler.scheduler.tasks) <= 1)
        assert len(scheduler.scheduler.tasks) <= 1
        GATE.set()
        mended.touch()
        again = {}
        with contextlib.suppress(RuntimeError):  # the error of the first try, kept by its name
            again = sweep(cells, {"x": np.arange(40.0)}, block=1, workers=pool)
    assert caught.value is not None
    assert again.keys() == {"y"}
    assert again["y"].tolist() == list(range(40))


def test_a_cluster_without_workers_says_so(scheduler):
    scheduler.scale(0)
    with (
        pytest.raises(ConnectionError, match="has no worker; start some with `dask worker"),
        pools.cluster(scheduler.scheduler_address, timeout=0.1),
    ):
        pass

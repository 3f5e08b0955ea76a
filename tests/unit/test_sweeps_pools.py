"""Several sweeps at once, and blocks computed elsewhere: by joblib, by odd pools, by strangers."""

import argparse
import pickle
import sys
from functools import partial

import numpy as np
import pytest

from klrl_lite.sweeps import command, pools, sweep, sweep_all
from klrl_lite.sweeps.workers import Task

AXES = {"tau": np.geomspace(0.1, 1.0, 7), "p": np.linspace(0.1, 0.9, 5)}
#: 35 cells, 4 blocks.
DRAWN = {"axes": AXES, "seed": 3, "tile": 5, "block": 10}


def noisy(tau, p, rng):
    return {"draw": p / tau + rng.normal(size=tau.shape), "count": rng.integers(0, 9, (len(p), 2))}


def exact(tau, p):
    return {"ratio": p / tau}


def same(a, b):
    assert a.keys() == b.keys()
    for name, array in a.items():
        assert (array.dtype, array.shape) == (b[name].dtype, b[name].shape)
        assert array.tobytes() == b[name].tobytes()


class Odd:
    """A pool that computes here, in a strange order or a wrong number."""

    sharing = 2

    def __init__(self, choose=lambda tasks: tasks):
        self.choose, self.tasks = choose, []

    def __repr__(self):
        return "the odd pool"

    def __call__(self, compute, tasks):
        self.tasks = list(tasks)
        for task in self.choose(self.tasks):
            # As if sent: nothing is shared with the caller.
            yield compute(pickle.loads(pickle.dumps(task)))


def backwards(tasks):
    return tasks[::-1]


# --- several sweeps ---


@pytest.mark.parametrize("workers", [1, 2, Odd(backwards)], ids=["here", "processes", "pool"])
def test_several_sweeps_are_what_each_is_alone(tmp_path, workers):
    sweeps = {
        "noisy": {"cells": noisy, **DRAWN, "checkpoint": tmp_path / "noisy"},
        "exact": {"cells": exact, "axes": AXES, "block": 10},
        "small": {"cells": exact, "axes": {"tau": [1.0], "p": [0.5]}},
    }
    told = []
    together = sweep_all(sweeps, workers=workers, progress=lambda *n: told.append(n))
    assert list(together) == list(sweeps)
    for name, arguments in sweeps.items():
        alone = sweep(**{k: v for k, v in arguments.items() if k != "checkpoint"})
        same(together[name], alone)
        assert together[name].info == alone.info
    assert told[-1] == (71, 71)
    assert sorted(told) == told
    assert sweep_all(sweeps)["noisy"].info.n_reused == 4


def test_no_sweeps_are_done_at_once():
    assert sweep_all({}) == {}


BAD = {
    "list": (lambda: sweep_all([{}]), "sweeps must be a dict of dicts"),
    "no arguments": (lambda: sweep_all({"a": exact}), "sweeps must be a dict of dicts"),
    "one checkpoint": (
        lambda: sweep_all({n: {"cells": exact, "axes": AXES, "checkpoint": "x"} for n in "ab"}),
        "sweeps must have checkpoints of their own; got .* twice",
    ),
    "inside": (lambda: sweep_all({"a": {"cells": exact, "axes": {}}}), "axes must be a dict"),
    "memory": (lambda: sweep_all({}, memory=-1), "memory must be > 0"),
    "workers": (lambda: sweep_all({}, workers=0), "workers must be >= 1"),
}


@pytest.mark.parametrize(("call", "words"), BAD.values(), ids=BAD)
def test_bad_arguments(call, words):
    with pytest.raises(ValueError, match=words):
        call()


@pytest.mark.parametrize("workers", ["two", None, [2]])
def test_workers_are_a_number_or_a_pool(workers):
    with pytest.raises((ValueError, TypeError), match="workers must be"):
        sweep(exact, AXES, workers=workers)


def test_seconds_are_added_up_over_calls(tmp_path):
    first = sweep(noisy, **DRAWN, checkpoint=tmp_path)
    assert first.seconds > 0
    again = sweep(noisy, **DRAWN, checkpoint=tmp_path)
    assert again.info.n_reused == 4
    assert again.seconds == pytest.approx(first.seconds)
    # A block stored by an earlier version has none.
    path = tmp_path / "cells-0000000000-0000000010.npz"
    with np.load(path) as file:
        arrays = dict(file)
    text = bytes(arrays["sweep"]).decode().partition(', "seconds"')[0] + "}"
    np.savez(path, **arrays | {"sweep": np.frombuffer(text.encode(), np.uint8)})
    old = sweep(noisy, **DRAWN, checkpoint=tmp_path)
    assert old.info.n_reused == 4
    assert 0 < old.seconds < first.seconds


# --- pools ---


def test_no_order_changes_a_result(tmp_path):
    rng = np.random.default_rng(0)
    for choose in (backwards, lambda tasks: [tasks[i] for i in rng.permutation(len(tasks))]):
        same(sweep(noisy, **DRAWN, workers=Odd(choose)), sweep(noisy, **DRAWN))


def test_a_pool_gets_what_is_missing_and_never_the_checkpoint(tmp_path):
    whole = sweep(noisy, **DRAWN, checkpoint=tmp_path)
    (tmp_path / "cells-0000000010-0000000020.npz").unlink()
    (tmp_path / "cells-0000000030-0000000035.npz").write_bytes(b"")
    pool = Odd()
    repaired = sweep(noisy, **DRAWN, checkpoint=tmp_path, workers=pool)
    same(repaired, whole)
    assert [task.start for task in pool.tasks] == [10, 30]
    assert all(task.plan.store is None for task in pool.tasks)
    assert repaired.info.n_reused == 2
    assert [name for name, _ in repaired.info.refused] == ["cells-0000000030-0000000035.npz"]
    pool = Odd()
    assert sweep(noisy, **DRAWN, checkpoint=tmp_path, workers=pool).info.n_reused == 4
    assert pool.tasks == []


def test_a_block_that_comes_twice_is_an_error():
    with pytest.raises(RuntimeError, match="the odd pool gave the block of cell 10 twice"):
        sweep(noisy, **DRAWN, workers=Odd(lambda tasks: [*tasks[:2], *tasks[1:]]))


def test_a_block_that_never_comes_is_an_error_and_the_others_are_kept(tmp_path):
    with pytest.raises(RuntimeError, match="1 blocks of the sweep were not computed by the odd"):
        sweep(noisy, **DRAWN, workers=Odd(lambda tasks: tasks[1:]), checkpoint=tmp_path)
    rest = sweep(noisy, **DRAWN, checkpoint=tmp_path)
    assert rest.info.n_reused == 3
    same(rest, sweep(noisy, **DRAWN))


def test_the_processes_of_a_pool_share_the_memory():
    def hungry(tau, p):
        return {"sum": np.ones((len(tau), 10_000)).sum(axis=-1)}

    class Here(Odd):
        def __call__(self, compute, tasks):
            return map(compute, tasks)

    one = sweep(hungry, AXES, memory=8e5).info.block
    assert abs(sweep(hungry, AXES, memory=8e5, workers=Here()).info.block - one / 2) <= 1


def reciprocal(x, scale):
    return {"y": scale / x}


def test_the_cores_of_this_machine():
    pytest.importorskip("joblib")
    scale = 3.0

    def inner(tau, p, rng):  # a function that only exists here
        return {"y": scale * p / tau + rng.normal(size=tau.shape)}

    same(sweep(inner, **DRAWN, workers=pools.local(2)), sweep(inner, **DRAWN))
    cells = partial(reciprocal, scale=1.0)
    with np.errstate(divide="ignore"):
        found = sweep(cells, {"x": np.zeros(3)}, block=1, workers=pools.local(2))
    assert np.all(found["y"] == np.inf)
    with np.errstate(divide="raise"), pytest.raises(FloatingPointError):
        sweep(cells, {"x": np.zeros(3)}, block=1, workers=pools.local(2))
    with pytest.raises(ValueError, match="n must be >= 1"):
        pools.local(0)


# --- strangers ---


def test_a_worker_with_other_versions_or_sources_is_refused():
    task = Task(0, None, 0, {})
    packed = pickle.dumps((tuple, [task]))
    assert pools._unpack(packed, pools.facts()) == (task,)
    for name in pools.facts():
        with pytest.raises(
            RuntimeError, match=f"has {name} .*started with 0.1: give both the same"
        ):
            pools._unpack(packed, pools.facts() | {name: "0.1"})


def test_the_sources_are_looked_at(tmp_path, monkeypatch):
    before = pools.facts.__wrapped__()
    (tmp_path / "sweeps").mkdir()
    (tmp_path / "sweeps" / "pools.py").write_text("")
    monkeypatch.setattr(pools, "__file__", str(tmp_path / "sweeps" / "pools.py"))
    after = pools.facts.__wrapped__()
    assert after["klrl_lite"] != before["klrl_lite"]
    assert after["numpy"] == before["numpy"] == np.__version__


# --- the command line ---


def options(*words):
    parser = argparse.ArgumentParser()
    command.add_options(parser)
    return parser.parse_args(words)


def test_options_of_a_command(monkeypatch):
    with command.chosen(options("--workers", "1")) as workers:
        assert workers == 1
    monkeypatch.setattr(command, "find_spec", lambda name: None)
    with command.chosen(options()) as workers:
        assert workers == 1
    with pytest.raises(SystemExit):
        options("--workers", "2", "--cluster", "tcp://127.0.0.1:1")


def test_all_cores_by_default():
    joblib = pytest.importorskip("joblib")
    with command.chosen(options()) as workers:
        assert joblib.cpu_count() == (workers if workers == 1 else workers.sharing)
    with command.chosen(options("--workers", "3")) as workers:
        assert workers.sharing == 3
        assert repr(workers) == "pools.local(3)"


def test_what_cannot_be_had_ends_the_command_with_a_message(monkeypatch):
    for name, words in (("joblib", ("--workers", "2")), ("distributed", ("--cluster", "tcp://x"))):
        monkeypatch.setitem(sys.modules, name, None)
        with pytest.raises(SystemExit, match=f"needs {name}: python -m pip install"):
            command.chosen(options(*words)).__enter__()


def test_a_cluster_that_is_not_there():
    pytest.importorskip("distributed")
    with (
        pytest.raises(ConnectionError, match="no Dask scheduler answers at tcp://127"),
        pools.cluster("tcp://127.0.0.1:1", timeout=0.1),
    ):
        pass

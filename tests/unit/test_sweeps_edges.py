"""Sweeps at the edges: the format on disk, the words of reports, the boundaries of memory and time.

Each was once changed without a test noticing it; see also test_sweeps.py.
"""

import argparse
import json
import os
import re
import struct
import time
import tracemalloc

import numpy as np
import pytest

from klrl_lite.sweeps import SweepInfo, SweepResult, command, engine, sweep, sweep_all
from klrl_lite.sweeps.blocks import Plan
from klrl_lite.sweeps.grid import identity, make_grid
from klrl_lite.sweeps.store import Store

X = {"x": np.arange(6.0)}
GRID = {"tau": np.array([0.5, 1.0], "<f8"), "n": np.array([1, 2, 3], "<i8")}
#: What earlier versions called the sweep of GRID with seed 3, tile 2 and key "one", and the digest
#: of KL. A checkpoint holds days of work: who changes these loses it for its owners.
NAME = "574d919ed7444fe7a5035ba3ab420e915a86d02564d9a28d76eef827f6d10446"
UNSEEDED = "0817d645aeeaec7c2da8dc1e9c4555373438173d50a3e385e5d5635fcf5310fc"
DIGEST = "0752f0f9ac98eb8f9ac49e6a687cde692d9e7fb736fc0debfffd0692e12c7809"
KL = np.array([0.0, 0.5, 1.0, 1.5], "<f8")


def twice(x):
    return {"y": 2.0 * x}


# --- checkpoints ---


def test_a_checkpoint_of_an_earlier_version_is_found(tmp_path):
    assert identity(make_grid(GRID), None, 2, "") == UNSEEDED
    (tmp_path / "sweep.json").write_text(json.dumps({"sweep": NAME, "block": 4}))
    header = {"sweep": NAME, "start": 0, "stop": 4, "digest": DIGEST, "seconds": 2.5}
    said = np.frombuffer(json.dumps(header).encode(), np.uint8)
    np.savez(tmp_path / "cells-0000000000-0000000004.npz", **{"cells.kl": KL, "sweep": said})
    computed = []

    def cells(tau, n, rng):
        computed.append(len(tau))
        return {"kl": tau + n}

    begin = time.perf_counter()
    found = sweep(cells, GRID, seed=3, tile=2, key="one", checkpoint=tmp_path)
    assert computed == [2]
    assert found.info == (4, 2, 2, 1, ())
    assert found["kl"].tolist() == [[0.0, 0.5, 1.0], [1.5, 3.0, 4.0]]
    assert 2.5 <= found.seconds <= 2.5 + time.perf_counter() - begin


def test_a_block_is_written_beside_the_others_and_then_moved(tmp_path, monkeypatch):
    # Moving is one step only within a file system; and what a killed run leaves must not look like
    # a block: it is called *.tmp, as git ignores it here.
    seen = []

    def savez(file, **arrays):
        seen.extend(path.name for path in tmp_path.iterdir() if path.suffix != ".json")
        original(file, **arrays)

    original = np.savez
    monkeypatch.setattr(np, "savez", savez)
    sweep(twice, X, checkpoint=tmp_path)
    (name,) = seen
    assert re.fullmatch(r"cells-0{10}-0{9}6.*\.tmp", name)
    assert {path.name for path in tmp_path.iterdir()} == {name[:27] + ".npz", "sweep.json"}


@pytest.mark.skipif(os.name != "posix", reason="an open file cannot be removed elsewhere")
def test_an_interrupt_stays_an_interrupt_where_the_folder_was_emptied(tmp_path, monkeypatch):
    def savez(file, **arrays):
        for path in tmp_path.glob("*.tmp"):
            path.unlink()
        raise KeyboardInterrupt

    monkeypatch.setattr(np, "savez", savez)
    with pytest.raises(KeyboardInterrupt):
        sweep(twice, X, checkpoint=tmp_path)


def test_the_reason_of_a_refusal_names_the_error(tmp_path):
    store = Store(tmp_path, "this sweep")
    store.save(0, 2, {"kl": np.array([0.5, 0.25])})
    path = store.path(0, 2)
    found, reason = store.load(0, 2)
    assert (found.seconds, reason) == (0.0, "")
    raw = path.read_bytes()
    path.write_bytes(raw[:40])
    assert store.load(0, 2) == (None, "unreadable: BadZipFile")
    # A way of packing that nobody knows, in the directory at the end of the file.
    place = raw.rindex(b"PK\x01\x02", 0, raw.rindex(b"PK\x01\x02")) + 10
    path.write_bytes(raw[:place] + struct.pack("<H", 77) + raw[place + 2 :])
    assert store.load(0, 2) == (None, "unreadable: NotImplementedError")


def test_a_block_size_is_remembered_for_one_sweep_alone(tmp_path):
    for size in (1, 4):
        assert sweep(twice, X, block=size, checkpoint=tmp_path).info.block == size
        assert sweep(twice, X, checkpoint=tmp_path).info.block == size
    assert sweep(twice, X, key="another", checkpoint=tmp_path).info.block == 6


def test_no_key_is_the_empty_key(tmp_path):
    sweep(twice, X, checkpoint=tmp_path)
    assert sweep(twice, X, key="", checkpoint=tmp_path).info.n_reused == 1
    one = {"cells": twice, "axes": X, "checkpoint": tmp_path}
    assert sweep_all({"a": one})["a"].info.n_reused == 1


def test_what_is_not_there_or_is_sound_has_no_reason(tmp_path):
    for store in (None, Store(tmp_path, "this sweep")):
        plan = Plan(twice, make_grid(X), None, 1, 2, store)
        assert plan.find(0) == (None, "")
        assert plan.keep(plan.compute(0)).refused is None
    block, reason = plan.find(0)
    assert (block.reused, reason) == (True, "")


def test_the_tile_is_512_cells_unless_said_otherwise():
    one = {"cells": lambda x, rng: {"u": rng.random(len(x))}, "axes": {"x": np.zeros(600)}}
    found = sweep(**one, seed=0), sweep_all({"a": one | {"seed": 0}})["a"]
    for result in found:
        assert result.info.tile == 512
        np.testing.assert_array_equal(result["u"], sweep(**one, seed=0, tile=512)["u"])


def test_the_axes_of_a_grid_are_its_own():
    axis = np.array([1.0, 2.0])
    grid = make_grid({"x": axis})
    axis[0] = 7.0
    assert grid.axes["x"].tolist() == [1.0, 2.0]
    with pytest.raises(ValueError, match="read-only"):
        grid.axes["x"][0] = 7.0


# --- time and memory ---


def test_seconds_are_those_that_passed():
    begin = time.perf_counter()
    found = sweep(lambda x: time.sleep(0.01) or {"y": x}, X, block=2)
    assert 0.025 <= found.seconds <= time.perf_counter() - begin


def test_a_result_made_by_hand_took_no_time():
    found = SweepResult({"y": X["x"]}, SweepInfo(6, 1, None, 0, ()))
    assert (found.seconds, found.info.block, list(found)) == (0.0, 6, ["y"])


def wide(x, rng=None):
    """Needs 80 kB for each cell."""
    return {"sum": np.ones((len(x), 10_000)).sum(axis=-1)}


def test_what_is_in_memory_already_makes_no_block_smaller():
    axes = {"x": np.zeros(100)}
    alone = sweep(wide, axes, memory=4e6).info.block
    tracemalloc.start()
    try:
        kept = np.ones(10**6)
        beside = sweep(wide, axes, memory=4e6).info.block
    finally:
        tracemalloc.stop()
    assert kept.size == 10**6
    assert abs(beside - alone) <= 1


def test_the_largest_tile_that_is_named_is_taken():
    axes = {"x": np.zeros(100)}
    with pytest.raises(ValueError, match="tile must be at most") as caught:
        sweep(wide, axes, seed=0, tile=60, memory=4e6)
    most, per_cell, got = map(int, re.findall(r"\d+", str(caught.value)))
    assert got == 60
    assert 80_000 <= per_cell <= 90_000
    assert most == 4_000_000 // per_cell
    assert sweep(wide, axes, seed=0, tile=most, memory=4e6).info.tile == most


# --- what is said ---


def test_an_error_says_how_many_cells_the_block_has():
    def cells(x):
        return {"y": x if x[0] < 4 else x[:1]}

    with pytest.raises(ValueError, match=r"for 2 cells on the first axis.* shape \(1,\)"):
        sweep(cells, X, block=2)


@pytest.mark.parametrize(
    ("later", "said"),
    [
        ({"y": np.zeros((1, 3))}, r"got 'y' as \S+ \(n, 3,\) and as \S+ \(n, 2,\)"),
        ({"y": np.zeros((1, 2)), "z": np.zeros(1)}, r"got 'z' as \S+ \(n, \) and as nothing"),
    ],
    ids=["shape", "name"],
)
def test_an_error_says_how_blocks_differ(later, said):
    with pytest.raises(ValueError, match=said):
        sweep(lambda x: {"y": np.zeros((1, 2))} if x[0] < 2 else later, X, block=1)


def test_an_error_names_the_file_in_the_place_of_a_checkpoint(tmp_path):
    (tmp_path / "planes.csv").write_text("")
    with pytest.raises(ValueError, match=r"got the file '.*planes\.csv'$"):
        sweep(twice, X, checkpoint=tmp_path / "planes.csv")


def test_an_error_names_the_checkpoint_that_two_sweeps_have(tmp_path):
    one = {"cells": twice, "axes": X, "checkpoint": tmp_path / "planes"}
    with pytest.raises(ValueError, match=r"checkpoints of their own; got '.*planes' twice"):
        sweep_all({"a": one, "b": one})


@pytest.mark.parametrize(("done", "total"), [(0, 7), (1, 3), (39, 41), (40, 41), (41, 41), (3, 4)])
def test_a_bar_has_forty_places(capsys, done, total):
    engine.print_progress(done, total)
    said = capsys.readouterr().err
    bar, percent, counted = re.fullmatch(r"\r\[(#* *)\] +(\d+)%  (.+? cells)\n?", said).groups()
    assert len(bar) == 40
    # Rounded down: only what is finished looks finished.
    assert bar.count("#") / 40 <= done / total < (bar.count("#") + 1) / 40
    assert int(percent) / 100 <= done / total < (int(percent) + 1) / 100
    assert counted == f"{done} of {total} cells"
    assert said.endswith("\n") == (done == total)


def test_help_names_what_an_option_takes_and_its_default():
    parser = argparse.ArgumentParser(prog="planes")
    command.add_options(parser)
    said = {
        words[0]: words[1:]
        for line in parser.format_help().partition("options:")[2].replace("\n   ", " ").splitlines()
        if (words := line.split())
    }
    assert said["--workers"] == ["N", "processes;", "default:", "all", "cores"]
    assert said["--cluster"][0] == "ADDRESS"
    assert said["--cluster"][-1] == "tcp://HOST:PORT"

"""Sweeps: the grid, random numbers, memory, threads; interruption at every block, and damage."""

import json
import os
import time
import tracemalloc
from functools import partial
from typing import NamedTuple

import numpy as np
import pytest

from klrl_lite.sweeps import SweepInfo, print_progress, sweep
from klrl_lite.sweeps.blocks import MOST_CELLS

AXES = {"tau": np.geomspace(0.1, 1.0, 7), "p": np.linspace(0.1, 0.9, 5), "n": np.arange(3)}
SHAPE, N_CELLS = (7, 5, 3), 105


class Outcome(NamedTuple):
    """Results of several shapes and dtypes."""

    ratio: np.ndarray
    path: np.ndarray
    large: np.ndarray


def exact(tau, p, n):
    return Outcome(p / tau + n, np.stack([[tau, p], [p, tau]]).T, p > tau)


def noisy(tau, p, n, rng):
    return {"draw": p / tau + rng.normal(size=tau.shape), "count": rng.integers(0, 9, (len(n), 2))}


def same(a, b):
    assert a.keys() == b.keys()
    for name, array in a.items():
        assert array.dtype == b[name].dtype
        np.testing.assert_array_equal(array, b[name])


# --- the grid ---


def test_results_lie_on_the_grid():
    result = sweep(exact, AXES)
    tau, p, n = np.meshgrid(*AXES.values(), indexing="ij")
    np.testing.assert_array_equal(result["ratio"], p / tau + n)
    assert {name: a.shape for name, a in result.items()} == {
        "ratio": SHAPE,
        "path": (*SHAPE, 2, 2),
        "large": SHAPE,
    }
    np.testing.assert_array_equal(result["path"][..., 1, 0], p)
    assert result["large"].dtype == bool
    assert result.info == SweepInfo(N_CELLS, 1, None, 0, ())


def test_coordinates_keep_their_type_and_cannot_be_written():
    seen = []

    def cells(k, x):
        seen.append((k.dtype, x.dtype, k.shape))
        return {"y": k * x}

    sweep(cells, {"k": [1, 2], "x": [0.5]}, block=2)
    assert seen == [(np.dtype(int), np.dtype(float), (2,))]
    axis = np.array([1.0, 2.0])

    def vandal(x):
        x[:] = 7.0
        return {"y": x}

    assert sweep(vandal, {"x": axis}, block=1)["y"].tolist() == [7.0, 7.0]
    assert axis.tolist() == [1.0, 2.0]


@pytest.mark.parametrize("block", [1, 2, 15, 52, 104, 105, 106, 10_000])
def test_no_block_size_changes_a_result(block):
    same(sweep(exact, AXES, block=block), sweep(exact, AXES))


def test_a_grid_is_not_laid_out_in_memory():
    # 1e6 x 1e6 cells: only the coordinates of a block are made. One block is enough to see it.
    class Enough(Exception):
        pass

    def cells(x, y):
        assert len(x) <= 10
        return {"sum": (x + y)[:, None] * np.zeros(0)}  # results that take no memory

    def stop(done, total):
        assert total == 10**12
        raise Enough

    axis = np.arange(10**6)
    tracemalloc.start()
    try:
        with pytest.raises(Enough):
            sweep(cells, {"x": axis, "y": axis}, block=10, progress=stop)
        assert tracemalloc.get_traced_memory()[1] < 60e6
    finally:
        tracemalloc.stop()


# --- random numbers ---


@pytest.mark.parametrize("block", [None, 1, 7, 8, 20, 1000])
def test_random_numbers_depend_on_seed_and_tile_alone(block):
    expected = sweep(noisy, AXES, seed=3, tile=8)
    same(sweep(noisy, AXES, seed=3, tile=8, block=block), expected)


@pytest.mark.parametrize("workers", [2])
def test_random_numbers_do_not_depend_on_who_draws_them(workers):
    expected = sweep(noisy, AXES, seed=3, tile=8)
    same(sweep(noisy, AXES, seed=3, tile=8, block=16, workers=workers), expected)


def test_the_generator_of_a_tile_is_the_documented_one():
    result = sweep(noisy, AXES, seed=3, tile=8)["draw"].ravel()
    for i in range(-(-N_CELLS // 8)):
        rng = np.random.default_rng(np.random.SeedSequence(3, spawn_key=(i,)))
        here = slice(8 * i, min(8 * i + 8, N_CELLS))
        tau, p, _ = (a.ravel()[here] for a in np.meshgrid(*AXES.values(), indexing="ij"))
        np.testing.assert_array_equal(result[here], p / tau + rng.normal(size=tau.shape))


def test_other_seeds_and_tiles_give_other_numbers_and_no_tile_repeats_another():
    base = sweep(noisy, AXES, seed=3, tile=8)["draw"]
    for other in ({"seed": 4, "tile": 8}, {"seed": 3, "tile": 7}, {"seed": [3, 1], "tile": 8}):
        assert not np.array_equal(sweep(noisy, AXES, **other)["draw"], base)
    flat = {"x": np.zeros(1000)}
    draws = sweep(lambda x, rng: {"u": rng.random(len(x))}, flat, seed=0, tile=10)["u"]
    assert len(np.unique(draws)) == 1000
    assert draws.mean() == pytest.approx(0.5, abs=4 / np.sqrt(12 * 1000))


def test_several_numbers_may_be_the_seed():
    one, same_one = (sweep(noisy, AXES, seed=s) for s in ([1, 2], np.array([1, 2])))
    same(one, same_one)


def test_without_a_seed_there_is_no_generator():
    def cells(x, rng):
        assert rng is None
        return {"x": x}

    assert sweep(cells, {"x": [1.0]})["x"].tolist() == [1.0]
    with pytest.raises(ValueError, match="cells must take an argument rng"):
        sweep(exact, AXES, seed=0)
    anything = sweep(lambda **given: {"x": given["x"] + given["rng"].random()}, {"x": [0]}, seed=0)
    assert anything["x"].shape == (1,)


# --- memory and workers ---


def hungry(x, y):
    """Needs 80 kB for each cell while it works, and returns 8 bytes of it."""
    work = np.ones((len(x), 10_000))
    return {"sum": x + y + work.sum(axis=-1)}


def test_memory_is_bounded():
    axes = {"x": np.arange(40), "y": np.arange(40)}
    peaks = {}
    for memory in (4e6, 16e6):
        tracemalloc.start()
        try:
            result = sweep(hungry, axes, memory=memory)
            peaks[memory] = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert peaks[memory] < memory + 1e6
        assert result.info.n_blocks > 1
    # The bound is used, too: at once the grid would need 128 MB.
    assert peaks[16e6] > 0.8 * 16e6
    # Two workers share it.
    small = {"x": np.arange(10), "y": np.arange(10)}
    one, two = (sweep(hungry, small, memory=4e6, workers=w).info.block for w in (1, 2))
    assert abs(two - one / 2) <= 1


def test_default_blocks():
    # Nothing to save: the largest block. A call that is too large even for one cell: one cell.
    many = {"x": np.zeros(3 * MOST_CELLS)}
    assert sweep(lambda x: {"x": x}, many).info[:2] == (MOST_CELLS, 3)
    assert sweep(hungry, {"x": [0, 1], "y": [0]}, memory=1.0).info.block == 1
    assert sweep(lambda x, rng: {"x": x}, many, seed=0, tile=1000).info.block == 5000


def test_a_tile_is_never_made_smaller_in_silence():
    def cells(x, rng):
        return {"sum": np.ones((len(x), 10_000)).sum(axis=-1)}

    axes = {"x": np.zeros(1000)}
    with pytest.raises(ValueError, match=r"tile must be at most 4\d .* got 512"):
        sweep(cells, axes, seed=0, memory=4e6)
    assert sweep(cells, axes, seed=0, memory=4e6, tile=40).info.tile == 40
    # A small grid needs only what it has.
    assert sweep(cells, {"x": np.zeros(30)}, seed=0, memory=4e6).info.n_blocks == 1


def test_measuring_leaves_a_running_trace_alone():
    tracemalloc.start()
    try:
        sweep(hungry, {"x": [0], "y": [0]})
        assert tracemalloc.is_tracing()
    finally:
        tracemalloc.stop()
    sweep(hungry, {"x": [0], "y": [0]})
    assert not tracemalloc.is_tracing()


def reciprocal(x):
    return {"y": 1.0 / x, "process": np.full(x.shape, os.getpid())}


def test_workers_are_processes_with_the_error_state_of_the_caller():
    axes = {"x": np.zeros(4)}
    with np.errstate(divide="ignore"):
        result = sweep(reciprocal, axes, block=1, workers=2)
    assert np.all(result["y"] == np.inf)
    assert os.getpid() not in result["process"]
    with np.errstate(divide="raise"), pytest.raises(FloatingPointError):
        sweep(reciprocal, axes, block=1, workers=2)


def test_several_workers_need_a_function_that_they_can_find():
    for cells in (lambda x: {"x": x}, partial(lambda x, y: {"x": x}, y=1)):
        with pytest.raises(ValueError, match="cells must be a function of a module"):
            sweep(cells, {"x": [1.0, 2.0]}, block=1, workers=2)
    # One block is done here, whatever the function.
    assert sweep(lambda x: {"x": x}, {"x": [1.0]}, workers=2)["x"].tolist() == [1.0]


def fails(x, folder):
    (folder / str(x[0])).touch()
    time.sleep(0.02)
    raise RuntimeError("no")


@pytest.mark.parametrize("workers", [1, 2])
def test_after_an_error_no_further_block_begins(tmp_path, workers):
    cells = partial(fails, folder=tmp_path)
    with pytest.raises(RuntimeError, match="no"):
        sweep(cells, {"x": np.arange(100)}, block=1, workers=workers)
    assert len(list(tmp_path.iterdir())) == workers


# --- progress ---


@pytest.mark.parametrize("workers", [1, 2])
def test_progress_counts_cells(workers):
    told = []
    sweep(exact, AXES, block=25, workers=workers, progress=lambda *n: told.append(n))
    assert sorted(told) == told
    assert told[-1] == (N_CELLS, N_CELLS)
    assert len(told) == 5


def test_nothing_is_printed_unless_asked(capsys):
    sweep(exact, AXES, block=25)
    assert capsys.readouterr() == ("", "")
    sweep(exact, AXES, block=53, progress=print_progress)
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.endswith("100%  105 of 105 cells\n")
    assert " 50%  53 of 105 cells" in said.err


# --- checkpoints ---


def counted(function):
    """The function, and a list that grows with the cells it was called for."""
    calls = []

    def cells(tau, p, n, rng=None):
        calls.extend(tau)
        return function(tau, p, n) if rng is None else function(tau, p, n, rng)

    return cells, calls


CASES = pytest.mark.parametrize(
    ("function", "options"),
    [(exact, {"block": 20}), (noisy, {"block": 20, "seed": 5, "tile": 10})],
    ids=["exact", "sampled"],
)


def interrupt_after(n):
    """Progress that is interrupted when n + 1 blocks are finished."""
    left = [n]

    def progress(done, total):
        if left[0] == 0:
            raise KeyboardInterrupt
        left[0] -= 1

    return progress


@CASES
@pytest.mark.parametrize("stop_at", range(6))
def test_interrupted_after_any_block(tmp_path, function, options, stop_at):
    whole = sweep(function, AXES, **options)
    assert whole.info.n_blocks == 6
    options = options | {"checkpoint": tmp_path}
    with pytest.raises(KeyboardInterrupt):
        sweep(function, AXES, **options, progress=interrupt_after(stop_at))
    kept = len(list(tmp_path.glob("cells-*.npz")))
    assert kept == stop_at + 1
    cells, calls = counted(function)
    resumed = sweep(cells, AXES, **options)
    same(resumed, whole)
    assert resumed.info == whole.info._replace(n_reused=kept)
    # No cell is computed twice.
    assert len(calls) == (N_CELLS - 20 * kept if kept < 6 else 0)
    # And once more, all from the folder.
    again = sweep(counted(function)[0], AXES, **options)
    same(again, whole)
    assert again.info.n_reused == 6


@CASES
@pytest.mark.parametrize("stop_at", [2])
def test_interrupted_with_several_workers(tmp_path, function, options, stop_at):
    whole = sweep(function, AXES, **options)
    options = options | {"checkpoint": tmp_path, "workers": 2}
    with pytest.raises(KeyboardInterrupt):
        sweep(function, AXES, **options, progress=interrupt_after(stop_at))
    # What was under way was finished, and is kept as well.
    kept = len(list(tmp_path.glob("cells-*.npz")))
    assert stop_at < kept <= stop_at + 3
    resumed = sweep(function, AXES, **options)
    same(resumed, whole)
    assert resumed.info == whole.info._replace(n_reused=kept)


@CASES
@pytest.mark.parametrize("stop_at", range(1, 6))
def test_interrupted_inside_a_block(tmp_path, function, options, stop_at):
    whole, count = sweep(function, AXES, **options), [0]

    def cells(tau, p, n, rng=None):
        count[0] += len(tau)
        if count[0] > 20 * stop_at:
            raise KeyboardInterrupt
        return function(tau, p, n) if rng is None else function(tau, p, n, rng)

    with pytest.raises(KeyboardInterrupt):
        sweep(cells, AXES, **options, checkpoint=tmp_path)
    resumed = sweep(function, AXES, **options, checkpoint=tmp_path)
    same(resumed, whole)
    assert resumed.info.n_reused == stop_at


def test_an_interrupt_while_writing_leaves_no_file(tmp_path, monkeypatch):
    def savez(file, **arrays):
        file.write(b"PK half a file")
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(np, "savez", savez)
        with pytest.raises(KeyboardInterrupt):
            sweep(exact, AXES, block=20, checkpoint=tmp_path)
    assert [f.name for f in tmp_path.iterdir()] == ["sweep.json"]
    same(sweep(exact, AXES, checkpoint=tmp_path), sweep(exact, AXES))


def test_the_block_size_is_remembered(tmp_path):
    # Without a seed a call is a block, and matrix products may round otherwise in another block.
    sweep(exact, AXES, block=20, checkpoint=tmp_path)
    assert sweep(exact, AXES, checkpoint=tmp_path).info[:4] == (20, 6, None, 6)
    # Another one may be asked for; blocks that are the same are used.
    other = sweep(exact, AXES, block=50, checkpoint=tmp_path)
    assert other.info[:4] == (50, 3, None, 1)  # the last one, cells 100 to 104
    assert other.info.refused == ()
    same(other, sweep(exact, AXES))


def damage(path, how):
    raw = path.read_bytes()
    match how:
        case "empty":
            path.write_bytes(b"")
        case "truncated":
            path.write_bytes(raw[: len(raw) // 2])
        case "a byte of data":
            place = raw.index(np.float64(AXES["p"][0] / AXES["tau"][0]).tobytes())
            path.write_bytes(raw[:place] + bytes([raw[place] ^ 1]) + raw[place + 1 :])
        case "text":
            path.write_text("not a zip file")
        case "no header":
            np.savez(path, **{"cells.ratio": np.zeros(20)})
        case "pickled":
            np.savez(path, sweep=np.array([{}], dtype=object))
        case "one array missing":
            with np.load(path) as file:
                arrays = dict(file)
            del arrays["cells.ratio"]
            np.savez(path, **arrays)
        case "a result changed":
            with np.load(path) as file:
                arrays = dict(file)
            arrays["cells.ratio"][3] += 1e-9
            np.savez(path, **arrays)
        case "of other cells":
            path.write_bytes((path.parent / "cells-0000000020-0000000040.npz").read_bytes())


@pytest.mark.parametrize(
    "how",
    [
        *("empty", "truncated", "a byte of data", "text", "no header", "pickled"),
        *("one array missing", "a result changed", "of other cells"),
    ],
)
def test_damaged_files_are_computed_again(tmp_path, how):
    whole = sweep(exact, AXES, block=20, checkpoint=tmp_path)
    first = tmp_path / "cells-0000000000-0000000020.npz"
    damage(first, how)
    repaired = sweep(exact, AXES, checkpoint=tmp_path)
    same(repaired, whole)
    assert repaired.info.n_reused == 5
    ((name, reason),) = repaired.info.refused
    assert name == first.name
    assert reason.split(":")[0] in ("unreadable", "damaged", "of another sweep")
    # It was replaced by a sound one.
    assert sweep(exact, AXES, checkpoint=tmp_path).info.n_reused == 6


def test_every_byte_of_a_file_is_guarded(tmp_path):
    sweep(exact, AXES, block=60, checkpoint=tmp_path)
    first = tmp_path / "cells-0000000000-0000000060.npz"
    raw, whole = first.read_bytes(), sweep(exact, AXES)
    for place in np.random.default_rng(0).integers(0, len(raw), 60):
        first.write_bytes(raw[:place] + bytes([raw[place] ^ 0x40]) + raw[place + 1 :])
        # Either the flip hits a byte that means nothing, such as a time stamp, or it is seen.
        same(sweep(exact, AXES, checkpoint=tmp_path), whole)


FOREIGN = {
    "values": {"axes": AXES | {"tau": AXES["tau"] + 1e-12}},
    "order of the axes": {"axes": dict(reversed(AXES.items()))},
    "dtype": {"axes": AXES | {"n": AXES["n"].astype(float)}},
    "seed": {"seed": 6},
    "no seed": {"seed": None},
    "tile": {"tile": 20},
    "key": {"key": "another"},
}


@pytest.mark.parametrize("what", FOREIGN)
def test_foreign_files_are_computed_again(tmp_path, what):
    def cells(tau, p, n, rng=None):
        return {"draw": tau + p + n + (0 if rng is None else rng.random(len(tau)))}

    options = {"axes": AXES, "seed": 5, "tile": 10, "block": 20, "key": "one"}
    sweep(cells, **options, checkpoint=tmp_path)
    other = options | FOREIGN[what]
    result = sweep(cells, **other, checkpoint=tmp_path)
    same(result, sweep(cells, **other))
    assert result.info.n_reused == 0
    assert len(result.info.refused) == 6
    assert all(reason.startswith("of another sweep") for _, reason in result.info.refused)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"sweep": 1}', '{"sweep": "x", "block": -3}'])
def test_a_damaged_note_of_the_block_size(tmp_path, text):
    sweep(exact, AXES, block=20, checkpoint=tmp_path)
    note = tmp_path / "sweep.json"
    sweep_id = json.loads(note.read_text())["sweep"]
    note.write_text(text.replace("x", sweep_id))
    assert sweep(exact, AXES, checkpoint=tmp_path).info.block == N_CELLS


def test_cells_that_changed_under_the_same_key_are_noticed_by_their_looks(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        sweep(exact, AXES, block=20, checkpoint=tmp_path, progress=interrupt_after(0))
    with pytest.raises(ValueError, match="give it another key"):
        sweep(lambda tau, p, n: {"ratio": tau > p}, AXES, block=20, checkpoint=tmp_path)


def test_names_of_results_are_free(tmp_path):
    # Also those that NumPy or the store use themselves.
    names = ["file", "sweep", "cells.x", "a/b", "tau", ".."]
    for _ in range(2):
        result = sweep(lambda x: dict.fromkeys(names, x), {"x": [1.0, 2.0]}, checkpoint=tmp_path)
        assert {name: a.tolist() for name, a in result.items()} == {
            name: [1.0, 2.0] for name in names
        }
    assert result.info.n_reused == 1


# --- what is refused ---

ONE = {"x": np.zeros(3)}
BAD = {
    "no axes": (lambda: sweep(exact, {}), "axes must be a dict with at least one axis"),
    "list of axes": (lambda: sweep(exact, [1, 2]), r"axes must be a dict .* got \[1, 2\]"),
    "name": (lambda: sweep(exact, {"a b": [1]}), "axes must have names .* got 'a b'"),
    "rng as axis": (lambda: sweep(exact, {"rng": [1]}), "axes must have names .* got 'rng'"),
    "empty": (lambda: sweep(exact, {"x": []}), r"axes\['x'\] must be 1-D .* got shape \(0,\)"),
    "table": (lambda: sweep(exact, {"x": [[1]]}), r"axes\['x'\] must be 1-D"),
    "words": (lambda: sweep(exact, {"x": ["a"]}), r"axes\['x'\] must be numbers; got dtype <U1"),
    "nan": (lambda: sweep(exact, {"x": [np.nan]}), r"axes\['x'\] must not be NaN"),
    "block": (lambda: sweep(exact, AXES, block=0), "block must be >= 1; got"),
    "half a block": (lambda: sweep(exact, AXES, block=1.5), "block must be one whole number"),
    "tile": (lambda: sweep(exact, AXES, tile=0), "tile must be >= 1; got"),
    "workers": (lambda: sweep(exact, AXES, workers=0), "workers must be >= 1; got"),
    "memory": (lambda: sweep(exact, AXES, memory=0), "memory must be > 0; got"),
    "key": (lambda: sweep(exact, AXES, key=3), "key must be a string; got 3"),
    "seed": (lambda: sweep(noisy, AXES, seed=-1), "seed must be a whole number >= 0.* got -1"),
    "real seed": (lambda: sweep(noisy, AXES, seed=0.5), "seed must be .* got 0.5"),
    "true seed": (lambda: sweep(noisy, AXES, seed=True), "seed must be .* got True"),
    "no seeds": (lambda: sweep(noisy, AXES, seed=[]), r"seed must be .* got \[\]"),
    "no function": (lambda: sweep(3, AXES), "cells must be a function; got 3"),
    "nothing back": (lambda: sweep(lambda x: None, ONE), "cells must return a dict .* got None"),
    "empty dict": (lambda: sweep(lambda x: {}, ONE), r"cells must return a dict .* got \{\}"),
    "bare array": (lambda: sweep(lambda x: x, ONE, block=3), "cells must return a dict"),
    "scalar": (lambda: sweep(lambda x: {"y": 1.0}, ONE), r"'y' of dtype float64 and shape \(\)"),
    "objects": (lambda: sweep(lambda x: {"y": [None] * len(x)}, ONE), "'y' of dtype object"),
    "cells last": (lambda: sweep(lambda x: {"y": x[None]}, ONE, block=3), r"shape \(1, 3\)"),
    "changing": (lambda: sweep(lambda x: {f"y{x[0]:g}": x}, {"x": [1, 2]}, block=1), "same names"),
}


@pytest.mark.parametrize(("call", "words"), BAD.values(), ids=BAD)
def test_bad_arguments(call, words):
    with pytest.raises(ValueError, match=words):
        call()


def test_a_checkpoint_that_is_a_file(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match="checkpoint must be a folder; got the file"):
        sweep(exact, AXES, checkpoint=tmp_path / "file")
    assert sweep(exact, AXES, checkpoint=tmp_path / "new" / "folder").info.n_reused == 0

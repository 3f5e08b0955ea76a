"""Blocks of a sweep: their calls and random numbers, their size, threads."""

import contextvars
import inspect
import threading
import tracemalloc
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from .grid import Grid
from .store import Results, Store

#: Cells of a block where nothing else decides: more of them in one call are not faster, since
#: arrays leave the cache, and an interruption would lose more.
MOST_CELLS = 4096
#: Function of the grid, the first cell, the one after the last, and a generator.
Call: TypeAlias = Callable[[Grid, int, int, np.random.Generator | None], Results]


@dataclass
class Blocks:
    """One sweep under way: `do(start)` for each block, from any thread, in any order.

    Attributes
    ----------
    call : callable
        From `caller`.
    grid : Grid
    seed : list of int or None
    tile, block : int
        Cells with one generator, and cells of a block: whole tiles if there is a seed.
    store : Store or None
    results : dict
        Arrays (n_cells, ...), filled block by block.
    n_reused, refused
        As in `SweepInfo`.

    Examples
    --------
    >>> from klrl_lite.sweeps.grid import make_grid
    >>> call = caller(lambda tau: {"rate": 1 / tau}, seeded=False)
    >>> blocks = Blocks(call, make_grid({"tau": [1.0, 2.0, 4.0]}), None, 1, 2, None)
    >>> blocks.do(0), blocks.do(2), blocks.results["rate"].tolist()
    (2, 1, [1.0, 0.5, 0.25])
    """

    call: Call
    grid: Grid
    seed: list[int] | None
    tile: int
    block: int
    store: Store | None
    results: Results = field(default_factory=dict)
    n_reused: int = 0
    refused: list[tuple[str, str]] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def do(self, start: int) -> int:
        """Find or compute the block that begins with the cell `start`; return its size."""
        stop = min(start + self.block, self.grid.n_cells)
        if self.store is None:
            self._compute(start, stop)
            return stop - start
        found, reason = self.store.load(start, stop)
        with self._lock:
            self.n_reused += found is not None
            if reason:
                self.refused.append((self.store.path(start, stop).name, reason))
        if found is not None:
            self._keep(start, stop, found)
        else:
            self._compute(start, stop)
            part = {name: array[start:stop] for name, array in self.results.items()}
            self.store.save(start, stop, part)
        return stop - start

    def _compute(self, start: int, stop: int) -> None:
        size = self.block if self.seed is None else self.tile
        for first in range(start, stop, size):
            last = min(first + size, stop)
            rng = None if self.seed is None else _generator(self.seed, first // size)
            self._keep(first, last, self.call(self.grid, first, last, rng))

    def _keep(self, start: int, stop: int, part: Results) -> None:
        """Put results into their place; the first ones say what results look like."""
        with self._lock:
            if not self.results:
                for name, array in part.items():
                    shape = (self.grid.n_cells, *array.shape[1:])
                    self.results[name] = np.empty(shape, array.dtype)
        for name in sorted(self.results.keys() | part.keys()):
            new, whole = _look(part.get(name)), _look(self.results.get(name))
            if new != whole:
                raise ValueError(
                    "cells must return the same names, dtypes and shapes for every block; got "
                    f"{name!r} as {new} and as {whole} (if `cells` has changed since the "
                    "checkpoint was begun, give it another key)"
                )
            self.results[name][start:stop] = part[name]


def _look(array: NDArray[Any] | None) -> str:
    return "nothing" if array is None else f"{array.dtype.str} (n, {str(array.shape[1:])[1:]}"


def caller(cells: Callable[..., Any], *, seeded: bool) -> Call:
    """Wrap the function of a sweep: it gets coordinates by name, and its results are checked.

    Examples
    --------
    >>> from klrl_lite.sweeps.grid import make_grid
    >>> call = caller(lambda tau, rng: {"noise": rng.normal(size=tau.shape)}, seeded=True)
    >>> call(make_grid({"tau": [1.0, 2.0]}), 0, 2, np.random.default_rng(0))["noise"].shape
    (2,)
    """
    if not callable(cells):
        raise ValueError(f"cells must be a function; got {cells!r}")
    parameters = inspect.signature(cells).parameters
    takes_rng = "rng" in parameters or any(p.kind is p.VAR_KEYWORD for p in parameters.values())
    if seeded and not takes_rng:
        raise ValueError("cells must take an argument rng where there is a seed; got none")

    def call(grid: Grid, start: int, stop: int, rng: np.random.Generator | None) -> Results:
        random = {"rng": rng} if takes_rng else {}
        got = cells(**grid.coordinates(start, stop), **random)
        got = got._asdict() if hasattr(got, "_asdict") else got
        if not isinstance(got, Mapping) or not got or not all(isinstance(k, str) for k in got):
            raise ValueError(f"cells must return a dict or NamedTuple of arrays; got {got!r}")
        results = {name: np.asarray(array) for name, array in got.items()}
        for name, array in results.items():
            if array.dtype.kind not in "biufc" or array.shape[:1] != (stop - start,):
                raise ValueError(
                    f"cells must return arrays of numbers, for {stop - start} cells on the first "
                    f"axis; got {name!r} of dtype {array.dtype} and shape {array.shape}"
                )
        return results

    return call


def size_for(memory: float, call: Call, grid: Grid, seed: list[int] | None, tile: int) -> int:
    """Cells of a block whose computation fits into `memory` bytes, judged by what one cell takes.

    Examples
    --------
    >>> from klrl_lite.sweeps.grid import make_grid
    >>> call = caller(lambda tau: {"path": np.ones((len(tau), 1000))}, seeded=False)
    >>> 100 < size_for(1e6, call, make_grid({"tau": [1.0, 2.0]}), None, 1) <= 125
    True
    """
    tracing = tracemalloc.is_tracing()
    if not tracing:
        tracemalloc.start()
    try:
        tracemalloc.reset_peak()
        before, _ = tracemalloc.get_traced_memory()
        # A generator of its own, which no tile has: measuring uses up nobody's numbers.
        call(grid, 0, 1, None if seed is None else _generator(seed, 0, 0))
        per_cell = max(1, tracemalloc.get_traced_memory()[1] - before)
    finally:
        if not tracing:
            tracemalloc.stop()
    affordable = max(1, int(memory / per_cell))
    if seed is None:
        return min(MOST_CELLS, affordable)
    if min(tile, grid.n_cells) > affordable:
        # Not made smaller in silence: the tile decides the random numbers.
        raise ValueError(
            f"tile must be at most {affordable} for one call to fit into `memory`, at about "
            f"{per_cell} bytes for each cell; got {tile}"
        )
    return max(tile, MOST_CELLS)


def keep_freed_memory(memory: float) -> None:
    """Make the allocator of glibc keep freed memory instead of giving it back at once.

    It takes the size of the largest array that was freed (up to 32 MB) as a hint of what will be
    wanted again. Without the hint each temporary array above 128 kB is new memory, which the
    system clears page by page: up to as long as the arithmetic in it takes. Harmless elsewhere.

    Examples
    --------
    >>> keep_freed_memory(1e6)
    """
    np.empty(int(min(24 * 2**20, memory / 2)), np.uint8)


def each(do: Callable[[int], int], starts: Sequence[int], workers: int) -> Iterator[int]:
    """Do all blocks, in this thread or in several, and yield what they return as they finish.

    Examples
    --------
    >>> sorted(each(lambda start: start + 1, range(3), workers=2))
    [1, 2, 3]
    """
    if workers == 1:
        yield from map(do, starts)
        return
    pool = ThreadPoolExecutor(workers)
    try:
        # Each in a copy of this context: NumPy keeps its error state there.
        tasks = [pool.submit(contextvars.copy_context().run, do, start) for start in starts]
        for task in as_completed(tasks):
            yield task.result()
    finally:
        # After an error or an interrupt no further block begins; those under way are finished.
        pool.shutdown(wait=True, cancel_futures=True)


def _generator(seed: list[int], *place: int) -> np.random.Generator:
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=place))

"""Blocks of a sweep: their calls and random numbers, their size."""

import inspect
import time
import tracemalloc
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .grid import Grid
from .store import Results, Store

#: Cells of a block where nothing else decides: more of them in one call are not faster, since
#: arrays leave the cache, and an interruption would lose more.
MOST_CELLS = 4096


class Block(NamedTuple):
    """A finished block: its first cell, its results, and where they come from.

    Attributes
    ----------
    start : int
    results : dict
        Arrays (cells of the block, ...).
    reused : bool
        Found in the checkpoint.
    refused : tuple of str, or None
        File of the checkpoint that was not believed, and why.
    seconds : float
        What computing it took, also where it is reused.
    """

    start: int
    results: Results
    reused: bool
    refused: tuple[str, str] | None
    seconds: float


@dataclass(frozen=True)
class Plan:
    """How a sweep is done: `do(start)` for each block, in any process, in any order.

    Attributes
    ----------
    cells : callable
        The function of the sweep.
    grid : Grid
    seed : list of int or None
    tile, block : int
        Cells with one generator, and cells of a block: whole tiles if there is a seed.
    store : Store or None

    Examples
    --------
    >>> from klrl_lite.sweeps.grid import make_grid
    >>> plan = Plan(lambda tau: {"rate": 1 / tau}, make_grid({"tau": [1.0, 2.0, 4.0]}), None, 1, 2)
    >>> plan.do(0).results["rate"].tolist(), plan.do(2).results["rate"].tolist()
    ([1.0, 0.5], [0.25])
    """

    cells: Callable[..., Any]
    grid: Grid
    seed: list[int] | None
    tile: int
    block: int
    store: Store | None = None

    @property
    def starts(self) -> range:
        """First cells of the blocks."""
        return range(0, self.grid.n_cells, self.block)

    def do(self, start: int) -> Block:
        """Find or compute the block that begins with the cell `start`, and store it."""
        found, reason = self.find(start)
        # Stored here, and not where blocks are gathered: what is finished is kept, whatever
        # happens there.
        return found if found is not None else self.keep(self.compute(start), reason)

    def find(self, start: int) -> tuple[Block | None, str]:
        """Find the block in the checkpoint; or None and why it is not there ('': no file)."""
        if self.store is None:
            return None, ""
        found, reason = self.store.load(start, self.stop(start))
        if found is None:
            return None, reason
        return Block(start, found.results, True, None, found.seconds), ""

    def compute(self, start: int) -> Block:
        """Compute the block, without a look at the checkpoint."""
        begun = time.perf_counter()
        results = self._compute(start, self.stop(start))
        return Block(start, results, False, None, time.perf_counter() - begun)

    def keep(self, block: Block, reason: str = "") -> Block:
        """Store a computed block; `reason` says why the file it replaces was not believed."""
        if self.store is None:
            return block
        stop = self.stop(block.start)
        self.store.save(block.start, stop, block.results, block.seconds)
        refused = (self.store.path(block.start, stop).name, reason) if reason else None
        return block._replace(refused=refused)

    def stop(self, start: int) -> int:
        """End of the block that begins with the cell `start`."""
        return min(start + self.block, self.grid.n_cells)

    def _compute(self, start: int, stop: int) -> Results:
        if self.seed is None:
            return self.call(start, stop, None)
        parts = []
        for first in range(start, stop, self.tile):
            rng = _generator(self.seed, first // self.tile)
            parts.append(self.call(first, min(first + self.tile, stop), rng))
            check_alike(parts[-1], parts[0])
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}

    def call(self, start: int, stop: int, rng: np.random.Generator | None) -> Results:
        """Call the function for the cells start..stop-1, and check what it returns."""
        random = {"rng": rng} if takes_rng(self.cells) else {}
        got = self.cells(**self.grid.coordinates(start, stop), **random)
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

    def cells_that_fit(self, memory: float) -> int:
        """Cells of a block whose computation fits into `memory` bytes, judged by one cell."""
        tracing = tracemalloc.is_tracing()
        if not tracing:
            tracemalloc.start()
        try:
            tracemalloc.reset_peak()
            before, _ = tracemalloc.get_traced_memory()
            # A generator of its own, which no tile has: measuring uses up nobody's numbers.
            self.call(0, 1, None if self.seed is None else _generator(self.seed, 0, 0))
            per_cell = max(1, tracemalloc.get_traced_memory()[1] - before)
        finally:
            if not tracing:
                tracemalloc.stop()
        affordable = max(1, int(memory / per_cell))
        if self.seed is None:
            return min(MOST_CELLS, affordable)
        if min(self.tile, self.grid.n_cells) > affordable:
            # Not made smaller in silence: the tile decides the random numbers.
            raise ValueError(
                f"tile must be at most {affordable} for one call to fit into `memory`, at about "
                f"{per_cell} bytes for each cell; got {self.tile}"
            )
        return max(self.tile, MOST_CELLS)


def takes_rng(cells: Callable[..., Any]) -> bool:
    """Tell whether a function takes an argument `rng`.

    Examples
    --------
    >>> takes_rng(lambda tau, rng: tau), takes_rng(lambda tau: tau)
    (True, False)
    """
    parameters = inspect.signature(cells).parameters
    return "rng" in parameters or any(p.kind is p.VAR_KEYWORD for p in parameters.values())


def check_alike(part: Results, other: Results) -> None:
    """Check that two blocks have results of the same names, dtypes and shapes.

    Examples
    --------
    >>> check_alike({"kl": np.zeros(3)}, {"kl": np.ones(5)})
    """
    for name in sorted(part.keys() | other.keys()):
        new, old = _look(part.get(name)), _look(other.get(name))
        if new != old:
            raise ValueError(
                "cells must return the same names, dtypes and shapes for every block; got "
                f"{name!r} as {new} and as {old} (if `cells` has changed since the checkpoint was "
                "begun, give it another key)"
            )


def _look(array: NDArray[Any] | None) -> str:
    return "nothing" if array is None else f"{array.dtype.str} (n, {str(array.shape[1:])[1:]}"


def _generator(seed: list[int], *place: int) -> np.random.Generator:
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=place))

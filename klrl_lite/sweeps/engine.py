"""The sweep as it is called, and what it reports."""

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .. import _checks
from .blocks import Plan, check_alike, takes_rng
from .grid import identity, make_grid
from .store import Results, Store
from .workers import each


class SweepInfo(NamedTuple):
    """How a sweep was done.

    Attributes
    ----------
    block, n_blocks : int
        Cells of a block (the last one may be smaller), and number of blocks.
    tile : int or None
        Cells that share a random generator; None without a seed.
    n_reused : int
        Blocks found finished in the checkpoint.
    refused : tuple of (str, str)
        Files of the checkpoint that were computed again, and why: damaged, or of another sweep.
    """

    block: int
    n_blocks: int
    tile: int | None
    n_reused: int
    refused: tuple[tuple[str, str], ...]


class SweepResult(dict[str, NDArray[Any]]):
    """Results by name, arrays of shape (axis 1, axis 2, ..., ...), and `info`.

    Examples
    --------
    >>> SweepResult({"kl": np.zeros(3)}, SweepInfo(3, 1, None, 0, ())).info.n_blocks
    1
    """

    def __init__(self, results: Mapping[str, NDArray[Any]], info: SweepInfo) -> None:
        super().__init__(results)
        self.info = info


def sweep(
    cells: Callable[..., Any],
    axes: Mapping[str, ArrayLike],
    *,
    seed: int | Sequence[int] | None = None,
    block: int | None = None,
    tile: int = 512,
    memory: float = 256 * 2**20,
    workers: int = 1,
    checkpoint: str | os.PathLike[str] | None = None,
    key: str = "",
    progress: Callable[[int, int], object] | None = None,
) -> SweepResult:
    """Evaluate a function on every cell of a grid, block by block.

    Parameters
    ----------
    cells : callable
        Takes one flat array (n,) of coordinates for each axis, by name, and returns a dict or
        NamedTuple of arrays (n, ...). If it has an argument `rng`, it gets a random generator
        (None without a seed). It must be a function of its arguments alone.
    axes : dict
        Name -> values of the axis, 1-D.
    seed : int or sequence of int, optional
        >= 0; leave it out where nothing is random.
    block : int, optional
        Cells of a block: what is stored, counted and, without a seed, computed in one call. With
        a seed it is rounded up to whole tiles. By default what fits into `memory`, at most 4096.
    tile : int
        Cells that share a random generator and, with a seed, are computed in one call.
    memory : float
        Bytes that the calls may need at a time, beside the results. Measured on one cell.
    workers : int
        Processes, one block each. `cells` must then be a function of a module or of a script (not
        of a notebook, nor inside another function), or a `functools.partial` of one; and the
        script must guard its own doings by `if __name__ == "__main__":`.
    checkpoint : path, optional
        Folder in which each finished block is kept. A second call goes on from there.
    key : str
        What else decides the results: name and version of `cells`, parameters it holds. A stored
        block with another key is not used.
    progress : callable, optional
        Called as progress(done, total) with numbers of cells; `print_progress` is one.

    Returns
    -------
    SweepResult
        A dict of arrays (axis 1, axis 2, ..., ...), with an attribute `info`.

    Raises
    ------
    ValueError
        On a bad argument; if blocks disagree about names, dtypes or shapes of the results; if
        one tile does not fit into `memory`.

    Notes
    -----
    The random numbers of a cell follow from the seed, the tile and its place in the grid, and
    from nothing else: tile i (cells i tile ... of the grid, last axis fastest) gets the
    generator of SeedSequence(seed, spawn_key=(i,)), and is computed in one call. So results are
    the same, bit for bit, for every block size, number of workers, order and interruption.
    Without a seed a call is a block; then the last bits can depend on the block size, since sums
    and matrix products are taken in an order that suits the shape, and on nothing else. So an
    interrupted sweep remembers its block size.

    A block that is damaged, or of other axes, another seed, tile or key, is computed again and
    named in `info.refused`.

    Examples
    --------
    >>> def cells(tau, gap):
    ...     return {"ratio": gap / tau}
    >>> sweep(cells, {"tau": [1.0, 2.0], "gap": [1.0, 2.0, 4.0]})["ratio"].tolist()
    [[1.0, 2.0, 4.0], [0.5, 1.0, 2.0]]
    """
    grid, entropy = make_grid(axes), _entropy(seed)
    tile, workers = _checks.count("tile", tile), _checks.count("workers", workers)
    memory = float(_checks.number("memory", memory, above=0.0))
    if not isinstance(key, str):
        raise ValueError(f"key must be a string; got {key!r}")
    if not callable(cells):
        raise ValueError(f"cells must be a function; got {cells!r}")
    if entropy is not None and not takes_rng(cells):
        raise ValueError("cells must take an argument rng where there is a seed; got none")
    store = None if checkpoint is None else Store(checkpoint, identity(grid, entropy, tile, key))
    if block is not None:
        block = _checks.count("block", block)
    elif store is None or (block := store.block_size()) is None:
        block = Plan(cells, grid, entropy, tile, 1).cells_that_fit(memory / workers)
    if entropy is not None:
        block = -(-block // tile) * tile
    block = min(block, grid.n_cells)
    if store is not None:
        store.save_block_size(block)
    plan, starts = Plan(cells, grid, entropy, tile, block, store), range(0, grid.n_cells, block)
    flat: Results = {}
    done, n_reused, refused = 0, 0, []
    for start, part, reused, doubt in each(plan, starts, workers, memory):
        flat = flat or {n: np.empty((grid.n_cells, *a.shape[1:]), a.dtype) for n, a in part.items()}
        check_alike(part, flat)
        for name, array in part.items():
            flat[name][start : start + block] = array
        n_reused += reused
        refused += [doubt] if doubt else []
        done += min(block, grid.n_cells - start)
        if progress is not None:
            progress(done, grid.n_cells)
    results = {name: a.reshape(*grid.shape, *a.shape[1:]) for name, a in flat.items()}
    own_tile = None if entropy is None else tile
    info = SweepInfo(block, len(starts), own_tile, n_reused, tuple(sorted(refused)))
    return SweepResult(results, info)


def _entropy(seed: ArrayLike | None) -> list[int] | None:
    """Check the seed; a list also where it is one number."""
    if seed is None:
        return None
    numbers = np.atleast_1d(np.asarray(seed))
    if numbers.dtype.kind not in "iu" or numbers.ndim != 1 or not numbers.size or numbers.min() < 0:
        raise ValueError(f"seed must be a whole number >= 0, or several; got {seed!r}")
    return [int(n) for n in numbers]


def print_progress(done: int, total: int) -> None:
    """Draw a bar on the error stream, `progress` of a sweep run by hand.

    Parameters
    ----------
    done, total : int

    Examples
    --------
    >>> import contextlib, io
    >>> with contextlib.redirect_stderr(io.StringIO()) as said:
    ...     print_progress(3, 4)
    >>> said.getvalue().strip()
    '[##############################          ]  75%  3 of 4 cells'
    """
    filled = 40 * done // total
    bar = "#" * filled + " " * (40 - filled)
    end = "\n" if done == total else ""
    sys.stderr.write(f"\r[{bar}] {100 * done // total:3d}%  {done} of {total} cells{end}")
    sys.stderr.flush()

"""The sweep as it is called, alone or several at once."""

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from .. import _checks
from .blocks import Plan, takes_rng
from .gather import Gathered, SweepResult
from .grid import identity, make_grid
from .store import Store
from .workers import Pool, each

#: Bytes that the calls may need at a time, if nothing else is asked for.
MEMORY = 256.0 * 2**20


def sweep(
    cells: Callable[..., Any],
    axes: Mapping[str, ArrayLike],
    *,
    seed: int | Sequence[int] | None = None,
    block: int | None = None,
    tile: int = 512,
    memory: float = MEMORY,
    workers: int | Pool = 1,
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
    workers : int or Pool
        Processes, one block each. `cells` must then be a function of a module or of a script (not
        of a notebook, nor inside another function), or a `functools.partial` of one; and the
        script must guard its own doings by `if __name__ == "__main__":`. Or a pool of
        `klrl_lite.sweeps.pools`: the cores of this machine, or a cluster; `cells` may then be any
        function.
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
    one = {"cells": cells, "axes": axes, "seed": seed, "block": block, "tile": tile}
    one |= {"checkpoint": checkpoint, "key": key}
    return sweep_all({"": one}, memory=memory, workers=workers, progress=progress)[""]


def sweep_all(
    sweeps: Mapping[str, Mapping[str, Any]],
    *,
    memory: float = MEMORY,
    workers: int | Pool = 1,
    progress: Callable[[int, int], object] | None = None,
) -> dict[str, SweepResult]:
    """Do several sweeps as if they were one, so that small ones keep many workers busy.

    Parameters
    ----------
    sweeps : dict
        Name -> arguments of `sweep`, by name: cells, axes, seed, block, tile, checkpoint, key. No
        two may have the same checkpoint.
    memory, workers, progress
        As in `sweep`, for all of them together.

    Returns
    -------
    dict
        Name -> SweepResult, the same as `sweep` alone would return.

    Raises
    ------
    ValueError
        On a bad argument, of this function or of one of the sweeps.

    Examples
    --------
    >>> def cells(tau):
    ...     return {"rate": 1 / tau}
    >>> found = sweep_all({name: {"cells": cells, "axes": {"tau": [t]}} for name, t in
    ...                    (("cold", 0.5), ("hot", 2.0))})
    >>> found["cold"]["rate"].tolist(), found["hot"]["rate"].tolist()
    ([2.0], [0.5])
    """
    if isinstance(workers, int | float | np.number) or not callable(workers):
        workers = _checks.count("workers", workers)
    memory = float(_checks.number("memory", memory, above=0.0))
    if not isinstance(sweeps, Mapping) or not all(isinstance(s, Mapping) for s in sweeps.values()):
        raise ValueError(f"sweeps must be a dict of dicts of arguments; got {sweeps!r}")
    folders = [Path(s["checkpoint"]).resolve() for s in sweeps.values() if s.get("checkpoint")]
    if twice := {str(folder) for folder in folders if folders.count(folder) > 1}:
        raise ValueError(f"sweeps must have checkpoints of their own; got {min(twice)!r} twice")
    share = memory / (workers if isinstance(workers, int) else workers.sharing)
    gathered = [Gathered(_plan(**arguments, memory=share)) for arguments in sweeps.values()]
    done, total = 0, sum(one.plan.grid.n_cells for one in gathered)
    for place, block in each([one.plan for one in gathered], workers, memory):
        done += gathered[place].take(block)
        if progress is not None:
            progress(done, total)
    return {name: one.result() for name, one in zip(sweeps, gathered, strict=True)}


def _plan(
    cells: Callable[..., Any],
    axes: Mapping[str, ArrayLike],
    *,
    memory: float,
    seed: int | Sequence[int] | None = None,
    block: int | None = None,
    tile: int = 512,
    checkpoint: str | os.PathLike[str] | None = None,
    key: str = "",
) -> Plan:
    """Check the arguments of a sweep, and decide on its blocks."""
    grid, entropy = make_grid(axes), _entropy(seed)
    tile = _checks.count("tile", tile)
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
        block = Plan(cells, grid, entropy, tile, 1).cells_that_fit(memory)
    if entropy is not None:
        block = -(-block // tile) * tile
    block = min(block, grid.n_cells)
    if store is not None:
        store.save_block_size(block)
    return Plan(cells, grid, entropy, tile, block, store)


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

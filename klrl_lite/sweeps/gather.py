"""The results of a sweep as its blocks come in, and what it reports."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .blocks import Block, Plan, check_alike
from .store import Results


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
    """Results by name, arrays of shape (axis 1, axis 2, ..., ...).

    Attributes
    ----------
    info : SweepInfo
    seconds : float
        What computing all blocks took, added up: also of those that an earlier call or another
        process computed.

    Examples
    --------
    >>> SweepResult({"kl": np.zeros(3)}, SweepInfo(3, 1, None, 0, ())).info.n_blocks
    1
    """

    def __init__(
        self, results: Mapping[str, NDArray[Any]], info: SweepInfo, seconds: float = 0.0
    ) -> None:
        super().__init__(results)
        self.info, self.seconds = info, seconds


class Gathered:
    """The blocks of one sweep, taken one by one.

    Attributes
    ----------
    plan : Plan

    Examples
    --------
    >>> from klrl_lite.sweeps.grid import make_grid
    >>> plan = Plan(lambda tau: {"rate": 1 / tau}, make_grid({"tau": [1.0, 2.0, 4.0]}), None, 1, 2)
    >>> gathered = Gathered(plan)
    >>> gathered.take(plan.do(2)), gathered.take(plan.do(0))
    (1, 2)
    >>> gathered.result()["rate"].tolist()
    [1.0, 0.5, 0.25]
    """

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self._flat: Results = {}
        self._refused: list[tuple[str, str]] = []
        self._n_reused, self._seconds = 0, 0.0

    def take(self, block: Block) -> int:
        """Put the results of a block where they belong; return its number of cells."""
        n, part, flat = self.plan.grid.n_cells, block.results, self._flat
        self._flat = flat or {k: np.empty((n, *a.shape[1:]), a.dtype) for k, a in part.items()}
        check_alike(part, self._flat)
        stop = self.plan.stop(block.start)
        for name, array in part.items():
            self._flat[name][block.start : stop] = array
        self._n_reused += block.reused
        self._refused += [block.refused] if block.refused else []
        self._seconds += block.seconds
        return stop - block.start

    def result(self) -> SweepResult:
        """Lay the results out on the grid."""
        plan, shape = self.plan, self.plan.grid.shape
        results = {name: a.reshape(*shape, *a.shape[1:]) for name, a in self._flat.items()}
        tile, refused = None if plan.seed is None else plan.tile, tuple(sorted(self._refused))
        info = SweepInfo(plan.block, len(plan.starts), tile, self._n_reused, refused)
        return SweepResult(results, info, self._seconds)

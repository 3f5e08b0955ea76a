"""A grid of parameters as a list of cells: checks of its axes, coordinates, identity."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from math import prod
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray


class Grid(NamedTuple):
    """Axes by name; cells are numbered with the last axis running fastest.

    Attributes
    ----------
    axes : dict
        Name -> values of the axis, in the order of the axes of the results.

    Examples
    --------
    >>> grid = make_grid({"tau": [0.1, 0.2], "n": [1, 2, 3]})
    >>> grid.shape, grid.coordinates(2, 4)["n"].tolist()
    ((2, 3), [3, 1])
    """

    axes: dict[str, NDArray[Any]]

    @property
    def shape(self) -> tuple[int, ...]:
        """Number of values on each axis."""
        return tuple(len(values) for values in self.axes.values())

    @property
    def n_cells(self) -> int:
        """Number of cells; a Python integer, which cannot overflow."""
        return prod(self.shape)

    def coordinates(self, start: int, stop: int) -> dict[str, NDArray[Any]]:
        """Coordinates of the cells start..stop-1, one flat array for each axis."""
        # Only those of the block are ever made: a mesh of the whole grid may not fit into memory.
        places = np.unravel_index(np.arange(start, stop), self.shape)
        return {
            name: values[place]
            for (name, values), place in zip(self.axes.items(), places, strict=True)
        }


def make_grid(axes: Mapping[str, ArrayLike]) -> Grid:
    """Check the axes of a sweep and copy them.

    Parameters
    ----------
    axes : dict
        Name -> values, 1-D; at least one axis, and at least one value on each.

    Examples
    --------
    >>> make_grid({"tau": [0.1, 0.2]}).n_cells
    2
    """
    if not isinstance(axes, Mapping) or not axes:
        raise ValueError(f"axes must be a dict with at least one axis; got {axes!r}")
    checked = {}
    for name, values in axes.items():
        if not isinstance(name, str) or not name.isidentifier() or name == "rng":
            raise ValueError(
                f"axes must have names that can be arguments, other than 'rng'; got {name!r}"
            )
        array = np.array(values)
        if array.dtype.kind not in "biuf":
            raise ValueError(f"axes[{name!r}] must be numbers; got dtype {array.dtype}")
        if array.ndim != 1 or not array.size:
            raise ValueError(
                f"axes[{name!r}] must be 1-D with at least one value; got shape {array.shape}"
            )
        if np.any(np.isnan(array)):
            raise ValueError(f"axes[{name!r}] must not be NaN; got {values!r}")
        array.flags.writeable = False
        checked[name] = array
    return Grid(checked)


def identity(grid: Grid, seed: Sequence[int] | None, tile: int, key: str) -> str:
    """Return a digest of all that decides the numbers of a sweep, apart from the code of a cell.

    Examples
    --------
    >>> grid = make_grid({"tau": [0.1, 0.2]})
    >>> identity(grid, [0], 512, "") == identity(grid, [1], 512, "")
    False
    """
    axes = [
        (name, values.dtype.str, len(values), hashlib.sha256(values.tobytes()).hexdigest())
        for name, values in grid.axes.items()
    ]
    # Without random numbers the tile decides nothing.
    what = {"axes": axes, "seed": seed, "tile": None if seed is None else tile, "key": key}
    return hashlib.sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()

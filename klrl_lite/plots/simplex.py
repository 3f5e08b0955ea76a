"""Drawing on the 2-simplex."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from .._types import Array, ArrayLike, ArrayMap
from .style import COLORS

#: Corners of the triangle in the plane, for actions 0, 1, 2.
CORNERS = np.array([[0.0, 0.0], [1.0, 0.0], [0.5, np.sqrt(0.75)]])


def to_plane(p: ArrayLike) -> Array:
    """Map probabilities of shape (..., 3) to plane coordinates of shape (..., 2)."""
    return np.asarray(p) @ CORNERS


def grid(n: int = 121) -> Array:
    """Return probabilities (points, 3) on a triangular grid, without the border (log 0)."""
    i, j = np.meshgrid(np.arange(1, n), np.arange(1, n), indexing="ij")
    inside = i + j < n
    i, j = i[inside], j[inside]
    return np.stack([n - i - j, i, j], axis=-1) / n


def triangle(ax: Axes, names: Sequence[str] = ("1", "2", "3")) -> None:
    """Draw an empty simplex with named corners."""
    ax.plot(*CORNERS[[0, 1, 2, 0]].T, color=COLORS["reference"], lw=1)
    for (x, y), name, (ha, va) in zip(
        CORNERS, names, [("right", "top"), ("left", "top"), ("center", "bottom")], strict=True
    ):
        ax.text(x, y, f" {name} ", ha=ha, va=va, fontsize=10)
    ax.set_aspect("equal")
    ax.axis("off")


def contours(ax: Axes, value_of: ArrayMap, levels: Sequence[float], **kwargs: Any) -> None:
    """Contour lines of a function of the probabilities (points, 3) -> (points,)."""
    p = grid()
    style: dict[str, Any] = {"colors": COLORS["quiet"], "linewidths": 0.7, "alpha": 0.8} | kwargs
    x, y = to_plane(p).T
    ax.tricontour(x, y, value_of(p), levels=levels, **style)


def mark(
    ax: Axes,
    p: ArrayLike,
    text: str,
    *,
    marker: str = "o",
    color: str | None = None,
    dx: float = 6,
    dy: float = 4,
    size: float = 36,
) -> None:
    """Mark a policy on the simplex with a name."""
    x, y = to_plane(p)
    ax.scatter(x, y, marker=marker, s=size, color=color or COLORS["gibbs"], zorder=5)
    ax.annotate(text, (x, y), (dx, dy), textcoords="offset points", fontsize=10)

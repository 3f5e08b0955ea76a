"""Drawing on the 2-simplex."""

import numpy as np

from .style import COLORS

#: Corners of the triangle in the plane, for actions 0, 1, 2.
CORNERS = np.array([[0.0, 0.0], [1.0, 0.0], [0.5, np.sqrt(0.75)]])


def to_plane(p):
    """Map probabilities of shape (..., 3) to plane coordinates of shape (..., 2)."""
    return np.asarray(p) @ CORNERS


def grid(n=121):
    """Return probabilities (points, 3) on a triangular grid, without the border (log 0)."""
    i, j = np.meshgrid(np.arange(1, n), np.arange(1, n), indexing="ij")
    inside = i + j < n
    i, j = i[inside], j[inside]
    return np.stack([n - i - j, i, j], axis=-1) / n


def triangle(ax, names=("1", "2", "3")):
    """Draw an empty simplex with named corners."""
    ax.plot(*CORNERS[[0, 1, 2, 0]].T, color=COLORS["reference"], lw=1)
    for corner, name, (ha, va) in zip(
        CORNERS, names, [("right", "top"), ("left", "top"), ("center", "bottom")], strict=True
    ):
        ax.text(*corner, f" {name} ", ha=ha, va=va, fontsize=10)
    ax.set_aspect("equal")
    ax.axis("off")


def contours(ax, value_of, levels, **kwargs):
    """Contour lines of a function of the probabilities (points, 3) -> (points,)."""
    p = grid()
    style = {"colors": COLORS["quiet"], "linewidths": 0.7, "alpha": 0.8} | kwargs
    ax.tricontour(*to_plane(p).T, value_of(p), levels=levels, **style)


def mark(ax, p, text, *, marker="o", color=None, dx=6, dy=4, size=36):
    """Mark a policy on the simplex with a name."""
    x, y = to_plane(p)
    ax.scatter(x, y, marker=marker, s=size, color=color or COLORS["gibbs"], zorder=5)
    ax.annotate(text, (x, y), (dx, dy), textcoords="offset points", fontsize=10)

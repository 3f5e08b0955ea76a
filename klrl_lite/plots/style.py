"""One look for every figure: size for a phone, one colour and line style per role."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes

from .._types import Array

#: One colour per algorithm or role, in the whole book.
COLORS = {
    "mirror": "#0072B2",
    "euclid": "#C44E00",
    "trpo": "#00805D",
    "ppo": "#8452A3",
    "grpo": "#B03A73",
    "reference": "#555555",
    "gibbs": "#111111",
    "quiet": "#8A8A8A",
}
LINES = {
    "mirror": "-",
    "euclid": (0, (5, 2)),
    "trpo": (0, (6, 2, 1, 2)),
    "ppo": (0, (1, 1.5)),
    "grpo": (0, (3, 1, 1, 1, 1, 1)),
    "reference": ":",
    "gibbs": "-",
    "quiet": "-",
}

_RC: dict[Any, Any] = {
    "figure.facecolor": (1, 1, 1, 0),
    "axes.facecolor": (1, 1, 1, 0),
    "savefig.facecolor": (1, 1, 1, 0),
    "figure.dpi": 144,
    "font.size": 11,
    "axes.titlesize": 11.5,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.8,
    "lines.linewidth": 2.0,
    "legend.frameon": False,
    "legend.fontsize": 10,
    "axes.prop_cycle": mpl.cycler(  # type: ignore[attr-defined]
        color=["#0072B2", "#C44E00", "#00805D", "#8452A3"]
    ),
}


@contextmanager
def figure(
    rows: int = 1, cols: int = 1, size: tuple[float, float] = (5.6, 3.5), **kwargs: Any
) -> Iterator[Any]:
    """Axes in the book's style; tidied up on leaving. Yields what `plt.subplots` gives as axes."""
    with mpl.rc_context(_RC):
        _, axes = plt.subplots(rows, cols, figsize=size, layout="constrained", **kwargs)
        yield axes
        interactive = mpl.is_interactive()
    # A notebook's backend is loaded with the first figure and then switches this on for good.
    mpl.interactive(interactive)


def shades(n: int, cmap: str = "viridis") -> Array:
    """Give n colours for an ordered family, each with a contrast of 3:1 on white."""
    return mpl.colormaps[cmap](np.linspace(0.05, 0.59, n))


def label_line(
    ax: Axes,
    x: float,
    y: float,
    text: str,
    color: str | Array,
    *,
    dx: float = 0.0,
    dy: float = 0.0,
    **kwargs: Any,
) -> None:
    """Write a label at a line instead of in a legend."""
    ax.annotate(text, (x, y), (dx, dy), textcoords="offset points", color=color, **kwargs)

"""Figures of the book, one function each; the pages hold the ideas, this package the drawing.

Drawn with dark ink on a transparent ground: the book's style sheet inverts the lightness (not
the hue) of figures in dark mode. Colours come from Okabe and Ito's colour-blind safe set, each
darkened to a contrast of at least 3:1 on white, and each role also has a line style of its own.
"""

from . import (
    diagnostics,
    flow,
    grpo,
    grpo_transition,
    limits,
    mirror,
    ppo,
    sharpening,
    signatures,
    support,
    thermodynamics,
    thresholds,
    trainer,
    transformer,
    trpo,
    two_kls,
    which_kl,
    your_runs,
)
from .everyone import everyone
from .style import COLORS, LINES, figure

__all__ = [
    "COLORS",
    "LINES",
    "diagnostics",
    "everyone",
    "figure",
    "flow",
    "grpo",
    "grpo_transition",
    "limits",
    "mirror",
    "ppo",
    "sharpening",
    "signatures",
    "support",
    "thermodynamics",
    "thresholds",
    "trainer",
    "transformer",
    "trpo",
    "two_kls",
    "which_kl",
    "your_runs",
]

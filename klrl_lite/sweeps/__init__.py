"""Sweeps over a grid of parameters: in blocks that fit into memory, and resumable.

The bookkeeping of a phase plane: cut the grid into blocks, give each its random numbers, keep
finished blocks on disk. What is computed in a cell is the caller's business, and who computes it
can be chosen: this process, several, or the machines of a cluster.
"""

from .engine import print_progress, sweep, sweep_all
from .gather import SweepInfo, SweepResult

__all__ = ["SweepInfo", "SweepResult", "print_progress", "sweep", "sweep_all"]

"""Sweeps over a grid of parameters: in blocks that fit into memory, and resumable.

The bookkeeping of a phase plane: cut the grid into blocks, give each its random numbers, keep
finished blocks on disk. What is computed in a cell is the caller's business.
"""

from .engine import SweepInfo, SweepResult, print_progress, sweep

__all__ = ["SweepInfo", "SweepResult", "print_progress", "sweep"]

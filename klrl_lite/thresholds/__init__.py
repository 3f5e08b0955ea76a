"""Support thresholds: where a binary reward takes over, how sharply, and how both scale."""

from .binary import (
    Peak,
    critical_tau,
    crossover_width,
    fisher_zeros,
    heat_capacity_peak,
    log_odds_against,
    success_probability,
)
from .measured import Crossing, collapse_spread, fit_crossing, pass_at_k

__all__ = [
    "Crossing",
    "Peak",
    "collapse_spread",
    "critical_tau",
    "crossover_width",
    "fisher_zeros",
    "fit_crossing",
    "heat_capacity_peak",
    "log_odds_against",
    "pass_at_k",
    "success_probability",
]

"""Diagnostics: measures of how an optimizer that ran compares with the theory.

Of a policy (`target`), of a path (`path`), of one update (`gaps`) and of a sweep (`observed`).
"""

from .gaps import Gaps, gaps
from .observed import Interval, bootstrap, crossing_at, pass_at_k_of, susceptibility
from .path import alignment, fisher_length, geodesic_distance, proximal_kl_spent, realized
from .target import effective_temperature, kl_to_target, off_curve, total_variation

__all__ = [
    "Gaps",
    "Interval",
    "alignment",
    "bootstrap",
    "crossing_at",
    "effective_temperature",
    "fisher_length",
    "gaps",
    "geodesic_distance",
    "kl_to_target",
    "off_curve",
    "pass_at_k_of",
    "proximal_kl_spent",
    "realized",
    "susceptibility",
    "total_variation",
]

"""Explorable figures, one file for each chapter."""

from .chart import Chart
from .mirror import geometry_chart
from .thresholds import threshold_chart
from .two_kls import two_kls_chart

__all__ = ["Chart", "geometry_chart", "threshold_chart", "two_kls_chart"]

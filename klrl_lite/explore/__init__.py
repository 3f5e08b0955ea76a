"""Explorable figures, one file for each chapter."""

from .chart import Chart
from .flow import flow_chart
from .grpo import grpo_chart
from .mirror import geometry_chart
from .ppo import ppo_chart
from .thresholds import threshold_chart
from .trpo import trust_region_chart
from .two_kls import two_kls_chart

__all__ = [
    "Chart",
    "flow_chart",
    "geometry_chart",
    "grpo_chart",
    "ppo_chart",
    "threshold_chart",
    "trust_region_chart",
    "two_kls_chart",
]

"""Explorable figures, one file for each chapter."""

from .chart import Chart
from .diagnostics import planes_chart
from .flow import flow_chart
from .grpo import grpo_chart
from .grpo_transition import transition_chart
from .limits import knob_chart
from .mirror import geometry_chart
from .ppo import ppo_chart
from .sharpening import sharpening_chart
from .starts import starts_chart
from .support import support_chart
from .thermodynamics import frontier_chart
from .thresholds import threshold_chart
from .transformer import transformer_chart
from .trpo import trust_region_chart
from .two_kls import two_kls_chart
from .which_kl import which_kl_chart
from .your_runs import your_runs_chart

__all__ = [
    "Chart",
    "flow_chart",
    "frontier_chart",
    "geometry_chart",
    "grpo_chart",
    "knob_chart",
    "planes_chart",
    "ppo_chart",
    "sharpening_chart",
    "starts_chart",
    "support_chart",
    "threshold_chart",
    "transformer_chart",
    "transition_chart",
    "trust_region_chart",
    "two_kls_chart",
    "which_kl_chart",
    "your_runs_chart",
]

"""Live labs: widgets for a running kernel, one file for each chapter.

The rendered book leaves them out.

Each lab has a function `..._state` that computes what is shown, and a function `..._lab` that makes
the widgets; the first is tested, the second needs ipywidgets.
"""

from .flow import flow_lab
from .grpo import grpo_lab
from .mirror import mirror_lab
from .ppo import ppo_lab
from .thresholds import thresholds_lab
from .trpo import trpo_lab
from .two_kls import two_kls_lab

__all__ = [
    "flow_lab",
    "grpo_lab",
    "mirror_lab",
    "ppo_lab",
    "thresholds_lab",
    "trpo_lab",
    "two_kls_lab",
]

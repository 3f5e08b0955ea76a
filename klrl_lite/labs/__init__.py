"""Live labs: widgets for a running kernel, one file for each chapter.

The rendered book leaves them out.

Each lab has a function `..._state` that computes what is shown, and a function `..._lab` that makes
the widgets; the first is tested, the second needs ipywidgets.
"""

from .diagnostics import diagnostics_lab
from .flow import flow_lab
from .grpo import grpo_lab
from .grpo_transition import transition_lab
from .limits import limits_lab
from .mirror import mirror_lab
from .ppo import ppo_lab
from .sharpening import sharpening_lab
from .support import support_lab
from .thermodynamics import thermodynamics_lab
from .thresholds import thresholds_lab
from .transformer import transformer_lab
from .trpo import trpo_lab
from .two_kls import two_kls_lab
from .which_kl import which_kl_lab
from .your_runs import your_runs_lab

__all__ = [
    "diagnostics_lab",
    "flow_lab",
    "grpo_lab",
    "limits_lab",
    "mirror_lab",
    "ppo_lab",
    "sharpening_lab",
    "support_lab",
    "thermodynamics_lab",
    "thresholds_lab",
    "transformer_lab",
    "transition_lab",
    "trpo_lab",
    "two_kls_lab",
    "which_kl_lab",
    "your_runs_lab",
]

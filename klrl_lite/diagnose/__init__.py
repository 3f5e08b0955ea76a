"""Diagnose a sweep that somebody else's trainer wrote: `python -m klrl_lite.diagnose PATH...`.

Is there a crossing, and where? Which law do the equilibrium points follow, and can the data tell?
Have the runs settled at all? `diagnose` answers, or says why it cannot.
"""

from .core import Report, diagnose
from .crossing import find_crossing
from .fit import LawFit, Sweep, compare, expected_lead, families
from .laws import LAWS, curves
from .messages import BadInput, Message
from .options import Options
from .settle import drift
from .slope import regress
from .text import as_json, as_text

__all__ = [
    "LAWS",
    "BadInput",
    "LawFit",
    "Message",
    "Options",
    "Report",
    "Sweep",
    "as_json",
    "as_text",
    "compare",
    "curves",
    "diagnose",
    "drift",
    "expected_lead",
    "families",
    "find_crossing",
    "regress",
]

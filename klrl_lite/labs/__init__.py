"""Live labs: widgets for a running kernel, one file for each chapter.

The rendered book leaves them out.

Each lab has a function `..._state` that computes what is shown, and a function `..._lab` that makes
the widgets; the first is tested, the second needs ipywidgets.
"""

from .mirror import mirror_lab
from .thresholds import thresholds_lab
from .two_kls import two_kls_lab

__all__ = ["mirror_lab", "thresholds_lab", "two_kls_lab"]

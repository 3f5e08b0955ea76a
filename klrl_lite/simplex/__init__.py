"""The probability simplex: normalization, KL, entropy, tilts, Bregman divergences, Fisher metric.

Policies are normalized log-probabilities with the actions on the last axis.
"""

# The names with an underscore are the same formulas without checks, for modules of the package
# that have checked their arguments.
from .bregman import BURG, EUCLIDEAN, NEGATIVE_ENTROPY, MirrorMap, bregman, project_to_simplex
from .divergence import _excess, _kl, entropy, excess, kl
from .moments import _centred, _dot, _expect, expect, fisher_cosine, fisher_inner
from .normalize import _below_best, _log_normalize, _tilt, log_normalize, tilt

__all__ = [
    "BURG",
    "EUCLIDEAN",
    "NEGATIVE_ENTROPY",
    "MirrorMap",
    "_below_best",
    "_centred",
    "_dot",
    "_excess",
    "_expect",
    "_kl",
    "_log_normalize",
    "_tilt",
    "bregman",
    "entropy",
    "excess",
    "expect",
    "fisher_cosine",
    "fisher_inner",
    "kl",
    "log_normalize",
    "project_to_simplex",
    "tilt",
]

"""What an algorithm learns from: exact, sampled or grouped. The only home of random numbers.

For a finite action set samples are described by their counts, so that a batch of them, exact or
sampled, is three arrays over actions. Algorithms see these and never a random generator.
"""

from .batches import Signal, advantage_of, aggregate, exact, sampled
from .estimators import KL_TERMS, kl_estimate, kl_gradient_term
from .groups import grouped, grouped_expected
from .raw import gae, group_advantages

__all__ = [
    "KL_TERMS",
    "Signal",
    "advantage_of",
    "aggregate",
    "exact",
    "gae",
    "group_advantages",
    "grouped",
    "grouped_expected",
    "kl_estimate",
    "kl_gradient_term",
    "sampled",
]

"""Where the practical updates come to rest: fixed points for a binary reward with support p.

In log-odds l = logit P, l0 = logit p, every update here has the form
dl/dt ~ W(P) - beta D(P): the pull of the reward against the pull of the reference. Per sequence,

    W = gap                     no std          W = E[sigma_G] / (P (1 - P))    with std
    D = l - l0                  KL(pi || pi_ref), or k2: the true gradient
    D = (P - p) / (P (1 - P))   k3: the gradient of KL(pi_ref || pi)
"""

from .folds import grpo_fold_price, grpo_folds
from .penalties import k2_fixed_point, k3_fixed_point, k3_std_fixed_point, token_fixed_point
from .rules import rule_crossing, rule_equilibria
from .std import grpo_equilibria, grpo_spinodal, std_advantage_force

__all__ = [
    "grpo_equilibria",
    "grpo_fold_price",
    "grpo_folds",
    "grpo_spinodal",
    "k2_fixed_point",
    "k3_fixed_point",
    "k3_std_fixed_point",
    "rule_crossing",
    "rule_equilibria",
    "std_advantage_force",
    "token_fixed_point",
]

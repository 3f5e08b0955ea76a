"""klrl_lite: the formulas of KL-regularized RL, one function for each equation of the book."""

__version__ = "0.1.0"

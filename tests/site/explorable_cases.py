"""Which numbers an explorable must show: page, figure, slider settings, and the function to ask.

To check another figure add a row. The signals are names of `params` in its specification; the
expected values are computed by klrl_lite, the shown ones by the formulas in the page.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from klrl_lite import gibbs, problems, simplex
from klrl_lite.algorithms.mirror import explicit_step
from klrl_lite.explore.thresholds import threshold_values


@dataclass(frozen=True)
class Case:
    """One position of the sliders of one figure."""

    page: str  # without .html
    figure: int  # counted from 0
    sliders: dict[str, float]  # signal name -> value
    expected: Callable[..., dict[str, float]]  # called with the sliders, gives readout -> value
    rtol: float = 1e-9
    atol: float = 1e-12

    def __str__(self) -> str:
        settings = ",".join(f"{name}={value}" for name, value in self.sliders.items())
        return f"{self.page.removeprefix('book/')}[{self.figure}]-{settings}"


def _geometry(product: float) -> dict[str, float]:
    """What is left of the free energy after the chart's last step, in the problem of chapter 01."""
    problem = problems.levels(np.log([0.7, 0.25, 0.05]), [0.0, 0.6, 1.0])
    tau, log_pi = 0.2, np.log([0.9, 0.02, 0.08])
    for _ in range(30):
        advantage = gibbs.soft_advantage(log_pi, problem.log_ref, problem.reward, tau)
        log_pi = explicit_step(log_pi, advantage, product / tau)
    best = gibbs.log_gibbs(problem.log_ref, problem.reward, tau)
    return {"gap_kl": float(tau * simplex.kl(log_pi, best))}


CASES = [
    *(
        Case("book/07_gibbs_thresholds", 0, {"log10_p": log10_p, "tau": tau}, threshold_values)
        for log10_p, tau in [(-3, 0.2), (-9, 0.048), (-0.5, 0.6), (-6, 0.072), (-2.5, 0.02)]
    ),
    *(
        # The chart's numbers are rounded to five digits; below 1e-12 they are rounding itself.
        Case("book/01_mirror_descent", 0, {"product": product}, _geometry, 1e-4, 1e-12)
        for product in [0.05, 0.1, 0.3, 1.0, 1.7, 1.95, 2.1]
    ),
]

"""Which numbers an explorable must show: page, figure, slider settings, and the function to ask.

To check another figure add a row. The signals are names of `params` in its specification; the
expected values are computed by klrl_lite, the shown ones by the formulas in the page.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri

from klrl_lite import gibbs, problems, simplex
from klrl_lite.algorithms.mirror import explicit_step
from klrl_lite.explore.diagnostics import planes_values
from klrl_lite.explore.flow import flow_values
from klrl_lite.explore.grpo import grpo_values
from klrl_lite.explore.grpo_transition import transition_values
from klrl_lite.explore.limits import knob_values
from klrl_lite.explore.ppo import ppo_values
from klrl_lite.explore.sharpening import sharpening_values
from klrl_lite.explore.starts import starts_values
from klrl_lite.explore.support import support_values
from klrl_lite.explore.thermodynamics import frontier_values
from klrl_lite.explore.thresholds import threshold_values
from klrl_lite.explore.transformer import transformer_values
from klrl_lite.explore.trpo import trust_region_values
from klrl_lite.explore.two_kls import two_kls_values
from klrl_lite.explore.which_kl import which_kl_values
from klrl_lite.explore.your_runs import your_runs_values


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


def _starts(picked_a: float, picked_b: float) -> dict[str, float]:
    """Where five algorithms end in chapter 05, each run alone."""
    rare = problems.levels(np.log([0.7, 0.28, 0.02]), [0.0, 0.1, 1.0])
    return starts_values(rare, 0.465, int(picked_a), int(picked_b))


def _two_kls(tau: float, product: float) -> dict[str, float]:
    """Where the run of chapter 02 ends and how long it takes, counted by running it."""
    problem = problems.levels(np.log([0.6, 0.3, 0.1]), [0.0, 0.5, 1.0])
    return two_kls_values(problem, np.log([0.06, 0.91, 0.03]), tau, product)


def _flow(t: float, tau: float) -> dict[str, float]:
    return flow_values(problems.levels(np.log([0.7, 0.25, 0.05]), [0.0, 0.6, 1.0]), t, tau)


def _trust_region(log10_radius: float) -> dict[str, float]:
    values = trust_region_values([0.5, 0.3, 0.2], [0.0, 0.3, 1.0], log10_radius)
    return {name: float(value) for name, value in values.items()}


def _frontier(log10_tau: float, log2_n: float) -> dict[str, float]:
    bell = problems.levels(np.zeros(1000), ndtri((np.arange(1000) + 0.5) / 1000))
    return frontier_values(bell, log10_tau, log2_n)


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
    *(
        Case("book/02_two_kls", 0, {"tau": tau, "product": product}, _two_kls)
        for tau, product in [(0.1, 1.0), (1.5, 0.05), (0.4, 0.5), (0.73, 1.85), (0.3, 2.1)]
    ),
    *(
        Case("book/06_replicator_flow", 0, {"t": t, "tau": tau}, _flow)
        for t, tau in [(3.0, 0.2), (0.1, 1.0), (15.0, 0.08), (5.0, 0.2), (12.5, 0.5)]
    ),
    *(
        # Rounded to six digits; at a radius of 10^0.3 and above the first constraint is slack.
        Case("book/03_trpo", 0, {"log10_radius": x}, _trust_region, 1e-5, 1e-12)
        for x in [-3.0, -1.7, -0.6, 0.2, 0.3, 0.6]
    ),
    *(
        # Its log-ratios are rounded to four digits.
        Case("book/04_ppo", 0, {"clip": clip, "epochs": epochs}, ppo_values, 1e-3)
        for clip, epochs in [(0.2, 12), (0.2, 20), (0.05, 1), (0.5, 40), (0.35, 9)]
    ),
    *(
        # In the third and fourth row large groups have no fixed point.
        Case(
            "book/05_grpo",
            0,
            {"beta": beta, "log10_p": log10_p, "group": group, "gap": gap},
            grpo_values,
        )
        for beta, log10_p, group, gap in [
            (1.0, -1.3, 0, 1.0),
            (3.0, -0.5, 4, 10.0),
            (0.05, -5.0, 64, 1.0),
            (0.5, -1.3, 8, 2.5),
            (0.31, -3.0, 16, 1.0),
            (2.2, -4.2, 32, 7.0),
        ]
    ),
    *(
        # Stored with three digits. The last row asks for more than there is to give.
        Case("book/05_grpo", 1, {"picked_a": a, "picked_b": b}, _starts, rtol=0, atol=6e-4)
        for a, b in [(7, 4), (1, 1), (12, 1), (2, 11), (4, 12)]
    ),
    *(
        # The hills are found by halving a bracket 40 times.
        Case(
            "book/13_sharpening",
            0,
            {"shape": shape, "q": q, "ratio": ratio, "k": k},
            sharpening_values,
            1e-8,
        )
        for shape, q, ratio, k in [
            (2, 0.06, 1.0, 50),
            (2, 0.03, 1.05, 200),
            (2, 0.115, 0.995, 100),
            (2, 0.3, 0.7, 10),
            (1, 0.2, 1.3, 50),
            (0, 0.3, 0.9, 120),
        ]
    ),
    *(
        # The valleys are rounded to six digits; equally deep ones differ by rounding.
        Case("book/09_limits", 0, {"tau": tau, "pay": pay}, knob_values, 1e-5, 1e-9)
        for tau, pay in [(0.4, 1.0), (0.1, 0.6), (1.1, 0.8), (0.7, 0.9), (0.8, 1.0), (0.3, 0.7)]
    ),
    *(
        # Read off tables of the pull at steps of 0.1 in log-odds.
        Case(
            "book/10_grpo_transition",
            0,
            {"beta": beta, "log10_p": log10_p, "group": group},
            transition_values,
            4e-3,
        )
        for beta, log10_p, group in [
            (0.3, -3.0, 16),
            (0.2, -3.0, 16),
            (0.4, -3.0, 16),
            (0.6, -2.0, 0),
            (0.3, -2.0, 0),
            (0.5, -3.0, 4),
            (1.1, -0.5, 64),
            (0.15, -5.0, 32),
        ]
    ),
    *(
        # Its tables are rounded to eight digits.
        Case("book/12_thermodynamics", 0, {"log10_tau": x, "log2_n": k}, _frontier, 1e-6)
        for x, k in [(-0.3, 6), (-0.8, 0), (0.4, 10), (0.0, 1), (-0.55, 4)]
    ),
    *(
        # Its table of midpoints has seven digits; `half` is worked out by the formulas in the page.
        Case(
            "book/11_which_kl",
            0,
            {"penalty": penalty, "log10_p": log10_p, "place": place, "std": std},
            which_kl_values,
            1e-5,
        )
        for penalty, log10_p, place, std in [
            (1, -4, 5, 0),
            (2, -6, 9, 0),
            (2, -0.5, 3, 1),
            (0, -2.5, 7, 1),
            (3, -3, 4, 0),
            (1, -6, 9, 1),
        ]
    ),
    *(
        # The crossing is found by 22 halvings of log2 k; in the last three rows there is none.
        Case(
            "book/14_support",
            0,
            {"tau": tau, "log10_p": log10_p, "spread": spread, "lost": lost},
            support_values,
            1e-4,
        )
        for tau, log10_p, spread, lost in [
            (0.25, -1.5, 2.5, 0.2),
            (0.1, -1.5, 2.5, 0.4),
            (0.6, -2.5, 3.5, 0.05),
            (0.05, -4.0, 0.5, 0.33),
            (0.18, -1.0, 1.5, 0.0),
            (1.0, -0.5, 2.0, 0.6),
            (0.3, -4.0, 4.0, 0.02),
        ]
    ),
    *(
        # Recorded runs, rounded to three digits; the sliders pick the nearest cell.
        Case(
            "book/08_diagnostics",
            0,
            {"algorithm": algorithm, "log10_tau": log10_tau, "log10_p": log10_p},
            planes_values,
            1e-6,
        )
        for algorithm, log10_tau, log10_p in [
            (4, -0.45, -2.0),
            (0, -0.8, -3.1),
            (1, -1.3, -4.8),
            (2, 0.25, -0.4),
            (3, -0.65, -2.2),
            (5, -0.3, -4.0),
        ]
    ),
    *(
        # Recorded runs; the page holds six digits.
        Case("book/15_transformer", 0, {"rule": rule}, transformer_values, 1e-5)
        for rule in (0, 4, 7, 10)
    ),
    *(
        # Leads for one answer are stored with six digits, from a finer table of supports.
        Case(
            "book/16_your_runs",
            0,
            {"law": law, "log10_p": log10_p, "places": places, "log10_n": log10_n},
            your_runs_values,
            2e-3,
            1e-6,
        )
        for law, log10_p, places, log10_n in [
            (0, -2.0, 2, 2.0),
            (1, -4.0, 3, 3.0),
            (2, -0.5, 0, 1.0),
            (3, -1.5, 1, 4.0),
            (0, -3.5, 3, 2.6),
        ]
    ),
]

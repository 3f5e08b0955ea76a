"""Explorable of chapter 07: success and free energy against support and temperature."""

from .. import thresholds
from ..plots.style import COLORS
from .chart import Chart, at, axis, slider


def threshold_chart() -> Chart:
    """Success against temperature, with the free-energy landscape: sliders for support and tau."""
    log_odds = "log((1 - p) / p)"
    params = [
        slider("log10_p", "support, log10 p ", -9, -0.5, 0.1, -3),
        slider("tau", "temperature τ (gap = 1) ", 0.02, 0.6, 0.002, 0.2),
        {"name": "p", "expr": "pow(10, log10_p)"},
        {"name": "tau_c", "expr": f"1 / {log_odds}"},
        {"name": "success", "expr": f"1 / (1 + exp({log_odds} - 1 / tau))"},
        {
            "name": "readout",
            "expr": "['τ = ' + format(tau, '.3f') + ', threshold ' + format(tau_c, '.3f')"
            " + ':', 'right with probability ' + format(success, '.4f')"
            " + (success > 0.5 ? ', the reward decides' : ', the reference decides')]",
        },
    ]
    here = {"type": "point", "filled": True, "size": 90, "color": COLORS["gibbs"]}
    curve = {
        "title": {"text": {"expr": "readout"}},
        "width": 420,
        "height": 190,
        "data": {"sequence": {"start": 0.01, "stop": 0.6, "step": 0.0025, "as": "t"}},
        "transform": [{"calculate": f"1 / (1 + exp({log_odds} - 1 / datum.t))", "as": "s"}],
        "layer": [
            {
                "mark": {"type": "line", "color": COLORS["mirror"], "strokeWidth": 2.5},
                "encoding": {
                    "x": axis("t", "temperature τ", domain=[0, 0.6]),
                    "y": axis("s", "success", domain=[0, 1]),
                },
            },
            at(
                {"type": "rule", "strokeDash": [3, 3], "color": COLORS["reference"]},
                "min(tau_c, 0.6)",
            ),
            at(here, "tau", "success"),
        ],
    }
    energy = "tau * (datum.s * log(datum.s / p) + (1 - datum.s) * log((1 - datum.s) / (1 - p)))"
    lowest = "-tau * log(1 - p + p * exp(1 / tau))"
    landscape = {
        "title": "free energy of a policy with success s",
        "width": 420,
        "height": 150,
        "data": {"sequence": {"start": 0.001, "stop": 1, "step": 0.002, "as": "s"}},
        "transform": [{"calculate": f"{energy} - datum.s", "as": "f"}],
        "layer": [
            {
                "mark": {"type": "line", "color": COLORS["euclid"], "strokeWidth": 2.5},
                "encoding": {
                    "x": axis("s", "success s", domain=[0, 1]),
                    "y": axis("f", "F(s) / gap", zero=False),
                },
            },
            at(here, "success", lowest),
        ],
    }
    return Chart(
        {
            "description": "Success of the Gibbs policy against temperature for a support you "
            "choose, and the free energy over all success rates: its single minimum slides from "
            "the reference to the reward as the temperature falls through the threshold.",
            "params": params,
            "vconcat": [curve, landscape],
        }
    )


def threshold_values(log10_p: float, tau: float) -> dict[str, float]:
    """What the readout of `threshold_chart` must say, from the package."""
    p = 10.0**log10_p
    return {
        "tau_c": float(thresholds.critical_tau(p)),
        "success": float(thresholds.success_probability(p, 1.0, tau)),
    }

"""Explorable of chapter 16: how much data it takes to tell one law from the nearest other."""

from functools import cache
from typing import Any

import numpy as np

from .. import equilibria
from ..diagnose import LAWS, curves, expected_lead
from ..diagnose.laws import PRICES
from ..diagnose.settle import SATURATED
from ..plots.style import COLORS
from ..thresholds import log_odds_against
from .chart import Chart, slider, tidy

#: Laws on offer: those for large groups.
KINDS = ("gibbs", "std", "k3", "k3_std")
NAMES = tuple(next(law.family for law in LAWS if law.name == kind) for kind in KINDS)
#: Temperatures of a sweep: every 8th, 4th, 2nd, or all of `BETAS`.
STRIDES = (8, 4, 2, 1)
BETAS = tuple(round(float(b), 4) for b in np.geomspace(0.12, 1.2, 9))
LOG10_P = np.round(np.arange(-4.0, -0.45, 0.5), 1)


def your_runs_values(law: int, log10_p: float, places: int, log10_n: float) -> dict[str, float]:
    """Compute what the readouts of `your_runs_chart` must say.

    Parameters
    ----------
    law : int
        Index in `KINDS`.
    log10_p, log10_n : float
    places : int
        Index in `STRIDES`.

    Returns
    -------
    dict
        `lead`, expected log-likelihood lead over the nearest other law.

    Examples
    --------
    >>> your_runs_values(0, -2.0, 0, 2.0)["lead"] < 1.0 < your_runs_values(0, -2.0, 3, 2.0)["lead"]
    True
    """
    beta = np.array(BETAS)[:: STRIDES[int(places)]]
    p, true = 10.0**log10_p, KINDS[int(law)]
    leads = [expected_lead(true, k, beta, p, 10.0**log10_n) for k in KINDS if k != true]
    return {"lead": float(min(leads))}


@cache
def _tables() -> tuple[list[Any], list[Any]]:
    """Success at `BETAS` of each law and support; and the nearest other law of each sweep.

    The latter as [lead for one answer, index, price, log-odds where it jumps].
    """
    grids = [
        np.minimum(curves(k, BETAS, np.inf, 1.0, 0, tuple(PRICES.tolist()))[0], SATURATED)
        for k in KINDS
    ]
    truth, nearest = [], []
    for i, kind in enumerate(KINDS):
        prices = tuple(float(log_odds_against(10.0**x)) for x in LOG10_P)
        exact = curves(kind, BETAS, np.inf, 1.0, 0, prices)[0]
        truth.append([tidy(row, 4) for row in exact])
        nearest.append([[_nearest(i, row, s, grids) for s in STRIDES] for row in exact])
    return truth, nearest


def _nearest(true, row, stride, grids):
    P = np.minimum(row[::stride], SATURATED)
    best = [np.inf, 0.0, 0.0, 0.0]
    for j, grid in enumerate(grids):
        if j == true:
            continue
        Q = grid[:, ::stride]
        lead = np.sum(P * np.log(P / Q) + (1 - P) * np.log((1 - P) / (1 - Q)), axis=1)
        at = int(np.argmin(lead))
        if lead[at] < best[0]:
            best = [float(lead[at]), float(j), float(PRICES[at]), _jump(PRICES[at])]
    return tidy(best, 6)


def _jump(price):
    """Log-odds at which success runs away under the law of the std."""
    beta = float(equilibria.grpo_spinodal(1.0 / (1.0 + np.exp(price))))
    return 2.0 * np.arcsinh(beta)


def your_runs_chart() -> Chart:
    """A sweep, the law that made it, and the law that comes nearest; four controls."""
    truth, nearest = _tables()
    jumps = tidy([_jump(float(log_odds_against(10.0**x))) for x in LOG10_P], 5)
    menu = {"input": "select", "options": [0, 1, 2, 3], "labels": list(NAMES), "name": "true law "}
    sizes = {"input": "select", "options": [0, 1, 2, 3],
             "labels": [str(len(BETAS[::s])) for s in STRIDES],
             "name": "temperatures "}  # fmt: skip
    params = [
        {"name": "law", "value": 0, "bind": menu},
        {"name": "places", "value": 2, "bind": sizes},
        slider("log10_n", "answers each, log10 ", 1, 4, 0.1, 2),
        slider("log10_p", "support, log10 p ", -4, -0.5, 0.5, -2),
        {"name": "names", "value": list(NAMES)},
        {"name": "row", "expr": "round((log10_p + 4) / 0.5)"},
        {"name": "truth", "value": truth},
        {"name": "nearest", "value": nearest},
        {"name": "jumps", "value": jumps},
        {"name": "strides", "value": list(STRIDES)},
        {"name": "stride", "expr": "strides[places]"},
        {"name": "n", "expr": "pow(10, log10_n)"},
        {"name": "entry", "expr": "nearest[law][row][places]"},
        {"name": "lead", "expr": "n * entry[0]"},
        {"name": "price", "expr": "log((1 - pow(10, log10_p)) / pow(10, log10_p))"},
        {
            "name": "readout",
            "expr": "['nearest other law: ' + names[entry[1]] + ', with p = ' +"
            " format(1 / (1 + exp(entry[2])), '.2g'),"
            " 'expected lead ' + format(lead, '.2f') + ' nats: ' +"
            " (lead < 1 ? 'the data cannot tell' : lead < 6 ? 'sometimes told apart' :"
            " 'nearly always told apart')]",
        },
    ]
    dots = {
        "data": {"values": [{"i": i, "beta": b} for i, b in enumerate(BETAS)]},
        "transform": [
            {"filter": "datum.i % stride == 0"},
            {"calculate": "truth[law][row][datum.i]", "as": "P"},
            {"calculate": "sqrt(datum.P * (1 - datum.P) / n)", "as": "e"},
            {"calculate": "max(0, datum.P - 2 * datum.e)", "as": "low"},
            {"calculate": "min(1, datum.P + 2 * datum.e)", "as": "high"},
        ],
    }
    place = {"x": _x("beta")}
    return Chart(
        {
            "description": "Success against beta for a law that you choose, at a few temperatures, "
            "with error bars for the answers drawn there, and the curve of the other law that "
            "comes nearest when it may choose its support. With few temperatures another law comes "
            "close to all of them; each one added drives the two apart, and the expected lead in "
            "log-likelihood grows in proportion to the answers.",
            "params": params,
            "title": {"text": {"expr": "readout"}},
            "width": "container",
            "height": 270,
            "layer": [
                _curve("law", "price", "jumps[row]", "true law"),
                _curve("entry[1]", "entry[2]", "entry[3]", "nearest other law"),
                {**dots, "mark": {"type": "rule", "strokeWidth": 1.5, "color": COLORS["mirror"]},
                 "encoding": {**place, "y": _y("low"), "y2": {"field": "high"}}},
                {**dots, "mark": {"type": "point", "filled": True, "size": 60, "opacity": 1,
                                  "color": COLORS["mirror"]},
                 "encoding": {**place, "y": _y("P")}},
            ],
        }
    )  # fmt: skip


def _x(field):
    return {
        "field": field, "type": "quantitative", "title": "β, reward 1",
        "scale": {"type": "log", "domain": [0.1, 1.4], "nice": False},
        "axis": {"values": [0.1, 0.2, 0.5, 1]},
    }  # fmt: skip


def _y(field):
    return {"field": field, "type": "quantitative", "title": "success at rest",
            "scale": {"domain": [0, 1]}}  # fmt: skip


def _curve(kind, price, jump, name):
    """A law as points (W/D, P) along the log-odds l of success."""
    cosh = "(exp(datum.l / 2) + exp(-datum.l / 2))"  # twice the hyperbolic cosine of l/2
    pull = f"({kind} % 2 == 1 ? {cosh} : 1)"
    half = f"((datum.l + {price}) / 2)"
    sinh = f"(exp({half}) - exp(-{half}))"
    width = f"(exp({price} / 2) + exp(-{price} / 2))"
    drag = f"({kind} >= 2 ? {sinh} * {cosh} / {width} : datum.l + {price})"
    spinodal = f"0.5 * (exp({jump} / 2) - exp(-{jump} / 2))"
    away = f"{kind} == 1 && datum.l > {jump}"
    looks = {"true law": (COLORS["gibbs"], [1, 0]), "nearest other law": (COLORS["grpo"], [6, 3])}
    legend = {"title": None, "orient": "bottom", "labelFontSize": 12}

    def channel(part):
        values = [look[part] for look in looks.values()]
        return {"datum": name, "scale": {"domain": list(looks), "range": values}, "legend": legend}

    return {
        "data": {"sequence": {"start": -8, "stop": 8.01, "step": 0.08, "as": "l"}},
        "transform": [
            {"filter": f"datum.l + {price} > 0.01"},
            {"calculate": f"{away} ? {spinodal} * exp({jump} - datum.l) : {pull} / {drag}",
             "as": "beta"},
            {"calculate": f"{away} ? 1 : 1 / (1 + exp(-datum.l))", "as": "P"},
        ],
        "mark": {"type": "line", "strokeWidth": 2.5, "clip": True},
        "encoding": {
            "x": _x("beta"), "y": _y("P"),
            "order": {"field": "l", "type": "quantitative"},
            "color": channel(0), "strokeDash": channel(1),
        },
    }  # fmt: skip

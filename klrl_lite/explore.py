"""Explorable figures: Vega-Lite charts that move without a kernel and without a network.

Each builder returns a `Chart`. A curve with a closed form is drawn from the formula itself,
written as an expression; everything else is drawn from arrays that the package computed. The
tests set the sliders in a browser and compare what is shown with what the package computes.
"""

import numpy as np

from . import gibbs, thresholds
from .plots import mirror as mirror_figures
from .plots.simplex import CORNERS, to_plane
from .plots.style import COLORS

MIME = "application/vnd.vegalite.v5+json"


class Chart:
    """A Vega-Lite specification that notebooks and the book know how to draw."""

    def __init__(self, spec):
        self.spec = {
            "$schema": "https://vega.github.io/schema/vega-lite/v5.json",
            "background": "transparent",
            "config": {
                "font": "sans-serif",
                "view": {"stroke": None},
                "axis": {"labelFontSize": 12, "titleFontSize": 13, "titleFontWeight": "normal"},
                "title": {"fontSize": 13, "fontWeight": "normal", "anchor": "start"},
            },
        } | spec

    def __repr__(self):
        return f"Explorable: {self.spec['description']}"

    def _repr_mimebundle_(self, include=None, exclude=None):
        return {MIME: self.spec, "text/plain": repr(self)}


def _slider(name, label, low, high, step, value):
    bind = {"input": "range", "min": low, "max": high, "step": step, "name": label}
    return {"name": name, "value": value, "bind": bind}


def _tidy(x, digits=5):
    """Round for the page: fewer bytes, and the same bytes on every machine."""
    return [float(f"{v:.{digits}g}") for v in np.ravel(x)]


def _axis(field, title, **scale):
    return {"field": field, "type": "quantitative", "title": title, "scale": scale}


def _at(expression):
    """Place a mark at the value of an expression."""
    return {"datum": {"expr": expression}, "type": "quantitative"}


def threshold_chart():
    """Success against temperature, with the free-energy landscape: sliders for support and tau."""
    log_odds = "log((1 - p) / p)"
    params = [
        _slider("log10_p", "support, log10 p ", -9, -0.5, 0.1, -3),
        _slider("tau", "temperature τ (gap = 1) ", 0.02, 0.6, 0.002, 0.2),
        {"name": "p", "expr": "pow(10, log10_p)"},
        {"name": "tau_c", "expr": f"1 / {log_odds}"},
        {"name": "success", "expr": f"1 / (1 + exp({log_odds} - 1 / tau))"},
        {
            "name": "readout",
            "expr": "'τ = ' + format(tau, '.3f') + ', τ_c = ' + format(tau_c, '.3f')"
            " + ', success = ' + format(success, '.4f')"
            " + (success > 0.5 ? ': the reward decides' : ': the reference decides')",
        },
    ]
    here = {"mark": {"type": "point", "filled": True, "size": 90, "color": COLORS["gibbs"]}}
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
                    "x": _axis("t", "temperature τ", domain=[0, 0.6]),
                    "y": _axis("s", "success", domain=[0, 1]),
                },
            },
            {
                "data": {"values": [{}]},
                "mark": {"type": "rule", "strokeDash": [3, 3], "color": COLORS["reference"]},
                "encoding": {"x": _at("min(tau_c, 0.6)")},
            },
            {
                "data": {"values": [{}]},
                **here,
                "encoding": {"x": _at("tau"), "y": _at("success")},
            },
        ],
    }
    energy = "tau * (datum.s * log(datum.s / p) + (1 - datum.s) * log((1 - datum.s) / (1 - p)))"
    lowest = "-tau * log(1 - p + p * exp(1 / tau))"
    landscape = {
        "title": "free energy of a policy that is right with probability s",
        "width": 420,
        "height": 150,
        "data": {"sequence": {"start": 0.001, "stop": 1, "step": 0.002, "as": "s"}},
        "transform": [{"calculate": f"{energy} - datum.s", "as": "f"}],
        "layer": [
            {
                "mark": {"type": "line", "color": COLORS["euclid"], "strokeWidth": 2.5},
                "encoding": {
                    "x": _axis("s", "success s", domain=[0, 1]),
                    "y": _axis("f", "F(s) / gap", zero=False),
                },
            },
            {
                "data": {"values": [{}]},
                **here,
                "encoding": {"x": _at("success"), "y": _at(lowest)},
            },
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


def threshold_values(log10_p, tau):
    """What the readout of `threshold_chart` must say, from the package."""
    p = 10.0**log10_p
    return {
        "tau_c": float(thresholds.critical_tau(p)),
        "success": float(thresholds.success_probability(p, 1.0, tau)),
    }


#: Values of eta * tau on the slider of `geometry_chart`.
STEP_PRODUCTS = (0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.7, 1.0, 1.3, 1.6, 1.9, 2.0, 2.1)


def geometry_values(problem, tau, log_start, n_steps=30):
    """Paths and remaining free energy of both geometries on the slider's grid of step sizes."""
    etas = np.array(STEP_PRODUCTS) / tau
    entropy, euclid, stuck = mirror_figures.paths(problem, tau, log_start, etas, n_steps)
    best = -tau * gibbs.log_partition(problem.log_ref, problem.reward, tau)
    gaps = []
    for path in (entropy, euclid):
        with np.errstate(divide="ignore"):
            log_path = np.log(path)
        energy = gibbs.free_energy(log_path, problem.log_ref, problem.reward, tau)
        gaps.append(np.maximum(energy - best, 0.0))
    return {"paths": (entropy, euclid), "gaps": gaps, "stuck": stuck}


def geometry_chart(problem, tau, log_start, n_steps=30):
    """Both geometries from one start on the simplex: a slider for the step size."""
    values = geometry_values(problem, tau, log_start, n_steps)
    names = ("squared distance", "KL")
    rows = []
    for name, path in zip(names, values["paths"][::-1], strict=True):
        plane = to_plane(path)
        for i in range(len(STEP_PRODUCTS)):
            xy = np.round(plane[:, i], 3)
            rows += [
                {"i": i, "k": k, "x": float(x), "y": float(y), "geometry": name}
                for k, (x, y) in enumerate(xy)
                if k == 0 or np.any(xy[k] != xy[k - 1])
            ]
    last_entropy, last_euclid = (gap[-1] for gap in values["gaps"])
    stuck = [bool(s) for s in values["stuck"]]
    params = [
        _slider("i", "step size (position) ", 0, len(STEP_PRODUCTS) - 1, 1, 6),
        {"name": "product", "expr": f"{list(STEP_PRODUCTS)}[i]"},
        {"name": "gap_kl", "expr": f"{_tidy(last_entropy)}[i]"},
        {"name": "gap_euclid", "expr": f"{_tidy(last_euclid)}[i]"},
        {"name": "stuck", "expr": f"{str(stuck).lower()}[i]"},
        {
            "name": "readout",
            "expr": f"'ητ = ' + product + '. F − F* after {n_steps} steps: KL ' + "
            "format(gap_kl, '.1e') + (stuck ? '; squared distance stuck on the edge'"
            " : ', squared distance ' + format(gap_euclid, '.1e'))",
        },
    ]
    target = to_plane(np.exp(gibbs.log_gibbs(problem.log_ref, problem.reward, tau)))
    border = [{"x": float(x), "y": float(y), "o": o} for o, (x, y) in enumerate(CORNERS[[0, 1, 2, 0]])]
    place = {
        "x": {"field": "x", "type": "quantitative", "axis": None, "scale": {"domain": [0, 1]}},
        "y": {"field": "y", "type": "quantitative", "axis": None, "scale": {"domain": [0, 0.88]}},
    }
    color = {
        "field": "geometry",
        "type": "nominal",
        "scale": {"domain": list(names), "range": [COLORS["euclid"], COLORS["mirror"]]},
        "legend": {"title": None, "orient": "top-left", "labelFontSize": 12},
    }
    layers = [
        {
            "data": {"values": border},
            "mark": {"type": "line", "color": COLORS["reference"]},
            "encoding": place | {"order": {"field": "o", "type": "quantitative"}},
        },
        {
            "data": {"values": rows},
            "transform": [{"filter": "datum.i == i"}],
            "mark": {"type": "line", "point": {"size": 26}, "strokeWidth": 2},
            "encoding": place
            | {
                "color": color,
                "order": {"field": "k", "type": "quantitative"},
                "strokeDash": {
                    "field": "geometry",
                    "type": "nominal",
                    "scale": {"domain": list(names), "range": [[5, 3], [1, 0]]},
                    "legend": None,
                },
            },
        },
        {
            "data": {"values": [{"x": float(target[0]), "y": float(target[1])}]},
            "mark": {"type": "point", "shape": "diamond", "filled": True, "size": 140,
                     "color": COLORS["gibbs"]},
            "encoding": place,
        },
    ]  # fmt: skip
    return Chart(
        {
            "description": "Paths of mirror descent with squared distance and with KL from one "
            "start towards the Gibbs policy (diamond) on the simplex, for a step size you choose. "
            "KL lands in one step at eta tau = 1 and fails only from 2 on; squared distance "
            "survives small steps and runs into an edge with larger ones.",
            "title": {"text": {"expr": "readout"}},
            "params": params,
            "width": "container",
            "height": 365,
            "layer": layers,
        }
    )

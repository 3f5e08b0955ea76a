"""Explorable of chapter 01: two geometries on the simplex, for a step size one chooses."""

from typing import Any

import numpy as np

from .. import gibbs
from .._types import Array
from ..plots import mirror as mirror_figures
from ..plots.simplex import CORNERS, to_plane
from ..plots.style import COLORS
from ..problems import Problem
from .chart import Chart, slider, tidy

#: Values of eta * tau on the slider of `geometry_chart`.
STEP_PRODUCTS = tuple(k / 20 for k in range(1, 43))


def geometry_values(
    problem: Problem, tau: float, log_start: Array, n_steps: int = 30
) -> dict[str, Any]:
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


def _above_rounding(gap: Array) -> Array:
    """Call 0 what is below 1e-12: rounding, and another number on another machine."""
    return np.where(gap < 1e-12, 0.0, gap)


def geometry_chart(problem: Problem, tau: float, log_start: Array, n_steps: int = 30) -> Chart:
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
        slider("product", "step size ητ ", STEP_PRODUCTS[0], STEP_PRODUCTS[-1], 0.05, 0.5),
        {"name": "i", "expr": "round(20 * product) - 1"},
        {"name": "gap_kl", "expr": f"{tidy(_above_rounding(last_entropy))}[i]"},
        {"name": "gap_euclid", "expr": f"{tidy(_above_rounding(last_euclid))}[i]"},
        {"name": "stuck", "expr": f"{str(stuck).lower()}[i]"},
        {
            "name": "readout",
            # Two lines: a phone is narrow.
            "expr": f"['ητ = ' + format(product, '.2f') + ', F − F* after {n_steps} steps:', 'KL '"
            " + (gap_kl > 0 ? format(gap_kl, '.1e') : 'below 1e-12') + ', squared distance ' + "
            "(stuck ? 'stuck on an edge' : format(gap_euclid, '.1e'))]",
        },
    ]
    target = to_plane(np.exp(gibbs.log_gibbs(problem.log_ref, problem.reward, tau)))
    around = CORNERS[[0, 1, 2, 0]]
    border = [{"x": float(x), "y": float(y), "o": o} for o, (x, y) in enumerate(around)]
    place = {
        "x": {"field": "x", "type": "quantitative", "axis": None, "scale": {"domain": [0, 1]}},
        "y": {"field": "y", "type": "quantitative", "axis": None, "scale": {"domain": [0, 0.88]}},
    }
    legend = {"title": None, "orient": "top-left", "labelFontSize": 12}
    color = {
        "field": "geometry",
        "type": "nominal",
        "scale": {"domain": list(names), "range": [COLORS["euclid"], COLORS["mirror"]]},
        "legend": legend,
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
                    "legend": legend,
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
            "usermeta": {"aspect": 0.88},
            "width": 410,
            "height": 360,
            "layer": layers,
        }
    )

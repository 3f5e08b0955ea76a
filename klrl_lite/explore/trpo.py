"""Explorable of chapter 03: both KL balls of a radius one chooses, and the best point of each."""

import numpy as np

from .. import simplex
from .._types import Array, ArrayLike
from ..algorithms.mirror import trust_region_step
from ..plots.simplex import CORNERS, to_plane
from ..plots.style import COLORS
from ..plots.trpo import REGIONS, ball
from .chart import Chart, slider, tidy

#: Values of log10 of the radius on the slider of `trust_region_chart`.
LOG_RADII = tuple(round(-3 + k / 10, 1) for k in range(37))


def trust_region_values(
    old: ArrayLike, advantage: ArrayLike, log10_radius: ArrayLike
) -> dict[str, Array]:
    """What the readouts of `trust_region_chart` must say, from the package.

    Returns
    -------
    dict of arrays, of the shape of `log10_radius`
        For each region the price of the radius (lambda*, 0 where the constraint is slack) and the
        value of the best policy in the ball; and the largest difference of a probability between
        the two.

    Examples
    --------
    >>> values = trust_region_values([0.5, 0.5], [0.0, 1.0], 0.0)
    >>> [bool(values["price_new_old"] == 0), float(values["value_new_old"])]
    [True, 1.0]
    """
    log_old, radius = np.log(old), 10.0 ** np.asarray(log10_radius, dtype=float)
    values, found = {}, []
    for way in REGIONS:
        log_new, info = trust_region_step(log_old, advantage, radius, direction=way)
        values[f"price_{way}"] = 1.0 / info.eta
        values[f"value_{way}"] = simplex.expect(log_new, advantage)
        found.append(np.exp(log_new))
    return values | {"apart": np.abs(found[0] - found[1]).max(axis=-1)}


def trust_region_chart(old: ArrayLike, advantage: ArrayLike) -> Chart:
    """Both balls around a policy and both optima on the simplex: a slider for the radius."""
    log_old, radii = np.log(old), 10.0 ** np.array(LOG_RADII)
    values = trust_region_values(old, advantage, LOG_RADII)
    place = {
        "x": {"field": "x", "type": "quantitative", "axis": None, "scale": {"domain": [0, 1]}},
        "y": {"field": "y", "type": "quantitative", "axis": None, "scale": {"domain": [0, 0.88]}},
    }
    order = {"order": {"field": "o", "type": "quantitative"}}

    def trace(points, **mark):
        data = [{"x": x, "y": y, "o": o} for o, (x, y) in enumerate(np.round(points, 4).tolist())]
        mark = {"type": "line"} | mark
        return {"data": {"values": data}, "mark": mark, "encoding": place | order}

    layers = [trace(CORNERS[[0, 1, 2, 0]], color=COLORS["reference"], strokeWidth=1)]
    for way, (role, _) in REGIONS.items():
        color, dash = COLORS[role], [1, 0] if way == "new_old" else [7, 3, 2, 3]
        edges = np.round(to_plane(ball(log_old, radii, way, 60)), 3)
        best = to_plane(np.exp(trust_region_step(log_old, advantage, radii, direction=way)[0]))
        best = np.round(best, 4)
        layers += [
            trace(best, color=color, strokeWidth=1, opacity=0.5),
            {
                "data": {
                    "values": [
                        {"i": i, "x": e[:, 0].tolist(), "y": e[:, 1].tolist(), "o": list(range(61))}
                        for i, e in enumerate(edges)
                    ]
                },
                "transform": [{"filter": "datum.i == i"}, {"flatten": ["x", "y", "o"]}],
                "mark": {"type": "line", "color": color, "strokeWidth": 2, "strokeDash": dash},
                "encoding": place | order,
            },
            {
                "data": {
                    "values": [
                        {"i": i, "x": float(x), "y": float(y)} for i, (x, y) in enumerate(best)
                    ]
                },
                "transform": [{"filter": "datum.i == i"}],
                "mark": {
                    "type": "point",
                    "filled": True,
                    "opacity": 1,
                    "color": color,
                    "size": 130,
                    "shape": "circle" if way == "new_old" else "triangle-up",
                },
                "encoding": place,
            },
        ]
    centre = to_plane(old)
    layers.append(
        {
            "data": {"values": [{"x": float(centre[0]), "y": float(centre[1])}]},
            "mark": {"type": "point", "filled": True, "opacity": 1, "color": COLORS["gibbs"]},
            "encoding": place,
        }
    )
    params = [
        slider("log10_radius", "radius, log10 δ ", LOG_RADII[0], LOG_RADII[-1], 0.1, -0.6),
        {"name": "i", "expr": "round(10 * (log10_radius + 3))"},
        {"name": "radius", "expr": "pow(10, log10_radius)"},
        *({"name": name, "expr": f"{tidy(v, 6)}[i]"} for name, v in values.items()),
        {
            "name": "readout",
            "expr": "['δ = ' + format(radius, '.3f') + ', optima apart by ' + format(apart, '.3f'),"
            " 'new||old (circle): ' + (price_new_old > 0 ? 'binds, η = ' +"
            " format(1 / price_new_old, '.3f') : 'does not bind, λ* = 0'),"
            " 'old||new (triangle): binds, η = ' + format(1 / price_old_new, '.3f')]",
        },
    ]
    return Chart(
        {
            "description": "Two KL balls of a radius you choose around an old policy on the "
            "simplex, and the best policy in each: new||old (solid, circle) and old||new (dashed, "
            "triangle). For small radii the two agree; for large ones they part, new||old reaches "
            "the corner and stops binding, old||new never does.",
            "title": {"text": {"expr": "readout"}},
            "params": params,
            "usermeta": {"aspect": 0.88},
            "width": 410,
            "height": 360,
            "layer": layers,
        }
    )

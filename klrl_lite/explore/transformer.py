"""Explorable of chapter 15: one update rule at a time, measured and predicted."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from scipy.special import logit

from .. import equilibria
from .._types import Array
from ..diagnostics.observed import crossing_at
from ..diagnostics.recorded import recorded
from ..diagnostics.transformer import NAMES, RULES, predicted, predicted_crossing
from ..plots.style import COLORS
from .chart import Chart, axis, tidy


def transformer_values(rule: int) -> dict[str, float]:
    """Compute what the readouts of `transformer_chart` must say of rule number `rule`.

    Returns
    -------
    dict
        `seen` and `foretold`, the coefficients of half success; `off`, the largest distance of
        the mean of four sampled runs from the rule's own fixed point.

    Examples
    --------
    >>> sorted(transformer_values(1))
    ['foretold', 'off', 'seen']
    """
    data, name = recorded("rules", "transformer"), list(RULES)[int(rule)]
    mean = data["sampled.late"][:, int(rule)].mean(axis=0)
    own = predicted(name, data["steps_ref"], data["tau"])
    return {
        "seen": float(crossing_at(data["tau"], logit(np.clip(mean, 1e-9, 1 - 1e-9)), 0.0)),
        "foretold": predicted_crossing(name, data["steps_ref"]),
        "off": float(np.abs(mean - own).max()),
    }


def transformer_chart(data: Mapping[str, Array]) -> Chart:
    """Success of a chosen rule against the coefficient: runs, its fixed point, and Gibbs."""
    tau, q = data["tau"], data["steps_ref"]
    fine = np.geomspace(tau[0], tau[-1], 32)
    gibbs = tidy(equilibria.k2_fixed_point(float(np.prod(q)), fine), 4)
    lines, dots = [], []
    for i, name in enumerate(RULES):
        own = tidy(predicted(name, q, fine), 4)
        lines += [
            {"rule": i, "beta": b, "own": s, "gibbs": g}
            for b, s, g in zip(tidy(fine, 4), own, gibbs, strict=True)
        ]
        runs = data["sampled.late"][:, i]
        dots += [
            {"rule": i, "beta": tidy(b, 4)[0], "seen": s}
            for seed in runs
            for b, s in zip(tau, tidy(seed, 4), strict=True)
        ]
    values = [transformer_values(i) for i in range(len(RULES))]
    table = {key: tidy([v[key] for v in values], 6) for key in values[0]}
    params: list[dict[str, Any]] = [
        {
            "name": "rule", "value": 10,
            "bind": {"input": "select", "options": list(range(len(RULES))),
                     "labels": [NAMES[n] for n in RULES], "name": "update rule "},
        },
        *({"name": f"all_{key}", "value": column} for key, column in table.items()),
        *({"name": key, "expr": f"all_{key}[rule]"} for key in table),
        {
            "name": "readout",
            "expr": "['half success: runs at β = ' + format(seen, '.3f') + ', fixed point at ' +"
            " format(foretold, '.3f'), 'largest distance of a mean from the fixed point: ' +"
            " format(off, '.3f')]",
        },
    ]  # fmt: skip
    ticks = [0.1, 0.2, 0.5, 1, 2]
    beta = axis("beta", "coefficient β, for a reward of 1", type="log", domain=[0.1, 2.6])
    x = {**beta, "axis": {"values": ticks}}
    names = ("Gibbs at τ = β", "the rule's fixed point", "runs, four seeds")
    looks = (COLORS["gibbs"], COLORS["mirror"], COLORS["euclid"])

    def layer(source: str, field: str, which: int, mark: dict[str, Any]) -> dict[str, Any]:
        color = {
            "datum": names[which],
            "scale": {"domain": list(names), "range": list(looks)},
            "legend": {"title": None, "orient": "bottom", "labelFontSize": 12, "columns": 1},
        }
        return {
            "data": {"name": source},
            "transform": [{"filter": "datum.rule == rule"}],
            "mark": mark,
            "encoding": {"x": x, "y": axis(field, "success", domain=[0, 1]), "color": color},
        }

    return Chart(
        {
            "description": "Success of recorded runs of a small transformer against the penalty "
            "coefficient, for the update rule that you choose, with the fixed point of that "
            "rule's expected update and with the Gibbs policy. Runs lie on their own rule's "
            "curve. Only leave-one-out with a true KL of the answer has the Gibbs curve.",
            "datasets": {"lines": lines, "dots": dots},
            "params": params,
            "title": {"text": {"expr": "readout"}},
            "width": "container",
            "height": 270,
            "layer": [
                layer("lines", "gibbs", 0, {"type": "line", "strokeDash": [3, 3]}),
                layer("lines", "own", 1, {"type": "line", "strokeWidth": 2.5}),
                layer("dots", "seen", 2, {"type": "point", "filled": True, "size": 40}),
            ],
        }
    )

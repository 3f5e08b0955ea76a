"""Explorable of chapter 06: one curve from the reference, with the KL term and without it."""

from typing import Any

import numpy as np

from .. import flow, gibbs, simplex
from ..plots.simplex import CORNERS, to_plane
from ..plots.style import COLORS
from ..problems import Problem
from .chart import Chart, at, slider, tidy

#: Last time on the slider of `flow_chart`.
_LAST = 15.0


def flow_values(problem: Problem, t: float, tau: float) -> dict[str, float]:
    """What the readouts of `flow_chart` must say, from the package.

    Returns
    -------
    dict
        For both flows from the reference at time t: the temperature of which the policy is the
        Gibbs policy (`tau_kl`, `tau_bare`), the probability of the last action (`best_kl`,
        `best_bare`) and F above its minimum (`above_kl`, `above_bare`).

    Examples
    --------
    >>> from .. import problems
    >>> coin = problems.levels([0.0, 0.0, 0.0], [0.0, 0.5, 1.0])
    >>> values = flow_values(coin, 5.0, 0.2)
    >>> values["tau_bare"], round(values["above_bare"], 12)
    (0.2, 0.0)
    """
    log_star = gibbs.log_gibbs(problem.log_ref, problem.reward, tau)
    both = {
        "kl": flow.kl_flow(t, problem.log_ref, log_star, tau),
        "bare": simplex.tilt(problem.log_ref, t * problem.reward),
    }
    values = {"tau_kl": float(tau / -np.expm1(-tau * t)), "tau_bare": 1.0 / t}
    for name, log_pi in both.items():
        values[f"best_{name}"] = float(np.exp(log_pi[-1]))
        values[f"above_{name}"] = float(tau * simplex.kl(log_pi, log_star))
    return values


def flow_chart(problem: Problem) -> Chart:
    """Regularized and bare flow from the reference on the simplex: sliders for time and tau."""
    ref, reward = tidy(np.exp(problem.log_ref), 12), tidy(problem.reward, 12)

    def mass(i, s):
        """Weight of action i on the curve ref exp(s r), as an expression."""
        return f"{ref[i]} * exp(({reward[i]}) * ({s}))"

    def total(s, factors=(1, 1, 1)):
        return "(" + " + ".join(f"({f:.12g}) * {mass(i, s)}" for i, f in enumerate(factors)) + ")"

    def energy(s):
        """F = -E[r] + tau KL, with KL = s E[r] - log Z(s) on the curve."""
        return f"((tau * ({s}) - 1) * {total(s, reward)} / {total(s)} - tau * log{total(s)})"

    def place(s):
        """Coordinates in the triangle of the point with parameter s."""
        return [f"{total(s, corner)} / {total(s)}" for corner in CORNERS.T]

    best = "-tau * log" + total("1 / tau")
    params = [
        slider("t", "time t ", 0.1, _LAST, 0.1, 3),
        slider("tau", "temperature τ ", 0.08, 1, 0.02, 0.2),
        {"name": "s_kl", "expr": "(1 - exp(-tau * t)) / tau"},
        {"name": "tau_kl", "expr": "1 / s_kl"},
        {"name": "tau_bare", "expr": "1 / t"},
        {"name": "best_kl", "expr": f"{mass(2, 's_kl')} / {total('s_kl')}"},
        {"name": "best_bare", "expr": f"{mass(2, 't')} / {total('t')}"},
        {"name": "above_kl", "expr": f"{energy('s_kl')} - ({best})"},
        {"name": "above_bare", "expr": f"{energy('t')} - ({best})"},
        {
            "name": "readout",
            # Lines as on a phone, which is narrow.
            "expr": "['Gibbs policy of temperature:', 'with KL ' + format(tau_kl, '.3f')"
            " + ', bare ' + format(tau_bare, '.3f'),"
            " 'F − F* at τ = ' + format(tau, '.2f') + ':',"
            " 'with KL ' + format(above_kl, '.4f') + ', bare ' + format(above_bare, '.4f')]",
        },
    ]
    s = np.concatenate([np.linspace(0.0, 12.0, 97), np.geomspace(12.5, 40.0, 12)])
    curve = to_plane(np.exp(simplex.tilt(problem.log_ref, s[:, None] * problem.reward)))
    border = CORNERS[[0, 1, 2, 0]]
    hidden: dict[str, dict[str, Any]] = {"x": {"axis": None, "scale": {"domain": [0, 1]}},
              "y": {"axis": None, "scale": {"domain": [0, 0.88]}}}  # fmt: skip

    def trace(points, **mark):
        rows = [{"x": x, "y": y, "o": o} for o, (x, y) in enumerate(np.round(points, 4).tolist())]
        spots = {k: {"field": k, "type": "quantitative"} | hidden[k] for k in "xy"}
        order = {"order": {"field": "o", "type": "quantitative"}}
        mark |= {"type": "line"}
        return {"data": {"values": rows}, "mark": mark, "encoding": spots | order}

    def point(s, **mark):
        layer = at({"type": "point", "opacity": 1} | mark, *place(s))
        for k in "xy":
            layer["encoding"][k] |= hidden[k]
        return layer

    def word(text, x, y, **mark):
        layer = at({"type": "text", "text": text, "fontSize": 13} | mark, x, y)
        for k in "xy":
            layer["encoding"][k] |= hidden[k]
        return layer

    blue, ink = COLORS["mirror"], COLORS["gibbs"]
    at_ref, at_star = [f"{c:.4f}" for c in curve[0]], place("1 / tau")
    return Chart(
        {
            "description": "Two replicator flows from the reference on the simplex, at a time you "
            "choose: with the KL term (dot) and with the bare reward (ring). Both move on one "
            "curve; the first stops at the Gibbs policy (diamond), the second passes it at time "
            "one over the temperature, where its free energy is lowest, and goes on to the best "
            "action.",
            "title": {"text": {"expr": "readout"}},
            "params": params,
            "usermeta": {"aspect": 0.88},
            "width": 410,
            "height": 360,
            "layer": [
                trace(border, color=COLORS["reference"], strokeWidth=1),
                trace(curve, color=blue, strokeWidth=1.5),
                word("reference", *at_ref, dx=-36, dy=-8),
                word("π*", *at_star, dx=-20),
                point("1 / tau", shape="diamond", filled=True, color=ink, size=170),
                point("t", size=190, filled=False, color=blue, strokeWidth=2.5),
                point("s_kl", size=90, filled=True, color=blue),
            ],
        }
    )

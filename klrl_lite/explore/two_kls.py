"""Explorable of chapter 02: one slider moves the end point, the other only the pace."""

import numpy as np

from .. import gibbs
from .._types import Array
from ..algorithms.mirror import explicit_step, implicit_step
from ..plots.simplex import CORNERS, to_plane
from ..plots.style import COLORS
from ..problems import Problem
from .chart import Chart, slider, tidy

#: Steps drawn, and by how much the error must shrink to count as arrived.
N_STEPS, SHRINK = 30, 1e-3


def two_kls_values(
    problem: Problem, log_start: Array, tau: float, product: float
) -> dict[str, float]:
    """Compute what the readouts of `two_kls_chart` must say, by running both kinds of step.

    Returns
    -------
    dict
        `success`, the best answer's probability at the end point; `steps` and `steps_implicit`
        until the log-ratios to Gibbs have shrunk a thousandfold (infinite if never).
    """
    ref, reward, eta = problem.log_ref, problem.reward, product / tau
    log_star = gibbs.log_gibbs(ref, reward, tau)

    def spread(log_pi):
        return np.ptp(log_pi - log_star)

    def count(step, most=200):
        log_pi = log_start
        for k in range(1, most):
            log_pi = step(log_pi)
            if spread(log_pi) <= SHRINK * (1 + 1e-9) * spread(log_start):
                return float(k)
        return float("inf")

    return {
        "success": float(np.exp(log_star[np.argmax(reward)])),
        "steps": count(lambda z: explicit_step(z, gibbs.soft_advantage(z, ref, reward, tau), eta)),
        "steps_implicit": count(lambda z: implicit_step(z, ref, reward, tau, eta)),
    }


def two_kls_chart(problem: Problem, log_start: Array) -> Chart:
    """Show a run on the simplex for a temperature and a step of one's own; the best answer last."""
    params = [
        slider("tau", "temperature τ (the landscape) ", 0.1, 1.5, 0.01, 0.4),
        slider("product", "ητ (the timestep) ", 0.05, 2.2, 0.05, 0.5),
        {"name": "success", "expr": _weight(problem, None, "tau", 2)},
        {
            "name": "steps",
            "expr": "product >= 2 ? 1 / 0 : abs(1 - product) < 1e-9 ? 1 : "
            f"ceil(log({SHRINK}) / log(abs(1 - product)) - 1e-9)",
        },
        {"name": "steps_implicit", "expr": f"ceil(log(1 / {SHRINK}) / log(1 + product) - 1e-9)"},
        {
            "name": "readout",
            "expr": "['end point: best answer ' + format(success, '.3f'), 'steps to it: '"
            " + (isFinite(steps) ? format(steps, 'd') : 'never arrives')"
            " + ' (implicit: ' + format(steps_implicit, 'd') + ')']",
        },
    ]
    return Chart(
        {
            "description": "A run of mirror descent on the simplex of three answers, with its "
            "success against steps below, for a temperature and a step that you choose. The "
            "temperature moves the end point along the dotted line; the step changes only how "
            "fast the run gets there, and from eta tau = 2 on it does not arrive, while the "
            "implicit step always does.",
            "title": {"text": {"expr": "readout"}},
            "params": params,
            "resolve": {"scale": {"color": "independent", "strokeDash": "independent"}},
            "vconcat": [_simplex_view(problem, log_start), _time_view(problem, log_start)],
        }
    )


def _logits(problem, log_start, c, tau):
    """Write the logits c log pi_0 + (1 - c)(log pi_ref + r/tau) as expressions; c None is 0."""
    rows = zip(
        tidy(problem.log_ref, 12), tidy(problem.reward, 12), tidy(log_start, 12), strict=True
    )
    gibbs_part = [(f"({ref} + {reward} / {tau})", start) for ref, reward, start in rows]
    if c is None:
        return [target for target, _ in gibbs_part]
    return [f"({c} * {start} + (1 - {c}) * {target})" for target, start in gibbs_part]


def _weight(problem, log_start, tau, answer, c=None):
    """Probability of one answer as an expression; the largest logit is subtracted by pairs."""
    start = np.zeros(problem.n_actions) if log_start is None else log_start
    logits = _logits(problem, start, c, tau)
    return "1 / (" + " + ".join(f"exp({other} - {logits[answer]})" for other in logits) + ")"


def _policies(problem, log_start, c, tau):
    """Give transforms that add p0, p1, p2 and their place in the plane."""
    parts = [{"calculate": _weight(problem, log_start, tau, a, c), "as": f"p{a}"} for a in range(3)]
    for name, corner in zip("xy", CORNERS.T, strict=True):
        place = " + ".join(f"{tidy(v, 8)[0]} * datum.p{a}" for a, v in enumerate(corner))
        parts.append({"calculate": place, "as": name})
    return parts


_PLACE = {
    "x": {"field": "x", "type": "quantitative", "axis": None, "scale": {"domain": [0, 1]}},
    "y": {"field": "y", "type": "quantitative", "axis": None, "scale": {"domain": [-0.05, 0.88]}},
}


def _ordered(field):
    return _PLACE | {"order": {"field": field, "type": "quantitative"}}


def _steps(first=0):
    return {"sequence": {"start": first, "stop": N_STEPS + 1, "as": "k"}}


def _simplex_view(problem, log_start):
    corners = CORNERS[[0, 1, 2, 0]]
    border = [{"x": float(x), "y": float(y), "o": o} for o, (x, y) in enumerate(corners)]
    start = to_plane(np.exp(log_start))
    quiet = {"type": "line", "color": COLORS["reference"], "strokeWidth": 1}
    path = [
        {"calculate": "pow(1 - product, datum.k)", "as": "c"},
        *_policies(problem, log_start, "datum.c", "tau"),
    ]
    names = [
        (0.0, -0.045, "worst answer", "left"),
        (1.0, -0.045, "middling", "right"),
        (0.53, float(CORNERS[2, 1]) - 0.01, "best answer", "left"),
    ]
    return {
        "width": 420,
        "height": 300,
        "layer": [
            {"data": {"values": border}, "mark": quiet, "encoding": _ordered("o")},
            {
                "data": {"sequence": {"start": -1.4, "stop": 1.41, "step": 0.05, "as": "u"}},
                "transform": [
                    {"calculate": "pow(10, datum.u)", "as": "t"},
                    *_policies(problem, log_start, None, "datum.t"),
                ],
                "mark": quiet | {"strokeDash": [2, 3], "strokeWidth": 1.5},
                "encoding": _ordered("u"),
            },
            {
                "data": _steps(),
                "transform": path,
                "mark": {"type": "line", "color": COLORS["mirror"], "strokeWidth": 1.2,
                         "point": {"size": 36, "color": COLORS["mirror"]}},
                "encoding": _ordered("k"),
            },
            {
                "data": {"values": [{}]},
                "transform": _policies(problem, log_start, None, "tau"),
                "mark": {"type": "point", "shape": "diamond", "filled": True, "size": 150,
                         "color": COLORS["gibbs"]},
                "encoding": _PLACE,
            },
            {
                "data": {"values": [{"x": float(start[0]), "y": float(start[1])}]},
                "mark": {"type": "text", "text": "start", "dx": -8, "align": "right",
                         "fontSize": 12},
                "encoding": _PLACE,
            },
            *(
                {
                    "data": {"values": [{"x": x, "y": y}]},
                    "mark": {"type": "text", "text": text, "align": side, "fontSize": 12},
                    "encoding": _PLACE,
                }
                for x, y, text, side in names
            ),
        ],
    }  # fmt: skip


def _time_view(problem, log_start):
    success = {"field": "s", "type": "quantitative", "title": "best answer",
               "scale": {"domain": [0, 1]}}  # fmt: skip
    encoding = {
        "x": {"field": "k", "type": "quantitative", "title": "steps",
              "scale": {"domain": [0, N_STEPS]}},
        "y": success,
        "color": {
            "field": "way",
            "type": "nominal",
            "scale": {"domain": ["explicit", "implicit"],
                      "range": [COLORS["mirror"], COLORS["trpo"]]},
            "legend": {"title": None, "orient": "top", "labelFontSize": 12},
        },
        "strokeDash": {
            "field": "way",
            "type": "nominal",
            "scale": {"domain": ["explicit", "implicit"], "range": [[1, 0], [6, 2]]},
            "legend": {"title": None, "orient": "top", "labelFontSize": 12},
        },
    }  # fmt: skip
    runs = [
        {
            "data": _steps(),
            "transform": [
                {"calculate": factor, "as": "c"},
                {"calculate": _weight(problem, log_start, "tau", 2, "datum.c"), "as": "s"},
                {"calculate": f"'{name}'", "as": "way"},
            ],
            "mark": {"type": "line", "strokeWidth": 2},
            "encoding": encoding,
        }
        for name, factor in (
            ("explicit", "pow(1 - product, datum.k)"),
            ("implicit", "pow(1 + product, -datum.k)"),
        )
    ]
    level = {
        "data": {"values": [{}]},
        "transform": [{"calculate": "success", "as": "s"}],
        "mark": {"type": "rule", "strokeDash": [3, 3], "color": COLORS["reference"]},
        "encoding": {"y": success},
    }
    return {"width": 420, "height": 170, "layer": [*runs, level]}

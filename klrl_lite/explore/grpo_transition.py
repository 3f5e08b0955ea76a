"""Explorable of chapter 10: all fixed points of GRPO, its landscape, a cold and a hot start."""

from typing import Any

import numpy as np
from scipy.integrate import cumulative_trapezoid
from scipy.special import expit, logit

from .. import equilibria
from ..plots.style import COLORS
from .chart import Chart, at, slider, tidy

#: Group sizes on offer; 0 stands for large groups.
GROUPS = (2, 4, 8, 12, 16, 32, 64, 0)
#: Log-odds of the table, and the log10 of the supports on offer.
_LOW, _HIGH, _STEP = -14.0, 12.0, 0.1
_SUPPORTS = np.round(np.arange(-5.0, -0.45, 0.1), 1)
_FAR = 1e6
_HALVINGS = 24


def transition_chart() -> Chart:
    """S-shaped curve of fixed points above the free energy; sliders for beta, support, group."""
    return Chart(
        {
            "description": "Fixed points of GRPO with rewards divided by the group's standard "
            "deviation and a KL penalty of weight beta, for right-or-wrong rewards. Above, beta "
            "against success: the curve has a dip and a bump if the group is large and the support "
            "small enough, with two stable outcomes in a window of beta. Below, the effective free "
            "energy on the same scale of success: two valleys inside the window, one outside. "
            "Marks show where a cold start, from the reference, and a hot start, from near "
            "certainty, end.",
            "params": _params(),
            "vconcat": [_diagram(), _landscape()],
            "spacing": 6,
        }
    )


def transition_values(beta: float, log10_p: float, group: int) -> dict[str, float]:
    """Compute what the readouts of `transition_chart` must say.

    Returns
    -------
    dict
        `cold`, `hot`: success at the end of a run from the reference and from near certainty, at
        most sigmoid(12); `fold_low`, `fold_high`: the window, 0 where there is none, 1e6 for the
        upper end of large groups.
    """
    p, size = 10.0**log10_p, group or np.inf
    success, stable = equilibria.grpo_equilibria(p, beta, size)
    ends = [*success[stable], 1.0] if not group else [*success[stable]]
    folds = equilibria.grpo_folds(p, size)[0]
    low, high = (folds[0], folds[-1]) if len(folds) else (0.0, 0.0)
    return {
        "cold": float(min(ends[0], expit(_HIGH))),
        "hot": float(min(ends[-1], expit(_HIGH))),
        "fold_low": float(low),
        "fold_high": float(high if group else _FAR),
    }


def _tables():
    """Pull and its integral over P on the grid, and the folds for each support, by group."""
    log_odds = np.linspace(_LOW, _HIGH, round((_HIGH - _LOW) / _STEP) + 1)
    success = expit(log_odds)
    pulls, works, folds = [], [], []
    for group in GROUPS:
        size = group or np.inf
        force = equilibria.std_advantage_force(success, size)
        work = cumulative_trapezoid(force * success * (1 - success), log_odds, initial=0.0)
        pulls.append(tidy(force, 6))
        works.append(tidy(work, 6))
        folds.append([_fold(p, size) for p in 10.0**_SUPPORTS])
    return pulls, works, folds


def _fold(p, size):
    """Betas and log-odds of the two folds, or False; large groups never come down again."""
    beta, success = equilibria.grpo_folds(float(p), size)
    if len(beta) == 0:
        return False
    if len(beta) == 1:
        return [*tidy(beta, 7), _FAR, *tidy(logit(success), 7), _HIGH]
    return tidy(np.concatenate([beta, logit(success)]), 7)


def _look_up(table, x):
    """Linear interpolation in a table of the chosen group, at the log-odds x, as an expression."""
    place = f"(({x}) - {_LOW}) / {_STEP}"
    i = f"min(floor({place}), {round((_HIGH - _LOW) / _STEP) - 1})"
    return f"({table}[gi][{i}] + ({place} - {i}) * ({table}[gi][{i} + 1] - {table}[gi][{i}]))"


def _bisection(name, low, high):
    """Params name0, name1, ...: the root of the total pull between two ends, halved over and over.

    The pull is positive on the low side of a stable fixed point.
    """
    steps: list[dict[str, Any]] = [
        {"name": f"{name}_span", "expr": f"({high}) - ({low})"},
        {"name": f"{name}0", "expr": low},
    ]
    for k in range(_HALVINGS):
        there = f"{name}{k} + {name}_span / {2 ** (k + 1)}"
        pull = f"{_look_up('pulls', there)} - beta * ({there} + price)"
        steps.append({"name": f"{name}{k + 1}", "expr": f"{pull} > 0 ? {there} : {name}{k}"})
    return steps


def _params():
    pulls, works, folds = _tables()
    sizes = [str(g) if g else "large" for g in GROUPS]
    top = str(_HIGH)
    return [
        slider("beta", "β ", 0.05, 1.2, 0.005, 0.3),
        slider("log10_p", "support, log10 p ", -5, -0.5, 0.1, -3),
        {
            "name": "group",
            "value": 16,
            "bind": {"input": "select", "options": list(GROUPS), "labels": sizes,
                     "name": "group size "},
        },
        {"name": "pulls", "value": pulls},
        {"name": "works", "value": works},
        {"name": "folds", "value": folds},
        {"name": "gi", "expr": f"indexof({list(GROUPS)}, group)"},
        {"name": "price", "expr": "log((1 - pow(10, log10_p)) / pow(10, log10_p))"},
        {"name": "fold", "expr": "folds[gi][round((log10_p + 5) * 10)]"},
        {"name": "fold_low", "expr": "fold ? fold[0] : 0"},
        {"name": "fold_high", "expr": "fold ? fold[1] : 0"},
        {"name": "first", "expr": f"fold ? fold[2] : {top}"},
        {"name": "second", "expr": "fold ? fold[3] : -price"},
        *_bisection("c", "beta >= fold_low ? -price : second",
                    f"beta >= fold_low ? first : {top}"),
        *_bisection("h", "beta <= fold_high || !fold ? second : -price",
                    f"beta <= fold_high || !fold ? {top} : first"),
        {"name": "cold_odds", "expr": f"c{_HALVINGS}"},
        {"name": "hot_odds", "expr": f"h{_HALVINGS}"},
        {"name": "cold", "expr": "1 / (1 + exp(-cold_odds))"},
        {"name": "hot", "expr": "1 / (1 + exp(-hot_odds))"},
        {
            "name": "readout",
            "expr": "['start cold: ' + format(cold, '.4f') + ',  start hot: ' + format(hot, '.4f'),"
            f" fold ? 'two outcomes for β from ' + format(fold_low, '.3f') + (fold_high < {_FAR}"
            " ? ' to ' + format(fold_high, '.3f') : ' upwards') : 'one outcome at every β']",
        },
    ]  # fmt: skip


def _grid():
    """Table rows as a sequence; the arrays stay in the params."""
    stop = round((_HIGH - _LOW) / _STEP) + 1
    return {
        "data": {"sequence": {"start": 0, "stop": stop, "as": "i"}},
        "transform": [
            {"calculate": f"{_LOW} + {_STEP} * datum.i", "as": "l"},
            {"calculate": "pulls[gi][datum.i]", "as": "c"},
            {"calculate": "1 / (1 + exp(-datum.l))", "as": "s"},
        ],
    }


def _odds(visible):
    """Encoding of success, on the scale of log-odds; labelled below the lower view only."""
    ticks = [float(logit(s)) for s in (1e-3, 1e-2, 0.1, 0.5, 0.9, 0.99, 0.999)]
    label = "format(100 / (1 + exp(-datum.value)), '.3~f') + ' %'"
    axis = {"values": tidy(ticks), "labelExpr": label, "title": "success" if visible else None,
            "labels": visible, "ticks": visible, "labelFontSize": 11}  # fmt: skip
    scale = {"domain": [-9.5, 9.5], "nice": False}
    return {"type": "quantitative", "scale": scale, "axis": axis}


def _starts(y_cold, y_hot, y, visible):
    """Return the two marks where a cold and a hot start end."""
    shown = []
    for shape, role, place, odds in (
        ("triangle-right", "mirror", y_cold, "cold_odds"),
        ("triangle-left", "euclid", y_hot, "hot_odds"),
    ):
        mark = {"type": "point", "shape": shape, "filled": True, "size": 160, "clip": True,
                "color": COLORS[role], "opacity": 1}  # fmt: skip
        layer = at(mark, f"min({odds}, 9.2)", place)
        layer["encoding"] = {
            "x": _odds(visible) | {"field": "at_x"},
            "y": y | {"field": "at_y", "type": "quantitative"},
        }
        shown.append(layer)
    return shown


def _diagram():
    y = {
        "title": "β",
        "scale": {"domain": [0.05, 1.2], "type": "log", "nice": False},
        "axis": {"values": [0.05, 0.1, 0.2, 0.5, 1]},
    }
    x = _odds(False) | {"field": "l"}

    def line(mark, beta, keep):
        grid = _grid()
        grid["transform"] += [
            {"filter": f"datum.l + price > 0.01 && ({keep})"},
            {"calculate": beta, "as": "b"},
        ]
        return grid | {
            "mark": {"type": "line", "clip": True} | mark,
            "encoding": {"x": x, "y": y | {"field": "b", "type": "quantitative"}},
        }

    curve = "datum.c / (datum.l + price)"
    grpo = {"color": COLORS["grpo"], "strokeWidth": 2.5}
    rule = {
        "data": {"values": [{}]},
        "transform": [{"calculate": "beta", "as": "b"}],
        "mark": {"type": "rule", "strokeDash": [3, 3], "color": COLORS["reference"]},
        "encoding": {"y": y | {"field": "b", "type": "quantitative"}},
    }
    return {
        "title": {"text": {"expr": "readout"}},
        "width": 400,
        "height": 230,
        "layer": [
            line({"color": COLORS["gibbs"], "strokeWidth": 1.2, "strokeDash": [5, 4]},
                 "1 / (datum.l + price)", "true"),
            line(grpo, curve, "datum.l <= first"),
            line(grpo, curve, "fold && datum.l >= second"),
            line(grpo | {"strokeDash": [2, 3], "strokeWidth": 1.6}, curve,
                 "fold && datum.l >= first && datum.l <= second"),
            rule,
            *_starts("beta", "beta", y, False),
        ],
    }  # fmt: skip


def _energy(work, odds):
    """Effective free energy at a log-odds, kl(P || p) written without cancellation."""
    s = f"(1 / (1 + exp(-({odds}))))"
    # kl = P (l + L) - log((1 - p)/(1 - P)), with log(1 - P) = -log(1 + e^l).
    kl = f"({s} * (({odds}) + price) - log(1 - pow(10, log10_p)) - log(1 + exp({odds})))"
    return f"beta * {kl} - {work}"


def _landscape():
    y = {
        "title": "free energy",
        "scale": {"zero": False, "nice": False, "padding": 12},
        "axis": {"tickCount": 4},
    }
    grid = _grid()
    grid["transform"] += [
        {"filter": "datum.l > -price - 1 && datum.l < 9.5"},
        {"calculate": _energy("works[gi][datum.i]", "datum.l"), "as": "f"},
    ]
    curve = grid | {
        "mark": {"type": "line", "color": COLORS["grpo"], "strokeWidth": 2.5, "clip": True},
        "encoding": {
            "x": _odds(True) | {"field": "l"},
            "y": y | {"field": "f", "type": "quantitative"},
        },
    }
    cold, hot = (_energy(_look_up("works", end), end) for end in ("cold_odds", "hot_odds"))
    return {"width": 400, "height": 150, "layer": [curve, *_starts(cold, hot, y, True)]}

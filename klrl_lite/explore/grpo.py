"""Explorable of chapter 05: where reward and penalty balance, for Gibbs and for GRPO."""

import numpy as np

from .. import equilibria, thresholds
from ..plots.style import COLORS
from .chart import Chart, at, slider, tidy

#: Group sizes on offer; 0 stands for large groups.
GROUPS = (4, 8, 16, 32, 64, 0)
_KINDS = {
    "divided by std": (COLORS["grpo"], [1, 0]),
    "mean only": (COLORS["euclid"], [6, 3]),
    "Gibbs, leave-one-out": (COLORS["mirror"], [2, 3]),
}
_NEWTON = 16


def grpo_chart() -> Chart:
    """Balance of price and pull in log-odds, and success against beta; four controls."""
    log_odds = np.arange(-14.0, 10.01, 0.2)
    success = 1.0 / (1.0 + np.exp(-log_odds))
    force = {g: equilibria.std_advantage_force(success, g or np.inf) for g in GROUPS}
    columns = [tidy(log_odds)] + [tidy(force[g]) for g in GROUPS]
    names = ["l"] + [f"c{g}" for g in GROUPS]
    rows = [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]
    table = {"data": {"name": "pulls"}, "transform": _table_transform()}
    return Chart(
        {
            "description": "Where GRPO comes to rest for a binary reward. Above, the price paid in "
            "log-odds, a straight line, against the pull of the reward: a constant for Gibbs and "
            "for centred rewards, a curve that grows at both ends for rewards divided by the "
            "group's standard deviation; they cross at the fixed points. Below, success at the "
            "fixed points against beta. The curve of the division bends back: it has a jump.",
            "datasets": {"pulls": rows},
            "params": _params(),
            "vconcat": [_balance(table), _diagram(table)],
        }
    )


def grpo_values(beta: float, log10_p: float, group: int, gap: float) -> dict[str, float]:
    """Compute what the readouts of `grpo_chart` must say; 1 where a large group has no fixed point.

    Returns
    -------
    dict
        `gibbs`, `mean_only`: success at their fixed points; `low`, `high`: at the stable and the
        unstable one of large groups divided by the std; `beta_s`: where those two meet.
    """
    p = 10.0**log10_p
    roots, _ = equilibria.grpo_equilibria(p, beta)
    low, high = roots if len(roots) == 2 else (1.0, 1.0)
    shrink = 1 - 1 / group if group else 1.0
    return {
        "gibbs": float(thresholds.success_probability(p, gap, beta)),
        "mean_only": float(thresholds.success_probability(p, gap * shrink, beta)),
        "low": float(low),
        "high": float(high),
        "beta_s": float(equilibria.grpo_spinodal(p)),
    }


def _newton(name, start, step):
    """Params name0, name1, ...: `step` with X for the last value, applied over and over."""
    first = {"name": f"{name}0", "expr": start}
    steps = (step.replace("X", f"{name}{i}") for i in range(_NEWTON))
    return [first] + [{"name": f"{name}{i}", "expr": expr} for i, expr in enumerate(steps, 1)]


def _params():
    # f(l) = l + L - 2 cosh(l/2)/beta is concave: Newton's method from outside never overshoots.
    f = "(X + price - (exp(X / 2) + exp(-X / 2)) / beta)"
    slope = "(1 - (exp(X / 2) - exp(-X / 2)) / (2 * beta))"
    touch = "(2 * (exp(X) + 1) / (exp(X) - 1) - X - price)"
    touch_slope = "(-4 * exp(X) / pow(exp(X) - 1, 2) - 1)"
    sizes = [str(g) if g else "large" for g in GROUPS]
    last = _NEWTON
    return [
        slider("beta", "β ", 0.05, 3, 0.01, 1.0),
        slider("log10_p", "support, log10 p ", -5, -0.5, 0.1, -1.3),
        slider("gap", "reward for a right answer ", 1, 10, 0.5, 1),
        {
            "name": "group",
            "value": 0,
            "bind": {"input": "select", "options": list(GROUPS), "labels": sizes,
                     "name": "group size "},
        },
        {"name": "price", "expr": "log((1 - pow(10, log10_p)) / pow(10, log10_p))"},
        {"name": "shrink", "expr": "group > 0 ? 1 - 1 / group : 1"},
        {"name": "gibbs", "expr": "1 / (1 + exp(price - gap / beta))"},
        {"name": "mean_only", "expr": "1 / (1 + exp(price - gap * shrink / beta))"},
        {
            "name": "rests",
            "expr": "2 * log(beta + sqrt(1 + beta * beta)) + price"
            " - 2 * sqrt(1 + beta * beta) / beta >= 0",
        },
        *_newton("below", "-price", f"rests ? X - {f} / {slope} : 0"),
        *_newton("above", "2 * log(beta * (price + 40))", f"rests ? X - {f} / {slope} : 0"),
        *_newton("touch", "4 / (price + 3)", f"X - {touch} / {touch_slope}"),
        {"name": "low", "expr": f"rests ? 1 / (1 + exp(-below{last})) : 1"},
        {"name": "high", "expr": f"rests ? 1 / (1 + exp(-above{last})) : 1"},
        {"name": "beta_s", "expr": f"(exp(touch{last} / 2) - exp(-touch{last} / 2)) / 2"},
        {
            "name": "readout",
            "expr": "['Gibbs: success ' + format(gibbs, '.3f') + ';  mean only: '"
            " + format(mean_only, '.3f'),"
            " 'std, large groups: ' + (rests ? format(low, '.3f') : 'runs to 1')"
            " + '  (jump at β = ' + format(beta_s, '.3f') + ')']",
        },
    ]  # fmt: skip


def _table_transform():
    """Pull of the reward over beta for the group chosen, price, and where f changes its sign."""
    chosen = "".join(f"group == {g} ? datum.c{g} : " for g in GROUPS[:-1]) + "datum.c0"
    return [
        {"calculate": chosen, "as": "c"},
        {"calculate": "datum.l + price", "as": "paid"},
        {"calculate": "1 / (1 + exp(-datum.l))", "as": "s"},
        {"calculate": "datum.paid - datum.c / beta", "as": "f"},
    ]


def _crossings(table):
    """Transform of the table to its fixed points, by linear interpolation between the rows."""
    before = [{"op": "lag", "field": name, "as": f"{name}_before"} for name in ("l", "f")]
    part = "datum.f_before / (datum.f_before - datum.f)"
    return {
        "data": table["data"],
        "transform": [
            *table["transform"],
            {"window": before, "sort": [{"field": "l"}]},
            {"filter": "isValid(datum.f_before) && datum.f_before * datum.f <= 0"},
            {"calculate": f"datum.l_before + (datum.l - datum.l_before) * {part}", "as": "root"},
            {"calculate": "datum.root + price", "as": "height"},
            {"calculate": "1 / (1 + exp(-datum.root))", "as": "success"},
            {"calculate": "datum.f > datum.f_before ? 'stable' : 'unstable'", "as": "fate"},
        ],
    }


def _style(kind):
    """Colour and dash of one kind of line, with a legend that all layers share."""
    legend = {"title": None, "orient": "bottom", "columns": 2, "labelFontSize": 12}

    def channel(part):
        values = [look[part] for look in _KINDS.values()]
        return {
            "datum": kind,
            "scale": {"domain": list(_KINDS), "range": values},
            "legend": legend,
        }

    return {"color": channel(0), "strokeDash": channel(1)}


def _marks(table, x, y, axes):
    """Return filled points where the crossing is stable, hollow ones where it is not."""
    fate = {"condition": {"test": "datum.fate == 'stable'", "value": COLORS["grpo"]},
            "value": "white"}  # fmt: skip
    return _crossings(table) | {
        "mark": {"type": "point", "filled": True, "size": 110, "stroke": COLORS["grpo"],
                 "strokeWidth": 2, "opacity": 1, "clip": True},
        "encoding": {
            "x": axes["x"] | {"field": x, "type": "quantitative"},
            "y": axes["y"] | {"field": y, "type": "quantitative"},
            "fill": fate,
        },
    }  # fmt: skip


def _balance(table):
    axes = {
        "x": {
            "title": "log-odds of success",
            "scale": {"domain": [-14, 10], "nice": False},
            "axis": {"values": [-12, -8, -4, 0, 4, 8]},
        },
        "y": {
            "title": "price paid (straight), pull / β",
            "scale": {"domain": [0, 16], "nice": False},
        },
    }

    def line(kind, y, width=2.5):
        x = axes["x"] | {"field": "l", "type": "quantitative"}
        return table | {
            "mark": {"type": "line", "strokeWidth": width, "clip": True},
            "encoding": {"x": x, "y": axes["y"] | {"field": y, "type": "quantitative"}}
            | _style(kind),
        }

    def flat(kind, value):
        pull = {"calculate": value, "as": "pull"}
        layer = line(kind, "pull")
        return layer | {"transform": [*table["transform"], pull]}

    price = table | {
        "mark": {"type": "line", "strokeWidth": 1.5, "color": COLORS["gibbs"], "clip": True},
        "encoding": {
            "x": axes["x"] | {"field": "l", "type": "quantitative"},
            "y": axes["y"] | {"field": "paid", "type": "quantitative"},
        },
    }
    pulls = table | {"transform": [*table["transform"], {"calculate": "datum.c / beta", "as": "y"}]}
    curve = line("divided by std", "y") | {"transform": pulls["transform"]}
    here = {"type": "point", "filled": True, "size": 70, "clip": True, "opacity": 1}
    return {
        "title": {"text": {"expr": "readout"}},
        "width": 400,
        "height": 230,
        "layer": [
            price,
            flat("Gibbs, leave-one-out", "gap / beta"),
            flat("mean only", "gap * shrink / beta"),
            curve,
            at(here | {"color": COLORS["euclid"]}, "gap * shrink / beta - price",
               "gap * shrink / beta"),
            at(here | {"color": COLORS["mirror"]}, "gap / beta - price", "gap / beta"),
            _marks(table, "root", "height", axes),
        ],
    }  # fmt: skip


def _diagram(table):
    axes = {
        "x": {"title": "β", "scale": {"domain": [0.05, 3], "type": "log", "nice": False},
              "axis": {"values": [0.05, 0.1, 0.2, 0.5, 1, 2]}},
        "y": {"title": "success at rest", "scale": {"domain": [0, 1]}},
    }  # fmt: skip

    def line(kind, pull):
        return {
            "data": table["data"],
            "transform": [
                *table["transform"],
                {"filter": "datum.paid > 0.001"},
                {"calculate": f"{pull} / datum.paid", "as": "b"},
            ],
            "mark": {"type": "line", "strokeWidth": 2.5, "clip": True},
            "encoding": {
                "x": axes["x"] | {"field": "b", "type": "quantitative"},
                "y": axes["y"] | {"field": "s", "type": "quantitative"},
                "order": {"field": "l", "type": "quantitative"},
            }
            | _style(kind),
        }

    chosen = _crossings(table)["transform"] + [{"calculate": "beta", "as": "b"}]
    marks = _marks(table, "b", "success", axes) | {"transform": chosen}
    return {
        "width": 400,
        "height": 190,
        "layer": [
            line("Gibbs, leave-one-out", "gap"),
            line("mean only", "gap * shrink"),
            line("divided by std", "datum.c"),
            at({"type": "rule", "strokeDash": [3, 3], "color": COLORS["reference"]}, "beta"),
            marks,
        ],
    }

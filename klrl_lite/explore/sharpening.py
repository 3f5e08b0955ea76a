"""Explorable of chapter 13: the landscape of partial credit."""

import numpy as np
from scipy.special import expit, logit, rel_entr

from ..plots.style import COLORS
from ..solvers import bisect
from .chart import Chart, at, axis, slider

_HALVINGS = 40


def _root(name: str, start: str, width: str) -> list[dict[str, str]]:
    """Parameters that halve a bracket of the equation of state; the last is called `name`."""
    steps = [{"name": f"{name}_0", "expr": start}]
    for i in range(1, _HALVINGS + 1):
        half, before = f"({width}) * {0.5**i!r}", f"{name}_{i - 1}"
        middle = f"({before} + {half})"
        below = f"log({middle} / (1 - {middle})) - 2 * x * {middle} < log(q / (1 - q))"
        steps.append({"name": f"{name}_{i}", "expr": f"{before} + ({below} ? {half} : 0)"})
    return [*steps, {"name": name, "expr": f"{name}_{_HALVINGS}"}]


def _log_factorial(n: str) -> str:
    """Log n! as an expression: Stirling's series at n + 7, and six factors divided out."""
    z = f"({n} + 7)"
    factors = " * ".join(f"({n} + {i})" for i in range(1, 7))
    series = f"1 / (12 * {z}) - 1 / (360 * {z} * {z} * {z})"
    half_log = float(0.5 * np.log(2 * np.pi))
    return f"(({z} - 0.5) * log({z}) - {z} + {half_log!r} + {series} - log({factors}))"


def _height(m: str) -> str:
    """Rate function at m, by shape of the credit, as an expression."""
    credit = f"(shape == 1 ? {m} : shape == 2 ? {m} * {m} : {m} >= 0.5 ? 1 : 0)"
    return f"(x * {credit} - {m} * log({m} / q) - (1 - {m}) * log((1 - {m}) / (1 - q)))"


def sharpening_chart() -> Chart:
    """Rate function of partial credit and the shares of right steps at a size K."""
    edge = "(1 - sqrt(max(0, 1 - 2 * tau))) / 2"
    inside = "log({m} / (1 - {m})) - 2 * x * {m}"
    params = [
        {
            "name": "shape",
            "value": 2,
            "bind": {
                "input": "select",
                "options": [1, 2, 0],
                "labels": ["m: one point per step", "m²: squared", "half is enough"],
                "name": "credit f(m) ",
            },
        },
        slider("q", "support of one step, q ", 0.01, 0.45, 0.005, 0.06),
        slider("ratio", "temperature over the line's ", 0.6, 1.6, 0.005, 1.0),
        slider("k", "steps K ", 10, 200, 10, 50),
        {
            "name": "line",
            "expr": "1 / (shape == 0 ? -log(2 * sqrt(q * (1 - q))) : log((1 - q) / q))",
        },
        {"name": "tau", "expr": "ratio * line"},
        {"name": "x", "expr": "1 / tau"},
        {"name": "edge", "expr": edge},
        {
            "name": "two",
            "expr": "(shape == 0 || (shape == 2 && tau < 0.5 && "
            f"log(q / (1 - q)) < {inside.format(m='edge')} && "
            f"log(q / (1 - q)) > {inside.format(m='(1 - edge)')})) ? 1 : 0",
        },
        *_root("squared_low", "0", "(two ? edge : 1)"),
        *_root("squared_high", "(two ? 1 - edge : 0)", "(two ? edge : 1)"),
        {"name": "single", "expr": "1 / (1 + exp(log((1 - q) / q) - x))"},
        {"name": "low", "expr": "shape == 0 ? q : shape == 1 ? single : squared_low"},
        {"name": "high", "expr": "shape == 0 ? 0.5 : shape == 1 ? single : squared_high"},
        {"name": "gain", "expr": f"two ? k * ({_height('high')} - {_height('low')}) : 0"},
        {
            "name": "readout",
            "expr": "['τ = ' + format(tau, '.3f') + ' δ; the line is at ' + format(line, '.3f')"
            " + ' δ', two ? 'two hills, m = ' + format(low, '.3f') + ' and ' + format(high, '.3f')"
            " : 'one hill, m = ' + format(low, '.3f'),"
            " two ? 'the right one weighs exp(' + format(gain, '.1f') + ') as much' : ' ']",
        },
    ]
    hill = {"type": "point", "filled": True, "size": 90, "color": COLORS["gibbs"]}
    landscape = {
        "title": {"text": {"expr": "readout"}},
        "width": 420,
        "height": 190,
        "data": {"sequence": {"start": 0.0025, "stop": 1, "step": 0.005, "as": "m"}},
        "transform": [{"calculate": _height("datum.m"), "as": "phi"}],
        "layer": [
            {
                "mark": {"type": "line", "color": COLORS["trpo"], "strokeWidth": 2.5},
                "encoding": {
                    "x": axis("m", "share of right steps m", domain=[0, 1]),
                    "y": axis("phi", "rate function φ(m)", zero=False),
                },
            },
            at(hill, "low", _height("low")),
            at(hill, "high", _height("high")),
        ],
    }
    n, rest = "datum.n", "(k - datum.n)"
    credit = "(shape == 1 ? datum.m : shape == 2 ? datum.m * datum.m : datum.m >= 0.5 ? 1 : 0)"
    weight = (
        f"k * x * {credit} + datum.n * log(q) + {rest} * log(1 - q)"
        f" - {_log_factorial(n)} - {_log_factorial(rest)}"
    )
    shares = {
        "title": "how often the Gibbs policy has a share m of its K steps right",
        "width": 420,
        "height": 130,
        "data": {"sequence": {"start": 0, "stop": 201, "step": 1, "as": "n"}},
        "transform": [
            {"filter": "datum.n <= k"},
            {"calculate": "datum.n / k", "as": "m"},
            {"calculate": weight, "as": "log_weight"},
            {"joinaggregate": [{"op": "max", "field": "log_weight", "as": "top"}]},
            {"calculate": "exp(datum.log_weight - datum.top)", "as": "weight"},
        ],
        "mark": {"type": "rule", "color": COLORS["mirror"], "strokeWidth": 2},
        "encoding": {
            "x": axis("m", "share of right steps m", domain=[0, 1]),
            "y": axis("weight", "relative to the top", domain=[0, 1]),
            "y2": {"datum": 0},
        },
    }
    return Chart(
        {
            "description": "Rate function of partial credit over the share of right steps, for "
            "credit m, m squared or a threshold, with its one or two hills, and below it the "
            "distribution of shares at a finite number of steps. Squared credit has two equally "
            "high hills on its line only for a support below 0.119.",
            "params": params,
            "vconcat": [landscape, shares],
        }
    )


def sharpening_values(shape: float, q: float, ratio: float, k: float) -> dict[str, float]:
    """What the readout of `sharpening_chart` must say: the hills found on a grid, then refined."""
    m = np.linspace(0.0, 1.0, 400_001)
    credit = {0: np.where(m >= 0.5, 1.0, 0.0), 1: m, 2: m**2}[int(shape)]
    price = rel_entr(m, q) + rel_entr(1 - m, 1 - q)
    line = 1 / price[200_000] if shape == 0 else 1 / logit(1 - q)
    tau = ratio * line
    phi = credit / tau - price
    top = np.flatnonzero((phi[1:-1] > phi[:-2]) & (phi[1:-1] > phi[2:])) + 1

    def refine(i):
        def slope(y):
            return expit(logit(q) + shape * y ** (shape - 1) / tau) - y

        smooth = shape > 0
        return float(bisect(slope, m[i - 2], m[i + 2])[0]) if smooth else float(m[i])

    low, high = refine(top[0]), refine(top[-1])
    if shape == 0:
        low = q
    height = [
        np.interp(v, m, credit) / tau - rel_entr(v, q) - rel_entr(1 - v, 1 - q) for v in (low, high)
    ]
    return {
        "tau": float(tau),
        "two": float(len(top) > 1),
        "low": low,
        "high": high,
        "gain": float(k * (height[1] - height[0])) if len(top) > 1 else 0.0,
    }

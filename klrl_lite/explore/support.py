"""Explorable of chapter 14: pass@k of a base model, of exact tilting, and of a run with losses."""

from typing import Any

import numpy as np
from scipy.special import ndtri

from .. import gibbs, problems
from ..plots.style import COLORS
from .chart import Chart, at, axis, slider, tidy

#: Prompts, from easy to hard: quantiles of a normal law, in units of the spread of log-odds.
_Z = tidy(ndtri((np.arange(20) + 0.5) / 20), 4)
_N = len(_Z)
#: pass@k is shown, and the crossing looked for, up to 2**_TOP samples.
_TOP, _HALVINGS = 20, 22
_KINDS = {
    "base": (COLORS["reference"], [2, 3]),
    "exact tilting": (COLORS["gibbs"], [1, 0]),
    "run that lost prompts": (COLORS["grpo"], [6, 2]),
}


def _sum(term):
    """Mean over the prompts, written out; `#` in the term stands for the index."""
    return "(" + " + ".join(term.replace("#", str(i)) for i in range(_N)) + f") / {_N}"


def _pass(kind, k):
    """Pass@k as an expression: a, b hold the failures of base and tilting, c what is kept."""
    return {
        "base": "1 - " + _sum(f"pow(a[#], {k})"),
        "exact tilting": "1 - " + _sum(f"pow(b[#], {k})"),
        "run that lost prompts": _sum(f"c[#] * (1 - pow(b[#], {k}))"),
    }[kind]


def _params():
    price = f"[{', '.join(f'middle + spread * {z}' for z in _Z)}]"
    many = range(_N)
    lead = _sum("(c[#] * (1 - pow(b[#], K)) + pow(a[#], K))") + " - 1"
    search: list[dict[str, Any]] = [{"name": "x0", "expr": f"{_TOP / 2}"}]
    for i in range(_HALVINGS):
        step = _TOP / 4 / 2**i
        search += [
            {"name": f"k{i}", "expr": f"pow(2, x{i})"},
            {"name": f"x{i + 1}", "expr": f"x{i} + ({lead.replace('K', f'k{i}')} > 0 ? 1 : -1)"
             f" * {step}"},
        ]  # fmt: skip
    return [
        slider("tau", "temperature τ (gap = 1) ", 0.05, 1, 0.01, 0.25),
        slider("log10_p", "middle prompt, log10 p ", -4, -0.5, 0.1, -1.5),
        slider("spread", "spread (nats) ", 0.5, 4, 0.1, 2.5),
        slider("lost", "share lost, hardest first ", 0, 0.6, 0.01, 0.2),
        {"name": "middle", "expr": "log((1 - pow(10, log10_p)) / pow(10, log10_p))"},
        {"name": "price", "expr": price},
        {"name": "a", "expr": f"[{', '.join(f'1 / (1 + exp(-price[{i}]))' for i in many)}]"},
        {"name": "b",
         "expr": f"[{', '.join(f'1 / (1 + exp(1 / tau - price[{i}]))' for i in many)}]"},
        {"name": "c", "expr": f"[{', '.join(f'clamp((1 - lost) * {_N} - {i}, 0, 1)' for i in many)}"
         "]"},
        {"name": "base_1", "expr": _pass("base", "1")},
        {"name": "tilted_1", "expr": _pass("exact tilting", "1")},
        {"name": "run_1", "expr": _pass("run that lost prompts", "1")},
        {"name": "kept", "expr": "1 - lost"},
        *search,
        {"name": "crosses", "expr": f"lost > 0 && run_1 > base_1 && x{_HALVINGS} < {_TOP - 0.001}"},
        {"name": "cross", "expr": f"crosses ? pow(2, x{_HALVINGS}) : 0"},
        {
            "name": "readout",
            "expr": "['pass@1: base ' + format(base_1, '.3f') + ', tilted ' +"
            " format(tilted_1, '.3f') + ', run ' + format(run_1, '.3f'),"
            " crosses ? 'the run falls behind its base at k = ' + format(cross, ',.0f') :"
            " (run_1 > base_1 ? 'the run stays ahead of its base up to k = 1,000,000' :"
            " 'the run is behind its base from the first sample')]",
        },
    ]  # fmt: skip


def support_chart() -> Chart:
    """Pass@k against k with sliders for temperature, difficulty and the share of prompts lost."""
    where = axis("k", "samples k", type="log", domain=[1, 2**_TOP], nice=False) | {
        "axis": {"values": [1, 10, 100, 1000, 10**4, 10**5], "format": "~s"}
    }
    legend = {"title": None, "orient": "bottom", "columns": 2, "labelFontSize": 12}
    looks = {
        channel: {
            "field": "kind",
            "type": "nominal",
            "scale": {"domain": list(_KINDS), "range": [look[i] for look in _KINDS.values()]},
            "legend": legend,
        }
        for i, channel in enumerate(("color", "strokeDash"))
    }
    curves = {
        "title": {"text": {"expr": "readout"}},
        "width": 400,
        "height": 230,
        "layer": [
            {
                "data": {"sequence": {"start": 0, "stop": _TOP + 0.1, "step": 0.25, "as": "x"}},
                "transform": [
                    {"calculate": "pow(2, datum.x)", "as": "k"},
                    *({"calculate": _pass(kind, "datum.k"), "as": kind} for kind in _KINDS),
                    {"fold": list(_KINDS), "as": ["kind", "share"]},
                ],
                "mark": {"type": "line", "strokeWidth": 2.5},
                "encoding": {"x": where, "y": axis("share", "pass@k", domain=[0, 1])} | looks,
            },
            at(
                {"type": "point", "filled": True, "size": 90, "color": COLORS["euclid"],
                 "opacity": {"expr": "crosses ? 1 : 0"}},
                "crosses ? cross : 1",
                f"crosses ? {_pass('base', 'cross')} : 0",
            ),
        ],
    }  # fmt: skip
    rows = [{"i": i} for i in range(_N)]
    prompts = {
        "title": "each prompt after training; magenta: lost",
        "width": 400,
        "height": 110,
        "data": {"values": rows},
        "transform": [
            {"calculate": "1 - a[datum.i]", "as": "p"},
            {"calculate": "(1 - b[datum.i]) * (c[datum.i] > 0.5 ? 1 : 0)", "as": "end"},
        ],
        "mark": {"type": "point", "filled": True, "size": 60, "opacity": 1, "clip": True},
        "encoding": {
            "x": axis("p", "success of the base", type="log", domain=[1e-7, 1], nice=False)
            | {"axis": {"values": [1e-6, 1e-4, 1e-2, 1], "format": ".0e"}},
            "y": axis("end", "success after", domain=[0, 1]),
            "color": {
                "condition": {"test": "c[datum.i] > 0.5", "value": COLORS["gibbs"]},
                "value": COLORS["grpo"],
            },
        },
    }
    return Chart(
        {
            "description": "Share of prompts solved within k samples, for a base model, for its "
            "exact tilting, and for a run that is tilted as well but has lost its hardest prompts. "
            "Exact tilting is ahead of the base at every k. The run is ahead for few samples and "
            "behind for many, and it levels off at the share of prompts that it has kept. Below, "
            "success on each prompt after training.",
            "params": _params(),
            "vconcat": [curves, prompts],
        }
    )


def support_values(tau: float, log10_p: float, spread: float, lost: float) -> dict[str, float]:
    """Compute what the readouts of `support_chart` must say, from policies and sums over them.

    Returns
    -------
    dict
        `base_1`, `tilted_1`, `run_1`, `kept`, and `cross`: the number of samples from which on the
        run is behind its base, 0 if there is none.
    """
    p = 1.0 / (1.0 + (1.0 / 10.0**log10_p - 1.0) * np.exp(spread * np.asarray(_Z)))
    two = problems.binary(p)
    tilted = np.exp(gibbs.log_gibbs(two.log_ref, two.reward, tau))[:, 1]
    edge = np.arange(_N + 1)
    kept = np.diff(np.minimum(edge, (1.0 - lost) * _N))

    def lead(x):
        run = np.mean(kept * (1.0 - (1.0 - tilted) ** 2.0**x))
        return run - np.mean(1.0 - (1.0 - p) ** 2.0**x)

    low, high = 0.0, float(_TOP)
    crosses = lost > 0.0 and lead(low) > 0.0 > lead(high)
    while high - low > 1e-9:
        middle = 0.5 * (low + high)
        low, high = (middle, high) if lead(middle) > 0.0 else (low, middle)
    return {
        "base_1": float(np.mean(p)),
        "tilted_1": float(np.mean(tilted)),
        "run_1": float(np.mean(kept * tilted)),
        "kept": 1.0 - lost,
        "cross": float(2.0**low) if crosses else 0.0,
    }

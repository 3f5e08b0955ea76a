"""Explorable of chapter 11: success against beta for a penalty, a support and a length."""

from typing import Any

import numpy as np

from ..plots.style import COLORS
from ..plots.which_kl import price, success_at
from .chart import Chart, slider, tidy

#: Numbers of tokens on offer.
LENGTHS = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32)
#: Label of each penalty on offer -> its name in `plots.which_kl`.
PENALTIES = {
    "k1 in the reward (KL of the answer)": "exact",
    "k3 in the loss, per token": "token k3",
    "k2, or k3 times ratio, per token": "token k2",
    "k3 in the loss, per answer": "k3",
}
_LOG10_P = np.round(np.arange(-6.0, -0.45, 0.5), 1)


def which_kl_chart() -> Chart:
    """Curves of fixed points beside Gibbs, with the midpoint in words; four controls."""
    params = [
        _menu("penalty", "penalty ", list(range(len(PENALTIES))), list(PENALTIES), 1),
        slider("log10_p", "support of the answer, log10 p ", -6, -0.5, 0.5, -4),
        slider("place", "length (K is shown above) ", 0, len(LENGTHS) - 1, 1, 5),
        _menu("std", "reward ", [0, 1], ["as it is", "divided by std, large groups"], 0),
        {"name": "lengths", "value": list(LENGTHS)},
        {"name": "kinds", "value": list(PENALTIES.values())},
        {"name": "kind", "expr": "kinds[penalty]"},
        {"name": "K", "expr": "lengths[place]"},
        {"name": "p", "expr": "pow(10, log10_p)"},
        {"name": "q", "expr": "pow(p, 1 / K)"},
        {"name": "odds", "expr": "log((1 - p) / p)"},
        {"name": "pulls", "value": _pulls()},
        {"name": "row", "expr": "round((log10_p + 6) / 0.5)"},
        {"name": "pull", "expr": "pulls[kind][row][place]"},
        {"name": "midpoint", "expr": "(std ? 2 : 1) / pull"},
        {"name": "gibbs_midpoint", "expr": "1 / odds"},
        *_chain("half", "pull"),
        {
            "name": "readout",
            "expr": "['K = ' + K + ', each token right with q = ' + format(q, '.3f'),"
            " 'half success at β = ' + format(midpoint, '.3f') + ', Gibbs at ' +"
            " format(gibbs_midpoint, '.3f') + ':',"
            " midpoint > gibbs_midpoint * 1.005 ? 'lets go of the reference at a β '"
            " + format(midpoint / gibbs_midpoint, '.2f') + ' times as large' :"
            " midpoint < gibbs_midpoint * 0.995 ? 'holds on until β is ' +"
            " format(gibbs_midpoint / midpoint, '.2f') + ' times smaller' : 'the same']",
        },
    ]
    return Chart(
        {
            "description": "Success at the fixed point against the penalty coefficient, for a "
            "penalty, a support and a number of tokens that you choose, beside the Gibbs policy. "
            "With one token, penalties per token and per answer agree. With many, k3 per token "
            "falls in a straight line and the true KL per token moves to larger beta. With the "
            "reward divided by its std a curve that bends back means a jump to certainty.",
            "params": params,
            "title": {"text": {"expr": "readout"}},
            "width": "container",
            "height": 270,
            "data": {"sequence": {"start": -1.75, "stop": 6.9, "step": 0.07, "as": "u"}},
            "transform": _curves(),
            "layer": [
                _line("b_gibbs", "gibbs", "Gibbs at τ = β"),
                _line("b", "s", "your penalty"),
            ],
        }
    )


def which_kl_values(penalty: int, log10_p: float, place: int, std: int) -> dict[str, float]:
    """Compute what the readouts of `which_kl_chart` must say; `half` is 1/2, by its formulas."""
    n_steps, p = LENGTHS[int(place)], 10.0**log10_p
    kind = list(PENALTIES.values())[int(penalty)]
    pull = price(kind, p ** (1 / n_steps), n_steps)
    check = float(success_at(kind, pull, p ** (1 / n_steps), n_steps))
    return {
        "midpoint": (2.0 if std else 1.0) / pull,
        "gibbs_midpoint": 1.0 / float(np.log((1 - p) / p)),
        "half": check,
    }


def _menu(name: str, label: str, options: list[Any], labels: list[str], value: Any) -> Any:
    bind = {"input": "select", "options": options, "labels": labels, "name": label}
    return {"name": name, "value": value, "bind": bind}


def _pulls():
    """Pull at half success, penalty -> support -> length."""
    return {
        kind: [tidy([price(kind, 10.0 ** (x / n), n) for n in LENGTHS], 7) for x in _LOG10_P]
        for kind in PENALTIES.values()
    }


def _token_k2(pull, support="q"):
    """Success of one step as an expression: logit x = logit q + pull."""
    return f"1 / (1 + (1 - {support}) / {support} * exp(-({pull})))"


def _token_k3(pull, support="q"):
    """Root of pull x^2 + (1 - pull) x = q, in the form that only adds."""
    root = f"sqrt(pow(1 - ({pull}), 2) + 4 * ({pull}) * {support})"
    return (
        f"({pull}) > 1 ? (({pull}) - 1 + {root}) / (2 * ({pull}))"
        f" : 2 * {support} / (1 - ({pull}) + {root})"
    )


def _step(pull, tail):
    """Success from one step on, given that of the steps after it."""
    v = f"({pull}) * {tail}"
    return f"{tail} * (kind == 'token k2' ? {_token_k2(v)} : ({_token_k3(v)}))"


def _whole(pull):
    """Success for the two penalties of the whole answer."""
    return f"kind == 'exact' ? {_token_k2(pull, 'p')} : ({_token_k3(pull, 'p')})"


def _chain(name, pull):
    """Params for success at one pull: the recursion, written out, and its result as `name`."""
    steps = [{"name": f"{name}_0", "expr": "1"}]
    for i in range(1, max(LENGTHS) + 1):
        last = f"{name}_{i - 1}"
        steps.append({"name": f"{name}_{i}", "expr": f"{i} > K ? {last} : {_step(pull, last)}"})
    per_token = "kind == 'token k2' || kind == 'token k3'"
    result = f"{per_token} ? {name}_{max(LENGTHS)} : ({_whole(pull)})"
    return [*steps, {"name": name, "expr": result}]


def _curves():
    """Transform of a range of pulls to points (b, s) of the chosen penalty, and of Gibbs."""
    steps = [
        {"calculate": "exp(datum.u)", "as": "w"},
        {"calculate": _token_k2("datum.w", "p"), "as": "gibbs"},
        {"calculate": "1 / datum.w", "as": "b_gibbs"},
        {"calculate": "1", "as": "s0"},
    ]
    for i in range(1, max(LENGTHS) + 1):
        last = f"datum.s{i - 1}"
        steps.append({"calculate": f"{i} > K ? {last} : {_step('datum.w', last)}", "as": f"s{i}"})
    per_token = "kind == 'token k2' || kind == 'token k3'"
    result = f"{per_token} ? datum.s{max(LENGTHS)} : ({_whole('datum.w')})"
    force = "(std ? 1 / sqrt(max(datum.s * (1 - datum.s), 1e-12)) : 1)"
    return [
        *steps,
        {"calculate": result, "as": "s"},
        {"calculate": f"{force} / datum.w", "as": "b"},
    ]


def _line(x, y, name):
    look = {
        "Gibbs at τ = β": (COLORS["gibbs"], [2, 2]),
        "your penalty": (COLORS["euclid"], [1, 0]),
    }
    ticks = [0.01, 0.03, 0.1, 0.3, 1, 3]
    legend = {"title": None, "orient": "bottom", "labelFontSize": 12}

    def channel(part):
        values = [v[part] for v in look.values()]
        return {"datum": name, "scale": {"domain": list(look), "range": values}, "legend": legend}

    return {
        "mark": {"type": "line", "strokeWidth": 2.5, "clip": True},
        "encoding": {
            "x": {
                "field": x, "type": "quantitative", "title": "penalty coefficient β, reward 1",
                "scale": {"type": "log", "domain": [0.01, 5], "nice": False, "clamp": False},
                "axis": {"values": ticks},
            },
            "y": {"field": y, "type": "quantitative", "title": "success at rest",
                  "scale": {"domain": [0, 1]}},
            "order": {"field": "u", "type": "quantitative"},
            "color": channel(0),
            "strokeDash": channel(1),
        },
    }  # fmt: skip

"""Explorable of chapter 08: recorded phase planes, one algorithm at a time."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from .. import thresholds
from .._types import Array
from ..diagnostics.recorded import recorded
from ..plots.style import COLORS
from .chart import Chart, at, slider, tidy

#: Contestants on offer: key of the recording, what the menu calls it.
SHOWN = {
    "expected.mirror": "mirror descent, all answers",
    "drawn.trpo": "TRPO",
    "drawn.ppo": "PPO",
    "expected.loo": "GRPO, leave one out, mean signal",
    "drawn.grpo": "GRPO, std",
    "drawn.mean_k3": "GRPO, mean only, k3",
}
#: Every so many temperatures of the recording, and every fourth support.
_THIN_TAU = 3


def _thinned(planes: Mapping[str, Array]) -> tuple[Array, Array, Array]:
    """Supports, temperatures, and success (algorithm, support, temperature)."""
    columns = slice(0, None, _THIN_TAU)
    found = []
    for name in SHOWN:
        plane = planes[f"{name}.success"]
        # Sampled runs were recorded for every second support.
        plane = plane.mean(axis=-1)[1::2] if plane.ndim == 3 else plane[3::4]
        found.append(plane[:, columns])
    return planes["p"][3::4], planes["tau"][columns], np.round(found, 3)


def planes_values(algorithm: int, log10_tau: float, log10_p: float) -> dict[str, float]:
    """Compute what the readouts of `planes_chart` must say, at the recorded cell nearest by.

    Returns
    -------
    dict
        `seen`, measured success; `gibbs`, predicted; `tau_c` of that support.

    Examples
    --------
    >>> sorted(planes_values(0, -0.7, -2.0))
    ['gibbs', 'seen', 'tau_c']
    """
    p, tau, found = _thinned(recorded("planes"))
    i = int(np.argmin(np.abs(np.log10(p) - log10_p)))
    j = int(np.argmin(np.abs(np.log10(tau) - log10_tau)))
    return {
        "seen": float(found[algorithm, i, j]),
        "gibbs": float(thresholds.success_probability(p[i], 1.0, tau[j])),
        "tau_c": float(thresholds.critical_tau(p[i])),
    }


def planes_chart(planes: Mapping[str, Array]) -> Chart:
    """Phase plane of a chosen algorithm, with a slice at a chosen support."""
    p, tau, found = _thinned(planes)
    rows = [
        {"i": i, "j": j} | {f"m{a}": tidy(found[a, i, j], 3)[0] for a in range(len(found))}
        for i in range(len(p))
        for j in range(len(tau))
    ]
    log_p, log_tau = np.log10(p), np.log10(tau)
    grid = (len(p), len(tau), log_p, log_tau)
    return Chart(
        {
            "description": "Success that an algorithm reached in recorded runs, over temperature "
            "and support, with the predicted threshold as a line; below, the slice at the support "
            "you choose, against the prediction. TRPO and PPO follow the line down to supports of "
            "one in ten thousand; GRPO with std follows another line, at twice the temperature; "
            "with the k3 penalty the boundary hardly depends on support. Both stop where right "
            "answers become too rare to be met.",
            "datasets": {"plane": rows},
            "params": _params(*grid, found),
            "vconcat": [_plane(*grid), _slice(*grid)],
        }
    )


def _params(n_p, n_tau, log_p, log_tau, found):
    step_p, step_tau = np.diff(log_p).mean(), np.diff(log_tau).mean()
    place = f"algorithm * {n_p * n_tau} + row * {n_tau} + column"
    return [
        {
            "name": "algorithm",
            "value": 4,
            "bind": {"input": "select", "options": list(range(len(SHOWN))),
                     "labels": list(SHOWN.values()), "name": "algorithm "},
        },
        slider("log10_tau", "temperature, log10 τ ", -1.3, 0.25, 0.05, -0.5),
        slider("log10_p", "support, log10 p ", -4.8, -0.4, 0.1, -2),
        {"name": "table", "value": tidy(found, 3)},
        {"name": "row", "expr": f"clamp(round((log10_p - ({log_p[0]:.9g})) / {step_p:.9g}), 0, "
                                f"{n_p - 1})"},
        {"name": "column", "expr": f"clamp(round((log10_tau - ({log_tau[0]:.9g})) / "
                                   f"{step_tau:.9g}), 0, {n_tau - 1})"},
        {"name": "p_here", "expr": f"pow(10, {log_p[0]:.12g} + row * {step_p:.12g})"},
        {"name": "tau_here", "expr": f"pow(10, {log_tau[0]:.12g} + column * {step_tau:.12g})"},
        {"name": "seen", "expr": f"table[{place}]"},
        {"name": "price", "expr": "log((1 - p_here) / p_here)"},
        {"name": "tau_c", "expr": "1 / price"},
        {"name": "gibbs", "expr": "1 / (1 + exp(price - 1 / tau_here))"},
        {
            "name": "readout",
            "expr": "['p = ' + format(p_here, '.2~g') + ', τ = ' + format(tau_here, '.2f')"
            " + ', critical ' + format(tau_c, '.2f'),"
            " 'success: measured ' + format(seen, '.3f') + ', predicted ' + format(gibbs, '.3f')]",
        },
    ]  # fmt: skip


def _axes(log_p: Array, log_tau: Array) -> dict[str, dict[str, Any]]:
    edge_t, edge_p = 0.5 * np.diff(log_tau).mean(), 0.5 * np.diff(log_p).mean()
    domain_x = [float(10 ** (log_tau[0] - edge_t)), float(10 ** (log_tau[-1] + edge_t))]
    domain_y = [float(10 ** (log_p[0] - edge_p)), float(10 ** (log_p[-1] + edge_p))]
    log: dict[str, Any] = {"type": "log", "nice": False}
    return {
        "x": {"title": "τ (β of GRPO)", "scale": log | {"domain": tidy(domain_x)},
              "axis": {"values": [0.05, 0.1, 0.2, 0.5, 1, 2], "format": "~g", "grid": False}},
        "y": {"title": "support p", "scale": log | {"domain": tidy(domain_y)},
              "axis": {"values": [1e-4, 1e-3, 1e-2, 1e-1], "format": "~g", "grid": False}},
    }  # fmt: skip


_CHOSEN = "".join(f"algorithm == {a} ? datum.m{a} : " for a in range(len(SHOWN) - 1))
_CHOSEN += f"datum.m{len(SHOWN) - 1}"


def _plane(n_p, n_tau, log_p, log_tau):
    axes = _axes(log_p, log_tau)
    half_p, half_t = 0.5 * np.diff(log_p).mean(), 0.5 * np.diff(log_tau).mean()

    def edge(first, half, index, sign):
        return f"pow(10, {first:.9g} + (2 * datum.{index} {sign} 1) * {half:.9g})"

    corners = {
        "x1": edge(log_tau[0], half_t, "j", "-"), "x2": edge(log_tau[0], half_t, "j", "+"),
        "y1": edge(log_p[0], half_p, "i", "-"), "y2": edge(log_p[0], half_p, "i", "+"),
        "m": _CHOSEN,
    }  # fmt: skip
    cells = {
        "data": {"name": "plane"},
        "transform": [{"calculate": e, "as": name} for name, e in corners.items()],
        "mark": {"type": "rect", "clip": True},
        "encoding": {
            "x": axes["x"] | {"field": "x1", "type": "quantitative"},
            "x2": {"field": "x2"},
            "y": axes["y"] | {"field": "y1", "type": "quantitative"},
            "y2": {"field": "y2"},
            "color": {"field": "m", "type": "quantitative", "title": "success",
                      "scale": {"domain": [0, 1], "scheme": "yellowgreenblue"},
                      "legend": {"orient": "bottom", "gradientLength": 200}},
        },
    }  # fmt: skip
    p = np.geomspace(10 ** (log_p[0] - half_p), min(10 ** (log_p[-1] + half_p), 0.49), 120)
    line = [
        {"t": t, "p": q, "o": o}
        for o, (t, q) in enumerate(zip(tidy(thresholds.critical_tau(p)), tidy(p), strict=True))
    ]
    boundary = {
        "data": {"values": line},
        "mark": {"type": "line", "color": COLORS["gibbs"], "strokeWidth": 2.5, "clip": True},
        "encoding": {
            "x": axes["x"] | {"field": "t", "type": "quantitative"},
            "y": axes["y"] | {"field": "p", "type": "quantitative"},
            "order": {"field": "o", "type": "quantitative"},
        },
    }
    here = at({"type": "point", "shape": "circle", "size": 190, "strokeWidth": 3, "opacity": 1,
               "filled": False, "color": COLORS["euclid"]}, "tau_here", "p_here")  # fmt: skip
    for k in "xy":
        here["encoding"][k] |= axes[k]
    return {"title": {"text": {"expr": "readout"}}, "width": 400, "height": 270,
            "layer": [cells, boundary, here]}  # fmt: skip


def _slice(n_p, n_tau, log_p, log_tau):
    x = _axes(log_p, log_tau)["x"]
    y = {"title": "success", "scale": {"domain": [-0.04, 1.04], "nice": False}}
    place = {"calculate": f"pow(10, {log_tau[0]:.9g} + datum.j * {np.diff(log_tau).mean():.9g})",
             "as": "t"}  # fmt: skip
    encoding = {"x": x | {"field": "t", "type": "quantitative"},
                "y": y | {"field": "s", "type": "quantitative"}}  # fmt: skip
    measured = {
        "data": {"name": "plane"},
        "transform": [{"filter": "datum.i == row"}, place, {"calculate": _CHOSEN, "as": "s"}],
        "mark": {"type": "point", "filled": True, "size": 55, "opacity": 1, "clip": True,
                 "color": COLORS["grpo"]},
        "encoding": encoding,
    }  # fmt: skip
    predicted = {
        "data": {"sequence": {"start": float(log_tau[0]), "stop": float(log_tau[-1]) + 0.01,
                              "step": 0.01, "as": "u"}},
        "transform": [{"calculate": "pow(10, datum.u)", "as": "t"},
                      {"calculate": "1 / (1 + exp(price - 1 / datum.t))", "as": "s"}],
        "mark": {"type": "line", "color": COLORS["gibbs"], "strokeWidth": 2},
        "encoding": encoding,
    }  # fmt: skip
    now = at({"type": "point", "size": 190, "strokeWidth": 3, "opacity": 1, "filled": False,
              "color": COLORS["euclid"]}, "tau_here", "seen")  # fmt: skip
    now["encoding"]["x"] |= x
    now["encoding"]["y"] |= y
    return {"width": 400, "height": 150, "layer": [predicted, measured, now]}

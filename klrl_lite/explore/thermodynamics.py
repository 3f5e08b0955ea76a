"""Explorable of chapter 12: the reward-KL frontier, its tangent, and its Legendre dual."""

from typing import Any

import numpy as np

from .. import gibbs, simplex
from .._types import Array
from ..plots.style import COLORS
from ..plots.thermodynamics import best_of_n, on_plane
from ..problems import Problem
from ..solvers import bisect
from .chart import Chart, at, axis, slider, tidy

#: Values of log10 tau on the first slider, and of log2 n on the second.
LOG_TAUS = tuple(round(-0.8 + k / 20, 2) for k in range(25))
LOG_SIZES = tuple(range(11))


def _gibbs_part(problem: Problem, tau: Array) -> dict[str, Array]:
    log_pi = gibbs.log_gibbs(problem.log_ref, problem.reward, tau)
    spent, mean = on_plane(problem, log_pi)
    value = tau * gibbs.log_partition(problem.log_ref, problem.reward, tau)
    return {"kl": spent, "reward": mean, "value": value}


def _best_part(problem: Problem, n: int) -> dict[str, Array]:
    ref, reward, log_best = problem.log_ref, problem.reward, best_of_n(problem, n)
    spent, mean = on_plane(problem, log_best)
    # The Gibbs policy with the same mean reward; n = 1 is the reference itself.
    s, _ = bisect(
        lambda s: simplex.expect(simplex.tilt(ref, s * reward), reward) - mean, -0.1, 100.0
    )
    wasted = simplex.kl(log_best, simplex.tilt(ref, s * reward)) if n > 1 else np.zeros(())
    return {"bon_kl": spent, "bon_reward": mean, "wasted": wasted}


def frontier_values(problem: Problem, log10_tau: float, log2_n: float) -> dict[str, float]:
    """Compute what the readouts of `frontier_chart` must say.

    Returns
    -------
    dict
        `kl`, `reward` of the Gibbs policy and `value`, minus its free energy; the same two for the
        best of n draws, `bon_kl` and `bon_reward`; and the KL `wasted` by the latter, beyond that
        of the Gibbs policy with its mean reward.
    """
    found = _gibbs_part(problem, np.asarray(10.0**log10_tau)) | _best_part(problem, int(2**log2_n))
    return {name: float(value) for name, value in found.items()}


def frontier_chart(problem: Problem) -> Chart:
    """Frontier and dual with a tangent each; sliders for the temperature and for best-of-n."""
    arrays = _gibbs_part(problem, 10.0 ** np.array(LOG_TAUS))
    by_size = [_best_part(problem, 2**k) for k in LOG_SIZES]
    sized = {name: np.array([row[name] for row in by_size]) for name in by_size[0]}
    params = [
        slider("log10_tau", "temperature, log10 τ ", LOG_TAUS[0], LOG_TAUS[-1], 0.05, -0.3),
        slider("log2_n", "best of n, log2 n ", 0, LOG_SIZES[-1], 1, 6),
        {"name": "i", "expr": f"round(20 * (log10_tau - {LOG_TAUS[0]}))"},
        {"name": "tau", "expr": "pow(10, log10_tau)"},
        *({"name": name, "expr": f"{tidy(v, 8)}[i]"} for name, v in arrays.items()),
        *({"name": name, "expr": f"{tidy(v, 8)}[log2_n]"} for name, v in sized.items()),
        {
            "name": "readout",
            "expr": "['τ = ' + format(tau, '.2f') + ': the next nat buys ' + format(tau, '.2f') +"
            " ' of reward', 'so far ' + format(reward, '.2f') + ' for ' + format(kl, '.2f') +"
            " ' nats; intercept −F* = ' + format(value, '.2f'), 'best of ' +"
            " format(pow(2, log2_n), 'd') + ': ' + format(bon_reward, '.2f') + ' for ' +"
            " format(bon_kl, '.2f') + ' nats, ' + format(wasted, '.2f') + ' of them wasted']",
        },
    ]
    return Chart(
        {
            "description": "Mean reward against KL to the reference. Above, the frontier of Gibbs "
            "policies with its tangent at a temperature you choose: the slope is the temperature, "
            "the intercept minus the free energy; best-of-n lies to the right of the frontier by "
            "the nats it wastes. Below, minus the free energy against the temperature: there the "
            "slope is minus the KL and the intercept the mean reward.",
            "title": {"text": {"expr": "readout"}},
            "params": params,
            "vconcat": [_frontier_view(problem, sized), _dual_view(problem)],
        }
    )


def _rows(**columns: Any) -> dict[str, Any]:
    """Write columns as the inline data of a view, numbered in their order by `o`."""
    names = [*columns, "o"]
    columns = {name: tidy(values) for name, values in columns.items()}
    rows = zip(*columns.values(), range(len(next(iter(columns.values())))), strict=True)
    return {"values": [dict(zip(names, row, strict=True)) for row in rows]}


def _line(data: dict[str, Any], x: dict[str, Any], y: dict[str, Any], **mark: Any) -> Any:
    order = {"field": "o", "type": "quantitative"}
    style = {"type": "line", "strokeWidth": 2.5, "color": COLORS["mirror"]} | mark
    return {"data": data, "mark": style, "encoding": {"x": x, "y": y, "order": order}}


def _tangent(start: str, slope: str, from_y: str) -> Any:
    """Draw the straight line from the axis at `from_y` to a little beyond `start`."""
    step = f"({start} * datum.o * 1.35)"
    return {
        "data": {"values": [{"o": 0}, {"o": 1}]},
        "transform": [
            {"calculate": step, "as": "tx"},
            {"calculate": f"{from_y} + {slope} * {step}", "as": "ty"},
        ],
        "mark": {
            "type": "line",
            "color": COLORS["gibbs"],
            "strokeDash": [5, 3],
            "strokeWidth": 1.5,
            "clip": True,
        },
        "encoding": {
            "x": {"field": "tx", "type": "quantitative"},
            "y": {"field": "ty", "type": "quantitative"},
        },
    }


def _dot(x: str, y: str, **mark: Any) -> Any:
    style = {"type": "point", "filled": True, "opacity": 1, "size": 90, "color": COLORS["gibbs"]}
    return at(style | mark, x, y)


def _frontier_view(problem: Problem, sized: dict[str, Array]) -> dict[str, Any]:
    x, y = on_plane(
        problem, gibbs.log_gibbs(problem.log_ref, problem.reward, np.geomspace(0.05, 30, 120))
    )
    where = axis("x", "KL to the reference (nats)", domain=[0, 7])
    height = axis("y", "mean reward", domain=[0, 3.6])
    brown = COLORS["euclid"]
    kept = _rows(x=sized["bon_kl"], y=sized["bon_reward"])
    squares = {"type": "point", "shape": "square", "color": brown, "size": 40, "opacity": 0.7}
    wasted = at({"type": "rule", "color": brown, "strokeWidth": 2.5}, "bon_kl", "bon_reward")
    wasted["transform"].append({"calculate": "bon_kl - wasted", "as": "at_x2"})
    wasted["encoding"]["x2"] = {"field": "at_x2"}
    return {
        "width": 420,
        "height": 260,
        "layer": [
            _line(_rows(x=x, y=y), where, height),
            {"data": kept, "mark": squares, "encoding": {"x": where, "y": height}},
            wasted,
            _dot("bon_kl", "bon_reward", shape="square", color=brown, size=80),
            _tangent("max(kl, 0.8)", "tau", "value"),
            _dot("0", "value", shape="diamond", size=110),
            _dot("kl", "reward"),
        ],
    }


def _dual_view(problem: Problem) -> dict[str, Any]:
    taus = np.linspace(0.02, 2.8, 120)
    value = taus * gibbs.log_partition(problem.log_ref, problem.reward, taus)
    where = axis("x", "temperature τ", domain=[0, 2.8])
    height = axis("y", "minus free energy", domain=[0, 3.6])
    return {
        "width": 420,
        "height": 200,
        "layer": [
            _line(_rows(x=taus, y=value), where, height, color=COLORS["trpo"]),
            _tangent("tau", "-kl", "reward"),
            _dot("0", "reward", shape="diamond", size=110),
            _dot("tau", "value"),
        ],
    }

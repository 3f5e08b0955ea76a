"""Explorable of chapter 05: drag a start over the simplex, and watch where each algorithm goes."""

import json
from typing import Any

import numpy as np

from .. import diagnostics, gibbs
from .._types import Array
from ..plots.everyone import runs
from ..plots.simplex import CORNERS, grid, to_plane
from ..plots.style import COLORS
from ..problems import Problem
from .chart import Chart, at

#: Starts have their probabilities in multiples of 1 / PARTS.
PARTS = 14
_ALL_BUT_THERE = 0.03
#: Points that a path is drawn with.
_N_POINTS = 12
_NAMES = {
    "mirror": "mirror descent",
    "trpo": "TRPO",
    "ppo": "PPO",
    "euclid": "squared distance",
    "grpo": "GRPO, std",
}
_DASHES = ([1, 0], [2, 3], [6, 3], [4, 2, 1, 2], [1, 0])
_LEGEND = {"title": None, "orient": "top-left", "labelFontSize": 12, "symbolType": "stroke"}
#: Three lines: a phone is narrow.
_READOUT = (
    f"['start ' + format(({PARTS} - picked_a - b_here) / {PARTS}, '.0%') + ', ' "
    f"+ format(picked_a / {PARTS}, '.0%') + ', ' + format(b_here / {PARTS}, '.0%') "
    "+ '; mass out of place at the end:', "
    "'mirror ' + format(off_mirror, '.2f') + ', TRPO ' + format(off_trpo, '.2f') "
    "+ ', PPO ' + format(off_ppo, '.2f') + ',', "
    "'squared distance ' + format(off_euclid, '.2f') "
    "+ ', GRPO with std ' + format(off_grpo, '.2f')]"
)


def _paths_from(problem: Problem, tau: float, log_start: Array) -> dict[str, Array]:
    """Paths (step, ..., 3): GRPO crawls past places where it nearly rests, the others are quick.

    PPO and TRPO hop about their end; in many more steps they would do so in another way on
    another machine.
    """
    quick = [role for role in _NAMES if role != "grpo"]
    return runs(problem, tau, log_start, 300, quick) | runs(problem, tau, log_start, 1200, ["grpo"])


def starts_values(problem: Problem, tau: float, picked_a: int, picked_b: int) -> dict[str, float]:
    """Compute what the readouts of `starts_chart` must say.

    Parameters
    ----------
    problem : Problem
        Three answers.
    tau : float
        KL weight, positive.
    picked_a, picked_b : int
        Chance of the second and third answer at the start, in fourteenths; `picked_b` is brought
        down to what the second leaves to it.

    Returns
    -------
    dict
        For each algorithm the total variation from where it ends to the Gibbs policy.

    Examples
    --------
    >>> from klrl_lite import problems
    >>> three = problems.levels(np.log([0.7, 0.28, 0.02]), [0.0, 0.1, 1.0])
    >>> round(starts_values(three, 0.465, 3, 1)["off_mirror"], 3)
    0.0
    """
    b = min(picked_b, PARTS - 1 - picked_a)
    start = np.log(np.array([PARTS - picked_a - b, picked_a, b]) / PARTS)
    log_star = gibbs.log_gibbs(problem.log_ref, problem.reward, tau)
    paths = _paths_from(problem, tau, start)
    with np.errstate(divide="ignore"):
        return {
            f"off_{role}": float(diagnostics.total_variation(np.log(paths[role][-1]), log_star))
            for role in _NAMES
        }


def starts_chart(problem: Problem, tau: float) -> Chart:
    """Every algorithm from a start that the reader drags, or sets with two sliders."""
    found = _paths_from(problem, tau, np.log(grid(PARTS)))
    paths = np.stack([_thinned(np.swapaxes(found[role], 0, 1)) for role in _NAMES], axis=1)
    target = np.exp(gibbs.log_gibbs(problem.log_ref, problem.reward, tau))
    off = 0.5 * np.abs(paths[:, :, -1] - target).sum(axis=-1)
    names = list(_NAMES.values())
    # Per mille of the side of the triangle: no eye sees more, and whole numbers are short.
    xs, ys = np.moveaxis(np.rint(1000 * to_plane(paths)).astype(int), -1, 0)
    params: list[dict[str, Any]] = [
        {"name": "xs", "expr": _listed(xs)},
        {"name": "ys", "expr": _listed(ys)},
        {"name": "off", "expr": _listed(np.round(off, 3))},
        {"name": "b_here", "expr": f"min(picked_b, {PARTS - 1} - picked_a)"},
        {
            "name": "start",
            "expr": f"(picked_a - 1) * {PARTS - 1} - picked_a * (picked_a - 1) / 2 + b_here - 1",
        },
        *(
            {"name": f"off_{role}", "expr": f"off[start * {len(names)} + {i}]"}
            for i, role in enumerate(_NAMES)
        ),
        {"name": "readout", "expr": _READOUT},
    ]
    return Chart(
        {
            "description": "Paths of five algorithms on the simplex of three answers, from a start "
            "you choose, towards the Gibbs policy (diamond). Mirror descent, TRPO, PPO and squared "
            "distance end there wherever they start. GRPO with rewards divided by their standard "
            "deviation ends elsewhere: in the corner of the best answer from starts near it, and "
            "at another place from all others.",
            "title": {"text": {"expr": "readout"}},
            "params": params,
            "usermeta": {"aspect": 0.95},
            "width": 410,
            "height": 390,
            "layer": [
                _border(),
                _corners(problem),
                *_paths(names),
                *_marks(problem, target),
                _starts(),
            ],
        }
    )


def _listed(numbers: Array) -> str:
    """Write a table as a constant formula: one line of a stored notebook and not thousands."""
    return json.dumps(numbers.ravel().tolist(), separators=(",", ":"))


def _thinned(paths: Array) -> Array:
    """A few points of each path (start, step, 3): evenly spaced until all but there, and its end.

    What hops about its end would otherwise have its points there and not on the road.
    """
    plane = to_plane(paths)
    there = np.linalg.norm(plane - plane[:, -1:], axis=-1) < _ALL_BUT_THERE
    steps = np.linalg.norm(np.diff(plane, axis=1), axis=-1)
    steps = np.where(np.logical_or.accumulate(there, axis=1)[:, :-1], 0.0, steps)
    gone = np.concatenate([np.zeros_like(steps[:, :1]), np.cumsum(steps, axis=1)], axis=1)
    wanted = np.linspace(0, 1, _N_POINTS - 1) * gone[:, -1:]
    kept = (gone[:, None, :] < wanted[..., None] - 1e-12).sum(axis=-1)
    ends = np.full((len(paths), 1), paths.shape[1] - 1)
    return np.take_along_axis(paths, np.hstack([kept, ends])[..., None], axis=1)


def _place(x: str = "x", y: str = "y") -> dict[str, Any]:
    scale = {"x": {"domain": [0, 1000]}, "y": {"domain": [-70, 930]}}
    return {
        channel: {"field": field, "type": "quantitative", "axis": None, "scale": scale[channel]}
        for channel, field in (("x", x), ("y", y))
    }


def _border() -> dict[str, Any]:
    around = [
        {"x": float(1000 * x), "y": round(float(1000 * y), 1), "o": o}
        for o, (x, y) in enumerate(CORNERS[[0, 1, 2, 0]])
    ]
    return {
        "data": {"values": around},
        "mark": {"type": "line", "color": COLORS["reference"]},
        "encoding": _place() | {"order": {"field": "o", "type": "quantitative"}},
    }


def _corners(problem: Problem) -> dict[str, Any]:
    """Name the corners: each is an answer for sure."""
    rows = [
        {"x": 1000 * float(x), "y": round(1000 * float(y)) + dy, "is": f"{k}, reward {r:g}"}
        for k, ((x, y), r, dy) in enumerate(
            zip(CORNERS, problem.reward, (-45, -45, 30), strict=True), start=1
        )
    ]
    aligned = {"align": {"expr": "datum.x < 100 ? 'left' : datum.x > 900 ? 'right' : 'center'"}}
    return {
        "data": {"values": rows},
        "mark": {"type": "text", "fontSize": 12, "color": COLORS["reference"], **aligned},
        "encoding": _place() | {"text": {"field": "is"}},
    }


def _paths(names: list[str]) -> list[dict[str, Any]]:
    """Draw the lines from the chosen start, and a dot where each ends."""
    n, legend = _N_POINTS, _LEGEND
    colors = [COLORS[role] for role in _NAMES]
    name = f"{names}[floor(datum.n / {n})]".replace('"', "'")
    data = {
        "data": {"sequence": {"start": 0, "stop": n * len(names), "as": "n"}},
        "transform": [
            {"calculate": name, "as": "algorithm"},
            {"calculate": f"xs[start * {n * len(names)} + datum.n]", "as": "x"},
            {"calculate": f"ys[start * {n * len(names)} + datum.n]", "as": "y"},
        ],
    }

    def by_name(values: list[Any], **more: Any) -> dict[str, Any]:
        scale = {"domain": names, "range": values}
        return {"field": "algorithm", "type": "nominal", "scale": scale, **more}

    lines = data | {
        "mark": {"type": "line", "strokeWidth": 2.4},
        "encoding": _place()
        | {
            "order": {"field": "n", "type": "quantitative"},
            "color": by_name(colors, legend=legend),
            "strokeDash": by_name(list(_DASHES), legend=legend),
        },
    }
    last = {"filter": f"datum.n % {n} == {n - 1}"}
    ends = data | {
        "transform": [*data["transform"], last],
        "mark": {"type": "point", "filled": True, "size": 55, "opacity": 1},
        "encoding": _place() | {"color": by_name(colors, legend=legend)},
    }
    return [lines, ends]


def _marks(problem: Problem, target: Array) -> list[dict[str, Any]]:
    """Mark the reference, the Gibbs policy, and the start."""
    found = []
    looks = (
        (np.exp(problem.log_ref), {"shape": "square", "color": COLORS["reference"], "size": 90}),
        (target, {"shape": "diamond", "color": COLORS["gibbs"], "size": 150}),
    )
    for pi, look in looks:
        x, y = np.round(1000 * to_plane(pi), 1)
        found.append(
            {
                "data": {"values": [{"x": float(x), "y": float(y)}]},
                "mark": {"type": "point", "filled": True, "opacity": 1, **look},
                "encoding": _place(),
            }
        )
    first = f"start * {_N_POINTS * len(_NAMES)}"
    ring = at(
        {"type": "point", "size": 170, "strokeWidth": 2.5, "color": COLORS["reference"]},
        f"xs[{first}]",
        f"ys[{first}]",
    )
    return [*found, ring | {"encoding": _place("at_x", "at_y")}]


def _starts() -> dict[str, Any]:
    """Dots for all starts; press and drag, or move the sliders that follow it."""
    pi = grid(PARTS)
    places = np.rint(1000 * to_plane(pi)).astype(int).tolist()
    twelfths = np.rint(PARTS * pi).astype(int).tolist()
    rows = [
        {"a": a, "b": b, "x": x, "y": y} for (x, y), (_, a, b) in zip(places, twelfths, strict=True)
    ]
    label = "fourteenths of answer "
    bind = {
        field: {"input": "range", "min": 1, "max": PARTS - 2, "step": 1, "name": f"{label}{k} "}
        for field, k in (("b", 3), ("a", 2))
    }
    picked = {
        "name": "picked",
        "select": {
            "type": "point",
            "fields": ["b", "a"],
            "nearest": True,
            "toggle": False,
            "clear": False,
            "on": "pointerdown, [pointerdown, window:pointerup] > pointermove",
        },
        "value": [{"b": 4, "a": 7}],
        "bind": bind,
    }
    return {
        "data": {"values": rows},
        "params": [picked],
        "mark": {"type": "point", "filled": True, "size": 14, "color": COLORS["reference"],
                 "opacity": 0.45, "cursor": "pointer"},
        "encoding": _place(),
    }  # fmt: skip

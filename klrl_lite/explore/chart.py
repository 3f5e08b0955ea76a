"""Explorable figures: Vega-Lite charts that move without a kernel and without a network.

Each builder returns a `Chart`. A curve with a closed form is drawn from the formula itself,
written as an expression; everything else is drawn from arrays that the package computed. The
tests set the sliders in a browser and compare what is shown with what the package computes.
"""

from typing import Any

import numpy as np

from .._types import ArrayLike

MIME = "application/vnd.vegalite.v5+json"


class Chart:
    """A Vega-Lite specification that notebooks and the book know how to draw."""

    def __init__(self, spec: dict[str, Any]) -> None:
        self.spec = {
            "$schema": "https://vega.github.io/schema/vega-lite/v5.json",
            "background": "transparent",
            "config": {
                "font": "sans-serif",
                "view": {"stroke": None},
                "axis": {"labelFontSize": 12, "titleFontSize": 13, "titleFontWeight": "normal"},
                "title": {"fontSize": 13, "fontWeight": "normal", "anchor": "start"},
            },
        } | spec

    def __repr__(self):
        return f"Explorable: {self.spec['description']}"

    def _repr_mimebundle_(self, include=None, exclude=None):
        return {MIME: self.spec, "text/plain": repr(self)}


def slider(
    name: str, label: str, low: float, high: float, step: float, value: float
) -> dict[str, Any]:
    """Return a parameter with a slider; the label is what a screen reader says."""
    bind = {"input": "range", "min": low, "max": high, "step": step, "name": label}
    return {"name": name, "value": value, "bind": bind}


def tidy(x: ArrayLike, digits: int = 5) -> list[float]:
    """Round for the page: fewer bytes, and the same bytes on every machine."""
    return [float(f"{v:.{digits}g}") for v in np.ravel(x)]


def axis(field: str, title: str, **scale: Any) -> dict[str, Any]:
    """Return the encoding of a quantity on an axis."""
    return {"field": field, "type": "quantitative", "title": title, "scale": scale}


def at(mark: dict[str, Any], x: str, y: str | None = None) -> dict[str, Any]:
    """Return a layer with one mark at the values of expressions, which follow the sliders."""
    places = {name: expression for name, expression in (("x", x), ("y", y)) if expression}
    return {
        "data": {"values": [{}]},
        "transform": [{"calculate": expr, "as": f"at_{name}"} for name, expr in places.items()],
        "mark": mark,
        "encoding": {name: {"field": f"at_{name}", "type": "quantitative"} for name in places},
    }

"""Tables of the scoreboard, for a notebook to show."""

import re
from collections.abc import Mapping, Sequence
from html import escape

import numpy as np

from .._types import Array
from ..diagnostics.lineup import LINEUP
from ..diagnostics.observed import Interval
from ..diagnostics.scores import own_crossing, score

KINDS = {"tabular": "one logit each", "linear": "8 features", "network": "network"}


#: Cells stay on one line; on a phone the table is moved sideways.
_CELL = ' style="white-space:nowrap;padding:0.1em 0.45em;text-align:left;font-size:0.88em"'


class Table:
    """Rows of text under headings; HTML in a page, plain text elsewhere."""

    def __init__(self, headings: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        self.headings, self.rows = list(headings), [list(row) for row in rows]

    def __repr__(self) -> str:
        lines = [self.headings, *self.rows]
        widths = [max(len(line[i]) for line in lines) for i in range(len(self.headings))]
        return "\n".join(
            "  ".join(cell.ljust(w) for cell, w in zip(line, widths, strict=True)).rstrip()
            for line in lines
        )

    def _repr_html_(self) -> str:
        named = (re.sub(r"_(\w)", r"<sub>\1</sub>", escape(h)) for h in self.headings)
        head = "".join(f"<th{_CELL}>{name}</th>" for name in named)
        body = "".join(
            "<tr>" + "".join(self._cell(i, cell) for i, cell in enumerate(row)) + "</tr>"
            for row in self.rows
        )
        return (
            '<div style="overflow-x:auto"><table class="klrl-scores"><thead><tr>'
            f"{head}</tr></thead><tbody>{body}</tbody></table></div>"
        )

    @staticmethod
    def _cell(i: int, text: str) -> str:
        if i == 0:
            return f'<th scope="row"{_CELL}>{escape(text)}</th>'
        return f"<td{_CELL}>{escape(text)}</td>"


class Scoreboard:
    """Scores of every contestant in every arena, computed once; tables by question."""

    def __init__(self, board: Mapping[str, Array], *, seed: int = 0) -> None:
        self.scores: dict[tuple[str, str], dict[str, Interval]] = {
            (kind, name): score(board, kind, name, rng=np.random.default_rng([seed, i, j]))
            for i, kind in enumerate(KINDS)
            for j, name in enumerate(LINEUP)
            if f"{kind}.{name}.way" in board
        }

    def verdicts(self) -> Table:
        """Yes or no to each question, with the number that decides; one logit for each answer."""
        rows = []
        for name, one in LINEUP.items():
            s = {k: float(v.estimate) for k, v in self.scores["tabular", name].items()}
            cross = self.scores["tabular", name]["crossing"]
            near = abs(s["crossing"] - 1) < 0.05 or cross.low <= 1 <= cross.high
            rows.append([
                one.label,
                _mark(s["above_exact"] < 0.02, s["above_exact"]),
                _mark(bool(near), f"{s['crossing']:.2f}"),
                _mark(s["off"] < 0.05, s["off"]),
                _mark(s["cosine_exact"] > 0.95, s["cosine_exact"]),
                _mark(s["end_noise"] < 0.05, s["end_noise"]),
            ])  # fmt: skip
        return Table(
            ["", "rests at π*", "crosses at τ_c", "on the curve", "aligned", "noise dies"], rows
        )

    def by_arena(self, question: str, *, predicted: bool = False) -> Table:
        """One question in all arenas, with intervals; `predicted` adds the own fixed point."""
        rows = []
        for name, one in LINEUP.items():
            row = [one.label, *([f"{own_crossing(name, 0.02):.2f}"] if predicted else [])]
            for kind in KINDS:
                found = self.scores.get((kind, name))
                places = 2 if question.startswith("crossing") else None
                row.append("" if found is None else _interval(found[question], places))
            rows.append(row)
        return Table(["", *(["predicted"] if predicted else []), *KINDS.values()], rows)

    def gaps(self, kind: str) -> Table:
        """Three gaps of one update and of whole runs in one arena."""
        keys = ("geometric", "bias", "noise", "end_geometric", "end_bias", "end_noise")
        rows = [
            [one.label, *(_number(self.scores[kind, name][key].estimate) for key in keys)]
            for name, one in LINEUP.items()
            if (kind, name) in self.scores
        ]
        return Table(
            ["", "geometry", "bias", "noise", "geometry, run", "bias, run", "noise, run"], rows
        )


def _number(value: Array | float, places: int | None = None) -> str:
    """So many decimal places, or two digits; what is below a thousandth is then called 0."""
    x = float(value)
    if not np.isfinite(x):
        return "none"
    if places is not None:
        return f"{x:.{places}f}"
    if abs(x) >= 100:
        return f"{x:.0f}"
    return "0" if abs(x) < 1e-3 else f"{x:.2g}"


def _interval(found: Interval, places: int | None) -> str:
    middle, low, high = (_number(v, places) for v in found)
    return middle if low == high == middle else f"{middle} [{low}, {high}]"


def _mark(right: bool, value: Array | float | str) -> str:
    text = value if isinstance(value, str) else _number(value)
    return f"{'✓' if right else '✗'} {text}"

"""Rows of a file: CSV with a header, or JSON lines, with the line that each came from."""

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from .messages import BadInput


class Row(NamedTuple):
    """One row: where it stands ("line 7"), and its values by column."""

    where: str
    values: dict[str, Any]


def text_of(path: Path, label: str) -> str:
    """Read a text file, or say why it is none.

    Examples
    --------
    >>> text_of(Path("nothing-here.csv"), "nothing-here.csv")
    Traceback (most recent call last):
    klrl_lite.diagnose.messages.BadInput: error: nothing-here.csv: it cannot be read (No such file
    or directory).
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadInput(f"it is not text (byte {error.start}).",
                       "CSV, JSON lines and JSON are read; export to one of them.",
                       label) from None  # fmt: skip
    except OSError as error:
        raise BadInput(f"it cannot be read ({error.strerror}).", where=label) from None
    if not text.strip():
        raise BadInput("the file is empty.", "Export it again.", label)
    return text


def read_rows(path: Path, label: str) -> list[Row]:
    r"""Read a CSV or JSON lines file.

    Parameters
    ----------
    path : pathlib.Path
    label : str
        What messages call it.

    Returns
    -------
    list of Row

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "sweep.csv"
    >>> _ = path.write_text("beta,success\n0.1,0.9\n")
    >>> read_rows(path, "sweep.csv")
    [Row(where='line 2', values={'beta': '0.1', 'success': '0.9'})]
    """
    text = text_of(path, label)
    read = _json_lines if path.suffix in (".jsonl", ".ndjson", ".json") else _csv
    rows = list(read(text, label))
    if not rows:
        raise BadInput("there is a header and no row.", "Export it again.", label)
    return rows


def _csv(text: str, label: str) -> Iterator[Row]:
    # Lines end where the file's do: not at other separators of Unicode, which a cell may hold.
    lines = csv.reader(io.StringIO(text, newline=""),
                       delimiter="\t" if "\t" in text.split("\n")[0] else ",")  # fmt: skip
    csv.field_size_limit(2**31 - 1)  # a completion may be long
    header = [name.strip() for name in next(lines)]
    twice = sorted({name for name in header if header.count(name) > 1})
    if twice:
        raise BadInput(f"column {twice[0]!r} appears twice.", "Rename one.", f"{label}, line 1")
    for cells in lines:
        where = f"line {lines.line_num}"
        if not any(cell.strip() for cell in cells):
            continue
        if len(cells) != len(header):
            raise BadInput(
                f"{len(cells)} fields where the header has {len(header)}: the file is cut off, or "
                "a field holds a comma without quotes.",
                "Export it again, or delete that line.",
                f"{label}, {where}",
            )
        yield Row(where, dict(zip(header, cells, strict=True)))


def _json_lines(text: str, label: str) -> Iterator[Row]:
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            values = json.loads(line)
        except json.JSONDecodeError as error:
            raise BadInput(
                f"no complete JSON object (column {error.colno}: {error.msg}).",
                "One object per line is expected; if the file was cut off, delete that line.",
                f"{label}, line {number}",
            ) from None
        except RecursionError:
            raise BadInput("its objects are nested too deeply.", "One flat object per line is "
                           "expected.", f"{label}, line {number}") from None  # fmt: skip
        if not isinstance(values, dict):
            raise BadInput("not a JSON object.", "One object per line is expected.",
                           f"{label}, line {number}")  # fmt: skip
        yield Row(f"line {number}", values)


def lookup(values: dict[str, Any], column: str) -> Any:
    """Value of a column; `a.b` also finds b inside a. None where there is none.

    Examples
    --------
    >>> lookup({"cfg": {"beta": 0.1}}, "cfg.beta"), lookup({"cfg.beta": 0.2}, "cfg.beta")
    (0.1, 0.2)
    """
    if column in values:
        return values[column]
    head, dot, rest = column.partition(".")
    while dot:
        if isinstance(values.get(head), dict):
            return lookup(values[head], rest)
        more, dot, rest = rest.partition(".")
        head = f"{head}.{more}"
    return None

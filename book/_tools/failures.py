"""A failed cell, said in three lines: which notebook, which cell, which error."""

import json
import re
from pathlib import Path

# nbclient writes the source of the failed cell between two rulers, then the traceback.
_FAILED_CELL = re.compile(
    r"An error occurred while executing the following cell:\n-{18}\n(?P<source>.*?)\n-{18}\n"
    r"(?P<trace>.*)",
    re.DOTALL,
)
_ANSI = re.compile(r"\x1b\[[0-9;]*m")
_ERROR_LINE = re.compile(r"^[A-Za-z_][\w.]*(?:Error|Exception|Warning|Exit|Interrupt)\b.*", re.M)
_PERHAPS_ERROR_LINE = re.compile(r"^[A-Z]\w+(?:: .*)?$", re.M)  # an exception with another name


def describe(notebook: Path, report: str, *, root: Path) -> str:
    """Turn nbclient's report on a notebook into a short message."""
    report = _ANSI.sub("", report)
    name = notebook.relative_to(root) if notebook.is_relative_to(root) else notebook
    found = _FAILED_CELL.search(report)
    if not found:  # the kernel died or a cell took too long
        return f"{name} could not be run:\n  {_error(report)}"
    number, first = _locate(notebook, found["source"])
    return f"{name}, code cell {number}:\n  {first}\n  {_error(found['trace'])}"


def _locate(notebook: Path, source: str) -> tuple[str, str]:
    """Return the number of the code cell with this source, and its first line."""
    cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    code = ["".join(c["source"]) for c in cells if c["cell_type"] == "code"]
    numbers = [str(i) for i, text in enumerate(code, 1) if text.strip() == source.strip()]
    lines = [line.strip() for line in source.splitlines() if line.strip()] or ["(empty)"]
    return " or ".join(numbers) or "?", lines[0]


def _error(trace: str) -> str:
    """Return the line that names the error: the last one that looks like `ValueError: ...`."""
    lines = _ERROR_LINE.findall(trace) or _PERHAPS_ERROR_LINE.findall(trace)
    lines = lines or [line for line in trace.splitlines() if line.strip()] or ["?"]
    return lines[-1].strip()

"""The notebooks as they are stored: run, complete, and the same on every machine.

That their numbers are right is nbval's part; it compares only cells that are stored as run.
"""

import json
import re
from pathlib import Path
from statistics import median

import pytest

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOKS = sorted((ROOT / "book").glob("*.ipynb"))
MACHINE_PATH = re.compile(r"(?<![\w.])/(?:home|root|work|tmp|Users|opt|mnt|private)/|[A-Z]:\\\\")
TIMESTAMP = re.compile(r"\b20\d\d-\d\d-\d\d[T ]\d\d:\d\d")
LONGEST, MEDIAN = 20, 4

pytestmark = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)


def content(path: Path) -> dict:
    return json.loads(path.read_text(encoding="utf-8"))


def code_cells(path: Path) -> list[dict]:
    return [c for c in content(path)["cells"] if c["cell_type"] == "code"]


def outputs(path: Path) -> list[dict]:
    return [o for cell in code_cells(path) for o in cell["outputs"]]


def lines(cell: dict) -> list[str]:
    return [line for line in "".join(cell["source"]).splitlines() if line.strip()]


def test_every_code_cell_is_stored_as_run_and_in_order(path):
    counts = [cell["execution_count"] for cell in code_cells(path)]
    assert counts == list(range(1, len(counts) + 1)), f"python run.py refresh book/{path.name}"


def test_it_has_outputs_and_none_is_an_error_or_a_warning(path):
    kinds = [o["output_type"] for o in outputs(path)]
    assert kinds
    assert "error" not in kinds
    assert not [o["text"] for o in outputs(path) if o.get("name") == "stderr"]


def test_cells_have_distinct_ids(path):
    ids = [cell.get("id") for cell in content(path)["cells"]]
    assert all(ids)
    assert len(set(ids)) == len(ids)


def test_metadata_does_not_depend_on_the_machine(path):
    metadata = content(path)["metadata"]
    assert metadata["kernelspec"]["name"] == "python3"
    assert metadata["language_info"] == {"name": "python"}
    assert "widgets" not in metadata
    assert not [c for c in content(path)["cells"] if "execution" in c["metadata"]]


def test_no_cell_silences_its_value_with_a_semicolon(path):
    """That works only where the kernel keeps a history, which nbval's does not: name the value."""
    assert not [c["id"] for c in code_cells(path) if "".join(c["source"]).rstrip().endswith(";")]


def test_no_volatile_records_are_stored(path):
    assert not [o for o in outputs(path) if "klrl" in o.get("metadata", {})]
    views = "application/vnd.jupyter.widget-view+json"
    assert not [o for o in outputs(path) if views in o.get("data", {})]


def test_no_path_of_a_machine_and_no_time_is_stored(path):
    text = json.dumps([{**o, "data": _without_pictures(o)} for o in outputs(path)])
    text += json.dumps([c["source"] for c in content(path)["cells"]])
    assert not MACHINE_PATH.findall(text)
    assert not TIMESTAMP.findall(text)


def _without_pictures(output: dict) -> dict:
    return {k: v for k, v in output.get("data", {}).items() if not k.startswith("image/")}


def test_every_picture_has_a_text(path):
    bare = [
        cell["id"]
        for cell in code_cells(path)
        if any("image/png" in o.get("data", {}) for o in cell["outputs"])
        and len(cell["metadata"].get("mystnb", {}).get("image", {}).get("alt", "")) < 10
    ]
    assert not bare, "cells without mystnb.image.alt"


def test_cells_are_short(path):
    sizes = [len(lines(cell)) for cell in code_cells(path)]
    assert max(sizes) <= LONGEST
    assert median(sizes) <= MEDIAN


def test_the_file_is_in_the_form_that_refresh_writes(path):
    raw = path.read_bytes()
    assert raw.endswith(b"}\n")
    assert b"\r" not in raw
    assert raw.decode().startswith('{\n "cells"')

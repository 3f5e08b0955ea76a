"""Mutation testing: the machine that tries mutants, a slice of them, and what is recorded.

All of it is `python run.py mutants --record` (hours). Here a few killed mutants are drawn from the
record and put in again: each must still be killed by the test that killed it. A change that is none
must not be, so that a machine which kills everything is noticed as well.
"""

import ast
import csv
import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from _tools import mutant_report

SEED, SIZE = 8, 12
FOLDER = Path("tests/mutants")


@pytest.fixture(scope="module")
def recorded(root):
    return json.loads((root / FOLDER / "results.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def killed(root):
    with (root / FOLDER / "killed.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def source_of(root, path, name):
    """Return the text of a function and where it begins; none if the function is gone."""
    text = (root / path).read_text(encoding="utf-8")
    body = ast.parse(text).body
    for part in name.split("."):
        found = [n for n in body if getattr(n, "name", None) == part]
        if not found:
            return "", 0
        node, body = found[-1], getattr(found[-1], "body", [])
    lines = text.splitlines(keepends=True)
    start = sum(map(len, lines[: node.lineno - 1]))
    return "".join(lines[node.lineno - 1 : node.end_lineno]), start


def located(root, row):
    """Return a recorded mutant with the place of its line; None if the line is not there once."""
    text, start = source_of(root, row["path"], row["function"])
    if text.count(row["before"]) != 1:
        return None
    place = {"start": start + text.index(row["before"]), "old": row["before"], "new": row["after"]}
    return dict(row) | place


def drawn(root, rows):
    """Return the first rows, in an order that the seed gives, whose line is still in the code."""
    order = sorted(rows, key=lambda r: hashlib.sha256(f"{SEED}{r['id']}".encode()).digest())
    return [m for row in order if (m := located(root, row))]


def tried(root, folder, mutants):
    """Put mutants in, one after the other; return what came of each."""
    files = [folder / name for name in ("todo.jsonl", "done.jsonl", "cover.json")]
    files[0].write_text("".join(json.dumps(m) + "\n" for m in mutants), encoding="utf-8")
    files[2].write_text(json.dumps({"tests": {}, "seconds": {}}), encoding="utf-8")
    subprocess.run(
        [sys.executable, root / FOLDER / "engine.py", "tests", *files, "20"],
        cwd=root,
        env=os.environ | {"PYTHONPATH": str(root), "PYTHONDONTWRITEBYTECODE": "1"},
        check=True,
        capture_output=True,
        timeout=240,
    )
    return {r["id"]: r for r in map(json.loads, files[1].read_text().splitlines())}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="children are forked")
def test_a_slice_of_the_mutants_is_killed_and_no_change_is_not(root, killed, tmp_path):
    mutants = drawn(root, killed)[:SIZE]
    assert len(mutants) == SIZE
    same = [m | {"id": f"same {m['id']}", "new": m["old"]} for m in mutants]
    done = tried(root, tmp_path, mutants + same)
    assert {m["id"]: done[m["id"]]["status"] for m in mutants} == {
        m["id"]: "killed" for m in mutants
    }
    assert {done[m["id"]]["status"] for m in same} == {"survived"}


def test_most_of_the_record_is_about_the_code_as_it_is(root, killed):
    """Past that the record is out of date: `python run.py mutants --record` renews it."""
    assert len(drawn(root, killed)) > 0.5 * len(killed)


def test_the_recorded_scores_are_what_was_promised(recorded):
    for sample in recorded["unit tests"].values():
        row = next(r for r in sample["scores"] if r["module"] == "all")
        left = row["survived"] + row["error"]
        assert row["score"] == pytest.approx(row["caught"] / (row["caught"] + left), abs=1e-4)
        assert row["score"] >= 0.95
        assert len(sample["survivors"]) == left
        assert row["tried"] == row["caught"] + left + row["equivalent"] == sample["tried"]


def test_every_equivalent_mutant_is_of_a_line_that_is_there_and_has_a_reason(root):
    for entry in mutant_report.equivalents(root).entries:
        text, _ = source_of(root, entry["path"], entry["function"])
        stripped = " ".join(line.strip() for line in text.splitlines())
        assert len(entry["why"]) > 20, entry
        for before, after in entry["edits"]:
            assert before != after
            assert before in stripped, (entry["path"], entry["function"], before)


def test_the_interval_is_wilsons():
    """Against the roots of the quadratic equation that defines it."""
    for caught, total in ((95, 100), (0, 7), (7, 7), (513, 540)):
        low, high = mutant_report.interval(caught, total)
        z2 = mutant_report.Z**2
        for p in (low, high):
            assert (caught / total - p) ** 2 == pytest.approx(z2 * p * (1 - p) / total, abs=1e-12)

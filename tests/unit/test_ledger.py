"""The ledger and the files it reads: records, claims, what must not be so, what says the same."""

import io
import json
from pathlib import Path

import numpy as np
import pytest
from scipy.sparse.csgraph import connected_components

from klrl_lite import ledger, verdicts


@pytest.fixture
def plain_machine(monkeypatch):
    """A computer on which text files are ASCII, unless something else is asked for."""
    monkeypatch.setattr(io, "text_encoding", lambda encoding, stacklevel=2: encoding or "ascii")
    with pytest.raises(UnicodeDecodeError):
        Path(__file__).read_text()


def record(ids, *kinds, failure=None):
    return {"ids": ids.split(), "failure": failure, "rivals": [{"kind": kind} for kind in kinds]}


def entry(verdict, chapter="01", **more):
    return {"chapter": chapter, "verdict": verdict} | more


# --- records ---

FIRST, SECOND = record("S1.1"), record("S1.2", failure="für π > ½")
NOTEBOOK = {
    "cells": [
        {"cell_type": "markdown", "source": "metadata"},
        {"outputs": []},
        {
            "outputs": [
                {"output_type": "stream", "text": "klrl"},
                {"metadata": {"klrl": FIRST}},
                {"metadata": {"other": 1}},
            ]
        },
        {"outputs": [{"metadata": {"klrl": SECOND, "other": 2}}]},
    ]
}


def test_records_come_in_order_from_among_all_kinds_of_cells():
    assert ledger.records_in(NOTEBOOK) == [FIRST, SECOND]


@pytest.mark.parametrize("given", ["a path", "its name"])
def test_a_notebook_is_read_as_utf_8_on_any_machine(tmp_path, plain_machine, given):
    path = tmp_path / "page.ipynb"
    path.write_bytes(json.dumps(NOTEBOOK, ensure_ascii=False).encode())
    assert ledger.records_in(path if given == "a path" else str(path)) == [FIRST, SECOND]


def test_the_claims_file_is_read_as_utf_8_on_any_machine(tmp_path, plain_machine):
    path = tmp_path / "claims.yml"
    one = "S1.1: {section: '1', chapter: '01', statement: π ≪ ½, verdict: holds}"
    path.write_bytes(one.encode())
    assert verdicts.load(path)["S1.1"]["statement"] == "π ≪ ½"


def test_the_claims_file_is_read_without_the_parser_in_c(tmp_path, monkeypatch):
    path = tmp_path / "claims.yml"
    path.write_text("S1.1: {section: '1', chapter: '01', statement: s, verdict: holds}")
    expected = verdicts.load(path)
    monkeypatch.delattr("yaml.CSafeLoader", raising=False)
    assert verdicts.load(path) == expected
    assert expected["S1.1"]["section"] == "1"


def test_a_record_of_several_claims_stands_under_each():
    both, one = record("A B"), record("B")
    assert ledger.by_claim([both, one]) == {"A": [both], "B": [both, one]}


# --- what must not be so ---


def test_nothing_is_said_where_all_is_well():
    entries = {
        "A": entry("holds"),
        "B": entry("holds with a condition"),
        "C": entry("analogy"),
        "D": entry("holds", chapter="02"),
        "E": entry("convention", chapter="02"),
    }
    records = [record("A", "rival"), record("B", "rival"), record("B", "without")]
    assert ledger.problems(entries, [*records, record("E", "other")], {"01"}) == []


def test_everything_is_said_that_is_wrong():
    entries = {
        "A": entry("holds"),
        "B": entry("analogy"),
        "C": entry("holds", chapter="02"),
        "D": entry("holds", chapter="03"),
        "E": entry("false as stated"),
        "F": entry("holds"),
        "G": entry("analogy", chapter="02"),
        "H": entry("analogy"),
    }
    records = [
        record("Z A Y"),
        record("A", failure="off by 2"),
        record("A", failure="off by 3"),
        record("B"),
        record("E", "without"),
        record("F", "as_stated", "rival"),
        record("H", failure="off by 4"),
    ]
    found = ledger.problems(entries, records, {"01", "02"})
    assert [sentence.split()[0] for sentence in found] == [*"YZ", *"AA", *"BCEFHH"]
    assert [sentence for sentence in found if sentence[0] in "AHYZ"] == [
        "Y is checked and is not in the claims file",
        "Z is checked and is not in the claims file",
        "A fails: off by 2",
        "A fails: off by 3",
        "H fails: off by 4",
        "H is called an analogy and yet a cell checks it",
    ]
    told = {sentence[0]: sentence for sentence in found}
    assert "analogy" in told["B"]
    assert told["C"] == "C belongs to finished chapter 02 and no cell checks it"
    # First what the file says, then what the checks say.
    for name, said, shown in (
        ("E", "false as stated", "holds with a condition"),
        ("F", "holds", "false as stated"),
    ):
        assert told[name].index(repr(said)) < told[name].index(repr(shown))


# --- claims that say the same ---


@pytest.mark.parametrize("seed", range(4))
def test_claims_that_say_the_same_are_told_together(seed):
    """Links hold in both directions and from link to link, among claims of one verdict."""
    rng = np.random.default_rng(seed)
    n = 30
    names = [f"S{i}" for i in rng.permutation(n)]
    links = rng.random((n, n)) < 0.04
    holds = rng.random(n) < 0.7
    entries = {
        name: entry("holds" if holds[i] else "convention")
        | ({"same_as": [names[j] for j in np.flatnonzero(links[i])]} if links[i].any() else {})
        for i, name in enumerate(names)
    }
    for verdict, which in (("holds", holds), ("convention", ~holds)):
        (places,) = np.nonzero(which)
        count, group = connected_components(links[np.ix_(places, places)], directed=False)
        expected = [[names[places[i]] for i in np.flatnonzero(group == g)] for g in range(count)]
        expected.sort(key=lambda found: names.index(found[0]))
        assert ledger.told_once(entries, verdict) == expected
        assert max(map(len, expected)) > 2 or verdict == "convention"
    assert ledger.told_once(entries, "analogy") == []

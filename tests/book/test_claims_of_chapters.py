"""Every claim of a finished chapter is checked, and its verdict is what the evidence amounts to."""

import os

import chapters
import pytest

from klrl_lite import claims, ledger


@pytest.fixture(scope="module")
def records(notebooks, root):
    """Records of the build that has just run every chapter; without one the chapters run here."""
    executed = root / "_build" / "jupyter_execute" / "book"
    if os.environ.get("KLRL_BOOK_BUILT"):
        return {path.name[:2]: ledger.records_in(executed / path.name) for path in notebooks}
    return {path.name[:2]: chapters.run(path) for path in notebooks}


@pytest.fixture(scope="module")
def entries(root):
    return claims.load(root / "book" / "claims.yml")


def test_there_are_finished_chapters(records):
    assert records.keys() >= {"01", "07"}


def test_no_cell_breaks_and_no_check_fails(records):
    assert [r["failure"] for rs in records.values() for r in rs if r["failure"]] == []


def test_the_ledger_has_nothing_to_complain_of(records, entries):
    flat = [r for rs in records.values() for r in rs]
    assert ledger.problems(entries, flat, set(records)) == []


def test_every_check_gives_its_reasons(records):
    for record in (r for rs in records.values() for r in rs):
        assert record["what"], record
        assert record["why"], record


def test_a_dropped_check_is_missed(records, entries):
    """Take the checks of any one claim away, and the ledger names it."""
    for chapter, found in records.items():
        name = found[0]["ids"][0]
        left = [r for r in found if name not in r["ids"]]
        assert f"{name} belongs to finished chapter {chapter} and no cell checks it" in (
            ledger.problems(entries, left, {chapter})
        )


def test_a_verdict_that_the_numbers_contradict_is_named(records, entries):
    """Turn every verdict of the finished chapters into another one; each change is noticed."""
    flat = [r for rs in records.values() for r in rs]
    other = dict(zip(claims.VERDICTS, claims.VERDICTS[1:], strict=False))
    for name in ledger.by_claim(flat):
        wrong = entries[name] | {"verdict": other[entries[name]["verdict"]]}
        found = ledger.problems({name: wrong}, ledger.by_claim(flat)[name], set())
        assert any(f"{name} " in sentence for sentence in found), name

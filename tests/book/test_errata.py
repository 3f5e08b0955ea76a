"""The page of errata is complete, and made from the claims: nobody types it."""

import re

import pytest

from klrl_lite import claims
from klrl_lite.ledger import told_once

FALSE, CONDITION = "false as stated", "holds with a condition"


@pytest.fixture(scope="module")
def of_the_post(root):
    entries = claims.load(root / "book" / "claims.yml")
    return {name: entry for name, entry in entries.items() if entry["section"] != "beyond"}


@pytest.mark.parametrize("verdict", claims.VERDICTS)
def test_every_claim_is_told_once(of_the_post, verdict):
    groups = told_once(of_the_post, verdict)
    told = [name for group in groups for name in group]
    wanted = [name for name, entry in of_the_post.items() if entry["verdict"] == verdict]
    assert sorted(told) == sorted(wanted)


def test_claims_that_say_the_same_are_one_entry(of_the_post):
    for verdict in (FALSE, CONDITION):
        for group in told_once(of_the_post, verdict):
            same = {s for name in group for s in of_the_post[name].get("same_as", ())}
            same = {s for s in same if of_the_post.get(s, {}).get("verdict") == verdict}
            assert same <= set(group)
            assert len(group) == 1 or set(group) == same


def test_every_erratum_has_a_counterexample_with_numbers(of_the_post):
    for group in told_once(of_the_post, FALSE):
        given = [of_the_post[name].get("counterexample", "") for name in group]
        assert any(re.search(r"\d", text) for text in given), group
        assert all(of_the_post[name]["correction"] for name in group)


def test_only_false_claims_have_counterexamples(of_the_post):
    odd = [n for n, e in of_the_post.items() if "counterexample" in e and e["verdict"] != FALSE]
    assert odd == []


def test_the_page_holds_no_claim_and_no_number(root):
    text = (root / "book" / "errata.md").read_text(encoding="utf-8")
    assert re.findall(r"\b[SLR]\d*\.\d+\b", text) == []
    assert re.findall(r"(?<![-\w])\d+(?![-\w])", text) == []
    assert re.findall(r"{claims-errata} (\w+)", text) == ["false", "conditions"]

"""The built page of errata lists what is false and what needs a condition, each with its check."""

import re

import pytest

from klrl_lite import claims

PAGE = "book/errata.html"


@pytest.fixture(scope="module")
def page(site, pages):
    path = site / PAGE
    assert path in pages, f"{PAGE} is not in the site"
    return pages[path]


@pytest.fixture(scope="module")
def listed(page):
    """Claims on the page, by the addresses of their entries."""
    names = [a[len("errata-") :] for a in page.anchors if re.match(r"errata-[A-Z]\d*-\d+$", a)]
    return {name.replace("-", ".") for name in names}


@pytest.fixture(scope="module")
def of_the_post(root):
    entries = claims.load(root / "book" / "claims.yml")
    return {name: entry for name, entry in entries.items() if entry["section"] != "beyond"}


def test_exactly_the_false_and_the_conditional_claims_are_listed(listed, of_the_post):
    wanted = {
        name
        for name, entry in of_the_post.items()
        if entry["verdict"] in ("false as stated", "holds with a condition")
    }
    assert listed == wanted


def test_every_entry_leads_to_the_cell_that_guards_it(root, site, pages, page, listed, of_the_post):
    """Claims of a finished chapter have a link to a check of them, or of one that says the same."""
    finished = {path.name[:2] for path in (root / "book").glob("[0-9]*.ipynb")}
    targets = [a["href"] for a in page.all("a") if "#claim-" in a.get("href", "")]
    reached = set()
    for href in targets:
        name, anchor = href.split("#")
        assert anchor in pages[(site / PAGE).parent / name].anchors, href
        reached.add(re.match(r"claim-([A-Z]\d*-\d+)", anchor)[1].replace("-", "."))
    for name in listed:
        if of_the_post[name]["chapter"] in finished:
            assert reached & {name, *of_the_post[name].get("same_as", ())}, name


def test_no_entry_of_a_finished_chapter_is_called_unchecked(root, page, listed, of_the_post):
    finished = {path.name[:2] for path in (root / "book").glob("[0-9]*.ipynb")}
    if all(of_the_post[name]["chapter"] in finished for name in listed):
        assert "Not checked yet" not in page.text


def test_every_erratum_shows_by_how_much_the_statement_misses(page):
    entries = page.text.split("klrl-erratum")[1:]
    assert entries
    for entry in entries:
        assert re.search(r"off by \d|too large by \d|\|z\| = \d|infinitely far off", entry), entry[
            :200
        ]

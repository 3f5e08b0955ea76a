"""The machinery of claims: it accepts what agrees, and every way to be wrong makes it fail."""

import json
import re
from html.parser import HTMLParser

import numpy as np
import pytest
import yaml
from samples import systems

from klrl_lite import claims, gibbs, simplex
from klrl_lite.claims import ClaimError, claim, collect, derived_verdict

VERDICTS = {
    "H1": "holds",
    "H2": "holds",
    "C1": "holds with a condition",
    "F1": "false as stated",
    "V1": "convention",
    "A1": "analogy",
}
WHY = "rounding"


@pytest.fixture(autouse=True)
def registered(monkeypatch):
    """A small registry with one claim of each verdict, in place of the book's."""
    entries = {
        name: {"verdict": verdict, "section": "1", "chapter": "01", "statement": "s"}
        for name, verdict in VERDICTS.items()
    }
    monkeypatch.setattr(claims, "registry", lambda: entries)
    return entries


def failure(check):
    """What the machinery says about a check, without raising; and that it would have raised."""
    with collect() as records:
        check()
    with pytest.raises(ClaimError) as caught:
        check()
    (record,) = records
    assert record["failure"] in str(caught.value)
    return record["failure"]


# --- agreement ---


def test_agreement_with_a_rival_rejected():
    result = claim("H1", "one = one").same(1.0, 1.0 + 1e-13, tol=1e-12, why=WHY, rival=("two", 2.0))
    record = result.record
    assert record["failure"] is None
    assert record["ids"] == ["H1"]
    assert record["error"] == pytest.approx(1e-13, rel=1e-2)
    assert record["rivals"] == [{"kind": "rival", "name": "two", "error": 1.0}]


def test_disagreement():
    said = failure(lambda: claim("H1").same(1.0, 1.1, tol=0.01, why=WHY, rival=("two", 2.0)))
    assert re.search(r"the two sides differ by 0\.1, tolerance 0\.01", said)


def test_the_error_names_every_claim():
    with pytest.raises(ClaimError, match=r"^H1 H2: the two sides differ"):
        claim("H1 H2").same(1.0, 2.0, tol=0.1, why=WHY, no_rival="shown")


def test_the_largest_difference_counts():
    left = np.ones((3, 4))
    right = left.copy()
    right[2, 1] += 0.5
    said = failure(lambda: claim("H1").same(left, right, tol=0.1, why=WHY, no_rival="shown"))
    assert "differ by 0.5" in said


@pytest.mark.parametrize("bad", [np.nan, [1.0, np.nan], np.inf, -np.inf, [np.inf, 1.0], []])
def test_sides_that_are_not_numbers_fail(bad):
    for sides in ((bad, 1.0), (1.0, bad)):
        said = failure(lambda s=sides: claim("H1").same(*s, tol=10.0, why=WHY, rival=("r", 99.0)))
        assert "the two sides differ by no finite number" in said
    for sides in ((bad, 1.0), (1.0, bad)):
        if np.isinf(bad).any():
            continue  # an infinite bound is a bound
        check = claim("H1").at_most
        with pytest.raises((ClaimError, ValueError)):
            check(*sides, tol=10.0, why=WHY, no_rival="shown")


def test_nan_agrees_with_nothing_not_even_nan():
    said = failure(lambda: claim("H1").same(np.nan, np.nan, tol=1.0, why=WHY, no_rival="shown"))
    assert "no finite number" in said


def test_equal_infinities_agree():
    both = [np.inf, -np.inf, 1.0]
    claim("H1").same(both, both, tol=0.0, why=WHY, rival=("finite", [1.0, -np.inf, 1.0]))


def test_a_tolerance_that_is_not_a_number_accepts_nothing():
    said = failure(lambda: claim("H1").same(1.0, 1.0, tol=np.nan, why=WHY, no_rival="shown"))
    assert "differ by 0, tolerance nan" in said


def test_complex_sides():
    claim("H1").same(1j, 1j, tol=1e-12, why=WHY, rival=("conjugate", -1j))
    said = failure(lambda: claim("H1").same(1j, -1j, tol=1e-12, why=WHY, no_rival="shown"))
    assert "differ by 2" in said


def test_boolean_sides_count_the_entries_that_differ():
    left = np.array([True, True, False, False])
    result = claim("H1").same(left, left, tol=0, why="no entry", rival=("all", np.ones(4, bool)))
    assert result.record["rivals"][0]["error"] == 0.5
    flipped = np.array([True, False, False, False])
    said = failure(lambda: claim("H1").same(left, flipped, tol=0.2, why=WHY, no_rival="shown"))
    assert "differ by 0.25" in said


def test_one_boolean_side_is_taken_for_numbers():
    # The largest difference, not the share of entries that differ.
    yes, nearly = np.ones(4, bool), np.array([1.0, 1.0, 1.0, 0.875])
    for sides in ((yes, nearly), (nearly, yes)):
        result = claim("H1").same(*sides, tol=0.2, why=WHY, no_rival="shown")
        assert result.record["error"] == 0.125


def test_relative_differences():
    pair = np.array([1e-300, 1e300])
    off = pair * (1 + 1e-9)
    claim("H1").same(off, pair, tol=1e-8, why=WHY, relative=True, rival=("twice", 2 * pair))
    for tol, ok in ((1e-8, True), (1e-10, False)):
        with collect() as records:
            claim("H1").same(off, pair, tol=tol, why=WHY, relative=True, no_rival="shown")
        assert (records[0]["failure"] is None) == ok
    # Against an exact zero only an exact zero agrees.
    claim("H1").same([0.0], [0.0], tol=0.01, why=WHY, relative=True, rival=("one", [1.0]))
    said = failure(
        lambda: claim("H1").same(1e-300, 0.0, tol=1, why=WHY, relative=True, no_rival="shown")
    )
    assert "no finite number" in said


# --- rivals ---


def test_a_rival_that_passes_is_an_error():
    said = failure(lambda: claim("H1").same(1.0, 1.0, tol=0.1, why=WHY, rival=("nearly one", 1.05)))
    assert "accepts its rival 'nearly one': off by 0.05 only, where 1 would be clear" in said


@pytest.mark.parametrize(("distance", "rejected"), [(0.99, False), (1.0, False), (1.01, True)])
def test_a_rival_must_miss_by_ten_tolerances(distance, rejected):
    with collect() as records:
        claim("H1").same(0.0, 0.0, tol=0.1, why=WHY, rival=("near", distance))
    assert (records[0]["failure"] is None) == rejected


def test_no_rival_needs_a_reason():
    said = failure(lambda: claim("H1").same(1.0, 1.0, tol=0.1, why=WHY))
    assert said == "no rival, and no reason given for having none"
    for empty in ("", None):
        assert failure(lambda e=empty: claim("H1").same(1, 1, tol=0, why=WHY, no_rival=e)) == said
    assert failure(lambda: claim("H1").same(1.0, 1.0, tol=0.1, why=WHY, rival=[])) == said
    result = claim("H1").same(1.0, 1.0, tol=0.1, why=WHY, no_rival="a definition")
    assert result.record["no_rival"] == "a definition"


def test_a_list_of_rivals_is_checked_to_the_end():
    good, bad = ("two", 2.0), ("nearly", 1.0 + 1e-13)
    rivals = [good, good, bad]
    said = failure(lambda: claim("H1").same(1.0, 1.0, tol=1e-12, why=WHY, rival=rivals))
    assert "'nearly'" in said
    result = claim("H1").same(1.0, 1.0, tol=1e-12, why=WHY, rival=[good, ("three", 3.0)])
    assert [r["name"] for r in result.record["rivals"]] == ["two", "three"]


def test_a_rival_may_replace_both_sides():
    result = claim("H1").same(1.0, 1.0, tol=0.1, why=WHY, rival=("other pair", 5.0, 8.0))
    assert result.record["rivals"][0]["error"] == 3.0
    said = failure(lambda: claim("H1").same(1.0, 1.0, tol=0.1, why=WHY, rival=("pair", 5.0, 5.0)))
    assert "accepts its rival 'pair'" in said


def test_an_infinite_rival_is_rejected_and_shown_as_such():
    result = claim("H1").same(1.0, 1.0, tol=0.1, why=WHY, rival=("1/0", np.inf))
    assert result.record["rivals"][0]["error"] is None
    assert "infinitely far off: rejected" in repr(result)


def test_a_rival_that_is_not_a_number_rejects_nothing():
    one, two, more = ("0/0", np.nan), ("inf - inf", np.nan), ("two", 2.0)
    for rivals in (one, [one, more], [one, more, two]):
        said = failure(lambda r=rivals: claim("H1").same(1.0, 1.0, tol=0.1, why=WHY, rival=r))
        assert said == "its rival '0/0' is not a number: nothing has been rejected"


def test_unknown_evidence():
    with pytest.raises(TypeError, match=r"unknown evidence 'rivals'; known: rival, without"):
        claim("H1").same(1.0, 1.0, tol=0.1, why=WHY, rivals=("misspelt", 2.0))


# --- ids and verdicts ---


def test_unknown_and_missing_ids():
    for ids in ("X9", "H1 X9"):
        with pytest.raises(ClaimError, match="unknown claim id 'X9'"):
            claim(ids)
    for ids in ("", "  "):
        with pytest.raises(ClaimError, match="must name the claim"):
            claim(ids)


def test_without_a_claims_file_checks_still_run(monkeypatch):
    # A notebook downloaded on its own.
    monkeypatch.setattr(claims, "registry", dict)
    result = claim("X9", "one = one").same(1, 1, tol=0, why=WHY, rival=("two", 2))
    assert "one = one" in repr(result)
    with pytest.raises(ClaimError, match="differ"):
        claim("X9").same(1, 2, tol=0, why=WHY, no_rival="shown")


SUPPORTS = {"without": "C1", "as_stated": "F1", "other": "V1"}


@pytest.mark.parametrize("kind", SUPPORTS)
@pytest.mark.parametrize("name", VERDICTS)
def test_evidence_must_fit_the_verdict(kind, name):
    def check():
        claim(name).same(1.0, 1.0, tol=0.1, why=WHY, **{kind: ("it", 9.0)})

    if name == SUPPORTS[kind]:
        check()
    else:
        assert failure(check) == f"evidence {kind!r} contradicts the verdict {VERDICTS[name]!r}"


@pytest.mark.parametrize("name", VERDICTS)
def test_a_plain_rival_fits_every_verdict(name):
    claim(name).same(1.0, 1.0, tol=0.1, why=WHY, rival=("nine", 9.0))


def test_every_named_claim_is_compared_with_the_evidence():
    said = failure(lambda: claim("C1 H1").same(1, 1, tol=0, why=WHY, without=("it", 9)))
    assert said == "evidence 'without' contradicts the verdict 'holds'"


def test_a_verdict_changed_in_the_file_is_noticed(registered):
    def check():
        claim("F1").same(1.0, 1.0, tol=0.1, why=WHY, as_stated=("as the post has it", 9.0))

    check()
    registered["F1"]["verdict"] = "holds"
    assert "contradicts the verdict 'holds'" in failure(check)


def test_derived_verdict():
    def record(*kinds):
        return {"rivals": [{"kind": kind} for kind in kinds]}

    assert derived_verdict([]) == "holds"
    assert derived_verdict([record("rival")]) == "holds"
    assert (
        derived_verdict([record("rival"), record("without", "rival")]) == "holds with a condition"
    )
    assert derived_verdict([record("other")]) == "convention"
    # The worst news about a claim is what is said about it.
    assert derived_verdict([record("without"), record("as_stated")]) == "false as stated"


# --- the other kinds of checks ---


def test_at_most():
    check = claim("H1").at_most
    assert check([1.0, 2.0], 2.0, tol=0.01, why=WHY, rival=("1.5", 1.5)).record["error"] == 0.0
    # Up to the tolerance, and only upwards.
    check(2.005, 2.0, tol=0.01, why=WHY, no_rival="shown")
    check(-np.inf, 2.0, tol=0.01, why=WHY, no_rival="shown")
    assert "differ by 0.5" in failure(lambda: check([1, 2.5], 2, tol=0.01, why=WHY, no_rival="s"))
    # A bound with room to spare is a weak one: the rival bound must be violated.
    said = failure(lambda: check(1.0, 2.0, tol=0.01, why=WHY, rival=("also fine", 1.5)))
    assert "accepts its rival" in said


def test_at_most_compares_whole_numbers_of_any_kind():
    # Counts of sequences outgrow 64 bits, and unsigned ones know no negative difference.
    many, few = [2 * 10**30], [10**30]
    check = claim("H1").at_most
    check(few, many, tol=0, why=WHY, rival=("the other way", many, few))
    said = failure(lambda: check(many, few, tol=1e20, why=WHY, no_rival="shown"))
    assert "differ by 1e+30" in said
    small = np.array([1, 2], np.uint8)
    check(small, small + np.uint8(1), tol=0, why=WHY, rival=("less", small - np.uint8(1)))
    check(np.array([False, True]), np.array([True, True]), tol=0, why=WHY, no_rival="shown")


def test_order():
    steps = np.array([0.1, 0.05, 0.025])
    result = claim("H1").order(steps, 3 * steps**2, 2, rival=("first order", 1))
    assert result.record["error"] < 1e-12
    assert "differ by 1" in failure(
        lambda: claim("H1").order(steps, 3 * steps**2, 1, rival=("second order", 2))
    )
    with pytest.raises(ClaimError, match="accepts its rival"):
        claim("H1").order(steps, 3 * steps**2, 2, tol=0.2, rival=("order 3/2... or so", 1.5))


def test_estimates_are_judged_by_their_z_scores():
    rng = np.random.default_rng(0)
    x = rng.normal(3.0, 2.0, 10_000)
    mean, error = x.mean(), x.std() / 100.0
    result = claim("H1").estimate(mean, error, 3.0, rival=("biased", 3.5))
    assert result.record["error"] == pytest.approx(abs(mean - 3.0) / error)
    assert result.record["tol"] == 4.0
    assert "|z| <= 4" in repr(result)
    said = failure(lambda: claim("H1").estimate(mean, error, 3.1, no_rival="shown"))
    assert re.search(r"differ by [45]\.\d+, tolerance 4", said)
    # Between four and eight standard errors nothing is clear.
    said = failure(lambda: claim("H1").estimate(0.0, 1.0, 0.0, rival=("six", 6.0)))
    assert "off by 6 only, where 8 would be clear" in said
    # Several means at once: the worst one counts.
    assert "differ by 5" in failure(
        lambda: claim("H1").estimate([0.0, 5.0], [1.0, 1.0], 0.0, no_rival="shown")
    )


def test_sampled_agreement_is_rarely_refused():
    # Of 2,000 true statements, the share with |z| > 4 is 6e-5.
    rng = np.random.default_rng(1)
    with collect() as records:
        for z in rng.normal(size=2000):
            claim("H1").estimate(z, 1.0, 0.0, no_rival="shown")
    assert sum(r["failure"] is not None for r in records) <= 1


def test_a_record_says_what_was_checked_and_how():
    step, done = np.array([0.1, 0.05]), {"no_rival": "shown"}
    check = claim("H1 C1", "left = right")
    found = {
        "same": check.same(1.0, 1.0, tol=0.25, why="a quarter", **done),
        "at most": check.at_most(1.0, 2.0, tol=0.25, why="a quarter", **done),
        "estimate": check.estimate(1.0, 0.5, 1.0, **done),
    }
    for kind, result in found.items():
        record = result.record
        estimate = kind == "estimate"
        assert record == {
            "ids": ["H1", "C1"],
            "what": "left = right",
            "kind": kind,
            "error": 0.0,
            "tol": 4.0 if estimate else 0.25,
            "why": "z-score over the samples" if estimate else "a quarter",
            "no_rival": "shown",
            "rivals": [],
            "failure": None,
        }
        assert record["why"] in repr(result)
    slope = claim("H1").order(step, step**2, 2, **done).record
    assert slope["why"] == "finite steps"
    assert slope["what"] == ""
    assert claim("H1").order(step, step**2, 2, why="two of them", **done).record["why"] == (
        "two of them"
    )


# --- collecting ---


def test_collect_keeps_failures_as_data():
    with collect() as records:
        claim("H1").same(1.0, 1.0, tol=0.1, why=WHY, rival=("two", 3.0))
        claim("H2").same(1.0, 5.0, tol=0.1, why=WHY, no_rival="shown")
    assert [r["ids"] for r in records] == [["H1"], ["H2"]]
    assert [r["failure"] is None for r in records] == [True, False]
    with pytest.raises(ClaimError):
        claim("H2").same(1.0, 5.0, tol=0.1, why=WHY, no_rival="shown")


def test_collectors_nest_and_end_with_an_exception():
    with collect() as outer:
        claim("H1").same(1, 1, tol=0, why=WHY, no_rival="shown")
        with collect() as inner:
            claim("H2").same(1, 1, tol=0, why=WHY, no_rival="shown")
    assert [len(outer), len(inner)] == [1, 1]
    with pytest.raises(ZeroDivisionError), collect():
        raise ZeroDivisionError
    with pytest.raises(ClaimError):
        claim("H1").same(1, 2, tol=0, why=WHY, no_rival="shown")


# --- what is stored and shown ---


def odd_records():
    """Records with everything that is not a JSON number, and with text that HTML could eat."""
    with collect() as records:
        claim("H1", "<b> & 'quotes'").same(np.nan, 1.0, tol=1e-12, why="a < b", no_rival="<none>")
        claim("H1").same(1.0, 1.0, tol=1e-12, why=WHY, rival=[("inf", np.inf), ("nan", np.nan)])
        claim("H1 H2").same(
            np.float32(1), np.int64(1), tol=np.float64(0.1), why=WHY, rival=("r", 9)
        )
        claim("H1").at_most(np.nan, 1.0, tol=1e-12, why=WHY, no_rival="shown")
    return records


def test_records_are_strict_json():
    for record in odd_records():
        again = json.loads(json.dumps(record, allow_nan=False))
        assert again == record


def test_the_text_shows_what_was_compared_and_no_noise():
    result = claim("C1 C1", "sum = integral").same(
        1.0,
        1.0 + 1.2345678901e-13,
        tol=1e-12,
        why="rounding of 10 terms",
        rival=("the other order", 2.123456789),
        without=("no support", 7.987654321),
    )
    text = repr(result)
    for part in ("C1", "holds with a condition", "sum = integral", "within 1e-12"):
        assert part in text
    assert "rounding of 10 terms" in text
    assert "the other order, off by 1.1: rejected" in text
    assert re.search(r"without the condition +no support, off by 7: rejected", text)
    # Stored outputs are compared between machines: neither the error, which is rounding noise,
    # nor more than two digits of a rival's.
    for shown in (text, result._html()):
        assert not re.search(r"\d\.\d{3,}", shown)
        assert "1.2" not in shown
        assert "e-13" not in shown
    assert len({len(line) - len(line.lstrip()) for line in text.split("\n")}) >= 2  # aligned


def test_the_text_is_laid_out_in_rows():
    with collect():
        check = claim("H1 H2", "f = g").same(
            1, 1, tol=0, why="exact", rival=("two", 2), without=("X", 3), no_rival="no other X"
        )
        check.record["failure"] = None  # whether evidence fits is not asked here
    assert repr(check).split("\n") == [
        "                H1 H2  holds: f = g, within 0 (exact)",
        "                rival  two, off by 1: rejected",
        "without the condition  X, off by 2: rejected",
        "             no rival  no other X",
    ]


class Page(HTMLParser):
    """Collects the words of a page, and its tags."""

    def __init__(self, html):
        super().__init__()
        self.words, self.tags = [], []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)

    def handle_data(self, data):
        self.words += data.replace(",", " ").split()


@pytest.mark.parametrize("known", [True, False], ids=["in the book", "downloaded on its own"])
@pytest.mark.parametrize("n_rivals", [0, 1, 3])
def test_the_html_says_what_the_text_says(monkeypatch, known, n_rivals):
    if not known:
        monkeypatch.setattr(claims, "registry", dict)
    rivals = [(f"rival {i}", 9 + i) for i in range(n_rivals)]
    said = {"rival": rivals} if rivals else {"no_rival": ""}
    with collect():
        check = claim("H1 H2", "a < b & c").same(1, 1, tol=0, why="exact", **said)
        check.record["failure"] = None
    page, first = Page(check._html()), repr(check).split("\n")[0]
    assert first.startswith("H1 H2  holds: a < b" if known else "H1 H2  : a < b")
    text = repr(check).replace("holds:", "holds ").replace("H2  :", "H2 ").replace(",", " ")
    assert page.words == text.split()
    assert page.tags.count("tr") == n_rivals
    assert page.tags.count("table") == bool(n_rivals)
    assert page.tags.count("td") == 3 * n_rivals


def test_the_html_names_the_claims_and_escapes_text():
    with collect():
        check = claim("H1 H2", "a < b & c").same(
            1, 1, tol=0, why="x < y", rival=("<script>", 9), no_rival='"reason"'
        )
    html = check._html()
    assert 'data-claim="H1"' in html
    assert 'data-claim="H2"' in html
    assert '<div class="klrl-claim holds">' in html
    assert "a &lt; b &amp; c" in html
    assert "&lt;script&gt;" in html
    assert "<script>" not in html
    assert "x &lt; y" in html
    tags = re.findall(r"<(/?)(\w+)", html)
    opened = [name for slash, name in tags if not slash]
    closed = [name for slash, name in tags if slash]
    assert sorted(opened) == sorted(closed)


@pytest.mark.parametrize(
    ("name", "look"),
    [
        ("H1", "holds"),
        ("C1", "condition"),
        ("F1", "false"),
        ("V1", "convention"),
        ("A1", "analogy"),
    ],
)
def test_each_verdict_has_a_look(name, look):
    html = claim(name).same(1, 1, tol=0, why=WHY, rival=("r", 9))._html()
    assert f'<div class="klrl-claim {look}">' in html


def test_a_failed_check_does_not_look_like_a_passed_one():
    with collect():
        check = claim("H1", "one = two").same(1, 2, tol=0.1, why=WHY, rival=("three", 3))
    for shown in (repr(check), check._html()):
        assert "FAILS: the two sides differ by 1" in shown
        assert "rejected" not in shown
        assert "within" not in shown.replace("klrl-within", "")


class Notebook:
    """Stands in for IPython: keeps what is displayed."""

    def __init__(self):
        self.shown = []

    def display(self, data, *, raw, metadata):
        assert raw
        self.shown.append((data, metadata))


def test_in_a_notebook_the_record_is_stored_with_the_output(monkeypatch):
    ipython = pytest.importorskip("IPython")
    notebook = Notebook()
    monkeypatch.setattr(ipython, "get_ipython", lambda: notebook)
    monkeypatch.setattr("IPython.display.display", notebook.display)
    result = claim("H1", "one = one").same(1, 1, tol=0, why=WHY, rival=("two", 2))
    ((data, metadata),) = notebook.shown
    assert set(data) == {"text/plain", "text/html"}
    assert metadata == {"klrl": result.record}
    assert data["text/plain"] == repr(result)
    assert "H1" in data["text/html"]
    # The last expression of a cell is not displayed a second time.
    assert result._ipython_display_() is None
    assert len(notebook.shown) == 1


# --- the file ---


ENTRY = {"section": "1", "chapter": "01", "statement": "s", "verdict": "holds"}


def load(tmp_path, entries):
    path = tmp_path / "claims.yml"
    path.write_text(entries if isinstance(entries, str) else yaml.safe_dump(entries), "utf-8")
    return claims.load(path)


def test_load(tmp_path):
    entries = {
        "S1.1": ENTRY,
        "S1.2": ENTRY | {"verdict": "holds with a condition", "condition": "p > 0"},
        "S1.3": ENTRY | {"verdict": "false as stated", "correction": "the other way"},
        "S1.4": ENTRY | {"verdict": "convention"},
        "S1.5": ENTRY | {"verdict": "analogy"},
    }
    assert load(tmp_path, entries) == entries
    assert load(tmp_path, "") == {}


@pytest.mark.parametrize("key", ["section", "chapter", "statement", "verdict"])
def test_load_wants_every_key(tmp_path, key):
    for value in (None, ""):
        with pytest.raises(ValueError, match=rf"claim S1\.2 must have a {key}"):
            load(tmp_path, {"S1.1": ENTRY, "S1.2": ENTRY | {key: value}})
    with pytest.raises(ValueError, match=f"must have a {key}"):
        load(tmp_path, {"S1.2": {k: v for k, v in ENTRY.items() if k != key}})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"verdict": "probably"}, "S1.1 has the unknown verdict 'probably'"),
        ({"verdict": "holds with a condition"}, "must have a condition"),
        ({"verdict": "false as stated"}, "must have a correction"),
        ({"verdict": "false as stated", "condition": "x"}, "must have a correction"),
    ],
)
def test_load_wants_what_the_verdict_needs(tmp_path, change, message):
    with pytest.raises(ValueError, match=message):
        load(tmp_path, {"S1.1": ENTRY | change})


def test_load_refuses_a_claim_without_keys(tmp_path):
    for text in ("S1.1:\n", "S1.1: a sentence\n"):
        with pytest.raises(ValueError, match=r"claim S1\.1 must have keys and values"):
            load(tmp_path, text)


def test_a_claim_defined_twice_is_refused(tmp_path):
    path = tmp_path / "claims.yml"
    one = "S1.1:\n  {section: '1', chapter: '01', statement: x., verdict: holds}\n"
    path.write_text(one, encoding="utf-8")
    assert list(claims.load(path)) == ["S1.1"]
    path.write_text(one + one, encoding="utf-8")
    with pytest.raises(ValueError, match=r"S1\.1 must be defined once"):
        claims.load(path)


def test_registry_reads_the_file_of_the_book(root, monkeypatch):
    monkeypatch.undo()
    path = root / "book" / "claims.yml"
    if not path.is_file():
        pytest.skip("no claims file beside the package")
    assert claims.registry() == claims.load(path)
    assert len(claims.registry()) > 0


# --- the machinery can fail: a broken formula, and a machinery that is itself broken ---

LOG_P, LOG_Q = np.log([0.2, 0.3, 0.5]), np.log([0.4, 0.4, 0.2])
NAIVE = float(np.sum(np.exp(LOG_P) * (LOG_P - LOG_Q)))
SWAPPED = float(np.sum(np.exp(LOG_Q) * (LOG_Q - LOG_P)))


def check_kl():
    """A check as a page has it: the definition against the package, the other order as rival."""
    claim("H1", "KL from its definition").same(
        simplex.kl(LOG_P, LOG_Q), NAIVE, tol=1e-13, why=WHY, rival=("the other order", SWAPPED)
    )


SABOTAGE = {
    "arguments swapped": lambda kl: lambda p, q: kl(q, p),
    "half": lambda kl: lambda p, q: 0.5 * kl(p, q),
    "sign": lambda kl: lambda p, q: -kl(p, q),
    "a part in 1e12": lambda kl: lambda p, q: kl(p, q) + 1e-12,
    "not a number": lambda kl: lambda p, q: np.nan,
    "reversed (Jeffreys)": lambda kl: lambda p, q: 0.5 * (kl(p, q) + kl(q, p)),
}


def test_the_sound_formula_passes():
    check_kl()


@pytest.mark.parametrize("how", SABOTAGE)
def test_a_sabotaged_formula_is_caught(monkeypatch, how):
    monkeypatch.setattr(simplex, "kl", SABOTAGE[how](simplex.kl))
    with pytest.raises(ClaimError, match="H1: the two sides differ"):
        check_kl()


@pytest.mark.parametrize("factor", [0.0, 0.5, 1.001, -1.0])
def test_a_wrong_temperature_is_caught(monkeypatch, factor):
    log_ref, reward = systems()["seven"]
    original = gibbs.log_gibbs
    monkeypatch.setattr(gibbs, "log_gibbs", lambda p, r, t: original(p, factor * r, t))
    weights = np.exp(log_ref + reward / 0.7)
    with pytest.raises(ClaimError, match="differ"):
        claim("H1").same(
            np.exp(gibbs.log_gibbs(log_ref, reward, 0.7)),
            weights / weights.sum(),
            tol=1e-12,
            why=WHY,
            rival=("no reference", np.exp(simplex.log_normalize(reward / 0.7))),
        )


def test_a_blunted_machinery_is_noticed(monkeypatch):
    # Were the comparison to return 0 for everything, the rivals would be accepted, and the
    # checks would fail: a machinery that cannot see a difference does not pass for a sound one.
    monkeypatch.setattr(claims, "_difference", lambda *sides: 0.0)
    with pytest.raises(ClaimError, match="accepts its rival"):
        check_kl()
    monkeypatch.setattr(claims, "_difference", lambda *sides: 1.0)
    with pytest.raises(ClaimError, match="the two sides differ"):
        check_kl()


def test_a_loose_tolerance_is_noticed():
    # Widening the tolerance until a wrong formula passes makes the rival pass as well.
    distance = abs(NAIVE - SWAPPED)
    for tol in (distance, distance / 2, distance / 10):
        with pytest.raises(ClaimError, match="accepts its rival"):
            claim("H1").same(NAIVE, NAIVE, tol=tol, why=WHY, rival=("the other order", SWAPPED))

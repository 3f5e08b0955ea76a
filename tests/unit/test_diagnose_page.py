"""Reports as pages: tables and figures hold what was found, and need nothing from elsewhere."""

import re
import sys
import xml.etree.ElementTree as ET
from html.parser import HTMLParser
from types import SimpleNamespace

import matplotlib.pyplot as plt
import numpy as np
import pytest
from diagnosed import CROSSES, FITS, MESSAGES, SLOPES, full, settled
from scipy.special import expit, logit

from klrl_lite import plots
from klrl_lite.diagnose import Options, Report, curves
from klrl_lite.diagnose.crossing import CrossingFound
from klrl_lite.diagnose.laws import BY_NAME, PRICES
from klrl_lite.diagnose.page import as_html, laws_of, points_of, tails_of
from klrl_lite.diagnose.text import crossing_text, headline


class Page(HTMLParser):
    """Tables of a page as lists, and its other texts by element."""

    def __init__(self, text):
        super().__init__()
        self.tables, self.rows, self.texts, self.open = [], [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        """Begin a table, a row or a cell."""
        if tag not in ("meta", "img", "br"):
            self.open.append((tag, dict(attrs)))
        if tag == "table":
            self.tables.append([])
        if tag == "tr":
            self.tables[-1].append([dict(attrs).get("class", "")])
        if tag in ("td", "th"):
            self.tables[-1][-1].append("")

    def handle_endtag(self, tag):
        """Every element is closed, in order."""
        assert self.open.pop()[0] == tag

    def handle_data(self, data):
        """Put a text where it belongs."""
        tag, attrs = self.open[-1] if self.open else ("", {})
        if tag in ("td", "th"):
            self.tables[-1][-1][-1] += data
        self.texts.append((tag, attrs.get("class", ""), data))

    def misplaced(self):
        """Words in elements that hold elements, not words."""
        holders = [
            "html",
            "head",
            "body",
            "main",
            "ul",
            "table",
            "thead",
            "tbody",
            "tr",
            "div",
            "figure",
            "svg",
            "defs",
            "g",
        ]
        return [(t, d) for t, _, d in self.texts if t in holders and d.strip()]

    def said(self, tag):
        """All texts in elements of this name."""
        return [data for t, _, data in self.texts if t == tag]


@pytest.fixture
def drawn(monkeypatch):
    """Figures that take no time; what they were asked to show is kept."""
    seen = SimpleNamespace()

    def small():
        made, ax = plt.subplots(figsize=(1, 1))
        ax.plot([0, 1], "o")
        ax.set(xticks=[], yticks=[])
        return made

    def sweep(*args):
        seen.sweep = args
        return small()

    def tails(*args):
        seen.tails = args
        return small()

    monkeypatch.setattr(plots.your_runs, "sweep", sweep)
    monkeypatch.setattr(plots.your_runs, "tails", tails)
    return seen


def test_the_page_has_the_numbers_of_the_report(drawn):
    report = full()
    text = as_html(report)
    page = Page(text)
    assert page.open == [], "every element is closed"
    assert page.misplaced() == []
    for text_of_page in page.said("p"):
        assert re.match("[A-Z][a-z]", text_of_page)
        assert not re.search(r"\. [a-z]|\b(?!AIC)[A-Z]{3,}\b", text_of_page)
    assert page.said("title") == page.said("h1") == ["Diagnosis of a sweep"]
    assert [d for t, c, d in page.texts if c == "answer"] == [headline(report)]
    assert page.said("h2") == ["Read this first", "Crossing of one half", "Laws",
                               "Effective temperatures", "Runs"]  # fmt: skip
    marked = [(c, d) for t, c, d in page.texts if t == "span"]
    assert marked == [("doubt", "doubt"), ("left-out", "left out")], "each message once"
    items = page.said("li")
    assert items[:2] == [f": {str(m).removeprefix(m.kind + ': ')}" for m in MESSAGES[:2]]
    assert items[2] == f"easy: {crossing_text(CROSSES)}"
    laws, slopes, runs = page.tables
    assert laws == [
        ["", "law", "support", "behind", "ΔAIC", "p (others)", "p (fit)", ""],
        ["", "Gibbs at beta", "0.0213, 0.3, 0.4, 0.777", "0.0", "0.0", "0.610", "0.320", "left"],
        ["", BY_NAME["std"].text, "0.00456", "2.5", "5.0", "0.060", "0.026", "left"],
        ["out", "literal k3, no std", "1e-09", "7.8", "15.5", "0.025", "0.300", "left out"],
    ]
    assert slopes == [
        ["", "run", "beta", "slope", "effective temperature", "R²", "KL to Gibbs", "answers"],
        ["", "one", "0.4", "1.988 ± 0.015", "0.5031", "0.988", "0.0201", "600"],
        ["", "two", "nan", "-0.5 ± 0.1", "", "0.250", "3", "50"],
        ["", "three", "0.3", "nan ± nan", "", "nan", "nan", "10"],
    ]
    assert runs == [
        ["", "run", "beta", "success", "answers", "worth", "change over the tail", "state"],
        ["", "r<1>", "0.25", "0.8000", "320", "250", "+0.012 ± 0.046", "settled"],
        ["", "r2", "0.5", "0.3000", "320", "100", "+0.012 ± 0.046", "settled"],
        ["out", "r3", "0.5", "0.2000", "", "nan", "", "too short"],
    ]
    (level,) = [p for p in page.said("p") if "left out in at most" in p]
    assert "5 % of sweeps" in level
    assert f"The trainer's settings ask for: {BY_NAME['k3_mean'].text}." in page.said("p")
    labels = re.findall(r'<table aria-label="([^"]+)"', text)
    assert all(f"<p>{label}</p>" in text for label in labels), "a table is called as it is headed"
    assert text.count('<th scope="col">') == 7 + 7 + 7
    assert text.startswith('<!doctype html>\n<html lang="en"><head><meta charset="utf-8">')
    assert 'name="viewport" content="width=device-width, initial-scale=1"' in text
    assert text.count('tabindex="0"') == 3, "wide tables scroll with the keyboard"


def test_figures_show_the_report_and_say_so_in_words(drawn):
    report, open_before = full(), plt.get_fignums()
    text = as_html(report)
    points, laws, span = drawn.sweep
    np.testing.assert_equal(points, points_of(report))
    np.testing.assert_equal(laws, laws_of(report))
    assert span == (CROSSES.low, CROSSES.high)
    np.testing.assert_equal(drawn.tails, (tails_of(report),))
    first, second = re.findall(r'<svg role="img" aria-label="([^"]*)"', text)
    assert first.startswith("Success of 3 runs against beta")
    assert headline(report).replace('"', "&quot;") in first
    assert second == "Success along the runs: 2 settled, 1 too short."
    captions = Page(text).said("figcaption")
    assert captions[0].endswith("Shaded: the crossing's 95 % interval.")
    assert captions[1] == "Success as logged; strong: the tail that is averaged."
    assert plt.get_fignums() == open_before, "figures are closed"


@pytest.mark.parametrize(
    "crossings",
    [{"a": CROSSES, "b": CROSSES}, {"": CrossingFound("above")}, {}, {"a": CrossingFound("unclear"),
                                                                     "b": CROSSES}],
)  # fmt: skip
def test_only_the_crossing_of_one_prompt_is_shaded(drawn, crossings):
    as_html(full(crossings=crossings))
    assert drawn.sweep[2] is None


def test_figures_in_a_page_need_nothing_from_elsewhere(drawn):
    text = as_html(full())
    for number, svg in enumerate(re.findall(r"<svg.*?</svg>", text, flags=re.DOTALL)):
        ET.fromstring(re.sub(r"xlink:", "", svg))
        assert "<metadata" not in svg
        assert "xmlns" not in svg
        ids = re.findall(r'\bid="([^"]+)"', svg)
        assert ids
        assert all(i.startswith(f"f{number}-") for i in ids)
        for target in re.findall(r'href="#([^"]+)"|url\(#([^)]+)\)', svg):
            assert max(target) in ids
    assert as_html(full()) == text, "the same report gives the same page"


def test_slopes_and_levels_of_other_sizes():
    slopes = [SLOPES[0]._replace(inverse_tau=x) for x in (0.0, 0.5)]
    report = Report(slopes=slopes, fits=FITS, options=Options(level=0.2),
                    crossings={"": CROSSES, "hard": CROSSES})  # fmt: skip
    page = Page(as_html(report))
    assert [row[4] for row in page.tables[1][1:]] == ["", "2"]
    assert "in at most 20 % of sweeps" in page.said("p")[1]
    assert page.said("li") == [crossing_text(CROSSES), f"hard: {crossing_text(CROSSES)}"]
    assert page.misplaced() == []


def test_parts_that_are_missing_are_left_out_of_the_page():
    page = Page(as_html(Report(messages=[], slopes=SLOPES[:1])))
    assert page.said("h2") == ["Effective temperatures"]
    assert page.tables[0][1][1:5] == ["one", "0.4", "1.988 ± 0.015", "0.5031"]
    assert Page(as_html(Report())).said("h2") == []
    fitted = Page(as_html(full(points=[], expected="", slopes=[])))
    assert not [p for p in fitted.said("p") if "settings" in p]
    assert fitted.said("figure") == []


def test_without_matplotlib_the_page_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "klrl_lite.plots", None)
    page = Page(as_html(full()))
    assert page.misplaced() == []
    (said,) = [p for p in page.said("p") if "matplotlib" in p]
    assert said == "No figures: matplotlib is not installed (pip install 'klrl-lite[plots]')."
    assert len(page.tables) == 3


# --- what figures show ---


def test_points_of_a_report():
    found = points_of(full())
    assert found["beta"].tolist() == [0.25, 0.5, 0.5]
    assert found["success"].tolist() == [0.8, 0.3, 0.2]
    assert found["used"].tolist() == [True, True, False]
    # A standard error of a mean of that many answers, each worth a quarter.
    error = np.sqrt([0.16 / 250 * 4, 0.21 / 100 * 4, 0.0])
    np.testing.assert_allclose(found["error"], error)
    none = full(points=[settled("r", 0.25, 0.5, 0.0)])
    assert points_of(none)["error"].tolist() == [0.0]
    one = full(points=[settled("r", 0.25, 0.5, 1.0)], dispersion=1.0)
    np.testing.assert_allclose(points_of(one)["error"], [0.5])


def test_curves_of_a_report():
    report = full()
    found = laws_of(report)
    assert [(name, law[0], law[3]) for name, law in found.items()] == [
        ("gibbs", "Gibbs", True), ("std", "sigma, large G", True), ("k3", "k3", False)]  # fmt: skip
    for name, (_, beta, curve, _) in found.items():
        assert (beta[0], beta[-1]) == (pytest.approx(0.25 / 1.1), pytest.approx(0.5 * 1.1))
        np.testing.assert_allclose(np.diff(np.log(beta)), np.log(2 * 1.21) / 119)
        p = next(f.p_ref[0] for f in FITS if f.law == name)
        price = float(np.clip(-logit(p), PRICES[0], PRICES[-1]))
        same = curves(name, tuple(beta.tolist()), 8.0, 1.5, 1, (price,))[0, 0]
        np.testing.assert_allclose(curve, same, rtol=1e-9)
    gibbs = found["gibbs"]
    np.testing.assert_allclose(gibbs[2], expit(1.5 / gibbs[1] + logit(0.0213)), atol=1e-3)
    for p, price in ((0.999, PRICES[0]), (1e-30, PRICES[-1])):
        fit = FITS[0]._replace(p_ref=[p])
        beta, curve = laws_of(full(fits=[fit]))["gibbs"][1:3]
        np.testing.assert_allclose(curve, curves("gibbs", tuple(beta.tolist()), 8.0, 1.5, 1,
                                                 (float(price),))[0, 0])  # fmt: skip


def test_curves_are_those_of_the_lower_equilibrium_with_the_sweeps_std():
    fit = FITS[0]._replace(law="std_group", p_ref=[1e-3])
    sweep = full().sweep._replace(group=16.0)
    beta, curve = laws_of(full(fits=[fit], sweep=sweep))["std_group"][1:3]
    low, high = curves("std_group", tuple(beta.tolist()), 16.0, 1.5, 1, (float(-logit(1e-3)),))[
        :, 0
    ]
    assert (high - low).max() > 0.5
    np.testing.assert_allclose(curve, low)
    other = laws_of(full(fits=[fit], sweep=sweep._replace(ddof=0)))["std_group"][2]
    assert np.abs(other - curve).max() > 1e-3


def test_tails_of_a_report():
    found = tails_of(full(options=Options(tail=0.25)))
    assert list(found) == ["0 r<1>", "1 r2", "2 r3"]
    step, success, first, state = found["2 r3"]
    assert step.tolist() == list(range(5, 55, 5))
    assert success.tolist() == [0.2] * 10
    assert (first, state) == (7, "too short")
    assert tails_of(full(options=Options(tail=0.01)))["1 r2"][2] == 9
    assert tails_of(full(options=Options(tail=1.0)))["1 r2"][2] == 0
    assert tails_of(full(options=Options(tail=1e-20)))["1 r2"][2] == 9, "one entry at least"

"""Every page in a real browser without a network, from file://, wide and narrow, light and dark."""

import pytest
from built_site import page_names
from showing import PHONE, WIDE, shown

pytestmark = pytest.mark.browser

# Finished chapters; a page that loses its formulas must not pass as a page without any.
CHAPTERS = (
    "book/01_mirror_descent",
    "book/03_trpo",
    "book/04_ppo",
    "book/05_grpo",
    "book/07_gibbs_thresholds",
    "book/08_diagnostics",
    "book/10_grpo_transition",
    "book/09_limits",
    "book/13_sharpening",
    "book/12_thermodynamics",
    "book/11_which_kl",
    "book/14_support",
    "book/15_transformer",
    "book/16_your_runs",
)


@pytest.fixture(scope="module")
def rare_signs(site):
    """Signs left in the font of blackboard letters and rare relations."""
    ttlib = pytest.importorskip("fontTools.ttLib")
    fonts = site / "_static/mathjax/output/chtml/fonts/woff-v2"
    return {chr(code) for code in ttlib.TTFont(fonts / "MathJax_AMS-Regular.woff").getBestCmap()}


@pytest.mark.parametrize("name", page_names())
def test_page_is_complete_without_a_network(browser, site, rare_signs, name):
    for width in (WIDE, PHONE):
        with shown(browser, site, name, width) as seen:
            for scheme in ("light", "dark"):
                where = f"{name} at {width} px, {scheme}"
                facts = seen.look(scheme)
                assert seen.requests == [], where
                assert seen.failed == [], where
                assert seen.complaints == [], where
                assert facts["errors"] == [], where
                assert facts["red"] == [], where
                assert facts["raw"] == [], where
                assert facts["typeset"] == facts["nodes"], where
                assert facts["nodes"] > (10 if name in CHAPTERS else -1), where
                assert set(facts["rare"]) <= rare_signs, where
                assert facts["sideways"] <= 0, where
                assert facts["unloaded"] == [], where
                assert set(facts["explorables"]) <= {"true"}, where
                assert facts["theme"] == scheme, where


@pytest.mark.parametrize("name", ["index", "search", "genindex"])
def test_pages_around_the_book_work_too(browser, site, name):
    with shown(browser, site, name) as seen:
        assert seen.requests == []
        assert [c for c in seen.complaints if "Failed to load resource" not in c] == []


def test_search_finds_something(browser, site):
    """The index is a script, so that searching works from file:// as well."""
    with shown(browser, site, "search") as seen:
        seen.page.goto((site / "search.html").as_uri() + "?q=mirror")
        seen.page.wait_for_selector("#search-results li", timeout=10_000)


def test_icons_are_drawn_by_the_web_font(browser, site):
    """The theme's icon script is emptied: the icons have to come from the style sheet."""
    name = page_names()[0]
    with shown(browser, site, name) as seen:
        icon = """() => {
          const icon = document.querySelector('.fa-solid');
          return [getComputedStyle(icon, '::before').content,
                  document.fonts.check('900 16px "Font Awesome 6 Free"')];
        }"""
        content, loaded = seen.page.evaluate(icon)
        assert content not in ("none", "normal", "")
        assert loaded

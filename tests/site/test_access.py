"""Everybody can read the pages: axe-core looks, and each formula has a form to be read aloud."""

import importlib.resources

import pytest
from built_site import page_names
from showing import PHONE, WIDE, shown, until

pytestmark = pytest.mark.browser

# Levels A and AA of the web's guidelines, 2.0 to 2.2; and headings that leave no level out.
RULES = """() => axe.run(document, {
  runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'],
  rules: {region: {enabled: false}, 'landmark-unique': {enabled: false}},
  resultTypes: ['violations'],
})"""
# Thousands of coloured words of code come in some twenty colours: one of each is looked at.
ONE_OF_EACH = """() => {
  const seen = new Set();
  for (const word of document.querySelectorAll('pre span')) {
    if (seen.has(word.className)) {
      word.replaceWith(...word.childNodes);
    } else {
      seen.add(word.className);
    }
  }
}"""
READY = "document.documentElement.dataset.reading === 'ready'"
READ_ALOUD = """() => {
  const formulas = [...document.querySelectorAll('.bd-article mjx-container')];
  return formulas.filter(f => !f.querySelector('mjx-assistive-mml math')).length;
}"""


@pytest.fixture(scope="module")
def axe():
    package = pytest.importorskip(
        "axe_playwright_python", reason="`python run.py test` installs axe-playwright-python"
    )
    return importlib.resources.files(package).joinpath("axe.min.js").read_text("utf-8")


def violations(page, axe):
    """Say of each fault what it is and where."""
    page.evaluate(axe)
    page.evaluate(ONE_OF_EACH)
    return [
        f"{fault['id']} ({fault['impact']}): {node['html'][:150]}"
        for fault in page.evaluate(RULES)["violations"]
        for node in fault["nodes"]
    ]


@pytest.mark.parametrize("name", [*page_names(), "search", "genindex"])
def test_axe_finds_nothing(browser, site, axe, name):
    with shown(browser, site, name) as seen:
        for width, scheme in ((WIDE, "light"), (PHONE, "dark")):
            seen.page.set_viewport_size({"width": width, "height": 850})
            seen.look(scheme)
            until(seen.page, READY)
            assert violations(seen.page, axe) == [], f"{width} px, {scheme}"
            assert seen.page.evaluate(READ_ALOUD) == 0


def test_axe_would_find_a_fault(browser, site, axe):
    """A picture without a text, and letters too pale to read."""
    with shown(browser, site, page_names()[0]) as seen:
        seen.page.evaluate(
            """() => document.querySelector('.bd-article').insertAdjacentHTML('beforeend',
            '<img src="data:,"><p style="color: #999; background: #fff">pale</p>')"""
        )
        found = " ".join(violations(seen.page, axe))
        assert "image-alt" in found
        assert "color-contrast" in found

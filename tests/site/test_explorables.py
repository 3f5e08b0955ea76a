"""The explorables in a browser: sliders reached by keyboard, the picture and the numbers follow."""

import pytest
from built_site import SITE, page_names
from explorable_cases import CASES
from showing import PHONE, shown

pytestmark = pytest.mark.browser

PAGES = [n for n in page_names() if 'class="explorable"' in (SITE / f"{n}.html").read_text("utf-8")]
# A figure is what a reader sees of it: every mark's shape and every text.
PICTURE = "f => f.querySelector('svg').innerHTML"
SET = """async (f, [name, value]) => {
  const input = f.querySelector(`.vega-bind [name="${name}"]`);
  if (!input) { throw new Error(`no slider for ${name}`); }
  input.value = value;
  if (input.type === 'range' && Number(input.value) !== Number(value)) {
    throw new Error(`${name} cannot be put on ${value}; it went to ${input.value}`);
  }
  input.dispatchEvent(new Event('input', {bubbles: true}));
  input.dispatchEvent(new Event('change', {bubbles: true}));
  await f.__view.runAsync();
}"""
READ = "async (f, name) => { await f.__view.runAsync(); return f.__view.signal(name); }"


@pytest.mark.parametrize("name", PAGES)
def test_arrow_keys_move_each_slider_and_the_picture(browser, site, name):
    with shown(browser, site, name) as seen:
        for figure in seen.page.query_selector_all("figure.explorable"):
            sliders = figure.query_selector_all("input[type=range]")
            assert sliders
            for slider in sliders:
                signal = slider.get_attribute("name")
                before = figure.evaluate(READ, signal), figure.evaluate(PICTURE)
                slider.focus()
                at_end = slider.evaluate("i => Number(i.value) + Number(i.step) > Number(i.max)")
                slider.press("ArrowLeft" if at_end else "ArrowRight")
                after = figure.evaluate(READ, signal), figure.evaluate(PICTURE)
                assert before[0] != after[0], signal
                assert before[1] != after[1], f"{signal} moves and the picture does not"


@pytest.mark.parametrize("name", PAGES)
def test_tab_reaches_every_slider_and_it_has_a_name(browser, site, name):
    with shown(browser, site, name) as seen:
        page = seen.page
        for figure in page.query_selector_all("figure.explorable"):
            sliders = figure.query_selector_all("input[type=range]")
            assert all(s.get_attribute("aria-label") for s in sliders)
            sliders[0].focus()
            for slider in sliders[1:]:
                page.keyboard.press("Tab")
                assert slider.evaluate("i => i === document.activeElement")
            # and one comes in from outside: backwards out of the first one, and in again
            sliders[0].focus()
            page.keyboard.press("Shift+Tab")
            page.keyboard.press("Tab")
            assert sliders[0].evaluate("i => i === document.activeElement")


@pytest.mark.parametrize("name", PAGES)
def test_explorables_fit_a_phone(browser, site, name):
    with shown(browser, site, name, PHONE) as seen:
        for figure in seen.page.query_selector_all("figure.explorable"):
            for part in figure.query_selector_all("svg, input"):
                box = part.bounding_box()
                assert box["width"] > 60
                assert box["x"] >= 0
                assert box["x"] + box["width"] <= PHONE + 1


@pytest.mark.parametrize("name", PAGES)
def test_there_is_a_still_picture_without_scripts(browser, site, name):
    context = browser.new_context(java_script_enabled=False, offline=True)
    page = context.new_page()
    page.goto((site / f"{name}.html").as_uri())
    for figure in page.query_selector_all("figure.explorable"):
        assert figure.query_selector(".explorable-still svg").bounding_box()["height"] > 50
    context.close()


@pytest.mark.parametrize("name", PAGES[:1])
def test_charts_are_made_when_they_come_near_the_screen(browser, site, name):
    page = browser.new_context(offline=True, viewport={"width": 1280, "height": 500}).new_page()
    page.goto((site / f"{name}.html").as_uri())
    last = "[...document.querySelectorAll('figure.explorable')].at(-1)"
    assert page.evaluate(f"{last}.getBoundingClientRect().top") > 2000  # else nothing is shown here
    assert page.evaluate("typeof window.klrlVegaEmbed") == "undefined"
    page.evaluate(f"{last}.scrollIntoView()")
    page.wait_for_function(f"{last}.dataset.ready === 'true'", timeout=10_000)
    assert page.query_selector_all("figure.explorable")[-1].query_selector("input[type=range]")
    page.context.close()


@pytest.mark.parametrize("case", CASES, ids=str)
def test_readouts_are_what_klrl_lite_computes(browser, site, case):
    with shown(browser, site, case.page) as seen:
        figure = seen.page.query_selector_all("figure.explorable")[case.figure]
        for name, value in case.sliders.items():
            figure.evaluate(SET, [name, value])
        for name, value in case.expected(**case.sliders).items():
            got = figure.evaluate(READ, name)
            assert got == pytest.approx(value, rel=case.rtol, abs=case.atol), name

"""The explorables in a browser: sliders reached by keyboard, the picture and the numbers follow."""

from contextlib import ExitStack

import pytest
from built_site import SITE, page_names
from explorable_cases import CASES
from showing import PHONE, shown, until

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
CONTROLS = "input[type=range], select"
NEXT = """i => i.tagName === 'SELECT'
  ? (i.selectedIndex + 1 < i.length ? 'ArrowDown' : 'ArrowUp')
  : (Number(i.value) + Number(i.step) > Number(i.max) ? 'ArrowLeft' : 'ArrowRight')"""
PRESSES = 3  # a chart of recorded cells shows the nearest: a step need not reach the next one
READ = "async (f, name) => { await f.__view.runAsync(); return f.__view.signal(name); }"


@pytest.fixture(scope="module")
def opened(browser, site):
    """Show a page, and keep it for the next test that asks for the same one."""
    with ExitStack() as stack:
        kept = {}

        def show(name):
            if name not in kept:
                stack.close()
                kept.clear()
                kept[name] = stack.enter_context(shown(browser, site, name))
            return kept[name].page

        yield show


@pytest.mark.parametrize("name", PAGES, scope="module")
def test_arrow_keys_move_each_control_and_the_picture(opened, name):
    for figure in opened(name).query_selector_all("figure.explorable"):
        controls = figure.query_selector_all(CONTROLS)
        assert controls
        for control in controls:
            signal = control.get_attribute("name")
            before, key = figure.evaluate(PICTURE), control.evaluate(NEXT)
            control.focus()
            for _ in range(PRESSES):
                value = figure.evaluate(READ, signal)
                control.press(key)
                assert figure.evaluate(READ, signal) != value, signal
                if figure.evaluate(PICTURE) != before:
                    break
            else:
                pytest.fail(f"{signal} moves and the picture does not")


@pytest.mark.parametrize("name", PAGES, scope="module")
def test_tab_reaches_every_control_and_it_has_a_name(opened, name):
    page = opened(name)
    for figure in page.query_selector_all("figure.explorable"):
        controls = figure.query_selector_all(CONTROLS)
        assert all(s.get_attribute("aria-label") for s in controls)
        controls[0].focus()
        for control in controls[1:]:
            page.keyboard.press("Tab")
            assert control.evaluate("i => i === document.activeElement")
        # and one comes in from outside: backwards out of the first one, and in again
        controls[0].focus()
        page.keyboard.press("Shift+Tab")
        page.keyboard.press("Tab")
        assert controls[0].evaluate("i => i === document.activeElement")


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
    until(page, f"{last}.dataset.ready === 'true'")
    assert page.query_selector_all("figure.explorable")[-1].query_selector("input[type=range]")
    page.context.close()


@pytest.mark.parametrize("name", dict.fromkeys(case.page for case in CASES))
def test_readouts_are_what_klrl_lite_computes(browser, site, name):
    with shown(browser, site, name) as seen:
        figures = seen.page.query_selector_all("figure.explorable")
        for case in (case for case in CASES if case.page == name):
            figure = figures[case.figure]
            for slider, value in case.sliders.items():
                figure.evaluate(SET, [slider, value])
            for readout, value in case.expected(**case.sliders).items():
                shows = figure.evaluate(READ, readout)
                right = pytest.approx(value, rel=case.rtol, abs=case.atol)
                assert shows == right, f"{case}: {readout}"


def test_a_start_is_dragged_over_the_simplex(browser, site):
    """Chapter 05: press in the triangle and drag; sliders and readout follow until released."""
    with ExitStack() as stack:
        page = stack.enter_context(shown(browser, site, "book/05_grpo")).page
        figure = page.query_selector_all("figure.explorable")[1]
        figure.scroll_into_view_if_needed()
        box = figure.query_selector("svg").bounding_box()
        sliders = {i.get_attribute("name"): i for i in figure.query_selector_all("input")}

        def place():
            signals = [figure.evaluate(READ, name) for name in ("picked_a", "picked_b")]
            assert signals == [float(sliders[n].input_value()) for n in ("picked_a", "picked_b")]
            return signals

        middle = box["x"] + box["width"] / 2, box["y"] + 0.7 * box["height"]
        page.mouse.move(*middle)
        page.mouse.down()
        low = place()
        page.mouse.move(middle[0], middle[1] - 0.3 * box["height"], steps=6)
        high = place()
        page.mouse.up()
        page.mouse.move(*middle, steps=6)
        assert high[1] > low[1] + 2
        assert place() == high
        assert figure.evaluate(READ, "start") not in (None, 0)

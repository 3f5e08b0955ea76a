"""How fast explorables follow their sliders: reported, and what can be said of it without a clock.

`python run.py test tests/site/test_latency.py -n 0 -s` prints the figures. A time is measured from
one animation frame, in which a slider is moved by a step, until the new picture has been computed
and laid out; the frame after shows it. A screen has 60 of them in a second, so 16 ms are free.
"""

import statistics
import sys

import pytest
from built_site import SITE, page_names

pytestmark = pytest.mark.browser

PAGES = [n for n in page_names() if 'class="explorable"' in (SITE / f"{n}.html").read_text("utf-8")]
MOVES = 8  # of each slider, there and back in turn
MOUNTED = """async () => {
  const figures = [...document.querySelectorAll('figure.explorable')];
  figures.forEach(f => f.__mount());
  while (figures.some(f => !f.dataset.ready)) { await new Promise(done => setTimeout(done, 20)); }
  for (const image of document.images) { image.loading = 'eager'; }
  await Promise.all([...document.images].map(i => i.decode().catch(() => null)));
  await document.fonts.ready;
}"""
# The number of dataflow runs is counted at the one function that every run goes through.
WATCH = """f => {
  const view = f.__view, evaluate = view.evaluate;
  f.__runs = 0;
  view.evaluate = function (...given) { f.__runs += 1; return evaluate.apply(this, given); };
}"""
MOVE = """async (f, [name, back]) => {
  const input = f.querySelector(`input[type=range][name="${name}"]`);
  const outside = () => {
    const top = document.querySelector('.bd-article').getBoundingClientRect().top;
    const around = [...document.querySelectorAll('.bd-article h2, .bd-article p')];
    return around.filter(e => !f.contains(e))
      .map(e => Math.round(e.getBoundingClientRect().top - top)).join();
  };
  const before = outside(), runs = f.__runs;
  await new Promise(done => requestAnimationFrame(done));
  const start = performance.now();
  input.value = Number(input.value) + (back ? -1 : 1) * (Number(input.step) || 1);
  input.dispatchEvent(new Event('input', {bubbles: true}));
  await f.__view.runAsync();
  f.getBoundingClientRect();
  const spent = performance.now() - start;
  await new Promise(done => requestAnimationFrame(done));
  return {spent, runs: f.__runs - runs - 1, moved: before !== outside()}; // one run was ours
}"""

DRAGGED = """f => JSON.parse(f.querySelector('.explorable-spec').textContent).layer
  ?.some(l => l.params?.some(p => p.select && p.bind)) ?? false"""


@pytest.fixture
def figures(browser, site, request):
    """The explorables of a page, without its formulas, which would take most of the time."""
    context = browser.new_context(viewport={"width": 1280, "height": 850}, offline=True)
    context.route("**/mathjax/**", lambda route: route.abort())
    page = context.new_page()
    page.goto((site / f"{request.param}.html").as_uri())
    page.add_style_tag(content="* { animation: none !important }")  # formulas keep their room
    page.evaluate(MOUNTED)
    yield request.param, page.query_selector_all("figure.explorable")
    context.close()


@pytest.mark.parametrize("figures", PAGES, indirect=True)
def test_one_move_of_a_slider_is_one_run_and_moves_nothing_else(figures):
    name, found = figures
    for number, figure in enumerate(found, 1):
        figure.scroll_into_view_if_needed()
        figure.evaluate(WATCH)
        # What can be dragged in the picture too is a selection: a second run writes it down.
        runs = 2 if figure.evaluate(DRAGGED) else 1
        spent = []
        for slider in figure.query_selector_all("input[type=range]"):
            signal = slider.get_attribute("name")
            at_end = slider.evaluate("i => Number(i.value) + Number(i.step || 1) > Number(i.max)")
            turns = [bool((turn + at_end) % 2) for turn in range(MOVES)]
            moves = [figure.evaluate(MOVE, [signal, back]) for back in turns]
            assert [m["runs"] for m in moves] == [runs] * MOVES, signal
            assert not any(m["moved"] for m in moves), signal
            spent.append([m["spent"] for m in moves])
        said = ", ".join(f"{statistics.median(ms):.1f} (least {min(ms):.1f})" for ms in spent)
        sys.stdout.write(f"{name}, explorable {number}: {said or 'no slider'} ms for a move\n")

"""Showing a page in the browser: wait until it is complete, and note whatever happens meanwhile."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

WIDE, PHONE = 1280, 375  # CSS pixels
SETTLED = """async () => {
  if (document.readyState !== 'complete') {
    await new Promise(done => addEventListener('load', done));
  }
  if (window.MathJax) { await MathJax.startup.promise; }
  await document.fonts.ready;
  const figures = [...document.querySelectorAll('figure.explorable')];
  figures.forEach(f => f.__mount()); // as if each had come near the screen
  while (figures.some(f => !f.dataset.ready)) { await new Promise(done => setTimeout(done, 20)); }
  for (const image of document.images) { image.loading = 'eager'; }
  await Promise.all([...document.images].map(i => i.decode().catch(() => null)));
}"""
FACTS = """() => ({
  nodes: document.querySelectorAll('.bd-article span.math, .bd-article div.math').length,
  typeset: [...document.querySelectorAll('.bd-article span.math, .bd-article div.math')]
    .filter(node => node.querySelector('mjx-container')).length,
  raw: [...document.querySelectorAll('.bd-article p, .bd-article li, .bd-article td')]
    .map(node => node.innerText)
    .filter(text => /\\\\[\\(\\)\\[\\]]|\\$\\$|\\\\frac|\\\\log/.test(text)),
  errors: [...document.querySelectorAll('mjx-merror, [data-mjx-error]')].map(e => e.textContent),
  red: [...document.querySelectorAll('mjx-container [style*="color: red"]')]
    .map(e => e.textContent),
  sideways: document.documentElement.scrollWidth - document.documentElement.clientWidth,
  unloaded: [...document.images].filter(i => !(i.complete && i.naturalWidth)).map(i => i.src),
  explorables: [...document.querySelectorAll('figure.explorable')].map(f => f.dataset.ready),
  rare: [...document.querySelectorAll('mjx-container .TEX-A')]
    .map(e => getComputedStyle(e, '::before').content.slice(1, -1)),
  theme: document.documentElement.dataset.theme,
})"""


def until(page, condition: str, seconds: int = 10) -> None:
    """Wait in the page for a condition: what playwright has for that, the pages' policy forbids."""
    waiting = f"""async () => {{
      const end = performance.now() + {1000 * seconds};
      while (!({condition}) && performance.now() < end) {{
        await new Promise(done => setTimeout(done, 20));
      }}
      return {condition};
    }}"""
    assert page.evaluate(waiting), f"this did not come true: {condition}"


@dataclass
class Seen:
    """What happened while a page was shown."""

    page: object
    requests: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    def look(self, scheme: str | None = None) -> dict:
        """Return the facts about the settled page, after a change to light or dark if asked."""
        if scheme:
            self.page.emulate_media(color_scheme=scheme)
            until(self.page, f"document.documentElement.dataset.theme === '{scheme}'")
        return self.page.evaluate(FACTS)


@contextmanager
def shown(browser, site, name: str, width: int = WIDE, scheme: str = "light") -> Iterator[Seen]:
    """Open a page; whatever asks for more than a file of the site is noted and refused."""
    context = browser.new_context(
        viewport={"width": width, "height": 850}, color_scheme=scheme, offline=True
    )
    seen = Seen(context.new_page())

    def gate(route):
        url = route.request.url
        if url.startswith((site.as_uri(), "data:", "blob:")):
            route.continue_()
        else:
            seen.requests.append(url)
            route.abort()

    def note(message):
        if message.type == "error":
            seen.complaints.append(f"{message.type}: {message.text}")

    context.route("**/*", gate)
    seen.page.on("console", note)
    seen.page.on("pageerror", lambda error: seen.complaints.append(f"uncaught: {error}"))
    seen.page.on("requestfailed", lambda request: seen.failed.append(request.url))
    try:
        seen.page.goto((site / f"{name}.html").as_uri())
        if name == "index":  # forwards to the book's first page
            seen.page.wait_for_url("**/book/index.html")
        seen.page.evaluate(SETTLED)
        yield seen
    finally:
        context.close()

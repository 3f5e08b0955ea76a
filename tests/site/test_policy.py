"""The policy of the pages: in each of them, strict, followed by the book, enforced by a browser.

That no page breaks it when opened from a folder is seen by `test_browser`: a browser writes what it
refuses to the console. Here the pages come from a server as well, and something foreign is put in.
"""

import base64
import functools
import hashlib
import http.server
import re
import threading

import pytest
from built_site import page_names
from showing import SETTLED

META = re.compile(r'<meta http-equiv="Content-Security-Policy" content="([^"]*)">')
INLINE = re.compile(r"<script(?![^>]*\b(?:src=|json))[^>]*>(.+?)</script>", re.DOTALL)
SOURCE = re.compile(r"'none'|'self'|file:|data:|'unsafe-inline'|'sha256-[\w+/]{43}='")
#: Kinds of pages: with charts, with a table of all checks, made by Sphinx, forwarding.
KINDS = ("book/05_grpo", "book/ledger", "search", "index")
WATCH = """window.__refused = [];
addEventListener('securitypolicyviolation',
  e => window.__refused.push(`${e.effectiveDirective} ${e.blockedURI}`));"""
#: What could be slipped into a page -> the rule that has to stop it.
FOREIGN = {
    "document.body.append(Object.assign(new Image(), {src: 'https://example.org/pixel.png'}))":
        "img-src https://example.org/pixel.png",
    "document.head.append(Object.assign(document.createElement('script'),"
    " {src: 'https://example.org/count.js'}))": "script-src-elem https://example.org/count.js",
    "document.head.append(Object.assign(document.createElement('link'),"
    " {rel: 'stylesheet', href: 'https://example.org/style.css'}))":
        "style-src-elem https://example.org/style.css",
    "document.body.append(Object.assign(document.createElement('iframe'),"
    " {src: 'https://example.org/'}))": "frame-src https://example.org",
    "new FontFace('Foreign', 'url(https://example.org/font.woff2)').load().catch(() => null)":
        "font-src https://example.org/font.woff2",
    "fetch('https://example.org/collect').catch(() => null)":
        "connect-src https://example.org/collect",
    "navigator.sendBeacon('https://example.org/beacon')": "connect-src https://example.org/beacon",
    "document.body.insertAdjacentHTML('beforeend', '<img src=\"data:,\" onerror=\"alert()\">')":
        "script-src-attr inline",
    "document.body.append(Object.assign(document.createElement('script'),"
    " {textContent: 'window.__ran = true'}))": "script-src-elem inline",
    "setTimeout('window.__ran = true')": "script-src eval",
}  # fmt: skip


def policy_of(page):
    found = META.findall(page.text)
    assert len(found) == 1, f"{page.path} has {len(found)} policies"
    return dict(rule.strip().split(" ", 1) for rule in found[0].split(";"))


def test_every_page_has_a_policy_before_anything_is_loaded(pages):
    for page in pages.values():
        policy = policy_of(page)
        assert policy["default-src"] == "'none'"
        assert policy["base-uri"] == "'none'"
        for name, sources in policy.items():
            assert all(SOURCE.fullmatch(s) for s in sources.split()), (page.path.name, name)
        assert "unsafe" not in policy["script-src"]
        ahead = page.text[: META.search(page.text).start()]
        assert not re.search(r"<(script|link|style|img)\b", ahead), page.path.name


def test_each_script_of_a_page_is_allowed_by_its_text_and_no_other(pages):
    for page in pages.values():
        allowed = set(re.findall(r"'sha256-[^']*'", policy_of(page)["script-src"]))
        digests = (hashlib.sha256(text.encode()).digest() for text in INLINE.findall(page.text))
        assert allowed == {f"'sha256-{base64.b64encode(d).decode()}'" for d in digests}


@pytest.fixture(scope="module")
def served(site):
    """Address of the site on a server of this machine."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

        def do_GET(self):
            if self.path == "/favicon.ico":  # asked for by the browser and not by a page
                self.send_response(204)
                self.end_headers()
            else:
                super().do_GET()

    handler = functools.partial(Quiet, directory=str(site))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def opened(context, address):
    """A page that notes what the browser refuses, and what is written to the console."""
    page, said = context.new_page(), []
    page.add_init_script(WATCH)
    page.on("console", lambda m: said.append(m.text) if m.type == "error" else None)
    page.on("pageerror", lambda error: said.append(f"uncaught: {error}"))
    page.goto(address)
    return page, said


@pytest.mark.browser
@pytest.mark.parametrize("name", KINDS)
def test_nothing_is_refused_on_a_page_from_a_server(browser, served, name):
    context = browser.new_context()
    page, said = opened(context, f"{served}/{name}.html?q=mirror")
    if name == "index":
        page.wait_for_url("**/book/index.html")
    page.evaluate(SETTLED)
    if name == "search":  # with the words around each place, which are fetched
        page.wait_for_selector("#search-results .context", timeout=10_000)
    assert page.evaluate("window.__refused") == []
    assert said == []
    charts = "[...document.querySelectorAll('figure.explorable')].map(f => f.dataset.ready)"
    assert set(page.evaluate(charts)) <= {"true"}
    context.close()


@pytest.mark.browser
@pytest.mark.parametrize("origin", ["folder", "server"])
def test_what_is_foreign_is_refused_and_reported(browser, site, served, origin):
    context, asked = browser.new_context(), []
    context.route("https://example.org/**", lambda route: (asked.append(route), route.abort()))
    base = site.as_uri() if origin == "folder" else served
    page, _ = opened(context, f"{base}/{page_names()[0]}.html")
    page.evaluate(SETTLED)
    for attempt, reported in FOREIGN.items():
        page.evaluate("window.__refused.length = 0")
        page.evaluate(f"() => {{ {attempt} }}")
        page.wait_for_timeout(50)
        assert reported in page.evaluate("window.__refused"), attempt
    assert asked == []
    assert page.evaluate("window.__ran") is None
    context.close()

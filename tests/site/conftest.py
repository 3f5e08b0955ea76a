"""Fixtures of the tests of the built site."""

import os
from pathlib import Path

import pytest
from built_site import SITE, Page, find_chromium


@pytest.fixture(scope="session")
def site() -> Path:
    """The folder of the built site. Without one the tests skip; if its build failed, they fail."""
    if reason := os.environ.get("KLRL_BOOK_FAILED"):
        pytest.fail(f"the book could not be built: {reason}", pytrace=False)
    if not (SITE / "index.html").exists():
        pytest.skip("the book is not built; `python run.py book` builds it")
    return SITE


@pytest.fixture(scope="session")
def pages(site: Path) -> dict[Path, Page]:
    """Every HTML page of the site, parsed."""
    return {
        path: Page(path) for path in sorted(site.rglob("*.html")) if "_static" not in path.parts
    }


@pytest.fixture(scope="session")
def browser(site: Path):
    """A Chromium with everything switched off by which it would use a network by itself."""
    executable = find_chromium()
    if executable is None:
        pytest.skip("no Chromium on PATH and none named by KLRL_CHROMIUM")
    playwright = pytest.importorskip(
        "playwright.sync_api", reason="`python run.py test` installs playwright"
    )
    quiet = ["--disable-quic", "--no-first-run", "--disable-background-networking"]
    quiet += ["--disable-component-update", "--disable-sync", "--disable-gpu", "--no-sandbox"]
    with playwright.sync_playwright() as started:
        chromium = started.chromium.launch(executable_path=executable, args=quiet)
        yield chromium
        chromium.close()

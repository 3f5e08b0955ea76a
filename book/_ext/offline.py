"""Makes the site self-contained: what pages would fetch from elsewhere is put into `_static`.

- MathJax 3 with its fonts, from the sphinx-mathjax-offline wheel (used as a store of files only).
  Its parts are loaded one by one: the usual bundle has a menu of 100 KiB in it that nobody needs.
- The theme draws its icons twice: with web fonts and with a script of 1.5 MB that replaces each of
  them by an SVG. The fonts are enough; the script is emptied and source maps are left out.
- The state of live widgets, which MyST-NB writes into a page, is dead without a kernel.
"""

import shutil
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

from myst_nb.sphinx_ import NbMetadataCollector
from sphinx.application import Sphinx

MATHJAX = "sphinx-mathjax-offline/static/mathjax"
MATHJAX_PARTS = (
    "startup.js",  # loads the next ones, which _config.yml names
    "core.js",
    "input/tex.js",
    "output/chtml.js",
    "output/chtml/fonts/tex.js",
    "a11y/assistive-mml.js",  # MathML beside each formula, for programs that read aloud
    "output/chtml/fonts/woff-v2",  # fetched by the browser as a page needs them
    "input/tex/extensions",  # fetched when a formula uses \cancel, \bra and the like
)
ICON_SCRIPT = "scripts/fontawesome.js"
ICON_NOTE = "/* Left empty by this book: the theme's web fonts draw the icons. */\n"
UNUSED = ("**/*.map", "**/*.LICENSE.txt.map")


def mathjax_source() -> Path:
    """Return the folder of MathJax in the package that carries it."""
    return Path(str(distribution("sphinx-mathjax-offline").locate_file(MATHJAX)))


def copy_mathjax(static: Path) -> None:
    """Copy the needed parts of MathJax, once per site."""
    source = mathjax_source()
    for part in MATHJAX_PARTS:
        target = static / "mathjax" / part
        if target.exists():
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        (shutil.copytree if (source / part).is_dir() else shutil.copyfile)(source / part, target)


def trim_theme(static: Path) -> None:
    """Remove what the pages do not use; most of the theme's weight."""
    if (static / ICON_SCRIPT).exists():
        (static / ICON_SCRIPT).write_text(ICON_NOTE, encoding="utf-8")
    for pattern in UNUSED:
        for file in static.glob(pattern):
            file.unlink()


def drop_widget_state(app: Sphinx, page: str, *_: Any) -> None:
    """Take the state of widgets out of what MyST-NB is about to add to a page."""
    NbMetadataCollector.get_js_files(app.env, page).pop("ipywidgets_state", None)


def finish(app: Sphinx, exception: Exception | None) -> None:
    """Complete the static files of a site that has been written."""
    if exception is None and app.builder.format == "html":
        static = Path(app.outdir) / "_static"
        copy_mathjax(static)
        trim_theme(static)


def setup(app: Sphinx) -> dict[str, Any]:
    app.connect("html-page-context", drop_widget_state, priority=400)  # before MyST-NB's own
    app.connect("build-finished", finish)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}

"""Explorable figures: a Vega-Lite output becomes a chart with sliders that needs no kernel.

A cell displays `application/vnd.vegalite.v5+json`. JupyterLab draws it by itself; in the book this
extension writes a <figure> with the specification and a still picture inside it. When the figure
comes near the screen, `_static/explorable.js` loads Vega and puts the chart in the picture's place;
without scripts, and on paper, the picture stays. Data are inline: a chart never fetches anything.
"""

import json
from collections.abc import Iterator
from html import escape
from pathlib import Path
from typing import Any

import vl_convert
from docutils import nodes
from myst_nb.core.render import MimeData, NbElementRenderer, load_mime_renders
from sphinx.application import Sphinx
from sphinx.util import logging

MIME = "application/vnd.vegalite.v5+json"
# JupyterLab draws this type with Vega-Lite 5. The bundle's Vega is 6, and the Vega-Lite made for it
# is 6 as well: specifications of version 5 are valid there, and no warning is logged in the page.
VEGALITE = "6.4"
SCHEMA = "https://vega.github.io/schema/vega-lite/v6.json"
BUNDLE = "vega-bundle.js"
STILL_WIDTH = 640  # of a figure that fills the page
WIDEST_FIXED = 420  # other figures are scaled to a phone's width; from here it stays readable
# The bundle declares short global names, `_` among them, that Sphinx's own scripts use too: it is
# therefore kept inside a function and lets out one name.
WRAPPED = "(function () {{\n{bundle}\n}})();\n"
EXPORTED = "window.klrlVegaEmbed = vegaEmbed;"
CONFIG = {
    "background": "transparent",
    "font": "system-ui, sans-serif",
    "view": {"stroke": None},
    "axis": {
        "labelFontSize": 12,
        "titleFontSize": 13,
        "titleFontWeight": "normal",
        "labelSeparation": 6,  # on a phone 0.0 and 0.1 would touch
    },
    "legend": {"labelFontSize": 12, "titleFontSize": 12},
    "title": {"fontSize": 14, "anchor": "start"},
    "text": {"fontSize": 13},
}

logger = logging.getLogger(__name__)


class ExplorableOutput:
    """Tells MyST-NB how to draw a Vega-Lite output."""

    mime_priority_overrides = (("html", MIME, 1),)

    @staticmethod
    def handle_mime(
        renderer: NbElementRenderer, data: MimeData, inline: bool
    ) -> list[nodes.Element] | None:
        """Return the figure, or None for outputs of another kind."""
        if inline or data.mime_type != MIME:
            return None
        spec = data.content if isinstance(data.content, dict) else json.loads(data.content)
        for problem in problems(spec):
            logger.warning(
                "explorable in cell %s: %s",
                data.cell_index,
                problem,
                location=f"{renderer.source}:1",
            )
        figure = nodes.raw("", figure_html(spec), format="html", classes=["explorable"])
        figure["explorable"] = True
        return [figure]


def problems(spec: dict[str, Any]) -> Iterator[str]:
    """Yield what would keep the figure from working for every reader."""
    if not spec.get("description"):
        yield "no `description`: readers who do not see the picture get nothing"
    for view in spec.get("vconcat", [spec]):  # stacked views are fitted by explorable.js
        width = view.get("width", 1000)
        if width != "container" and width > WIDEST_FIXED:
            yield f'width is neither "container" nor at most {WIDEST_FIXED}: unreadable on a phone'
    if "url" in set(keys(spec)):
        yield "it fetches data; give the values inline"
    for param in spec.get("params", ()):
        bind = param.get("bind")
        if isinstance(bind, dict) and not bind.get("name"):
            yield f"the input of {param['name']} has no label (`bind.name`)"


def keys(value: Any) -> Iterator[str]:
    """Yield every key in nested dictionaries and lists, data values left out."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield key
            if key != "values":
                yield from keys(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from keys(inner)


def figure_html(spec: dict[str, Any]) -> str:
    """Return the figure: a still picture where the chart will be, and the specification."""
    config = {**CONFIG, **spec.get("config", {})}
    config["axis"] = CONFIG["axis"] | config["axis"]
    spec = {**spec, "$schema": SCHEMA, "config": config}
    inline = json.dumps(spec, separators=(",", ":")).replace("<", "\\u003c")
    label = escape(spec.get("description", ""), quote=True)
    return (
        f'<figure class="explorable" role="group" aria-label="{label}">\n'
        f'<div class="explorable-view"><div class="explorable-still">{still(spec)}</div></div>\n'
        f'<script type="application/json" class="explorable-spec">{inline}</script>\n'
        "</figure>\n"
    )


def still(spec: dict[str, Any]) -> str:
    """Draw the figure as it is before anything is moved."""
    fixed = {**spec, "width": STILL_WIDTH} if spec.get("width") == "container" else spec
    return vl_convert.vegalite_to_svg(fixed, vl_version=VEGALITE, allowed_base_urls=[])


def link_scripts(
    app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: nodes.document | None
) -> None:
    """Load the script, which loads the bundle, on pages that have an explorable and on no other."""
    if doctree is not None and any(n.get("explorable") for n in doctree.findall(nodes.raw)):
        app.add_js_file("explorable.js", loading_method="defer")


def write_bundle(app: Sphinx) -> None:
    """Write Vega, Vega-Lite and Vega-Embed as one script, once per site."""
    target = Path(app.outdir) / "_static" / BUNDLE
    if app.builder.format == "html" and not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        bundle = vl_convert.javascript_bundle(EXPORTED, vl_version=VEGALITE)
        target.write_text(WRAPPED.format(bundle=bundle), encoding="utf-8")


def setup(app: Sphinx) -> dict[str, Any]:
    # MyST-NB finds such plug-ins through entry points of installed packages; this one belongs to
    # the book and not to the package, so it is added to the list that MyST-NB has made.
    plugins = load_mime_renders()
    if ExplorableOutput not in plugins:
        plugins.append(ExplorableOutput)
    app.connect("builder-inited", write_bundle)
    app.connect("html-page-context", link_scripts)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}

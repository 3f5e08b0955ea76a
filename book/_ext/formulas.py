r"""Keeps room for each formula in the text until MathJax has set it, so that lines do not jump.

Its source, `\pi_{\mathrm{ref}}` say, is much wider than what will be shown. The width is estimated
here and written on the element; `_static/book.css` uses it.
"""

import re
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.ext.mathjax import html_visit_math
from sphinx.util.docutils import SphinxTranslator

SILENT = r"(?:math\w+|text\w*|operatorname|left|right|[bB]igg?[lr]?|displaystyle|[,;!:> ])"
GLYPH_EM = 0.58  # of MathJax's TeX fonts, on average
SMALL = 0.7  # in an index or an exponent


def width(tex: str) -> float:
    r"""Estimate the width of a formula in em: letters and signs count, indices a little less.

    >>> round(width(r"\pi_{\mathrm{ref}}"), 2)
    1.8
    """
    tex = re.sub(rf"\\{SILENT}(?![a-zA-Z])|[~\s]", "", tex)
    tex = re.sub(r"\\(log|exp|min|max|arg|sup|lim|sin|cos)(?![a-zA-Z])", r"\1", tex)
    tex = re.sub(r"\\[a-zA-Z]+|\\.", "x", tex)
    indices = re.findall(r"[_^](?:\{([^{}]*)\}|(.))", tex)
    small = sum(len(group or single) for group, single in indices)
    body = re.sub(r"[{}]", "", re.sub(r"[_^](?:\{[^{}]*\}|.)", "", tex))
    operators = len(re.findall(r"[=<>+\-]", body))  # with room on both sides
    return GLYPH_EM * (len(body) + SMALL * small) + 0.5 * operators


def visit_math(translator: SphinxTranslator, node: nodes.math) -> None:
    """Write the formula as Sphinx does, with its estimated width on it."""
    start = len(translator.body)
    try:
        html_visit_math(translator, node)
    except nodes.SkipNode:
        written = "".join(translator.body[start:])
        style = f'<span style="--width:{width(node.astext()):.1f}em" class="math '
        translator.body[start:] = [written.replace('<span class="math ', style, 1)]
        raise


def setup(app: Sphinx) -> dict[str, Any]:
    app.connect("builder-inited", _use)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}


def _use(app: Sphinx) -> None:
    if app.builder.format == "html":
        app.registry.html_inline_math_renderers["mathjax"] = (visit_math, None)

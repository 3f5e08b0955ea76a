"""Keeps of the theme what the site shows: it comes with icons and style rules for everything.

The signs of two thousand icons, and rules for carousels and pop-ups that no page has, are three
quarters of what a plain page would load. A rule goes if each of its selectors asks for a class that
no page and no script of the site names; an icon goes if no page, script or style sheet names it.
"""

import re
from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path
from typing import Any

import tinycss2
from fontTools.subset import Options, Subsetter, save_font
from fontTools.ttLib import TTFont
from offline import mathjax_source
from sphinx.application import Sphinx

FORMULA_FONTS = "output/chtml/fonts/woff-v2"
RARE_SIGNS = "MathJax_AMS-Regular.woff"
COMMAND = re.compile(r"\\([A-Za-z]+)")
SIGN_OF_COMMAND = re.compile(r'([A-Za-z]+):(?:\[)?"\\u([0-9A-Fa-f]{4})"')  # in input/tex.js
LETTERS = {*range(ord("A"), ord("Z") + 1), *range(ord("a"), ord("z") + 1)}
ICON_FONTS = "vendor/fontawesome/webfonts"
NOT_STYLED = ("mathjax", "licences", "vega-bundle.js")  # they bring no class that a sheet knows
NAME = re.compile(r"[A-Za-z_][\w-]*")
FONT_SOURCE = re.compile(r"src:url\(([^)]*/)(fa-[\w-]+)\.woff2\)[^;}]*")
SIGN = re.compile(r"[\ue000-\uf8ff]|\\([ef][0-9a-f]{3})\b")  # of the private area: an icon
NESTED = {"media", "supports", "layer", "container"}


def lighten(site: Path) -> None:
    """Reduce style sheets and icon fonts of a finished site to what its pages use."""
    static = site / "_static"
    names = names_in([*site.rglob("*.html"), *static.rglob("*.js")], static)
    signs = set()
    for sheet in sorted(static.rglob("*.css")):
        style = used_rules(sheet.read_text(encoding="utf-8"), names)
        signs |= {chr(int(m[1], 16)) if m[1] else m[0] for m in SIGN.finditer(style)}
        sheet.write_text(FONT_SOURCE.sub(_smaller_font, style), encoding="utf-8")
    for font in sorted((static / ICON_FONTS).glob("fa-*.ttf")):
        write_subset(font, signs, font.with_name(f"icons-{font.stem}.woff"))
    for font in (static / ICON_FONTS).glob("fa-*"):
        font.unlink()


def lighten_formulas(site: Path) -> None:
    """Write the fonts of MathJax anew, from its own files, with less in them."""
    target = site / "_static" / "mathjax" / FORMULA_FONTS
    signs = rare_signs(site.rglob("*.html"), mathjax_source() / "input/tex.js")
    for font in sorted((mathjax_source() / FORMULA_FONTS).glob("*.woff")):
        known = set(TTFont(font).getBestCmap())
        kept = known & (LETTERS | signs) if font.name == RARE_SIGNS else known
        write_subset(font, {chr(code) for code in kept}, target / font.name, hinting=False)


def rare_signs(pages: Iterable[Path], mapping: Path) -> set[int]:
    """Code points of the signs that commands in the text of these pages stand for."""
    used = {name for page in pages for name in COMMAND.findall(page.read_text(encoding="utf-8"))}
    table = SIGN_OF_COMMAND.findall(mapping.read_text(encoding="utf-8"))
    return {int(code, 16) for name, code in table if name in used}


def names_in(files: Iterable[Path], static: Path) -> set[str]:
    """Collect every word of these files that could be the name of a class."""
    out = [static / part for part in NOT_STYLED]
    files = [f for f in files if not any(f.is_relative_to(o) for o in out)]
    return {name for f in files for name in NAME.findall(f.read_text(encoding="utf-8"))}


def used_rules(style: str, names: set[str]) -> str:
    """Return the style sheet without the rules that no element can meet."""
    rules = tinycss2.parse_stylesheet(style, skip_comments=True, skip_whitespace=True)
    return "".join(filter(None, (_reduced(rule, names) for rule in rules)))


def _reduced(rule: Any, names: set[str]) -> str:
    """Write one rule with the selectors that can be met; nothing if none is left."""
    if rule.type == "at-rule" and rule.lower_at_keyword in NESTED and rule.content is not None:
        inner = tinycss2.parse_rule_list(rule.content, skip_comments=True, skip_whitespace=True)
        kept = "".join(filter(None, (_reduced(part, names) for part in inner)))
        head = f"@{rule.at_keyword}{tinycss2.serialize(rule.prelude)}"
        return f"{head}{{{kept}}}" if kept else ""
    if rule.type != "qualified-rule":
        return rule.serialize()
    kept = [s for s in _selectors(rule.prelude) if _classes(s) <= names]
    body = tinycss2.serialize(rule.content)
    return f"{','.join(tinycss2.serialize(s) for s in kept)}{{{body}}}" if kept else ""


def _selectors(prelude: list[Any]) -> list[list[Any]]:
    """Split the head of a rule at its commas; those inside brackets are not among its tokens."""
    parts: list[list[Any]] = [[]]
    for token in prelude:
        if token == ",":
            parts.append([])
        else:
            parts[-1].append(token)
    return parts


def _classes(selector: list[Any]) -> set[str]:
    """Names of the classes that an element must have; those in :is() or :not() are no such duty."""
    pairs = pairwise(selector)
    return {name.value for dot, name in pairs if dot == "." and name.type == "ident"}


def _smaller_font(source: re.Match[str]) -> str:
    return f'src:url({source[1]}icons-{source[2]}.woff) format("woff")'


def write_subset(font: Path, signs: set[str], target: Path, *, hinting: bool = True) -> None:
    """Write the font with the glyphs of these signs only."""
    options = Options(flavor="woff", hinting=hinting)
    if not hinting:  # nor names and the notes of the editor that made it
        options.name_IDs, options.layout_features, options.drop_tables = [], [], ["FFTM", "GDEF"]
    reduced = TTFont(font, recalcTimestamp=False)  # two builds give the same file
    subsetter = Subsetter(options)
    subsetter.populate(text="".join(sorted(signs)))
    subsetter.subset(reduced)
    save_font(reduced, str(target), options)


def finish(app: Sphinx, exception: Exception | None) -> None:
    if exception is None and app.builder.format == "html":
        lighten(Path(app.outdir))
        lighten_formulas(Path(app.outdir))


def setup(app: Sphinx) -> dict[str, Any]:
    app.connect("build-finished", finish, priority=900)  # after everything has been written
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}

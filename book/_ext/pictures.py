"""Writes line drawings with a palette: a third of the bytes, and nobody can tell.

Plots come out of the notebooks with sixteen million colours, of which they use a few hundred. A
picture whose mean change would be visible, a heat map with its smooth shades, stays as it is. The
results are kept beside the site, so that a picture is worked on once.

The pages state the size of each picture, so that a text does not jump when the picture below it
comes in, and ask for all but the first of a page only when they come near the screen.
"""

import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from sphinx.application import Sphinx

LARGEST_CHANGE = 0.6  # mean over the picture, of 255; banding becomes visible from about one
CACHE = ".pictures"
SHOWN = re.compile(r'<img\b(?![^>]*\bwidth=)([^>]*\bsrc="[^"]*_images/([^"/]+\.png)"[^>]*)>')


def lighter(source: Path, target: Path) -> None:
    """Write a picture with a palette of 256 colours if that does not change it, else as it is."""
    with Image.open(source) as picture:
        if picture.mode == "P":
            shutil.copyfile(source, target)
            return
        full = picture.convert("RGBA")
    few = full.quantize(256, method=Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE)
    if change(full, few.convert("RGBA")) <= LARGEST_CHANGE:
        few.save(target, "PNG", compress_level=9)
    else:
        shutil.copyfile(source, target)


def change(one: Image.Image, other: Image.Image) -> float:
    """Mean difference of two pictures, on white or on black, whichever is the larger."""
    pixels = [np.asarray(picture, dtype=np.float32) for picture in (one, other)]
    cover = [p[..., 3:] / 255 for p in pixels]
    means = []
    for ground in (0.0, 255.0):
        shown = [p[..., :3] * c + ground * (1 - c) for p, c in zip(pixels, cover, strict=True)]
        means.append(float(np.abs(shown[0] - shown[1]).mean()))
    return max(means)


def state_sizes(app: Sphinx, page: str, template: str, context: dict[str, Any], _: Any) -> None:
    """Write width and height on the pictures of a page."""
    sources = {name: Path(app.srcdir) / path for path, name in app.builder.images.items()}
    seen: list[str] = []

    def sized(found: re.Match[str]) -> str:
        seen.append(found[2])
        with Image.open(sources[found[2]]) as picture:
            width, height = picture.size
        later = ' loading="lazy"' if len(seen) > 1 else ""
        return f'<img width="{width}" height="{height}"{later}{found[1]}>'

    context["body"] = SHOWN.sub(sized, context.get("body", ""))


def finish(app: Sphinx, exception: Exception | None) -> None:
    """Replace the pictures of the notebooks; their names are hashes of what is in them."""
    if exception is not None or app.builder.format != "html":
        return
    cache = Path(app.outdir).parent / CACHE
    cache.mkdir(exist_ok=True)
    for picture in sorted((Path(app.outdir) / "_images").glob("*.png")):
        made = cache / picture.name
        if not made.exists():
            temporary = made.with_suffix(".tmp")
            lighter(picture, temporary)
            temporary.replace(made)
        shutil.copyfile(made, picture)


def setup(app: Sphinx) -> dict[str, Any]:
    app.connect("html-page-context", state_sizes)
    app.connect("build-finished", finish)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}

"""A line under the title of each notebook's page: take the notebook with you, or open it elsewhere.

The notebook lies beside its page, so the first link needs no network. The others need a place that
has the repository; `_config.yml` names them in `html_context: klrl_launch`, and a link appears only
where an address is given. `{path}` in it stands for the notebook's path in the repository.
"""

import shutil
from collections.abc import Iterator, Mapping
from html import escape
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import quote

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.errors import ConfigError

#: Key in the configuration -> what the link says.
PLACES = {
    "colab": "open in Colab",
    "binder": "open on Binder",
    "kernel": "run in the browser",
}
DOWNLOAD = "Download this notebook"


def links(page: str, launch: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Yield (text, address) for a page that is a notebook: the download first.

    >>> list(links("book/01_a", {"colab": "https://host/{path}", "binder": ""}))[1]
    ('open in Colab', 'https://host/book/01_a.ipynb')
    """
    yield DOWNLOAD, quote(f"{PurePosixPath(page).name}.ipynb")
    for key, text in PLACES.items():
        if launch.get(key):
            yield text, launch[key].replace("{path}", quote(f"{page}.ipynb"))


def check(app: Sphinx, config: Any) -> None:
    """Refuse an address that would lead every notebook to one place."""
    launch = config.html_context.get("klrl_launch") or {}
    for key, address in launch.items():
        if key not in PLACES:
            raise ConfigError(f"klrl_launch: {key!r} is none of {', '.join(PLACES)}")
        if address and ("{path}" not in address or not address.startswith("https://")):
            raise ConfigError(f"klrl_launch: {key} must be https://... with {{path}}: {address}")


def add_line(
    app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: nodes.document | None
) -> None:
    """Put the line under the title."""
    if doctree is None or not app.env.doc2path(page).endswith(".ipynb"):
        return
    found = links(page, context.get("klrl_launch") or {})
    parts = [f'<a href="{escape(address)}">{escape(text)}</a>' for text, address in found]
    parts[0] = parts[0].replace("<a ", "<a download ", 1)
    line = f'<p class="klrl-launch">{" · ".join(parts)}</p>'
    context["body"] = context["body"].replace("</h1>", f"</h1>\n{line}", 1)


def copy_notebooks(app: Sphinx, exception: Exception | None) -> None:
    """Lay each notebook beside its page."""
    if exception is not None or app.builder.format != "html":
        return
    for page in app.env.found_docs:
        source = Path(app.env.doc2path(page))
        if source.suffix == ".ipynb":
            shutil.copyfile(source, Path(app.outdir) / f"{page}.ipynb")


def setup(app: Sphinx) -> dict[str, Any]:
    app.connect("config-inited", check)
    app.connect("html-page-context", add_line)
    app.connect("build-finished", copy_notebooks)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}

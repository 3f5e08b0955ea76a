"""Keeps `_build/jupyter_execute` true when a notebook's results come out of the cache.

MyST-NB writes there the notebook as it has run. If it did not have to run, because the cache knew
its results, MyST-NB writes the notebook as it is stored, without the records of the checks that the
ledger reads. This extension then writes the results of the cache.
"""

from pathlib import Path
from typing import Any

import nbformat
from docutils import nodes
from jupyter_cache import get_cache
from sphinx.application import Sphinx


def write_executed(app: Sphinx, doctree: nodes.document) -> None:
    """Write the executed form of the notebook that has just been read."""
    source = Path(app.env.doc2path(app.env.docname))
    if source.suffix != ".ipynb":
        return
    cache = get_cache(app.env.mystnb_config.execution_cache_path)
    try:
        _, notebook = cache.merge_match_into_notebook(nbformat.read(source, as_version=4))
    except KeyError:  # not known to the cache: what MyST-NB has written is right
        return
    target = Path(app.outdir).parent / "jupyter_execute" / f"{app.env.docname}.ipynb"
    target.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(notebook, target)


def setup(app: Sphinx) -> dict[str, Any]:
    app.connect("doctree-read", write_executed)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}

"""Run a notebook and store the outputs in it, byte for byte the same each time.

Runs inside the environment: python store.py ROOT NOTEBOOK
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from _tools.console import say
from _tools.failures import describe

KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}
LANGUAGE = {"name": "python"}  # its version would change with the machine
WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"  # a random id, dead without its kernel
VOLATILE_CELL_METADATA = ("execution", "collapsed", "scrolled", "ExecuteTime", "trusted")
# Records of the claims machinery: digits that differ between machines. The ledger reads them from
# the build, not from the stored notebook.
VOLATILE_OUTPUT_METADATA = ("klrl",)


def read(text: str) -> nbformat.NotebookNode:
    """Read a notebook; cells without an id get one from their place, not a random one."""
    content = json.loads(text)
    taken = {cell.get("id") for cell in content["cells"]}
    for number, cell in enumerate(content["cells"]):
        if not cell.get("id"):
            names = (f"cell-{number:03d}{suffix}" for suffix in ("", *"abcdefghij"))
            cell["id"] = next(name for name in names if name not in taken)
    content["nbformat"], content["nbformat_minor"] = 4, 5
    return nbformat.reads(json.dumps(content), as_version=4)


def execute(notebook: nbformat.NotebookNode, folder: Path) -> nbformat.NotebookNode:
    """Run a notebook in its own folder, from a clean start."""
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    client = NotebookClient(
        notebook,
        timeout=300,
        kernel_name="python3",
        record_timing=False,
        store_widget_state=True,  # output widgets need it while running; it is dropped afterwards
        resources={"metadata": {"path": str(folder)}},
    )
    # What a kernel says about itself (what a cell prints to stderr is stored, not said).
    return client.execute(stderr=subprocess.DEVNULL)


def normalise(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """Drop what differs between two runs or two machines."""
    notebook.metadata = nbformat.from_dict(
        {k: v for k, v in notebook.metadata.items() if k not in ("widgets", "kernelspec")}
        | {"kernelspec": KERNEL, "language_info": LANGUAGE}
    )
    for cell in notebook.cells:
        for key in VOLATILE_CELL_METADATA:
            cell.metadata.pop(key, None)
        if cell.cell_type == "code":
            cell.outputs = _merged(_kept(cell.outputs))
    return notebook


def _kept(outputs: list[nbformat.NotebookNode]) -> list[nbformat.NotebookNode]:
    """Drop widget views and volatile metadata; drop an output of which nothing is left."""
    kept = []
    for output in outputs:
        for key in VOLATILE_OUTPUT_METADATA:
            output.get("metadata", {}).pop(key, None)
        if WIDGET_VIEW in output.get("data", {}):
            output.data.pop(WIDGET_VIEW)
            if set(output.data) <= {"text/plain"}:  # the repr of a widget says nothing
                continue
        kept.append(output)
    return kept


def _merged(outputs: list[nbformat.NotebookNode]) -> list[nbformat.NotebookNode]:
    """Join neighbouring pieces of one stream: where they are cut is a matter of timing."""
    merged: list[nbformat.NotebookNode] = []
    for output in outputs:
        last = merged[-1] if merged else {}
        if output.output_type == "stream" == last.get("output_type") and (
            output.name == last["name"]
        ):
            last["text"] += output.text
        else:
            merged.append(output)
    return merged


def serialise(notebook: nbformat.NotebookNode) -> bytes:
    """Return the bytes of the notebook file: sorted keys, indent 1, one newline at the end."""
    nbformat.validate(notebook)
    return (nbformat.writes(notebook).rstrip("\n") + "\n").encode()


def store(path: Path) -> bool:
    """Run one notebook and store it; return whether the file has changed."""
    old = path.read_bytes()
    notebook = read(old.decode())
    new = serialise(normalise(execute(notebook, path.parent)))
    if new == old:
        return False
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        temporary.write_bytes(new)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    return True


def main(path: Path, root: Path) -> int:
    """Store a notebook; one that fails is reported and left as it was."""
    try:
        say(f"{path.name}: {'stored anew' if store(path) else 'unchanged'}")
    except (CellExecutionError, CellTimeoutError, DeadKernelError) as error:
        say(f"{describe(path, str(error), root=root)}\n  (the file was left as it was)")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[2]), root=Path(sys.argv[1])))

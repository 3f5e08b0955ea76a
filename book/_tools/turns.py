"""One build at a time in a folder: whoever comes second waits for the first to end."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .console import say

try:
    import fcntl
except ImportError:  # not on Windows: there, take care yourself
    fcntl = None


@contextmanager
def turn(folder: Path) -> Iterator[tuple[int, ...]]:
    """Hold the folder; yields the descriptors that a child has to inherit to hold it as well.

    So a build whose command was killed still holds the folder until it has noticed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if fcntl is None:
        yield ()
        return
    with (folder / "turn").open("a+", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            say(f"Another build is at work in this folder ({file.read().strip()}): waiting for it.")
            fcntl.flock(file, fcntl.LOCK_EX)
        file.truncate(0)
        file.write(f"process {os.getpid()}")
        file.flush()
        yield (file.fileno(),)

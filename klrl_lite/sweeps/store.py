"""Finished blocks of a sweep on disk: written in one go, and believed only if nothing is off."""

import contextlib
import hashlib
import json
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any, NamedTuple
from zipfile import BadZipFile
from zlib import error as ZlibError

import numpy as np
from numpy.typing import NDArray

Results = dict[str, NDArray[Any]]
_HEADER, _PREFIX = "sweep", "cells."


class Stored(NamedTuple):
    """What a file holds: the results of a block, and the seconds that computing them took."""

    results: Results
    seconds: float


class Store:
    """A folder with one .npz for each block.

    Attributes
    ----------
    folder : pathlib.Path
        Made if it is not there.
    sweep_id : str
        Identity of the sweep; a file of another one is foreign.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     store = Store(folder, "this sweep")
    ...     store.save(0, 2, {"kl": np.array([0.5, 0.25])}, 1.5)
    ...     found, reason = store.load(0, 2)
    >>> found.results["kl"].tolist(), found.seconds, reason
    ([0.5, 0.25], 1.5, '')
    """

    def __init__(self, folder: str | os.PathLike[str], sweep_id: str) -> None:
        self.folder, self.sweep_id = Path(folder), sweep_id
        if self.folder.exists() and not self.folder.is_dir():
            raise ValueError(f"checkpoint must be a folder; got the file {str(folder)!r}")
        self.folder.mkdir(parents=True, exist_ok=True)

    def path(self, start: int, stop: int) -> Path:
        """File of the block of cells start..stop-1."""
        return self.folder / f"cells-{start:010d}-{stop:010d}.npz"

    def save(self, start: int, stop: int, results: Results, seconds: float = 0.0) -> None:
        """Write a block; a reader sees the whole file or none."""
        header = {"sweep": self.sweep_id, "start": start, "stop": stop}
        header |= {"digest": _digest(results), "seconds": seconds}
        arrays = {_PREFIX + name: array for name, array in results.items()}
        arrays[_HEADER] = np.frombuffer(json.dumps(header).encode(), dtype=np.uint8)
        self._replace(self.path(start, stop), lambda file: np.savez(file, **arrays))  # type: ignore[arg-type]

    def load(self, start: int, stop: int) -> tuple[Stored | None, str]:
        """Return a stored block; or None and why not ('' if there is no file)."""
        path = self.path(start, stop)
        if not path.exists():
            return None, ""
        try:
            # Opened here: of a damaged archive np.load would leave the file open.
            with path.open("rb") as raw, np.load(raw, allow_pickle=False) as file:
                header = json.loads(file[_HEADER].tobytes())
                names = [name for name in file.files if name != _HEADER]
                results = {name.removeprefix(_PREFIX): file[name] for name in names}
                found = (header["sweep"], header["start"], header["stop"])
                digest, seconds = header["digest"], float(header.get("seconds", 0.0))
        # Whatever stands in a damaged file: it is computed again, not trusted and not fatal.
        except (OSError, ValueError, KeyError, TypeError, EOFError, BadZipFile, ZlibError) as error:
            return None, f"unreadable: {type(error).__name__}"
        except (NotImplementedError, SyntaxError, MemoryError, RuntimeError) as error:
            return None, f"unreadable: {type(error).__name__}"
        if found != (self.sweep_id, start, stop):
            return None, "of another sweep: other axes, seed, tile or key"
        if digest != _digest(results):
            return None, "damaged: its digest does not match"
        return Stored(results, seconds), ""

    def block_size(self) -> int | None:
        """Block size with which this sweep was begun, None if it was not."""
        try:
            plan = json.loads((self.folder / "sweep.json").read_text(encoding="utf-8"))
            known = plan["sweep"] == self.sweep_id and isinstance(plan["block"], int)
            return plan["block"] if known and plan["block"] >= 1 else None
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def save_block_size(self, block: int) -> None:
        """Note the block size, so that a resumed sweep makes the same calls."""
        text = json.dumps({"sweep": self.sweep_id, "block": block}).encode()
        self._replace(self.folder / "sweep.json", lambda file: file.write(text))

    def _replace(self, path: Path, write: Callable[[IO[bytes]], object]) -> None:
        handle, temporary = tempfile.mkstemp(dir=self.folder, prefix=path.stem, suffix=".tmp")
        try:
            with os.fdopen(handle, "wb") as file:
                write(file)
            os.replace(temporary, path)
        except BaseException:  # an interrupt, too, leaves no half file
            with contextlib.suppress(OSError):
                os.unlink(temporary)
            raise


def _digest(results: Results) -> str:
    digest = hashlib.sha256()
    for name in sorted(results):
        array = results[name]
        digest.update(f"{name} {array.dtype.str} {array.shape};".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()

"""Pools that compute the blocks of sweeps: the cores of this machine, or a Dask cluster.

They need packages that nothing else here does, `experiments/requirements-cluster.txt`: joblib for
the cores, distributed for the cluster. Unlike plain worker processes they take any function as
`cells`, also one that was made inside another or in a notebook.

The cluster is spoken to directly and not through joblib's backend for it: that one waits for ever
(joblib 1.6) if a block takes with it every worker that it is tried on, and keeps large arguments in
the memory of one worker, from where they cannot be made again. Here the sweep ends with an error,
and a task holds all that it needs.
"""

import hashlib
import pickle
import platform
import socket
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from itertools import islice
from pathlib import Path
from typing import Any
from uuid import uuid4

from .. import _checks
from .workers import Placed, Pool, Task

#: How to get what is missing, for messages.
_INSTALL = "python -m pip install -r experiments/requirements-cluster.txt"
#: Tasks that the scheduler holds beside those under way: for workers that join between two
#: blocks. The rest is not even packed.
_AHEAD = 64


def local(n: int | None = None) -> Pool:
    """Return a pool of processes on this machine, through joblib.

    Parameters
    ----------
    n : int, optional
        Processes; by default as many as this process may use cores.

    Raises
    ------
    ImportError
        Without joblib.

    Examples
    --------
    >>> from klrl_lite.sweeps import sweep
    >>> square = sweep(lambda x: {"y": x**2}, {"x": [1, 2, 3]}, block=1, workers=local(2))
    >>> square["y"].tolist()
    [1, 4, 9]
    """
    try:
        import joblib
    except ImportError as error:
        raise ImportError(f"pools.local needs joblib: {_INSTALL}") from error
    return _Local(joblib.cpu_count() if n is None else _checks.count("n", n))


class _Local:
    def __init__(self, n: int) -> None:
        self.sharing = n

    def __repr__(self) -> str:
        return f"pools.local({self.sharing})"

    def __call__(
        self, compute: Callable[[Task], Placed], tasks: Iterable[Task]
    ) -> Iterator[Placed]:
        import joblib

        # One task at a time: what is finished reaches the checkpoint at once. Arguments are sent
        # as they are: a large one shared through a file would be read-only in the worker.
        parallel = joblib.Parallel(
            self.sharing, return_as="generator_unordered", batch_size=1, max_nbytes=None
        )
        yield from parallel(joblib.delayed(compute)(task) for task in tasks)


@contextmanager
def cluster(address: str, timeout: float = 30.0) -> Iterator[Pool]:
    """Connect to a running Dask cluster, and return a pool that computes on its workers.

    Parameters
    ----------
    address : str
        Of its scheduler, such as "tcp://10.0.0.1:8786".
    timeout : float
        Seconds to wait for the scheduler, and then for its first worker.

    Raises
    ------
    ImportError
        Without distributed.
    ConnectionError
        If there is no scheduler, or if it has no worker.

    Notes
    -----
    Blocks of a worker that is lost are computed again by the others; a block that takes four
    workers with it is an error. If none is left, the sweep waits for new ones. Workers may join
    at any time; each has to have the versions and the sources of `klrl_lite` that this process
    has, or its first block is an error that says so: it would give other numbers under the same
    name. Results are the same bit for bit where the processors round alike, which different
    models need not do in sums and matrix products.

    Examples
    --------
    With a scheduler and workers running, `sweep(..., workers=pool)` inside of

        with cluster("tcp://10.0.0.1:8786") as pool:

    >>> with cluster("tcp://127.0.0.1:1", timeout=0.1) as pool:
    ...     pass
    Traceback (most recent call last):
    ConnectionError: no Dask scheduler answers at tcp://127.0.0.1:1; start one with `dask scheduler`
    """
    try:
        from distributed import Client
    except ImportError as error:
        raise ImportError(f"pools.cluster needs distributed: {_INSTALL}") from error
    timeout = float(_checks.number("timeout", timeout, above=0.0))
    try:
        client = Client(address, timeout=timeout, set_as_default=False)
    except (OSError, TimeoutError) as error:
        raise ConnectionError(
            f"no Dask scheduler answers at {address}; start one with `dask scheduler`"
        ) from error
    try:
        try:
            client.wait_for_workers(1, timeout=timeout)
        except TimeoutError as error:
            raise ConnectionError(
                f"the scheduler at {address} has no worker; start some with `dask worker {address}`"
            ) from error
        yield _Cluster(client)
    finally:
        client.close()


class _Cluster:
    #: Each worker has memory of its own.
    sharing = 1

    def __init__(self, client: Any) -> None:
        self.client = client

    def __repr__(self) -> str:
        return f"pools.cluster({self.client.scheduler.address!r})"

    def __call__(
        self, compute: Callable[[Task], Placed], tasks: Iterable[Task]
    ) -> Iterator[Placed]:
        import cloudpickle
        from distributed import as_completed

        todo, here, finished = iter(tasks), facts(), as_completed(loop=self.client.loop)
        sent: set[Any] = set()  # and not fetched: also those that are done already

        def send() -> None:
            wanted = _AHEAD + 2 * sum(self.client.ncores().values())
            for task in islice(todo, max(0, wanted - finished.count())):
                # Packed here, and unpacked where it is computed: the scheduler need not have
                # what the function of the sweep imports.
                packed = cloudpickle.dumps((compute, task))
                name = f"sweep-{task.place}-cell-{task.start}-{uuid4().hex}"
                sent.add(future := self.client.submit(_unpack, packed, here, key=name))
                finished.add(future)

        send()
        try:
            for future in finished:
                sent.discard(future)
                placed = future.result()
                send()
                del future  # what has been fetched need not be kept by the worker
                yield placed
        finally:
            if sent:
                self.client.cancel(list(sent))


def _unpack(packed: bytes, wanted: dict[str, str]) -> Placed:
    found = facts()
    for name, value in wanted.items():
        if found[name] != value:
            raise RuntimeError(
                f"the worker on {socket.gethostname()} has {name} {found[name]}, and the sweep was "
                f"started with {value}: give both the same, and start the worker again"
            )
    compute, task = pickle.loads(packed)
    return compute(task)


@cache
def facts() -> dict[str, str]:
    """Return what has to be the same for the same numbers: versions, and the package's sources.

    Examples
    --------
    >>> sorted(facts())
    ['Python', 'klrl_lite', 'numpy', 'scipy', 'torch']
    """
    folder, sources = Path(__file__).parents[1], hashlib.sha256()
    for path in sorted(folder.rglob("*.py")):
        sources.update(path.relative_to(folder).as_posix().encode() + b"\0" + path.read_bytes())
    found = {"Python": platform.python_version(), "klrl_lite": sources.hexdigest()[:16]}
    for name in ("numpy", "scipy", "torch"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return found

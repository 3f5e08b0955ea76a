"""Options of a command that runs sweeps: on how many cores, or on which cluster."""

import argparse
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from importlib.util import find_spec

from . import pools
from .workers import Pool


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add `--workers N` and `--cluster ADDRESS`, one of which may be given.

    Parameters
    ----------
    parser : argparse.ArgumentParser

    Examples
    --------
    >>> parser = argparse.ArgumentParser()
    >>> add_options(parser)
    >>> parser.parse_args(["--workers", "4"]).workers
    4
    """
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--workers", type=int, metavar="N", help="processes; default: all cores")
    where.add_argument(
        "--cluster", metavar="ADDRESS", help="scheduler of a Dask cluster, tcp://HOST:PORT"
    )


@contextmanager
def chosen(options: argparse.Namespace) -> Iterator[int | Pool]:
    """Return what `sweep` takes as `workers`; end the command if that cannot be had.

    Parameters
    ----------
    options : argparse.Namespace
        With the options of `add_options`.

    Raises
    ------
    SystemExit
        With a message: if what was asked for needs a package that is not installed, or if there is
        no such cluster.

    Notes
    -----
    All cores are used by default if joblib is there, and one if it is not.

    Examples
    --------
    >>> with chosen(argparse.Namespace(workers=1, cluster=None)) as workers:
    ...     workers
    1
    """
    with ExitStack() as stack:
        try:
            workers = _workers(options, stack)
        except (ImportError, ConnectionError, ValueError) as error:
            raise SystemExit(str(error)) from None
        yield workers


def _workers(options: argparse.Namespace, stack: ExitStack) -> int | Pool:
    if options.cluster is not None:
        return stack.enter_context(pools.cluster(options.cluster))
    if options.workers == 1 or (options.workers is None and find_spec("joblib") is None):
        return 1
    return pools.local(options.workers)

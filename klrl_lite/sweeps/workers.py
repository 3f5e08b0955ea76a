"""Who does the blocks of a sweep: this process, or several."""

import multiprocessing
import pickle
import signal
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from itertools import islice
from typing import Any

import numpy as np

from .blocks import Block, Plan


def each(plan: Plan, starts: Sequence[int], workers: int, memory: float) -> Iterator[Block]:
    """Do all blocks, here or in several processes, and yield them as they finish.

    Parameters
    ----------
    plan : Plan
    starts : sequence of int
        First cells of the blocks.
    workers : int
        Processes. Threads would not do: NumPy lets go of the interpreter only inside an operation,
        and for arrays that fit into the cache handing it over takes as long as the operation.
    memory : float
        Bytes in use at a time.

    Examples
    --------
    >>> from klrl_lite.sweeps.grid import make_grid
    >>> plan = Plan(lambda tau: {"rate": 1 / tau}, make_grid({"tau": [1.0, 2.0, 4.0]}), None, 1, 2)
    >>> [block.start for block in each(plan, [0, 2], 1, 1e6)]
    [0, 2]
    """
    if workers == 1 or len(starts) == 1:
        keep_freed_memory(memory)
        yield from map(plan.do, starts)
        return
    try:
        pickle.dumps(plan.cells)
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        raise ValueError(
            "cells must be a function of a module, or a functools.partial of one, for several "
            f"workers; got {plan.cells!r}"
        ) from error
    # Fresh processes: a copy of this one may hold locks of threads that were not copied.
    fresh = "forkserver" if "forkserver" in multiprocessing.get_all_start_methods() else "spawn"
    pool = ProcessPoolExecutor(
        min(workers, len(starts)), multiprocessing.get_context(fresh), _begin, (memory,)
    )
    todo, running = iter(starts), set[Future[Block]]()
    try:
        while True:
            # No more than can be worked on: the rest can still be called off.
            some = islice(todo, workers - len(running))
            running |= {pool.submit(_do, plan, start, np.geterr()) for start in some}
            if not running:
                return
            done, running = wait(running, return_when=FIRST_COMPLETED)
            for task in done:
                yield task.result()
    finally:
        # After an error or an interrupt no further block begins; those under way are finished.
        pool.shutdown(wait=True, cancel_futures=True)


def _begin(memory: float) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # an interrupt is for the caller to handle
    keep_freed_memory(memory)


def _do(plan: Plan, start: int, error_state: Any) -> Block:
    with np.errstate(**error_state):  # that of the caller
        return plan.do(start)


def keep_freed_memory(memory: float) -> None:
    """Make the allocator of glibc keep freed memory instead of giving it back at once.

    It takes the size of the largest array that was freed (up to 32 MB) as a hint of what will be
    wanted again. Without the hint each temporary array above 128 kB is new memory, which the
    system clears page by page: up to as long as the arithmetic in it takes. Harmless elsewhere.

    Examples
    --------
    >>> keep_freed_memory(1e6)
    """
    np.empty(int(min(24 * 2**20, memory / 2)), np.uint8)

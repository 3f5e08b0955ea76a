"""Who does the blocks of sweeps: this process, several, or a pool of machines."""

import multiprocessing
import os
import pickle
import signal
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import replace
from itertools import islice
from threading import Thread
from typing import Any, NamedTuple, Protocol

import numpy as np

from .blocks import Block, Plan

#: A block, and the place of its sweep among the sweeps.
Placed = tuple[int, Block]


class Task(NamedTuple):
    """A block that is to be computed.

    Attributes
    ----------
    place : int
        Of its sweep among the sweeps.
    plan : Plan
    start : int
        First cell of the block.
    errors : dict
        How NumPy is to treat floating-point errors: as it does where the sweep was called.
    """

    place: int
    plan: Plan
    start: int
    errors: Any


class Pool(Protocol):
    """Computes tasks somewhere else, each once, in any order; see `klrl_lite.sweeps.pools`.

    Attributes
    ----------
    sharing : int
        How many of its processes share the memory of one machine.

    Examples
    --------
    >>> from klrl_lite.sweeps import sweep
    >>> class Here:
    ...     sharing = 1
    ...     def __call__(self, compute, tasks):
    ...         return map(compute, tasks)
    >>> sweep(lambda x: {"y": x**2}, {"x": [1, 2]}, workers=Here())["y"].tolist()
    [1, 4]
    """

    sharing: int

    def __call__(
        self, compute: Callable[[Task], Placed], tasks: Iterable[Task]
    ) -> Iterator[Placed]:
        """Call `compute` once with each task, and give what it returns."""


def each(plans: Sequence[Plan], workers: int | Pool, memory: float) -> Iterator[Placed]:
    """Do all blocks, here or elsewhere, and yield them as they finish, each once.

    Parameters
    ----------
    plans : sequence of Plan
    workers : int or Pool
        Processes, or who else computes. Threads would not do: NumPy lets go of the interpreter
        only inside an operation, and for arrays that fit into the cache handing it over takes as
        long as the operation.
    memory : float
        Bytes in use at a time.

    Examples
    --------
    >>> from klrl_lite.sweeps.grid import make_grid
    >>> plan = Plan(lambda tau: {"rate": 1 / tau}, make_grid({"tau": [1.0, 2.0, 4.0]}), None, 1, 2)
    >>> [block.start for _, block in each([plan], 1, 1e6)]
    [0, 2]
    """
    if not isinstance(workers, int):
        return _through_a_pool(plans, workers)
    if workers == 1 or sum(len(plan.starts) for plan in plans) == 1:
        return _here(plans, memory)
    return _in_processes(plans, workers, memory)


def _here(plans: Sequence[Plan], memory: float) -> Iterator[Placed]:
    keep_freed_memory(memory)
    for place, plan in enumerate(plans):
        for start in plan.starts:
            yield place, plan.do(start)


def _in_processes(plans: Sequence[Plan], workers: int, memory: float) -> Iterator[Placed]:
    for plan in plans:
        try:
            pickle.dumps(plan.cells)
        except (pickle.PicklingError, AttributeError, TypeError) as error:
            raise ValueError(
                "cells must be a function of a module, or a functools.partial of one, for several "
                f"workers; got {plan.cells!r}"
            ) from error
    # Fresh processes: a copy of this one may hold locks of threads that were not copied.
    fresh = "forkserver" if "forkserver" in multiprocessing.get_all_start_methods() else "spawn"
    n_blocks = sum(len(plan.starts) for plan in plans)
    pool = ProcessPoolExecutor(
        min(workers, n_blocks), multiprocessing.get_context(fresh), _begin, (memory,)
    )
    todo = ((place, plan, start) for place, plan in enumerate(plans) for start in plan.starts)
    running = set[Future[Placed]]()
    try:
        while True:
            # No more than can be worked on: the rest can still be called off.
            some = islice(todo, workers - len(running))
            running |= {pool.submit(_do, Task(*what, np.geterr())) for what in some}
            if not running:
                return
            done, running = wait(running, return_when=FIRST_COMPLETED)
            for task in done:
                yield task.result()
    finally:
        # After an error or an interrupt no further block begins; those under way are finished.
        pool.shutdown(wait=True, cancel_futures=True)


def _through_a_pool(plans: Sequence[Plan], pool: Pool) -> Iterator[Placed]:
    """Compute elsewhere what the checkpoints lack.

    They are read and written here alone: whoever computes may be on a machine that cannot see
    them, or be lost at any moment.
    """
    missing = dict[tuple[int, int], str]()
    for place, plan in enumerate(plans):
        for start in plan.starts:
            found, reason = plan.find(start)
            if found is not None:
                yield place, found
            else:
                missing[place, start] = reason
    errors = np.geterr()
    sent = [replace(plan, store=None) for plan in plans]
    tasks = [Task(place, sent[place], start, errors) for place, start in missing]
    for place, block in pool(_compute, tasks) if tasks else ():
        if (place, block.start) not in missing:
            raise RuntimeError(f"{pool!r} gave the block of cell {block.start} twice")
        yield place, plans[place].keep(block, missing.pop((place, block.start)))
    if missing:
        raise RuntimeError(f"{len(missing)} blocks of the sweep were not computed by {pool!r}")


def _begin(memory: float) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # an interrupt is for the caller to handle
    Thread(target=_end_with_the_caller, daemon=True).start()
    keep_freed_memory(memory)


def _end_with_the_caller() -> None:
    """Wait for the caller's end. One that is killed cannot end its workers any more."""
    if (caller := multiprocessing.parent_process()) is not None:
        caller.join()
        os._exit(1)


def _do(task: Task) -> Placed:
    with np.errstate(**task.errors):
        return task.place, task.plan.do(task.start)


def _compute(task: Task) -> Placed:
    keep_freed_memory(np.inf)
    with np.errstate(**task.errors):
        return task.place, task.plan.compute(task.start)


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

"""Tasks in a pool of processes that outlives the death of one of them."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from typing import Any, TypeVar

Task = TypeVar("Task")
Result = TypeVar("Result")


class Died:
    """What comes of a task whose process died, or one beside it: nobody can tell whose task it was that killed it."""


DIED = Died()


def in_processes(
    work: Callable[[Task], Result],
    tasks: Sequence[Task],
    count: int,
    prepare: Callable[..., None] | None = None,
    *prepared_with: Any,
) -> Iterator[tuple[int, Result | Died]]:
    """Do all tasks, each process on one core. Where a process dies, the tasks under way are lost and the rest goes on.

    Args:
        work: A function of a module, with tasks and results that can be pickled.
        count: Processes, at least one; as many tasks are under way at once.
        prepare: Called in each process when it begins, with ``prepared_with``.

    Yields:
        The place of a task and its result or :data:`DIED`, as they end.

    Raises:
        Exception: What ``work`` raises; the tasks that wait are dropped.
    """
    waiting = list(reversed(list(enumerate(tasks))))
    running: dict[Future[Result], int] = {}
    pool = _new_pool(count, prepare, prepared_with)
    try:
        while waiting or running:
            while waiting and len(running) < count:
                place, task = waiting.pop()
                running[pool.submit(work, task)] = place
            ended, _ = wait(running, return_when=FIRST_COMPLETED)
            broken = False
            for future in ended:
                place = running.pop(future)
                try:
                    yield place, future.result()
                except BrokenProcessPool:
                    broken = True
                    yield place, DIED
            if broken:
                for place in running.values():
                    yield place, DIED
                running.clear()
                pool.shutdown(wait=False, cancel_futures=True)
                pool = _new_pool(count, prepare, prepared_with)
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _new_pool(count: int, prepare: Callable[..., None] | None, prepared_with: tuple[Any, ...]) -> ProcessPoolExecutor:
    """Fresh processes: PyTorch's threads do not survive a fork."""
    context = multiprocessing.get_context("spawn")
    return ProcessPoolExecutor(count, mp_context=context, initializer=_begin, initargs=(prepare, prepared_with))


def _begin(prepare: Callable[..., None] | None, prepared_with: tuple[Any, ...]) -> None:
    use_one_thread()
    if prepare is not None:
        prepare(*prepared_with)


def use_one_thread() -> None:
    """Keep this process to one core."""
    import cv2
    import torch

    torch.set_num_threads(1)
    cv2.setNumThreads(1)

"""Tasks in processes of this machine, which outlive the death of one of them."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from typing import Any

from lgvsc.core.sharing import Died, Result, Task, WorkerDied, share_out


def in_processes(
    work: Callable[[Task], Result], tasks: Sequence[Task], count: int
) -> Iterator[tuple[int, Result | Died]]:
    """Do all tasks, each process on one core. A task whose process dies is done again by another one.

    Args:
        work: A function of a module, with tasks and results that can be pickled.
        count: Processes, at least one; as many tasks are under way at once.

    Yields:
        The place of a task and its result or :data:`~lgvsc.core.sharing.DIED`, as they end.

    Raises:
        Exception: What ``work`` raises; the tasks that wait are dropped.
    """
    return share_out(Processes(partial(_as_it_is, work)), tasks, count)


class Processes:
    """A :class:`~lgvsc.core.sharing.Crew` of processes.

    Each is a pool of one, so that it is known whose task it was that ended a process.
    """

    def __init__(self, make: Callable[[], Callable[[Any], Any]]) -> None:
        """``make`` is called once in each process, and what it makes does the tasks."""
        self._make = make
        self._pools: list[ProcessPoolExecutor] = []

    def hire(self) -> tuple[ProcessWorker, Future[None]]:
        pool = ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn"))  # threads survive no fork
        self._pools.append(pool)
        return ProcessWorker(pool), pool.submit(_begin, self._make)

    def wait(self, pending: Collection[Future[Any]]) -> Future[Any]:
        ended, _ = wait(pending, return_when=FIRST_COMPLETED)
        return next(future for future in pending if future in ended)

    def result(self, ended: Future[Any]) -> Any:
        try:
            return ended.result()
        except BrokenProcessPool as error:
            raise WorkerDied(str(error)) from error

    def close(self) -> None:
        for pool in self._pools:
            pool.shutdown(wait=False, cancel_futures=True)
        for pool in self._pools:
            pool.shutdown(wait=True)


class ProcessWorker:
    """A :class:`~lgvsc.core.sharing.Worker` in a process."""

    def __init__(self, pool: ProcessPoolExecutor) -> None:
        self._pool = pool

    def submit(self, task: Any) -> Future[Any]:
        try:
            return self._pool.submit(_do, task)
        except BrokenProcessPool as error:  # it died while it had nothing to do
            dead: Future[Any] = Future()
            dead.set_exception(error)
            return dead


_work: Callable[[Any], Any] | None = None


def _begin(make: Callable[[], Callable[[Any], Any]]) -> None:
    global _work
    use_one_thread()
    _work = make()


def _do(task: Any) -> Any:
    assert _work is not None
    return _work(task)


def _as_it_is(work: Callable[[Task], Result]) -> Callable[[Task], Result]:
    return work


def use_one_thread() -> None:
    """Keep this process to one core."""
    import cv2
    import torch

    torch.set_num_threads(1)
    cv2.setNumThreads(1)

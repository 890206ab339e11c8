"""Tasks shared out among workers, wherever those live: who dies costs its task a second try, and nothing else."""

from __future__ import annotations

import logging
from collections import Counter, deque
from collections.abc import Collection, Iterator, Sequence
from typing import Any, Protocol, TypeVar

from lgvsc.errors import LgvscError

log = logging.getLogger(__name__)

Task = TypeVar("Task")
Result = TypeVar("Result")
TRIES = 3  # of a task whose worker dies; after so many it is the task that kills

Pending = Any  # what a worker is at: a future, a reference


class Died:
    """What comes of a task whose workers died, :data:`TRIES` of them."""

    words = f"the worker that ran it died, {TRIES} times; out of memory? Run the same command again"


DIED = Died()


class WorkerDied(Exception):  # noqa: N818
    """A worker is gone, with what it was at."""


class Worker(Protocol):
    """Does one task at a time."""

    def submit(self, task: Any) -> Pending:
        """Begin a task."""


class Crew(Protocol):
    """Where workers live: processes of this machine, actors on many."""

    def hire(self) -> tuple[Worker, Pending]:
        """A new worker, and what ends when it is ready."""

    def wait(self, pending: Collection[Pending]) -> Pending:
        """One of these, once it has ended."""

    def result(self, ended: Pending) -> Any:
        """What came of it.

        Raises:
            WorkerDied: Nothing, since the worker is gone.
        """

    def close(self) -> None:
        """Let all workers go, whatever they are at."""


def share_out(crew: Crew, tasks: Sequence[Any], count: int) -> Iterator[tuple[int, Any | Died]]:
    """Do all tasks, in their order as far as several workers can.

    A task whose worker dies is done again by another one. A worker that cannot begin is done without, while there are
    others.

    Args:
        count: Workers, at least one.

    Yields:
        The place of a task and its result or :data:`DIED`, as they end.

    Raises:
        LgvscError: No worker is left, and new ones die as they begin.
        Exception: What the work raises, or what keeps all workers from beginning; tasks that wait are dropped.
    """
    waiting = deque(range(len(tasks)))
    deaths: Counter[int] = Counter()
    beginning: dict[Pending, Worker] = {}
    running: dict[Pending, tuple[Worker, int]] = {}
    idle: list[Worker] = []
    stillborn = 0

    def hire() -> None:
        missing = min(count, len(waiting) + len(running)) - len(beginning) - len(running) - len(idle)
        for _ in range(missing):
            worker, ready = crew.hire()
            beginning[ready] = worker

    try:
        while waiting or running:
            hire()
            while waiting and idle:
                worker, place = idle.pop(0), waiting.popleft()
                running[worker.submit(tasks[place])] = worker, place
            ended = crew.wait([*running, *beginning])
            if ended in beginning:
                worker = beginning.pop(ended)
                try:
                    crew.result(ended)
                    idle.append(worker)
                    stillborn = 0
                except WorkerDied as death:
                    stillborn += 1
                    if stillborn >= TRIES:
                        if not (idle or running):
                            raise LgvscError(f"{TRIES} workers died as they began, out of memory? {death}") from death
                        count -= 1
                        log.warning("a worker dies as it begins and is done without: %s", death)
                except Exception as error:
                    if not (idle or running or beginning):
                        raise
                    count -= 1
                    log.warning("a worker cannot begin and is done without: %s", error)
                continue
            worker, place = running.pop(ended)
            try:
                result = crew.result(ended)
                idle.append(worker)
            except WorkerDied as death:
                deaths[place] += 1
                log.info("a worker died, %s", death)
                if deaths[place] < TRIES:
                    waiting.appendleft(place)
                    continue
                result = DIED
            if waiting and idle:  # nobody waits for whoever takes this result
                worker, following = idle.pop(0), waiting.popleft()
                running[worker.submit(tasks[following])] = worker, following
            yield place, result
    finally:
        crew.close()

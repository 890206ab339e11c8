"""Seconds per stage in a chain of generators, where one stage runs inside another's ``next``."""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

T = TypeVar("T")


class Stopwatch:
    """Attributes time to the innermost stage that is running, in each thread.

    In one thread the stages add up to the total at most; those of two threads may together take longer.

    Args:
        now: A clock: wall time, or ``time.thread_time`` for the processor's time.
    """

    def __init__(self, now: Callable[[], float] = time.perf_counter) -> None:
        self._now = now
        self._spent: defaultdict[str, float] = defaultdict(float)
        self._lock = threading.Lock()
        self._here = _Here()
        self._started = now()

    @contextmanager
    def stage(self, name: str | None) -> Iterator[None]:
        """Everything in the block counts for ``name``, except what inner stages take; for nothing under ``None``."""
        self._charge()
        self._here.stages.append(name)
        try:
            yield
        finally:
            self._charge()
            self._here.stages.pop()

    def during(self, name: str, items: Iterable[T]) -> Iterator[T]:
        """The same items; the time that making each one takes counts for ``name``."""
        iterator = iter(items)
        while True:
            with self.stage(name):
                try:
                    item = next(iterator)
                except StopIteration:
                    return
            yield item

    def seconds(self) -> dict[str, float]:
        """Seconds by stage, and ``total`` since the watch was made."""
        return {**self._spent, "total": self._now() - self._started}

    def _charge(self) -> None:
        now, here = self._now(), self._here
        if here.stages and (name := here.stages[-1]) is not None:
            with self._lock:
                self._spent[name] += now - here.since
        here.since = now


class _Here(threading.local):
    """Stages that run in this thread, outermost first, and when the time was last charged."""

    def __init__(self) -> None:
        self.stages: list[str | None] = []
        self.since = 0.0

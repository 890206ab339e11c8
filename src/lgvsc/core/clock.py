"""Seconds per stage in a chain of generators, where one stage runs inside another's ``next``."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

T = TypeVar("T")


class Stopwatch:
    """Attributes wall time to the innermost stage that is running, so the stages add up to the total."""

    def __init__(self) -> None:
        self._spent: defaultdict[str, float] = defaultdict(float)
        self._stages: list[str] = []
        self._started = self._since = time.perf_counter()

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Everything in the block counts for ``name``, except what inner stages take."""
        self._charge()
        self._stages.append(name)
        try:
            yield
        finally:
            self._charge()
            self._stages.pop()

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
        return {**self._spent, "total": time.perf_counter() - self._started}

    def _charge(self) -> None:
        now = time.perf_counter()
        if self._stages:
            self._spent[self._stages[-1]] += now - self._since
        self._since = now

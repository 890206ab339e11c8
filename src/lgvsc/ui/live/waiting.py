"""What waits between two threads, one of which may be too slow: never more than so many seconds of it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

T = TypeVar("T")


class Waiting(Generic[T]):
    """Things in order, from one thread to another. Where too much waits, every second thing is left out and counted.

    The latest always stays, so whoever takes catches up with what is new.

    Args:
        most_s: Seconds of video that may wait.
        seconds: How long a thing lasts.
    """

    def __init__(self, most_s: float, seconds: Callable[[T], float]) -> None:
        self._most_s, self._seconds = most_s, seconds
        self._things: list[T] = []
        self._changed = threading.Condition()
        self._closed = False
        self.left_out = 0
        self.put_in = 0

    @property
    def waiting_s(self) -> float:
        """Seconds of video that wait now."""
        with self._changed:
            return sum(map(self._seconds, self._things))

    def put(self, thing: T) -> None:
        """Add the latest."""
        with self._changed:
            self.put_in += 1
            self._things.append(thing)
            while len(self._things) > 1 and sum(map(self._seconds, self._things)) > self._most_s:
                kept = self._things[::-2][::-1]
                self.left_out += len(self._things) - len(kept)
                self._things = kept
            self._changed.notify_all()

    def close(self) -> None:
        """Nothing more comes."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def take_now(self) -> T | None:
        """The first, or ``None`` where nothing waits."""
        with self._changed:
            return self._things.pop(0) if self._things else None

    def first(self) -> T | None:
        """What is taken next, or ``None``; it stays."""
        with self._changed:
            return self._things[0] if self._things else None

    @property
    def over(self) -> bool:
        """Whether all has been taken, and nothing more comes."""
        with self._changed:
            return self._closed and not self._things

    def __iter__(self) -> Iterator[T]:
        """Things as they come, until there are no more."""
        while True:
            with self._changed:
                while not self._things and not self._closed:
                    self._changed.wait()
                if not self._things:
                    return
                thing = self._things.pop(0)
            yield thing

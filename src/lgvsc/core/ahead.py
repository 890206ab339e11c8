"""Work in other threads: a stage ahead of the next one, and several things at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from typing import Any, TypeVar

T = TypeVar("T")


def ahead(items: Iterable[T], waiting: Callable[[], AbstractContextManager[object]] = nullcontext) -> Iterator[T]:
    """The same items in the same order, the next one of which is made while the last one is worked on.

    All of them are made in one other thread, and one of them is there before it is asked for, at most. What making one
    raises is raised where it would come. Whoever stops early waits until the one that is being made is there.

    Args:
        waiting: Entered while there is nothing to do but wait.
    """
    iterator, none_left = iter(items), object()
    with ThreadPoolExecutor(1, "ahead") as worker:
        coming = worker.submit(next, iterator, none_left)
        while True:
            with waiting():
                item = coming.result()
            if item is none_left:
                return
            coming = worker.submit(next, iterator, none_left)
            yield item  # type: ignore[misc]


def at_once(*calls: Callable[[], Any], most: int | None = None) -> list[Any]:
    """What each call returns, in their order; each is made in a thread of its own, the first in the caller's.

    All have ended when this returns. What the first of those that fail raises is raised.

    Args:
        most: How many go on at a time, in as many threads, none of them the caller's; ``None``: all.
    """
    if most is not None:
        with ThreadPoolExecutor(most, "at once") as workers:
            return [call.result() for call in [workers.submit(call) for call in calls]]
    with ThreadPoolExecutor(max(1, len(calls) - 1), "at once") as workers:
        others = [workers.submit(call) for call in calls[1:]]
        return [*(call() for call in calls[:1]), *(other.result() for other in others)]

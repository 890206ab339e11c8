"""SVT-AV1, run by root, makes itself and whoever calls it real-time processes; here that is taken back.

It asks for SCHED_FIFO at the highest priority, for its threads and for the one that opens an encoder, which keeps it
for good: in a container, whose user is root as a rule, nothing else on the machine would get a processor any more.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

TASKS = Path("/proc/self/task")


@contextmanager
def kept_priority() -> Iterator[None]:
    """Give this thread, and threads that begin meanwhile, the scheduling back that this thread has now."""
    if not (hasattr(os, "sched_getscheduler") and TASKS.is_dir()):  # no Linux
        yield
        return
    policy, parameters, before = os.sched_getscheduler(0), os.sched_getparam(0), _threads()
    try:
        yield
    finally:
        for thread in (0, *(_threads() - before)):
            with suppress(OSError):  # the thread has ended, or the change was never allowed and so never made
                if os.sched_getscheduler(thread) != policy:
                    os.sched_setscheduler(thread, policy, parameters)


def _threads() -> set[int]:
    return {int(task.name) for task in TASKS.iterdir()}

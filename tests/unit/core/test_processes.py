"""Processes: all results, errors as they are, and a death that costs nobody but whose it was."""

import os
import time
from pathlib import Path

import pytest

from lgvsc.core.processes import in_processes
from lgvsc.core.sharing import DIED


def work(task):
    import torch

    if isinstance(task, Path):  # ends its process once, as a lack of memory would
        if not task.exists():
            task.touch()
            os._exit(9)
        return task.name, torch.get_num_threads()
    if task < 0:
        raise ValueError(f"{task} is below zero")
    if task == 13:
        os._exit(9)
    time.sleep(0.05)
    return task, torch.get_num_threads()


def test_every_task_is_done_on_one_thread_and_what_kills_is_given_up(tmp_path):
    found = dict(in_processes(work, [13, tmp_path / "once", *range(4)], 2))
    assert found == {0: DIED, 1: ("once", 1)} | {2 + place: (place, 1) for place in range(4)}


def test_an_error_reaches_the_caller():
    with pytest.raises(ValueError, match="-1 is below zero"):
        list(in_processes(work, [-1, 2], 1))

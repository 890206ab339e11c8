"""The pool of processes: all results, errors as they are, and life after a death."""

import os

import pytest

from lgvsc.core.processes import DIED, in_processes

_add = 0


def prepare(number):
    global _add
    _add = number


def work(number):
    import torch

    if number < 0:
        raise ValueError(f"{number} is below zero")
    if number == 13:
        os._exit(9)  # as a lack of memory would end it
    return number + _add, torch.get_num_threads()


def test_every_task_is_done_on_one_thread_and_prepared():
    assert dict(in_processes(work, range(5), 2, prepare, 100)) == {place: (100 + place, 1) for place in range(5)}


def test_a_death_costs_the_tasks_under_way_and_no_other():
    found = dict(in_processes(work, [13, 1, 2, 3, 4], 2))
    lost = {place for place, result in found.items() if result is DIED}
    assert 0 in lost and len(lost) <= 2  # one may have run beside it
    assert {place: found[place] for place in range(1, 5) if place not in lost} == {
        place: (place, 1) for place in range(1, 5) if place not in lost
    }


def test_an_error_reaches_the_caller():
    with pytest.raises(ValueError, match="-1 is below zero"):
        list(in_processes(work, [-1, 2], 1))

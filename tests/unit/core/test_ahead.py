"""One stage works while the next one does, and nothing else changes."""

import threading
import time
from contextlib import contextmanager

import pytest

from lgvsc.core.ahead import ahead, at_once


def test_the_next_item_is_made_while_the_last_is_worked_on_and_no_more():
    made, second = [], threading.Event()

    def source():
        for item in range(5):
            made.append((item, threading.current_thread() is threading.main_thread()))
            if item == 1:
                second.set()
            yield item

    items = ahead(source())
    assert next(items) == 0
    assert second.wait(10), "the second is made without being asked for"
    assert list(items) == [1, 2, 3, 4]
    assert made == [(item, False) for item in range(5)]


def test_whoever_stops_early_has_left_nobody_working():
    made = []

    def source():
        for item in range(9):
            made.append(item)
            yield item

    items = ahead(source())
    next(items)
    items.close()
    assert made == [0, 1]
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("ahead")]


def test_errors_come_where_the_item_would():
    def source():
        yield 1
        raise ValueError("the second")

    items = ahead(source())
    assert next(items) == 1
    with pytest.raises(ValueError, match="the second"):
        next(items)
    assert list(ahead([])) == []


def test_waiting_is_told():
    waits = []

    @contextmanager
    def waiting():
        waits.append(len(waits))
        yield

    assert list(ahead("ab", waiting)) == ["a", "b"]
    assert waits == [0, 1, 2]


def test_calls_at_once_return_in_order_and_do_not_wait_for_each_other():
    meet = threading.Barrier(3, timeout=10)
    calls = [lambda number=number: (meet.wait(), number)[1] for number in range(3)]
    assert at_once(*calls) == [0, 1, 2]
    assert at_once(lambda: 7) == [7] and at_once() == []


def test_no_more_calls_go_on_at_once_than_may():
    going, seen = [], []

    def call():
        going.append(1)
        seen.append(len(going))
        time.sleep(0.02)
        going.pop()

    at_once(*[call] * 6, most=2)
    assert len(seen) == 6 and seen.count(2) >= 4 and max(seen) == 2


def test_an_error_of_a_call_comes_when_all_have_ended():
    ended = []

    def fails():
        raise ValueError("the first")

    for most in (None, 2):
        ended.clear()
        with pytest.raises(ValueError, match="the first"):
            at_once(fails, lambda: ended.append(1), lambda: ended.append(2), most=most)
        assert sorted(ended) == [1, 2]

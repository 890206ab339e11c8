"""Seconds go to the innermost stage, in each thread by itself."""

import threading
import time

import pytest

from lgvsc.core.clock import Stopwatch


class Time:
    """A clock that goes when it is told to."""

    def __init__(self):
        self.now = 100.0

    def passes(self, seconds):
        self.now += seconds


def test_inner_stages_are_not_charged_to_outer_ones():
    time = Time()
    clock = Stopwatch(lambda: time.now)

    def source():
        for item in range(3):
            time.passes(0.5)
            yield item

    def work(items):
        for item in items:
            time.passes(0.25)
            yield item

    assert list(clock.during("outer", work(clock.during("inner", source())))) == [0, 1, 2]
    time.passes(1)
    assert clock.seconds() == {"inner": 1.5, "outer": 0.75, "total": 3.25}


def test_stages_of_two_threads_are_charged_each_by_itself_and_waiting_to_nobody():
    time = Time()
    clock = Stopwatch(lambda: time.now)

    def slow():
        with clock.stage("other"):
            time.passes(2)

    with clock.stage("main"):
        time.passes(1)
        with clock.stage(None):
            thread = threading.Thread(target=slow)
            thread.start()
            thread.join()
    assert clock.seconds() == {"main": 1.0, "other": 2.0, "total": 3.0}


def test_the_processor_s_time_is_not_spent_asleep():
    clock = Stopwatch(time.thread_time)
    with clock.stage("sleeps"):
        time.sleep(0.05)
    assert clock.seconds()["sleeps"] == pytest.approx(0, abs=0.04)

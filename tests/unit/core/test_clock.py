"""Seconds go to the innermost stage."""

import threading
import time

from lgvsc.core.clock import Stopwatch


def test_inner_stages_are_not_charged_to_outer_ones():
    clock = Stopwatch()

    def source():
        for item in range(3):
            time.sleep(0.02)
            yield item

    def work(items):
        for item in items:
            time.sleep(0.01)
            yield item

    assert list(clock.during("outer", work(clock.during("inner", source())))) == [0, 1, 2]
    spent = clock.seconds()
    assert spent["inner"] >= 0.06
    assert 0.03 <= spent["outer"] < spent["inner"], "the outer stage slept 0.03 s itself"
    assert spent["total"] >= spent["inner"] + spent["outer"]


def test_stages_of_two_threads_are_charged_each_by_itself_and_waiting_to_nobody():
    clock = Stopwatch()

    def slow():
        with clock.stage("other"):
            time.sleep(0.05)

    with clock.stage("main"):
        thread = threading.Thread(target=slow)
        thread.start()
        with clock.stage(None):
            thread.join()
    spent = clock.seconds()
    assert spent["other"] >= 0.05 > spent["main"]
    assert None not in spent


def test_the_processor_s_time_is_not_spent_asleep():
    clock = Stopwatch(time.thread_time)
    with clock.stage("sleeps"):
        time.sleep(0.05)
    assert clock.seconds()["sleeps"] < 0.04

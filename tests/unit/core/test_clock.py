"""Seconds go to the innermost stage."""

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

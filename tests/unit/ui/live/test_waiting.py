"""What waits between two threads is bounded, and what is left out is counted."""

import threading

from lgvsc.ui.live.waiting import Waiting


def test_too_much_is_thinned_evenly_and_the_latest_stays():
    waiting = Waiting(4.0, lambda _: 1.0)
    for number in range(5):
        waiting.put(number)
    assert [waiting.take_now() for _ in range(4)] == [0, 2, 4, None]
    assert (waiting.left_out, waiting.put_in) == (2, 5)


def test_never_more_waits_than_allowed_but_one_thing_always_may():
    waiting = Waiting(1.0, lambda seconds: seconds)
    for seconds in (0.4, 0.5, 0.3, 0.2, 9.0):
        waiting.put(seconds)
        assert waiting.waiting_s <= 1.0 or waiting.take_now() == seconds == 9.0
    assert waiting.left_out == 4 and waiting.first() is None


def test_whoever_takes_waits_for_more_until_it_is_closed():
    waiting, taken = Waiting(10.0, lambda _: 1.0), []
    thread = threading.Thread(target=lambda: taken.extend(waiting))
    thread.start()
    waiting.put(1)
    waiting.put(2)
    assert not waiting.over
    waiting.close()
    thread.join(10)
    assert not thread.is_alive() and taken == [1, 2] and waiting.over

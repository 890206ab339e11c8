"""Tasks shared out: order, second tries, workers that cannot begin. The crew is a list: nothing is left to chance."""

from collections import deque

import pytest

from lgvsc.core.sharing import DIED, TRIES, WorkerDied, share_out
from lgvsc.errors import LgvscError


class Crew:
    """Ends what was begun first; a result that is an error is raised."""

    def __init__(self, work, begin=lambda number: None):
        self.work, self.begin = work, begin
        self.hired, self.most, self.log, self.closed = 0, 0, [], False
        self.results = {}

    def hire(self):
        self.hired += 1
        return Worker(self, self.hired), self.pending(self.begin(self.hired))

    def pending(self, result):
        self.results[number := len(self.results)] = result
        return number

    def wait(self, pending):
        self.most = max(self.most, len(pending))
        return min(pending)

    def result(self, ended):
        if isinstance(found := self.results[ended], Exception):
            raise found
        return found

    def close(self):
        self.closed = True


class Worker:
    def __init__(self, crew, number):
        self.crew, self.number = crew, number

    def submit(self, task):
        self.crew.log.append((self.number, task))
        return self.crew.pending(self.crew.work(self.number, task))


def test_tasks_go_out_in_order_and_no_more_workers_come_than_there_are_tasks():
    crew = Crew(lambda number, task: 10 * task)
    assert list(share_out(crew, range(5), 2)) == [(place, 10 * place) for place in range(5)]
    assert [task for _, task in crew.log] == list(range(5)) and crew.hired == 2 and crew.closed
    assert list(share_out(few := Crew(lambda number, task: task), [7], 4)) == [(0, 7)] and few.hired == 1


def test_a_death_costs_its_task_a_second_try_and_nothing_else():
    deaths = deque([WorkerDied("power cut")])

    def work(number, task):
        return deaths.popleft() if task == 1 and deaths else task

    crew = Crew(work)
    assert dict(share_out(crew, range(6), 2)) == {place: place for place in range(6)}
    assert [task for _, task in crew.log].count(1) == 2 and len(crew.log) == 7 and crew.hired == 3
    dead, again = (number for number, task in crew.log if task == 1)
    assert dead != again and all(number != dead for number, _ in crew.log[crew.log.index((again, 1)) :])


def test_a_task_that_kills_is_given_up_and_the_others_are_done():
    crew = Crew(lambda number, task: WorkerDied("out of memory") if task == 2 else task)
    found = dict(share_out(crew, range(4), 2))
    assert found == {0: 0, 1: 1, 2: DIED, 3: 3} and [task for _, task in crew.log].count(2) == TRIES
    assert f"died, {TRIES} times" in found[2].words


def test_a_worker_that_cannot_begin_is_done_without_and_the_last_one_says_why(caplog):
    def lame(number):
        return LgvscError("no weights on this machine") if number == 1 else None

    crew = Crew(lambda number, task: task, lame)
    assert dict(share_out(crew, range(3), 2)) == {0: 0, 1: 1, 2: 2} and crew.hired == 2
    assert "no weights on this machine" in caplog.text
    with pytest.raises(LgvscError, match="no weights"):
        list(share_out(Crew(lambda number, task: task, lambda number: lame(1)), range(3), 2))
    with pytest.raises(LgvscError, match=f"{TRIES} workers died as they began.*killed"):
        list(share_out(Crew(lambda number, task: task, lambda number: WorkerDied("killed")), range(3), 1))


def test_what_the_work_raises_ends_all():
    crew = Crew(lambda number, task: KeyError("a fault of ours") if task == 1 else task)
    with pytest.raises(KeyError):
        list(share_out(crew, range(4), 1))
    assert crew.closed and (1, 2) not in crew.log
    stopped = share_out(crew := Crew(lambda number, task: task), range(4), 1)
    next(stopped)
    stopped.close()  # as Ctrl-C does
    assert crew.closed


def test_workers_that_die_as_they_begin_are_done_without_while_others_work_and_end_all_after_them():
    """The first one lives, and no other ever does: it is not hired for without end, before or after its death."""

    def begin(number):
        assert number < 10, "hired without end"
        return None if number == 1 else WorkerDied("killed")

    crew = Crew(lambda number, task: task, begin)
    assert dict(share_out(crew, range(20), 2)) == {place: place for place in range(20)} and crew.hired == 1 + TRIES
    fatal = Crew(lambda number, task: WorkerDied("power cut") if task == 15 else task, begin)
    with pytest.raises(LgvscError, match=f"{TRIES} workers died as they began.*killed"):
        list(share_out(fatal, range(20), 2))
    assert fatal.closed

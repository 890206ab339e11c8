"""What came of one damaged input, and the guard under which it is read."""

from __future__ import annotations

import contextlib
import os
import pickle
import resource
import signal
import sys
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from enum import Enum
from types import FrameType

from lgvsc.errors import LgvscError

LIMIT_S = 2.0  # of processor time for one malformed input of up to 1 MiB
PATIENT = 10.0  # times as much in a test, whose machine may be slow and busy
HANG_S = 120.0  # after which a case is ended
LIMIT_MIB = 256.0  # over the memory that the libraries take before the first case


class Outcome(Enum):
    """The four ways in which a fault can end; the last one is a bug."""

    REFUSED = "refused clearly"
    REPORTED = "survived, damage reported"
    HARMLESS = "no harm done"
    WRONG = "wrong"


@dataclass(frozen=True, slots=True)
class Verdict:
    """An outcome, and for people what it was."""

    outcome: Outcome
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Case:
    """One fault.

    Attributes:
        name: Unique in its class.
        judge: Does it, looks at what comes of it, and returns a verdict. May raise what lgvsc raises on purpose.
        limit_s: Processor seconds that it may take.
    """

    name: str
    judge: Callable[[], Verdict]
    limit_s: float = LIMIT_S


@dataclass(slots=True)
class Tally:
    """How the cases of one class ended."""

    name: str
    outcomes: Counter[Outcome] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    slowest_s: float = 0.0
    slowest: str = ""
    memory_mib: float = 0.0
    wall_s: float = 0.0

    @property
    def cases(self) -> int:
        return self.outcomes.total()


def clear(error: LgvscError) -> Verdict:
    """A refusal counts only where it says in one line what is wrong."""
    text = str(error)
    if not text or "\n" in text or len(text) > 2000:
        return Verdict(Outcome.WRONG, f"not one clear sentence: {text[:200]!r}")
    return Verdict(Outcome.REFUSED, text)


def judged(case: Case, patience: float = 1.0) -> tuple[Verdict, float]:
    """The verdict on a case and the processor seconds it took. Whatever escapes is wrong, and so is a hang.

    Args:
        patience: How many times its limit it may take.
    """
    started = time.process_time()
    try:
        with ended_after(HANG_S):
            verdict = case.judge()
    except LgvscError as error:
        verdict = clear(error)
    except BaseException as error:  # a panic of a native library is no Exception
        if isinstance(error, KeyboardInterrupt):
            raise
        where = traceback.extract_tb(error.__traceback__)[-1]
        verdict = Verdict(Outcome.WRONG, f"{type(error).__name__}: {error} ({where.filename}:{where.lineno})"[:400])
    took_s = time.process_time() - started
    if took_s > patience * case.limit_s and verdict.outcome is not Outcome.WRONG:
        verdict = Verdict(Outcome.WRONG, f"took {took_s:.1f} s")
    return verdict, took_s


class HangError(Exception):
    """A case did not end by itself."""


@contextlib.contextmanager
def ended_after(seconds: float) -> Iterator[None]:
    """Raise :class:`HangError` in the block when it takes longer."""

    def ring(number: int, frame: FrameType | None) -> None:
        raise HangError(f"no end after {seconds:g} s")

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def tally(name: str, cases: Iterable[Case], patience: float = 1.0) -> Tally:
    """Judge all cases of a class in this process, each with so much patience."""
    counted = Tally(name)
    started, before_mib = time.monotonic(), peak_mib()
    for case in cases:
        verdict, took_s = judged(case, patience)
        counted.outcomes[verdict.outcome] += 1
        if verdict.outcome is Outcome.WRONG:
            counted.wrong.append(f"{case.name}: {verdict.detail}")
        if took_s > counted.slowest_s:
            counted.slowest_s, counted.slowest = took_s, case.name
    counted.memory_mib = peak_mib() - before_mib
    counted.wall_s = time.monotonic() - started
    return counted


def tally_apart(name: str, cases: Callable[[], Iterable[Case]]) -> Tally:
    """The same in a child process, so that its peak memory is its own and a crash of a native library is seen."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        status = 1
        try:
            found = tally(name, cases())
            with os.fdopen(writing, "wb") as pipe:
                pickle.dump(found, pipe)
            status = 0
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            os._exit(status)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        data = pipe.read()
    _, status = os.waitpid(child, 0)
    if status or not data:
        return Tally(name, Counter({Outcome.WRONG: 1}), [f"the process ended with {os.waitstatus_to_exitcode(status)}"])
    found = pickle.loads(data)
    assert isinstance(found, Tally)
    return found


def peak_mib() -> float:
    """The most memory that this process has had."""
    unit = 1024 if sys.platform != "darwin" else 1024**2
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit

"""Work on files that anybody may have made: in a process of its own, with limits, in a folder that is deleted."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Generator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, TextIO

from lgvsc.errors import LgvscError

TICK_S = 1.0
TASK, LOG = "task.json", "log.txt"
JOB = (sys.executable, "-m", "lgvsc.ui.page.job")


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a job may use. Memory, processor time and file size are held by the system where it can (not on Windows).

    Attributes:
        wall_s: Seconds from start to end.
        processor_s: Seconds of all cores together.
        memory_bytes: Address space.
        file_bytes: The largest file that it may write.
    """

    wall_s: float = 600.0
    processor_s: int = 300
    memory_bytes: int = 8 << 30
    file_bytes: int = 1 << 30

    def hold(self) -> None:
        """Hold this process to them."""
        try:
            import resource
        except ImportError:  # Windows has no such limits; the time on the wall is held from outside
            return
        for kind, most in (
            (resource.RLIMIT_CPU, self.processor_s),
            (resource.RLIMIT_AS, self.memory_bytes),
            (resource.RLIMIT_FSIZE, self.file_bytes),
            (resource.RLIMIT_CORE, 0),
        ):
            _, hard = resource.getrlimit(kind)
            most = most if hard == resource.RLIM_INFINITY else min(most, hard)
            # At the soft limit of processor time the process is told which limit it was, at the hard one it is killed.
            more = 5 if kind == resource.RLIMIT_CPU and hard == resource.RLIM_INFINITY else 0
            resource.setrlimit(kind, (most, most + more))


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """What is to be done with the files of a folder.

    Attributes:
        kind: ``send``: the whole link, and then the codec at as many symbols; ``receive``: the receiver alone;
            ``live``: both ends, while pictures come.
        source: Name of the clip, stem of the recording, or ``camera:`` and its number; empty for the built-in sample.
        scheme: Scheme id.
        settings: As :func:`lgvsc.config.load_config` takes them; live those of ``ui.live.engine.LiveSettings``.
        seconds: Of the clip; live how long it runs.
        rival: Scheme that sends the same clip in as many symbols; empty for none.
    """

    kind: str
    source: str = ""
    scheme: str = "layered-dsa"
    settings: dict[str, Any] = field(default_factory=dict)
    seconds: float = 3.0
    rival: str = ""
    limits: Limits = Limits()


@dataclass(frozen=True, slots=True, kw_only=True)
class News:
    """What a job tells.

    Attributes:
        say: What it does now, in words.
        done, total: Of the frames, where they are counted.
        made: Name of the page that is there now.
        error: One sentence: why it ended.
        over: All is done.
        seconds: Since it began.
    """

    say: str = ""
    done: int = 0
    total: int = 0
    made: str = ""
    error: str = ""
    over: bool = False
    seconds: float = 0.0


def run_job(task: Task, folder: Path, command: Sequence[str] = JOB) -> Generator[News, None, None]:
    """Do a task in a process of its own; news come as they happen, and every second.

    The process and all that it started are gone when this ends, however it ends.

    Args:
        folder: Where its files are and will be.
        command: What does it, given the folder.
    """
    started = time.monotonic()
    (folder / TASK).write_text(json.dumps(asdict(task)), encoding="utf-8")
    with (folder / LOG).open("wb") as log:
        process = subprocess.Popen(
            [*command, str(folder)],
            cwd=folder,
            stdin=subprocess.PIPE,  # which closes when this process ends, however it does; see job.end_with_the_page
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            encoding="utf-8",
            start_new_session=True,
        )
    lines: queue.Queue[str | None] = queue.Queue()
    assert process.stdout is not None
    threading.Thread(target=_read, args=(process.stdout, lines), daemon=True).start()
    last = News()
    try:
        while True:
            seconds = time.monotonic() - started
            if seconds > task.limits.wall_s:
                yield News(error=f"it took longer than {task.limits.wall_s:.0f} s and was stopped; take a shorter clip")
                return
            try:
                line = lines.get(timeout=TICK_S)
            except queue.Empty:
                yield News(say=last.say, done=last.done, total=last.total, seconds=seconds)
                continue
            if line is None:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(timeout=30)  # that it takes to end on a busy machine
                yield News(error=why_ended(process.returncode or 0, task.limits))
                return
            last = News(**json.loads(line) | {"seconds": time.monotonic() - started})
            if last.over:
                return
            yield last
            if last.error:
                return
    finally:
        _end(process)


def why_ended(status: int, limits: Limits) -> str:
    """What a status says about a process that could not say it itself."""
    if status == -getattr(signal, "SIGXCPU", 0):
        return f"it took more than {limits.processor_s} s of processor time and was stopped; take a shorter clip"
    if status in (-9, 137):
        return "the system stopped it, as it does where memory runs out; take a shorter or smaller clip"
    return f"the work on this file ended unexpectedly (status {status}); the file may be damaged on purpose"


class JobError(LgvscError):
    """A job ended without what was asked of it."""


def take_in(upload: Path, folder: Path, name: str, *, max_bytes: int) -> None:
    """Put an uploaded file into a job's folder, under a name of ours.

    Raises:
        JobError: It is too large, or empty.
    """
    size = upload.stat().st_size
    if size > max_bytes:
        raise JobError(f"the file has {size / 1e6:.0f} MB; at most {max_bytes / 1e6:.0f} MB are taken")
    if size == 0:
        raise JobError("the file is empty")
    shutil.copyfile(upload, folder / name)


def _read(stream: TextIO, lines: queue.Queue[str | None]) -> None:
    with stream:
        for line in stream:
            lines.put(line)
    lines.put(None)


def _end(process: subprocess.Popen[str]) -> None:
    """End a process and all that it started."""
    if hasattr(os, "killpg"):
        with contextlib.suppress(ProcessLookupError):  # it has ended, and nothing of its group is left
            os.killpg(process.pid, signal.SIGKILL)
    else:
        process.kill()
    process.wait()
    if process.stdin is not None:
        process.stdin.close()

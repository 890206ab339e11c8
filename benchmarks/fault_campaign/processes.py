"""``kill -9`` at random moments: what has its final name is whole, the rest is called ``.part``, the next run works."""

from __future__ import annotations

import json
import os
import random
import re
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

from fault_campaign.commands import clip, command, folder, transmission
from fault_campaign.verdicts import Case, Outcome, Verdict

PART = re.compile(r"\..+\.\d+\.part")
LIMIT_S = 60.0  # processor time of the parent, which only waits
FRAMES = 12  # of the clip


def commands_in(place: Path) -> dict[str, list[object]]:
    """The commands that are killed, each writing into a folder."""
    return {
        "run": [
            "run",
            clip(),
            "-o",
            place / "out.mp4",
            "--report",
            place / "r.json",
            "--html",
            place / "r.html",
            "--quiet",
        ],
        "send": ["send", clip(), "-o", place / "tx", "--quiet"],
        "channel": ["channel", transmission(), "-o", place / "rx"],
        "receive": ["receive", transmission(), "-o", place / "out.mp4", "--quiet"],
    }


MOMENTS = {"run": 40, "send": 30, "receive": 25, "channel": 5}


def killed(moments: int = 100) -> Iterator[Case]:
    """So many kills in all, at moments drawn evenly from the time that the command takes."""
    rng = random.Random(0)
    for verb, share in MOMENTS.items():
        with folder() as place:
            start_child(commands_in(place)[verb])()  # once, so that the next one is timed with everything loaded
            took_s = start_child([*commands_in(place)[verb], "--force"])()
        for number in range(max(1, share * moments // 100)):
            after_s = rng.uniform(0, 1.05 * took_s)
            yield Case(
                f"{verb} after {after_s:.3f} s of {took_s:.3f}, {number}",
                lambda verb=verb, after_s=after_s: kill_verdict(verb, after_s),
                LIMIT_S,
            )


def kill_verdict(verb: str, after_s: float) -> Verdict:
    with folder() as place:
        arguments = commands_in(place)[verb]
        start_child(arguments, kill_after_s=after_s)()
        there = sorted(file.name for file in place.iterdir())
        problem = broken(place)
        if problem:
            return Verdict(Outcome.WRONG, problem)
        before = {file.name: file.read_bytes() for file in place.iterdir() if not PART.fullmatch(file.name)}
        status = start_child([*arguments, "--force"] if before else arguments, status=True)()
        problem = broken(place)
        if status != 0 or problem or not any(not PART.fullmatch(file.name) for file in place.iterdir()):
            return Verdict(Outcome.WRONG, f"the next run ended with {status}, {problem}; there was {there}")
        parts = any(PART.fullmatch(name) for name in there)
        return Verdict(Outcome.REPORTED if parts else Outcome.HARMLESS, ", ".join(there))


def start_child(
    arguments: list[object], kill_after_s: float | None = None, status: bool = False
) -> Callable[[], float]:
    """Run a command in a copy of this warm process; the result waits, and gives seconds, or the exit status."""
    started = time.monotonic()
    child = os.fork()
    if child == 0:
        code = 70
        try:
            code = command(*arguments).status
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(code)
    if kill_after_s is not None:
        time.sleep(kill_after_s)
        os.kill(child, signal.SIGKILL)

    def wait() -> float:
        _, ended = os.waitpid(child, 0)
        return os.waitstatus_to_exitcode(ended) if status else time.monotonic() - started

    return wait


def broken(place: Path) -> str:
    """What lies in the folder under a final name and is not whole, or is called neither final nor part."""
    from lgvsc.channel.sigmf import SigmfReader
    from lgvsc.core.container import read_segments
    from lgvsc.core.video import read_video

    for file in place.iterdir():
        if PART.fullmatch(file.name):
            continue
        if file.suffix == ".mp4" and len(read_video(file)) != FRAMES:
            return f"{file.name} is not whole"
        if file.suffix == ".json":
            json.loads(file.read_text())
        if file.suffix == ".html" and not file.read_text().rstrip().endswith("</html>"):
            return f"{file.name} is not whole"
        if file.suffix == ".lgvsc":
            damage: list[tuple[int, int]] = []
            segments = list(read_segments(file, lambda start, stop, damage=damage: damage.append((start, stop))))
            if damage or not segments or not segments[-1].last:
                return f"{file.name} is not whole"
        if file.suffix == ".sigmf-meta" and SigmfReader(file).symbols != SigmfReader(transmission()).symbols:
            return f"{file.name} is not whole"
        known = (
            ".mp4",
            ".json",
            ".html",
            ".lgvsc",
            ".sigmf-meta",
            ".sigmf-data",
        )  # data without metadata are no recording
        if file.suffix not in known:
            return f"{file.name} is left behind"
    return ""


CLASSES: dict[str, tuple[Callable[..., Iterator[Case]], dict[str, int]]] = {
    "kill -9 at random moments": (killed, {"moments": 100}),
}

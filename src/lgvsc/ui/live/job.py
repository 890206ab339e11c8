"""What the live tab's process does: it runs the link, and lays down pictures and numbers for the page to show."""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import cv2

from lgvsc.core.files import atomic_write
from lgvsc.core.video import Pixels
from lgvsc.errors import MissingResourceError
from lgvsc.ui.live.engine import LiveLink, LiveSettings, ShownFrame
from lgvsc.ui.live.knobs import Knobs, Panel
from lgvsc.ui.live.sources import CameraSource, FileSource, Source
from lgvsc.ui.page.work import Task

KNOBS, NUMBERS, SOURCE, RECEIVED = "knobs.json", "numbers.json", "source.jpg", "received.jpg"
CAMERA = "camera:"  # and its number, as a task's source
SPACING_S = 1 / 8  # between pictures that the page is shown
MAX_SIDE = 256
JPEG_QUALITY = 85


def live(task: Task, folder: Path, tell: Callable[..., None], sample: Callable[[], Path]) -> None:
    """Run a live link for ``task.seconds``, or until its process is ended.

    Args:
        task: Its ``settings`` are those of :class:`LiveSettings`.
        folder: Where the knobs lie, and where pictures and numbers go.
        tell: Takes news.
        sample: Makes the sample clip.
    """
    tell(say="looking for pictures")
    source = open_source(task, folder, sample)
    tell(say="loading models")
    knobs = Turned(folder / KNOBS)
    link = LiveLink(source, LiveSettings(scheme=task.scheme, **task.settings), knobs.panel)
    with link:
        tell(say="the first second is on its way")
        show(link, knobs, folder, tell, time.monotonic() + task.seconds)


def open_source(task: Task, folder: Path, sample: Callable[[], Path]) -> Source:
    """The camera, the clip or the sample."""
    if task.source.startswith(CAMERA):
        number = int(task.source.removeprefix(CAMERA))
        if os.name == "posix" and Path("/sys").is_dir() and not Path(f"/dev/video{number}").exists():
            raise MissingResourceError(
                f"camera {number} of this computer is not there; connect one, or take the sample or a clip of yours"
            )
        return CameraSource(number, max_side=MAX_SIDE)
    return FileSource(folder / task.source if task.source else sample(), max_side=MAX_SIDE)


class Turned:
    """The knobs as a file says, looked at again when it has changed."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stamp = path.stat().st_mtime_ns
        self.panel = Panel(Knobs.read(path))

    def look(self) -> None:
        """Take over what was turned."""
        stamp = self._path.stat().st_mtime_ns
        if stamp != self._stamp:
            self._stamp, self.panel.now = stamp, Knobs.read(self._path)


def show(link: LiveLink, knobs: Turned, folder: Path, tell: Callable[..., None], until_s: float) -> None:
    """Lay down what is shown, some times a second."""
    shown: ShownFrame | None = None
    shown_s, told_s = math.nan, 0.0
    for made in link.play():
        now_s = time.monotonic()
        if made is not None:
            shown, shown_s = made, now_s
        if now_s > until_s:
            link.stop()
        if now_s - told_s < SPACING_S:
            continue
        told_s = now_s
        knobs.look()
        if link.latest is not None:
            lay_down(link.latest, folder / SOURCE)
        if shown is not None:
            lay_down(shown.pixels, folder / RECEIVED)
        numbers = asdict(link.numbers()) | asdict(knobs.panel.now) | {"left_out": link.numbers().left_out}
        with atomic_write(folder / NUMBERS) as file:
            file.write(json.dumps(numbers | said_of(shown, shown_s, now_s)).encode())
        tell(say="live", made=NUMBERS)


def said_of(shown: ShownFrame | None, shown_s: float, now_s: float) -> dict[str, Any]:
    """What is said of the frame that is shown: for how long it has stood, and how old it was when it came."""
    if shown is None:
        return {"origin": "", "caption": "", "delay_s": None, "stands_s": None}
    delay_s = shown_s - shown.taken_s
    return {
        "origin": shown.origin,
        "caption": shown.caption,
        "delay_s": None if math.isnan(delay_s) else delay_s,
        "stands_s": now_s - shown_s,
    }


def lay_down(pixels: Pixels, path: Path) -> None:
    """A picture as a JPEG file, which is there whole or not at all."""
    _, data = cv2.imencode(".jpg", cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    with atomic_write(path) as file:
        file.write(data.tobytes())

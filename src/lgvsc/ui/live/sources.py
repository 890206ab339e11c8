"""Where live pictures come from: a camera of this computer, or a file that is played over and over."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any, Protocol

import cv2
import numpy as np

from lgvsc.core.video import Pixels, VideoFormat, VideoReader
from lgvsc.errors import MissingResourceError

MOST_FPS = 12  # pictures a second that are sent
LATE_S = 1.0  # by which a file may be read too late before its clock is set back
HELD_S = 1.0  # that a camera's picture stands in for those that did not come
SILENT_READS = 40  # in a row, after which a camera is given up


class Source(Protocol):
    """Pictures in their own time.

    Attributes:
        format: Their size and rate; the length is unknown.
        late_s: By how much they came too late in all: a file that cannot be read as fast as it plays.
    """

    format: VideoFormat
    late_s: float

    def pictures(self, stopped: threading.Event) -> Iterator[Pixels]:
        """Each when it is due, at the rate of ``format``, until told to stop."""


class FileSource:
    """A video file, at most twelve pictures a second of it, from the beginning again when it ends.

    Raises:
        InputError: The file is no video.
    """

    def __init__(self, path: Path, *, max_side: int) -> None:
        self._path, self._max_side = path, max_side
        with VideoReader(path, max_side=max_side) as reader:
            shown = reader.format
        self._every = -(-shown.fps // MOST_FPS)
        self.format = VideoFormat(shown.height, shown.width, shown.fps / self._every, None)
        self.late_s = 0.0

    def pictures(self, stopped: threading.Event) -> Iterator[Pixels]:
        due_s, spacing_s = time.monotonic(), float(1 / self.format.fps)
        while not stopped.is_set():
            with VideoReader(self._path, max_side=self._max_side) as reader:
                for frame in reader:
                    if frame.index % self._every:
                        continue
                    if stopped.wait(max(0.0, due_s - time.monotonic())):
                        return
                    late_s = time.monotonic() - due_s
                    if late_s > LATE_S:
                        self.late_s += late_s
                        due_s += late_s
                    yield frame.pixels
                    due_s += spacing_s


class CameraSource:
    """A camera of this computer, twelve pictures a second; where it gives fewer, each stands until the next comes.

    Args:
        number: 0 for the first camera.
        device: What OpenCV opens; the camera of that number, where it is ``None``.

    Raises:
        MissingResourceError: There is no such camera, or somebody else uses it.
    """

    def __init__(self, number: int = 0, *, max_side: int, device: Any = None) -> None:
        self._name = f"camera {number}"
        self._camera = cv2.VideoCapture(number if device is None else device)
        self._camera.set(cv2.CAP_PROP_BUFFERSIZE, 1)
        read, picture = self._camera.read()
        if not read:
            self._camera.release()
            raise MissingResourceError(
                f"{self._name} of this computer gives no picture: there is none, or another program uses it; take the "
                "sample or a clip of yours"
            )
        height, width = picture.shape[:2]
        scale = min(1.0, max_side / max(height, width))
        self._size = (max(2, 2 * round(width * scale / 2)), max(2, 2 * round(height * scale / 2)))
        self.format = VideoFormat(self._size[1], self._size[0], Fraction(MOST_FPS), None)
        self.late_s = 0.0

    def pictures(self, stopped: threading.Event) -> Iterator[Pixels]:
        started, given, silent = time.monotonic(), 0, 0
        try:
            while not stopped.is_set():
                read, picture = self._camera.read()
                silent = 0 if read else silent + 1
                if silent > SILENT_READS:
                    raise MissingResourceError(f"{self._name} gives no pictures any more")
                if not read:
                    stopped.wait(1 / MOST_FPS)
                    continue
                due = int((time.monotonic() - started) * MOST_FPS) + 1
                given = max(given, due - round(HELD_S * MOST_FPS))
                if given < due:
                    small = cv2.resize(picture, self._size, interpolation=cv2.INTER_AREA)
                    pixels = np.asarray(cv2.cvtColor(small, cv2.COLOR_BGR2RGB), np.uint8)
                while given < due:
                    given += 1
                    yield pixels
        finally:
            self._camera.release()

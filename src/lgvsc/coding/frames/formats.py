"""The formats in which a group of pictures can be coded, and the pictures that it has in each of them."""

from __future__ import annotations

from typing import NamedTuple

import av

from lgvsc.coding.frames.standard_codec import coded_size, scaled, to_yuv
from lgvsc.core.video import Pixels

EIGHTHS = (8, 6, 5, 4, 3, 2, 1)  # of the source's height and width
STEPS = (1, 2, 3, 4, 6, 8, 24, 1023)  # one frame in so many is coded; the last is one for a group of any length
JUDGED_EVERY = 7  # frames; shares no factor with the steps but one


class Format(NamedTuple):
    """How much of the source is coded: ``eighths`` of its height and width, and one frame in ``step``."""

    eighths: int
    step: int


class Gop:
    """A group of pictures at the transmitter: all of them in 4:2:0, and every seventh in RGB to judge by."""

    def __init__(self, start: int, height: int, width: int) -> None:
        self.start, self.height, self.width = start, height, width
        self.judged: dict[int, Pixels] = {}
        self._yuv: list[av.VideoFrame] = []
        self._scaled: dict[int, list[av.VideoFrame]] = {}

    def add(self, pixels: Pixels) -> None:
        """Append a frame."""
        if len(self) % JUDGED_EVERY == 0:
            self.judged[len(self)] = pixels
        self._yuv.append(to_yuv(pixels))

    def __len__(self) -> int:
        return len(self._yuv)

    def size(self, format: Format) -> tuple[int, int]:
        """Height and width at which pictures are coded."""
        return coded_size(self.height, self.width, format.eighths)

    def pictures(self, format: Format) -> list[av.VideoFrame]:
        """What is coded: of each ``step`` frames the one in the middle, which stands for all of them."""
        if format.eighths not in self._scaled:
            self._scaled[format.eighths] = scaled(self._yuv, self.size(format))
        return self._scaled[format.eighths][middle_of_step(format.step, len(self)) :: format.step]


def middle_of_step(step: int, length: int) -> int:
    """The frame that stands for the first ``step`` frames of a group of ``length``."""
    return min(step, length) // 2


def picture_at(frame: int, step: int, pictures: int) -> int:
    """Which of the coded pictures stands for a frame of the group."""
    return min(frame // step, pictures - 1)


def picture_count(length: int, step: int) -> int:
    """How many pictures are coded for a group of so many frames."""
    return len(range(middle_of_step(step, length), length, step))


def sharper(format: Format) -> Format | None:
    """Larger pictures, fewer of them; ``None`` where there is no such format."""
    larger, fewer = beside(format, False, -1), beside(format, True, 1)
    return None if larger is None or fewer is None else Format(larger.eighths, fewer.step)


def likely_format(gop: Gop, max_bytes: int) -> Format:
    """Where to begin, from the bits there are for each pixel of the source."""
    bits_per_pixel = 8 * max_bytes / (gop.height * gop.width * len(gop))
    for limit, format in LIKELY:
        if bits_per_pixel < limit:
            return format
    return Format(8, 1)


# Bits per pixel of the source below which a format is likely; from trying all of them on training clips with AV1.
LIKELY = (
    (0.00015, Format(2, 1023)),
    (0.0004, Format(3, 24)),
    (0.0012, Format(4, 6)),
    (0.003, Format(5, 4)),
    (0.006, Format(6, 3)),
    (0.015, Format(8, 2)),
)


def beside(format: Format, along_steps: bool, direction: int) -> Format | None:
    """The next format with fewer pixels (1) or with more (-1), in one of the two respects."""
    values: tuple[int, ...] = STEPS if along_steps else EIGHTHS
    at = values.index(format.step if along_steps else format.eighths) + direction
    if not 0 <= at < len(values):
        return None
    return format._replace(step=values[at]) if along_steps else format._replace(eighths=values[at])

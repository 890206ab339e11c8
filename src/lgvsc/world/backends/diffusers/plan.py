"""How a segment of any length becomes clips of the lengths and sizes that diffusers' video pipelines allow.

Arithmetic only. A pipeline makes ``step * k + 1`` frames and shortens anything else, some of them without a word; so
the next length above is made and what was asked for is taken out of it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from lgvsc.core.video import VideoFormat


@dataclass(frozen=True, slots=True, kw_only=True)
class PipelineRound:
    """One call of a pipeline.

    Attributes:
        start: Place of its first frame in the segment.
        context: How many of its first frames were made in the round before and are given again.
        stop: End of the places that it stands for, the keyframe behind the segment counted as one.
        made: Frames that the pipeline makes, at least ``stop - start``.
    """

    start: int
    context: int
    stop: int
    made: int

    @property
    def places(self) -> int:
        return self.stop - self.start


def rounds(frames: int, step: int, overlap: int, max_frames: int) -> list[PipelineRound]:
    """The calls that make a segment of ``frames`` frames and the keyframe behind it, which is theirs to end on.

    The plan depends on the length alone: where there is no such keyframe, or where it is the video's last frame, the
    place behind the segment is made all the same and cut off.

    Args:
        step: The pipeline makes ``step * k + 1`` frames.
        overlap: Frames of the round before that a round begins with.
        max_frames: The longest clip; rounds are as equal as can be.
    """
    longest = whole_length(max_frames, step)
    longest -= 0 if longest <= max_frames else step
    places = frames + 1
    count = max(1, math.ceil((places - overlap) / (longest - overlap)))
    each, longer = divmod(places + overlap * (count - 1), count)
    plan: list[PipelineRound] = []
    start = 0
    for index in range(count):
        stop = start + each + (index < longer)
        made = whole_length(stop - start, step)
        plan.append(PipelineRound(start=start, context=overlap if index else 0, stop=stop, made=made))
        start = stop - overlap
    return plan


def whole_length(frames: int, step: int) -> int:
    """The smallest ``step * k + 1`` that is not below ``frames``."""
    return step * math.ceil((frames - 1) / step) + 1


def latent_length(made: int, step: int) -> int:
    """T of the latent of a clip of ``step * k + 1`` frames."""
    return (made - 1) // step + 1


def stretched(places: int, made: int) -> list[int]:
    """Which of ``made`` frames stand in ``places`` places, the first in the first and the last in the last."""
    return [round(i * (made - 1) / max(1, places - 1)) for i in range(places)]


def internal_size(video: VideoFormat, area: int, multiple: int) -> tuple[int, int]:
    """Height and width in which a video is made: its own shape, about ``area`` pixels, sides of whole ``multiple``."""
    height = math.sqrt(area * video.height / video.width)
    sides = (height, height * video.width / video.height)
    rows, columns = (max(multiple, multiple * round(side / multiple)) for side in sides)
    return rows, columns

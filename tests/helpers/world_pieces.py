"""Small segments, and a world model that writes down what it was asked for."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

import numpy as np

from lgvsc.core.interfaces import Conditions, Rebuilt
from lgvsc.core.message import Segment
from lgvsc.core.video import Pixels, VideoFormat

FPS = Fraction(24)


def picture(level: int, height: int = 6, width: int = 8) -> Pixels:
    """A picture of one grey level."""
    return np.full((height, width, 3), level % 256, np.uint8)


def segment(start: int, stop: int, *, frames: int | None = 60, **parts: object) -> Segment:
    """A segment of a 6x8 video of 60 frames. Its keyframe has its start as grey level unless told otherwise."""
    given = {"caption": f"from {start}", "keyframe": picture(start)} | parts
    return Segment(video=VideoFormat(6, 8, FPS, frames), start=start, stop=stop, **given)


class Notebook:
    """A world model whose frames are all of level 200; keeps the conditions it was given."""

    name = "notebook"

    def __init__(self) -> None:
        self.asked: list[Conditions] = []

    def latent_frames(self, frames: int) -> int:
        return -(-frames // 4)

    def generate(self, conditions: Conditions) -> Iterator[Pixels]:
        self.asked.append(conditions)
        for _ in range(conditions.start, conditions.stop):
            yield picture(200, conditions.video.height, conditions.video.width)


def joined(pieces: list[Rebuilt]) -> tuple[np.ndarray, list[str]]:
    """All frames and their provenance; the pieces must follow each other without a hole."""
    position = 0
    for piece in pieces:
        assert piece.video.start == position
        assert len(piece.provenance) == len(piece.video)
        position += len(piece.video)
    frames = np.concatenate([piece.video.frames for piece in pieces])
    return frames, [origin for piece in pieces for origin in piece.provenance]


def runs(provenance: list[str]) -> list[tuple[str, int]]:
    """Provenance as (origin, how many in a row)."""
    found: list[tuple[str, int]] = []
    for origin in provenance:
        if found and found[-1][0] == origin:
            found[-1] = (origin, found[-1][1] + 1)
        else:
            found.append((origin, 1))
    return found

"""Video in memory: a size, a frame, a run of frames."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from lgvsc.core.picture_chain import Pixels
from lgvsc.errors import ShapeError

MAX_PIECE_BYTES = 64 << 20  # of pictures that leave a decoder together


@dataclass(frozen=True, slots=True)
class VideoFormat:
    """Size, rate and length of a video.

    ``frames`` is ``None`` where the length is not known yet, as on a live source.
    """

    height: int
    width: int
    fps: Fraction
    frames: int | None = None

    @property
    def duration_s(self) -> float | None:
        return None if self.frames is None else float(self.frames / self.fps)


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class Frame:
    """One picture of a video and where it stands. Compared by identity, so caches may be keyed by it."""

    index: int
    pixels: Pixels


@dataclass(frozen=True, slots=True, eq=False)
class Video:
    """A run of frames: a whole clip, or a piece of one.

    Attributes:
        frames: uint8 RGB, ``(F, H, W, 3)``.
        fps: Frames per second.
        start: Index of ``frames[0]`` in the video that this is a piece of.
    """

    frames: NDArray[np.uint8]
    fps: Fraction
    start: int = 0

    def __post_init__(self) -> None:
        if self.frames.ndim != 4 or self.frames.shape[3] != 3 or self.frames.dtype != np.uint8:
            raise ShapeError(f"a video is uint8 (F, H, W, 3), got {self.frames.dtype} {self.frames.shape}")

    def __len__(self) -> int:
        return len(self.frames)

    @property
    def format(self) -> VideoFormat:
        return VideoFormat(self.frames.shape[1], self.frames.shape[2], self.fps, len(self.frames))

    def __iter__(self) -> Iterator[Frame]:
        for offset, pixels in enumerate(self.frames):
            yield Frame(self.start + offset, pixels)


def frames_of_piece(format: VideoFormat, longest: int) -> int:
    """How many frames a decoder hands on together: so many, or as many as memory should hold of this size."""
    return max(1, min(longest, MAX_PIECE_BYTES // (3 * format.height * format.width)))


def with_frames(format: VideoFormat, frames: int | None) -> VideoFormat:
    """The same format with another length."""
    return replace(format, frames=frames)

"""A video player that loses pictures: it decodes up to the damage and freezes the last good picture after it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from lgvsc.core.interfaces import Provenance, Rebuilt
from lgvsc.core.message import Segment
from lgvsc.core.video import Pixels, Video, VideoFormat, frames_of_piece

GREY = 128  # of a video of which nothing has been seen yet
CHUNK_FRAMES = 32


@dataclass(frozen=True, slots=True, eq=False)
class Decoded:
    """A group of pictures as it was received.

    Attributes:
        segment: Which frames it covers.
        frames: The frames for which there is a picture, as ``(index in the video, picture)``, rising. Consumed once.
    """

    segment: Segment
    frames: Iterator[tuple[int, Pixels]]


class Player:
    """Puts groups of pictures in a row, without holes from frame 0 on.

    A frame whose picture was decoded is *received*, also where the transmitter chose to send one picture for several
    frames. A frame for which the last good picture stands in is *concealed*. Before the first picture the screen is
    grey, and frames are *missing*.
    """

    def __init__(self) -> None:
        self._shown: Pixels | None = None
        self._next = 0

    def play(self, groups: Iterable[Decoded]) -> Iterator[Rebuilt]:
        """Pieces of at most 32 frames, fewer of large ones, up to the length that the last group announced."""
        segment: Segment | None = None
        for group in groups:
            segment = group.segment
            yield from self._pieces(self._until(segment.start), segment.video)
            yield from self._pieces(self._group(group), segment.video)
        if segment is not None and not segment.last and segment.video.frames:
            yield from self._pieces(self._until(segment.video.frames), segment.video)

    def _group(self, group: Decoded) -> Iterator[Provenance]:
        for index, picture in group.frames:
            yield from self._until(index)
            if index == self._next:  # where groups overlap, frames that have been shown are over
                self._shown = picture
                self._next += 1
                yield "received"
        yield from self._until(group.segment.stop)

    def _until(self, stop: int) -> Iterator[Provenance]:
        """Go on showing what is on the screen."""
        while self._next < stop:
            self._next += 1
            yield "missing" if self._shown is None else "concealed"

    def _pieces(self, shown: Iterator[Provenance], video: VideoFormat) -> Iterator[Rebuilt]:
        grey = np.full((video.height, video.width, 3), GREY, np.uint8)
        start, pictures, provenance = self._next, list[Pixels](), list[Provenance]()
        chunk_frames = frames_of_piece(video, CHUNK_FRAMES)
        for origin in shown:
            pictures.append(grey if self._shown is None else self._shown)
            provenance.append(origin)
            if len(pictures) == chunk_frames:
                yield Rebuilt(Video(np.stack(pictures), video.fps, start), tuple(provenance))
                start, pictures, provenance = self._next, [], []
        if pictures:
            yield Rebuilt(Video(np.stack(pictures), video.fps, start), tuple(provenance))

"""SKEM's segments gathered into groups that share a structure layer: bounded in length, begun anew at hard cuts."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import cv2
import numpy as np

from lgvsc.coding.budget import Objective
from lgvsc.coding.frames.formats import Gop
from lgvsc.core.message import Segment
from lgvsc.core.video import Frame, Pixels
from lgvsc.schemes.layered_worth import JUDGES, GroupJudge
from lgvsc.world.spans import carried_on

LEAST_FRAMES = 12  # of a group that a hard cut ends; below that, beginning anew costs more than it brings
STANDS_OUT = 2.5  # a cut's change over the usual one before it; a whip pan's is below 2, and codecs go on through it
WINDOW = 8  # frames before a cut that say what is usual


@dataclass(frozen=True, eq=False)
class FrameGroup:
    """Some frames in a row and what SKEM says of them.

    Attributes:
        frames: uint8 RGB, each ``(H, W, 3)``.
        segments: Parts of SKEM's segments; together they cover the frames.
    """

    frames: list[Pixels]
    segments: list[Segment]
    _judges: dict[Objective, GroupJudge] = field(default_factory=dict, repr=False)

    @property
    def start(self) -> int:
        """Index of the first frame in the video."""
        return self.segments[0].start

    @property
    def pictured(self) -> bool:
        """Whether keyframes are to be sent at all."""
        return self.segments[0].keyframe is not None

    def __len__(self) -> int:
        return len(self.frames)

    @cached_property
    def pictures(self) -> Gop:
        """The frames as a codec takes them."""
        gop = Gop(self.start, *self.frames[0].shape[:2])
        for frame in self.frames:
            gop.add(frame)
        return gop

    def again(self) -> FrameGroup:
        """The same with pictures of its own: an encoder writes times into them, so each thread needs some."""
        return FrameGroup(self.frames, self.segments, self._judges)

    def judge(self, objective: Objective) -> GroupJudge:
        """What candidates are compared by."""
        if objective not in self._judges:
            self._judges[objective] = JUDGES[objective](self.frames)
        return self._judges[objective]

    def whole(self) -> Segment:
        """One segment for all of them, without any part yet."""
        ends = self.segments[-1]
        return Segment(video=ends.video, start=self.start, stop=ends.stop, last=ends.last)


class Kept:
    """Frames on their way to the semantic encoder, kept until their group is taken."""

    def __init__(self, frames: Iterable[Frame]) -> None:
        self._frames, self._kept, self._start = iter(frames), deque[Pixels](), 0

    def __iter__(self) -> Iterator[Frame]:
        for frame in self._frames:
            self._kept.append(frame.pixels)
            yield frame

    def __getitem__(self, index: int) -> Pixels:
        return self._kept[index - self._start]

    def take(self, stop: int) -> list[Pixels]:
        """All frames before ``stop`` that were not taken yet."""
        taken = [self._kept.popleft() for _ in range(stop - self._start)]
        self._start = stop
        return taken


def groups_of(segments: Iterable[Segment], kept: Kept, longest: int, least: int = LEAST_FRAMES) -> Iterator[FrameGroup]:
    """Groups in order, each as soon as its last frame is known to be in it.

    Args:
        segments: SKEM's, in order, made of the frames that ``kept`` has passed on.
        kept: Those frames.
        longest: Frames of a group.
        least: Frames of a group that a hard cut ends.
    """
    parts: list[Segment] = []
    new_shot = False
    for segment in segments:
        cut = segment.cut
        whole = [segment] if cut is None or cut == segment.stop else divided(segment, cut, kept[cut])
        for rest in whole:
            long_enough = parts and rest.start - parts[0].start >= least
            if long_enough and (new_shot or rest.start == cut) and stands_out(kept, rest.start):
                yield FrameGroup(kept.take(rest.start), parts)
                parts = []
            new_shot = False
            while True:
                end = (parts[0].start if parts else rest.start) + longest
                if rest.stop <= end:
                    break
                if rest.start < end:
                    part, rest = divided(rest, end, kept[end])
                    parts.append(part)
                yield FrameGroup(kept.take(end), parts)
                parts = []
            parts.append(rest)
        new_shot = cut == segment.stop
    if parts:
        yield FrameGroup(kept.take(parts[-1].stop), parts)


def stands_out(kept: Kept, cut: int) -> bool:
    """Whether the picture changes at a cut by much more than it did from frame to frame before; a camera's does not."""
    small = [
        cv2.resize(kept[at], (64, 64), interpolation=cv2.INTER_AREA).astype(np.int16)
        for at in range(cut - WINDOW, cut + 1)
    ]
    changes = [float(np.abs(after - before).mean()) for before, after in itertools.pairwise(small)]
    return changes[-1] > STANDS_OUT * float(np.median(changes[:-1]))


def thinned(segments: Sequence[Segment], most: int) -> list[Segment]:
    """At most so many segments: where the meaning changes least, none begins."""
    kept = sorted(range(1, len(segments)), key=lambda n: -(segments[n].divergence or 0.0))[: max(0, most - 1)]
    made: list[Segment] = []
    for number, segment in enumerate(segments):
        made.append(segment) if number in (0, *kept) else made.append(joined(made.pop(), segment))
    return made


def begun_at(segments: Sequence[Segment], starts: Sequence[int], frames: Sequence[Pixels]) -> list[Segment]:
    """The same stretch in segments that begin elsewhere, each with the words of its longest part.

    Args:
        segments: In a row.
        starts: First frames, counted from the first segment's, which is one of them.
        frames: What they show.
    """
    first = segments[0].start
    parts = list(segments)
    for start in starts:
        at = next(n for n, part in enumerate(parts) if part.start <= first + start < part.stop)
        if parts[at].start < first + start:
            parts[at : at + 1] = divided(parts[at], first + start, frames[start])
    made: list[Segment] = []
    for part in parts:
        made.append(part) if part.start - first in starts else made.append(joined(made.pop(), part))
    return made


def joined(one: Segment, other: Segment) -> Segment:
    """One segment of two that follow each other, with the words of the longer one."""
    said = max(one, other, key=len)
    motion = None if said.motion is None else carried_on(said.motion, (len(one) + len(other)) / len(said))
    return one.changed(
        stop=other.stop,
        caption=said.caption,
        motion=motion,
        closing_keyframe=other.closing_keyframe,
        cut=one.cut or other.cut,
        last=other.last,
        video=other.video,
    )


def divided(segment: Segment, at: int, picture: Pixels) -> list[Segment]:
    """Two segments of one, the second beginning with frame ``at``, which is ``picture``."""
    shares = [(stop - start) / len(segment) for start, stop in ((segment.start, at), (at, segment.stop))]
    before, after = (segment.changed(motion=carried_on(segment.motion, share), cut=None) for share in shares)
    keyframe = None if segment.keyframe is None else picture
    return [
        before.changed(stop=at, last=False, closing_keyframe=None),
        after.changed(start=at, keyframe=keyframe, divergence=None),
    ]

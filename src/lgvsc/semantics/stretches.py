"""Keyframes of a file with bare frames, settled by a first look: where pictures come or go, and evenly between.

A keyframe where a picture has come says nothing about what follows; where the judge finds nothing new in it, all of it
would be made of one picture. As many keyframes at equal distances would do better then. So what lies between two such
frames is divided evenly, within the mean spacing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from math import ceil

from lgvsc.core.video import Frame, VideoFormat
from lgvsc.semantics.keyframes import KeyframeConfig, Spacing, skem
from lgvsc.semantics.passages import Sighting, sightings

SHORTEST_S, LONGEST_S = 0.9, 2.0  # what segments between two such frames are at most, shorter in short videos
SHARE = 5  # of a stretch's length


@dataclass(frozen=True, slots=True)
class Stretch:
    """Frames from one keyframe to the next, and whether they are a fade, or bare, which nothing need be sent of."""

    start: int
    stop: int
    whole: bool

    @property
    def length(self) -> int:
        return self.stop - self.start

    def most(self, fps: float) -> float:
        """Frames that its segments have at most."""
        return self.length if self.whole else min(max(SHORTEST_S * fps, self.length / SHARE), LONGEST_S * fps)


def marked_keyframes(
    frames: Iterable[Frame],
    video: VideoFormat,
    config: KeyframeConfig,
    is_cut: Callable[[Frame], bool],
    affords: Callable[[int], int],
) -> tuple[tuple[int, ...], int]:
    """Where keyframes are to come, none where no frame is bare; and how far was looked, 0 where nothing comes or goes.

    Args:
        frames: The video or its beginning, from index 0 on; read once. None is held longer than it takes to know
            what becomes of it.
        video: Its rate.
        config: How keyframes are chosen; what it says of the judge plays no part.
        is_cut: Whether a frame begins a new shot.
        affords: How many segments so many frames may have at most, whatever is in them; where more pictures come and
            go, those that are shown shortest give way.
    """
    kept: list[Sighting] = []
    latest: Sighting | None = None
    length, bare, goes = 0, False, False

    def noted() -> Iterator[Sighting]:
        nonlocal length, bare, goes
        for one in sightings(frames, video, is_cut):
            length += 1
            bare, goes = bare or one.bare, goes or one.role == "departure"
            yield one

    unjudged = replace(config, method="skem", planned=(), planned_until=0, marked=(), marked_until=0)
    for choice in skem(noted(), video, unjudged, lambda keyframe, candidates: [None] * len(candidates)):
        if choice.keyframe and choice.seen is not None:
            kept.append(choice.seen)
        latest = choice.seen
    if not bare or latest is None:
        return (), length if goes else 0
    if len(kept) > 1 and kept[-1].bare and latest.bare and kept[-1].breaks:
        kept.pop()  # bare up to the end: the closing picture says so
    kept = longest_shown(kept, max(1, affords(length)), length)
    starts = [one.frame.index for one in kept]
    stops = [*starts[1:], length - 1]
    stretches = [
        Stretch(start, stop, whole=one.fades or one.bare or one.role == "bend")
        for one, start, stop in zip(kept, starts, stops, strict=True)
    ]
    room = Spacing(video, config).allowed(length) if config.mean_spacing_frames else length
    pictures = 1 + sum(not one.bare for one in kept[1:])  # what comes and goes is on top of what others may have
    more = min(room - pictures + len(kept) - 1, affords(length) - len(kept))
    return tuple(divided(stretches, max(0, more), float(video.fps))), length


def longest_shown(kept: list[Sighting], most: int, length: int) -> list[Sighting]:
    """At most so many of these keyframes: the one gives way that holds for the fewest frames, but not the first."""
    kept = list(kept)
    while len(kept) > most:
        stops = [*(one.frame.index for one in kept[2:]), length]
        held = [stop - one.frame.index for one, stop in zip(kept[1:], stops, strict=True)]
        del kept[1 + held.index(min(held))]
    return kept


def divided(stretches: Iterable[Stretch], more: int, fps: float) -> list[int]:
    """First frames of segments, where so many more may begin: always in the stretch whose segments are longest."""
    parts = dict.fromkeys(stretches, 1)
    for _ in range(more):
        long = {s: s.length / n for s, n in parts.items() if s.length / n > s.most(fps)}
        if not long:
            break
        parts[max(long, key=lambda stretch: long[stretch])] += 1
    return sorted(s.start + ceil(s.length * part / n) for s, n in parts.items() for part in range(n))

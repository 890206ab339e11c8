"""Where pictures come and go, and no budget divides the video: SKEM's keyframes, or as many at equal distances.

A keyframe at the edge of a flash or a fade is right for that edge and may be dear for the rest, where the picture moves
fast. The transmitter has what the receiver will make frames with, so it makes the frames between the keyframes of both
plans, at a small size and of pictures as they are, and takes the plan that comes closer to the video.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import pairwise

import cv2
import numpy as np
from numpy.typing import NDArray

from lgvsc.core.bare import shrink
from lgvsc.core.video import Pixels, VideoFormat
from lgvsc.metrics.quality import psnr_db
from lgvsc.planning_trials import PLACE_SIDE, dissimilarity, made_between, size_of
from lgvsc.semantics.cuts import LatestCut
from lgvsc.semantics.keyframes import Choice, KeyframeConfig, skim_lengths
from lgvsc.semantics.passages import SHORT
from lgvsc.world.backends.compact.between import resized

LOOKS_PER_S = 12.0  # frames that are measured
AS_SENT_DB = 30.0  # about as good as a keyframe is: more of PSNR will not arrive
AS_GOOD = 0.01  # SKEM's places may be worth so much less
WRONG = 20.0  # levels by which the light of a frame may be off


@dataclass(frozen=True, slots=True)
class Glimpse:
    """A frame as far as plans are measured by it.

    Attributes:
        picture: The frame at a small size.
        cut, bare, breaks, passing: See :class:`~lgvsc.semantics.keyframes.Choice` and its sighting.
    """

    picture: Pixels
    cut: bool
    bare: bool
    breaks: bool
    passing: bool

    @classmethod
    def of(cls, choice: Choice) -> Glimpse:
        seen, picture = choice.seen, choice.frame.pixels
        small = resized(picture, size_of(picture, PLACE_SIDE))
        bare, breaks = (seen.bare, seen.breaks) if seen is not None else (False, False)
        return cls(small, choice.cut, bare, choice.cut or breaks, choice.passing)


def better_places(
    choices: Iterable[Choice], video: VideoFormat, keyframes: KeyframeConfig
) -> tuple[tuple[int, ...], bool]:
    """First frames of segments, and whether they are not SKEM's but as many at equal distances, which come closer.

    They do not where they leave more frames in a wrong light than may pass without a word.

    Args:
        choices: SKEM's, for the video or its beginning; read once.
        video: Its rate.
        keyframes: The longest that a segment may be.
    """
    starts, seen = list[int](), list[Glimpse]()
    for choice in choices:
        seen.append(Glimpse.of(choice))
        if choice.keyframe:
            starts.append(choice.frame.index)
    places = tuple(starts)
    even = evenly(len(seen), len(places), keyframes, video)
    mine, other = (measured(plan, seen, video) for plan in (places, even))
    if other.worth > mine.worth + AS_GOOD and other.wrong <= mine.wrong + SHORT:
        return even, True
    return places, False


def evenly(frames: int, segments: int, keyframes: KeyframeConfig, video: VideoFormat) -> tuple[int, ...]:
    """Where SKIM begins so many segments."""
    counted = replace(keyframes, method="skim", segments=segments, interval=0, interval_s=0.0)
    length, count = skim_lengths(replace(video, frames=frames), counted)
    return tuple(range(0, frames, length))[:count]


@dataclass(frozen=True, slots=True)
class PlanWorth:
    """What a plan keeps of a video: SSIM and a thirtieth of PSNR, on average, and frames in a wrong light, about."""

    worth: float
    wrong: float


def measured(starts: tuple[int, ...], seen: list[Glimpse], video: VideoFormat) -> PlanWorth:
    """What comes of a plan, the last frame being a keyframe as well."""
    step = max(1, round(float(video.fps) / LOOKS_PER_S))
    worth, wrong = list[float](), 0
    for start, stop in pairwise((*starts, len(seen) - 1)):
        looked = [index for index in range(start, stop) if index % step == 0]
        first, last = seen[start].picture, seen[stop].picture
        height, width = first.shape[:2]
        small = replace(video, height=height, width=width, frames=len(seen))
        cut = latest_cut(seen, start, stop)
        for index, made in made_between(small, start, stop, first, last, cut, looked):
            true = seen[index].picture
            shown = first if index == start else made
            wrong += light_apart(true, shown) > WRONG
            psnr = psnr_db(true, shown)
            psnr = AS_SENT_DB if psnr is None else min(psnr, AS_SENT_DB)
            worth.append(1 - dissimilarity(true, shown) + psnr / AS_SENT_DB)
    return PlanWorth(float(np.mean(worth)) if worth else 0.0, wrong * step)


def latest_cut(seen: list[Glimpse], start: int, stop: int) -> int | None:
    """What a segment says of the cuts in it."""
    latest = LatestCut()
    for index, one in enumerate(seen[start + 1 : stop + 1], start + 1):
        if not one.passing:
            latest.reach(index, is_cut=one.cut, breaks=one.breaks, bare=one.bare)
    return latest.index


def light_apart(one: Pixels, other: Pixels) -> float:
    """How far the light of two pictures is apart, in levels: mean or spread of a colour."""
    lights: list[NDArray[np.float64]] = [np.hstack(cv2.meanStdDev(shrink(picture))) for picture in (one, other)]
    return float(np.abs(lights[0] - lights[1]).max())

"""A world model without weights: what was received, moved along the flow as far as the flow can be trusted."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import cv2
import numpy as np

from lgvsc.core.bare import is_bare
from lgvsc.core.interfaces import Conditions
from lgvsc.core.message import Motion
from lgvsc.core.video import Pixels
from lgvsc.world.backends.compact.between import Between, Views
from lgvsc.world.backends.compact.painter import Painting

REACH = 0.5  # how far one picture is moved at most, in picture sizes; also the logarithm of its growth


class MotionInterpolation:
    """Frames between two keyframes by motion-compensated interpolation, steered by the side information.

    Beside a lost keyframe the other one moves on as the camera did; across a cut each side holds its own. It
    neither learns nor invents: where nothing was received but words, it paints them.
    """

    name = "motion-interpolation"

    def latent_frames(self, frames: int) -> int:
        """Its latent is the frames themselves."""
        return frames

    def generate(self, conditions: Conditions) -> Iterator[Pixels]:
        """Exactly ``stop - start`` frames, uint8 ``(H, W, 3)``, one by one.

        A frame at a received keyframe's index is that keyframe.
        """
        return (view.mixed for view in map(views(conditions), range(conditions.start, conditions.stop)))


def views(conditions: Conditions) -> Callable[[int], Views]:
    """What moving the received pictures tells of each frame, by its index; words where there is no picture."""
    c = conditions
    if c.cut is not None and c.cut > c.start:
        cut = min(c.cut, c.stop)
        before, after = _held(c, c.first, c.start, cut), _held(c, c.last, cut, c.stop)
        return lambda index: before(index) if index < cut else after(index)
    if c.first is None and c.last is None:
        painting = Painting(c.caption, c.motion, c.video, c.stop - c.start, c.seed, c.colours)
        return lambda index: Views.alone(painting.at(index - c.start))
    span = max(1, c.last_index - c.start)
    at = _between(c, span / float(c.video.fps))
    return lambda index: at((index - c.start) / span)


def _held(c: Conditions, picture: Pixels | None, start: int, stop: int) -> Callable[[int], Views]:
    """One side of a cut. Camera motion is known for both sides together only, so nothing moves."""
    if picture is not None:
        return lambda index: Views.alone(picture)
    painting = Painting(c.caption, None, c.video, max(1, stop - start), c.seed, c.colours)
    return lambda index: Views.alone(painting.at(index - start))


def _between(c: Conditions, duration_s: float) -> Callable[[float], Views]:
    """What is known at a time between 0 and 1, from one picture or two."""
    first, last = c.first, c.last
    if first is not None and last is not None:
        nothing_moved = c.motion is not None and c.motion.score == 0
        if nothing_moved or is_bare(first) or is_bare(last):
            return lambda time: Views.alone(faded(first, last, time))
        return Between(first, last, c.motion, duration_s).views
    if first is not None:
        return lambda time: Views.alone(carried(first, c.motion, time))
    assert last is not None
    return lambda time: Views.alone(carried(last, c.motion, time - 1))


def faded(first: Pixels, last: Pixels, time: float) -> Pixels:
    """One picture gives way to the other, half way at 0.5: a dissolve, or a fade where one of them is bare."""
    return np.asarray(cv2.addWeighted(first, 1 - time, last, time, 0), np.uint8)


def carried(picture: Pixels, motion: Motion | None, time: float) -> Pixels:
    """A picture as the camera has moved it by ``time``, in units of what ``motion`` is counted over.

    The farther it has gone, the slower it goes on, so that a long loss does not carry everything
    out of sight. What comes into sight is the picture mirrored at its edge.
    """
    if motion is None or time == 0:
        return picture
    height, width = picture.shape[:2]
    pan, tilt, zoom = (REACH * math.tanh(total * time / REACH) for total in (motion.pan, motion.tilt, motion.zoom))
    grow = math.exp(zoom)
    x, y = (width - 1) / 2, (height - 1) / 2
    moves = np.array([[grow, 0, x - grow * x + pan * width], [0, grow, y - grow * y + tilt * height]])
    return np.asarray(cv2.warpAffine(picture, moves, (width, height), borderMode=cv2.BORDER_REFLECT_101), np.uint8)

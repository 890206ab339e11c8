"""Two pictures, shown at any time between them: moved along the flow where it can be trusted.

Where two pictures disagree they are not averaged, for that shows both at once, half transparent. Of each part that
changes, one is shown, then the other; seams lie where both agree.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from lgvsc.core.message import Motion
from lgvsc.core.video import Pixels
from lgvsc.world.backends.compact.flow import Field, Flow, flow_pair, grid, warp, working_size

SMALL_SIDE = 128  # short side at which motion in between and trust are worked out
DIFFERENCE_CAP = 60  # of 255
BLOCK = 5  # pixels over which pictures are compared
DOUBT = 1.3  # the moved pictures must agree better than the unmoved ones by this factor ...
SOFTNESS = 4.5  # ... give or take so much, of 255
UNSEEN = 1e-3  # weight of a picture that says nothing about a place
GHOST = 8.0  # of 255: so much of one picture may shine through the other, where they disagree
FAIR = 0.4  # trust from which something that moved is shown rather than something that did not ...
FIRMNESS = 30.0  # ... so steeply ...
ACCORD = 8.0  # ... and alike within so many pixels of the small size, so that nothing is torn
TOGETHER = 1 / 4  # of the short side: what changes no farther apart than this, changes hands together
CHANGED = 20.0  # of 255
HANDOVERS = (0.503, 0.593, 0.413, 0.548, 0.458)  # when, the largest part first; not half way, where a frame may lie
PATH_MARGIN = 1.25  # by how much the measured path may be too short ...
PATH_NOISE = 0.5  # ... and by how many pixels besides


@dataclass(frozen=True, slots=True, eq=False)
class Views:
    """What is known of a frame between two pictures.

    Attributes:
        first, last: Either picture, moved along the flow to where it belongs at that time, uint8 ``(H, W, 3)``.
        mixed: The best guess, moved or not, from both where they agree and from one where they do not.
        trust: Where the flow is believed, in [0, 1], at a small size.
    """

    first: Pixels
    last: Pixels
    mixed: Pixels
    trust: Field

    @classmethod
    def alone(cls, picture: Pixels) -> Views:
        """A frame of which one picture says all that is known."""
        return cls(picture, picture, picture, np.zeros((1, 1), np.float32))


class Between:
    """Two pictures and the motion between them.

    Args:
        first, last: uint8 RGB ``(H, W, 3)``, of one size.
        motion: Side information for the time between them.
        duration_s: That time.
    """

    def __init__(self, first: Pixels, last: Pixels, motion: Motion | None = None, duration_s: float = 1.0) -> None:
        self._first, self._last = first, last
        self._size = first.shape[:2]
        compared = working_size(*self._size)
        forth, back = flow_pair(resized(first, compared), resized(last, compared), motion)
        self._belief = 1.0 if motion is None else belief(forth, motion.score * 3 * duration_s)
        scale = min(1.0, SMALL_SIDE / min(self._size))
        small = max(1, round(self._size[0] * scale)), max(1, round(self._size[1] * scale))
        self._small_first, self._small_last = resized(first, small), resized(last, small)
        self._passing = Passing(
            self._small_first, self._small_last, resized_flow(forth, small), resized_flow(back, small)
        )
        self._unmoved = _blurred(_apart(self._small_first, self._small_last), BLOCK)
        self._discord = discord(self._small_first, self._small_last)
        self._handover = handover(self._small_first, self._small_last)

    def at(self, time: float) -> Pixels:
        """The frame at ``time``: 0 is the first picture and 1 the last, both returned as they are."""
        return self.views(time).mixed

    def views(self, time: float) -> Views:
        """The same, with what it is mixed from."""
        if time <= 0 or time >= 1:
            return Views.alone(self._first if time <= 0 else self._last)
        flow = self._passing.at(time)
        to_first, to_last = -time * flow, (1 - time) * flow
        seen_first, seen_last = inside(to_first), inside(to_last)
        small_first, small_last = warp(self._small_first, to_first), warp(self._small_last, to_last)
        trust = self._trust(small_first, small_last, np.minimum(seen_first, seen_last))

        late = time * (seen_last + UNSEEN) / (time * (seen_last + UNSEEN) + (1 - time) * (seen_first + UNSEEN))
        late_moved = firm(late, late > self._handover, discord(small_first, small_last))
        late_still = firm(time, time > self._handover, self._discord)
        small_moved = _mix(small_first, small_last, late_moved)
        small_still = _mix(self._small_first, self._small_last, late_still)
        fair = np.clip(0.5 + FIRMNESS * (cv2.GaussianBlur(trust, (0, 0), ACCORD) - FAIR), 0, 1)
        moving = firm(trust, fair, discord(small_still, small_moved))

        full = resized_flow(flow, self._size)
        first = warp(self._first, -time * full, cv2.INTER_CUBIC)  # a linear one would cost a tenth of the sharpness
        last = warp(self._last, (1 - time) * full, cv2.INTER_CUBIC)
        still = _mix(self._first, self._last, late_still)
        mixed = _mix(still, _mix(first, last, late_moved), moving)
        return Views(np.asarray(first, np.uint8), np.asarray(last, np.uint8), mixed, trust)

    def _trust(self, small_first: Pixels, small_last: Pixels, seen: Field) -> Field:
        """Where the flow can be trusted, in [0, 1].

        If the flow is right, the first picture moved forwards and the last one moved back agree. Where they agree
        no better than the two do unmoved, it is worth nothing. Where only one of them has seen the place,
        its surroundings must do.
        """
        apart = _apart(small_first, small_last)
        seen = seen + UNSEEN
        near, nearby = _blurred(seen, BLOCK), _blurred(seen, 5 * BLOCK)
        known = near / (near + 0.05)
        disagreement = known * _blurred(apart * seen, BLOCK) / near
        disagreement += (1 - known) * _blurred(apart * seen, 5 * BLOCK) / nearby
        disagreement = np.maximum(disagreement, 0.6 * _blurred(apart, BLOCK))
        margin = (self._unmoved - DOUBT * disagreement) / SOFTNESS
        return np.asarray(self._belief * cv2.GaussianBlur(1 / (1 + np.exp(-margin)), (0, 0), 1.5), np.float32)


class Passing:
    """What passes where at a time in between: flow from the first to the last picture, as seen at that time.

    Every pixel of either picture travels along its flow and leaves it where it is at that time, the surer ones
    with more weight; where nothing lands, and where nothing is sure, the neighbourhood fills in.
    """

    def __init__(self, first: Pixels, last: Pixels, forth: Flow, back: Flow) -> None:
        self._forth, self._back = forth, back
        self._sure_forth = _sureness(first, last, forth, back)
        self._sure_back = _sureness(last, first, back, forth)

    def at(self, time: float) -> Flow:
        """float32 ``(h, w, 2)``, in pixels over the whole time."""
        landed = _land(time * self._forth, self._forth, self._sure_forth * (1 - time))
        landed += _land((1 - time) * self._back, -self._back, self._sure_back * time)
        landed = cv2.GaussianBlur(landed, (0, 0), 1.0) + 0.2 * cv2.GaussianBlur(landed, (0, 0), 8.0)
        return np.asarray(landed[..., :2] / (landed[..., 2:] + 1e-6), np.float32)


def belief(flow: Flow, path: float) -> float:
    """How much of a flow to believe, in [0, 1]: nothing goes farther than the path that the transmitter measured.

    Light that changes is easily taken for motion; that the scene stood still is known from the side information.

    Args:
        flow: From the first picture to the last.
        path: How far things went, on the scale of the motion score: a mean over both components, in pixels of a
            320x576 picture.
    """
    height, width = flow.shape[:2]
    across, down = (576, 320) if width >= height else (320, 576)
    gone = float(np.abs(flow[..., 0]).mean() * across / width + np.abs(flow[..., 1]).mean() * down / height) / 2
    return min(1.0, (PATH_MARGIN * path + PATH_NOISE) / (gone + 1e-6)) ** 2


def discord(one: Pixels, other: Pixels) -> Field:
    """How far two pictures disagree at each pixel or beside it, of 255."""
    difference = cv2.absdiff(one, other).max(axis=2).astype(np.float32)
    return _blurred(np.asarray(cv2.dilate(difference, np.ones((3, 3), np.uint8)), np.float32), 3)


def firm(share: NDArray[Any] | float, choice: NDArray[Any] | bool, disagreement: Field) -> Field:
    """The share of the second of two pictures: what was asked for, as far as neither shines through the other.

    Args:
        share: What would be right if they agreed.
        choice: Which one is shown where they do not, 0 or 1.
        disagreement: By how much, of 255: see :func:`discord`.
    """
    leeway = GHOST / (disagreement + 1)
    choice = np.asarray(choice, np.float32)
    return np.asarray(np.clip(share, choice - leeway, choice + leeway), np.float32)


def handover(first: Pixels, last: Pixels) -> Field:
    """When the first picture gives way to the last, in (0, 1), for each place.

    What changes close together does so at once: a thing that is elsewhere in the last picture is never seen twice.
    The largest part changes half way, the others sooner or later, so that not everything jumps at a time.
    """
    changed = (_blurred(_apart(first, last), 3) > CHANGED).astype(np.uint8)
    reach = 2 * round(min(changed.shape) * TOGETHER / 2) + 1
    parts, part, about, _ = cv2.connectedComponentsWithStats(cv2.dilate(changed, np.ones((reach, reach), np.uint8)))
    by_size = np.argsort(-about[1:, cv2.CC_STAT_AREA], kind="stable")
    times = np.full(parts, HANDOVERS[0], np.float32)
    times[1 + by_size] = np.resize(HANDOVERS, len(by_size))
    return times[part]


def inside(flow: Flow) -> Field:
    """One where ``flow`` points into the picture, zero where it points outside."""
    height, width = flow.shape[:2]
    at = flow + grid(height, width)
    x, y = at[..., 0], at[..., 1]
    return ((x > -0.6) & (x < width - 0.4) & (y > -0.6) & (y < height - 0.4)).astype(np.float32)


def resized(picture: Pixels, size: tuple[int, int]) -> Pixels:
    """The picture at ``(height, width)``."""
    if picture.shape[:2] == size:
        return picture
    return np.asarray(cv2.resize(picture, size[::-1], interpolation=cv2.INTER_AREA), np.uint8)


def resized_flow(flow: Flow, size: tuple[int, int]) -> Flow:
    """The flow at ``(height, width)``, in pixels of that size."""
    if flow.shape[:2] == size:
        return flow
    scale = np.array([size[1] / flow.shape[1], size[0] / flow.shape[0]], np.float32)
    smaller = size[0] < flow.shape[0]
    return cv2.resize(flow, size[::-1], interpolation=cv2.INTER_AREA if smaller else cv2.INTER_LINEAR) * scale


def _land(travelled: Flow, carried: Flow, weight: Field) -> Flow:
    """Sum of ``weight`` times ``carried``, and of ``weight``, over what has travelled to each pixel, ``(h, w, 3)``."""
    height, width = weight.shape
    at = np.rint(travelled + grid(height, width)).astype(np.int32)
    x, y = at[..., 0], at[..., 1]
    here = (x >= 0) & (x < width) & (y >= 0) & (y < height)
    place = y[here] * width + x[here]
    values = (weight * carried[..., 0], weight * carried[..., 1], weight)
    sums = [np.bincount(place, value[here], height * width) for value in values]
    return np.stack(sums, axis=-1).reshape(height, width, 3).astype(np.float32)


def _sureness(picture: Pixels, other: Pixels, flow: Flow, reverse: Flow) -> Field:
    """How sure the flow of each pixel is: it leads to the same colour, and the reverse flow leads back."""
    colour_error = _blurred(_apart(picture, warp(other, flow)), 3)
    astray = np.minimum(np.linalg.norm(flow + warp(reverse, flow), axis=-1), 6)
    return np.asarray(np.exp(-colour_error / 12 - astray / 2) + 1e-3, np.float32)


def _apart(a: Pixels, b: Pixels) -> Field:
    """Largest difference of the three channels, bounded."""
    return np.minimum(cv2.absdiff(a, b).max(axis=2), DIFFERENCE_CAP).astype(np.float32)


def _blurred(field: NDArray[np.floating[Any]], block: int) -> Field:
    return np.asarray(cv2.blur(field, (block, block)), np.float32)


def _mix(one: Pixels, other: Pixels, share: Field) -> Pixels:
    """Both pictures, the other one with ``share``, which may be given at a smaller size."""
    height, width = one.shape[:2]
    full = cv2.resize(share, (width, height), interpolation=cv2.INTER_LINEAR)
    return np.asarray(cv2.blendLinear(one, other, 1 - full, full), np.uint8)

"""What one picture says of another: moved onto it along dense flow, with how far the move is to be trusted.

Flow is found between pictures of like sharpness: a sharp picture is first made as coarse as the small frames that it
is moved onto. Trust follows from how well the two then agree, and from whether the flow leads back.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import cv2
import numpy as np

from lgvsc.core.video import Pixels
from lgvsc.world.backends.compact.between import resized, resized_flow
from lgvsc.world.backends.compact.flow import SMALLEST, Field, Flow, Grey, grid, warp

SMALL_SIDE = 128  # short side at which flow is found
COLOUR = 10.0  # of 255: a colour so far off is to be trusted a third as much
ASTRAY = 2.0  # pixels of the small size, the same for flow that does not lead back
BLOCK = 7  # pixels of the small size over which disagreement is averaged
CAP = 60.0  # of 255


@dataclass(frozen=True, slots=True, eq=False)
class Move:
    """How a picture is to be moved onto another.

    Attributes:
        flow: Where each pixel of the other lies in the picture, at the small size, in its pixels.
        trust: In [0, 1], at the small size.
    """

    flow: Flow
    trust: Field

    def apply(self, picture: Pixels) -> Pixels:
        """The picture, moved."""
        return np.asarray(warp(picture, self.flow_at(picture.shape[:2]), cv2.INTER_CUBIC), np.uint8)

    def flow_at(self, size: tuple[int, ...]) -> Flow:
        """The flow for pictures of another size."""
        return resized_flow(self.flow, (size[0], size[1]))

    def trust_at(self, size: tuple[int, ...]) -> Field:
        """The trust for pictures of another size."""
        return np.asarray(cv2.resize(self.trust, (size[1], size[0]), interpolation=cv2.INTER_LINEAR), np.float32)


def as_coarse(picture: Pixels, coded: tuple[int, int]) -> Pixels:
    """A picture as it looks when sent at ``coded`` height and width and enlarged again."""
    height, width = picture.shape[:2]
    if coded[0] >= height:
        return picture
    small = cv2.resize(picture, coded[::-1], interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC), np.uint8)


def small_size(height: int, width: int) -> tuple[int, int]:
    """Where flow is found: never enlarged."""
    scale = min(1.0, SMALL_SIDE / min(height, width))
    return max(1, round(height * scale)), max(1, round(width * scale))


def move_onto(target: Pixels, picture: Pixels, guess: Flow | None = None) -> Move:
    """How to move ``picture`` onto ``target``; both uint8 RGB of one size and of like sharpness.

    Args:
        target: What is moved onto.
        picture: What is moved.
        guess: Flow at the small size to begin from, as well as from a standing start.
    """
    size = small_size(*target.shape[:2])
    a, b = resized(target, size), resized(picture, size)
    if min(size) < SMALLEST:
        forth = back = np.zeros((*size, 2), np.float32)
    else:
        grey_a, grey_b = _grey(a), _grey(b)
        dis = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_FAST)  # type: ignore[attr-defined]
        tried = [np.zeros((*size, 2), np.float32), cast(Flow, dis.calc(grey_a, grey_b, None))]
        if guess is not None:
            tried.append(cast(Flow, dis.calc(grey_a, grey_b, guess.copy())))
        errors = np.stack([_error(a, warp(b, flow)) for flow in tried])
        errors[0] -= 1.0  # of 255: standing still needs no proof
        best = errors.argmin(axis=0)
        forth = tried[0]
        for number in range(1, len(tried)):
            forth = np.where((best == number)[..., None], tried[number], forth)
        forth = np.asarray(cv2.GaussianBlur(forth, (0, 0), 1.0), np.float32)
        back = cast(Flow, dis.calc(grey_b, grey_a, -forth))
    astray = np.minimum(np.linalg.norm(forth + warp(back, forth), axis=-1), 6.0)
    at = forth + grid(*size)
    here = (at[..., 0] > -1) & (at[..., 1] > -1) & (at[..., 0] < size[1]) & (at[..., 1] < size[0])
    trust = np.exp(-_error(a, warp(b, forth)) / COLOUR - astray / ASTRAY) * here
    return Move(forth, np.asarray(cv2.GaussianBlur(trust, (0, 0), 1.0), np.float32))


def texture_of(
    target: Pixels, pictures: list[tuple[Pixels, Pixels]], guesses: list[Flow | None]
) -> tuple[Pixels, Field, list[Flow | None]]:
    """Sharp pictures moved onto an enlarged small frame, the more trusted one shown at each place.

    Args:
        target: The enlarged frame, uint8 ``(H, W, 3)``.
        pictures: Each as it is, and as coarse as the target.
        guesses: Flow to begin from, for each.

    Returns:
        The picture, its trust ``(H, W)``, and the flows, to begin from at the next frame.
    """
    size = target.shape[:2]
    if not pictures:
        return target, np.zeros(size, np.float32), []
    moves = [move_onto(target, coarse, guess) for (_, coarse), guess in zip(pictures, guesses, strict=True)]
    shown, trust = moves[0].apply(pictures[0][0]).astype(np.float32), moves[0].trust_at(size)
    for move, (sharp, _) in zip(moves[1:], pictures[1:], strict=True):
        other, other_trust = move.apply(sharp).astype(np.float32), move.trust_at(size)
        share = other_trust**4 / (other_trust**4 + trust**4 + 1e-6)
        shown += share[..., None] * (other - shown)
        trust = np.maximum(trust, other_trust)
    return np.clip(np.rint(shown), 0, 255).astype(np.uint8), trust, [move.flow for move in moves]


def detail_carried(plain: Sequence[Pixels], at: Sequence[int], made: Sequence[Pixels], place: int) -> Pixels:
    """A small frame with what was put into its enhanced neighbours: moved onto it, the nearer one's with more weight.

    Args:
        plain: Small frames, enlarged, uint8 ``(H, W, 3)``.
        at: Which of them were enhanced; these rise.
        made: Those, enhanced.
        place: Which small frame is wanted.
    """
    after = bisect_left(at, place)
    if after < len(at) and at[after] == place:
        return made[after]
    target = plain[place]
    detail = np.zeros(target.shape, np.float32)
    weights = np.full(target.shape[:2], 1e-3, np.float32)
    for number in range(max(0, after - 1), min(after + 1, len(at))):
        move = move_onto(target, plain[at[number]])
        weight = move.trust_at(target.shape[:2]) / abs(at[number] - place)
        put_in = made[number].astype(np.float32) - plain[at[number]]
        detail += weight[..., None] * warp(put_in, move.flow_at(target.shape[:2]))
        weights += weight
    return np.asarray(np.clip(np.rint(target + detail / weights[..., None]), 0, 255), np.uint8)


def _error(one: Pixels, other: Pixels) -> Field:
    apart = np.minimum(cv2.absdiff(one, other).max(axis=2), CAP).astype(np.float32)
    return np.asarray(cv2.blur(apart, (BLOCK, BLOCK)), np.float32)


def _grey(picture: Pixels) -> Grey:
    return np.asarray(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), np.uint8)

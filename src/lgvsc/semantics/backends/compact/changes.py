"""What differs between two pictures once the camera's own movement, the exposure and small shifts are set aside.

The second picture is laid over the first one by a similarity transform. A spot counts as changed when neither
picture explains what the other one shows there: not at the same spot of the scene, and not at the same spot of
the screen (which is where something stays that the camera follows), a small shift allowed in both cases.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np
from numpy.typing import NDArray

from lgvsc.semantics.backends.compact.regions import SHORT_SIDE, Floats, Look, Mask

TOLERATED_SHIFT = 0.05 * SHORT_SIDE  # movement below this is no change, pixels of the working size
CHANGED = 15.0  # difference of colour, in units of L*a*b*, above which a spot has changed
MIN_CHANGE = 0.009  # smallest changed patch, share of the picture


@dataclass(frozen=True, slots=True, eq=False)
class Change:
    """A patch that shows one thing in the first picture and another in the second.

    Attributes:
        mask: Where, on the grid of the first picture.
        share: Of the picture's area.
        first, second: Median L*a*b* colour there in either picture.
        stands_out_first, stands_out_second: How far these colours are from what surrounds the patch.
        joined_first, joined_second: Share of the rim that has the patch's own colour: what is joined to something
            alike is a part of it that moves, and no new thing.
        found_first, found_second: How much of the patch's colour in this picture the *other* one shows near by, in
            areas of the patch: what moves is still somewhere, what comes was nowhere.
    """

    mask: Mask
    share: float
    first: Floats
    second: Floats
    stands_out_first: float
    stands_out_second: float
    joined_first: float
    joined_second: float
    found_first: float
    found_second: float


class LookComparison:
    """The second of two looks laid over the first.

    Attributes:
        matrix: 2x3, takes a point of the first picture to the same point of the scene in the second.
        shared: Spots of the first picture that the second one shows as well.
    """

    def __init__(self, first: Look, second: Look) -> None:
        self.first, self.second = first, second
        self.matrix = _align(first, second)
        self.shared = _warp(np.ones(second.grey.shape, np.uint8), self.matrix, first.grey.shape) > 0
        self._second_lab, gain = _match_exposure(first.lab, self._warped(second.lab), self.shared)
        self._changed_from = CHANGED * max(gain, 1.0)  # brightening a dark picture brightens its noise

    @cached_property
    def difference(self) -> Floats:
        """How much the two differ at each spot of the first picture, in L*a*b* units; 0 where only one shows it."""
        gone, new = _residual(self.first.lab, self._second_lab), _residual(self._second_lab, self.first.lab)
        if self.camera_shift > 0.5 * TOLERATED_SHIFT and self.first.lab.shape == self.second.lab.shape:
            on_screen, _ = _match_exposure(self.first.lab, self.second.lab, np.ones_like(self.shared))
            gone_screen = _residual(self.first.lab, on_screen)
            new_screen = self._warped(_residual(on_screen, self.first.lab))
            # Something that the camera follows stays on the screen. What it covers and uncovers is no change either.
            followed_first = (gone > self._changed_from) & (gone_screen < self._changed_from)
            followed_second = (new > self._changed_from) & (new_screen < self._changed_from)
            gone = np.where(followed_second, 0.0, np.minimum(gone, gone_screen))
            new = np.where(followed_first, 0.0, np.minimum(new, new_screen))
        inside = cv2.erode(self.shared.astype(np.uint8), np.ones((5, 5), np.uint8), borderValue=1) > 0
        return np.where(inside, np.maximum(gone, new), 0.0).astype(np.float32)

    @cached_property
    def changed(self) -> Mask:
        spots = (self.difference > self._changed_from).astype(np.uint8)
        opened = cv2.morphologyEx(spots, cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
        closed = cv2.morphologyEx(opened, cv2.MORPH_CLOSE, np.ones((7, 7), np.uint8))
        return cv2.dilate(closed, np.ones((3, 3), np.uint8)) > 0  # gives back the rim that shift tolerance took

    @cached_property
    def changed_share(self) -> float:
        """Share of the shared view that has changed."""
        return float((self.changed & self.shared).sum() / max(1, self.shared.sum()))

    @cached_property
    def overlap(self) -> float:
        """How much of the smaller view both pictures show."""
        scale = float(np.sqrt(abs(np.linalg.det(self.matrix[:, :2]))))
        return float(self.shared.mean() * max(1.0, scale**2))

    @cached_property
    def likeness(self) -> float:
        """Correlation of the two pictures' lightness where both show the scene, -1..1."""
        if self.shared.mean() < 0.05:
            return 0.0
        a, b = self.first.lab[..., 0][self.shared], self._second_lab[..., 0][self.shared]
        return float(np.mean((a - a.mean()) * (b - b.mean())) / (a.std() * b.std() + 1.0))

    @property
    def camera_shift(self) -> float:
        """How far the camera's movement takes the middle of the picture, pixels of the working size."""
        height, width = self.first.grey.shape
        corners = np.array([[0, 0, 1], [width, 0, 1], [0, height, 1], [width, height, 1]], np.float64)
        return float(np.abs(corners @ self.matrix.T - corners[:, :2]).max())

    @cached_property
    def changes(self) -> tuple[Change, ...]:
        """Changed patches, largest first."""
        count, parts, stats, _ = cv2.connectedComponentsWithStats(self.changed.astype(np.uint8))
        keep = [i for i in range(1, count) if stats[i, cv2.CC_STAT_AREA] >= MIN_CHANGE * parts.size]
        keep.sort(key=lambda i: -stats[i, cv2.CC_STAT_AREA])
        return tuple(self._change(parts == i) for i in keep[:6])

    def second_colour(self, mask: Mask) -> Floats:
        """Median colour of the second picture under a mask on the first one's grid, exposure matched."""
        return np.median(self._second_lab[mask], axis=0).astype(np.float32)

    def _change(self, mask: Mask) -> Change:
        ring = cv2.dilate(mask.astype(np.uint8), np.ones((9, 9), np.uint8)) > 0
        ring &= ~self.changed & self.shared
        ring = ring if ring.any() else ~mask
        near = (cv2.dilate(mask.astype(np.uint8), np.ones((31, 31), np.uint8)) > 0) & self.shared
        seen = []
        for lab, other in ((self.first.lab, self._second_lab), (self._second_lab, self.first.lab)):
            colour = np.median(lab[mask], axis=0).astype(np.float32)
            out = float(np.linalg.norm(colour - np.median(lab[ring], axis=0)))
            joined = float((np.linalg.norm(lab[ring] - colour, axis=1) < 14.0).mean())
            found = float((np.linalg.norm(other[near] - colour, axis=1) < 14.0).sum() / mask.sum())
            seen.append((colour, out, joined, found))
        (colour_a, out_a, joined_a, found_a), (colour_b, out_b, joined_b, found_b) = seen
        share = float(mask.mean())
        return Change(mask, share, colour_a, colour_b, out_a, out_b, joined_a, joined_b, found_a, found_b)

    def _warped(self, picture: NDArray) -> NDArray:
        return _warp(picture, self.matrix, self.first.grey.shape)


def _align(first: Look, second: Look) -> NDArray[np.float64]:
    """The similarity transform under which the two agree best; standing still wins ties."""
    still = np.array([[1.0, 0, 0], [0, 1, 0]])
    if first.grey.shape != second.grey.shape:
        scale = np.array(second.grey.shape[::-1]) / np.array(first.grey.shape[::-1])
        still = np.array([[scale[0], 0, 0], [0, scale[1], 0]])
    found = [still]
    worth = [_agreement(first, second, still)]
    for guess in (_from_corners, _from_flow):
        matrix = guess(first, second) if max(worth) < 0.9 else None
        if matrix is not None:
            found.append(matrix)
            worth.append(_agreement(first, second, matrix))
    best = int(np.argmax(worth))
    return found[best] if worth[best] > worth[0] + 0.02 else still


def _from_corners(first: Look, second: Look) -> NDArray[np.float64] | None:
    (points_a, marks_a), (points_b, marks_b) = first.corners, second.corners
    if len(points_a) < 8 or len(points_b) < 8:
        return None
    matches = cv2.BFMatcher(cv2.NORM_HAMMING, crossCheck=True).match(marks_a, marks_b)
    if len(matches) < 8:
        return None
    a = np.array([points_a[m.queryIdx] for m in matches], dtype=np.float32)
    b = np.array([points_b[m.trainIdx] for m in matches], dtype=np.float32)
    return _similarity(a, b)


def _from_flow(first: Look, second: Look) -> NDArray[np.float64] | None:
    """For pictures without corners, or with too many that look alike."""
    if first.grey.shape != second.grey.shape:
        return None
    flow = _flow(first.grey, second.grey)
    rows, columns = np.mgrid[4 : first.grey.shape[0] : 8, 4 : first.grey.shape[1] : 8]
    a = np.stack((columns.ravel(), rows.ravel()), axis=1).astype(np.float32)
    return _similarity(a, a + flow[rows.ravel(), columns.ravel()])


def _similarity(a: NDArray[np.float32], b: NDArray[np.float32]) -> NDArray[np.float64] | None:
    matrix, inliers = cv2.estimateAffinePartial2D(a, b, ransacReprojThreshold=2.5, maxIters=500, confidence=0.99)
    if matrix is None or inliers.sum() < 8:
        return None
    scale = float(np.sqrt(abs(np.linalg.det(matrix[:, :2]))))
    return np.asarray(matrix, dtype=np.float64) if 0.4 < scale < 2.5 else None


def _agreement(first: Look, second: Look, matrix: NDArray[np.float64]) -> float:
    """Share of the first picture that the second one shows alike, half credit for being out of view."""
    laid = _warp(second.lab, matrix, first.grey.shape)
    shared = _warp(np.ones(second.grey.shape, np.uint8), matrix, first.grey.shape) > 0
    if shared.mean() < 0.2:
        return 0.0
    gap = np.abs(first.lab - laid).sum(axis=2)[shared]
    gap = gap - np.median(gap) * 0.5  # exposure is matched later; here it must not decide
    return float((gap < 8.0).mean()) * float(0.5 + 0.5 * shared.mean())


def _warp(picture: NDArray, matrix: NDArray[np.float64], shape: tuple[int, ...]) -> NDArray:
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return np.asarray(cv2.warpAffine(picture, matrix, (shape[1], shape[0]), flags=flags))


def _match_exposure(first: Floats, second: Floats, shared: Mask) -> tuple[Floats, float]:
    """The second picture with the first one's gain and offset in each channel, and the largest gain that it took.

    The fit leaves out the spots that fit worst: they are what changed.
    """
    if shared.mean() < 0.05:
        return second, 1.0
    a, b = first[shared][::5], second[shared][::5]
    steady = np.ones(len(a), dtype=bool)
    for _ in range(4):
        gain, offset = np.ones(3), np.zeros(3)
        for i in range(3):
            x, y = b[steady, i], a[steady, i]
            spread = float(x.std())
            slope = float(np.mean((x - x.mean()) * (y - y.mean())) / (spread**2 + 4.0)) if spread > 0 else 1.0
            slope = slope + 4.0 / (spread**2 + 4.0)  # a flat picture tells no gain: then 1
            gain[i] = np.clip(slope, 0.4, 2.5)
            offset[i] = np.median(y - gain[i] * x)
        gap = np.abs(b * gain + offset - a).sum(axis=1)
        steady = gap <= max(6.0, float(np.quantile(gap, 0.7)))
    return np.asarray(second * gain + offset, dtype=np.float32), float(gain.max())


def _residual(target: Floats, source: Floats) -> Floats:
    """How far each spot of the target is from the nearest colours that the source has around that spot."""
    flow = _flow(_bytes(target), _bytes(source))
    length = np.hypot(flow[..., 0], flow[..., 1])
    flow *= np.minimum(1.0, TOLERATED_SHIFT / np.maximum(length, 1e-6))[..., None]
    height, width = length.shape
    grid = np.stack(np.meshgrid(np.arange(width), np.arange(height)), axis=-1).astype(np.float32)
    x, y = cv2.split(grid + flow)
    moved = cv2.remap(source, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    window = np.ones((5, 5), np.uint8)
    gaps = []
    for nearby in (moved, source):
        above = np.maximum(target - cv2.dilate(nearby, window), 0.0)
        below = np.maximum(cv2.erode(nearby, window) - target, 0.0)
        gaps.append(np.sqrt(((above + below) ** 2).sum(axis=2)))
    return np.minimum(*gaps).astype(np.float32)


def _bytes(lab: Floats) -> NDArray[np.uint8]:
    return np.asarray(np.clip(lab[..., 0] * 2.55, 0, 255), dtype=np.uint8)


def _flow(first: NDArray[np.uint8], second: NDArray[np.uint8]) -> Floats:
    dis = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_FAST)  # type: ignore[attr-defined]
    return np.asarray(dis.calc(first, second, None), dtype=np.float32)

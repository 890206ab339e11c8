"""What can be measured in one picture: patches of colour, light, tone and lines, put into the lexicon's words."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np
from numpy.typing import NDArray

from lgvsc.core.lexicon import COLOURS, PLACES, SIZES, Region
from lgvsc.core.video import Pixels
from lgvsc.semantics.backends.compact.words import Backdrop, Light, Lines, Tone

SHORT_SIDE = 128  # everything is measured on a picture of this size: fast, and deaf to noise
CLUSTERS = 7
MIN_SHARE = 0.012  # of the picture; smaller patches have no words
_LIGHT_STEPS: tuple[tuple[float, Light], ...] = ((42.0, "dark"), (88.0, "dim"), (165.0, "even"), (256.0, "bright"))

Floats = NDArray[np.float32]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Patch:
    """One connected patch of a picture.

    Attributes:
        mask: Where it is, ``(h, w)`` of the working size.
        lab: Median colour, CIE L*a*b*.
        roughness: Standard deviation of lightness inside it.
    """

    mask: Mask
    lab: Floats
    roughness: float

    @property
    def share(self) -> float:
        return float(self.mask.mean())

    def region(self) -> Region:
        """The patch in words."""
        texture = "smooth" if self.roughness < 4.0 else "textured" if self.roughness < 11.0 else "busy"
        return Region(name_size(self.share), name_colour(self.lab), texture, name_place(self.mask))


class Look:
    """One picture at working size, and what has been measured of it so far. Nothing is measured twice."""

    def __init__(self, pixels: Pixels) -> None:
        height, width = pixels.shape[:2]
        scale = SHORT_SIDE / min(height, width)
        long_side = min(round(max(height, width) * scale), 4 * SHORT_SIDE)
        size = (SHORT_SIDE, long_side) if height > width else (long_side, SHORT_SIDE)
        how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
        self.rgb: Pixels = np.asarray(cv2.resize(pixels, size, interpolation=how), dtype=np.uint8)
        self.grey: Pixels = np.asarray(cv2.cvtColor(self.rgb, cv2.COLOR_RGB2GRAY), dtype=np.uint8)

    @cached_property
    def lab(self) -> Floats:
        """CIE L*a*b* of the lightly blurred picture, ``(h, w, 3)``."""
        soft = cv2.GaussianBlur(self.rgb, (0, 0), 1.5).astype(np.float32) / 255.0
        return np.asarray(cv2.cvtColor(soft, cv2.COLOR_RGB2LAB), dtype=np.float32)

    @cached_property
    def corners(self) -> tuple[list[tuple[float, float]], Pixels]:
        """Points that can be found again in another picture, and the marks by which to find them."""
        orb = cv2.ORB_create(400, scaleFactor=1.3, nlevels=4, edgeThreshold=12, fastThreshold=8)  # type: ignore[attr-defined]
        points, marks = orb.detectAndCompute(self.grey, None)
        return [point.pt for point in points], np.zeros((0, 32), np.uint8) if marks is None else marks

    @cached_property
    def luminance(self) -> float:
        """Mean grey value, 0..255."""
        return float(self.grey.mean())

    @cached_property
    def colour(self) -> Floats:
        """Median colour of the whole picture, CIE L*a*b*."""
        return np.median(self.lab.reshape(-1, 3), axis=0).astype(np.float32)

    @cached_property
    def clear(self) -> bool:
        """Whether anything can be told apart."""
        spread = float(np.percentile(self.lab[..., 0], 98) - np.percentile(self.lab[..., 0], 2))
        return spread + float(self.lab[..., 1].std() + self.lab[..., 2].std()) > 6.0

    @cached_property
    def patches(self) -> tuple[Patch, ...]:
        """Patches of colour, largest first. Together they cover most of the picture."""
        return _patches(self)

    @cached_property
    def backdrop(self) -> Backdrop:
        return Backdrop(
            setting="outdoors" if self._sky or self._greenery else "somewhere",
            light=name_light(self.luminance),
            tone=self._tone,
            lines=self._lines,
        )

    @property
    def _sky(self) -> bool:
        """Something bright, smooth and bluish or colourless that fills the top."""
        top = self.lab[: max(1, self.lab.shape[0] // 8)].reshape(-1, 3)
        lightness, a, b = np.median(top, axis=0)
        smooth = float(np.std(top[:, 0])) < 9.0
        return bool(smooth and lightness > 55 and b < -6 and a < 8)

    @property
    def _greenery(self) -> bool:
        green = (self.lab[..., 1] < -8) & (self.lab[..., 2] > 6)
        return float(green.mean()) > 0.3

    @property
    def _tone(self) -> Tone:
        a, b = (float(self.lab[..., i].mean()) for i in (1, 2))
        if float(np.hypot(self.lab[..., 1], self.lab[..., 2]).mean()) < 4.0:
            return "muted"
        if b > 7.0 and b + a > 9.0:
            return "warm"
        return "cool" if b < -4.0 else "neutral"

    @property
    def _lines(self) -> Lines:
        across = cv2.Sobel(self.grey, cv2.CV_32F, 1, 0)
        down = cv2.Sobel(self.grey, cv2.CV_32F, 0, 1)
        strength = np.hypot(across, down)
        strong = strength > 80.0
        if strong.mean() < 0.03:
            return "few"
        angle = np.degrees(np.arctan2(down[strong], across[strong])) % 180.0  # of the gradient: 0 is an upright edge
        upright = float(((angle < 20) | (angle > 160)).mean())
        level = float(((angle > 70) & (angle < 110)).mean())
        if max(upright, level) < 0.16:
            return "slanting"
        if upright > 0.42:
            return "upright"
        return "level" if level > 0.42 else "mixed"


def name_colour(lab: Floats) -> str:
    """The nearest colour that has a name. Hue counts more than lightness, as it does for people."""
    gap = (_COLOUR_LAB - np.asarray(lab, dtype=np.float32)) * np.array([0.8, 1.0, 1.0], dtype=np.float32)
    return _COLOUR_NAMES[int(np.argmin((gap**2).sum(axis=1)))]


def name_size(share: float) -> str:
    """The size word of a share of the picture's area: nearest on a logarithmic scale."""
    return min(SIZES, key=lambda word: abs(np.log(max(share, 1e-4) / SIZES[word])))


def name_place(mask: Mask) -> str:
    """The place word nearest to the middle of a mask."""
    rows, columns = np.nonzero(mask)
    row, column = (rows.mean() + 0.5) / mask.shape[0], (columns.mean() + 0.5) / mask.shape[1]
    return min(PLACES, key=lambda word: np.hypot(PLACES[word][0] - row, PLACES[word][1] - column))


def name_light(luminance: float) -> Light:
    """The word for a mean grey value."""
    return next(word for limit, word in _LIGHT_STEPS if luminance < limit)


def patch_of(look: Look, mask: Mask) -> Patch:
    """Measure one patch."""
    inside = look.lab[mask]
    return Patch(mask, np.median(inside, axis=0).astype(np.float32), float(inside[:, 0].std()))


def _patches(look: Look) -> tuple[Patch, ...]:
    even = cv2.bilateralFilter(look.lab, 5, 12.0, 3.0)
    lab = np.asarray(cv2.resize(even, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA), dtype=np.float32)
    labels = _cluster(lab.reshape(-1, 3)).reshape(lab.shape[:2])
    found: list[Mask] = []
    for cluster in range(CLUSTERS):
        member = (labels == cluster).astype(np.uint8)
        member = cv2.morphologyEx(member, cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
        count, parts, stats, _ = cv2.connectedComponentsWithStats(member, connectivity=4)
        found += [parts == i for i in range(1, count) if stats[i, cv2.CC_STAT_AREA] >= MIN_SHARE * member.size]
    found.sort(key=lambda mask: -int(mask.sum()))
    size = (look.lab.shape[1], look.lab.shape[0])
    full = (cv2.resize(m.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST).astype(bool) for m in found[:12])
    return tuple(patch_of(look, mask) for mask in full)


def _cluster(points: NDArray[np.float32]) -> NDArray[np.int64]:
    """k-means that starts from points far apart instead of random ones, so that it always gives the same answer."""
    points = points * np.array([0.8, 1.2, 1.2], dtype=np.float32)
    sample = points[::7]
    centres = [sample.mean(axis=0)]
    gap = ((sample - centres[0]) ** 2).sum(axis=1)
    for _ in range(CLUSTERS - 1):
        centres.append(sample[int(np.argmax(gap))])
        gap = np.minimum(gap, ((sample - centres[-1]) ** 2).sum(axis=1))
    middle = np.stack(centres)
    for _ in range(6):
        nearest = ((sample[:, None] - middle[None]) ** 2).sum(axis=2).argmin(axis=1)
        for i in range(CLUSTERS):
            if (nearest == i).any():
                middle[i] = sample[nearest == i].mean(axis=0)
    merged = _merge(middle, np.bincount(nearest, minlength=CLUSTERS))
    labels = ((points[:, None] - middle[None]) ** 2).sum(axis=2).argmin(axis=1)
    return merged[labels]


def _merge(centres: NDArray[np.float32], weight: NDArray[np.int64]) -> NDArray[np.int64]:
    """Which cluster each one becomes part of: near ones are one patch to the eye."""
    target = np.arange(len(centres))
    for i in np.argsort(weight):
        gap = np.sqrt(((centres - centres[i]) ** 2).sum(axis=1))
        gap[(target != np.arange(len(centres))) | (np.arange(len(centres)) == i)] = np.inf
        if gap.min() < 9.0:
            target[i] = int(gap.argmin())
    for _ in range(len(centres)):
        target = target[target]
    return target


_COLOUR_NAMES = tuple(COLOURS)
_COLOUR_LAB = cv2.cvtColor(np.array([list(COLOURS.values())], dtype=np.float32) / 255.0, cv2.COLOR_RGB2LAB)[0]

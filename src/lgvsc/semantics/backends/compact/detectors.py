"""Faces, people and cats, by the detectors that come inside OpenCV's wheel."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import cv2
import numpy as np

from lgvsc.core.video import Pixels
from lgvsc.semantics.backends.compact.words import Kind

_FACE_SIDE, _PEOPLE_SIDE = 160, 192  # short sides at which the detectors look
# Kind, file, step between sizes looked at, agreeing looks needed. Chosen on the clips of benchmarks/psss.py.
_CASCADES: tuple[tuple[Kind, str, float, int], ...] = (
    ("face", "haarcascade_frontalface_default.xml", 1.15, 5),
    ("profile", "haarcascade_profileface.xml", 1.2, 5),
    ("cat", "haarcascade_frontalcatface_extended.xml", 1.1, 3),
)


@dataclass(frozen=True, slots=True)
class DetectedThing:
    """Something that a detector knows.

    Attributes:
        kind: What it is.
        box: Top, left, bottom, right, as fractions of the picture.
    """

    kind: Kind
    box: tuple[float, float, float, float]

    @property
    def share(self) -> float:
        top, left, bottom, right = self.box
        return (bottom - top) * (right - left)


def sightings(pixels: Pixels) -> tuple[DetectedThing, ...]:
    """Everything that the detectors find in an RGB picture, largest first, at most six, each place once."""
    found = _faces(pixels) + _walkers(pixels)
    found.sort(key=lambda sighting: -sighting.share)
    kept: list[DetectedThing] = []
    for sighting in found:
        if all(_overlap(sighting, other) < 0.35 for other in kept):
            kept.append(sighting)
    return tuple(kept[:6])


def _faces(pixels: Pixels) -> list[DetectedThing]:
    """The first kind of face that is there at all: most pictures with one kind have no other, and each look costs."""
    small = _shrunk(pixels, _FACE_SIDE)
    grey = cv2.cvtColor(small, cv2.COLOR_RGB2GRAY)
    size = (small.shape[1], small.shape[0])
    least = max(20, min(size) // 8)
    for kind, file, step, agreeing in _CASCADES:
        boxes = _cascade(file).detectMultiScale(grey, scaleFactor=step, minNeighbors=agreeing, minSize=(least, least))
        if len(boxes):
            return [_sighting(kind, box, size) for box in np.asarray(boxes).reshape(-1, 4)]
    return []


def _walkers(pixels: Pixels) -> list[DetectedThing]:
    """People on their feet, seen whole."""
    small = _shrunk(pixels, _PEOPLE_SIDE)
    if small.shape[0] < 128 or small.shape[1] < 64:  # the detector's window
        return []
    boxes, scores = _people().detectMultiScale(small, winStride=(8, 8), padding=(0, 0), scale=1.15)
    size = (small.shape[1], small.shape[0])
    return [_sighting("person", box, size) for box, score in zip(boxes, np.ravel(scores), strict=True) if score > 0.7]


def _shrunk(pixels: Pixels, side: int) -> Pixels:
    height, width = pixels.shape[:2]
    scale = side / min(height, width)
    if scale >= 1.0:
        return pixels
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)


@cache
def _cascade(file: str) -> cv2.CascadeClassifier:
    return cv2.CascadeClassifier(str(Path(cv2.data.haarcascades) / file))  # type: ignore[attr-defined]


@cache
def _people() -> cv2.HOGDescriptor:
    hog = cv2.HOGDescriptor()
    hog.setSVMDetector(np.asarray(cv2.HOGDescriptor.getDefaultPeopleDetector(), dtype=np.float32))
    return hog


def _sighting(kind: Kind, box: Iterable[int], size: tuple[int, int]) -> DetectedThing:
    x, y, w, h = (int(v) for v in box)
    left, top = max(0.0, x / size[0]), max(0.0, y / size[1])
    return DetectedThing(kind, (top, left, min(1.0, (y + h) / size[1]), min(1.0, (x + w) / size[0])))


def _overlap(a: DetectedThing, b: DetectedThing) -> float:
    """Shared area over the smaller area."""
    height = min(a.box[2], b.box[2]) - max(a.box[0], b.box[0])
    width = min(a.box[3], b.box[3]) - max(a.box[1], b.box[1])
    return max(0.0, height) * max(0.0, width) / max(1e-9, min(a.share, b.share))

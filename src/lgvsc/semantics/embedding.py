"""How alike two frames look, by one vector for each: what keyframes would go by if nobody asked for the meaning."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from lgvsc.core.video import Frame, Pixels

SIDE = 128  # pixels at which a frame is described
CELLS = 4  # along each side
DIRECTIONS = 8


class ImageEmbedder(Protocol):
    """Turns frames into vectors whose cosine says how alike they look."""

    name: str

    def embed(self, frames: Sequence[Frame]) -> NDArray[np.float32]:
        """Unit vectors, ``(frames, size)``."""
        ...


class ColourGradient:
    """Colours and directions of edges in a grid of 4x4 cells. No network, nothing learned.

    It is a description of appearance as CLIP is one, but knows nothing of things; its cosines are on a scale of their
    own.
    """

    name = "colour-gradient"

    def embed(self, frames: Sequence[Frame]) -> NDArray[np.float32]:
        """Unit vectors, ``(frames, 176)``: for each cell the mean of L*, a*, b* and of eight directions."""
        return np.stack([described(frame.pixels) for frame in frames])


def described(pixels: Pixels) -> NDArray[np.float32]:
    """The vector of one picture; both halves have the same length before they are put together."""
    small = cv2.resize(pixels, (SIDE, SIDE), interpolation=cv2.INTER_AREA).astype(np.float32) / 255.0
    lab = cv2.cvtColor(small, cv2.COLOR_RGB2LAB)  # L* in 0..100, a* and b* about -100..100
    colours = np.asarray(lab - np.array([50.0, 0.0, 0.0]), dtype=np.float32)
    grey = cv2.GaussianBlur(lab[..., 0], (0, 0), 2.0)
    dx, dy = cv2.Sobel(grey, cv2.CV_32F, 1, 0), cv2.Sobel(grey, cv2.CV_32F, 0, 1)
    strength, angle = np.hypot(dx, dy), np.mod(np.arctan2(dy, dx), np.pi)
    direction = np.minimum((angle / np.pi * DIRECTIONS).astype(np.int64), DIRECTIONS - 1)
    edges = strength[..., None] * np.eye(DIRECTIONS, dtype=np.float32)[direction]
    halves = [cells(colours), cells(edges)]
    return np.asarray(np.concatenate([unit(half) for half in halves]) / np.sqrt(2.0), dtype=np.float32)


def cells(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Means over the cells of a ``(SIDE, SIDE, n)`` array, as one vector."""
    size = SIDE // CELLS
    means: NDArray[np.float32] = values.reshape(CELLS, size, CELLS, size, -1).mean(axis=(1, 3)).ravel()
    return means


def unit(vector: NDArray[np.float32]) -> NDArray[np.float32]:
    """The vector at length one; a black or an empty one is the first unit vector, so that it is like itself."""
    length = float(np.linalg.norm(vector))
    if length < 1e-6:
        vector = np.zeros_like(vector)
        vector[0] = length = 1.0
    return np.asarray(vector / length, dtype=np.float32)

"""A cheap look before the dear one: frames whose pixels and flow say that nothing has changed are not asked about."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from lgvsc.core.video import Frame

SIDE = 128  # pixels of the longer side at which frames are looked at
LEAST = 64  # pixels of the shorter side; OpenCV's DIS flow crashes on less than some tens
CELL = 16
NOISE = 6.0  # mean difference of a cell, in grey levels, that noise and compression make
MOVED = 0.6  # mean flow in pixels of the small picture


@dataclass
class StillFilter:
    """Asks only about candidates that do not show what the keyframe shows, pixel by pixel.

    A candidate is still where no cell of 16x16 pixels differs by more than noise, at a size of 128 pixels, and nothing
    moves. Whatever is smaller than a cell can be missed, so the keyframes may differ from the full run's; off by
    default.

    Attributes:
        score: The score that is spared.
        asked, spared: How many candidates went on to it, and how many did not.
    """

    score: Callable[[Frame, Sequence[Frame]], Sequence[float | None]]
    asked: int = 0
    spared: int = 0

    def __call__(self, keyframe: Frame, candidates: Sequence[Frame]) -> list[float | None]:
        """Divergences; ``None`` for what is still."""
        small = _small(keyframe)
        moving = [frame for frame in candidates if not is_still(small, _small(frame))]
        found = dict(zip(moving, self.score(keyframe, moving), strict=True)) if moving else {}
        self.asked += len(moving)
        self.spared += len(candidates) - len(moving)
        return [found.get(frame) for frame in candidates]


def is_still(first: NDArray[np.uint8], second: NDArray[np.uint8]) -> bool:
    """Whether two small grey pictures show the same."""
    if first.shape != second.shape:
        return False
    difference = cv2.absdiff(first, second).astype(np.float32)
    cells = cv2.resize(
        difference, (max(1, first.shape[1] // CELL), max(1, first.shape[0] // CELL)), interpolation=cv2.INTER_AREA
    )
    if float(cells.max()) > NOISE:
        return False
    flow = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_ULTRAFAST).calc(first, second, None)  # type: ignore[call-overload]
    return float(np.abs(flow).mean()) < MOVED


def _small(frame: Frame) -> NDArray[np.uint8]:
    grey = cv2.cvtColor(frame.pixels, cv2.COLOR_RGB2GRAY)
    scale = SIDE / max(grey.shape)
    size = max(LEAST, round(grey.shape[1] * scale)), max(LEAST, round(grey.shape[0] * scale))
    return np.asarray(cv2.resize(grey, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)

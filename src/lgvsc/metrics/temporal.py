"""What is wrong between frames: flicker, and motion that the source does not have; and how sharp frames are.

A blurred or a standing picture flickers less than the source, so none of these is better the lower it is: each is
given for the source too, and flicker is to be read beside sharpness.
"""

from __future__ import annotations

from typing import TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from lgvsc.core.video import Pixels

Luma: TypeAlias = NDArray[np.float32]


def luma(pixels: Pixels) -> Luma:
    """BT.601 luma in 8-bit levels, float32 ``(H, W)``."""
    return np.asarray(cv2.cvtColor(pixels.astype(np.float32), cv2.COLOR_RGB2GRAY))


def sharpness(pixels: Pixels) -> float:
    """Mean length of the gradient of luma, by central differences, in 8-bit levels per pixel."""
    grey = luma(pixels)
    across, down = grey[1:-1, 2:] - grey[1:-1, :-2], grey[2:, 1:-1] - grey[:-2, 1:-1]
    return float(np.hypot(across, down).mean() / 2)


def flicker(before: Luma, now: Luma, after: Luma) -> float:
    """Mean absolute second difference of luma over three frames, in 8-bit levels; even change counts as none."""
    return float(np.abs(before - 2 * now + after).mean())


class Warp:
    """The flow between two neighbouring frames of the source, and where it can be trusted.

    Source: Lai et al. 2018, "Learning blind video temporal consistency", section 4.1, with OpenCV's DIS for the flow;
    a place counts unless forward and backward flow disagree, by the test of Ruder et al. 2016, Eq. (5).
    """

    def __init__(self, before: Pixels, now: Pixels) -> None:
        grey = [cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY) for pixels in (before, now)]
        dis = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
        none = np.empty((0, 0), np.float32)  # no flow to begin with
        back = dis.calc(grey[1], grey[0], none)  # from each place now to where it was
        forth = dis.calc(grey[0], grey[1], none)
        rows, columns = np.indices(grey[0].shape, dtype=np.float32)
        self.x, self.y = columns + back[..., 0], rows + back[..., 1]
        returned = cv2.remap(forth, self.x, self.y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        gap = np.square(back + returned).sum(-1)
        self.trusted = gap <= 0.01 * (np.square(back).sum(-1) + np.square(returned).sum(-1)) + 0.5
        height, width = grey[0].shape
        self.trusted &= (self.x >= 0) & (self.x <= width - 1) & (self.y >= 0) & (self.y <= height - 1)

    def error(self, before: Pixels, now: Pixels) -> float | None:
        """Mean squared difference of a frame and the one before it, moved by this flow, RGB in [0, 1], times 1000.

        ``None`` where no place can be trusted.
        """
        if not self.trusted.any():
            return None
        moved = cv2.remap(before.astype(np.float32), self.x, self.y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        squared = np.square((now.astype(np.float32) - moved) / 255).mean(-1)
        return float(1000 * squared[self.trusted].mean())

"""Objects cut out of photographs with a soft edge, to be put into other photographs.

The outlines are drawn by hand around what scikit-image's photographs show, in their own pixels.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from lgvsc.core.video import Pixels

# Hair, neck ring, suit and helmet of astronaut.png, clockwise from the lower left.
ASTRONAUT = [
    (18, 512), (22, 440), (19, 402), (25, 345), (40, 292), (58, 258), (88, 228), (113, 208), (114, 190),
    (124, 172), (138, 156), (160, 149), (182, 149), (182, 134), (168, 124), (158, 108), (154, 84), (158, 62),
    (172, 48), (190, 38), (200, 25), (222, 17), (240, 16), (262, 22), (284, 33), (296, 50), (301, 76),
    (300, 98), (290, 118), (278, 132), (266, 138), (262, 152), (256, 170), (262, 182), (282, 197), (298, 218),
    (305, 237), (322, 243), (340, 262), (350, 285), (357, 312), (362, 345), (385, 343), (412, 344), (440, 356),
    (464, 378), (484, 412), (494, 448), (502, 462), (506, 490), (511, 512),
]  # fmt: skip
# The cup's rim and the saucer are ellipses (centre, half axes); the spoon's handle stands out between them.
CUP = ((290, 112), (118, 96))
SAUCER = ((278, 218), (202, 172))
SPOON = [(395, 75), (402, 67), (418, 68), (424, 76), (412, 112), (396, 130)]
COIN = ((347, 187), (32, 31))  # the largest of coins.png
DUSK = np.array([0.86, 0.86, 0.92], np.float32)  # a studio photograph under an evening sky
SILVER = np.array([1.0, 0.97, 0.9], np.float32)  # under the lamp of the café


@dataclass(frozen=True, slots=True, eq=False)
class CutOut:
    """An object without its surroundings.

    Attributes:
        pixels: float32 RGB, ``(h, w, 3)``, 0..255.
        alpha: float32, ``(h, w)``, 1 where the object is.
    """

    pixels: NDArray[np.float32]
    alpha: NDArray[np.float32]


def astronaut(photograph: Pixels) -> CutOut:
    """A person in an orange suit, from astronaut.png."""
    alpha = np.zeros(photograph.shape[:2], np.uint8)
    cv2.fillPoly(alpha, [np.array(ASTRONAUT, np.int32)], 255)
    found = cut(photograph, alpha, shrink=1, softness=1.2)
    return CutOut((found.pixels * DUSK).astype(np.float32), found.alpha)


def coffee_cup(photograph: Pixels) -> CutOut:
    """A red cup with its saucer, from coffee.png."""
    alpha = np.zeros(photograph.shape[:2], np.uint8)
    for centre, axes in (SAUCER, CUP):
        cv2.ellipse(alpha, centre, axes, 0, 0, 360, 255, -1, cv2.LINE_AA)
    cv2.fillPoly(alpha, [np.array(SPOON, np.int32)], 255, cv2.LINE_AA)
    return cut(photograph, alpha, shrink=2, softness=1.5)


def coin(photograph: Pixels) -> CutOut:
    """An old silver coin, from coins.png."""
    alpha = np.zeros(photograph.shape[:2], np.uint8)
    cv2.ellipse(alpha, *COIN, 0, 0, 360, 255, -1, cv2.LINE_AA)
    found = cut(photograph, alpha, shrink=1, softness=0.7)
    return CutOut(np.clip(found.pixels * 1.15 * SILVER, 0, 255).astype(np.float32), found.alpha)


def cut(photograph: Pixels, alpha: NDArray[np.uint8], *, shrink: int, softness: float) -> CutOut:
    """Crop to the object; its edge lies ``shrink`` pixels inside the outline, so that nothing else comes along."""
    inside = cv2.erode(alpha, np.ones((3, 3), np.uint8), iterations=shrink)
    soft = cv2.GaussianBlur(inside, (0, 0), softness)
    rows, columns = np.nonzero(alpha.any(axis=1))[0], np.nonzero(alpha.any(axis=0))[0]
    box = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
    return CutOut(photograph[box].astype(np.float32), (soft[box] / 255.0).astype(np.float32))

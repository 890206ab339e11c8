"""Pictures that show nothing: black, white, any bare surface. Both ends ask, as nothing can be carried across one."""

from __future__ import annotations

import cv2
import numpy as np

from lgvsc.core.picture_chain import Pixels

SIDE = 64  # pictures are looked at in this size, which averages noise away
SAME = 8  # levels, at that size
FLAT = 6.0  # levels; a picture whose colours spread less shows nothing


def is_bare(picture: Pixels) -> bool:
    """Whether nothing can be seen in a picture. A line of writing on black can."""
    return bool(spread(shrink(picture)) < FLAT)


def shrink(picture: Pixels) -> Pixels:
    """The picture at 64 x 64, whatever its shape."""
    height, width = picture.shape[:2]
    thin = max(1, min(height, width) // (4 * SIDE))
    thinned = np.ascontiguousarray(picture[::thin, ::thin])
    return np.asarray(cv2.resize(thinned, (SIDE, SIDE), interpolation=cv2.INTER_AREA), np.uint8)


def spread(picture: Pixels) -> float:
    """The largest standard deviation of the three colours, in levels."""
    _, deviations = cv2.meanStdDev(picture)
    return float(deviations.max())


def is_same(one: Pixels, other: Pixels) -> bool:
    """Whether two pictures differ by no more than noise anywhere."""
    return int(cv2.absdiff(shrink(one), shrink(other)).max()) <= SAME

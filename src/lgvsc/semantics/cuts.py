"""Hard cuts: whether a frame begins a new shot, judged when it arrives from nothing but what came before."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from lgvsc.core.bare import SIDE, shrink
from lgvsc.core.video import Frame, Pixels
from lgvsc.errors import ConfigError

BLOCK = 12
REACH = 6  # how far a block may have moved, in pixels of the small picture: 9 % of the picture
BINS = 6  # per colour channel
FLAT = 6.0  # grey levels; a picture with less contrast shows nothing that could be a shot
STILL = 2.0  # grey levels; below this mean difference nobody needs to look closer


@dataclass(frozen=True, slots=True, kw_only=True)
class CutConfig:
    """When a difference is a hard cut.

    The threshold was chosen on 149 real clips of 40 to 240 frames with 43 cuts, 39 marked by eye and 4 by this detector
    at 0.5: it finds 39, and names 13 frames beside them (a stream that stutters, a camera that jolts, a light that goes
    on). 0.5 finds 28 and names 2, 0.25 finds 40 and names 16. Most of what lies between are cuts from one view of a
    scene to a nearer one. ``benchmarks/cuts.py`` prints the table.

    Attributes:
        threshold: By how much more than usual a cut differs from the frame before it, on the scale of
            :func:`difference`.
        colour_weight: What a change of colours counts beside a change of structure.
        memory_frames: Frames over which the usual difference is averaged.
        look_back: Frames kept to compare with; what returns after a flash or a glitch is the old shot.
    """

    threshold: float = 0.28
    colour_weight: float = 0.7
    memory_frames: int = 8
    look_back: int = 3

    def __post_init__(self) -> None:
        if not 0 < self.threshold <= 1 + self.colour_weight:
            raise ConfigError(
                f"cuts.threshold is {self.threshold}, but differences lie in [0, {1 + self.colour_weight}]"
            )
        if not self.colour_weight >= 0:
            raise ConfigError(f"cuts.colour_weight is {self.colour_weight}, but a weight is at least 0")
        if min(self.memory_frames, self.look_back) < 1:
            raise ConfigError("cuts.memory_frames and cuts.look_back are counts of frames, at least 1")


class CutDetector:
    """Call it with every frame in order; it says which ones begin a new shot.

    Fast motion raises what is usual and so what is needed; fades and dissolves have no single frame that
    stands out; brightness and contrast do not count, since blocks are compared by correlation. What it
    can take for a cut: the first frame of a strong flash, a light switched on, a lost stretch of a stream.

    Example:
        >>> detector = CutDetector()
        >>> cuts = [frame.index for frame in reader if detector(frame)]  # doctest: +SKIP
    """

    def __init__(self, config: CutConfig | None = None) -> None:
        self.config = config or CutConfig()
        self._recent: deque[Glance] = deque(maxlen=self.config.look_back)
        self._usual = 0.0
        self._seen = 0

    def __call__(self, frame: Frame) -> bool:
        """Whether ``frame`` begins a new shot. The first frame of a video does not."""
        return self.see(glance(frame.pixels))

    def see(self, now: Glance) -> bool:
        """The same of a frame at a glance."""
        if now.contrast < FLAT:
            return False  # black, white or fog: it belongs to what came before, and is forgotten at once
        cut = self._stands_out(now)
        if cut:
            self._usual, self._seen = 0.0, 0
        self._recent.append(now)
        return cut

    def _stands_out(self, now: Glance) -> bool:
        """Whether the step to this frame is far above what is usual here, and leads to nothing seen lately."""
        if not self._recent:
            return False
        *earlier, last = self._recent
        weight, limit = self.config.colour_weight, self._usual + self.config.threshold
        step = difference(last, now, weight)
        self._seen += 1
        self._usual += (min(step, limit) - self._usual) / min(self.config.memory_frames, self._seen)
        return step > limit and all(difference(old, now, weight) > step / 2 for old in earlier)


@dataclass(frozen=True, slots=True, eq=False)
class Glance:
    """A frame at a glance: small, and grey, its colours counted."""

    small: Pixels
    grey: NDArray[np.uint8]
    colours: NDArray[np.float32]
    contrast: float


def glance(pixels: Pixels) -> Glance:
    """What of a frame is compared."""
    small = shrink(pixels)
    colours = cv2.calcHist([small], [0, 1, 2], None, [BINS] * 3, [0, 256] * 3).ravel() / SIDE**2
    grey = np.asarray(cv2.cvtColor(small, cv2.COLOR_RGB2GRAY), dtype=np.uint8)
    return Glance(small, grey, np.asarray(colours, dtype=np.float32), float(grey.std()))


def difference(before: Glance, after: Glance, colour_weight: float) -> float:
    """0 for the same picture, about 0.05 within a shot, about 1 across a cut.

    One minus the correlation of blocks with the best match nearby, each block weighted by its contrast, plus
    the share of pixels whose colour is gone; no more of it than twice the former, as a light that changes takes the
    colours and leaves the structure.
    """
    if cv2.norm(before.grey, after.grey, cv2.NORM_L1) < STILL * SIDE**2:
        return 0.0
    found = contrasts = 0.0
    for row in range(REACH, SIDE - BLOCK - REACH + 1, BLOCK):
        for column in range(REACH, SIDE - BLOCK - REACH + 1, BLOCK):
            block = after.grey[row : row + BLOCK, column : column + BLOCK]
            contrast = float(block.std())
            if contrast < 1:
                continue  # a flat block fits everywhere, and correlation with it is not defined
            around = before.grey[row - REACH : row + BLOCK + REACH, column - REACH : column + BLOCK + REACH]
            found += contrast * float(cv2.matchTemplate(around, block, cv2.TM_CCOEFF_NORMED).max())
            contrasts += contrast
    structure = 1 - found / contrasts if contrasts else 0.0
    gone = 1 - float(np.minimum(before.colours, after.colours).sum())
    return structure + colour_weight * min(gone, 2 * structure)


class LatestCut:
    """The first frame of the last new shot in a segment, while its frames pass.

    There is room for one: what lies before it was found to be like the keyframe, or it would have opened a segment of
    its own. A bare stretch that comes and goes within the segment leaves no cut.
    """

    def __init__(self) -> None:
        self.index: int | None = None
        self._went_bare = False

    def reach(self, index: int, *, is_cut: bool, breaks: bool, bare: bool) -> None:
        """The next frame that is no flash or fade, be it of this segment or the next keyframe.

        Args:
            index: Of the frame.
            is_cut: It begins a new shot.
            breaks: That, or the picture becomes bare, or is none any more.
            bare: There is next to nothing in it.
        """
        if not breaks:
            return
        if bare:
            self._went_bare = True
        elif not is_cut and self._went_bare:
            self.index, self._went_bare = None, False  # what was before it is back
            return
        self.index = index

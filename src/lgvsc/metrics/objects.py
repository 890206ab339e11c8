"""Objects kept: what a detector still finds in a rebuilt video of what it found in the source."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lgvsc.core.interfaces import Detection, Detector
from lgvsc.core.video import Pixels
from lgvsc.models.catalog import load

LEAST_OVERLAP = 0.5  # intersection over union from which two boxes are about the same thing


class ObjectsKept:
    """Average precision of the rebuilt video's detections, the source's detections being the truth.

    Frames come one by one; what is kept is a score and a hit for each detection. A detection is a hit where a thing of
    its kind in the same frame of the source overlaps it by at least half (intersection over union) and no likelier
    detection has claimed that thing. All kinds and frames are ranked together, and precision is made to fall with
    recall before it is averaged. Source: Everingham et al. 2010, *The PASCAL Visual Object Classes Challenge*, with the
    area under all points instead of eleven.
    """

    def __init__(self) -> None:
        self._scores: list[float] = []
        self._hits: list[bool] = []
        self.things = 0  # in the source so far

    def add(self, source: Sequence[Detection], rebuilt: Sequence[Detection]) -> None:
        """One frame: what was detected in either video."""
        self.things += len(source)
        free = list(source)
        for found in sorted(rebuilt, key=lambda one: -one.score):
            same = [thing for thing in free if thing.kind == found.kind]
            best = max(same, key=lambda thing: overlap(thing.box, found.box), default=None)
            hit = best is not None and overlap(best.box, found.box) >= LEAST_OVERLAP
            if hit and best is not None:
                free.remove(best)
            self._scores.append(found.score)
            self._hits.append(hit)

    @property
    def value(self) -> float | None:
        """Average precision, 0..1; ``None`` where nothing was detected in the source."""
        if not self.things:
            return None
        if not self._hits:
            return 0.0
        hits = np.asarray(self._hits)[np.argsort(-np.asarray(self._scores), kind="stable")]
        precision = np.cumsum(hits) / np.arange(1, len(hits) + 1)
        falling = np.maximum.accumulate(precision[::-1])[::-1]
        return float(falling[hits].sum() / self.things)


class ObjectsMeter:
    """:class:`ObjectsKept` of whole frames, through a detector.

    Args:
        detector: What looks at both videos.
    """

    def __init__(self, detector: Detector) -> None:
        self._detector, self._kept = detector, ObjectsKept()

    def add(self, source: Pixels, rebuilt: Pixels) -> None:
        """One frame of the source, and what became of it; uint8 ``(H, W, 3)``."""
        self._kept.add(self._detector.detect(source), self._detector.detect(rebuilt))

    @property
    def value(self) -> float | None:
        """Average precision over all frames so far, 0..1; ``None`` where nothing was detected in the source."""
        return self._kept.value

    @property
    def things(self) -> int:
        """Detections in the source so far."""
        return self._kept.things


def shipped_meter() -> ObjectsMeter:
    """With the detector of the package.

    Raises:
        MissingResourceError: Its weights are not there.
    """
    return ObjectsMeter(load("compact-detector"))


def overlap(a: tuple[float, float, float, float], b: tuple[float, float, float, float]) -> float:
    """Intersection over union of two boxes (top, left, bottom, right), 0..1."""
    height = max(0.0, min(a[2], b[2]) - max(a[0], b[0]))
    width = max(0.0, min(a[3], b[3]) - max(a[1], b[1]))
    shared = height * width
    whole = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - shared
    return shared / whole if whole > 0 else 0.0

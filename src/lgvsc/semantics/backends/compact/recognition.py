"""What the compact detector and the scene tags recognise in one picture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lgvsc.core.interfaces import Detection
from lgvsc.core.video import Pixels
from lgvsc.models.catalog import find, load
from lgvsc.models.weights import asset_there
from lgvsc.semantics.backends.compact.detector import CompactDetector
from lgvsc.semantics.backends.compact.scene_tags import SceneTags

FAINT = 0.15  # least score of what may be the same thing as one that was seen clearly in another picture
SURE = 0.33  # least score of what is named
PERSON = 0.3  # ... of people, whom the detector knows best

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Sight:
    """One picture.

    Attributes:
        found: Things from :data:`FAINT` on, likeliest first.
        likely: Probability of each scene tag; empty where there are no tags.
        said: The tags that may be said of this picture alone.
        summary: What the tags are read from.
    """

    found: tuple[Detection, ...]
    likely: Floats
    said: frozenset[str]
    summary: Floats

    @property
    def named(self) -> tuple[Detection, ...]:
        """What is seen clearly enough to be named, likeliest first."""
        return tuple(one for one in self.found if is_sure(one))


def is_sure(one: Detection) -> bool:
    """Whether a detection is likely enough to be named."""
    return one.score >= (PERSON if one.kind == "person" else SURE)


class Recogniser:
    """Names things and kinds of scenes.

    Args:
        detector: Finds things.
        tags: Words about the whole picture, read from the same network; ``None`` says none.
    """

    def __init__(self, detector: CompactDetector, tags: SceneTags | None = None) -> None:
        self._detector, self.tags = detector, tags

    @classmethod
    def shipped(cls) -> Recogniser | None:
        """With the weights that come with the package; ``None`` where those of the detector are not there."""
        if not asset_there(find("compact-detector")):
            return None
        return cls(
            load("compact-detector"), load("compact-scene-tags") if asset_there(find("compact-scene-tags")) else None
        )

    @property
    def identity(self) -> dict[str, Any]:
        """What it sees depends on these weights."""
        return {"detector": self._detector.revision, "scene_tags": self.tags.revision if self.tags else None}

    def see(self, pixels: Pixels) -> Sight:
        """Look at an RGB picture ``(H, W, 3)``."""
        found, summary = self._detector.look(pixels, FAINT)
        if self.tags is None:
            return Sight(found, np.zeros(0, np.float32), frozenset(), summary)
        likely = self.tags.likely(summary)
        return Sight(found, likely, self.tags.said(likely), summary)

    def alike(self, first: Sight, second: Sight) -> float | None:
        """How alike two pictures are as scenes, -1..1; ``None`` without scene tags."""
        return None if self.tags is None else self.tags.alike(first.summary, second.summary)

    def said_of(self, sights: list[Sight], before: frozenset[str] = frozenset()) -> frozenset[str]:
        """The tags of several pictures of one scene together."""
        if self.tags is None:
            return frozenset()
        return self.tags.said(self.tags.likely(np.stack([sight.summary for sight in sights])), before)

"""What the compact detector, the classifier and the tags recognise in one picture, or in several of one scene."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lgvsc.core.interfaces import Detection
from lgvsc.core.video import Pixels
from lgvsc.models.catalog import find, load
from lgvsc.models.weights import asset_there
from lgvsc.semantics.backends.compact.classifier import CompactClassifier
from lgvsc.semantics.backends.compact.classifier_kinds import shown
from lgvsc.semantics.backends.compact.detector import Box, CompactDetector
from lgvsc.semantics.backends.compact.scene_tags import SceneTags

FAINT = 0.15  # least score of what may be the same thing as one that was seen clearly in another picture
SURE = 0.33  # least score of what is named
PERSON = 0.3  # ... of people, whom the detector knows best
EITHER = ("in", "out")  # tags of which one is said at most
# Tags that the classifier must bear out, by which of its words, and from which probability it does.
BORNE_OUT = {"animal": "animal", "bird": "animal", "cat": "animal", "dog": "animal", "fish": "animal"}
BORNE_OUT |= {"insect": "animal", "vehicle": "vehicle", "car": "vehicle", "truck": "vehicle", "boat": "vehicle"}
LEAST_BORNE_OUT = 0.25
# Least probabilities of tags in captions, whatever less their file allows; set on the clips that were annotated.
LEAST_SAID = 0.4
LEAST_OF = {"person": 0.6, "in": 0.6, "out": 0.6, "water": 0.6}

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Sight:
    """One picture.

    Attributes:
        found: Things from :data:`FAINT` on, likeliest first.
        likely: Probability of each scene tag; empty where there are no tags.
        said: The tags that may be said of this picture alone.
        summary: What the tags are read from.
        parts: The deepest features in the cells of a grid; empty where there are no tags.
    """

    found: tuple[Detection, ...]
    likely: Floats
    said: frozenset[str]
    summary: Floats
    parts: Floats

    @property
    def named(self) -> tuple[Detection, ...]:
        """What is seen clearly enough to be named, likeliest first."""
        return tuple(one for one in self.found if is_sure(one))


def is_sure(one: Detection) -> bool:
    """Whether a detection is likely enough to be named."""
    return one.score >= (PERSON if one.kind == "person" else SURE)


@dataclass(frozen=True, slots=True, eq=False)
class Whole:
    """What the classifier makes of one picture: a summary, and the probability of each of its kinds."""

    summary: Floats
    likely: Floats


RECOGNISERS = ("detector", "scene_tags", "classifier", "caption_tags")  # the first must be there


def names_here() -> dict[str, str]:
    """What the compact captioner recognises with, by role, as the catalogue calls it; nothing without the detector."""
    names = {role: f"compact-{role.replace('_', '-')}" for role in RECOGNISERS}
    here = {role: name for role, name in names.items() if asset_there(find(name))}
    return here if "detector" in here else {}


class Recogniser:
    """Names things and kinds of scenes.

    Args:
        detector: Finds things.
        tags: Words about the whole picture, read from the same network; ``None`` says none.
        classifier: Tells what whole pictures of a segment show; ``None``: nothing does.
        caption_tags: Words for captions, read from the classifier's summary; without it ``tags`` says them.
    """

    def __init__(
        self,
        detector: CompactDetector,
        tags: SceneTags | None = None,
        classifier: CompactClassifier | None = None,
        caption_tags: SceneTags | None = None,
    ) -> None:
        self._detector, self.tags, self._classifier, self.caption_tags = detector, tags, classifier, caption_tags

    @classmethod
    def shipped(cls) -> Recogniser | None:
        """With the weights that come with the package; ``None`` where those of the detector are not there."""
        here = {role: load(name) for role, name in names_here().items()}
        if "detector" not in here:
            return None
        classifier = here.get("classifier")
        return cls(
            here["detector"], here.get("scene_tags"), classifier, here.get("caption_tags") if classifier else None
        )

    @property
    def identity(self) -> dict[str, Any]:
        """What it sees depends on these weights."""
        parts = {"scene_tags": self.tags, "classifier": self._classifier, "caption_tags": self.caption_tags}
        return {"detector": self._detector.revision} | {
            name: one.revision if one else None for name, one in parts.items()
        }

    def see(self, pixels: Pixels) -> Sight:
        """Look at an RGB picture ``(H, W, 3)``."""
        found, summary, parts = self._detector.look(pixels, FAINT)
        if self.tags is None:
            return Sight(found, np.zeros(0, np.float32), frozenset(), summary, parts[..., :0])
        likely = self.tags.likely(summary)
        return Sight(found, likely, self.tags.said(likely), summary, parts)

    def alike(self, first: Sight, second: Sight, by_look: bool = False) -> float | None:
        """How alike two pictures are as scenes or, if so wished, as looks, -1..1; ``None`` without scene tags."""
        if self.tags is None:
            return None
        if by_look:
            return float(np.dot(*map(self.look_of, (first, second))))  # type: ignore[arg-type]
        return self.tags.alike(first.summary, second.summary)

    def look_of(self, sight: Sight) -> Floats | None:
        """What sets a picture off from others, as a whole and in its parts alike, of length 1; ``None`` without tags.

        The whole alone hardly changes where somebody acts in one corner.
        """
        if self.tags is None:
            return None
        both = np.concatenate((self.tags.look(sight.summary), self.tags.look_in_parts(sight.parts)))
        return np.asarray(both * 0.5**0.5, np.float32)

    def least_alike(self, first: Sight, second: Sight) -> Box:
        """The cell of the grid in which two pictures look least alike; the whole picture without tags."""
        if self.tags is None:
            return 0.0, 0.0, 1.0, 1.0
        count, rows, columns = first.parts.shape
        cells = (self.tags.look_in_parts(sight.parts).reshape(count, -1) for sight in (first, second))
        row, column = divmod(int(np.argmin(np.prod(list(cells), axis=0).sum(axis=0))), columns)
        return row / rows, column / columns, (row + 1) / rows, (column + 1) / columns

    def whole(self, pixels: Pixels) -> Whole | None:
        """What an RGB picture shows as a whole; ``None`` without a classifier."""
        return None if self._classifier is None else Whole(*self._classifier.look(pixels))

    def said_of(self, sights: Sequence[Sight], wholes: Sequence[Whole] = ()) -> frozenset[str]:
        """The tags of several pictures of one scene together."""
        kinds = self._kinds(wholes)
        if self.caption_tags is not None and kinds:
            likely = self.caption_tags.likely(np.stack([one.summary for one in wholes]))
            of = dict(zip(self.caption_tags.words, likely.tolist(), strict=True))
            wrong = {min(EITHER, key=lambda word: of.get(word, 0.0))}
            wrong |= {word for word, wide in BORNE_OUT.items() if kinds[wide] < LEAST_BORNE_OUT}
            wrong |= {word for word, p in of.items() if p < LEAST_OF.get(word, LEAST_SAID)}
            return self.caption_tags.said(likely) - wrong
        if self.tags is None:
            return frozenset()
        return self.tags.said(self.tags.likely(np.stack([sight.summary for sight in sights])))

    def doubts(self, wholes: Sequence[Whole]) -> bool:
        """Whether the classifier sees no animal in several pictures of one scene."""
        kinds = self._kinds(wholes)
        return bool(kinds) and kinds["animal"] < LEAST_BORNE_OUT

    def shown_in(self, wholes: Sequence[Whole]) -> tuple[str, ...]:
        """The classifier's words for several pictures of one scene together."""
        kinds = self._kinds(wholes)
        return shown(kinds) if kinds else ()

    def _kinds(self, wholes: Sequence[Whole]) -> dict[str, float]:
        """Probability of each of the classifier's words for several pictures together; none without a classifier."""
        if self._classifier is None or not wholes:
            return {}
        return self._classifier.words(np.mean([one.likely for one in wholes], axis=0))

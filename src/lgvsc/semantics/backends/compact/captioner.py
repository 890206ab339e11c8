"""The compact captioner: names what it recognises in pictures, and measures the rest.

What is recognised comes from the compact detector and the scene tags; without their weights everything is measured.
Both descriptions are written together. Everything that the second picture shares with the first keeps the first
one's words, whatever noise, exposure or the camera did to it; only what really differs is named anew. This is
what describing both pictures in one conversation is for: Ma et al. 2026 (arXiv:2606.12899), section II-C2.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import MutableMapping, Sequence
from copy import copy
from dataclasses import replace
from typing import Any
from weakref import WeakKeyDictionary

import cv2
import numpy as np
from numpy.typing import NDArray

from lgvsc.core.cost import Cost
from lgvsc.core.interfaces import Answer, Focus
from lgvsc.core.lexicon import PLACES, SIZES, Region
from lgvsc.core.message import Motion
from lgvsc.core.video import Frame
from lgvsc.semantics.backends.compact.changes import LookComparison
from lgvsc.semantics.backends.compact.gist import Telling, renamed
from lgvsc.semantics.backends.compact.recognition import Recogniser, Sight
from lgvsc.semantics.backends.compact.regions import Look, Mask, name_colour, name_light
from lgvsc.semantics.backends.compact.things import MAX_REGIONS, MAX_THINGS, Facts, common_things, things_anywhere
from lgvsc.semantics.backends.compact.tracks import groups
from lgvsc.semantics.backends.compact.turned import described_anew
from lgvsc.semantics.backends.compact.words import NOTHING_SEEN, Backdrop, Description, Thing

DESCRIBES_AS_OF = 4  # raise it when the same frame gets other words, or kept descriptions will be stale
REMEMBERED_FRAMES = 8
_LIGHT_KEPT = (0.6, 1.65)  # ratios of brightness within which the light keeps its name
_OTHER_COLOUR = 25.0  # distance in L*a*b* from which two bare surfaces are not the same
# Likeness of scenes from which two pictures show one; chosen with both parts of benchmarks/events.toml in sight.
SAME_SCENE = 0.55
SAME_AT_TURN = 0.85  # ... of looks, where the second is known to be a turn, see semantics/turns.py; chosen likewise
_SETTING_ONLY = frozenset({"in", "out"})  # tags that say too little for a caption of their own
_PEOPLE = frozenset({"person", "people", "woman", "man", "child"})  # nobody is there whom the detector sees nothing of
_SURELY_NOT = Answer(p_yes=0.005, p_no=0.995)


class CompactCaptioner:
    """Captions from measurement: patches, places, light, faces, people, and what changed between two pictures.

    Args:
        recogniser: Names things and kinds of scenes; ``None`` leaves everything to measurement.
        same_scene: Likeness from which the two pictures of a pair show one scene.
    """

    name = "compact"

    def __init__(self, recogniser: Recogniser | None = None, same_scene: float = SAME_SCENE) -> None:
        self._recogniser, self.same_scene, self._at_turn = recogniser, same_scene, False
        # Frames are told apart by identity, so the facts must keep the frame alive that they belong to. What was
        # recognised is dear and small: it is known for as long as anybody keeps the frame.
        self._facts: OrderedDict[int, Facts] = OrderedDict()
        self._sights: MutableMapping[Frame, Sight] = WeakKeyDictionary()
        self.cost = Cost()

    @property
    def identity(self) -> dict[str, Any]:
        """What a description depends on besides the frame: the version of this code, and what recognises."""
        seen_by = self._recogniser.identity if self._recogniser else {}
        return {"model": self.name, "revision": DESCRIBES_AS_OF} | seen_by

    def describe(self, frames: Sequence[Frame]) -> list[str]:
        """One description of each frame, alone. Two of them differ more than those of :meth:`describe_pair`."""
        with self.cost.timed():
            self.cost.descriptions += len(frames)
            return [str(self._of(frame).alone) for frame in frames]

    def describe_pair(self, first: Frame, second: Frame) -> tuple[str, str]:
        """One description of each frame, in the same words where the two show the same thing."""
        with self.cost.timed():
            self.cost.descriptions += 1
            a, b = self.descriptions(first, second)
            return str(a), str(b)

    def describe_pair_for(self, first: Frame, second: Frame, focus: Focus) -> tuple[str, str]:
        """The same for a judge that is asked about one aspect.

        ``main_object`` names the one recognised thing that is largest and most central, ``background`` none of them.
        """
        with self.cost.timed():
            self.cost.descriptions += 1
            a, b = self.descriptions(first, second)
            if self._recogniser is not None:
                a, b = focused(a, b, focus)
            return str(a), str(b)

    def descriptions(self, first: Frame, second: Frame) -> tuple[Description, Description]:
        """The same before it is written out."""
        a, b = self._of(first), self._of(second)
        if first is second:
            return a.alone, a.alone
        if not (a.look.clear and b.look.clear):
            return a.alone, b.alone
        return self._together(a, b)

    def tell_apart(self, first: Frame, second: Frame) -> Answer | None:
        """No, for a picture in which nothing can be seen beside one that shows something, or beside another colour."""
        with self.cost.timed():
            a, b = self._of(first).look, self._of(second).look
            if a.clear and b.clear:
                return None
            same = a.clear == b.clear and float(np.linalg.norm(a.colour - b.colour)) < _OTHER_COLOUR
            return None if same else _SURELY_NOT

    def look_of(self, frame: Frame) -> NDArray[np.float32] | None:
        """What sets a picture off from others, of length 1; ``None`` without scene tags."""
        if self._recogniser is None:
            return None
        with self.cost.timed():
            sight = self._of(frame).sight
            return None if sight is None else self._recogniser.look_of(sight)

    def at_turns(self) -> CompactCaptioner:
        """The same captioner, with the same memory and ledger, of pairs whose second frame is known to be a turn."""
        other = copy(self)
        other.same_scene, other._at_turn = SAME_AT_TURN, True
        return other

    def _alike(self, a: Sight | None, b: Sight | None) -> float | None:
        """How alike two pictures are as scenes, -1..1; at a turn as looks. ``None`` where nobody knows."""
        if self._recogniser is None or a is None or b is None:
            return None
        return self._recogniser.alike(a, b, by_look=self._at_turn)

    def caption(self, frames: Sequence[Frame], motion: Motion | None, max_bytes: int) -> str:
        """A caption for the segment from some of its frames, the least important sentences left out first."""
        with self.cost.timed("captions_s"):
            written = self._caption(frames, motion, max_bytes)
        self.cost.captions += 1
        self.cost.caption_words += len(written.split())
        return written

    def _caption(self, frames: Sequence[Frame], motion: Motion | None, max_bytes: int) -> str:
        first = self._of(frames[0])
        if not first.look.clear:
            return _fitting([NOTHING_SEEN], max_bytes)
        if self._recogniser is not None:
            told = self.tell(frames, motion)
            if told.groups or told.shown or told.tags - _SETTING_ONLY:
                return _fitting(told.sentences(), max_bytes)
        here, there = self.descriptions(frames[0], frames[-1])
        things = [f"{thing}" for thing in here.things if thing in there.things]
        things += [f"{thing}, then gone" for thing in _missing(here.things, there.things)]
        things += [f"then {thing}" for thing in _missing(there.things, here.things)]
        regions = [_sentence(str(patch.region())) for patch in first.look.patches[:6]]
        place = "" if here.backdrop.setting == "somewhere" else f"{here.backdrop.setting}, "
        sentences = [_sentence(f"{place}{here.backdrop.light} light"), *regions[:3]]
        if things:
            sentences.append(_sentence("; ".join(things[:MAX_THINGS])))
        if motion is not None:
            sentences.append(_sentence(f"camera {motion.camera}, {_pace(motion.score)}"))
        if len(frames) > 1 and here.backdrop.light != there.backdrop.light:
            sentences.append(_sentence(f"then {there.backdrop.light} light"))
        return _fitting(sentences + regions[3:], max_bytes)

    def tell(self, frames: Sequence[Frame], motion: Motion | None) -> Telling:
        """What can be said of a segment by name. Needs a recogniser."""
        assert self._recogniser is not None
        facts = [self._of(frame) for frame in frames]
        sights = [one.sight for one in facts if one.sight is not None]
        looks = [one.look for one in facts]
        first, last = looks[0], looks[-1]
        light, later = first.backdrop.light, _backdrop(first.backdrop, first, last).light
        free = [patch for patch in first.patches if not (patch.mask & facts[0].boxes).sum() > 0.6 * patch.mask.sum()]
        wholes = [one.whole for one in facts if one.whole is not None]
        tags, shown = self._recogniser.said_of(sights, wholes), self._recogniser.shown_in(wholes)
        faint = sum(any(one.kind == "person" for one in sight.found) for sight in sights)
        found = groups([sight.found for sight in sights], looks, motion, doubted=self._recogniser.doubts(wholes))
        return Telling(
            tags=tags if 2 * faint >= len(sights) else tags - _PEOPLE,
            groups=renamed(tuple(found), shown),
            shown=shown,
            light="" if light == "even" else light,
            later_light=later if later != light else "",
            camera=motion.camera if motion else "",
            pace=_pace(motion.score, acts=any(group.does for group in found)) if motion else "",
            regions=tuple(patch.region() for patch in free[:3]),
        )

    def _together(self, a: Facts, b: Facts) -> tuple[Description, Description]:
        compared = LookComparison(a.look, b.look)
        aligned = _same_view(compared)
        alike = self._alike(a.sight, b.sight)
        if alike < self.same_scene if alike is not None else not aligned:
            return self._turned(a, b) if self._at_turn else (a.alone, b.alone)
        if not aligned:  # the same scene from elsewhere: nothing can be said of single spots
            regions_a = regions_b = tuple(region for _, region in a.regions)
            pairs = things_anywhere(a, b)
        else:
            regions_a, regions_b = _regions(a, b, compared)
            pairs = common_things(a, b, compared)
        backdrop = a.backdrop
        return (
            Description(backdrop=backdrop, regions=regions_a, things=tuple(x for x, _ in pairs if x)),
            Description(
                backdrop=_backdrop(backdrop, a.look, b.look), regions=regions_b, things=tuple(y for _, y in pairs if y)
            ),
        )

    def _turned(self, a: Facts, b: Facts) -> tuple[Description, Description]:
        """Two pictures of which the second is known to be a turn, and which look unlike."""
        if self._recogniser is None or a.sight is None or b.sight is None:
            return a.alone, b.alone
        return described_anew(a, b, self._recogniser.least_alike(a.sight, b.sight))

    def _of(self, frame: Frame) -> Facts:
        facts = self._facts.get(id(frame))
        if facts is None:
            facts = self._facts[id(frame)] = Facts(frame, self._recogniser, self.cost, self._sights)
            while len(self._facts) > REMEMBERED_FRAMES:
                self._facts.popitem(last=False)
        self._facts.move_to_end(id(frame))
        return facts


def load() -> CompactCaptioner:
    """The captioner with what recognises, as far as its weights are there."""
    return CompactCaptioner(Recogniser.shipped())


def focused(a: Description, b: Description, focus: Focus) -> tuple[Description, Description]:
    """Two descriptions of a pair, with the recognised things that a focus is about."""
    if focus == "background":
        return replace(a, things=()), replace(b, things=())
    if focus == "main_object" and (a.things or b.things):
        main = max((*a.things, *b.things), key=_standing)
        return tuple(replace(one, things=tuple(t for t in one.things if _is_one(t, main))) for one in (a, b))  # type: ignore[return-value]
    return a, b


def _standing(thing: Thing) -> float:
    """How much a thing is the main one: recognised, large, in the middle."""
    row, column = PLACES[thing.place]
    central = 1.0 - max(abs(row - 0.5), abs(column - 0.5))
    return (1.0 if thing.kind == "object" else 10.0) * SIZES[thing.size] ** 0.5 * central


def _is_one(thing: Thing, main: Thing) -> bool:
    """Whether a thing of a pair's descriptions is the main one: words are the same but for place and state."""
    return (thing.kind, thing.size, thing.colour) == (main.kind, main.size, main.colour)


def _same_view(compared: LookComparison) -> bool:
    """Whether the second picture still shows the place of the first one."""
    if compared.overlap < 0.4 or compared.changed_share > 0.5:
        return False
    return compared.likeness > 0.15 or compared.changed_share < 0.2


def _backdrop(backdrop: Backdrop, a: Look, b: Look) -> Backdrop:
    """The first picture's words; only the light may change, and only when it clearly does."""
    ratio = (b.luminance + 4.0) / (a.luminance + 4.0)
    if _LIGHT_KEPT[0] < ratio < _LIGHT_KEPT[1]:
        return backdrop
    return replace(backdrop, light=name_light(b.luminance))


# --- regions ---


def _regions(a: Facts, b: Facts, compared: LookComparison) -> tuple[tuple[Region, ...], tuple[Region, ...]]:
    here, there = [], []
    for patch, region in a.regions:
        here.append(region)
        visible = patch.mask & compared.shared
        if visible.sum() < 0.35 * patch.mask.sum():
            continue
        if (visible & compared.changed).sum() > 0.6 * visible.sum():
            region = replace(region, colour=name_colour(compared.second_colour(visible)))
        there.append(region)
    if compared.overlap < 0.7:
        there += [region for patch, region in b.regions if _revealed(patch.mask, compared)]
    return tuple(here), tuple(there[: MAX_REGIONS + 1])


def _revealed(mask: Mask, compared: LookComparison) -> bool:
    """Whether a patch of the second picture lies mostly where the first one had not looked."""
    rows, columns = np.nonzero(mask)
    back = cv2.invertAffineTransform(compared.matrix)
    x, y = back @ np.stack((columns, rows, np.ones_like(rows)))
    height, width = compared.first.grey.shape
    outside = (x < 0) | (x >= width) | (y < 0) | (y >= height)
    return bool(outside.mean() > 0.6 and mask.mean() > 0.07)


# --- captions ---


def _missing(these: tuple[Thing, ...], those: tuple[Thing, ...]) -> list[Thing]:
    return [thing for thing in these if thing not in those]


def _pace(score: float, acts: bool = False) -> str:
    """A motion score (see :class:`~lgvsc.core.message.Motion`) in words; where something acts, something moves."""
    paces = ((0.0 if acts else 1.0, "nothing moves"), (4.0, "slow"), (12.0, "lively"))
    return next((word for limit, word in paces if score < limit), "fast")


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:] + "."


def _fitting(sentences: list[str], max_bytes: int) -> str:
    """As many whole sentences as fit, in order of importance; a later one may fit where an earlier one did not."""
    kept = ""
    for sentence in sentences:
        longer = f"{kept} {sentence}".strip()
        if len(longer.encode()) <= max_bytes:
            kept = longer
    return kept

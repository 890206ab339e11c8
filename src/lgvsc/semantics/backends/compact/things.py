"""What stands in front of the background: beings that a detector knows, and patches that came, left, moved or act."""

from __future__ import annotations

from collections.abc import MutableMapping
from dataclasses import replace
from functools import cached_property
from typing import TypeAlias

import cv2
import numpy as np

from lgvsc.core.cost import Cost
from lgvsc.core.lexicon import Region
from lgvsc.core.video import Frame
from lgvsc.semantics.backends.compact.changes import Change, LookComparison
from lgvsc.semantics.backends.compact.detectors import DetectedThing, sightings
from lgvsc.semantics.backends.compact.gist import PLACES_SAID
from lgvsc.semantics.backends.compact.recognition import Recogniser, Sight, Whole
from lgvsc.semantics.backends.compact.regions import Floats, Look, Mask, Patch, name_colour, name_place, name_size
from lgvsc.semantics.backends.compact.tracks import displaced, place_of
from lgvsc.semantics.backends.compact.words import Backdrop, Description, Setting, Thing

MAX_REGIONS = 3  # in a description; a caption may name more
MAX_THINGS = 4
MOST_SEEN = 6
MOST_PLACES = 3
DOUBTLESS = 0.5  # least score of a thing that may come or go between two pictures
FAR_MOVED, FAR_NEARER = 0.35, 3.0  # of the picture, and ratio of areas, from which a thing has moved between two
NOT_TINY = 0.015  # least share of the picture of what may
UNNAMED = 0.04  # least share of the picture of something without a name that comes or goes
_STATE_OF = {f"moves {way}": f"moved {way}" for way in ("left", "right", "up", "down")}
_STATE_OF |= {"comes nearer": "nearer", "goes farther": "farther"}
Pair: TypeAlias = tuple[Thing | None, Thing | None]  # the same thing in either picture; None where it is not


class Facts:
    """What is known of one frame by itself. With a recogniser its things take the place of OpenCV's sightings.

    Args:
        frame: The frame, which is kept.
        recogniser: Who recognises.
        cost: The ledger.
        sights: What was recognised in frames before; what is recognised in this one is put there, too.
    """

    def __init__(
        self,
        frame: Frame,
        recogniser: Recogniser | None = None,
        cost: Cost | None = None,
        sights: MutableMapping[Frame, Sight] | None = None,
    ) -> None:
        self.frame, self._cost = frame, cost or Cost()
        self.look = Look(frame.pixels)
        self._recogniser = recogniser
        self._sights = {} if sights is None else sights

    @cached_property
    def sight(self) -> Sight | None:
        """What is recognised; ``None`` without a recogniser."""
        if self._recogniser is None:
            return None
        if (known := self._sights.get(self.frame)) is not None:
            return known
        self._cost.pictures_detected += 1
        with self._cost.timed("detector_s"):
            found = self._sights[self.frame] = self._recogniser.see(self.frame.pixels)
        return found

    @cached_property
    def whole(self) -> Whole | None:
        """What it shows as a whole; ``None`` without a classifier."""
        if self._recogniser is None:
            return None
        with self._cost.timed("classifier_s"):
            found = self._recogniser.whole(self.frame.pixels)
        self._cost.pictures_classified += found is not None
        return found

    @cached_property
    def sightings(self) -> tuple[DetectedThing, ...]:
        """What stands in front, largest first."""
        if self.sight is None:
            return sightings(self.frame.pixels)
        found = [DetectedThing(one.kind, one.box) for one in self.sight.named]
        return tuple(sorted(found, key=lambda one: -one.share)[:MOST_SEEN])

    @cached_property
    def faint(self) -> tuple[DetectedThing, ...]:
        """The same with what is seen less clearly: enough to know again what was clear in another picture."""
        return (
            self.sightings
            if self.sight is None
            else tuple(DetectedThing(one.kind, one.box) for one in self.sight.found)
        )

    def beyond_doubt(self, sighting: DetectedThing) -> bool:
        """Whether the recogniser is so sure of a sighting that its absence elsewhere means something."""
        found = () if self.sight is None else self.sight.found
        sure = any(one.score >= DOUBTLESS for one in found if (one.kind, one.box) == (sighting.kind, sighting.box))
        return sure and sighting.share > NOT_TINY

    @cached_property
    def backdrop(self) -> Backdrop:
        """The background, in the scene tags' words where there are any."""
        return self.look.backdrop if self.sight is None else tagged(self.look.backdrop, self.sight.said)

    @property
    def boxes(self) -> Mask:
        """Where things are recognised."""
        covered = np.zeros(self.look.grey.shape, dtype=bool)
        for sighting in self.sightings if self.sight is not None else ():
            covered |= _box(sighting, self.look)
        return covered

    @cached_property
    def regions(self) -> tuple[tuple[Patch, Region], ...]:
        """The largest patches where nothing is recognised."""
        free = [patch for patch in self.look.patches if not _inside(patch.mask, self.boxes)]
        return tuple((patch, patch.region()) for patch in free[:MAX_REGIONS])

    @cached_property
    def standing_out(self) -> tuple[tuple[Mask, Thing], ...]:
        """Smaller patches inside the picture whose colour sets them off: the likeliest objects."""
        found = []
        for patch in self.look.patches:
            edge = patch.mask[0].any() or patch.mask[-1].any() or patch.mask[:, 0].any() or patch.mask[:, -1].any()
            if not edge and patch.share < 0.12 and _contrast(self.look.lab, patch.mask) > 28.0:
                found.append((patch.mask, _thing(patch.mask, patch.lab)))
        return tuple(found[:2])

    @cached_property
    def alone(self) -> Description:
        """The frame described without regard to any other."""
        things = [_seen(sighting) for sighting in self.sightings[:3]]
        boxes = [_box(sighting, self.look) for sighting in self.sightings]
        things += [thing for mask, thing in self.standing_out if not any(_inside(mask, box) for box in boxes)]
        return Description(
            backdrop=self.backdrop,
            regions=tuple(region for _, region in self.regions),
            things=tuple(things[:MAX_THINGS]),
            clear=self.look.clear,
        )


def common_things(a: Facts, b: Facts, compared: LookComparison) -> list[Pair]:
    """Everything in the foreground, in either picture or both, largest first."""
    changes = list(compared.changes)
    pairs: list[tuple[float, Pair]] = []
    claimed = np.zeros_like(compared.changed)
    if a.sight is not None and b.sight is not None:
        pairs, claimed = _recognised(a, b, compared)
    for sighting in a.sightings[:3] if a.sight is None else ():
        box = _box(sighting, a.look)
        thing = _seen(sighting)
        touched = float((compared.changed & box).sum() / max(1, box.sum()))
        if touched > 0.45 and not any(_near(sighting, other) for other in b.sightings):
            pairs.append((sighting.share, (thing, None)))
        else:
            state = "in another pose" if touched > 0.12 else "still"
            pairs.append((sighting.share, (thing, replace(thing, state=state))))
        claimed |= box
    if a.sight is None and any(change.share > 0.012 for change in changes):
        for sighting in b.sightings[:3]:
            box = _laid_back(_box(sighting, b.look), compared)
            new = (compared.changed | ~compared.shared) & box
            known = any(_near(sighting, other) for other in a.sightings)
            if not known and new.sum() > 0.3 * max(1, box.sum()):
                pairs.append((sighting.share, (None, _seen(sighting))))
                claimed |= box
    free = [change for change in changes if not _inside(change.mask, claimed)]
    if a.sight is not None:  # of what has no name only what comes or goes and is large enough to matter
        large = [change for change in free if change.share > UNNAMED]
        pairs += [(share, pair) for share, pair in _objects(large) if None in pair]
    else:
        pairs += _objects(free)
    for mask, thing in a.standing_out if a.sight is None else ():
        if not _inside(mask, claimed) and (mask & compared.changed).sum() < 0.2 * mask.sum():
            visible = (mask & compared.shared).sum() > 0.5 * mask.sum()
            pairs.append((float(mask.mean()), (thing, thing if visible else None)))
    pairs.sort(key=lambda pair: -pair[0])
    return [pair for _, pair in pairs[:MAX_THINGS]]


def tagged(backdrop: Backdrop, said: frozenset[str]) -> Backdrop:
    """A backdrop with what scene tags say of the place."""
    setting: Setting = "indoors" if "in" in said else "outdoors" if "out" in said else backdrop.setting
    return replace(backdrop, setting=setting, places=tuple(tag for tag in PLACES_SAID if tag in said)[:MOST_PLACES])


def _recognised(a: Facts, b: Facts, compared: LookComparison) -> tuple[list[tuple[float, Pair]], Mask]:
    """Things that the recogniser names, in either picture or both, and where they are in the first.

    What is named in one picture is looked for among what is faint in the other, first where it was, then anywhere, so
    that a thing does not go because the detector is a little less sure of it; and it keeps the name that it was given
    first. Only what is beyond doubt may come or go.
    """
    claimed = np.zeros_like(compared.changed)
    pairs: list[tuple[float, Pair]] = []
    free = [(other, _carried_back(other, compared)) for other in b.faint]
    lost = []
    for sighting in a.sightings:
        claimed |= _box(sighting, a.look)
        same = [one for one in free if _same_thing(sighting, one[1])]
        if not same:
            lost.append(sighting)
            continue
        found = min(same, key=lambda one: _apart(sighting, one[1]))
        free.remove(found)
        pairs.append((sighting.share, _paired(sighting, *found)))
    for sighting in lost:
        same = [one for one in free if one[0].kind == sighting.kind]
        if same:
            found = min(same, key=lambda one: _apart(sighting, one[1]))
            free.remove(found)
            pairs.append((sighting.share, (_seen(sighting), _seen(sighting))))
        elif a.beyond_doubt(sighting) and sighting.kind not in {one.kind for one in b.faint}:
            pairs.append((sighting.share, (_seen(sighting), None)))
    for other, _ in free:
        if b.beyond_doubt(other) and other.kind not in {one.kind for one in a.faint}:
            pairs.append((other.share, (None, _seen(other))))
            claimed |= _laid_back(_box(other, b.look), compared)
    return pairs, claimed


def _paired(here: DetectedThing, there: DetectedThing, carried: DetectedThing) -> Pair:
    """The same thing in both pictures; it has moved where it has moved far."""
    first = _seen(here)
    state = _STATE_OF.get(displaced(here.box, carried.box, 0.0, 0.0, 0.0, moved=FAR_MOVED, nearer=FAR_NEARER), "still")
    second = replace(first, state=state)
    return first, replace(second, place=place_of(there.box)) if state.startswith("moved") else second


def things_anywhere(a: Facts, b: Facts) -> list[Pair]:
    """Recognised things of one scene seen from two sides: told apart by kind alone, the largest first."""
    free = list(b.faint)
    pairs: list[tuple[float, Pair]] = []
    for sighting in a.sightings:
        same = [one for one in free if one.kind == sighting.kind]
        if same:
            free.remove(min(same, key=lambda one: _apart(sighting, one)))
        if same or a.beyond_doubt(sighting):
            pairs.append((sighting.share, (_seen(sighting), _seen(sighting) if same else None)))
    known = {sighting.kind for sighting in a.faint}
    new = [one for one in b.sightings if one in free and one.kind not in known]
    pairs += [(one.share, (None, _seen(one))) for one in new if b.beyond_doubt(one)]
    pairs.sort(key=lambda pair: -pair[0])
    return [pair for _, pair in pairs[:MAX_THINGS]]


def _carried_back(sighting: DetectedThing, compared: LookComparison) -> DetectedThing:
    """A sighting of the second picture where it would be in the first."""
    height, width = compared.second.grey.shape
    top, left, bottom, right = sighting.box
    corners = np.array([[left * width, top * height], [right * width, bottom * height]])
    back = cv2.invertAffineTransform(compared.matrix)
    (x0, y0), (x1, y1) = corners @ back[:, :2].T + back[:, 2]
    rows, columns = compared.first.grey.shape
    return DetectedThing(sighting.kind, (y0 / rows, x0 / columns, y1 / rows, x1 / columns))


def _same_thing(a: DetectedThing, b: DetectedThing) -> bool:
    return _apart(a, b) < (0.75 if a.kind == b.kind else 0.2)


def _apart(a: DetectedThing, b: DetectedThing) -> float:
    """How far two boxes are from each other, middles and sizes, in sides of the larger one."""
    sides = max(a.box[2] - a.box[0], b.box[2] - b.box[0], 1e-6), max(a.box[3] - a.box[1], b.box[3] - b.box[1], 1e-6)
    gaps = [abs(a.box[i] + a.box[i + 2] - b.box[i] - b.box[i + 2]) / 2 / sides[i] for i in (0, 1)]
    ratio = abs(np.log(max(a.share, 1e-6) / max(b.share, 1e-6)))
    return float(max(*gaps, 0.25 * ratio))


def _objects(changes: list[Change]) -> list[tuple[float, Pair]]:
    """Changed patches as objects that came, left or moved; all others together are something that acts."""
    left = [c for c in changes if _only_first(c)]
    came = [c for c in changes if _only_first(_turned(c))]
    came = [c for c in came if c not in left]
    acting = [c for c in changes if c not in left and c not in came]
    pairs: list[tuple[float, Pair]] = []
    for change in left:
        target = next((c for c in came if _alike(change, c)), None)
        thing = _thing(change.mask, change.first)
        if target is None:
            pairs.append((change.share, (thing, None)))
            continue
        came.remove(target)
        moved = replace(thing, place=name_place(target.mask), state=_direction(change.mask, target.mask))
        pairs.append((max(change.share, target.share), (thing, moved)))
    pairs += [(change.share, (None, _thing(change.mask, change.second))) for change in came]
    if acting:
        mask = np.any([change.mask for change in acting], axis=0)
        thing = Thing(
            kind="object", size=name_size(mask.mean()), colour=name_colour(acting[0].first), place=name_place(mask)
        )
        pairs.append((float(mask.mean()), (thing, replace(thing, state="in another pose"))))
    return pairs


def _only_first(change: Change) -> bool:
    """Whether a patch shows a thing of its own in the first picture, and nothing but its background in the second."""
    here, there = change.stands_out_first, change.stands_out_second
    if here > 10.0 and here > 1.4 * there and change.joined_first < 0.2:
        return True
    lost = change.found_first < 0.4
    return lost and here > 8.0 and (here > there or change.found_second >= 0.4)


def _turned(change: Change) -> Change:
    """The same change with the pictures the other way round."""
    return Change(
        change.mask,
        change.share,
        change.second,
        change.first,
        change.stands_out_second,
        change.stands_out_first,
        change.joined_second,
        change.joined_first,
        change.found_second,
        change.found_first,
    )


def _alike(before: Change, after: Change) -> bool:
    """Whether what left here is what came there."""
    gap = float(np.linalg.norm(before.first - after.second))
    return gap < 20.0 and 0.2 < before.share / after.share < 5.0


def _direction(before: Mask, after: Mask) -> str:
    (y0, x0), (y1, x1) = (np.argwhere(mask).mean(axis=0) for mask in (before, after))
    if abs(x1 - x0) >= abs(y1 - y0):
        return "moved right" if x1 > x0 else "moved left"
    return "moved down" if y1 > y0 else "moved up"


def _thing(mask: Mask, lab: Floats) -> Thing:
    points = np.argwhere(mask)[:, ::-1].astype(np.int32)
    hull = cv2.contourArea(cv2.convexHull(points)) / mask.size  # changes are found with holes in them
    share = min(hull, 2.0 * float(mask.mean()))
    return Thing(kind="object", size=name_size(share), colour=name_colour(lab), place=name_place(mask))


def _seen(sighting: DetectedThing) -> Thing:
    top, left, bottom, right = sighting.box
    mask = np.zeros((90, 90), dtype=bool)
    mask[int(top * 90) : int(np.ceil(bottom * 90)), int(left * 90) : int(np.ceil(right * 90))] = True
    return Thing(kind=sighting.kind, size=name_size(sighting.share), colour=None, place=name_place(mask))


def _near(a: DetectedThing, b: DetectedThing) -> bool:
    """Whether two sightings, one in each picture, may be the same being."""
    middle = [((s.box[0] + s.box[2]) / 2, (s.box[1] + s.box[3]) / 2) for s in (a, b)]
    far = max(abs(middle[0][0] - middle[1][0]), abs(middle[0][1] - middle[1][1]))
    return far < 0.6 * max(a.box[2] - a.box[0], b.box[2] - b.box[0])


def _box(sighting: DetectedThing, look: Look) -> Mask:
    height, width = look.grey.shape
    top, left, bottom, right = sighting.box
    mask = np.zeros((height, width), dtype=bool)
    mask[int(top * height) : int(bottom * height) + 1, int(left * width) : int(right * width) + 1] = True
    return mask


def _laid_back(mask: Mask, compared: LookComparison) -> Mask:
    """A mask of the second picture on the grid of the first."""
    height, width = compared.first.grey.shape
    flags = cv2.INTER_NEAREST | cv2.WARP_INVERSE_MAP
    return cv2.warpAffine(mask.astype(np.uint8), compared.matrix, (width, height), flags=flags) > 0


def _inside(mask: Mask, area: Mask) -> bool:
    return bool((mask & area).sum() > 0.6 * mask.sum())


def _contrast(lab: Floats, mask: Mask) -> float:
    """How far a patch's colour is from what surrounds it."""
    ring = (cv2.dilate(mask.astype(np.uint8), np.ones((9, 9), np.uint8)) > 0) & ~mask
    return float(np.linalg.norm(np.median(lab[mask], axis=0) - np.median(lab[ring], axis=0))) if ring.any() else 0.0

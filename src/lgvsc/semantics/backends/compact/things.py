"""What stands in front of the background: beings that a detector knows, and patches that came, left, moved or act."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from typing import TypeAlias

import cv2
import numpy as np

from lgvsc.core.lexicon import Region
from lgvsc.core.video import Frame
from lgvsc.semantics.backends.compact.changes import Change, Comparison
from lgvsc.semantics.backends.compact.detectors import Sighting, sightings
from lgvsc.semantics.backends.compact.regions import Floats, Look, Mask, Patch, name_colour, name_place, name_size
from lgvsc.semantics.backends.compact.words import Description, Thing

MAX_REGIONS = 3  # in a description; a caption may name more
MAX_THINGS = 4
Pair: TypeAlias = tuple[Thing | None, Thing | None]  # the same thing in either picture; None where it is not


class Facts:
    """What is known of one frame by itself."""

    def __init__(self, frame: Frame) -> None:
        self.frame = frame
        self.look = Look(frame.pixels)

    @cached_property
    def sightings(self) -> tuple[Sighting, ...]:
        return sightings(self.frame.pixels)

    @cached_property
    def regions(self) -> tuple[tuple[Patch, Region], ...]:
        return tuple((patch, patch.region()) for patch in self.look.patches[:MAX_REGIONS])

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
            backdrop=self.look.backdrop,
            regions=tuple(region for _, region in self.regions),
            things=tuple(things[:MAX_THINGS]),
            clear=self.look.clear,
        )


def common_things(a: Facts, b: Facts, compared: Comparison) -> list[Pair]:
    """Everything in the foreground, in either picture or both, largest first."""
    changes = list(compared.changes)
    pairs: list[tuple[float, Pair]] = []
    claimed = np.zeros_like(compared.changed)
    for sighting in a.sightings[:3]:
        box = _box(sighting, a.look)
        thing = _seen(sighting)
        touched = float((compared.changed & box).sum() / max(1, box.sum()))
        if touched > 0.45 and not any(_near(sighting, other) for other in b.sightings):
            pairs.append((sighting.share, (thing, None)))
        else:
            state = "in another pose" if touched > 0.12 else "still"
            pairs.append((sighting.share, (thing, replace(thing, state=state))))
        claimed |= box
    if any(change.share > 0.012 for change in changes):
        for sighting in b.sightings[:3]:
            box = _laid_back(_box(sighting, b.look), compared)
            new = (compared.changed | ~compared.shared) & box
            known = any(_near(sighting, other) for other in a.sightings)
            if not known and new.sum() > 0.3 * max(1, box.sum()):
                pairs.append((sighting.share, (None, _seen(sighting))))
                claimed |= box
    free = [change for change in changes if not _inside(change.mask, claimed)]
    pairs += _objects(free)
    for mask, thing in a.standing_out:
        if not _inside(mask, claimed) and (mask & compared.changed).sum() < 0.2 * mask.sum():
            visible = (mask & compared.shared).sum() > 0.5 * mask.sum()
            pairs.append((float(mask.mean()), (thing, thing if visible else None)))
    pairs.sort(key=lambda pair: -pair[0])
    return [pair for _, pair in pairs[:MAX_THINGS]]


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


def _seen(sighting: Sighting) -> Thing:
    top, left, bottom, right = sighting.box
    mask = np.zeros((90, 90), dtype=bool)
    mask[int(top * 90) : int(np.ceil(bottom * 90)), int(left * 90) : int(np.ceil(right * 90))] = True
    return Thing(kind=sighting.kind, size=name_size(sighting.share), colour=None, place=name_place(mask))


def _near(a: Sighting, b: Sighting) -> bool:
    """Whether two sightings, one in each picture, may be the same being."""
    middle = [((s.box[0] + s.box[2]) / 2, (s.box[1] + s.box[3]) / 2) for s in (a, b)]
    far = max(abs(middle[0][0] - middle[1][0]), abs(middle[0][1] - middle[1][1]))
    return far < 0.6 * max(a.box[2] - a.box[0], b.box[2] - b.box[0])


def _box(sighting: Sighting, look: Look) -> Mask:
    height, width = look.grey.shape
    top, left, bottom, right = sighting.box
    mask = np.zeros((height, width), dtype=bool)
    mask[int(top * height) : int(bottom * height) + 1, int(left * width) : int(right * width) + 1] = True
    return mask


def _laid_back(mask: Mask, compared: Comparison) -> Mask:
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

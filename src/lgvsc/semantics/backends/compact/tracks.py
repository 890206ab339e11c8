"""Things followed over the pictures of a segment: which of them hold, how many there are, and what they do."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from lgvsc.core.interfaces import Detection
from lgvsc.core.lexicon import PLACES
from lgvsc.core.message import Motion
from lgvsc.semantics.backends.compact.detector import Box
from lgvsc.semantics.backends.compact.gist import ANIMALS, Group
from lgvsc.semantics.backends.compact.recognition import PERSON, SURE, is_sure
from lgvsc.semantics.backends.compact.regions import Look, name_colour, name_size

HOLDS = {"person": 0.5}  # share of the pictures in which a kind must be seen
HOLDS_ELSE = 0.75
DOUBTED = 0.5  # least score of an animal that nothing else bears out
MOVED = 0.13  # of the picture's width or height, from which something has moved
NEARER = 1.7  # ratio of areas from which it has come nearer
MOST_GROUPS = 3
_SAME_SPOT = 0.75  # of the larger side: how far a thing may get from one picture to the next
# The middle of a thing shows its own colour: the clothes of people, the coat of animals.
_MIDDLE_ROWS, _MIDDLE_COLUMNS = (0.3, 0.7), (0.3, 0.7)


@dataclass(slots=True)
class Track:
    """One thing in some of the pictures."""

    kind: str
    boxes: dict[int, Box] = field(default_factory=dict)
    scores: dict[int, float] = field(default_factory=dict)

    @property
    def share(self) -> float:
        """Mean share of the picture."""
        return float(np.mean([_area(box) for box in self.boxes.values()]))

    def add(self, picture: int, one: Detection) -> None:
        self.boxes[picture], self.scores[picture] = one.box, one.score


def follow(found: Sequence[Sequence[Detection]]) -> list[Track]:
    """Link what was found in pictures in order, kind by kind, each to the nearest in the latest picture that had it."""
    tracks: list[Track] = []
    for picture, things in enumerate(found):
        free = list(tracks)
        for one in things:
            near = [track for track in free if track.kind == one.kind and _gap(track, one) < _SAME_SPOT]
            if near:
                best = min(near, key=lambda track: _gap(track, one))
                free.remove(best)
                best.add(picture, one)
            elif is_sure(one):
                track = Track(one.kind)
                track.add(picture, one)
                tracks.append(track)
    return tracks


def groups(
    found: Sequence[Sequence[Detection]], looks: Sequence[Look], motion: Motion | None, doubted: bool = False
) -> list[Group]:
    """What holds over the pictures, the most important first.

    A kind holds where it is seen clearly in enough of them and likely on average. How many there are is the median
    over the pictures; size, colour, place and what it does are those of the largest that holds longest. Animals must be
    seen more clearly where ``doubted``.
    """
    pictures = len(found)
    tracks = follow(found)
    kept: list[tuple[float, Group]] = []
    for kind in dict.fromkeys(track.kind for track in tracks):
        best = [max((one.score for one in things if one.kind == kind), default=0.0) for things in found]
        counts = [sum(one.kind == kind and is_sure(one) for one in things) for things in found]
        least = PERSON if kind == "person" else DOUBTED if doubted and kind in ANIMALS else SURE
        seen = sum(score >= least for score in best) / pictures
        if seen < HOLDS.get(kind, HOLDS_ELSE) or np.mean(best) < least:
            continue
        track = max((t for t in tracks if t.kind == kind), key=lambda t: len(t.boxes) * math.sqrt(t.share))
        count = max(1, round(float(np.median([count for count in counts if count] or [1]))))
        kept.append((float(np.mean(best)) * math.sqrt(track.share * count), _group(track, count, looks, motion)))
    kept.sort(key=lambda one: -one[0])
    return [group for _, group in kept[:MOST_GROUPS]]


def colour_inside(look: Look, box: Box) -> str:
    """Name of the colour in the middle of a box."""
    height, width = look.grey.shape
    top, left, bottom, right = box
    rows = slice(*(int((top + part * (bottom - top)) * height) for part in _MIDDLE_ROWS))
    columns = slice(*(int((left + part * (right - left)) * width) for part in _MIDDLE_COLUMNS))
    inside = look.lab[rows, columns].reshape(-1, 3)
    return name_colour(np.median(inside, axis=0) if len(inside) else look.colour)


def place_of(box: Box) -> str:
    """The place word nearest to the middle of a box."""
    row, column = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
    return min(PLACES, key=lambda word: math.hypot(PLACES[word][0] - row, PLACES[word][1] - column))


def displaced(
    first: Box, last: Box, pan: float, tilt: float, zoom: float, moved: float = MOVED, nearer: float = NEARER
) -> str:
    """How a thing's box has moved beyond what the camera did: one of ``gist.DOES``, "" where it has not."""
    middle = [((box[0] + box[2]) / 2, (box[1] + box[3]) / 2) for box in (first, last)]
    right = middle[1][1] - middle[0][1] - pan
    down = middle[1][0] - middle[0][0] - tilt
    cut = any(edge <= 0.01 for edge in (*first[:2], *last[:2])) or any(edge >= 0.99 for edge in (*first[2:], *last[2:]))
    grown = _area(last) / max(1e-6, _area(first)) / math.exp(2 * zoom)
    if not cut and grown > nearer:
        return "comes nearer"
    if not cut and grown < 1 / nearer:
        return "goes farther"
    if max(abs(right), abs(down)) < moved:
        return ""
    if abs(right) >= abs(down):
        return "moves right" if right > 0 else "moves left"
    return "moves down" if down > 0 else "moves up"


def _group(track: Track, count: int, looks: Sequence[Look], motion: Motion | None) -> Group:
    seen = sorted(track.boxes)
    middle = track.boxes[seen[len(seen) // 2]]
    return Group(
        kind=track.kind,
        count=count,
        size=name_size(track.share),
        colour=colour_inside(looks[seen[len(seen) // 2]], middle),
        place=place_of(middle),
        does=_does(track, len(looks), motion) if count == 1 else "",
    )


def _does(track: Track, pictures: int, motion: Motion | None) -> str:
    """What a thing does over the segment."""
    seen = sorted(track.boxes)
    if pictures < 2:
        return ""
    if pictures - 1 - seen[-1] >= (1 if _at_edge(track.boxes[seen[-1]]) else 2):
        return "leaves"
    if seen[0] >= (1 if _at_edge(track.boxes[seen[0]]) else 2):
        return "comes"
    still = Motion() if motion is None else motion
    return displaced(track.boxes[seen[0]], track.boxes[seen[-1]], still.pan, still.tilt, still.zoom)


def _at_edge(box: Box) -> bool:
    return min(box[:2]) < 0.03 or max(box[2:]) > 0.97


def _gap(track: Track, one: Detection) -> float:
    """Distance from where a thing was last, in sides of the larger box."""
    box = track.boxes[max(track.boxes)]
    sides = max(box[2] - box[0], one.box[2] - one.box[0]), max(box[3] - box[1], one.box[3] - one.box[1])
    down = abs(box[0] + box[2] - one.box[0] - one.box[2]) / 2
    across = abs(box[1] + box[3] - one.box[1] - one.box[3]) / 2
    return max(down / max(sides[0], 1e-6), across / max(sides[1], 1e-6))


def _area(box: Box) -> float:
    return max(0.0, box[2] - box[0]) * max(0.0, box[3] - box[1])

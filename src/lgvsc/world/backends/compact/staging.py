"""Where the things that a caption mentions stand in a picture, as soft patches of their colours.

Behind everything lie three bands, the upper, middle and lower third. Skies colour the upper one, grounds the lower,
what stands behind the middle one, and scenes all three. Before them stand people and things, in the middle unless the
caption has them elsewhere. The numbers below were set by eye and by retrieval among training clips.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from lgvsc.core.lexicon import PLACES
from lgvsc.world.backends.compact.scenery import (
    RGB,
    Mention,
    background_of,
    colour_of,
    is_aerial,
    is_monochrome,
    is_near,
    mixed,
    read_light,
    read_mentions,
    setting_of,
)

GRAIN = {"smooth": 2.0, "textured": 9.0, "busy": 18.0}  # standard deviation of the texture, of 255
ROWS = (1 / 6, 1 / 2, 5 / 6)  # centres of the upper, middle and lower third
BAND = (0.2, 1.2)  # from the middle of a band to its edge, downwards and across, in picture sizes
NAMED = 3.0  # weight of what is named for a third, beside a scene's own colour there
TINT = 0.75  # of a scene by the colour that the caption gives it
NATURAL = 0.6  # of a sky, a ground or trees by theirs: "green grass" is less green than the word
ROW = {"aircraft": 0.4, "vehicle": 0.5}  # of the middle of a thing, where not a little below the picture's
FRONT, FACE = 2.0, 2.5  # how far what stands before the background covers it, and a face its hair
CONTRAST = 1.6  # of lightness: soft patches run into each other, and photographs have twice their contrast
HELD_SIZE, HOLDING_SIZE, NEAR_SIZE, FAR_SIZE = 0.5, 1.6, 1.4, 0.5  # of what is held, holds, is in front, is far away

BEHIND = ("in front of", "against", "back", "past")  # before the name of something that stands behind the rest
CARRYING = ("on", "onto", "over", "on top of", "above", "across")  # ... below the rest
HOLDING = ("in", "into", "inside", "through", "among")  # ... around it
BELOW = ("under", "below", "beneath", "underneath")  # ... above it
HELD = ("with", "of")  # ... beside or in the hands of it


@dataclass(frozen=True, slots=True)
class Blob:
    """One soft patch.

    Attributes:
        colour: In sRGB.
        row: Of its centre, as a fraction of the picture's height.
        column: Likewise, of the width.
        share: Of the picture's area; a band goes on beyond the edges and has more than is seen of it.
        grain: Standard deviation of the texture, of 255.
        aspect: Width over height, both as fractions of the picture's.
        weight: How far it covers others where they overlap.
    """

    colour: RGB
    row: float
    column: float
    share: float
    grain: float
    aspect: float = 1.0
    weight: float = 1.0


def stage(caption: str, things: Sequence[Blob] | None = None) -> list[Blob]:
    """What a caption in free English describes, as patches. None where no word of it is known.

    Args:
        things: What stands before the background, where that is known better than from the words.
    """
    mentions = read_mentions(caption)
    if not mentions:
        return list(things or ())
    from_above = is_aerial(caption)
    mentions += _settings(mentions)
    if things is None:
        things = _people(mentions, is_near(caption), from_above) + _things(mentions)
    before = [replace(patch, weight=FRONT * patch.weight) for patch in things]
    return _contrasted(_in_light(_bands(mentions, from_above) + before, caption))


# --- background ---


class _Third:
    """One third of the picture's height: weighted colours, and the texture named last."""

    def __init__(self) -> None:
        self.colours: list[tuple[RGB, float]] = []
        self.grain, self.named = GRAIN["textured"], False

    def add(self, colour: RGB, weight: float) -> None:
        self.colours.append((colour, weight))

    def colour(self) -> RGB:
        total = sum(weight for _, weight in self.colours)
        red, green, blue = (round(sum(c[i] * w for c, w in self.colours) / total) for i in range(3))
        return red, green, blue


def _settings(mentions: Sequence[Mention]) -> list[Mention]:
    """Where the people of a caption usually are, if it does not say where."""
    if any(mention.look.role == "scene" for mention in mentions):
        return []
    looks = {mention.word: setting_of(mention.word) for mention in mentions if mention.look.role == "person"}
    return [Mention(word, look) for word, look in looks.items() if look is not None]


def _bands(mentions: Sequence[Mention], from_above: bool) -> list[Blob]:
    thirds = [_Third(), _Third(), _Third()]
    for mention in mentions:
        if mention.look.role == "scene":
            for third, colour in zip(thirds, _tinted(mention), strict=True):
                third.add(colour, NAMED if mention.colours else 1.0)
                third.grain = GRAIN[mention.look.texture]
            continue
        for nth, index in enumerate(_reach(mention, from_above)):
            third = thirds[index]
            if nth == 0 or not third.named:
                third.add(_colour(mention), NAMED if nth == 0 else NAMED / 2)
                third.grain, third.named = GRAIN[mention.look.texture], True
    _fill(thirds, mentions, from_above)
    down, across = BAND
    share, aspect = math.pi * down * across, across / down
    return [Blob(t.colour(), row, 0.5, share, t.grain, aspect) for t, row in zip(thirds, ROWS, strict=True)]


def _reach(mention: Mention, from_above: bool) -> tuple[int, ...]:
    """Which thirds it colours, the one that it belongs to first."""
    role, kind = mention.look.role, mention.look.kind
    if kind == "plain":  # a wall may be all that there is
        return (1, 0, 2)
    if kind == "cover":  # snow lies on everything
        return (2, 1, 0)
    if role == "behind":
        return (1, 0)
    if role == "ground":
        return (2, 1) if from_above else (2,)
    if role == "sky":
        return (0,)
    return (1,) if role == "thing" and mention.relation in BEHIND else ()


def _tinted(mention: Mention) -> list[RGB]:
    """A scene in the colour that the caption gives it: all of a smooth one, of others not the sky."""
    if not mention.colours:
        return list(mention.look.colours)
    tints = (TINT, TINT, TINT) if mention.look.texture == "smooth" else (0.0, TINT / 2, TINT)
    said = mixed(mention.colours)
    return [_blend(own, said, tint) for own, tint in zip(mention.look.colours, tints, strict=True)]


def _fill(thirds: Sequence[_Third], mentions: Sequence[Mention], from_above: bool) -> None:
    """Thirds of which nothing is said take after their neighbours and after what the picture is of."""
    known = [index for index in range(3) if thirds[index].colours]
    if from_above and 1 in known:  # no sky
        thirds[0].add(thirds[1].colour(), NAMED)
    usual = background_of(_subject(mentions))
    for index in set(range(3)) - set(known):
        thirds[index].add(usual[index], 1.0)
        if known:
            nearest = min(known, key=lambda k: (abs(k - index), -k))
            thirds[index].add(thirds[nearest].colour(), 1.0)


def _subject(mentions: Sequence[Mention]) -> str:
    """What sort of thing the picture is of."""
    for mention in mentions:
        if mention.look.role in ("person", "wear"):
            return "person"
        if mention.look.role == "thing":
            return mention.look.kind
    return "object"


# --- people ---


def _people(mentions: Sequence[Mention], near: bool, from_above: bool) -> list[Blob]:
    """Everybody with their clothes, from left to right in the caption's order."""
    groups: list[tuple[Mention | None, list[Mention]]] = []
    before: list[Mention] = []  # a "dark-haired woman" has her hair before she is there
    for mention in mentions:
        if mention.look.role == "person":
            groups.append((mention, before))
            before = []
        elif mention.look.role == "wear" and mention.look.kind != "self":
            if groups and mention.relation != "before its noun":
                groups[-1][1].append(mention)
            else:
                before.append(mention)
    if before and not groups:
        groups.append((None, before))
    small = not near and any(mention.look.role == "scene" for mention in mentions)
    size = (0.35 if from_above else 0.6 if small else 1.0) / math.sqrt(max(1, len(groups)))
    patches = []
    for nth, (person, worn) in enumerate(groups):
        column, scale, many = (nth + 1) / (len(groups) + 1), size, False
        if person is not None:
            scale *= person.scale * (FAR_SIZE if person.relation in ("behind", "back", "far") else 1.0)
            column = PLACES[person.relation][1] if person.relation in PLACES else column
            many = person.many and len(groups) == 1
        for place in (column - 0.25, column, column + 0.25) if many else (column,):
            patches += _person(person, worn, place, scale * (0.5 if many else 1.0), near and not many)
    return patches


def _person(person: Mention | None, worn: Sequence[Mention], column: float, scale: float, near: bool) -> list[Blob]:
    skin, hair, clothes = colour_of("skin"), colour_of("brunette"), colour_of("fabric")
    legs: RGB | None = None
    if person is not None and person.colours:
        said = person.colours[0]
        if said in [colour_of(name) for name in ("blond", "ginger", "brunette")]:
            hair = said
        elif said == colour_of("black"):
            skin = colour_of("darkskin")
        elif said != colour_of("white"):
            clothes = said
    body = [_colour(mention) for mention in worn if mention.look.kind == "body"]
    if body:
        clothes = mixed(body)
    for mention in worn:
        if mention.look.kind in ("hair", "head"):
            hair = _colour(mention)
        elif mention.look.kind == "legs":
            legs = _colour(mention)
        elif mention.look.kind == "small" and mention.colours:
            clothes = _blend(clothes, _colour(mention), 0.25)
    if near:
        return [
            Blob(clothes, 0.88, column, 0.26 * scale, 6.0, 1.3),
            Blob(hair, 0.36, column, 0.14 * scale, 6.0, 0.8),
            Blob(skin, 0.42, column, 0.09 * scale, 4.0, 0.7, FACE),
        ]
    tall = 0.24 * math.sqrt(scale)
    patches = [
        Blob(clothes, 0.55, column, 0.07 * scale, 6.0, 0.5),
        Blob(skin, 0.55 - tall, column, 0.012 * scale, 4.0, 0.6),
    ]
    return patches if legs is None else [*patches, Blob(legs, 0.55 + tall, column, 0.04 * scale, 6.0, 0.4)]


# --- things ---


def _things(mentions: Sequence[Mention]) -> list[Blob]:
    """Things, the ones that the sentence is about side by side."""
    things = [m for m in mentions if m.look.role == "thing" and m.relation not in BEHIND]
    beside = [m for m in things if m.relation not in (*CARRYING, *HOLDING, *BELOW, *HELD)]
    people = any(mention.look.role == "person" for mention in mentions)
    patches: list[Blob] = []
    for nth, thing in enumerate(things):
        row, column, size = 0.55, 0.5, thing.look.size * thing.scale
        row = ROW.get(thing.look.kind, row)
        if thing in beside and len(beside) > 1:
            column, size = 0.3 + 0.4 * beside.index(thing) / (len(beside) - 1), 0.7 * size
        if people:
            row, size = row + 0.1, 0.7 * size
        if thing.relation in PLACES:
            row, column = PLACES[thing.relation]
        elif thing.relation == "front":
            row, size = 0.75, NEAR_SIZE * size
        elif thing.relation == "far":
            row, size = 0.42, FAR_SIZE * size
        elif nth > 0 or people:
            if thing.relation in CARRYING:
                row, size = row + 0.2, HOLDING_SIZE * size
            elif thing.relation in HOLDING:
                size *= HOLDING_SIZE
            elif thing.relation in BELOW:
                row -= 0.2
            elif thing.relation in HELD:
                row, column, size = row + 0.08, column + 0.12, HELD_SIZE * size
        columns = (column - 0.22, column, column + 0.22) if thing.many and size < 0.2 else (column,)
        size, aspect = min(0.45, size / math.sqrt(len(columns))), 1.8 if thing.look.kind == "vehicle" else 1.0
        grain = GRAIN[thing.look.texture]
        patches += [Blob(_colour(thing), row, place, size, grain, aspect) for place in columns]
    return patches


# --- colours and light ---


def _colour(mention: Mention) -> RGB:
    """What the caption calls it, else how it usually looks."""
    usual = mention.look.colours[0]
    if not mention.colours:
        return usual
    natural = mention.look.role in ("sky", "ground", "behind") and mention.look.kind != "plain"
    return _blend(usual, mixed(mention.colours), NATURAL if natural else 1.0)


def _blend(a: RGB, b: RGB, share: float) -> RGB:
    red, green, blue = (round(x + share * (y - x)) for x, y in zip(a, b, strict=True))
    return red, green, blue


def _in_light(patches: Sequence[Blob], caption: str) -> list[Blob]:
    """As the caption's light shows them; what glows is as bright at night."""
    level, tone = read_light(caption)
    glowing = [colour_of(name) for name in ("flame", "bulb", "darkness")]
    grey = is_monochrome(caption)
    lit = []
    for patch in patches:
        red, green, blue = patch.colour
        if patch.colour not in glowing:
            red, green, blue = (min(255, round(c * level * t)) for c, t in zip(patch.colour, tone, strict=True))
        if grey:
            red = green = blue = round(_luma((red, green, blue)))
        lit.append(replace(patch, colour=(red, green, blue)))
    return lit


def _contrasted(patches: Sequence[Blob]) -> list[Blob]:
    """Light ones lighter and dark ones darker, about their mean."""
    areas = [min(1 / 3, patch.share) for patch in patches]
    mean = sum(_luma(patch.colour) * area for patch, area in zip(patches, areas, strict=True)) / sum(areas)
    return [replace(p, colour=_lighter(p.colour, (CONTRAST - 1) * (_luma(p.colour) - mean))) for p in patches]


def _lighter(colour: RGB, by: float) -> RGB:
    red, green, blue = (min(255, max(0, round(channel + by))) for channel in colour)
    return red, green, blue


def _luma(colour: RGB) -> float:
    return 0.299 * colour[0] + 0.587 * colour[1] + 0.114 * colour[2]

"""Pairs of scene descriptions with known changes, and what a judge should say about them.

Nothing here comes from a picture: scenes are drawn at random and written with the captioner's own grammar. The
second scene is the first one with changes whose weight is known, so the right answer is a probability and not
a label: a tiny object that appears makes most people say "the same", a person who leaves makes hardly anyone.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeVar

from lgvsc.core.interfaces import FOCUSES, Focus
from lgvsc.core.lexicon import COLOURS, PLACES, SIZES, TEXTURES, Region
from lgvsc.semantics.backends.compact.detector import KINDS as NAMED
from lgvsc.semantics.backends.compact.words import (
    KINDS,
    LIGHTS,
    LINES,
    SETTINGS,
    STATES,
    TONES,
    Backdrop,
    Description,
    Thing,
)

T = TypeVar("T")

SAID = 0.97  # of the probability, on the two labels together

CHANGES = ("same", "jitter", "foreground", "background", "both", "other scene", "unclear")
_SHARE = (0.17, 0.10, 0.24, 0.20, 0.07, 0.20, 0.02)

# How much a change of something of this size weighs. At a sum of 0.9 the divergence crosses 0.35.
_THING = {"tiny": 0.95, "small": 1.2, "medium": 1.6, "large": 2.1, "huge": 2.4}
_ACT = {"tiny": 0.25, "small": 0.45, "medium": 0.75, "large": 1.15, "huge": 1.5}  # the same thing, otherwise posed
_REGION = {"tiny": 0.08, "small": 0.18, "medium": 0.42, "large": 0.75, "huge": 1.1}
_NEIGHBOURS = {"tiny": ("small",), "small": ("tiny", "medium"), "medium": ("small", "large")}
_NEIGHBOURS |= {"large": ("medium", "huge"), "huge": ("large",)}
_SIZES, _COLOURS, _PLACES = tuple(SIZES), tuple(COLOURS), tuple(PLACES)


@dataclass(frozen=True, slots=True)
class Example:
    """One thing to learn.

    Attributes:
        first, second: The two descriptions.
        change: One of :data:`CHANGES`.
        answers: The right P(yes) and P(no) for each focus.
    """

    first: str
    second: str
    change: str
    answers: dict[Focus, tuple[float, float]]


@dataclass(slots=True)
class Weight:
    """How much changed in front and behind."""

    foreground: float = 0.0
    background: float = 0.0


def draw(rng: random.Random, change: str | None = None) -> Example:
    """One random example, of a given kind of change where it is named."""
    change = change or rng.choices(CHANGES, _SHARE)[0]
    first = _scene(rng)
    second, weight = _CHANGE[change](rng, first)
    if not second.clear and rng.random() < 0.4:
        first = replace(first, clear=False)
    first_text, second_text = str(first), str(second)
    if rng.random() < 0.06:  # words that the vocabulary lacks must compare like any other
        first_text, second_text = _estrange(rng, first_text, second_text)
    if rng.random() < 0.5:
        first_text, second_text = _swap(first_text, second_text)
    unclear = (not first.clear) + (not second.clear)
    return Example(first_text, second_text, change, _answers(weight, unclear))


def colour_distance(a: str, b: str) -> float:
    """Between 0 (the same colour) and about 1 (black and white)."""
    return math.dist(COLOURS[a], COLOURS[b]) / 385.0


def _answers(weight: Weight, unclear: int = 0) -> dict[Focus, tuple[float, float]]:
    return {focus: _probabilities(focus, weight, unclear) for focus in FOCUSES}


def _probabilities(focus: Focus, weight: Weight, unclear: int) -> tuple[float, float]:
    front, behind = weight.foreground, weight.background
    if unclear:  # nobody can tell: most of the probability belongs to neither answer
        return (0.24, 0.20) if unclear == 2 else (0.16, 0.42)
    strange = max(0.0, behind - 1.6)  # nothing is left of the place: then the same thing cannot be going on in it
    evidence = {
        "general": front + 0.75 * behind,
        "main_object": front + 0.12 * min(behind, 1.0) + strange,
        "background": behind + 0.10 * min(front, 3.0),
    }[focus]
    return probabilities(evidence)


def probabilities(evidence: float) -> tuple[float, float]:
    """P(yes) and P(no) after so much evidence of a change; a little goes to neither."""
    logit = 4.6 * evidence - 3.4
    logit = min(
        logit, 2.0 + max(0.0, logit - 2.0) / 4, 5.0
    )  # surely not, and more so for another scene than for a change
    p_no = 1.0 / (1.0 + math.exp(-logit))
    return SAID * (1.0 - p_no), SAID * p_no


# --- scenes ---


# What the captioner's words for kinds of places may be.
_TAGS = (
    "aerial,animal,ballgame,boat,building,city,closeup,cooking,dancing,desert,fish,flowers,food,glass,grass,hall,hands,"
    "insect,kitchen,machine,mountain,plants,portrait,road,room,ruins,sea,sky,snow,sport,stage,street,talking,trees,"
    "underwater,vehicle,water"
)
TAGS = tuple(_TAGS.split(","))


def _scene(rng: random.Random) -> Description:
    places = tuple(rng.sample(TAGS, rng.choices((0, 1, 2, 3), (5, 3, 2, 1))[0]))
    backdrop = Backdrop(
        places=places,
        setting=rng.choices(SETTINGS, (3, 2, 4))[0],
        light=rng.choices(LIGHTS, (1, 3, 4, 2))[0],
        tone=rng.choice(TONES),
        lines=rng.choice(LINES),
    )
    palette = rng.sample(_COLOURS, 6)  # real pictures repeat their colours
    regions = tuple(_region(rng, palette) for _ in range(rng.choices(range(4), (1, 2, 4, 8))[0]))
    things = tuple(_thing(rng, palette) for _ in range(rng.choices(range(5), (6, 6, 5, 3, 2))[0]))
    return Description(backdrop=backdrop, regions=_by_size(regions), things=things)


def _region(rng: random.Random, palette: list[str]) -> Region:
    size = rng.choices(_SIZES, (1, 3, 5, 5, 3))[0]
    return Region(size, rng.choice(palette), rng.choice(TEXTURES), rng.choice(_PLACES))


def _thing(rng: random.Random, palette: list[str]) -> Thing:
    kind = rng.choices(KINDS, (8, 3, 1, 2, 1))[0]
    if rng.random() < 0.5:
        kind = "person" if rng.random() < 0.35 else rng.choice(NAMED)
    colour = rng.choice(palette) if kind == "object" else None
    size = rng.choices(_SIZES, (3, 6, 5, 3, 1))[0]
    return Thing(kind=kind, size=size, colour=colour, place=rng.choice(_PLACES), state="still")


def _by_size(regions: tuple[Region, ...]) -> tuple[Region, ...]:
    return tuple(sorted(regions, key=lambda region: -SIZES[region.size]))


# --- changes ---


def _same(_: random.Random, first: Description) -> tuple[Description, Weight]:
    return first, Weight()


def _jitter(rng: random.Random, first: Description) -> tuple[Description, Weight]:
    """What remains of noise after all: a word that tipped over."""
    weight = Weight()
    return _nudge(rng, first, weight), weight


def _nudge(rng: random.Random, scene: Description, weight: Weight) -> Description:
    pick = rng.random()
    if pick < 0.4 and scene.regions:
        i = rng.randrange(len(scene.regions))
        region = scene.regions[i]
        if rng.random() < 0.5:
            region = replace(region, size=rng.choice(_NEIGHBOURS[region.size]))
        else:
            region = replace(region, texture=_other(rng, TEXTURES, region.texture))
        weight.background += 0.12
        return replace(scene, regions=_at(scene.regions, i, region))
    if pick < 0.6 and scene.things:
        i = rng.randrange(len(scene.things))
        thing = replace(scene.things[i], size=rng.choice(_NEIGHBOURS[scene.things[i].size]))
        weight.foreground += 0.18
        return replace(scene, things=_at(scene.things, i, thing))
    if pick < 0.8:
        weight.background += 0.2
        return replace(scene, backdrop=replace(scene.backdrop, tone=_other(rng, TONES, scene.backdrop.tone)))
    weight.background += 0.15
    return replace(scene, backdrop=replace(scene.backdrop, lines=_other(rng, LINES, scene.backdrop.lines)))


def _foreground(rng: random.Random, first: Description) -> tuple[Description, Weight]:
    things = list(first.things)
    weights: list[float] = []
    touched: set[int] = set()
    for _ in range(rng.choices((1, 2, 3, 4), (6, 3, 2, 1))[0]):
        free = [i for i in range(len(things)) if i not in touched]
        act = rng.choice(("come", "go", "move", "place", "pose", "colour")) if free else "come"
        if act == "come":
            thing = _thing(rng, list(_COLOURS))
            position = rng.randint(0, len(things))
            things.insert(position, thing)
            touched = {j + (j >= position) for j in touched} | {position}
            weights.append(_THING[thing.size] * (1.0 if thing.kind == "object" else 1.2))
            continue
        i = rng.choice(free)
        thing = things[i]
        if act == "go":
            del things[i]
            touched = {j - (j > i) for j in touched}
            weights.append(_THING[thing.size] * (1.0 if thing.kind == "object" else 1.2))
            continue
        touched.add(i)
        things[i], weight = _altered(rng, thing, act)
        weights.append(weight)
    weights.sort(reverse=True)
    total = sum(w * f for w, f in zip(weights, (1.0, 0.6, 0.4, 0.3), strict=False))
    return replace(first, things=tuple(things)), Weight(foreground=total)


def _altered(rng: random.Random, thing: Thing, act: str) -> tuple[Thing, float]:
    """The thing after an act, and the weight that the act deserves."""
    weight = _THING[thing.size]
    if act == "move":
        return replace(thing, state=rng.choice(STATES[1:-1])), 1.15 * _ACT[thing.size]
    if act == "place":
        place = _other(rng, _PLACES, thing.place)
        state = rng.choice((thing.state, *STATES[1:-1]))
        return replace(thing, place=place, state=state), 0.85 * weight
    if act == "colour" and thing.colour is not None:
        colour = _other(rng, _COLOURS, thing.colour)
        return replace(thing, colour=colour), (0.25 + min(0.6, 1.4 * colour_distance(colour, thing.colour))) * weight
    return replace(thing, state="in another pose"), _ACT[thing.size]


def _background(rng: random.Random, first: Description) -> tuple[Description, Weight]:
    scene, weight = first, Weight()
    for _ in range(rng.choices((1, 2, 3, 5), (4, 3, 2, 1))[0]):
        scene = _background_step(rng, scene, weight)
    return scene, weight


def _background_step(rng: random.Random, scene: Description, weight: Weight) -> Description:
    act = rng.choice(("light", "setting", "tags", "come", "go", "go", "colour", "place", "nudge"))
    backdrop, regions = scene.backdrop, scene.regions
    if act == "light":
        light = _other(rng, LIGHTS, backdrop.light)
        weight.background += 0.45 * abs(LIGHTS.index(light) - LIGHTS.index(backdrop.light))
        return replace(scene, backdrop=replace(backdrop, light=light))
    if act == "setting":
        weight.background += 0.9
        return replace(scene, backdrop=replace(backdrop, setting=_other(rng, SETTINGS, backdrop.setting)))
    if act == "tags":
        places = tuple(rng.sample(TAGS, rng.choice((1, 1, 2))))
        weight.background += 0.5 * len(set(places) ^ set(backdrop.places))
        return replace(scene, backdrop=replace(backdrop, places=places))
    if act == "come" or not regions:
        new = _region(rng, list(_COLOURS))
        weight.background += _REGION[new.size]
        return replace(scene, regions=_by_size((*regions, new)))
    i = rng.randrange(len(regions))
    region = regions[i]
    if act == "go":
        weight.background += _REGION[region.size]
        return replace(scene, regions=regions[:i] + regions[i + 1 :])
    if act == "colour":
        colour = _other(rng, _COLOURS, region.colour)
        weight.background += _REGION[region.size] * (0.3 + min(0.9, 2.0 * colour_distance(colour, region.colour)))
        return replace(scene, regions=_at(regions, i, replace(region, colour=colour)))
    if act == "place":
        weight.background += 0.7 * _REGION[region.size]
        return replace(scene, regions=_at(regions, i, replace(region, place=_other(rng, _PLACES, region.place))))
    return _nudge(rng, scene, weight)


def _both(rng: random.Random, first: Description) -> tuple[Description, Weight]:
    second, front = _foreground(rng, first)
    for _ in range(rng.choice((1, 1, 2))):
        second = _nudge(rng, second, front) if rng.random() < 0.5 else _background_step(rng, second, front)
    return second, front


def _other_scene(rng: random.Random, first: Description) -> tuple[Description, Weight]:
    """A cut. Chance keeps some words: two places may well share their light or a large grey area."""
    second = _scene(rng)
    if rng.random() < 0.5:
        second = replace(second, backdrop=replace(second.backdrop, light=first.backdrop.light))
    if rng.random() < 0.4:
        second = replace(second, backdrop=replace(second.backdrop, setting=first.backdrop.setting))
    if rng.random() < 0.3 and first.regions:
        second = replace(second, regions=_by_size((rng.choice(first.regions), *second.regions[1:])))
    if rng.random() < 0.3:
        second = replace(second, things=())
    return second, Weight(foreground=1.5 if second.things or first.things else 0.8, background=3.2)


def _unclear(rng: random.Random, first: Description) -> tuple[Description, Weight]:
    second = replace(_scene(rng), clear=False)
    return second, Weight()


_CHANGE: dict[str, Callable[[random.Random, Description], tuple[Description, Weight]]] = {
    "same": _same,
    "jitter": _jitter,
    "foreground": _foreground,
    "background": _background,
    "both": _both,
    "other scene": _other_scene,
    "unclear": _unclear,
}


# --- words that nobody knows ---


def pseudo_word(rng: random.Random) -> str:
    """A word that exists nowhere, three to nine letters."""
    return "".join(rng.choice("bdfgklmnprstvz") + rng.choice("aeiou") for _ in range(rng.randint(2, 4)))[:9]


def _estrange(rng: random.Random, first: str, second: str) -> tuple[str, str]:
    """Replace one word by the same unknown word in both texts."""
    word = rng.choice(("object", "person", "face", "area", "textured", "smooth", "green", "grey"))
    new = pseudo_word(rng)
    return first.replace(f" {word} ", f" {new} "), second.replace(f" {word} ", f" {new} ")


# --- small help ---


def _swap(first: str, second: str) -> tuple[str, str]:
    """Turned round, what came has left; states speak about the first picture and stay in the second text."""
    if any(state in second for state in STATES[1:]):
        return first, second
    return second, first


def _other(rng: random.Random, choices: tuple[T, ...], than: T) -> T:
    return rng.choice([choice for choice in choices if choice != than])


def _at(items: tuple[T, ...], i: int, item: T) -> tuple[T, ...]:
    return (*items[:i], item, *items[i + 1 :])

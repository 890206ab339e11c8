"""The language of the compact captioner: what it can say about a picture, and how it says it.

A :class:`Description` is written as a background part and a foreground part, so that a judge asked about one
of them can tell them apart. The training text of the compact judge is written with the same classes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from lgvsc.core.lexicon import Region

Setting: TypeAlias = Literal["outdoors", "indoors", "somewhere"]
Light: TypeAlias = Literal["dark", "dim", "even", "bright"]
Tone: TypeAlias = Literal["warm", "neutral", "cool", "muted"]
Lines: TypeAlias = Literal["upright", "level", "slanting", "mixed", "few"]
Kind: TypeAlias = str  # one of KINDS where nothing recognises; with the compact detector any of its kinds as well

SETTINGS: tuple[Setting, ...] = ("outdoors", "indoors", "somewhere")
LIGHTS: tuple[Light, ...] = ("dark", "dim", "even", "bright")
TONES: tuple[Tone, ...] = ("warm", "neutral", "cool", "muted")
LINES: tuple[Lines, ...] = ("upright", "level", "slanting", "mixed", "few")
KINDS: tuple[Kind, ...] = ("object", "face", "profile", "person", "cat")
STATES = (
    "still",
    "moved left",
    "moved right",
    "moved up",
    "moved down",
    "nearer",
    "farther",
    "in another pose",
)
NOTHING_SEEN = "Nothing can be made out."
NOTHING_THERE = "nothing stands out"
COUNTS = ("none", "one", "two", "three", "four", "five", "six")


@dataclass(frozen=True, slots=True, kw_only=True)
class Thing:
    """Something in front of the background.

    Attributes:
        kind: What it is; ``object`` where no detector knows it.
        size: Key of ``lexicon.SIZES``.
        colour: Key of ``lexicon.COLOURS``; ``None`` for faces and people, whose colour says little.
        place: Key of ``lexicon.PLACES``.
        state: One of :data:`STATES`, always relative to the first picture of the pair.
    """

    kind: Kind
    size: str
    colour: str | None
    place: str
    state: str = "still"

    def __str__(self) -> str:
        colour = f"{self.colour} " if self.colour else ""
        return f"{self.size} {colour}{self.kind} at {self.place}, {self.state}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Backdrop:
    """The background as a whole.

    ``places`` are what scene tags say of it, such as "street" or "trees", in the order of ``gist.PLACES_SAID``.
    """

    setting: Setting = "somewhere"
    light: Light = "even"
    tone: Tone = "neutral"
    lines: Lines = "mixed"
    places: tuple[str, ...] = ()

    def __str__(self) -> str:
        where = ", ".join((self.setting, *self.places))
        return f"{where}, {self.light} light, {self.tone} colours, {self.lines} lines"


@dataclass(frozen=True, slots=True, kw_only=True)
class Description:
    """One picture in words. ``clear`` is false for a picture in which nothing can be told apart."""

    backdrop: Backdrop = Backdrop()
    regions: tuple[Region, ...] = ()
    things: tuple[Thing, ...] = ()
    clear: bool = True

    def __str__(self) -> str:
        if not self.clear:
            return NOTHING_SEEN
        behind = "; ".join(str(part) for part in (self.backdrop, *self.regions))
        count = COUNTS[min(len(self.things), len(COUNTS) - 1)]
        things = "; ".join(str(thing) for thing in self.things) or NOTHING_THERE
        return f"Background: {behind}. Foreground, {count}: {things}."

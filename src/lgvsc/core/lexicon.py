"""Words that both ends of the link understand alike: colours, sizes, textures and places.

The compact captioner writes regions with these words, and a receiver that has nothing but the caption can
paint a first picture from them. A large model's caption in free English simply yields fewer regions.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

# sRGB values in the middle of what people call by these names.
COLOURS: dict[str, tuple[int, int, int]] = {
    "black": (18, 18, 18),
    "dark grey": (70, 70, 70),
    "grey": (128, 128, 128),
    "light grey": (190, 190, 190),
    "white": (240, 240, 240),
    "dark red": (110, 28, 28),
    "red": (200, 45, 40),
    "pink": (235, 160, 170),
    "orange": (230, 130, 45),
    "dark brown": (70, 46, 30),
    "brown": (125, 85, 55),
    "tan": (190, 155, 115),
    "beige": (225, 208, 180),
    "yellow": (230, 205, 60),
    "olive": (110, 110, 50),
    "dark green": (35, 70, 35),
    "green": (75, 140, 65),
    "light green": (160, 205, 130),
    "teal": (40, 125, 125),
    "light blue": (155, 195, 230),
    "blue": (55, 105, 190),
    "dark blue": (25, 45, 95),
    "purple": (120, 70, 145),
    "magenta": (200, 60, 140),
}

# Centre of each place as (row, column), fractions of the picture's height and width.
PLACES: dict[str, tuple[float, float]] = {
    "top left": (0.2, 0.2),
    "top right": (0.2, 0.8),
    "bottom left": (0.8, 0.2),
    "bottom right": (0.8, 0.8),
    "top": (0.18, 0.5),
    "bottom": (0.82, 0.5),
    "left": (0.5, 0.2),
    "right": (0.5, 0.8),
    "centre": (0.5, 0.5),
}

# Share of the picture's area.
SIZES: dict[str, float] = {"tiny": 0.01, "small": 0.04, "medium": 0.12, "large": 0.28, "huge": 0.6}

TEXTURES: tuple[str, ...] = ("smooth", "textured", "busy")


@dataclass(frozen=True, slots=True)
class Region:
    """A patch of one colour.

    Attributes:
        size: Key of :data:`SIZES`.
        colour: Key of :data:`COLOURS`.
        texture: One of :data:`TEXTURES`.
        place: Key of :data:`PLACES`.
    """

    size: str
    colour: str
    texture: str
    place: str

    def __str__(self) -> str:
        return f"{self.size} {self.texture} {self.colour} area at {self.place}"


def read_regions(caption: str) -> list[Region]:
    """All regions written in a caption by ``str(region)``, in order; other words are passed over."""
    return [Region(m["size"], m["colour"], m["texture"], m["place"]) for m in _REGION.finditer(caption.lower())]


def _any(words: list[str]) -> str:
    return "|".join(sorted(words, key=len, reverse=True))  # longest first: "dark red" before "red"


_REGION = re.compile(
    rf"\b(?P<size>{_any(list(SIZES))}) (?P<texture>{_any(list(TEXTURES))}) (?P<colour>{_any(list(COLOURS))})"
    rf" area at (?P<place>{_any(list(PLACES))})\b"
)

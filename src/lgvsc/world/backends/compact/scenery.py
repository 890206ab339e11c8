"""What is mentioned in a sentence of free English, and in which colours: a vocabulary and a shallow reading of phrases.

The vocabulary is ``scenery.toml``. Nothing is understood of a sentence but its noun phrases, the colours inside each of
them, and the preposition before it: a colour belongs to the last noun of its phrase and to no other.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files
from typing import Any, Literal, TypeAlias

from lgvsc.core.lexicon import COLOURS

RGB: TypeAlias = tuple[int, int, int]
Role: TypeAlias = Literal["scene", "sky", "ground", "behind", "thing", "person", "wear"]

MAX_CHARACTERS = 2000  # of a caption that are read
DARKER, PALER = 0.45, 0.45  # what "dark" keeps of a colour, and how far "pale" goes towards white
DIMMEST, BRIGHTEST = 0.3, 1.25  # what the words for light come to at most
UNKNOWN = "thing of unknown name"

# "red-roofed": the colour of a part, not of the noun.
_PARTLY = re.compile(r"\b[a-z]+-(?!haired|bearded|coloured|colored|furred|headed|painted|dressed|clad)[a-z]+ed\b")
_TOKEN = re.compile(r"[a-zé]+(?:['’][a-z]+)?|[.,;:!?()]")
_AERIAL = re.compile(
    r"\b(?:aerial|from above|from the air|from the sky|bird['’]s[- ]eye|top[- ]down|overhead view"
    r"|drone (?:flies|view|shot|footage|video|camera)|(?:by|from an?) (?:drone|plane|helicopter))\b"
)
_MONOCHROME = re.compile(
    r"\bblack[- ]and[- ]white(?= (?:film|footage|video|photo\w*|picture|movie)|[.,;]|$)"
    r"|\bin black and white\b|\b(?:monochrome|greyscale|grayscale|sepia)\b"
)


@dataclass(frozen=True, slots=True)
class WordLook:
    """How a word looks.

    Attributes:
        role: Where it goes in a picture.
        colours: One, or for a scene those of the upper, middle and lower third.
        texture: One of ``lexicon.TEXTURES``.
        size: Share of the picture's area, of things.
        kind: Finer than the role: of things, what sort they are; of what is worn, where; of a background, whether it
            may be all that there is ("plain") or lies on everything ("cover").
    """

    role: Role
    colours: tuple[RGB, ...]
    texture: str = "textured"
    size: float = 0.12
    kind: str = ""


@dataclass(frozen=True, slots=True)
class Mention:
    """A noun of a caption.

    Attributes:
        word: As the vocabulary has it.
        look: How it looks by itself.
        colours: What the caption calls it, empty if nothing.
        scale: Of its size, by words such as "large".
        relation: Preposition before it, or where the caption puts it: "left", "behind", "top", ...
        many: Whether it is a plural.
    """

    word: str
    look: WordLook
    colours: tuple[RGB, ...] = ()
    scale: float = 1.0
    relation: str = ""
    many: bool = False


def read_mentions(caption: str) -> list[Mention]:
    """All nouns of the vocabulary in a caption, in its order; other words only end phrases. Never raises."""
    return _Reader(_tokens(caption)).read()


def read_light(caption: str) -> tuple[float, tuple[float, float, float]]:
    """How bright a caption says it is, 1 for an ordinary picture, and the tone of the light in red, green and blue."""
    text = " ".join(_tokens(caption))
    level, red, green, blue = 1.0, 1.0, 1.0, 1.0
    for entry in _data()["light"]:
        if any(f" {word} " in f" {text} " for word in _split(entry["words"])):
            tone = entry.get("tone", (1.0, 1.0, 1.0))
            level, red, green, blue = level * entry["level"], red * tone[0], green * tone[1], blue * tone[2]
    return min(max(level, DIMMEST), BRIGHTEST), (red, green, blue)


def is_monochrome(caption: str) -> bool:
    """Whether the caption speaks of a picture without colours."""
    return _MONOCHROME.search(caption[:MAX_CHARACTERS].lower()) is not None


@cache
def vocabulary() -> dict[str, WordLook]:
    """Every word of ``scenery.toml`` but those that only name a light."""
    data = _data()
    looks: dict[str, WordLook] = {}
    for word in _split(data["people"]["words"]):
        looks[word] = WordLook("person", (colour_of("fabric"),))
    for role in ("scene", "sky", "ground", "behind", "thing", "wear"):
        for entry in data[role]:
            names = entry.get("colours") or [entry["colour"]]
            look = WordLook(
                role,
                tuple(colour_of(name) for name in names),
                entry.get("texture", "textured"),
                entry.get("size", 0.12),
                entry.get("kind", entry.get("place", "")),
            )
            for word in _split(entry["words"]):
                looks.setdefault(word, look)
    return looks


@cache
def setting_of(word: str) -> WordLook | None:
    """Where people of this name are usually seen: a golfer on a golf course."""
    for entry in _data()["scene"]:
        if word in _split(entry["words"]):
            return WordLook("scene", tuple(map(colour_of, entry["colours"])), entry.get("texture", "textured"))
    return None


def colour_of(name: str) -> RGB:
    """A colour by its name in the lexicon or in the palette, or by its digits."""
    if name in COLOURS:
        return COLOURS[name]
    digits = name if name.startswith("#") else _data()["palette"][name]
    return int(digits[1:3], 16), int(digits[3:5], 16), int(digits[5:7], 16)


def is_near(caption: str) -> bool:
    """Whether the words tell of somebody seen from near."""
    words = {form for token in _tokens(caption) for form in _stems(token)}
    return not words.isdisjoint(_split(_data()["people"]["near"]))


def is_aerial(caption: str) -> bool:
    """Whether the words tell of a camera high up, looking down."""
    return _AERIAL.search(caption[:MAX_CHARACTERS].lower()) is not None


@cache
def background_of(kind: str) -> tuple[RGB, RGB, RGB]:
    """Upper, middle and lower colour of what stands behind a thing of this kind where nothing is said of it."""
    top, middle, bottom = (colour_of(name) for name in _data()["background"][kind])
    return top, middle, bottom


# --- reading ---


class _Reader:
    """Goes through the words of a caption once, gathering what stands before each noun."""

    def __init__(self, tokens: list[str]) -> None:
        self.tokens, self.found = tokens, list[Mention]()
        self.relation, self.denied = "", False
        self._begin()

    def read(self) -> list[Mention]:
        at = 0
        while at < len(self.tokens):
            at += self._place(at) or self._known(at) or self._named_colour(at) or self._end(at) or self._stranger(at)
        self._close()
        return self.found

    def _begin(self) -> None:
        """A new phrase: nothing is known of its noun."""
        self.colours: list[RGB] = []
        self.tone, self.scale, self.strangers, self.owned = "", 1.0, 0, False
        self.lent: list[RGB] = []

    def _place(self, at: int) -> int:
        """Where the caption puts the last thing: "on the left". Like the rest, returns how many tokens that took."""
        after, length = _longest(self.tokens, at, _data()["places"])
        if not after or not self.found or self.tokens[at + length : at + length + 1] == ["of"]:
            return 0
        self._close()
        movable = [k for k, mention in enumerate(self.found) if mention.look.role in ("thing", "person")]
        placed = movable[-1] if movable and _data()["places"][after] != "back" else -1
        self.found[placed] = replace(self.found[placed], relation=_data()["places"][after])
        self.relation = ""
        return length

    def _known(self, at: int) -> int:
        """A noun of the vocabulary."""
        word, length = _noun(self.tokens, at)
        if not word or _verb(self.tokens, at):
            return 0
        if _clothes_alone(self) and self.strangers:
            self._close()
        look = vocabulary()[word]
        following, _ = _noun(self.tokens, at + length)
        if following and not _verb(self.tokens, at + length) and self.tokens[at + length] not in _grammar("adverbs"):
            self._modify(word, look, vocabulary()[following])
            return length
        if self.denied:
            self.denied = False
        elif not (self.owned and look.kind in ("part", "portrait", "self")):
            many = self.tokens[at + length - 1] != word.split()[-1] or word in _split(_data()["people"]["crowds"])
            self.found.append(Mention(word, self._lit(look), self._said(look), self.scale, self.relation, many))
        self._begin()
        self.relation = ""
        return length

    def _modify(self, word: str, look: WordLook, head: WordLook) -> None:
        """A noun before another: a city street has a city; an apple pie has no apple, but something of its colour."""
        if look.role == "wear" and head.role == "person":
            self.found.append(Mention(word, self._lit(look), self._said(look), 1.0, "before its noun"))
            self.colours, self.tone = [], ""
        elif look.role == head.role == "thing":
            self.lent.append(look.colours[0])
        elif look.role not in ("thing", "wear", "person") and not self.denied:
            self.found.append(Mention(word, look, (), 1.0, self.relation))

    def _named_colour(self, at: int) -> int:
        colour, length = _colour(self.tokens, at)
        if colour is not None:
            self.colours.append(colour)
        return length

    def _end(self, at: int) -> int:
        """A word that ends the phrase, unless it is the "and" between two colours."""
        token = self.tokens[at]
        preposition, length = _longest(self.tokens, at, _grammar("prepositions"))
        if not (preposition or token in _grammar("breakers") or not token[0].isalpha() or _verb(self.tokens, at)):
            return 0
        if token == "and" and self.colours and not self.strangers and _colour(self.tokens, at + 1)[0] is not None:
            return 1
        self._close()
        if preposition or token == "and" or not token[0].isalpha():
            self.relation = preposition
        self.owned = token in _grammar("possessives")
        self.denied = preposition == "without" or token == "no" or (self.denied and token in _grammar("determiners"))
        return max(1, length)

    def _stranger(self, at: int) -> int:
        token = self.tokens[at]
        if _is_tone(token):
            self.tone = token
        elif token in _data()["sizes"]:
            self.scale *= _data()["sizes"][token]
        else:
            self.strangers += 1
            # A plural or a verb: either way the phrase ends with it.
            if (token.endswith("s") and not token.endswith("ss")) or self.strangers > 2:
                self._close()
        return 1

    def _close(self) -> None:
        """The phrase ends without a noun that is known: if it has a colour, that is the colour of something."""
        if self.colours and _clothes_alone(self):
            clothes = WordLook("wear", (self.colours[0],), kind="body")
            self.found.append(Mention("clothes", clothes, tuple(self.colours), 1.0, self.relation))
            self.relation = ""
        elif self.colours:
            thing = WordLook("thing", (self.colours[0],), size=0.08, kind="object")
            self.found.append(Mention(UNKNOWN, thing, tuple(self.colours), self.scale, self.relation))
            self.relation = ""
        self._begin()

    def _lit(self, look: WordLook) -> WordLook:
        return replace(look, colours=tuple(_toned(colour, self.tone) for colour in look.colours))

    def _said(self, look: WordLook) -> tuple[RGB, ...]:
        if self.colours:
            return tuple(_toned(colour, self.tone) for colour in self.colours)
        return (mixed([*self.lent, look.colours[0]]),) if self.lent else ()


def _clothes_alone(reader: _Reader) -> bool:
    """Whether somebody is "in black", and what follows is not what is worn."""
    worn = reader.relation in ("in", "wearing", "dressed in") and reader.strangers <= 1
    return bool(worn and reader.colours and reader.found and reader.found[-1].look.role == "person")


def mixed(colours: Sequence[RGB]) -> RGB:
    """The mean of some colours."""
    red, green, blue = (round(sum(channel) / len(colours)) for channel in zip(*colours, strict=True))
    return red, green, blue


def _tokens(caption: str) -> list[str]:
    return _TOKEN.findall(_PARTLY.sub(" ", _MONOCHROME.sub(" ", caption[:MAX_CHARACTERS].lower())))


def _noun(tokens: list[str], at: int) -> tuple[str, int]:
    """The longest noun that begins here, in the singular, and how many tokens it has."""
    words = vocabulary()
    for length in range(min(4, len(tokens) - at), 0, -1):
        phrase = tokens[at : at + length]
        for last in _singulars(phrase[-1]):
            word = " ".join([*phrase[:-1], last])
            if word in words:
                return word, length
    return "", 0


def _singulars(token: str) -> list[str]:
    forms = [token, _data()["plurals"].get(token, token)]
    if len(token) > 3 and token.endswith("s") and not token.endswith("ss"):
        forms.append(token[:-1])
        if token.endswith(("ses", "xes", "zes", "ches", "shes", "oes")):
            forms.append(token[:-2])
        if token.endswith("ies"):
            forms.append(token[:-3] + "y")
        if token.endswith("ves"):
            forms += [token[:-3] + "f", token[:-3] + "fe"]
    return forms


def _stems(token: str) -> list[str]:
    """A word without what English verbs put at their ends."""
    stems = _singulars(token)
    for ending in ("ing", "ed"):
        if token.endswith(ending):
            stem = token[: -len(ending)]
            stems += [stem, stem + "e", stem[:-1]]
    return stems


def _verb(tokens: list[str], at: int) -> bool:
    if tokens[at] not in _grammar("verbs") or at == 0:
        return False
    before, after = tokens[at - 1], tokens[at + 1] if at + 1 < len(tokens) else "."
    if before == "and":
        return after in _grammar("determiners") or after in _grammar("prepositions")
    known = any(before in _grammar(name) for name in ("breakers", "prepositions", "dark", "pale"))
    inside = _colour(tokens, at - 1)[0] is not None and (at < 2 or tokens[at - 2] != "in")
    return not (known or inside or before in _data()["sizes"] or before.endswith("ing") or not before[0].isalpha())


def _colour(tokens: list[str], at: int) -> tuple[RGB | None, int]:
    """A colour that begins here, with "dark" or "light" before it, and its length in tokens."""
    if at >= len(tokens):
        return None, 0
    names = _adjectives()
    pair = " ".join(tokens[at : at + 2])
    if pair in names:
        return names[pair], 2
    if tokens[at] in names:
        return names[tokens[at]], 1
    if _is_tone(tokens[at]) and at + 1 < len(tokens) and tokens[at + 1] in names:
        colour = names[tokens[at + 1]]
        return colour if tokens[at] in _grammar("vivid") else _toned(colour, tokens[at]), 2
    return None, 0


def _is_tone(token: str) -> bool:
    return any(token in _grammar(name) for name in ("dark", "pale", "vivid"))


def _toned(colour: RGB, tone: str) -> RGB:
    if tone in _grammar("dark"):
        red, green, blue = (round(DARKER * channel) for channel in colour)
    elif tone in _grammar("pale"):
        red, green, blue = (round(channel + PALER * (235 - channel)) for channel in colour)
    else:
        red, green, blue = colour
    return red, green, blue


def _longest(tokens: list[str], at: int, phrases: Any) -> tuple[str, int]:
    for length in range(min(4, len(tokens) - at), 0, -1):
        text = " ".join(tokens[at : at + length])
        if text in phrases:
            return text, length
    return "", 0


# --- the file ---


@cache
def _grammar(name: str) -> frozenset[str]:
    return frozenset(_split(_data()["grammar"][name]))


@cache
def _data() -> dict[str, Any]:
    return tomllib.loads(files("lgvsc.world.backends.compact").joinpath("scenery.toml").read_text(encoding="utf-8"))


@cache
def _adjectives() -> dict[str, RGB]:
    names = dict(COLOURS)
    for colour, words in _data()["adjectives"].items():
        for word in words:
            names[" ".join(_TOKEN.findall(word))] = colour_of(colour)
    return names


def _split(words: str) -> list[str]:
    return [" ".join(_TOKEN.findall(word.lower())) for word in words.replace("\n", " ").split(",")]

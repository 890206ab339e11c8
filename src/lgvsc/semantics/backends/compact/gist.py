"""The language of captions that name what they see: :class:`Telling` is what can be said, ``str`` says it.

First one plain sentence with who or what is there, what goes on and where; then each group of things with its count,
size, colour, place and what it does; then the light and the camera. A receiver that paints, an entropy coder and a
judge all learn this language from this module.
"""

from __future__ import annotations

from dataclasses import dataclass

from lgvsc.core.lexicon import Region

# What a scene tag says of the place: behind something, and where nothing else is named. In order of what says most.
PLACES_SAID: dict[str, tuple[str, str]] = {
    "underwater": ("under water", "a view under water"),
    "kitchen": ("in a kitchen", "a kitchen"),
    "stage": ("on a stage", "a stage"),
    "street": ("on a street", "a street"),
    "road": ("on a road", "a road"),
    "city": ("in a city", "a city"),
    "sea": ("by the sea", "the sea"),
    "water": ("by water", "water"),
    "snow": ("in snow", "snow"),
    "desert": ("on sand", "sand"),
    "mountain": ("by mountains", "mountains"),
    "grass": ("on grass", "grass"),
    "trees": ("among trees", "trees"),
    "ruins": ("by ruins", "ruins"),
    "building": ("by a building", "a building"),
    "hall": ("in a hall", "a hall"),
    "room": ("in a room", "a room"),
    "sky": ("under the sky", "the sky"),
}
INSTEAD = {"sea": ("water",), "street": ("road",), "city": ("building",), "kitchen": ("room", "hall")}  # says the same
ANIMALS = ("bird", "cat", "dog", "horse", "sheep", "cow", "elephant", "bear", "zebra", "giraffe")
VEHICLES = ("bicycle", "car", "motorcycle", "airplane", "bus", "train", "truck", "boat")
KNOWN_ANIMALS, KNOWN_VEHICLES = ("cat", "dog", "bird", "fish", "insect"), ("car", "truck", "boat")  # scene tags
MATTER = {"food": "food", "glass": "a glass", "flowers": "flowers", "plants": "plants", "machine": "a machine"}
ACTS = {"ballgame": "doing sport", "sport": "doing sport", "cooking": "cooking", "dancing": "dancing"}
ACTS |= {"talking": "talking"}
COUNTS = ("no", "one", "two", "three", "four")
PLURALS = {
    "person": "people", "sheep": "sheep", "knife": "knives", "bus": "buses", "couch": "couches", "bench": "benches",
    "wine glass": "wine glasses", "mouse": "mice", "skis": "skis", "scissors": "scissors", "sandwich": "sandwiches",
    "toothbrush": "toothbrushes", "broccoli": "broccoli",
}  # fmt: skip
DOES = ("", "comes", "leaves", "moves left", "moves right", "moves up", "moves down", "comes nearer", "goes farther")
PACES = ("nothing moves", "slow", "lively", "fast")
MOST_WHO, MOST_WHERE = 3, 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Things of one kind.

    Attributes:
        kind: What they are, in the singular.
        count: How many, at least one.
        size, colour, place: Keys of the lexicon, of the largest of them.
        does: One of :data:`DOES`; "" where nothing of the kind was seen.
    """

    kind: str
    count: int
    size: str
    colour: str
    place: str
    does: str = ""

    def __str__(self) -> str:
        many = self.count > 1
        number = f"{_number(self.count)} " if many else ""
        does = f", {_in_plural(self.does) if many else self.does}" if self.does else ""
        return f"{number}{self.size} {self.colour} {plural(self.kind) if many else self.kind} at {self.place}{does}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Telling:
    """Everything that a caption may say of a segment.

    Attributes:
        tags: Scene tags that hold.
        groups: Recognised things, the most important first.
        light: Word of the light, "" where it is nothing to mention.
        later_light: The same at the end of the segment, where it differs.
        camera, pace: What the camera does and how lively it is; "" where that is not known.
        regions: Measured areas where nothing was recognised.
    """

    tags: frozenset[str] = frozenset()
    groups: tuple[Group, ...] = ()
    light: str = ""
    later_light: str = ""
    camera: str = ""
    pace: str = ""
    regions: tuple[Region, ...] = ()

    def sentences(self) -> list[str]:
        """In order of importance, each whole."""
        said = [gist(self.tags, self.groups), *(str(group) for group in self.groups)]
        if self.light:
            said.append(f"{self.light} light")
        if self.camera:
            said.append(f"camera {self.camera}, {self.pace}")
        if self.later_light:
            said.append(f"then {self.later_light} light")
        said += [str(region) for region in self.regions]
        return [as_sentence(text) for text in said]

    def __str__(self) -> str:
        return " ".join(self.sentences())


def gist(tags: frozenset[str], groups: tuple[Group, ...]) -> str:
    """Who or what, doing what, where: without a full stop."""
    who = _who(tags, groups)
    people = any(group.kind == "person" for group in groups) or "person" in tags
    where = _where(tags)
    inside = "indoors" if "in" in tags else "outdoors" if "out" in tags else ""
    if who:
        act = next((words for tag, words in ACTS.items() if tag in tags), "") if people else ""
        parts = [" and ".join(who[:MOST_WHO]), act, inside, *(PLACES_SAID[tag][0] for tag in where[:MOST_WHERE])]
    elif where:
        parts = [" and ".join(PLACES_SAID[tag][1] for tag in where[:MOST_WHO]), inside]
    else:
        parts = ["a view", inside]
    view = ", seen from the air" if "aerial" in tags else ", in close-up" if "closeup" in tags else ""
    return " ".join(part for part in parts if part) + view


def _who(tags: frozenset[str], groups: tuple[Group, ...]) -> list[str]:
    kinds = {group.kind for group in groups}
    who = [_named(group, tags) for group in groups[:MOST_WHO]]
    if "person" not in kinds and "animal" in tags and not kinds & set(ANIMALS):
        who.insert(0, next((with_article(word) for word in KNOWN_ANIMALS if word in tags), "an animal"))
    if not kinds & set(VEHICLES) and tags & {"vehicle", *KNOWN_VEHICLES}:
        who.append(next((with_article(word) for word in KNOWN_VEHICLES if word in tags), "a vehicle"))
    if not who and "person" in tags:
        who.append("people" if "people" in tags else "a woman" if "woman" in tags else "a person")
    who += [words for tag, words in MATTER.items() if tag in tags]
    return who if who or "hands" not in tags else ["hands"]


def _named(group: Group, tags: frozenset[str]) -> str:
    if group.count > 1:
        return f"{_number(group.count)} {plural(group.kind)}"
    if group.kind != "person":
        return with_article(group.kind)
    who = "a woman" if "woman" in tags else "a child" if "child" in tags else "a man" if "man" in tags else "a person"
    return f"the face of {who}" if "portrait" in tags else who


def _where(tags: frozenset[str]) -> list[str]:
    said_better = {weaker for tag, others in INSTEAD.items() if tag in tags for weaker in others}
    return [tag for tag in PLACES_SAID if tag in tags and tag not in said_better]


def plural(kind: str) -> str:
    """Several of a kind."""
    return PLURALS.get(kind, f"{kind}s")


def with_article(words: str) -> str:
    """One of a kind."""
    return f"{'an' if words[0] in 'aeiou' else 'a'} {words}"


def as_sentence(text: str) -> str:
    """With a capital letter and a full stop."""
    return text[:1].upper() + text[1:] + "."


def _number(count: int) -> str:
    return COUNTS[count] if count < len(COUNTS) else "many"


def _in_plural(does: str) -> str:
    """What several do: comes, come."""
    verb, _, rest = does.partition(" ")
    return f"{'go' if verb == 'goes' else verb.removesuffix('s')} {rest}".strip()

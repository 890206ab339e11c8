"""The language of captions that name what they see: :class:`Telling` is what can be said, ``str`` says it.

First one plain sentence with who or what is there, what goes on and where; then each group of things with its count,
size, colour, place and what it does; then the light and the camera. A receiver that paints, an entropy coder and a
judge all learn this language from this module.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from lgvsc.core.lexicon import Region
from lgvsc.semantics.backends.compact import classifier_kinds

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
INSTEAD |= {"beach": ("sea", "water", "desert"), "rocky coast": ("sea", "water", "mountain"), "lake": ("water", "sea")}
INSTEAD |= {"valley": ("mountain",), "cliff": ("mountain",), "volcano": ("mountain",), "coral reef": ("underwater",)}
INSTEAD |= {"restaurant": ("room", "hall"), "shop": ("room", "hall"), "library": ("room", "hall")}
BEASTS, DRIVEN, SPORTS, THINGS = (
    frozenset(classifier_kinds.ROLES[role]) for role in ("animals", "vehicles", "sports", "things")
)
CARS = ("car", "truck")  # kinds of the detector that a classifier's word for a car may stand for
CARS_SHOWN = (
    "sports car",
    "racing car",
    "jeep",
    "pickup truck",
    "taxi",
    "van",
    "limousine",
    "fire truck",
    "truck",
    "car",
)
WORN = {"suit": "in a suit", "white coat": "in a white coat", "microphone": "with a microphone"}
WORN |= {"guitar": "with a guitar", "violin": "with a violin", "saxophone": "with a saxophone"}
UNCOUNTED = frozenset(["soup", "dough", "bread", "pasta", "chocolate", "vegetables", "fruit", "food"])
MANY = {"flower": "flowers", "mushroom": "mushrooms", "insect": "an insect"}
ANIMALS = ("bird", "cat", "dog", "horse", "sheep", "cow", "elephant", "bear", "zebra", "giraffe")
VEHICLES = ("bicycle", "car", "motorcycle", "airplane", "bus", "train", "truck", "boat")
KNOWN_ANIMALS, KNOWN_VEHICLES = ("cat", "dog", "bird", "fish", "insect"), ("car", "truck", "boat")  # scene tags
MATTER = {"food": "food", "glass": "a glass", "flowers": "flowers", "plants": "plants", "machine": "a machine"}
# What the compact classifier's words for sports and places say: what people do there; behind something, and by itself.
DOING = {
    "volleyball": "playing volleyball", "basketball": "playing basketball", "football": "playing football",
    "rugby": "playing rugby", "baseball": "playing baseball", "tennis": "playing tennis", "golf": "playing golf",
    "table tennis": "playing table tennis", "ice hockey": "playing ice hockey", "skiing": "skiing", "boxing": "boxing",
    "gymnastics": "doing sport", "diving": "diving", "weightlifting": "lifting weights",
    "billiards": "playing billiards",
}  # fmt: skip
PLACES_SHOWN: dict[str, tuple[str, str]] = {
    "beach": ("on a beach", "a beach"), "rocky coast": ("on a rocky coast", "a rocky coast"),
    "sea": ("by the sea", "the sea"), "cliff": ("by cliffs", "cliffs"), "lake": ("by a lake", "a lake"),
    "mountain": ("by mountains", "mountains"), "valley": ("in a valley", "a valley with hills"),
    "volcano": ("by a volcano", "a volcano"), "geyser": ("by steam", "steam"),
    "coral reef": ("by a coral reef", "a coral reef"), "bridge": ("by a bridge", "a bridge"),
    "lighthouse": ("by a lighthouse", "a lighthouse"), "castle": ("by a castle", "a castle"),
    "church": ("by a church", "a church"), "mosque": ("by a mosque", "a mosque"), "palace": ("by a palace", "a palace"),
    "standing stones": ("among standing stones", "standing stones"), "barn": ("by a barn", "a barn"),
    "harbour": ("in a harbour", "a harbour"), "fountain": ("by a fountain", "a fountain"),
    "stage": ("on a stage", "a stage"), "dam": ("by a dam", "a dam"),
    "shop": ("in a shop", "a shop"), "library": ("in a library", "a library"),
    "restaurant": ("in a restaurant", "a restaurant"), "greenhouse": ("in a greenhouse", "a greenhouse"),
}  # fmt: skip
ACTS = {"ballgame": "doing sport", "sport": "doing sport", "cooking": "cooking", "dancing": "dancing"}
ACTS |= {"talking": "talking"}
COUNTS = ("no", "one", "two", "three", "four")
PLURALS = {
    "person": "people", "sheep": "sheep", "knife": "knives", "bus": "buses", "couch": "couches", "bench": "benches",
    "wine glass": "wine glasses", "mouse": "mice", "skis": "skis", "scissors": "scissors", "sandwich": "sandwiches",
    "toothbrush": "toothbrushes", "glass": "glasses", "broccoli": "broccoli",
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
        shown: Words of the compact classifier for the whole picture, see :func:`classifier_kinds.shown`.
    """

    tags: frozenset[str] = frozenset()
    groups: tuple[Group, ...] = ()
    light: str = ""
    later_light: str = ""
    camera: str = ""
    pace: str = ""
    regions: tuple[Region, ...] = ()
    shown: tuple[str, ...] = ()

    def sentences(self) -> list[str]:
        """In order of importance, each whole."""
        said = [gist(self.tags, self.groups, self.shown), *(str(group) for group in self.groups)]
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


def gist(tags: frozenset[str], groups: tuple[Group, ...], shown: tuple[str, ...] = ()) -> str:
    """Who or what, doing what, where: without a full stop."""
    people = any(group.kind == "person" for group in groups) or "person" in tags
    who = _who(tags, groups, shown, people)
    where = _where(tags, shown)
    inside = "indoors" if "in" in tags else "outdoors" if "out" in tags else ""
    doing = [DOING[word] for word in shown if word in SPORTS]
    if doing and not people:
        who, people = ["people", *who], True
    with_it = [] if not people else [WORN[word] for word in shown if word in WORN]
    if who:
        act = doing[0] if doing else next((words for tag, words in ACTS.items() if tag in tags), "") if people else ""
        parts = [" and ".join(who[:MOST_WHO]), *with_it[:1], act, inside, *(words for words, _ in where[:MOST_WHERE])]
    elif where:
        parts = [" and ".join(words for _, words in where[:MOST_WHO]), inside]
    else:
        parts = ["a view", inside]
    view = ", seen from the air" if "aerial" in tags else ", in close-up" if "closeup" in tags else ""
    return " ".join(part for part in parts if part) + view


def renamed(groups: tuple[Group, ...], shown: tuple[str, ...]) -> tuple[Group, ...]:
    """Things by the names that fit the whole picture: a dog that is a fox, a car that is a jeep, a cup of coffee."""
    things = [word for word in shown if word in THINGS]
    kinds = {group.kind: word for group in groups for word in things if _says(word, group.kind)}
    if beast := next((word for word in shown if word in BEASTS and word != "animal"), None):
        kinds |= dict.fromkeys(ANIMALS, beast)
    if vehicle := next((word for word in shown if word in DRIVEN and word != "vehicle"), None):
        kinds |= dict.fromkeys(CARS if vehicle in CARS_SHOWN else (), vehicle)
    return tuple(replace(group, kind=kinds.get(group.kind, group.kind)) for group in groups)


def _who(tags: frozenset[str], groups: tuple[Group, ...], shown: tuple[str, ...], people: bool) -> list[str]:
    kinds = {group.kind for group in groups}

    def said(word: str) -> bool:
        return any(_says(kind, word) for kind in kinds)

    who = [_named(group, tags) for group in groups[:MOST_WHO]]
    beast = next((word for word in shown if word in BEASTS), None)
    if not kinds & {*ANIMALS, *BEASTS}:
        if beast and beast != "animal":
            who.insert(0, with_article(beast))
        elif "person" not in kinds and (beast or "animal" in tags):
            who.insert(0, next((with_article(word) for word in KNOWN_ANIMALS if word in tags), "an animal"))
    if not kinds & {*VEHICLES, *DRIVEN}:
        vehicle = next((word for word in shown if word in DRIVEN), None)
        if vehicle and vehicle != "vehicle":
            who.append(with_article(vehicle))
        elif vehicle or tags & {"vehicle", *KNOWN_VEHICLES}:
            who.append(next((with_article(word) for word in KNOWN_VEHICLES if word in tags), "a vehicle"))
    if not who and "person" in tags:
        who.append("people" if "people" in tags else "a woman" if "woman" in tags else "a person")
    things = [word for word in shown if word in THINGS and not said(word)]
    things = [with_article(word) for word in things if not (people and word in WORN)]
    who += things or [words for tag, words in MATTER.items() if tag in tags and not said(tag)]
    return who if who or "hands" not in tags else ["hands"]


def _says(words: str, others: str) -> bool:
    """Whether words of one thing hold those of another: a cup of coffee is a cup, a wine glass a glass."""
    return set(others.split()) <= set(words.split())


def _named(group: Group, tags: frozenset[str]) -> str:
    if group.count > 1:
        return f"{_number(group.count)} {plural(group.kind)}"
    if group.kind != "person":
        return with_article(group.kind)
    who = "a woman" if "woman" in tags else "a child" if "child" in tags else "a man" if "man" in tags else "a person"
    return f"the face of {who}" if "portrait" in tags else who


def _where(tags: frozenset[str], shown: tuple[str, ...]) -> list[tuple[str, str]]:
    """Places behind something and by themselves, without those that another one says better."""
    better = [word for word in shown if word in PLACES_SHOWN]
    said_better = {weaker for tag, others in INSTEAD.items() if tag in tags or tag in better for weaker in others}
    there = [tag for tag in PLACES_SAID if tag in tags and tag not in said_better and tag not in better]
    return [PLACES_SHOWN[word] for word in better] + [PLACES_SAID[tag] for tag in there]


def plural(kind: str) -> str:
    """Several of a kind."""
    head, of, what = kind.partition(" of ")
    return f"{PLURALS.get(head, f'{head}s')}{of}{what}"


def with_article(words: str) -> str:
    """One of a kind, or some of what is not counted."""
    if words in UNCOUNTED or words in MANY:
        return MANY.get(words, words)
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

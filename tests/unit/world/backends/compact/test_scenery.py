"""Free English read shallowly: which nouns, in which colours, and the light."""

from __future__ import annotations

import pytest

from lgvsc.core.lexicon import COLOURS, PLACES, TEXTURES
from lgvsc.world.backends.compact.scenery import (
    MAX_CHARACTERS,
    UNKNOWN,
    _data,
    background_of,
    colour_of,
    is_aerial,
    is_monochrome,
    is_near,
    mixed,
    read_light,
    read_mentions,
    vocabulary,
)


def said(caption):
    """The nouns of a caption and the colours that it gives them."""
    return {mention.word: mention.colours for mention in read_mentions(caption)}


def test_each_colour_belongs_to_its_own_noun():
    assert said("A red car on a grey street under a blue sky") == {
        "car": (COLOURS["red"],),
        "street": (COLOURS["grey"],),
        "sky": (COLOURS["blue"],),
    }
    assert said("a man holds a red umbrella beside a car")["car"] == ()
    assert said("the car is parked; red flowers grow")["car"] == ()


@pytest.mark.parametrize(
    ("caption", "word", "colours"),
    [
        ("a woman in a dark blue jacket", "jacket", ("dark blue",)),
        ("a blue racing car", "racing car", ("blue",)),
        ("a black and white dog", "dog", ("black", "white")),
        ("an olive-green jacket", "jacket", ("olive",)),
        ("a bright yellow flower", "flower", ("yellow",)),
        ("a turquoise lake", "lake", ("teal",)),
        ("red foxes", "red fox", ()),  # one word of the vocabulary
        ("a red wooden barn", "barn", ("red",)),
    ],
)
def test_colours_reach_across_other_adjectives(caption, word, colours):
    assert said(caption)[word] == tuple(COLOURS[colour] for colour in colours)


def test_a_colour_of_a_part_is_not_the_colour_of_the_whole():
    assert said("a red-roofed house")["house"] == ()
    assert said("a white-haired man") == {"haired": (COLOURS["white"],), "man": ()}


def test_dark_and_pale_shift_the_usual_colour():
    usual, dark, pale = (read_mentions(f"{word} forest")[0].look.colours[1] for word in ("a", "a dark", "a pale"))
    assert sum(dark) < sum(usual) < sum(pale)


def test_a_colour_without_a_known_noun_is_somebodys_clothes_or_some_thing():
    assert [m.word for m in read_mentions("A man in black throws a ball")] == ["man", "clothes", "ball"]
    (thing,) = read_mentions("a purple gizmo")
    assert (thing.word, thing.colours) == (UNKNOWN, (COLOURS["purple"],))
    assert said("she peels an orange")[UNKNOWN] == (COLOURS["orange"],)


def test_nouns_before_nouns():
    assert list(said("a city street")) == ["city", "street"]
    assert list(said("an apple pie")) == ["pie"]
    assert said("an apple pie")["pie"] != ()  # a little of the apple


def test_verbs_that_look_like_nouns():
    assert list(said("A dog waves its paws and stands on the grass")) == ["dog", "grass"]
    assert list(said("The man watches the waves")) == ["man", "wave"]


def test_what_is_not_there_is_not_seen():
    assert list(said("a street without a car")) == ["street"]
    assert list(said("There are no trees on the beach")) == ["beach"]


def test_relations_and_places():
    by_word = {m.word: m.relation for m in read_mentions("A cat on a bed, with a tree in the background")}
    assert by_word == {"cat": "", "bed": "on", "tree": "back"}
    assert read_mentions("a car on the left")[0].relation in PLACES
    woman, beach = read_mentions("a woman on a beach on the left")
    assert (woman.relation, beach.relation) == ("left", "on")


def test_plurals_and_sizes():
    (dogs,) = read_mentions("Two large dogs")
    assert dogs.many and dogs.scale > 1
    (child,) = read_mentions("small children")
    assert (child.word, child.many) == ("child", True) and child.scale < 1


@pytest.mark.parametrize("unknown", ["", " ", "the of and", "Blorf gribbles the quux.", "Ψ 雪 \x00 🎈", "....,,,;;"])
def test_unknown_words_say_nothing(unknown):
    assert read_mentions(unknown) == []
    assert read_mentions(f"a red car. {unknown}") == read_mentions("a red car.")


@pytest.mark.parametrize(
    "hostile",
    [
        "red " * 5000,
        "and " * 5000,
        "-ed" * 5000,
        "in front of " * 900,
        "(((" * 4000,
        "'’" * 3000,
        "dark " * 9,
        "no",
        "of in",
    ],
)
def test_hostile_captions_are_read_too(hostile):
    assert len(read_mentions(hostile)) <= MAX_CHARACTERS
    read_light(hostile), is_near(hostile), is_aerial(hostile), is_monochrome(hostile)


def test_light():
    night, dusk, day, sunny = (
        read_light(caption)[0]
        for caption in ("a street at night", "a street at dusk", "a man in a dark suit on a street", "a sunny street")
    )
    assert night < dusk < day == 1.0 < sunny
    red, _, blue = read_light("a beach at sunset")[1]
    assert red > blue


def test_views():
    assert is_aerial("A drone flies over a city") and not is_aerial("A man repairs a drone")
    assert is_near("A woman smiles") and not is_near("A woman runs")
    assert is_monochrome("An old film in black and white.") and not is_monochrome("a black and white dog")


def test_every_entry_of_the_vocabulary_can_be_painted():
    for word, look in vocabulary().items():
        assert len(look.colours) == (3 if look.role == "scene" else 1), word
        assert look.texture in TEXTURES and 0 < look.size < 0.5, word
        assert read_mentions(f"near the {word}.")[-1].look == look, word
        if look.role == "thing":
            background_of(look.kind)
    assert all(colour_of(name) for name in _data()["palette"])
    assert mixed([(0, 0, 0), (100, 50, 20)]) == (50, 25, 10)

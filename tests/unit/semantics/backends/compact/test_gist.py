"""The language of captions that name what they see."""

import pytest

from lgvsc.semantics.backends.compact import classifier_kinds
from lgvsc.semantics.backends.compact.gist import DOES, Group, Telling, gist, renamed


def group(kind="person", count=1, **other):
    return Group(**{"kind": kind, "count": count, "size": "large", "colour": "grey", "place": "left"} | other)


@pytest.mark.parametrize(
    ("tags", "groups", "said"),
    [
        ("out street", [group("car", 2)], "two cars outdoors on a street"),
        ("in kitchen room", [group()], "a person indoors in a kitchen"),
        ("woman portrait out", [group()], "the face of a woman outdoors"),
        ("animal cat in", [], "a cat indoors"),
        ("animal", [group("dog")], "a dog"),
        ("sea sky water out", [], "the sea and the sky outdoors"),
        ("ballgame out", [group(count=9)], "many people doing sport outdoors"),
        ("aerial city", [], "a city, seen from the air"),
        ("food closeup", [], "food, in close-up"),
        ("", [], "a view"),
    ],
)
def test_one_sentence_says_who_and_where(tags, groups, said):
    assert gist(frozenset(tags.split()), tuple(groups)) == said


@pytest.mark.parametrize(
    ("tags", "groups", "shown", "said"),
    [
        ("animal out", [], ["wolf"], "a wolf outdoors"),
        ("out vehicle", [], ["jeep"], "a jeep outdoors"),
        ("out", [group()], ["volleyball", "beach"], "a person playing volleyball outdoors on a beach"),
        ("in", [], ["boxing"], "people boxing indoors"),
        ("out water sea", [], ["rocky coast"], "a rocky coast outdoors"),
        ("in man", [group()], ["suit"], "a man in a suit indoors"),
        ("in closeup food", [], ["soup"], "soup indoors, in close-up"),
        ("", [group("car")], ["sports car"], "a car"),
        ("", [], ["animal"], "an animal"),
        ("in person", [], ["guitar"], "a person with a guitar indoors"),
    ],
)
def test_what_the_whole_picture_shows_is_said_with_it(tags, groups, shown, said):
    assert gist(frozenset(tags.split()), tuple(groups), tuple(shown)) == said


def test_things_are_renamed_by_what_the_whole_picture_shows():
    kinds = [one.kind for one in renamed((group("dog"), group("car"), group(), group("bus")), ("fox", "jeep"))]
    assert kinds == ["fox", "jeep", "person", "bus"]
    assert renamed((group("bird"),), ("animal", "boat", "beach")) == (group("bird"),)


@pytest.mark.parametrize(
    ("kind", "count", "shown", "said"),
    [
        ("cup", 1, "cup of coffee", "a cup of coffee"),
        ("cup", 2, "cup of coffee", "two cups of coffee"),
        ("wine glass", 2, "glass of wine", "two glasses of wine"),
        ("cell phone", 1, "phone", "a cell phone"),
        ("bear", 1, "teddy bear", "a teddy bear"),
        ("couch", 1, "couch", "a couch"),
        ("cup", 1, "cake", "a cup and a cake"),
    ],
)
def test_one_thing_is_said_once_by_its_more_telling_name(kind, count, shown, said):
    groups = renamed((group(kind, count),), (shown,))
    assert gist(frozenset(), groups, (shown,)) == said
    assert gist(frozenset(("glass",)), (group("wine glass"),)) == "a wine glass"


def test_every_word_of_the_classifier_can_be_said():
    for words in classifier_kinds.ROLES.values():
        for word in words:
            assert gist(frozenset(), (), (word,)) != "a view", word


def test_a_group_is_said_with_count_size_colour_place_and_what_it_does():
    assert str(group(does="moves left")) == "large grey person at left, moves left"
    assert str(group(count=3, does="comes nearer")) == "three large grey people at left, come nearer"
    assert str(group(count=2, does="goes farther")) == "two large grey people at left, go farther"
    assert DOES[0] == ""


def test_sentences_stand_in_order_of_importance():
    telling = Telling(
        tags=frozenset(("out",)),
        groups=(group("car"),),
        light="dim",
        later_light="bright",
        camera="static",
        pace="slow",
    )
    assert str(telling) == (
        "A car outdoors. Large grey car at left. Dim light. Camera static, slow. Then bright light."
    )

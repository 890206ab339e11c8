"""Things over the pictures of a segment."""

import numpy as np
import pytest

from lgvsc.core.interfaces import Detection
from lgvsc.core.message import Motion
from lgvsc.semantics.backends.compact.regions import Look
from lgvsc.semantics.backends.compact.tracks import follow, groups

GREY = Look(np.full((90, 160, 3), 128, np.uint8))


def seen(kind="car", score=0.6, left=0.4, top=0.4, side=0.2):
    return Detection(kind, score, (top, left, top + side, left + side))


def said(*pictures, motion=None):
    return [(one.kind, one.count, one.does) for one in groups(pictures, [GREY] * len(pictures), motion)]


def test_what_is_seen_in_one_picture_of_four_is_not_said():
    assert said([seen()], [], [], []) == []
    assert said([seen("person")], [seen("person")], [], [seen("person")]) == [("person", 1, "")]


def test_the_doubtful_is_not_named():
    assert said(*[[seen(score=0.32)]] * 4) == []
    assert said(*[[seen("person", score=0.32)]] * 4) == [("person", 1, "")]


def test_a_thing_is_followed_through_pictures_in_which_it_is_faint():
    tracks = follow([[seen()], [seen(score=0.2, left=0.42)], [seen(left=0.44)]])
    assert [sorted(track.boxes) for track in tracks] == [[0, 1, 2]]
    assert follow([[seen(score=0.2)]]) == []


@pytest.mark.parametrize(
    ("last", "does"),
    [
        (seen(left=0.6), "moves right"),
        (seen(left=0.2), "moves left"),
        (seen(top=0.6), "moves down"),
        (seen(left=0.35, top=0.35, side=0.3), "comes nearer"),
        (seen(left=0.45, top=0.45, side=0.1), "goes farther"),
        (seen(left=0.42), ""),
    ],
)
def test_what_a_thing_does(last, does):
    first = seen()
    between = [
        Detection("car", 0.6, tuple(a + (b - a) * part for a, b in zip(first.box, last.box, strict=True)))
        for part in (1 / 3, 2 / 3)
    ]
    assert said([first], [between[0]], [between[1]], [last]) == [("car", 1, does)]


def test_what_the_camera_does_is_not_what_the_thing_does():
    pictures = [[seen(left=left)] for left in (0.6, 0.5, 0.4, 0.3)]
    assert said(*pictures) == [("car", 1, "moves left")]
    assert said(*pictures, motion=Motion(pan=-0.3)) == [("car", 1, "")]


def test_who_comes_and_who_leaves():
    person = [seen("person")]
    assert said(person, person, [], []) == [("person", 1, "leaves")]
    assert said([], [], person, person) == [("person", 1, "comes")]
    flicker = [seen("person", left=0.4)]
    assert said(flicker, flicker, flicker, []) == [("person", 1, "")]


def test_how_many_is_the_median():
    two = [seen(left=0.1), seen(left=0.7)]
    assert said(two, two, two[:1], two) == [("car", 2, "")]

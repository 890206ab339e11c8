"""A caption in free English, painted: what it mentions in its colours, where one would expect it."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from lgvsc.core.lexicon import COLOURS, PLACES
from lgvsc.core.video import VideoFormat
from lgvsc.world.backends.compact.painter import paint
from lgvsc.world.backends.compact.staging import stage

VIDEO = VideoFormat(96, 128, Fraction(24))


def at(caption, place, radius=8):
    """Mean colour around a place of the lexicon, red, green and blue."""
    picture = next(paint(caption, None, VIDEO, 1, seed=0))
    row, column = (round(f * side) for f, side in zip(PLACES[place], picture.shape[:2], strict=True))
    return picture[row - radius : row + radius, column - radius : column + radius].reshape(-1, 3).mean(axis=0)


def light(caption):
    return next(paint(caption, None, VIDEO, 1, seed=0)).mean()


def test_a_red_car_on_a_grey_street_under_a_blue_sky():
    caption = "A red car on a grey street under a blue sky"
    red, green, blue = at(caption, "centre")
    assert red > 1.5 * max(green, blue)
    red, green, blue = at(caption, "top")
    assert blue > 1.2 * max(red, green)
    red, green, blue = at(caption, "bottom")
    assert max(red, green, blue) - min(red, green, blue) < 40


def test_grounds_lie_below_skies():
    for ground in ("grass", "sand", "a road", "snow", "the sea"):
        upper, lower = at(f"A sky over {ground}", "top"), at(f"A sky over {ground}", "bottom")
        alone = at(ground, "bottom")
        assert upper[2] > upper[1] > upper[0]
        assert np.abs(lower - alone).max() < np.abs(upper - alone).max()


def test_clothes_hair_and_faces():
    for colour in ("red", "blue", "yellow"):
        shirt = at(f"A smiling man in a {colour} shirt", "bottom")
        others = [name for name in ("red", "blue", "yellow") if name != colour]
        distance = {name: np.abs(shirt - COLOURS[name]).sum() for name in (colour, *others)}
        assert min(distance, key=distance.get) == colour
    red, green, blue = at("A woman talks", "centre", 5)
    assert red > green > blue  # skin
    hair = {patch.colour for patch in stage("A blonde woman smiles")} - {
        patch.colour for patch in stage("A woman smiles")
    }
    assert hair


def test_a_dark_wall_behind_and_a_white_one():
    dark, white = (at(f"A woman talks in front of a {tone} wall", "top left").mean() for tone in ("dark", "white"))
    assert dark < white - 50


@pytest.mark.parametrize(("place", "opposite"), [("left", "right"), ("right", "left"), ("top", "bottom")])
def test_things_stand_where_the_caption_puts_them(place, opposite):
    caption = f"A red ball {'at the' if place == 'top' else 'on the'} {place}".replace("ball", "bus")
    red, green, _ = at(caption, place)
    other_red, other_green, _ = at(caption, opposite)
    assert red - green > other_red - other_green + 25


def test_two_things_stand_side_by_side():
    left, right = at("A red car and a blue car", "left"), at("A red car and a blue car", "right")
    assert left[0] - left[2] > 30 and right[2] - right[0] > 30


def test_nights_stages_and_aquaria_are_dark():
    day = light("A car on a street")
    assert light("A car on a street at night") < 0.6 * day
    assert light("A band on a concert stage") < 0.6 * day
    red, _, blue = at("Fish in an aquarium", "top left")
    assert blue > 1.5 * red


def test_snow_whitens_a_forest():
    assert light("A snowy forest") > light("A forest") + 30


def test_from_above_there_is_no_sky():
    _, green, blue = at("A meadow seen from above", "top")
    assert green > blue
    _, green, blue = at("A meadow under the sky", "top")
    assert blue > green


def test_black_and_white():
    picture = next(paint("A red car on the grass in black and white.", None, VIDEO, 1, seed=0)).astype(int)
    assert np.ptp(picture, axis=-1).max() <= 1


def test_unknown_words_change_nothing():
    assert stage("Blorf gribbles the quux.") == []
    assert stage("A red car, gribbled.") == stage("A red car.")
    grey = next(paint(None, None, VIDEO, 1, seed=0))
    assert np.array_equal(next(paint("Blorf gribbles the quux.", None, VIDEO, 1, seed=0)), grey)


@pytest.mark.parametrize(
    "hostile", ["", "red " * 3000, "dog " * 3000, "\x00 \ud83d'", "on in at the left", "man " * 400]
)
def test_hostile_captions_are_painted(hostile):
    picture = next(paint(hostile, None, VideoFormat(16, 16, Fraction(24)), 1, seed=0))
    assert picture.shape == (16, 16, 3)

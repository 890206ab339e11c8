"""A caption painted: the right colours at the right places, moving as the camera does, the same for the same seed."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest

from lgvsc.core.lexicon import COLOURS, PLACES, Region
from lgvsc.core.message import Motion
from lgvsc.core.video import VideoFormat
from lgvsc.world.backends.compact.painter import Painting, paint, read_patches

VIDEO = VideoFormat(96, 128, Fraction(24))


def painted(caption, motion=None, frames=1, seed=0, video=VIDEO):
    return np.stack(list(paint(caption, motion, video, frames, seed)))


def around(picture, place, radius=6):
    """Mean colour around a place of the lexicon."""
    row, column = (round(f * side) for f, side in zip(PLACES[place], picture.shape[:2], strict=True))
    return picture[row - radius : row + radius, column - radius : column + radius].reshape(-1, 3).mean(axis=0)


@pytest.mark.parametrize("colour", ["red", "dark blue", "white", "green", "beige"])
@pytest.mark.parametrize("place", list(PLACES))
def test_each_colour_lands_at_its_place(colour, place):
    elsewhere = "bottom right" if place != "bottom right" else "top left"
    other = "black" if colour != "dark blue" else "yellow"
    caption = f"{Region('medium', colour, 'smooth', place)}. {Region('medium', other, 'smooth', elsewhere)}."
    picture = painted(caption)[0]
    assert np.abs(around(picture, place) - COLOURS[colour]).max() < 40
    assert np.abs(around(picture, elsewhere) - COLOURS[other]).max() < 40


def test_a_small_patch_lies_on_a_large_one():
    picture = painted("Huge smooth green area at centre. Tiny smooth red area at centre.")[0]
    assert np.abs(around(picture, "centre", 3) - COLOURS["red"]).max() < 50
    red = np.abs(picture.astype(int) - COLOURS["red"]).max(axis=-1) < 50
    assert 0.002 < red.mean() < 0.06  # "tiny" is a hundredth


def test_busy_is_rougher_than_smooth():
    roughness = [
        float(painted(f"huge {texture} grey area at centre")[0].std()) for texture in ("smooth", "textured", "busy")
    ]
    assert roughness[0] < 0.6 * roughness[1] < 0.6 * roughness[2]


@pytest.mark.parametrize(
    "caption",
    [
        "Outdoors, dim light.",
        "Even light. Medium face at centre, still; then small person at left, moved right. Camera pan left, slow.",
        "Background: somewhere, dark light, cool colours, mixed lines. Foreground, one: small cat at left, still.",
        "Nothing can be made out.",
    ],
)
def test_what_the_compact_captioner_did_not_measure_is_not_guessed(caption):
    """In its sentences a face or a cat has no colour; in free English it has the usual one."""
    assert read_patches(caption) == []
    assert read_patches("A cat looks up.")


def test_the_compact_captioners_regions_and_things_are_all_there_is():
    caption = (
        "Outdoors, even light. Large smooth light blue area at top. Small red object at left, still. Small face at top."
    )
    sky, thing = read_patches(caption)
    assert (sky.colour, sky.share, sky.row) == (COLOURS["light blue"], 0.28, PLACES["top"][0])
    assert (thing.colour, thing.share, thing.column) == (COLOURS["red"], 0.04, PLACES["left"][1])


def test_things_that_were_recognised_stand_before_what_the_sentence_tells_of_the_place():
    caption = "A car outdoors on a street under the sky. Small red car at left, moves right. Camera static, slow."
    car = min(read_patches(caption), key=lambda patch: patch.share)
    assert (car.row, car.column, car.share) == (*PLACES["left"], 0.04) and car.colour[0] > 150
    assert len(read_patches(caption)) == 4  # three bands of street and sky, and no car of the sentence's own
    two_words = read_patches("Two wine glasses indoors. Two small dark red wine glasses at right.")
    assert [patch.column for patch in two_words if patch.share == 0.04] == [PLACES["right"][1]]


def test_what_was_measured_counts_more_than_what_the_place_suggests():
    caption = "A view outdoors on a street. Huge smooth magenta area at bottom."
    picture = painted(caption)[0]
    assert np.abs(around(picture, "bottom") - COLOURS["magenta"]).max() < 45
    assert len(read_patches(caption)) == 4


def test_things_and_free_english_give_colours_too():
    assert [(p.colour, p.row, p.column) for p in read_patches("medium red object at left, moved right")] == [
        (COLOURS["red"], *PLACES["left"])
    ]
    picture = painted("A car drives over snow under a clear sky.")[0]
    assert np.abs(around(picture, "bottom") - COLOURS["white"]).max() < 40
    assert np.abs(around(picture, "top") - COLOURS["light blue"]).max() < 40


def test_light_words_count_where_no_colour_is_named():
    dark, even, bright = (painted(f"outdoors, {word} light")[0].mean() for word in ("dark", "even", "bright"))
    assert dark < even - 30 < bright - 60


def test_the_camera_moves_the_picture():
    motion = Motion(score=3.0, camera="pan left", pan=0.3)
    frames = painted("small smooth white area at centre. huge smooth black area at centre", motion, frames=13)
    columns = [float((f.mean(axis=2).sum(axis=0) * np.arange(128)).sum() / f.mean(axis=2).sum()) for f in frames]
    assert math.isclose(np.argmax(frames[0][48].mean(axis=-1)), 64 - 0.15 * 128, abs_tol=12)
    assert columns == sorted(columns)
    told = painted("small smooth white area at centre. huge smooth black area at centre. camera pan right", None, 48)
    assert np.argmax(told[0][48].mean(axis=-1)) > np.argmax(told[-1][48].mean(axis=-1))


def halves():
    """Blue above, green below."""
    colours = np.full((8, 8, 3), (80, 120, 220), np.uint8)
    colours[4:] = (50, 130, 40)
    return colours


def test_received_colours_come_before_what_the_caption_says():
    painting = Painting("huge smooth red area at centre", None, VIDEO, 4, 0, halves())
    picture = painting.at(0).astype(int)
    assert picture.shape == (96, 128, 3)
    assert np.abs(picture[:36] - (80, 120, 220)).mean() < 4 and np.abs(picture[-36:] - (50, 130, 40)).mean() < 4
    assert np.array_equal(painting.at(3), picture)  # nothing moves where nobody says so


def test_received_colours_move_with_the_camera():
    still, tilted = (Painting(None, motion, VIDEO, 8, 0, halves()) for motion in (None, Motion(tilt=0.3)))
    blue = [(painting.at(7)[:, 64, 2] > 130).sum() for painting in (still, tilted)]
    assert blue[1] > blue[0] + 8  # what lay at the top has come down


def test_same_seed_same_picture():
    caption = "large busy green area at left"
    assert np.array_equal(painted(caption, seed=3), painted(caption, seed=3))
    assert not np.array_equal(painted(caption, seed=3), painted(caption, seed=4))


@pytest.mark.parametrize("size", [(1, 1), (3, 401), (401, 3), (255, 77)])
def test_any_size(size):
    frames = painted("large busy green area at left", None, 2, video=VideoFormat(*size, Fraction(30)))
    assert frames.shape == (2, *size, 3)
    assert painted(None, None, 1, video=VideoFormat(*size, Fraction(30))).shape == (1, *size, 3)

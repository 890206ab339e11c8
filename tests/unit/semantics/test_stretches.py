"""A first look at a file in which pictures come or go: keyframes there, and evenly between them."""

from fractions import Fraction
from itertools import pairwise

import cv2
import numpy as np
import pytest
from skimage import data

from lgvsc.core.video import Frame, VideoFormat
from lgvsc.semantics.cuts import CutDetector
from lgvsc.semantics.keyframes import KeyframeConfig, Spacing, choose_keyframes
from lgvsc.semantics.stretches import marked_keyframes

HEIGHT, WIDTH, FPS = 90, 160, 25
SETTINGS = KeyframeConfig(mean_spacing_frames=15)
BLACK = np.zeros((HEIGHT, WIDTH, 3), np.uint8)


def pan(count):
    """A camera that moves over a photograph."""
    picture = data.coffee()
    return [
        cv2.resize(picture[40:265, 10 + i : 410 + i], (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA)
        for i in range(count)
    ]


def with_black(count, at, length):
    return [BLACK if at <= i < at + length else picture for i, picture in enumerate(pan(count))]


def frames_of(pictures):
    return [Frame(i, picture) for i, picture in enumerate(pictures)]


def marks(pictures, config=SETTINGS, affords=lambda frames: frames):
    video = VideoFormat(HEIGHT, WIDTH, Fraction(FPS), len(pictures))
    return marked_keyframes(frames_of(pictures), video, config, CutDetector(), affords)


def test_a_video_in_which_nothing_comes_or_goes_is_left_to_the_judge():
    assert marks(pan(75)) == ((), 0)


@pytest.mark.parametrize("over", [1, 10])
def test_a_cut_and_a_dissolve_are_left_to_the_judge(over):
    """Whatever is shown on either side says enough: only where nothing is shown must the rest be spread."""
    other = cv2.resize(data.astronaut()[:288], (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA)
    share = np.clip((np.arange(75) - 30) / over, 0, 1)
    mixed = [cv2.addWeighted(picture, 1 - part, other, part, 0) for picture, part in zip(pan(75), share, strict=True)]
    assert marks(mixed) == ((), 75 if over > 1 else 0)  # where one picture goes slowly, plans are compared


@pytest.mark.parametrize("length", [1, 3, 8])
def test_behind_a_black_beginning_is_a_keyframe_and_others_evenly_from_there_on(length):
    found, until = marks(with_black(75, 0, length))
    assert found[:2] == (0, length) and until == 75
    steps = np.diff([*found[1:], 74])
    assert len(steps) in (3, 4) and steps.max() - steps.min() <= 1


@pytest.mark.parametrize("length", [1, 3, 8])
def test_before_a_black_end_is_a_keyframe_and_the_closing_picture_alone_shows_the_black(length):
    found, _ = marks(with_black(75, 75 - length, length))
    assert found[-1] == 74 - length
    assert max(np.diff(found)) <= 25


def test_a_black_stretch_in_the_middle_has_its_keyframes_and_is_not_divided():
    found, _ = marks(with_black(80, 30, 12))
    assert {0, 29, 30, 42} <= set(found)
    assert not any(30 < at < 42 for at in found)


def test_segments_of_a_long_video_stay_below_two_seconds_and_do_not_come_thicker_than_a_fifth_of_a_stretch():
    found, _ = marks(with_black(400, 0, 2))
    steps = np.diff([*found[1:], 399])
    assert steps.max() <= 2 * FPS and len(steps) <= 10


def test_a_wide_mean_spacing_is_kept():
    found, _ = marks(with_black(75, 0, 1), KeyframeConfig(mean_spacing_frames=40))
    assert len(found) <= 3


def test_where_segments_are_dear_only_what_comes_and_goes_is_marked():
    assert marks(with_black(75, 30, 3), affords=lambda frames: 4)[0] == (0, 29, 30, 33)
    assert len(marks(with_black(75, 30, 3), affords=lambda frames: 5)[0]) == 5


def test_where_even_that_is_too_dear_what_is_shown_shortest_gives_way():
    strobe = [BLACK if i // 3 % 2 else picture for i, picture in enumerate(pan(60))]
    clip = [*pan(75), *strobe]
    assert len(marks(clip)[0]) > 5
    for most in (1, 3, 5):
        found, _ = marks(clip, affords=lambda frames, most=most: most)
        assert found[0] == 0 and len(found) == most
    assert np.diff([*found, 135]).min() >= 6


@pytest.mark.parametrize("period", [2, 3, 6])
def test_a_strobe_has_no_more_bare_keyframes_than_others_may_be(period):
    clip = [BLACK if i // period % 2 else picture for i, picture in enumerate(pan(100))]
    video = VideoFormat(HEIGHT, WIDTH, Fraction(FPS), len(clip))
    choices = choose_keyframes(frames_of(clip), video, SETTINGS, lambda key, seen: [-1.0] * len(seen))
    bare = sum(choice.keyframe and not choice.frame.pixels.any() for choice in choices)
    assert bare <= Spacing(video, SETTINGS).allowed(100) == 6


@pytest.mark.parametrize("place", [0, 30, 72])
@pytest.mark.parametrize("divergence", [-1.0, 1.0])
def test_what_is_marked_becomes_a_keyframe_and_the_judge_adds_where_there_is_room(place, divergence):
    pictures = with_black(75, place, 3)
    found, until = marks(pictures)
    video = VideoFormat(HEIGHT, WIDTH, Fraction(FPS), len(pictures))
    config = KeyframeConfig(mean_spacing_frames=15, marked=found, marked_until=until)
    choices = choose_keyframes(frames_of(pictures), video, config, lambda key, seen: [divergence] * len(seen))
    chosen = [choice.frame.index for choice in choices if choice.keyframe]
    assert set(found) <= set(chosen)
    assert len(chosen) <= max(len(found), Spacing(video, config).allowed(75))
    if divergence < 0:
        assert chosen == list(found)
    else:
        assert all(step > 5 for step in (b - a for a, b in pairwise(chosen)) if step > 3)

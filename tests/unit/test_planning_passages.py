"""SKEM's keyframes or as many at equal distances: what comes closer is sent, if it does not show what passes."""

from __future__ import annotations

from fractions import Fraction

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from skimage import data

from lgvsc.config import load_config
from lgvsc.core.frames import Frame, Video, VideoFormat
from lgvsc.core.video import VideoReader, write_video
from lgvsc.planning import stay_below_ceiling
from lgvsc.planning_passages import Glimpse, better_places, evenly, latest_cut, measured
from lgvsc.semantics.encoder import OpenSegment
from lgvsc.semantics.keyframes import Choice, KeyframeConfig
from lgvsc.semantics.motion import MotionMeter
from lgvsc.semantics.passages import Sighting

HEIGHT, WIDTH = 72, 96
FORMAT = VideoFormat(HEIGHT, WIDTH, Fraction(25), 48)


def pan(count=48, step=4):
    """A camera that moves fast and evenly over a photograph."""
    picture = data.coffee()
    return [
        cv2.resize(picture[40:280, 10 + step * i : 330 + step * i], (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA)
        for i in range(count)
    ]


def chosen(pictures, places, bare=()):
    """Choices of a SKEM that begins segments at these places."""
    seen = [
        Sighting(Frame(i, picture), bare=i in bare, breaks=i in bare or i - 1 in bare)
        for i, picture in enumerate(pictures)
    ]
    return [Choice(one.frame, i in places, False, seen=one) for i, one in enumerate(seen)]


def test_keyframes_that_lie_together_give_way_to_as_many_at_equal_distances():
    assert better_places(chosen(pan(), (0, 3, 6, 9)), FORMAT, KeyframeConfig()) == ((0, 12, 24, 36), True)


@pytest.mark.parametrize("places", [(0, 16, 32), (0, 15, 31), (0,)])
def test_keyframes_that_are_as_good_stay(places):
    assert better_places(chosen(pan(), places), FORMAT, KeyframeConfig()) == (places, False)


def test_where_the_picture_stands_before_it_moves_keyframes_come_when_it_does():
    pictures = 24 * pan(1) + pan(24)
    assert better_places(chosen(pictures, (0, 24, 32, 40)), FORMAT, KeyframeConfig())[0] == (0, 24, 32, 40)


def test_black_is_not_shown_for_a_picture_whatever_is_gained_elsewhere():
    pictures = pan()
    black = [np.zeros_like(p) if i < 2 else p for i, p in enumerate(pictures)]
    glimpses = [Glimpse.of(choice) for choice in chosen(black, ())]  # nothing is known of the edge of the black
    assert measured((0, 24), glimpses, FORMAT).wrong > 10
    places, even = better_places(chosen(black, (0, 3)), FORMAT, KeyframeConfig())
    assert (places, even) == ((0, 3), False)


@given(st.integers(2, 400), st.integers(1, 30))
def test_equal_distances_are_those_of_skim(frames, segments):
    found = evenly(frames, segments, KeyframeConfig(max_segment_frames=400), FORMAT)
    assert found[0] == 0 and len(found) <= segments
    assert found == tuple(range(0, frames, -(-frames // segments)))[:segments]


@given(st.lists(st.tuples(st.booleans(), st.booleans(), st.booleans(), st.booleans()), min_size=1, max_size=8))
def test_a_segment_is_tried_with_the_cut_that_it_would_be_sent_with(parts):
    black = np.zeros((16, 16, 3), np.uint8)
    choices = [Choice(Frame(0, black), True, False, seen=Sighting(Frame(0, black)))]
    for index, (cut, bare, breaks, passing) in enumerate(parts, 1):
        one = Sighting(Frame(index, black), cut, bare, "passing" if passing else "", breaks=breaks)
        choices.append(Choice(one.frame, False, cut, seen=one))
    segment = OpenSegment(choices[0], MotionMeter(Fraction(25)), caption_frames=2)
    for choice in choices[1:]:
        segment.reach(choice)
    assert latest_cut([Glimpse.of(choice) for choice in choices], 0, len(parts)) == segment.cut


def test_a_file_is_tried_where_a_picture_goes_and_only_there(tmp_path):
    other = cv2.resize(data.astronaut()[:288], (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA)
    share = np.clip((np.arange(75) - 30) / 12, 0, 1)
    moving = pan(75, step=1)
    mixed = [cv2.addWeighted(one, 1 - part, other, part, 0) for one, part in zip(moving, share, strict=True)]
    for name, pictures, until in (("plain", moving, 0), ("dissolve", mixed, 75)):
        path = tmp_path / f"{name}.mp4"
        write_video(path, Video(np.stack(pictures), Fraction(25)))
        with VideoReader(path) as reader:
            config, _ = stay_below_ceiling(reader, load_config())
        assert config.keyframes.planned_until == until
        assert bool(config.keyframes.planned) == bool(until)

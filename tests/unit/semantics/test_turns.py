"""Turns: where what is shown becomes something else, told from both sides."""

import weakref
from fractions import Fraction

import numpy as np
import pytest

from lgvsc.core.video import Frame, VideoFormat
from lgvsc.errors import ConfigError
from lgvsc.semantics.keyframes import KeyframeConfig, choose_keyframes
from lgvsc.semantics.passages import Sighting
from lgvsc.semantics.turns import BEFORE, BEHIND, SIDE, mark_turns

A, B = np.eye(2, dtype=np.float32)


def frames(count):
    return [Frame(index, np.zeros((4, 4, 3), np.uint8)) for index in range(count)]


def is_cut(sighting):
    return sighting.cut


def turns(looks, least=0.2, cuts=()):
    """Which of these samples are turns."""
    sightings = [Sighting(frame, cut=frame.index in cuts) for frame in frames(len(looks))]
    marked = list(mark_turns(sightings, lambda one: True, is_cut, lambda frame: looks[frame.index], least))
    assert marked == sightings
    return [one.frame.index for one in marked if one.turn]


def test_one_picture_gives_way_to_another_once():
    assert turns([A] * 8 + [B] * 8) == [8]
    assert turns([A] * 8 + [B] * 8 + [A] * 8) == [8, 16]


def test_what_passes_for_one_sample_is_no_turn():
    assert turns([A] * 8 + [B] + [A] * 8) == []
    assert turns([A] * 16) == []


def test_a_slow_change_turns_where_it_is_halfway():
    share = np.clip((np.arange(20) - 6) / 8, 0, 1)
    (at,) = turns([np.cos(s * np.pi / 2) * A + np.sin(s * np.pi / 2) * B for s in share], least=0.1)
    assert 9 <= at <= 11


def towards(share):
    return np.float32(np.sqrt(1 - share**2)) * A + np.float32(share) * B


def test_of_turns_close_together_the_greatest_counts():
    small, large = towards(0.6), towards(0.99)
    for apart in (BEHIND - 1, BEHIND):  # the greater one behind
        assert turns([A] * 8 + [small] * apart + [large] * 8, least=0.1) == [8 + apart]
    for apart, counted in ((BEFORE, [8]), (BEFORE + SIDE, [8, 8 + BEFORE + SIDE])):  # and before
        assert turns([A] * 8 + [towards(0.8)] * apart + [large] * 8, least=0.1) == counted
    assert turns([A] * 8 + [towards(0.4)] * 30, least=0.1) == []
    assert turns([A] * 8 + [towards(0.6)] * 30, least=0.1) == [8]


@pytest.mark.parametrize("cut", [10, 11])
def test_a_shot_takes_nothing_from_the_turns_within_it(cut):
    small, other = towards(0.6), np.array([-1, 0], np.float32)
    looks = [A] * 6 + [small] * (cut - 6) + [other] * 8 + [B] * 6
    assert turns(looks, least=0.1) == [cut]
    assert turns(looks, least=0.1, cuts=[cut]) == [6, cut, cut + 8]
    sightings = [Sighting(frame, cut=frame.index == 2 * cut - 1) for frame in frames(2 * len(looks))]
    found = mark_turns(
        sightings, lambda one: one.frame.index % 2 == 0, is_cut, lambda frame: looks[frame.index // 2], 0.1
    )
    assert [one.frame.index for one in found if one.turn] == [12, 2 * cut - 1, 2 * (cut + 8)]


def test_near_an_end_too_little_is_known_of_a_side():
    for at in (SIDE - 1, SIDE):
        assert turns([A] * at + [B] * (20 - at)) == [SIDE]
        assert turns([A] * (20 - at) + [B] * at) == [20 - SIDE]
    assert turns([A] + [B] * 19) == turns([A] * (2 * SIDE - 1)) == []


def test_a_new_shot_stands_for_the_sample_behind_it_if_it_shows_something_else():
    looks = [A] * 32 + [B] * 32

    def marked(cuts):
        sightings = [Sighting(frame, cut=frame.index in cuts) for frame in frames(64)]
        found = mark_turns(
            sightings, lambda one: one.frame.index % 4 == 0, is_cut, lambda frame: looks[frame.index], 0.2
        )
        return [one.frame.index for one in found if one.turn]

    assert marked(()) == [32]
    assert marked((30,)) == [30]
    assert marked((32,)) == [32]
    assert marked((10, 50)) == [32]
    assert marked((29, 31)) == [31]


def test_frames_wait_for_seven_samples_at_most():
    taken, looks = [], [A] * 8 + [B] * 22

    def sightings():
        for frame in frames(len(looks)):
            taken.append(frame.index)
            yield Sighting(frame)

    for one in mark_turns(sightings(), lambda one: True, is_cut, lambda frame: looks[frame.index], 0.2):
        assert len(taken) <= one.frame.index + BEHIND + SIDE
    assert len(taken) == 30


def test_the_first_frame_in_a_new_light_is_a_turn_however_alike_it_looks():
    sightings = [Sighting(frame, role="settled" if frame.index == 6 else "") for frame in frames(16)]
    marked = mark_turns(sightings, lambda one: True, is_cut, lambda frame: A, 0.2)
    assert [one.frame.index for one in marked if one.turn] == [6]


def test_looks_are_forgotten_once_they_decide_nothing_more():
    looks = []

    def look_of(frame):
        look = A.copy()
        looks.append(weakref.ref(look))
        return look

    for _ in mark_turns(map(Sighting, frames(60)), lambda one: True, is_cut, look_of, 0.2):
        assert sum(look() is not None for look in looks) <= BEFORE + BEHIND + 2 * SIDE + 1
    assert len(looks) == 60


def test_between_samples_frames_leave_with_the_sample_before_them():
    looked = [one for one in frames(40) if one.index % 4 == 0]
    marked = list(
        mark_turns(
            map(Sighting, frames(40)),
            lambda one: one.frame.index % 4 == 0,
            is_cut,
            lambda frame: A if frame.index < 20 else B,
            0.2,
        )
    )
    assert [one.frame.index for one in marked] == list(range(40))
    assert [one.frame.index for one in marked if one.turn is not None] == [one.index for one in looked]
    assert [one.frame.index for one in marked if one.turn] == [20]


def test_only_turns_are_compared():
    asked = []

    class Score:
        def __call__(self, keyframe, candidates):
            raise AssertionError("nobody asks about samples that are no turns")

        def at_turns(self, keyframe, candidates):
            asked.extend((keyframe.index, one.index) for one in candidates)
            return [0.9] * len(candidates)

        def look_of(self, frame):
            return A if frame.index < 12 else B

    video = VideoFormat(4, 4, Fraction(24), 24)
    chosen = choose_keyframes(frames(24), video, KeyframeConfig(sample_fps=0, turn=0.2), Score(), lambda frame: False)
    assert [one.frame.index for one in chosen if one.keyframe] == [0, 12]
    assert asked == [(0, 12)]


def test_without_looks_every_sample_is_compared():
    def score(keyframe, candidates):
        return [0.9] * len(candidates)

    video = VideoFormat(4, 4, Fraction(24), 5)
    config = KeyframeConfig(sample_fps=0, turn=0.2)
    chosen = choose_keyframes(frames(5), video, config, score, lambda frame: False)
    assert [one.frame.index for one in chosen if one.keyframe] == [0, 1, 2, 3, 4]
    assert {
        one.turn for one in mark_turns(map(Sighting, frames(5)), lambda one: True, is_cut, lambda frame: None, 0.2)
    } == {None}


def test_an_unlikeness_that_cannot_be_is_refused():
    with pytest.raises(ConfigError, match=r"keyframes\.turn is 2"):
        KeyframeConfig(turn=2)

"""Segments of any length as calls of the sampler: lengths, places of the keyframes, times, rounds."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from lgvsc.core.interfaces import Conditions
from lgvsc.core.video import VideoFormat
from lgvsc.nets.opensora_vae import latent_frames
from lgvsc.world.backends.opensora.plan import END_ANCHORS, rounds, shots, split, whole_chunk

FIRST, LAST = np.zeros((8, 8, 3), np.uint8), np.ones((8, 8, 3), np.uint8)


def conditions(**changes: object) -> Conditions:
    given = {
        "video": VideoFormat(8, 8, Fraction(24)), "start": 10, "stop": 30, "first": FIRST, "last": LAST,
        "last_index": 30, "caption": None, "motion": None, "cut": None, "latent_frames": 6, "seed": 0,
    }  # fmt: skip
    return Conditions(**(given | changes))


@pytest.mark.parametrize("frames", [17, 34, 51, 85])
def test_whole_chunks_appended_are_the_reference_with_a_frame_more(frames):
    (only,) = rounds(frames, True, "after", "appended", 102)
    assert only.latents == latent_frames(frames) + 1 == latent_frames(frames + 1)
    assert only.given == [0, latent_frames(frames)]
    assert only.times_frames == frames + 1
    assert only.made == frames


@pytest.mark.parametrize("anchor", ["last_latent", "static_tail"])
def test_last_latent_makes_a_frame_more_and_trims_it(anchor):
    (only,) = rounds(20, True, "after", anchor, 102)
    assert (only.frames, only.made, only.times_frames) == (20, 21, 21)
    assert only.latents == latent_frames(21)
    assert only.given == [0, latent_frames(21) - 1]
    (ending,) = rounds(20, True, "within", anchor, 102)
    assert (ending.frames, ending.made, ending.times_frames, ending.closing) == (20, 20, 20, False)


def test_at_the_end_of_the_video_the_appended_latent_is_the_last_frame():
    (only,) = rounds(34, True, "within", "appended", 102)
    assert (only.frames, only.made, only.closing) == (33, 33, True)
    assert only.times_frames == 34
    (single,) = rounds(1, False, "within", "appended", 102)
    assert (single.frames, single.latents, single.given) == (0, 1, [0])


def test_below_a_chunk_the_first_latent_stands_for_the_first_frame_alone():
    assert [whole_chunk(n) for n in range(1, 20)] == [1, *[5] * 4, *[9] * 4, *[13] * 4, *[17] * 4, 18, 19]
    for frames in range(2, 17):
        (only,) = rounds(frames, True, "after", "appended", 102)
        assert only.made % 4 == 1
        (free,) = rounds(frames, False, "after", "appended", 102)
        assert free.made == frames, "without a first keyframe nothing is crowded"


@pytest.mark.parametrize("anchor", END_ANCHORS)
@pytest.mark.parametrize("closing", ["none", "after", "within"])
@pytest.mark.parametrize("first", [True, False])
def test_every_length_makes_exactly_its_frames(anchor, closing, first):
    for frames in range(1, 260):
        plan = rounds(frames, first, closing, anchor, 102)
        assert sum(part.frames + part.closing for part in plan) == frames
        for index, part in enumerate(plan):
            assert 0 <= part.frames <= part.made
            assert part.context == (17 if index else 0)
            assert part.context + part.frames <= 102
            assert part.given == sorted(set(part.given))
            assert all(0 <= latent < part.latents for latent in part.given)
            assert part.anchor is None or (index == len(plan) - 1 and closing != "none")
            assert part.first == (first and index == 0 and part.made > 0)
            assert part.blended == (part.first and part.anchor in ("last_latent", "static_tail") and part.made == 5)
            if index < len(plan) - 1:
                assert part.made == part.frames >= 17


def test_one_latent_is_not_given_twice():
    (only,) = rounds(1, True, "within", "last_latent", 102)
    assert (only.anchor, only.given, only.latents) == (None, [0], 1)


def test_long_segments_are_split_evenly():
    assert split(102, 102) == [102]
    assert split(103, 102) == [60, 43]
    assert split(240, 102) == [92, 74, 74]
    for frames in range(35, 400):
        parts = split(frames, 34)
        assert sum(parts) == frames
        assert parts[0] <= 34
        assert all(0 < part <= 17 for part in parts[1:])


def test_a_whole_segment_is_one_shot():
    (shot,) = shots(conditions())
    assert (shot.frames, shot.first, shot.last, shot.closing) == (20, FIRST, LAST, "after")
    (ending,) = shots(conditions(last_index=29))
    assert ending.closing == "within"
    (lost,) = shots(conditions(last=None))
    assert (lost.last, lost.closing) == (None, "none")


def test_nothing_crosses_a_hard_cut():
    before, after = shots(conditions(cut=17))
    assert (before.frames, before.first, before.last, before.closing) == (7, FIRST, None, "none")
    assert (after.frames, after.first, after.last, after.closing) == (13, None, LAST, "after")
    (only,) = shots(conditions(cut=30))  # the cut is at the next keyframe
    assert (only.frames, only.first, only.last) == (20, FIRST, None)
    assert len(shots(conditions(cut=10))) == 1

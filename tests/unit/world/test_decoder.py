"""Every row of the failure table, lengths, provenance and hostile segments, with a world model that takes notes."""

from __future__ import annotations

import random
from itertools import pairwise

import numpy as np
import pytest
from world_pieces import FPS, Notebook, joined, picture, runs, segment

from lgvsc.core.message import Motion, Segment
from lgvsc.core.video import VideoFormat
from lgvsc.errors import ConfigError, ShapeError
from lgvsc.world.decoder import DecoderConfig, SemanticDecoder


def decode(segments, world=None, seed=0, **config):
    world = world or Notebook()
    return joined(list(SemanticDecoder(world, DecoderConfig(**config), seed=seed).videos(segments)))


def whole_video():
    """Three segments, 0..20..40..60, with a closing keyframe of level 59."""
    return [
        segment(0, 20),
        segment(20, 40),
        segment(40, 60, last=True, closing_keyframe=picture(59), motion=Motion(score=3.0)),
    ]


def test_all_received():
    world = Notebook()
    frames, provenance = decode(whole_video(), world)
    received = [0, 20, 40, 59]
    assert len(frames) == 60
    assert [i for i, origin in enumerate(provenance) if origin == "received"] == received
    assert set(provenance) == {"received", "generated"}
    assert [int(frames[i, 0, 0, 0]) for i in received] == received
    assert int(frames[1, 0, 0, 0]) == 200
    asked = [(c.start, c.stop, c.last_index, c.caption, c.latent_frames) for c in world.asked]
    assert asked == [(0, 20, 20, "from 0", 5), (20, 40, 40, "from 20", 5), (40, 60, 59, "from 40", 5)]
    assert [(int(c.first[0, 0, 0]), int(c.last[0, 0, 0])) for c in world.asked] == [(0, 20), (20, 40), (40, 59)]
    assert world.asked[2].motion == Motion(score=3.0)


def test_the_models_own_image_of_a_keyframe_counts_as_generated():
    frames, provenance = decode(whole_video(), show_keyframes=False)
    assert runs(provenance) == [("generated", 60)]
    assert set(frames.ravel().tolist()) == {200}


def test_segment_leaves_as_soon_as_the_next_one_arrives():
    arrived = []

    def arriving():
        for item in whole_video():
            arrived.append(item.start)
            yield item

    pieces = SemanticDecoder(Notebook()).videos(arriving())
    assert next(pieces).video.start == 0
    assert arrived == [0, 20]


def test_pieces_are_bounded():
    pieces = list(SemanticDecoder(Notebook(), DecoderConfig(chunk_frames=7)).videos(whole_video()))
    assert [len(p.video) for p in pieces] == [7, 7, 6] * 3
    assert pieces[1].video.start == 7
    assert max(len(p.video) for p in SemanticDecoder(Notebook()).videos([segment(0, 100, frames=100)])) == 32


@pytest.mark.parametrize("frames", [1, 2])
def test_shortest_videos(frames):
    closing = picture(90) if frames == 2 else None
    only = segment(0, frames, frames=frames, last=True, closing_keyframe=closing)
    made, provenance = decode([only])
    assert provenance == ["received"] * frames
    assert made[:, 0, 0, 0].tolist() == [0, 90][:frames]


@pytest.mark.parametrize("length", range(1, 121))
def test_exact_length(length):
    segments = [segment(0, length, frames=None), segment(length, 2 * length, frames=None, last=True)]
    assert len(decode(segments)[0]) == 2 * length


# --- the failure table ---


def test_caption_lost():
    world = Notebook()
    segments = whole_video()
    segments[1] = segments[1].changed(caption=None)
    _, provenance = decode(segments, world)
    assert world.asked[1].caption is None
    assert world.asked[1].first is not None
    assert provenance[21] == "generated"


def test_one_keyframe_lost():
    world = Notebook()
    segments = whole_video()
    segments[1] = segments[1].changed(keyframe=None)
    _, provenance = decode(segments, world)
    before, it, _ = world.asked
    assert before.last is None
    assert int(before.first[0, 0, 0]) == 0
    assert it.first is None
    assert int(it.last[0, 0, 0]) == 40
    assert it.caption == "from 20"
    assert provenance[20] == "generated"


def test_both_keyframes_lost_leaves_the_words():
    world = Notebook()
    segments = [s.changed(keyframe=None) for s in whole_video()]
    _, provenance = decode(segments, world)
    assert world.asked[1].first is world.asked[1].last is None
    assert world.asked[1].caption == "from 20"
    assert runs(provenance) == [("generated", 59), ("received", 1)]


def test_control_of_a_burst_lost():
    world = Notebook()
    segments = whole_video()
    segments[0] = segments[0].changed(motion=Motion(score=2.0, camera="pan left", pan=0.1))
    frames, provenance = decode([segments[0], segments[2]], world)
    assert len(frames) == 60
    joint = world.asked[0]
    assert (joint.start, joint.stop, joint.last_index, joint.latent_frames) == (0, 40, 40, 10)
    assert (int(joint.first[0, 0, 0]), int(joint.last[0, 0, 0])) == (0, 40)
    assert joint.motion == Motion(score=2.0, camera="pan left", pan=0.2)  # twice as long at the same speed
    expected = [("received", 1), ("generated", 19), ("concealed", 20), ("received", 1), ("generated", 18)]
    assert runs(provenance) == [*expected, ("received", 1)]


def test_everything_but_control_lost():
    segments = whole_video()
    segments[0] = segments[0].changed(keyframe=np.stack([picture(0)[0], *[picture(100)[0]] * 5]))
    segments[1] = segments[1].changed(keyframe=None, caption=None)
    world = Mirror()
    frames, provenance = decode(segments, world)
    assert runs(provenance)[2] == ("missing", 20)
    contrast = [float(frame.std()) for frame in frames[19:40]]
    assert all(later <= earlier for earlier, later in pairwise(contrast))
    assert contrast[-1] < 0.8 * contrast[0]
    assert abs(float(frames[39].mean()) - float(frames[0].mean())) < 1.0
    assert frames[20].std() > 0.9 * frames[0].std()  # it fades, it does not jump


def test_a_fade_goes_on_through_several_segments():
    segments = whole_video()
    segments[0] = segments[0].changed(keyframe=np.stack([picture(0)[0], *[picture(100)[0]] * 5]))
    segments[1:] = [s.changed(keyframe=None, caption=None, motion=None, closing_keyframe=None) for s in segments[1:]]
    frames, provenance = decode(segments, Mirror())
    assert runs(provenance)[-1] == ("missing", 40)
    contrast = [float(frame.std()) for frame in frames[19:]]
    assert all(later <= earlier + 0.3 for earlier, later in pairwise(contrast))  # rounding to whole levels


def test_everything_but_control_lost_beside_a_gap():
    segments = [segment(0, 20), segment(20, 30, keyframe=None, caption=None), segment(40, 60, last=True)]
    _, provenance = decode(segments)
    assert provenance[20:30] == ["missing"] * 10
    assert provenance[30:40] == ["concealed"] * 10


def test_missing_from_the_beginning_holds_the_first_picture_to_come():
    segments = whole_video()
    segments[0] = segments[0].changed(keyframe=None, caption=None)
    segments[1] = segments[1].changed(keyframe=picture(77))
    frames, provenance = decode(segments)
    assert runs(provenance)[0] == ("missing", 20)
    assert set(frames[:20].ravel().tolist()) == {77}


def test_beginning_lost():
    world = Notebook()
    _, provenance = decode(whole_video()[1:], world)
    assert runs(provenance)[0] == ("concealed", 20)
    assert (world.asked[0].start, world.asked[0].stop, world.asked[0].last_index) == (0, 20, 20)
    assert world.asked[0].first is None
    assert int(world.asked[0].last[0, 0, 0]) == 20


def test_end_lost_is_made_up_to_the_announced_length():
    frames, provenance = decode(whole_video()[:2])
    assert len(frames) == 60
    assert runs(provenance)[-1] == ("concealed", 20)
    unknown = [s.changed(video=VideoFormat(6, 8, FPS, None)) for s in whole_video()[:2]]
    assert len(decode(unknown)[0]) == 40


def test_the_final_segment_knows_the_end_better_than_the_announcement():
    for announced in (57, 60, 63):
        segments = [segment(0, 30, frames=announced), segment(30, 60, frames=announced, last=True)]
        assert len(decode(segments)[0]) == 60


def test_closing_keyframe_lost():
    world = Notebook()
    segments = whole_video()
    segments[2] = segments[2].changed(closing_keyframe=None)
    _, provenance = decode(segments, world)
    assert world.asked[2].last is None
    assert provenance[59] == "generated"


def test_nothing_received_makes_nothing():
    assert list(SemanticDecoder(Notebook()).videos([])) == []


def test_nothing_but_control_of_the_whole_video():
    segments = [s.changed(keyframe=None, caption=None, motion=None, closing_keyframe=None) for s in whole_video()]
    frames, provenance = decode(segments)
    assert provenance == ["missing"] * 60
    assert set(frames.ravel().tolist()) == {128}


# --- hostile segments ---


def test_overlapping_segments_are_cut_to_follow_each_other():
    world = Notebook()
    frames, provenance = decode([segment(0, 30), segment(20, 60, last=True)], world)
    assert [(c.start, c.stop) for c in world.asked] == [(0, 20), (20, 60)]
    assert len(frames) == 60
    assert provenance[20] == "received"


def test_repeated_and_backward_segments_are_dropped():
    segments = [segment(0, 20), segment(0, 20), segment(20, 40), segment(10, 30), segment(40, 60, last=True)]
    world = Notebook()
    assert len(decode(segments, world)[0]) == 60
    assert [c.start for c in world.asked] == [0, 20, 40]


@pytest.mark.parametrize(
    "wrong",
    [
        segment(45, 55),  # plausible in itself, contradicted by what follows
        segment(5000, 5400),  # beyond the announced length
        segment(20, 20),
        segment(30, 25),
        segment(-5, 3),
        Segment(video=VideoFormat(600, 800, FPS, 60), start=20, stop=40, keyframe=picture(1, 600, 800)),
    ],
)
def test_a_wrong_control_block_changes_nothing(wrong):
    first, second, third = whole_video()
    frames, provenance = decode([first, wrong, second, third])
    expected, expected_provenance = decode(whole_video())
    assert np.array_equal(frames, expected)
    assert provenance == expected_provenance


def test_a_picture_of_another_size_counts_as_lost():
    world = Notebook()
    decode([segment(0, 60, keyframe=picture(1, 9, 9), last=True)], world)
    assert world.asked[0].first is None


def test_any_mess_comes_out_in_order():
    """Random segments: no crash, and frames that follow each other (checked in ``joined``)."""
    made = 0
    for trial in range(200):
        rng = random.Random(trial)
        segments = []
        for _ in range(rng.randrange(1, 9)):
            start = rng.randrange(-3, 70)
            given = {"frames": rng.choice([None, 50, 60]), "cut": rng.choice([None, rng.randrange(80)])}
            given |= {"last": rng.random() < 0.2, "closing_keyframe": rng.choice([None, picture(3)])}
            given |= {name: None for name in ("caption", "keyframe") if rng.random() < 0.4}
            segments.append(segment(start, start + rng.randrange(-2, 40), **given))
        pieces = list(SemanticDecoder(Notebook()).videos(segments))
        if pieces:
            frames, provenance = joined(pieces)
            assert len(frames) == len(provenance) > 0
            made += 1
    assert made > 100, "most of the messes are some video"


# --- what a segment's generator and the adapter see ---


def test_each_range_has_its_own_seed():
    world, other = Notebook(), Notebook()
    decode(whole_video(), world)
    decode(whole_video(), other, seed=1)
    assert len({c.seed for c in world.asked + other.asked}) == 6
    again = Notebook()
    decode(whole_video(), again)
    assert [c.seed for c in again.asked] == [c.seed for c in world.asked]


def test_sfa_refuses_unequal_segments_but_not_lost_ones():
    unequal = [segment(0, 20), segment(20, 35), segment(35, 60, last=True)]
    with pytest.raises(ConfigError, match="segments of 20 frames, but this one has 15"):
        decode(unequal, adapter="sfa")
    segments = whole_video()
    assert len(decode([segments[0], segments[2]], adapter="sfa")[0]) == 60
    shorter = [segment(0, 25), segment(25, 50), segment(50, 60, last=True)]
    assert len(decode(shorter, adapter="sfa")[0]) == 60


def test_cuts_outside_the_segment_are_ignored():
    world = Notebook()
    decode([segment(0, 20, cut=20), segment(20, 40, cut=20), segment(40, 60, cut=99, last=True)], world)
    assert [c.cut for c in world.asked] == [20, None, None]


def test_a_world_model_that_miscounts_is_named():
    class Short(Notebook):
        def generate(self, conditions):
            yield picture(1)

    with pytest.raises(ShapeError, match="notebook"):
        decode([segment(0, 20, last=True)], Short())


@pytest.mark.parametrize("bad", [{"adapter": "fixed"}, {"chunk_frames": 0}, {"fade_s": 0.0}])
def test_settings_are_checked(bad):
    with pytest.raises(ConfigError):
        DecoderConfig(**bad)


class Mirror(Notebook):
    """Shows the first picture all the time."""

    def generate(self, conditions):
        for _ in range(conditions.start, conditions.stop):
            yield conditions.first if conditions.first is not None else conditions.last


def test_large_frames_leave_in_smaller_pieces(monkeypatch):
    monkeypatch.setattr("lgvsc.core.frames.MAX_PIECE_BYTES", 5 * picture(0).nbytes)
    pieces = list(SemanticDecoder(Notebook(), DecoderConfig(chunk_frames=8)).videos(whole_video()))
    assert max(len(piece.video) for piece in pieces) == 5
    assert len(joined(pieces)[0]) == 60
    monkeypatch.setattr("lgvsc.core.frames.MAX_PIECE_BYTES", 1)
    assert {len(piece.video) for piece in SemanticDecoder(Notebook()).videos(whole_video())} == {1}


def test_a_held_picture_sinks_towards_its_mean_colour_in_the_time_that_was_set():
    shown = np.random.default_rng(0).integers(0, 256, picture(0).shape, dtype=np.uint8)
    frames, provenance = decode(
        [segment(0, 1, keyframe=shown), segment(1, 40, caption=None, keyframe=None, last=True)], fade_s=0.5
    )
    assert provenance[1:] == ["missing"] * 39
    mean = shown.mean(axis=(0, 1))
    for index in (1, 2, 39):
        expected = mean + (frames[0] - mean) * np.exp(-index / float(FPS) / 0.5)
        assert np.abs(frames[index] - expected).max() <= 0.51


class Draughtsman(Notebook):
    """A world model that takes sketches."""

    takes_sketches = True


def drawn(*indices, size=(6, 8)):
    return tuple((index, np.full(size, index, np.uint8)) for index in indices)


def test_sketches_reach_a_world_model_that_takes_them_and_no_other():
    segments = [segment(0, 20, keyframe=None, sketches=drawn(0, 10)), segment(20, 60, last=True)]
    for world, expected in ((Draughtsman(), [[0, 10], []]), (Notebook(), [[], []])):
        decode(segments, world)
        assert [[index for index, _ in asked.sketches] for asked in world.asked] == expected


def test_a_segment_of_which_only_a_sketch_arrived_is_made_from_it():
    lost = {"caption": None, "keyframe": None}
    world = Draughtsman()
    _, provenance = decode([segment(0, 60, last=True, sketches=drawn(0), **lost)], world)
    assert runs(provenance) == [("generated", 60)] and len(world.asked) == 1
    world = Notebook()  # it cannot use the sketch, so nothing is known
    _, provenance = decode([segment(0, 60, last=True, sketches=drawn(0), **lost)], world)
    assert runs(provenance) == [("missing", 60)] and not world.asked


def test_sketches_of_another_size_or_behind_the_next_segment_are_dropped():
    world = Draughtsman()
    overlapping = segment(0, 30, sketches=(*drawn(0, 10), *drawn(20, 25)))
    decode([overlapping, segment(20, 60, last=True, sketches=drawn(20, size=(6, 7)))], world)
    assert [[index for index, _ in asked.sketches] for asked in world.asked] == [[0, 10], []]

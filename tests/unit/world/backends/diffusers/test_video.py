"""What DiffusersWorld asks of a pipeline, with one that notes it and makes ramps between known pictures."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from lgvsc.core.interfaces import Conditions
from lgvsc.core.message import Motion
from lgvsc.core.video import VideoFormat
from lgvsc.errors import ConfigError, ShapeError
from lgvsc.world.backends.diffusers.clip import prompt_of
from lgvsc.world.backends.diffusers.video import DiffusersConfig, DiffusersWorld

VIDEO = VideoFormat(height=144, width=256, fps=Fraction(24))
FIRST = np.full((144, 256, 3), 40, np.uint8)
LAST = np.full((144, 256, 3), 200, np.uint8)


class Noting:
    """Makes a ramp from the first known picture to the last one."""

    step, overlap, max_frames = 4, 5, 81
    takes_sketches, takes_small_frames, needs_first, multiple = True, True, False, 16

    def __init__(self):
        self.clips = []

    def make(self, clip):
        self.clips.append(clip)
        known = {place: np.asarray(image, np.float32).mean() / 255 for place, image in clip.known.items()} or {0: 0.5}
        levels = np.interp(range(clip.places), sorted(known), [known[place] for place in sorted(known)])
        return [np.full((clip.height, clip.width, 3), level, np.float32) for level in levels]


class FromPicture(Noting):
    step, overlap = 4, 1
    takes_sketches, takes_small_frames, needs_first = False, False, True


def world(kind=Noting, **settings):
    maker = kind()
    return DiffusersWorld("noting", kind, lambda: maker, DiffusersConfig(resolution="144p", **settings)), maker


def made(made_by, frames, **changes):
    given = {
        "video": VIDEO, "start": 7, "stop": 7 + frames, "first": FIRST, "last": LAST, "last_index": 7 + frames,
        "caption": "a red car", "motion": None, "cut": None, "latent_frames": made_by.latent_frames(frames), "seed": 3,
    }  # fmt: skip
    return [int(picture[0, 0, 0]) for picture in made_by.generate(Conditions(**(given | changes)))]


@pytest.mark.parametrize("kind", [Noting, FromPicture])
@pytest.mark.parametrize("missing", [(), ("first",), ("last",), ("first", "last")])
@pytest.mark.parametrize("closing", [0, 1])
def test_every_length_comes_out_exactly(kind, missing, closing):
    for frames in [*range(1, 11), 80, 81, 170]:
        ours, maker = world(kind)
        frames_made = made(ours, frames, last_index=7 + frames - closing, **dict.fromkeys(missing))
        assert len(frames_made) == frames
        for clip in maker.clips:
            assert clip.made % 4 == 1 and clip.places <= clip.made and max(clip.known, default=0) < clip.places


def test_a_segment_runs_from_its_keyframe_towards_the_next():
    ours, maker = world()
    assert made(ours, 4) == [40, 80, 120, 160]  # the next keyframe itself is the next segment's
    assert made(ours, 5, last_index=11) == [40, 80, 120, 160, 200]
    assert [sorted(clip.known) for clip in maker.clips] == [[0, 4], [0, 4]]
    assert [clip.made for clip in maker.clips] == [5, 9]


def test_a_model_that_needs_a_first_picture_makes_the_way_to_the_last_one_backwards():
    ours, maker = world(FromPicture)
    assert made(ours, 4, first=None) == [200] * 4
    assert list(maker.clips[0].known) == [0] and maker.clips[0].places == 5
    assert made(ours, 4, first=None, last_index=10)[-1] == 200
    assert made(ours, 3, first=None, last=None) == [128] * 3


def test_a_long_segment_is_made_round_by_round_each_beginning_with_the_end_of_the_one_before():
    ours, maker = world(max_frames=17)
    levels = made(ours, 40)
    assert len(maker.clips) == 3 and all(len(clip.known) == 5 for clip in maker.clips[1:2])
    assert sorted(maker.clips[1].known) == [0, 1, 2, 3, 4] and levels[0] == 40
    last = maker.clips[-1]
    assert max(last.known) == last.places - 1 and np.asarray(last.known[last.places - 1])[0, 0, 0] == 200


def test_sketches_stand_at_their_own_frames():
    sketch = np.zeros((144, 256), np.uint8)
    sketch[10] = 255
    ours, maker = world()
    made(ours, 6, sketches=((7, sketch), (9, sketch), (13, sketch), (3, sketch)))
    assert sorted(maker.clips[0].sketches) == [0, 2]
    made(ours, 40, sketches=((7 + 39, sketch),))
    with pytest.raises(ConfigError, match="takes no sketches"):
        made(world(FromPicture)[0], 6, sketches=((7, sketch),))


def test_small_frames_stand_at_their_own_frames_of_every_round_and_shot():
    small = [(at, np.full((144, 256, 3), at, np.uint8)) for at in (3, 9, 30, 50)]
    ours, maker = world(max_frames=17)
    made(ours, 40, small_frames=tuple(small), cut=27)
    found = {(round_, place): int(np.asarray(image)[0, 0, 0]) for round_, clip in enumerate(maker.clips)
             for place, image in clip.small_frames.items()}  # fmt: skip
    assert found[0, 2] == 9 and set(found.values()) == {9, 30}
    with pytest.raises(ConfigError, match="small_frame_strength"):
        DiffusersConfig(small_frame_strength=0)


def test_nothing_is_carried_across_a_hard_cut():
    ours, maker = world()
    assert made(ours, 10, cut=12) == [40] * 5 + [200] * 5
    assert [sorted(clip.known) for clip in maker.clips] == [[0], [5]]


def test_a_frame_that_arrived_needs_no_pipeline():
    ours, maker = world()
    assert made(ours, 1) == [40] and not maker.clips


def test_a_latent_of_another_length_is_refused():
    ours, _ = world()
    assert [ours.latent_frames(n) for n in (1, 4, 5, 8, 80)] == [2, 2, 3, 3, 21]
    with pytest.raises(ShapeError, match="21 latents"):
        made(ours, 80, latent_frames=20)


def test_frames_come_back_in_the_videos_own_size():
    odd = replace(VIDEO, height=99, width=131)
    ours, maker = world()
    picture = np.zeros((99, 131, 3), np.uint8)
    given = {"video": odd, "first": picture, "last": picture}
    assert len(made(ours, 3, **given)) == 3
    assert (maker.clips[0].height % 16, maker.clips[0].width % 16) == (0, 0)


def test_the_prompt_is_the_caption_and_what_the_camera_does():
    assert prompt_of("A car.", None) == "A car." and prompt_of(None, None) == ""
    assert prompt_of("A car.", Motion(camera="pan left")) == "A car. The camera does a pan left."
    assert prompt_of(None, Motion(camera="zoom in")) == "The camera does a zoom in."
    assert prompt_of("A slow zoom in.", Motion(camera="zoom in")) == "A slow zoom in."
    assert prompt_of("A car.", Motion(score=9.0)) == "A car."


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("resolution", "8k"), ("precision", "int3"), ("offload", "disk"), ("contours", "red"), ("steps", 0),
        ("guidance_scale", 0.5), ("guidance_scale", float("nan")), ("max_frames", 9),
    ],
)  # fmt: skip
def test_settings_out_of_range_are_refused(name, value):
    with pytest.raises(ConfigError, match=f"diffusers.{name}"):
        DiffusersConfig(**{name: value})

"""Motion-compensated interpolation on scenes whose frames between are known."""

from __future__ import annotations

from fractions import Fraction

import cv2
import numpy as np
import pytest

from lgvsc.core.interfaces import Conditions
from lgvsc.core.message import Motion
from lgvsc.core.video import VideoFormat
from lgvsc.world.backends.compact.between import Between
from lgvsc.world.backends.compact.interpolation import MotionInterpolation


def texture(height, width, seed=0):
    """Smooth random colours with detail at several sizes."""
    rng = np.random.default_rng(seed)
    picture = np.zeros((height, width, 3), np.float32)
    for size in (2, 5, 14):
        noise = cv2.GaussianBlur(rng.standard_normal((height, width, 3), np.float32), (0, 0), size)
        picture += noise / noise.std()
    return np.clip(128 + 35 * picture, 0, 255).astype(np.uint8)


def moving_view(height, width, frames, speed, seed=0):
    """A window that slides over a texture by ``speed`` whole pixels (x, y) per frame."""
    margin = max(abs(s) for s in speed) * frames
    scene = texture(height + 2 * margin, width + 2 * margin, seed)
    views = []
    for t in range(frames):
        x, y = margin - t * speed[0], margin - t * speed[1]  # the scene moves by +speed
        views.append(scene[y : y + height, x : x + width])
    return np.stack(views)


def conditions(first, last, start=0, stop=8, last_index=None, **more):
    shape = (first if first is not None else last).shape if first is not None or last is not None else (64, 80)
    given = {"caption": None, "motion": None, "cut": None, "latent_frames": stop - start, "seed": 0} | more
    return Conditions(
        video=VideoFormat(shape[0], shape[1], Fraction(25)),
        start=start,
        stop=stop,
        first=first,
        last=last,
        last_index=stop if last_index is None else last_index,
        **given,
    )


def generate(*args, **kwargs):
    return np.stack(list(MotionInterpolation().generate(conditions(*args, **kwargs))))


def error(a, b):
    return float(np.abs(a.astype(float) - b).mean())


@pytest.mark.parametrize("speed", [(2, 0), (0, -1), (3, 1)])
def test_beats_cross_fade_and_hold_on_a_moving_scene(speed):
    truth = moving_view(120, 161, 17, speed)
    made = generate(truth[0], truth[16], 10, 26)
    fade = np.stack([cv2.addWeighted(truth[0], 1 - t / 16, truth[16], t / 16, 0) for t in range(16)])
    hold = np.stack([truth[0]] * 8 + [truth[16]] * 8)
    assert len(made) == 16
    assert error(made, truth[:16]) < 0.4 * min(error(fade, truth[:16]), error(hold, truth[:16]))


def test_follows_an_object_over_a_still_background():
    background, thing = texture(128, 160, 1), texture(40, 40, 2)
    truth = np.stack([background] * 17)
    for t in range(17):
        truth[t, 40:80, 30 + 2 * t : 70 + 2 * t] = thing
    made = generate(truth[0], truth[16], 0, 16)
    fade = cv2.addWeighted(truth[0], 0.5, truth[16], 0.5, 0)
    assert error(made[8], truth[8]) < 0.55 * error(fade, truth[8])  # what is picked errs by all or nothing
    assert error(made[8][:, 130:], background[:, 130:]) < 1.0  # what stands still stays


def disc(x, y, radius=20, seed=1):
    """A bright disc in front of a dark texture."""
    picture = texture(128, 192, seed) // 4
    cv2.circle(picture, (x, y), radius, (250, 240, 60), -1)
    return picture


@pytest.mark.parametrize("at", [(60, 60), (92, 66), (112, 66)], ids=["overlapping", "beside", "apart"])
def test_a_disc_that_jumps_is_never_half_transparent(at):
    """Farther than flow can follow: it is here or there, never both, and never a veil."""
    area = np.pi * 20**2
    for t, made in enumerate(generate(disc(44, 64), disc(*at), 0, 16)):
        red = made[..., 0]  # of the disc 250, before a background of 64 at most
        assert ((red > 90) & (red < 200)).sum() < 0.15 * area, t  # its edge at most
        assert 0.7 * area < (red > 150).sum() < 1.1 * area, t


def test_what_has_changed_hands_stays_changed():
    made = generate(disc(44, 64), disc(112, 66), 0, 16)
    changes = np.abs(np.diff((made[..., 0] > 150).astype(int), axis=0)).sum(0)
    assert (changes > 0).sum() > 2000
    assert (changes > 1).sum() < 50


def test_what_shines_through_is_faint_and_what_nearly_agrees_is_averaged():
    first = np.full((96, 128, 3), 60, np.uint8)
    last = first + 4
    last[:, 80:] = 220
    made = Between(first, last).at(0.25)
    assert np.abs(made[:, :70].astype(int) - 61).max() <= 1
    assert 0 < np.abs(made[:, 90:].astype(int) - 60).max() <= 8


def test_not_everything_jumps_at_once():
    """Things far from each other change hands at different times."""
    first, last = (np.hstack([texture(128, 192) // 4] * 2) for _ in range(2))
    cv2.circle(first, (50, 64), 20, (250, 240, 60), -1)
    cv2.circle(last, (330, 64), 16, (250, 240, 60), -1)
    made = generate(first, last, 0, 32)
    here, there = (made[:, 64, x, 0] > 150 for x in (50, 330))
    assert here[0] and not here[31]
    assert not there[0] and there[31]
    assert np.argmin(here) != np.argmax(there)


def test_where_one_picture_has_not_seen_the_other_one_is_shown():
    """A pan uncovers the scene at one edge: nothing is smeared over it."""
    truth = moving_view(128, 192, 17, (3, 0))
    made = generate(truth[0], truth[16], 0, 16)
    assert error(made[5][:, :14], truth[5][:, :14]) < 8


def test_moving_by_parts_of_a_pixel_keeps_the_detail():
    noise = np.random.default_rng(0).integers(0, 256, (120, 200, 3)).astype(np.float32)
    scene = np.clip(128 + 3 * (cv2.GaussianBlur(noise, (0, 0), 1.0) - 128), 0, 255).astype(np.uint8)
    first, last = scene[:, 20:180], scene[:, 15:175]
    made = Between(first, last).at(0.5)
    detail, source_detail = (np.square(np.diff(picture.astype(float), axis=1)).mean() for picture in (made, first))
    assert detail > 0.9 * source_detail


def test_a_still_scene_stays_the_keyframe():
    still = texture(100, 141)
    made = generate(still, still.copy(), 0, 30)
    assert np.abs(made.astype(int) - still).max() <= 1


def test_noise_on_a_still_scene_is_not_taken_for_motion():
    still = texture(100, 140).astype(float)
    rng = np.random.default_rng(5)
    first, last = (np.clip(still + rng.normal(0, 6, still.shape), 0, 255).astype(np.uint8) for _ in range(2))
    made = generate(first, last, 0, 16)
    assert error(made[8], still) <= error(first, still)


def test_side_information_finds_a_pan_that_features_cannot():
    """Few corners, a large shift: only the camera motion of the message says where things went."""
    truth = moving_view(96, 128, 13, (4, 0), seed=3)
    truth = np.stack([cv2.GaussianBlur(f, (0, 0), 4) for f in truth])
    blind, told = (Between(truth[0], truth[12], motion).at(0.5) for motion in (None, Motion(score=36.0, pan=48 / 128)))
    assert error(told, truth[6]) <= error(blind, truth[6]) + 0.2
    assert error(told, truth[6]) < 0.5 * error(cv2.addWeighted(truth[0], 0.5, truth[12], 0.5, 0), truth[6])


def test_flow_longer_than_the_measured_path_is_not_believed():
    """Light moves over a still scene: the message says that nothing moved, so nothing is moved."""
    truth = moving_view(96, 128, 9, (2, 0))
    still, moving = (Between(truth[0], truth[8], Motion(score=score), duration_s=1.0).at(0.5) for score in (0.0, 25.0))
    neither = [error(made, np.clip(made, truth[[0, 8]].min(0), truth[[0, 8]].max(0))) for made in (still, moving)]
    assert neither[0] < 0.1 < 0.1 * neither[1]  # each place is as in one of the two pictures, or between them
    assert error(moving, truth[4]) < 0.3 * error(still, truth[4])


@pytest.mark.parametrize("cut", [3, 8])
def test_nothing_crosses_a_cut(cut):
    first, last = texture(64, 80, 1), texture(64, 80, 2)
    made = generate(first, last, 0, 8, cut=cut)
    assert all(np.array_equal(frame, first) for frame in made[:cut])
    assert all(np.array_equal(frame, last) for frame in made[cut:])
    assert len(made) == 8


def test_a_side_of_a_cut_without_a_picture_is_painted():
    last = texture(64, 80, 2)
    made = generate(None, last, 0, 8, cut=4, caption="huge smooth red area at centre")
    assert made[0, ..., 0].mean() > made[0, ..., 2].mean() + 80
    assert np.array_equal(made[4], last)


@pytest.mark.parametrize("level", [0, 128, 255])
def test_a_scene_fades_to_and_from_a_bare_picture_evenly(level):
    scene, bare = texture(64, 80), np.full((64, 80, 3), level, np.uint8)
    motion = Motion(score=4.0, pan=0.3)
    for first, last in ((bare, scene), (scene, bare)):
        made = generate(first, last, motion=motion)
        for index, frame in enumerate(made):
            assert error(frame, first + (last.astype(float) - first) * index / 8) < 1


def test_where_nothing_moved_one_scene_dissolves_into_the_other():
    first, last = texture(64, 80, 1), texture(64, 80, 2)
    made = generate(first, last, motion=Motion())
    assert error(made[4], (first.astype(float) + last) / 2) < 1


def test_with_one_picture_it_is_held():
    only = texture(64, 80)
    for made in (generate(only, None), generate(None, only)):
        assert all(np.array_equal(frame, only) for frame in made)


def test_one_picture_moves_on_as_the_camera_did():
    truth = moving_view(96, 128, 9, (2, 1))
    motion = Motion(score=12.0, camera="pan left", pan=16 / 128, tilt=8 / 96)
    for made, kept in (
        (generate(truth[0], None, 0, 8, motion=motion), truth[0]),
        (generate(None, truth[8], 0, 8, motion=motion), truth[8]),
    ):
        hold = np.stack([kept] * 8)
        assert error(made[:, 16:80, 24:104], truth[:8, 16:80, 24:104]) < 0.3 * error(hold, truth[:8])


def test_one_picture_never_leaves_the_frame():
    """However long the loss, what is shown is still the scene."""
    truth = moving_view(64, 80, 2, (1, 0))
    made = generate(truth[0], None, 0, 8, motion=Motion(score=90.0, pan=40.0, tilt=-30.0, zoom=9.0))
    assert made[-1].std() > 0.5 * truth[0].std()


def test_with_words_alone_it_paints():
    made = generate(None, None, 0, 5, caption="huge smooth blue area at centre")
    assert made.shape == (5, 64, 80, 3)
    assert made[2, ..., 2].mean() > made[2, ..., 0].mean() + 60


def test_the_videos_own_last_frame_is_the_closing_keyframe():
    truth = moving_view(64, 80, 9, (1, 0))
    made = generate(truth[0], truth[8], 20, 29, last_index=28)
    assert len(made) == 9
    assert np.array_equal(made[0], truth[0])
    assert np.array_equal(made[8], truth[8])


@pytest.mark.parametrize("length", [1, 2, 3, 17, 120])
def test_exact_length(length):
    truth = moving_view(32, 40, 2, (1, 0))
    assert len(generate(truth[0], truth[1], 5, 5 + length)) == length


@pytest.mark.parametrize("size", [(1, 1), (2, 2), (3, 64), (7, 5), (15, 16), (64, 3), (91, 33), (255, 77), (720, 405)])
def test_any_size(size):
    truth = moving_view(*size, 2, (2, 1))
    made = generate(truth[0], truth[1], 0, 3)
    assert made.shape == (3, *size, 3)
    assert made.dtype == np.uint8


def test_the_same_every_time():
    truth = moving_view(120, 160, 9, (3, 1))
    assert np.array_equal(generate(truth[0], truth[8]), generate(truth[0], truth[8]))

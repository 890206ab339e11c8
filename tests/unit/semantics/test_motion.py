"""Motion: signs and sizes on a photograph moved by known amounts."""

import math
from fractions import Fraction

import cv2
import numpy as np
import pytest
from skimage import data

from lgvsc.core.message import Motion
from lgvsc.core.video import Frame
from lgvsc.errors import ConfigError
from lgvsc.semantics.motion import MotionConfig, MotionMeter, camera_word, flow_score

SIZE = 192  # pixels of the made frames, square
FPS = Fraction(24)
PHOTO = cv2.resize(data.astronaut(), (1024, 1024), interpolation=cv2.INTER_AREA)


def camera(frames, *, right=0.0, down=0.0, grow=0.0, size=(SIZE, SIZE)):
    """A photograph that moves by so many pixels, and grows by so much in logarithm, in each frame."""
    height, width = size
    for index in range(frames):
        scale = math.exp(grow * index)
        x, y = width / 2 - scale * 512 + right * index, height / 2 - scale * 512 + down * index
        warp = np.array([[scale, 0, x], [0, scale, y]], dtype=np.float32)
        yield Frame(index, cv2.warpAffine(PHOTO, warp, (width, height), flags=cv2.INTER_LINEAR))


def measured(frames, fps=FPS):
    meter = MotionMeter(fps)
    for frame in frames:
        meter.add(frame)
    return meter.measure()


@pytest.mark.parametrize(
    ("move", "word"),
    [
        ({"right": 2.0}, "pan left"),  # the scene goes right when the camera turns left
        ({"right": -2.0}, "pan right"),
        ({"down": 1.5}, "tilt up"),
        ({"down": -1.5}, "tilt down"),
        ({"grow": 0.01}, "zoom in"),
        ({"grow": -0.01}, "zoom out"),
        ({}, "static"),
    ],
)
def test_known_camera_motion_is_measured_with_its_sign(move, word):
    steps = 24
    motion = measured(camera(steps + 1, **move))
    assert motion.camera == word
    assert motion.pan == pytest.approx(steps * move.get("right", 0.0) / SIZE, abs=0.01)
    assert motion.tilt == pytest.approx(steps * move.get("down", 0.0) / SIZE, abs=0.01)
    # DIS smooths the edges of a field that grows outwards; a twentieth is lost.
    assert motion.zoom == pytest.approx(steps * move.get("grow", 0.0), rel=0.08, abs=0.005)


def test_a_pan_faster_than_flow_can_follow_over_a_third_of_a_second_is_followed():
    """Eight pixels a frame are a third of the picture in a third of a second."""
    assert measured(camera(25, right=8.0)).pan == pytest.approx(24 * 8 / SIZE, rel=0.03)


def test_pan_and_zoom_together_are_the_place_where_the_centre_went():
    """Composed, not summed: the picture's centre ends where the last frame shows it."""
    frames = list(camera(25, right=1.0, grow=0.01))
    motion = measured(frames)
    assert motion.pan == pytest.approx(24 / SIZE, abs=0.012)
    assert motion.zoom == pytest.approx(0.24, rel=0.08)


def test_something_that_moves_before_a_still_background_is_not_the_camera():
    still = next(camera(1)).pixels
    patch = PHOTO[300:380, 300:380]
    frames = []
    for index in range(20):
        pixels = still.copy()
        pixels[60:140, 10 + 4 * index : 90 + 4 * index] = patch
        frames.append(Frame(index, pixels))
    motion = measured(frames)
    assert motion.camera == "static"
    assert abs(motion.pan) < 0.01
    assert motion.score > 1  # it moves all the same


def test_the_score_is_in_pixels_of_a_320x576_picture_over_a_third_of_a_second():
    """A pan of 2 px per frame at 24 fps is 16 px in a third of a second: 16/192 x 576 across, 0 down, mean of both."""
    assert measured(camera(25, right=2.0)).score == pytest.approx(16 / SIZE * 576 / 2, rel=0.05)
    flow = np.zeros((90, 160, 2), dtype=np.float32)
    flow[..., 0], flow[..., 1] = -1.6, 0.9
    assert flow_score(flow) == pytest.approx((5.76 + 3.2) / 2)
    assert flow_score(np.transpose(flow, (1, 0, 2))[..., ::-1].copy()) == pytest.approx((5.76 + 3.2) / 2)  # portrait


def test_the_score_does_not_depend_on_the_frame_rate_or_the_length():
    fast = list(camera(49, right=1.0))
    at_24 = measured([Frame(i, f.pixels) for i, f in enumerate(fast[::2])], Fraction(12))
    at_48 = measured(fast, Fraction(24))
    assert at_48.score == pytest.approx(at_24.score, rel=0.05)
    assert measured(fast[:14], Fraction(24)).score == pytest.approx(at_48.score, rel=0.08)


def test_nothing_moves_across_a_cut():
    before = list(camera(10))
    after = [Frame(10 + f.index, np.ascontiguousarray(f.pixels[::-1, ::-1])) for f in camera(10)]
    meter = MotionMeter(FPS)
    for frame in before + after:
        meter.add(frame, cut=frame.index == 10)
    assert meter.measure().score < 0.05
    assert measured(before + after).score > 1  # what it would have been


@pytest.mark.parametrize("level", [0, 128, 255])
def test_a_flat_picture_stands_still(level):
    frames = [Frame(i, np.full((64, 64, 3), level, np.uint8)) for i in range(12)]
    motion = measured(frames)
    assert motion == Motion(score=motion.score) and motion.score < 0.01


def test_one_frame_has_no_motion():
    assert measured(camera(1)) == Motion()


@pytest.mark.parametrize("size", [(2, 2), (17, 301), (301, 17), (480, 853)])
def test_any_size_is_measured(size):
    assert math.isfinite(measured(camera(4, right=1.0, size=size)).score)


@pytest.mark.parametrize(
    ("pan", "tilt", "zoom", "word"),
    [
        (0.02, 0.0, 0.0, "static"),
        (0.03, -0.02, 0.0, "pan left"),
        (0.03, -0.04, 0.0, "tilt down"),
        (0.03, 0.0, 0.05, "pan left"),  # a zoom moves the edges by half of its logarithm
        (0.03, 0.0, -0.07, "zoom out"),
    ],
)
def test_the_strongest_motion_names_the_camera(pan, tilt, zoom, word):
    assert camera_word(pan, tilt, zoom, 0.025) == word


def test_impossible_settings_are_refused():
    with pytest.raises(ConfigError, match="gap_s"):
        MotionConfig(gap_s=0)
    with pytest.raises(ConfigError, match="short_side"):
        MotionConfig(short_side=8)

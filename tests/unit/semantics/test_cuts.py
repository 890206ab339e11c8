"""Hard cuts: found when they come, and nothing else taken for one."""

import cv2
import numpy as np
import pytest
from skimage import data

from lgvsc.core.video import Frame
from lgvsc.errors import ConfigError
from lgvsc.semantics.cuts import CutConfig, CutDetector, LatestCut

SHOTS = {
    name: cv2.resize(getattr(data, name)(), (400, 300), interpolation=cv2.INTER_AREA)
    for name in ("astronaut", "coffee", "chelsea", "rocket")
}


def shot(name, frames, step=2):
    """A slow pan over a photograph."""
    return [SHOTS[name][20:276, 10 + step * i : 266 + step * i] for i in range(frames)]


def cuts(pictures, config=None):
    detector = CutDetector(config)
    return [i for i, pixels in enumerate(pictures) if detector(Frame(i, np.ascontiguousarray(pixels)))]


@pytest.mark.parametrize("second", ["coffee", "chelsea", "rocket"])
def test_a_cut_is_found_on_its_very_frame(second):
    assert cuts(shot("astronaut", 12) + shot(second, 12)) == [12]


def test_a_second_cut_soon_after_the_first_is_found_too():
    assert cuts(shot("astronaut", 8) + shot("coffee", 3) + shot("rocket", 8)) == [8, 11]


def test_each_answer_depends_on_nothing_later():
    pictures = shot("astronaut", 6) + shot("coffee", 6) + shot("chelsea", 6)
    whole = cuts(pictures)
    assert whole == [6, 12]
    for length in range(len(pictures)):
        assert cuts(pictures[:length]) == [i for i in whole if i < length]


def test_a_fast_pan_is_no_cut():
    assert cuts(shot("astronaut", 12, step=10)) == []


def test_a_fade_to_black_and_back_is_no_cut():
    fade = np.linspace(1, 0, 16)
    down = [(p * f).astype(np.uint8) for p, f in zip(shot("astronaut", 16), fade, strict=True)]
    same = [(p * f).astype(np.uint8) for p, f in zip(shot("astronaut", 16), fade[::-1], strict=True)]
    assert cuts(down + same) == []


def test_black_between_two_shots_belongs_to_the_first():
    black = [np.zeros_like(shot("coffee", 1)[0])] * 5
    assert cuts(shot("astronaut", 8) + black + shot("coffee", 8)) == [13]


def test_a_dissolve_is_no_cut():
    weights = np.linspace(0, 1, 24)
    pairs = zip(shot("astronaut", 24), shot("coffee", 24), weights, strict=True)
    assert cuts([(a * (1 - w) + b * w).astype(np.uint8) for a, b, w in pairs]) == []


def test_brightness_and_noise_are_no_cut():
    rng = np.random.default_rng(0)
    pictures = shot("chelsea", 12)
    pictures[6:] = [np.clip(p * 0.7 + 20, 0, 255).astype(np.uint8) for p in pictures[6:]]
    noisy = [np.clip(p + rng.normal(0, 10, p.shape), 0, 255).astype(np.uint8) for p in pictures]
    assert cuts(noisy) == []


@pytest.mark.parametrize("level", [0, 255])
def test_a_black_or_white_frame_in_a_shot_is_no_cut_nor_is_the_return(level):
    pictures = shot("astronaut", 12)
    pictures[6] = np.full_like(pictures[6], level)
    assert cuts(pictures) == []


def test_the_return_from_a_single_foreign_frame_is_no_second_cut():
    pictures = shot("astronaut", 12)
    pictures[6] = shot("coffee", 1)[0]
    assert cuts(pictures) == [6]


@pytest.mark.parametrize("name", SHOTS)
def test_a_cut_to_a_nearer_view_of_the_same_scene_is_found(name):
    nearer = [cv2.resize(SHOTS[name][30:195, 60 + 2 * i : 225 + 2 * i], (256, 256)) for i in range(12)]
    assert cuts(shot(name, 12) + nearer) == [12]


@pytest.mark.parametrize("shape", [(2, 2), (9, 700), (1080, 1920)])
def test_any_size_can_be_looked_at(shape):
    rng = np.random.default_rng(0)
    one, two = (cv2.resize(rng.integers(0, 256, (8, 8, 3), dtype=np.uint8), shape[::-1]) for _ in range(2))
    assert set(cuts([one, one, two, two])) <= {2}


def test_impossible_settings_are_refused():
    with pytest.raises(ConfigError, match="threshold"):
        CutConfig(threshold=0)
    with pytest.raises(ConfigError, match="look_back"):
        CutConfig(look_back=0)


def test_a_segment_tells_of_its_latest_cut_but_not_of_a_bare_stretch_that_came_and_went():
    latest = LatestCut()
    latest.reach(3, is_cut=False, breaks=False, bare=False)
    assert latest.index is None
    latest.reach(5, is_cut=True, breaks=True, bare=False)
    assert latest.index == 5
    latest.reach(9, is_cut=False, breaks=True, bare=True)
    assert latest.index == 9
    latest.reach(12, is_cut=False, breaks=True, bare=False)
    assert latest.index is None
    latest.reach(20, is_cut=False, breaks=True, bare=True)
    latest.reach(23, is_cut=True, breaks=True, bare=False)
    assert latest.index == 23

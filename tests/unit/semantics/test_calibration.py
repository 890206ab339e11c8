"""Calibration: the replay agrees with SKEM itself, and the target is met from below."""

from fractions import Fraction

import numpy as np
import pytest

from lgvsc.core.video import Frame, VideoFormat
from lgvsc.errors import ConfigError
from lgvsc.semantics import calibration
from lgvsc.semantics.calibration import ClipCurve, Prices, calibrate_threshold, clip_curve
from lgvsc.semantics.keyframes import KeyframeConfig, choose_keyframes

FPS = Fraction(24)
CONFIG = KeyframeConfig(sample_fps=6)


def clip(count):
    return [Frame(i, np.zeros((4, 4, 3), np.uint8)) for i in range(count)]


def scorer(seed, asked=None):
    """Divergence that grows with distance, and jitters."""
    jitter = np.random.default_rng(seed).uniform(-0.3, 0.3, (500, 500))

    def score(keyframe, candidate):
        if asked is not None:
            asked.append((keyframe.index, candidate.index))
        distance = candidate.index - keyframe.index
        return float(np.clip(distance / 40 - 0.9 + jitter[keyframe.index, candidate.index], -0.999, 0.999))

    return lambda keyframe, candidates: [score(keyframe, candidate) for candidate in candidates]


def video(count):
    return VideoFormat(4, 4, FPS, count)


@pytest.mark.parametrize("seed", range(4))
def test_the_curve_is_what_skem_does_at_each_threshold(seed):
    frames = clip(200)
    curve = clip_curve(frames, video(200), CONFIG, scorer(seed))
    for at in range(-90, 100, 3):
        config = KeyframeConfig(sample_fps=6, threshold=at / 100)
        choices = choose_keyframes(frames, video(200), config, scorer(seed))
        assert curve.segments(at / 100) == sum(choice.keyframe for choice in choices), at


def test_each_pair_is_scored_once():
    asked = []
    clip_curve(clip(200), video(200), CONFIG, scorer(0, asked))
    assert len(asked) == len(set(asked))
    assert {index for pair in asked for index in pair} <= set(range(0, 200, 4))


def test_the_length_of_the_curve_is_the_true_one():
    assert clip_curve(clip(50), video(99), CONFIG, scorer(0)).video.frames == 50


def test_a_long_video_is_replayed_in_pieces(monkeypatch):
    """Each further piece starts with a keyframe of its own: so at most one too many for each of the three."""
    whole = clip_curve(clip(400), video(400), CONFIG, scorer(1))
    monkeypatch.setattr(calibration, "MAX_SAMPLES", 25)  # 100 frames at six samples a second
    pieces = clip_curve(clip(400), video(400), CONFIG, scorer(1))
    for at in range(-50, 100, 10):
        assert abs(pieces.segments(at / 100) - whole.segments(at / 100)) <= 3


CURVES = [
    ClipCurve(VideoFormat(10, 10, FPS, 48), ((0.5, 1), (0.2, 3), (-0.9, 6))),
    ClipCurve(VideoFormat(10, 10, FPS, 96), ((0.4, 1), (-0.9, 4))),
]


@pytest.mark.parametrize(
    ("target", "threshold", "keyframes", "within"),
    [
        (2.0, 0.5, 2.0, True),  # one segment each
        (2.9, 0.5, 2.0, True),  # the next point, 3.0, is too many already
        (3.0, 0.4, 3.0, True),  # three segments and one
        (4.5, 0.2, 4.5, True),  # three and four
        (99.0, -0.9, 6.0, True),  # six and four
        (1.5, 0.5, 2.0, False),
    ],
)
def test_the_threshold_spends_most_of_the_target_without_exceeding_it(target, threshold, keyframes, within):
    found = calibrate_threshold(CURVES, keyframes=target)
    assert (found.threshold, found.chosen.keyframes, found.within) == (threshold, keyframes, within)


def test_a_rate_counts_keyframes_segments_and_the_closing_keyframe():
    """One clip of 3 segments: 4 pictures of 300 x 0.02 symbols and 3 x 10 beside them, over 300 x 48 and 2 s."""
    prices = Prices(keyframe_cbr=0.02, segment_symbols=10)
    found = calibrate_threshold(CURVES[:1], cbr=(4 * 6 + 30) / (300 * 48) + 1e-12, prices=prices)
    assert (found.threshold, found.chosen.keyframes) == (0.2, 4.0)
    assert found.chosen.cbr == pytest.approx(54 / 14400)
    assert found.chosen.symbols_per_s == pytest.approx(27.0)
    assert calibrate_threshold(CURVES[:1], symbols_per_s=26.9, prices=prices).threshold == 0.5


def test_the_curve_covers_all_thresholds_of_all_clips_and_costs_only_grow_downwards():
    found = calibrate_threshold(CURVES, keyframes=3.0)
    assert [point.threshold for point in found.curve] == [0.5, 0.4, 0.2, -0.9]
    assert [point.keyframes for point in found.curve] == [2.0, 3.0, 4.5, 6.0]


@pytest.mark.parametrize(
    "arguments",
    [{}, {"keyframes": 3, "cbr": 1e-3}, {"keyframes": 0}, {"cbr": 1e-3}, {"symbols_per_s": float("nan")}],
)
def test_a_target_that_says_nothing_is_refused(arguments):
    with pytest.raises(ConfigError):
        calibrate_threshold(CURVES, **arguments)
    with pytest.raises(ConfigError, match="no clip"):
        calibrate_threshold([], keyframes=3)

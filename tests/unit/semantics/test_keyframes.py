"""SKIM and SKEM: which frames become keyframes, and why."""

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lgvsc.core.video import Frame, VideoFormat
from lgvsc.errors import ConfigError
from lgvsc.semantics.keyframes import KeyframeConfig, choose_keyframes

FPS = Fraction(24)


def frames(count, size=(4, 4)):
    return [Frame(i, np.zeros((*size, 3), np.uint8)) for i in range(count)]


def video(count):
    return VideoFormat(4, 4, FPS, count)


def chosen(source, config, score=None, *, announced="true", cuts=()):
    """Keyframe indices and the pairs that were scored."""
    asked = []

    def counted(keyframe, candidates):
        asked.extend((keyframe.index, candidate.index) for candidate in candidates)
        return [score(keyframe.index, candidate.index) for candidate in candidates]

    length = len(source) if announced == "true" else announced
    choices = choose_keyframes(source, video(length), config, counted, lambda frame: frame.index in cuts)
    listed = list(choices)
    assert [choice.frame for choice in listed] == list(source)
    return [choice.frame.index for choice in listed if choice.keyframe], asked


def always(divergence):
    return lambda keyframe, candidates: [divergence] * len(candidates)


EVERY = {"sample_fps": 0}


def test_skem_compares_each_frame_with_the_latest_keyframe_only():
    """A scene that has drifted by more than three frames diverges; the search goes on from there."""
    keyframes, asked = chosen(frames(10), KeyframeConfig(**EVERY), lambda k, c: 0.9 if c - k > 3 else -0.9)
    assert keyframes == [0, 4, 8]
    assert asked == [(0, 1), (0, 2), (0, 3), (0, 4), (4, 5), (4, 6), (4, 7), (4, 8), (8, 9)]


@pytest.mark.parametrize(("divergence", "expected"), [(0.35, [0]), (np.nextafter(0.35, 1), [0, 1, 2])])
def test_a_keyframe_needs_more_than_the_threshold(divergence, expected):
    """The paper's S_rel > eta_th is strict."""
    assert chosen(frames(3), KeyframeConfig(threshold=0.35, **EVERY), lambda k, c: float(divergence))[0] == expected


def test_skem_looks_at_sample_fps_frames_per_second():
    _, asked = chosen(frames(240), KeyframeConfig(sample_fps=4.6, max_segment_frames=240), lambda k, c: -1.0)
    seen = [candidate for _, candidate in asked]
    assert len(seen) == int(239 * 4.6 / 24)  # ten seconds, less the first keyframe
    assert set(np.diff(seen)) == {5, 6}
    assert len(chosen(frames(50), KeyframeConfig(sample_fps=60), lambda k, c: -1.0)[1]) == 49  # no more than there are


def test_the_first_frame_of_a_new_shot_is_looked_at_at_once():
    config = KeyframeConfig(sample_fps=2)
    keyframes, asked = chosen(frames(40), config, lambda k, c: 0.9 if k < 17 <= c else -0.9, cuts={17})
    assert keyframes == [0, 17]
    assert (0, 17) in asked
    late, asked = chosen(
        frames(40),
        KeyframeConfig(sample_fps=2, snap_to_cuts=False),
        lambda k, c: 0.9 if k < 17 <= c else -0.9,
        cuts={17},
    )
    assert late == [0, 24] and (0, 17) not in asked


def test_a_cut_that_the_judge_does_not_confirm_makes_no_keyframe_but_is_reported():
    choices = list(
        choose_keyframes(frames(20), video(20), KeyframeConfig(), always(-0.5), lambda frame: frame.index == 7)
    )
    assert [c.frame.index for c in choices if c.keyframe] == [0]
    assert [c.frame.index for c in choices if c.cut] == [7]
    assert choices[7].divergence == -0.5


def test_max_segment_frames_makes_a_keyframe_when_nothing_else_does():
    assert chosen(frames(100), KeyframeConfig(max_segment_frames=30), lambda k, c: -1.0)[0] == [0, 30, 60, 90]


def test_min_segment_frames_spares_the_judge():
    keyframes, asked = chosen(frames(20), KeyframeConfig(min_segment_frames=6, **EVERY), lambda k, c: 1.0)
    assert keyframes == [0, 6, 12, 18]
    assert len(asked) == 3


@settings(deadline=None)  # a busy machine
@given(
    count=st.integers(0, 120),
    seed=st.integers(0, 1000),
    shortest=st.integers(1, 10),
    longest=st.integers(10, 40),
    fps=st.sampled_from([0, 3, 7.5, 100]),
)
def test_every_prefix_of_a_video_has_the_same_keyframes(count, seed, shortest, longest, fps):
    """Causal: what comes later changes nothing. And the bounds on length hold."""
    scores = np.random.default_rng(seed).uniform(-1, 1, (121, 121))
    config = KeyframeConfig(sample_fps=fps, min_segment_frames=shortest, max_segment_frames=longest)
    whole, _ = chosen(frames(count), config, lambda k, c: scores[k, c])
    part, _ = chosen(frames(count // 2), config, lambda k, c: scores[k, c], announced=None)
    assert part == [k for k in whole if k < count // 2]
    assert whole[:1] == [0][:count]
    assert all(shortest <= gap <= longest for gap in np.diff(whole))
    assert not whole or count - whole[-1] <= longest


def test_choices_are_made_when_the_next_frame_is_there():
    read = []

    def source():
        for frame in frames(5):
            read.append(frame.index)
            yield frame

    for config in (KeyframeConfig(**EVERY), KeyframeConfig(method="skim", segments=2)):
        read.clear()
        for choice in choose_keyframes(source(), video(5), config, always(0.9), lambda f: False):
            assert read[-1] == min(choice.frame.index + 1, 4)


@pytest.mark.parametrize(
    ("count", "segments", "expected"),
    [
        (12, 4, [0, 3, 6, 9]),
        (10, 4, [0, 3, 6, 9]),  # ceil(10/4) = 3, the last one shorter
        (9, 4, [0, 3, 6]),  # three of 3 are nine already
        (1, 4, [0]),
        (2, 4, [0, 1]),
        (5, 1, [0]),
    ],
)
def test_skim_makes_equal_segments(count, segments, expected):
    keyframes, asked = chosen(frames(count), KeyframeConfig(method="skim", segments=segments))
    assert keyframes == expected
    assert asked == []


@pytest.mark.parametrize("actual", [95, 100, 104, 119])
def test_skim_makes_no_segment_too_many_when_the_announced_length_is_wrong(actual):
    keyframes, _ = chosen(frames(actual), KeyframeConfig(method="skim", segments=4), announced=100)
    assert keyframes == [0, 25, 50, 75]


def test_skim_never_exceeds_max_segment_frames():
    config = KeyframeConfig(method="skim", segments=2, max_segment_frames=40)
    assert chosen(frames(200), config)[0] == [0, 40, 80, 120, 160]
    assert chosen(frames(130), config, announced=50)[0] == [0, 25, 65, 105]  # announced far too short


def test_skim_on_a_live_source_needs_an_interval():
    with pytest.raises(ConfigError, match="interval"):
        chosen(frames(3), KeyframeConfig(method="skim"), announced=None)
    config = KeyframeConfig(method="skim", interval=2)
    assert chosen(frames(5), config, announced=None)[0] == [0, 2, 4]


@pytest.mark.parametrize(
    "settings",
    [
        {"method": "random"},
        {"threshold": 1.0},
        {"threshold": float("nan")},
        {"focus": "mood"},
        {"sample_fps": -1},
        {"sample_fps": float("inf")},
        {"segments": 0},
        {"interval": -1},
        {"min_segment_frames": 0},
        {"min_segment_frames": 300},
        {"max_segment_frames": 1024},
        {"speculation": 0},
        {"speculation": 65},
        {"rescore_band": -0.1},
    ],
)
def test_impossible_settings_are_refused_by_name(settings):
    with pytest.raises(ConfigError, match=next(iter(settings))):
        KeyframeConfig(**settings)


@settings(deadline=None)  # a busy machine
@given(
    count=st.integers(0, 90),
    seed=st.integers(0, 10_000),
    speculation=st.integers(2, 20),
    shortest=st.integers(1, 10),
    longest=st.integers(10, 40),
    fps=st.sampled_from([0, 3, 7.5]),
    cuts=st.frozensets(st.integers(0, 90), max_size=5),
)
def test_speculation_changes_no_choice(count, seed, speculation, shortest, longest, fps, cuts):
    """Batches of candidates make the same keyframes, and the same report, as one pair after the other."""
    scores = np.random.default_rng(seed).uniform(-1, 1, (91, 91))
    one = KeyframeConfig(
        sample_fps=fps, min_segment_frames=shortest, max_segment_frames=longest, threshold=0.7, rescore_band=0.1
    )
    many = replace(one, speculation=speculation)

    def choices(config):
        asked = []

        def score(keyframe, candidates):
            asked.append([(keyframe.index, c.index) for c in candidates])
            return [float(scores[keyframe.index, c.index]) for c in candidates]

        made = choose_keyframes(frames(count), video(count), config, score, lambda frame: frame.index in cuts)
        return [(c.frame.index, c.keyframe, c.cut, c.divergence) for c in made], asked

    (expected, one_by_one), (found, batches) = choices(one), choices(many)
    assert found == expected
    assert all(len(batch) == 1 for batch in one_by_one) and all(len(batch) <= speculation for batch in batches)
    assert len(batches) <= 2 * len(one_by_one)


@settings(deadline=None)  # a busy machine
@given(seed=st.integers(0, 10_000), speculation=st.integers(2, 9))
def test_speculation_changes_no_keyframe_where_batches_round_differently(seed, speculation):
    """Scores that depend on the size of the batch, by less than the band, on both sides of the threshold."""
    rng = np.random.default_rng(seed)
    scores = 0.35 + rng.uniform(-0.02, 0.02, (61, 61)) * rng.integers(0, 20, (61, 61))

    def rounded(keyframe, candidates):
        wrong = 0.004 * (len(candidates) - 1) / 8
        return [float(scores[keyframe.index, c.index]) + wrong * (-1) ** c.index for c in candidates]

    def keyframes(speculation):
        config = KeyframeConfig(sample_fps=0, speculation=speculation, rescore_band=0.005)
        made = choose_keyframes(frames(60), video(60), config, rounded, lambda frame: False)
        return [c.frame.index for c in made if c.keyframe]

    assert keyframes(speculation) == keyframes(1)


def test_a_score_that_nobody_needed_leaves_a_frame_alone():
    made = list(choose_keyframes(frames(6), video(6), KeyframeConfig(**EVERY), always(None), lambda frame: False))
    assert [c.keyframe for c in made] == [True] + [False] * 5
    assert [c.divergence for c in made] == [None] * 6


@pytest.mark.parametrize(("apart", "most_in_vain"), [(1, 7), (3, 10), (20, 24)])
def test_speculation_looks_no_farther_than_segments_are_long(apart, most_in_vain):
    """In vain are the first batch, before anything is known, and the ends of the last batches of segments."""

    def score(keyframe, candidate):
        return 0.9 if candidate - keyframe >= apart else -0.9

    config = KeyframeConfig(sample_fps=0, speculation=8, rescore_band=0.0)
    keyframes, asked = chosen(frames(1 + 6 * apart), config, score)
    assert keyframes == [apart * place for place in range(7)]
    needed = 6 * apart
    assert len(asked) - needed <= most_in_vain


@pytest.mark.parametrize("speculation", [1, 4])
def test_a_plan_decides_up_to_its_end_and_the_threshold_from_there_on(speculation):
    config = KeyframeConfig(
        sample_fps=0, planned=((0, 3), (5,)), planned_until=8, threshold=0.5, speculation=speculation
    )

    def score(keyframe, candidates):
        return [0.9 if frame.index == 12 or frame.index == 2 else 0.1 for frame in candidates]

    choices = list(choose_keyframes(frames(15), video(15), config, score, lambda frame: False))
    assert [choice.frame.index for choice in choices if choice.keyframe] == [0, 3, 5, 8, 12]

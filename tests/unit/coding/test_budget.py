"""Budgets as users write them, and that a video keeps to them."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lgvsc.coding.budget import MAX_KEYFRAME_CBR, MIN_KEYFRAME_CBR, Budget, KeyframeAllowance, PicturePlan
from lgvsc.core.video import VideoFormat
from lgvsc.errors import ConfigError

VIDEO = VideoFormat(256, 256, Fraction(24), 240)
VOLUME = 3 * 256 * 256


@pytest.mark.parametrize(
    ("text", "per_frame"),
    [
        ("6e-4cbr", 6e-4 * VOLUME),
        ("2400symbols", 10.0),
        ("5kbps", 5000 / 2.5 / 24),
        ("800 bps", 800 / 2.5 / 24),
        (" 1e3Symbols ", 1000 / 240),
    ],
)
def test_budgets_become_symbols_per_frame(text, per_frame):
    assert Budget.parse(text).symbols_per_frame(VIDEO, bits_per_symbol=2.5) == pytest.approx(per_frame)


@pytest.mark.parametrize("text", ["", "5", "kbps", "-3kbps", "0cbr", "5 mbps", "1e99symbols", "nan cbr", "1..2cbr"])
def test_anything_else_is_refused_with_an_example(text):
    with pytest.raises(ConfigError, match="6e-4cbr"):
        Budget.parse(text)


def test_a_total_needs_a_known_length():
    with pytest.raises(ConfigError, match="known length"):
        Budget.parse("10symbols").symbols_per_frame(VideoFormat(256, 256, Fraction(24)), 2.0)


def test_without_a_budget_every_picture_gets_its_share():
    allowance = KeyframeAllowance(VIDEO, 0.02, None)
    assert allowance.picture_symbols(1, 500, 1) == allowance.picture_symbols(200, 0, 2) == round(0.02 * VOLUME)


@given(st.lists(st.tuples(st.integers(20, 240), st.integers(50, 400)), min_size=3, max_size=40))
def test_spending_stays_within_the_budget_wherever_the_smallest_picture_allows(segments):
    per_frame = 60.0
    allowance = KeyframeAllowance(VIDEO, 0.02, per_frame)
    spent = earned = 0.0
    floor = int(MIN_KEYFRAME_CBR * VOLUME)
    for frames, other in segments:
        symbols = allowance.picture_symbols(frames, other, 1)
        assert floor <= symbols <= round(MAX_KEYFRAME_CBR * VOLUME)
        allowance.spend(symbols)
        spent += other + symbols
        earned += per_frame * frames
        assert spent <= earned or symbols == floor


def test_pictures_of_a_planned_piece_share_its_budget_evenly_whatever_their_segments_length():
    per_frame, other = 150.0, 100
    plan = PicturePlan(((0, 10, 70), (100, 110)), until=240, closing=True)
    allowance = KeyframeAllowance(VIDEO, 0.02, per_frame, plan)
    got = []
    for frames, pictures in ((10, 1), (60, 1), (30, 1), (10, 1), (130, 2)):
        got.append(allowance.picture_symbols(frames, other, pictures))
        allowance.spend(got[-1] * pictures)
    first, second = (100 * per_frame - 3 * other) / 3, (140 * per_frame - 2 * other) / 3
    assert got == pytest.approx([first] * 3 + [second] * 2, abs=2)


def test_behind_a_plan_every_segment_gets_what_it_earned():
    plan = PicturePlan(((0, 50),), until=100, closing=False)
    allowance = KeyframeAllowance(VIDEO, 0.02, 100.0, plan)
    for frames in (50, 50):
        allowance.spend(allowance.picture_symbols(frames, 0, 1))
    assert allowance.picture_symbols(30, 0, 1) == pytest.approx(3000, abs=2)


@given(st.lists(st.integers(5, 60), min_size=15, max_size=60), st.integers(0, 150))
def test_without_a_budget_a_video_of_three_seconds_stays_below_its_ceiling(lengths, other):
    allowance = KeyframeAllowance(VIDEO, 0.014, None, max_cbr=1e-3)
    spent = at = 0
    for number, frames in enumerate(lengths, 1):
        pictures = 1 + (number == len(lengths))
        symbols = allowance.picture_symbols(frames, other, pictures)
        assert MIN_KEYFRAME_CBR * VOLUME - 1 <= symbols <= round(0.014 * VOLUME)
        allowance.spend(symbols * pictures)
        spent += other + symbols * pictures
        at += frames
    assert spent <= 1e-3 * VOLUME * max(at, 72)


def test_keyframes_that_come_at_their_ease_do_not_feel_the_ceiling():
    allowance = KeyframeAllowance(VIDEO, 0.014, None, max_cbr=1e-3)
    for frames, pictures in ((24, 1), (24, 1), (24, 2)):
        assert allowance.picture_symbols(frames, 120, pictures) == round(0.014 * VOLUME)
        allowance.spend(pictures * round(0.014 * VOLUME))


def test_of_a_picture_and_a_bare_one_the_picture_gets_what_the_other_cannot_use():
    alone, beside, both = (KeyframeAllowance(VIDEO, 0.014, 0.0003 * VOLUME) for _ in range(3))
    one = alone.picture_symbols(60, 100, 1)
    left = beside.picture_symbols(60, 100, 1, bare=1)
    assert one > left > 1.5 * both.picture_symbols(60, 100, 2)
    assert one - left <= max(0.003 * VOLUME, 100) + 1

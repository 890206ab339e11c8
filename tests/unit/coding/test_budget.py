"""Budgets as users write them, and that a video keeps to them."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lgvsc.coding.budget import MAX_KEYFRAME_CBR, MIN_KEYFRAME_CBR, Budget, KeyframeAllowance
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
    floor = round(MIN_KEYFRAME_CBR * VOLUME)
    for frames, other in segments:
        symbols = allowance.picture_symbols(frames, other, 1)
        assert floor <= symbols <= round(MAX_KEYFRAME_CBR * VOLUME)
        allowance.spend(symbols)
        spent += other + symbols
        earned += per_frame * frames
        assert spent <= earned + 1 or symbols == floor

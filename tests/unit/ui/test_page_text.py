import math

import pytest

from lgvsc.ui.text import DASH, clean, esc, number, scientific, seconds


def test_control_and_direction_marks_go_and_words_stay():
    assert clean("a\x00b\x1b[0m\u202ec\u2066d\ufeffe\ud800f") == "ab[0mcdef"
    assert clean("line\none\ttwo") == "line one two"
    assert clean("naïve 👩\u200d🚀 猫") == "naïve 👩\u200d🚀 猫"
    assert clean("x" * 9000, limit=10) == "x" * 9 + "…"
    assert esc('<a href="x">\'&') == "&lt;a href=&quot;x&quot;&gt;&#x27;&amp;"


@pytest.mark.parametrize("value", [None, math.nan, math.inf, "3", True, [1]])
def test_what_is_no_number_is_a_dash(value):
    assert number(value) == DASH and scientific(value) == DASH


def test_numbers_read_well():
    assert number(1234567.891, 1) == "1\u202f234\u202f567.9"
    assert number(3, 0, "dB") == "3\u00a0dB"
    assert scientific(6.312e-4) == "6.31\u202f×\u202f10⁻⁴"
    assert scientific(9.999e-4) == "1.00\u202f×\u202f10⁻³"
    assert scientific(0) == "0" and scientific(1e-3, 1) == "1.0\u202f×\u202f10⁻³"
    assert seconds(59.5) == "59.50\u00a0s" and seconds(723.5) == "12:03.5"

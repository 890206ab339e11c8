"""Captions as bits: every text returns, likely ones are short, any bits are survived, the format does not drift."""

from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lgvsc.coding.words.text import decode_text, encode_text
from lgvsc.coding.words.text_model import TOTAL, TextModel, shipped_model
from lgvsc.core.message import MAX_CAPTION_BYTES
from lgvsc.errors import InputError

MEASURED = (
    "Outdoors, bright light. Large smooth light blue area at top. "
    "Huge textured green area at bottom. Camera pan left, slow."
)
NAMED = "Two people and a car outdoors. Two medium dark grey people at right. Dim light. Camera pan left, slow."
WRITTEN = "A woman in a red coat walks her dog along the beach."
FOREIGN = "Grüße, 世界 🌍"

any_text = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)


@settings(max_examples=60, deadline=None)
@given(any_text)
def test_any_text_returns(text: str) -> None:
    bits = encode_text(text)
    assert len(bits) >= 1
    assert set(np.unique(bits)) <= {0, 1}
    assert decode_text(bits) == text


@pytest.mark.parametrize(
    "text", ["", " ", "\n", "\x00", "a", MEASURED, WRITTEN, FOREIGN, "\U0010ffff" * 40, "aaaa " * 100]
)
def test_odd_texts_return(text: str) -> None:
    assert decode_text(encode_text(text)) == text


def test_the_longest_caption_returns_and_a_longer_one_is_refused() -> None:
    longest = "ÿ" * (MAX_CAPTION_BYTES // 2)
    assert decode_text(encode_text(longest)) == longest
    with pytest.raises(InputError, match="too long"):
        encode_text(longest + "x")
    with pytest.raises(InputError, match="surrogate"):
        encode_text("\ud800")


def test_captions_take_few_bits() -> None:
    assert len(encode_text(MEASURED)) < 0.75 * len(MEASURED)
    assert len(encode_text(NAMED)) < 0.75 * len(NAMED)
    assert len(encode_text(WRITTEN)) < 3.0 * len(WRITTEN)


def test_no_shorter_prefix_says_the_same() -> None:
    """Not one bit is wasted at the end: with the last bit away, zeros in its place, the text is another one."""
    for text in (MEASURED, WRITTEN, FOREIGN):
        bits = encode_text(text)
        assert bits[-1] == 1
        assert decode_text(bits[:-1]) != text
        ideal = information(text)
        assert len(bits) <= ideal + 2  # an arithmetic code needs at most two bits more than the information


def information(text: str) -> float:
    data = text.encode() + b"\xff"
    model = shipped_model()
    return sum(float(np.log2(TOTAL / model.frequencies(data[:at])[symbol])) for at, symbol in enumerate(data))


@settings(max_examples=80, deadline=None)
@given(st.lists(st.integers(0, 1), max_size=400))
def test_any_bits_are_survived(bits: list[int]) -> None:
    text = decode_text(np.array(bits, dtype=np.uint8))
    assert text is None or len(text.encode()) <= MAX_CAPTION_BYTES


@pytest.mark.parametrize("fill", [0, 1])
def test_long_hostile_bits_end_soon(fill: int) -> None:
    started = time.process_time()
    for bits in (np.full(8191, fill, dtype=np.uint8), np.random.default_rng(fill).integers(0, 2, 8191, dtype=np.uint8)):
        text = decode_text(bits)
        assert text is None or len(text.encode()) <= MAX_CAPTION_BYTES
    assert time.process_time() - started < 5.0


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=80))
def test_predictions_are_integers_that_sum_to_the_total(past: bytes) -> None:
    frequencies = shipped_model().frequencies(past)
    assert frequencies.dtype == np.int64
    assert int(frequencies.min()) >= 1
    assert int(frequencies.sum()) == TOTAL


def test_a_file_that_is_no_model_is_refused() -> None:
    with pytest.raises(InputError, match="not a text model"):
        TextModel.from_bytes(b"\x08\x00\x00\x00\x00\x00\x00\x00{}      ")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (MEASURED, "49:97b3f542f21580"),
        (WRITTEN, "92:117aaa21dcb86cd66523e870"),
        (FOREIGN, "170:53b88ea265da505c28e4d116984fc7359cbdff134ec0"),
    ],
)
def test_the_format_does_not_drift(text: str, expected: str) -> None:
    """Bits recorded when the model was shipped. New bits mean that old recordings cannot be read any more."""
    bits = encode_text(text)
    assert f"{len(bits)}:{np.packbits(bits).tobytes().hex()}" == expected

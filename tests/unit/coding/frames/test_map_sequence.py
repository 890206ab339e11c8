"""Rate maps of several frames as bits: round trips, length, and bits that nobody wrote."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from lgvsc.coding.frames.map_sequence import FrameRates, decode_sequence, encode_sequence, same

MOTION_RATES, RATES = 5, 13


def frames(count: int, rows: int, columns: int, seed: int, changing: float = 1.0) -> list[FrameRates]:
    random = np.random.default_rng(seed)
    made: list[FrameRates] = []
    for _ in range(count):
        motion, rates = (random.integers(0, n, (rows, columns)) for n in (MOTION_RATES, RATES))
        if made:
            keep = random.random((rows, columns)) > changing
            motion, rates = np.where(keep, made[-1].motion, motion), np.where(keep, made[-1].rates, rates)
        made.append(FrameRates(int(random.integers(256)), motion, rates))
    return made


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 4), st.integers(1, 4), st.integers(1, 5), st.integers(0, 10**6))
def test_round_trip(count, rows, columns, seed):
    sent = frames(count, rows, columns, seed)
    bits = encode_sequence(sent, MOTION_RATES, RATES)
    assert set(bits.tolist()) <= {0, 1} and len(bits) >= 8
    assert same(decode_sequence(bits, count, (rows, columns), MOTION_RATES, RATES), sent)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(0, 1), max_size=200), st.integers(1, 3))
def test_any_bits_give_frames_or_nothing(bits, count):
    found = decode_sequence(np.array(bits, dtype=np.uint8), count, (2, 3), MOTION_RATES, RATES)
    if found is not None:
        assert len(found) == count
        assert all(0 <= f.gain < 256 and f.motion.max() < MOTION_RATES and f.rates.max() < RATES for f in found)


def test_what_hardly_changes_costs_little():
    """Neighbours in time help: against 5.9 bits for each entry of both maps."""
    lively, quiet = (encode_sequence(frames(8, 8, 8, 0, share), MOTION_RATES, RATES) for share in (1.0, 0.02))
    assert len(quiet) < 0.4 * len(lively)
    still = [FrameRates(9, np.zeros((8, 8), np.int64), np.zeros((8, 8), np.int64))] * 8
    assert len(encode_sequence(still, MOTION_RATES, RATES)) < 200  # 64 of them gains, eight the check


def test_most_wrong_bits_are_found_out():
    sent = frames(3, 4, 4, 1)
    bits = encode_sequence(sent, MOTION_RATES, RATES)
    random = np.random.default_rng(0)
    taken = 0
    for _ in range(300):
        wrong = bits.copy()
        wrong[random.integers(len(bits), size=2)] ^= 1
        found = decode_sequence(wrong, 3, (4, 4), MOTION_RATES, RATES)
        taken += found is not None and not same(found, sent)
    assert taken < 15

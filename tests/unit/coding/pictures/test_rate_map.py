"""Rate maps as bits."""

from __future__ import annotations

import numpy as np
import pytest

from lgvsc.coding.pictures.rate_map import decode_map, encode_map

RATES = 6


def smooth_map(rows: int, columns: int, seed: int) -> np.ndarray:
    steps = np.random.default_rng(seed).choice(3, (rows, columns), p=(0.15, 0.7, 0.15)) - 1
    return np.clip(3 + np.cumsum(steps, axis=1), 0, RATES - 1)


def room_for(indices: np.ndarray, typical: int) -> int:
    return next(n for n in range(5000) if encode_map(indices, typical, RATES, n) is not None)


@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (8, 8), (8, 15), (15, 27)])
def test_a_map_comes_back(shape):
    indices = smooth_map(*shape, seed=sum(shape))
    room = room_for(indices, 24)
    for bits in (room, room + 1, room + 40):
        coded = encode_map(indices, 24, RATES, bits)
        assert coded is not None and coded.shape == (bits,) and coded.max(initial=0) <= 1
        np.testing.assert_array_equal(decode_map(coded, indices.shape, 24, RATES), indices)


def test_a_map_that_changes_little_is_cheap_and_random_ones_cost_about_their_entropy():
    even = room_for(np.full((8, 8), 4), 32)
    smooth = room_for(smooth_map(8, 8, 1), 24)
    wild = room_for(np.random.default_rng(0).integers(0, RATES, (8, 8)), 24)
    assert even < smooth < wild < 64 * 4.5
    assert even < 64 * 1.3  # half of the two and a half bits of a plain index


def test_the_shortest_room_is_near_the_information_content():
    """Cutting the coder's last words down to bits must not cost whole words."""
    rooms = [room_for(smooth_map(8, 8, seed), 24) for seed in range(12)]
    assert len({room % 32 for room in rooms}) > 3


def test_a_map_that_does_not_fit_is_refused():
    wild = np.random.default_rng(0).integers(0, RATES, (8, 8))
    assert encode_map(wild, 24, RATES, 20) is None


@pytest.mark.parametrize("seed", range(20))
def test_any_bits_decode_to_some_map(seed):
    bits = np.random.default_rng(seed).integers(0, 2, seed * 11).astype(np.uint8)
    indices = decode_map(bits, (8, 8), 24, RATES)
    assert indices.shape == (8, 8) and indices.min() >= 0 and indices.max() < RATES


def test_the_code_is_the_same_on_every_machine():
    """Bits that were written down when the format was made: a change breaks old streams."""
    indices = np.array([[3, 3, 2], [2, 3, 2], [2, 1, 2]])
    coded = encode_map(indices, 24, RATES, 32)
    assert coded is not None
    assert "".join(map(str, coded)) == "00111111111110111110111111000100"

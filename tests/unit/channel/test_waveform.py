"""Radio frames: where everything is, and a length that reads back or not at all."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lgvsc.channel.waveform import (
    HEAD_SYMBOLS,
    MAX_DATA_SYMBOLS,
    SYNC,
    SYNC_SYMBOLS,
    added_symbols,
    frame,
    head,
    layout,
    pilots,
    read_length,
)
from lgvsc.errors import InputError


def test_the_sync_sequence_is_of_maximum_length():
    """Golomb: 64 of one sign, 63 of the other, and periodic autocorrelation -1 at every shift."""
    assert SYNC.sum() == -1 and len(SYNC) == 127
    assert {float(SYNC @ np.roll(SYNC, shift)) for shift in range(1, 127)} == {-1.0}


@pytest.mark.parametrize("count", [1, 30, 31, 32, 62, 1000])
def test_a_frame_holds_its_data_its_head_and_a_pilot_every_32_symbols(count):
    data = np.arange(1, count + 1).astype(np.complex64) * 1j
    symbols, where = frame(data), layout(count)
    assert len(symbols) == where.total == count + added_symbols(count)
    assert np.array_equal(symbols[where.data], data)
    assert np.array_equal(symbols[:HEAD_SYMBOLS], head(count))
    assert np.array_equal(symbols[where.pilots], pilots(len(where.pilots)))
    assert np.diff(where.pilots).max() <= 32 and where.pilots[0] == HEAD_SYMBOLS
    assert where.pilots[-1] == where.total - 1, "the last data are between pilots too"


@given(st.integers(1, MAX_DATA_SYMBOLS), st.floats(1e-3, 1e3))
def test_every_length_reads_back(count, amplitude):
    assert read_length((amplitude * head(count)[SYNC_SYMBOLS:]).astype(np.complex64)) == count


@settings(max_examples=30)
@given(st.integers(1, MAX_DATA_SYMBOLS), st.integers(0, 2**31))
def test_a_length_reads_back_through_noise_of_its_own_power(count, seed):
    noise = np.random.default_rng(seed).normal(size=(128, 2)) @ [1, 1j] / np.sqrt(2)
    assert read_length((head(count)[SYNC_SYMBOLS:] + noise).astype(np.complex64)) in (count, None)


def test_a_length_reads_back_while_its_phase_turns():
    """By a whole quarter over the field, as where noise hides a part of the frequency offset."""
    turn = np.exp(0.5j * np.pi * np.arange(128) / 128)
    assert read_length((head(12_345)[SYNC_SYMBOLS:] * turn).astype(np.complex64)) == 12_345


def test_noise_and_nothing_are_no_length():
    rng = np.random.default_rng(0)
    read = [read_length((rng.normal(size=(128, 2)) @ [1, 1j]).astype(np.complex64)) for _ in range(300)]
    assert sum(count is not None for count in read) < 30  # the margin and the check pass about one in thirty
    assert read_length(np.zeros(128, np.complex64)) is None


def test_a_burst_that_the_length_cannot_say_is_refused():
    with pytest.raises(InputError, match="too long"):
        frame(np.zeros(MAX_DATA_SYMBOLS + 1, np.complex64))

"""The interleaver is a permutation that spreads bursts evenly, and it makes up for fades."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lgvsc.channel.common import seeded
from lgvsc.coding.modem.digital import block_count, decode_bits, encode_bits, mcs_at
from lgvsc.coding.modem.interleaver import deinterleave, interleave
from lgvsc.core.air import Reception


@given(st.integers(0, 5000))
def test_every_symbol_is_sent_once_and_comes_back_to_its_place(count):
    symbols = torch.arange(count)
    sent = interleave(symbols)
    assert sorted(sent.tolist()) == symbols.tolist()
    assert torch.equal(deinterleave(sent), symbols)


@pytest.mark.parametrize("count", [100, 1000, 12_345])
def test_neighbours_on_the_air_are_far_apart_in_the_code(count):
    sent = interleave(torch.arange(count))
    assert int((sent[1:] - sent[:-1]).abs().min()) >= math.isqrt(count) - 1


@pytest.mark.parametrize("blocks", [3, 8])
def test_a_burst_hits_all_blocks_alike(blocks):
    """A burst of a tenth of the payload takes between 8 and 12 % of each of its blocks."""
    size = 4000
    block_of = interleave(torch.arange(blocks * size) // size)
    for start in (0, 5, 777, blocks * size * 9 // 10):
        hits = torch.bincount(block_of[start : start + blocks * size // 10], minlength=blocks)
        assert int(hits.min()) > 0.08 * size and int(hits.max()) < 0.12 * size


def test_a_payload_survives_a_burst_that_kills_its_first_block_without_interleaving():
    bits, index = 20_000, 12
    mcs = mcs_at(index, bits)
    payload = np.random.default_rng(0).integers(0, 2, bits, dtype=np.uint8)
    symbols = encode_bits(payload, mcs)
    noise = torch.full((len(symbols),), 1e-3)
    noise[: len(symbols) // block_count(bits, mcs) * 2 // 3] = torch.inf  # two thirds of a block are not heard
    assert np.array_equal(decode_bits(Reception(symbols, noise), bits, mcs), payload)
    in_order = Reception(interleave(symbols), interleave(noise))  # as if the burst had hit symbols as they are coded
    assert not np.array_equal(decode_bits(in_order, bits, mcs), payload)


def lost(bits, index, snr_db, trials, *, interleaved):
    """Payloads lost on Rayleigh blocks of 64 symbols, with the same gains and noise either way."""
    mcs, generator, failures = mcs_at(index, bits), seeded(5), 0
    for trial in range(trials):
        payload = np.random.default_rng(trial).integers(0, 2, bits, dtype=np.uint8)
        symbols = encode_bits(payload, mcs)
        gains = torch.randn(-(-len(symbols) // 64), dtype=torch.complex64, generator=generator)
        gains = gains.repeat_interleave(64)[: len(symbols)]
        noise = torch.randn(len(symbols), dtype=torch.complex64, generator=generator)
        n0 = 10 ** (-snr_db / 10)
        sent = symbols if interleaved else deinterleave(symbols)
        heard, variance = sent + math.sqrt(n0) * noise / gains, n0 / gains.abs().square()
        if not interleaved:
            heard, variance = interleave(heard), interleave(variance)
        failures += decode_bits(Reception(heard, variance), bits, mcs) is None
    return failures


@pytest.mark.slow
def test_interleaving_helps_on_rayleigh():
    with_it, without = (lost(60_000, 12, 10.7, 12, interleaved=way) for way in (True, False))
    assert without >= 4 and with_it <= without / 2

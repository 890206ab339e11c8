"""Payloads through modulation and coding: every length, exact symbol counts, erasures."""

import math
import resource
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lgvsc.channel.awgn import AwgnChannel
from lgvsc.channel.common import child_generator
from lgvsc.coding.modem.digital import (
    LADDER,
    MCS_COUNT,
    TABLE_1_LADDER,
    TURBO_INDEX,
    Mcs,
    block_count,
    decode_bits,
    demodulate,
    encode_bits,
    max_payload_bits,
    mcs_at,
    symbol_count,
)
from lgvsc.core.air import Reception
from lgvsc.errors import ConfigError, ShapeError


def payload(bits, seed=0):
    return np.random.default_rng(seed).integers(0, 2, bits, dtype=np.uint8)


def clean(symbols, n0=1e-3):
    return Reception(symbols, torch.full((symbols.numel(),), n0))


@settings(deadline=None, max_examples=25)
@given(st.integers(1, 3000), st.integers(0, TURBO_INDEX - 1))
def test_every_length_comes_back(bits, index):
    mcs, sent = mcs_at(index, bits), payload(bits)
    symbols = encode_bits(sent, mcs)
    assert symbols.dtype == torch.complex64
    assert symbols.numel() == symbol_count(bits, mcs)
    decoded = decode_bits(clean(symbols), bits, mcs)
    assert decoded is not None
    assert decoded.dtype == np.uint8
    assert np.array_equal(decoded, sent)


@pytest.mark.parametrize("index", range(MCS_COUNT))
@pytest.mark.parametrize("bits", [1, 2, 23])
def test_a_few_bits_come_back(bits, index):
    mcs, sent = mcs_at(index, bits), payload(bits)
    assert np.array_equal(decode_bits(clean(encode_bits(sent, mcs)), bits, mcs), sent)


BLOCKS = {
    (8424, 12): 1, (8425, 12): 2, (16_848, 12): 2, (16_849, 12): 3, (3800, 0): 1, (3801, 0): 2, (20_000, 26): 3,
    (6120, TURBO_INDEX): 1, (6121, TURBO_INDEX): 2,
}  # fmt: skip


@pytest.mark.parametrize(("bits", "index"), BLOCKS)
def test_long_payloads_are_cut_into_blocks(bits, index):
    mcs, sent = mcs_at(index, bits), payload(bits)
    assert block_count(bits, mcs) == BLOCKS[bits, index]
    symbols = encode_bits(sent, mcs)
    assert len(symbols) == symbol_count(bits, mcs)
    if mcs.code == "turbo":
        return  # takes Sionna half a minute to decode
    assert np.array_equal(decode_bits(clean(symbols), bits, mcs), sent)
    symbols[: symbols.numel() // 2] *= -1
    assert decode_bits(clean(symbols), bits, mcs) is None


@pytest.mark.slow
def test_a_long_turbo_payload_comes_back():
    mcs, sent = mcs_at(TURBO_INDEX, 6121), payload(6121)
    assert np.array_equal(decode_bits(clean(encode_bits(sent, mcs)), 6121, mcs), sent)


@pytest.mark.slow
def test_ten_megabits_come_back_in_bounded_memory():
    """Beyond the payload, its symbols and the same once more in another order, at most 256 MiB."""
    bits = 10_000_000
    mcs, sent = mcs_at(20, bits), payload(bits)
    small = payload(20_000)
    decode_bits(clean(encode_bits(small, mcs_at(20, 20_000))), 20_000, mcs_at(20, 20_000))  # libraries are loaded
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert np.array_equal(decode_bits(clean(encode_bits(sent, mcs)), bits, mcs), sent)
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) << 10
    assert grown < (256 << 20) + 3 * 12 * symbol_count(bits, mcs) + 4 * bits


def test_the_code_follows_from_length_and_index():
    assert mcs_at(8, 480).code == "polar"
    assert mcs_at(8, 481).code == "ldpc"
    assert mcs_at(0, 177).code == "ldpc"  # the polar word would be longer than 5G has
    assert mcs_at(0, 176).code == "polar"
    assert mcs_at(TURBO_INDEX, 5).code == "turbo"
    assert {mcs_at(index, 5).code for index in range(len(LADDER), TURBO_INDEX)} == {"ldpc"}


@given(st.integers(1, 60_000), st.integers(0, len(LADDER) - 1))
def test_the_longest_payload_for_a_budget_fits_and_the_next_does_not(symbols, index):
    bits = max_payload_bits(symbols, index)
    if bits:
        assert symbol_count(bits, mcs_at(index, bits)) <= symbols
    for longer in (bits + 1, bits + 2, bits + 40):
        assert symbol_count(longer, mcs_at(index, longer)) > symbols


def test_rates_are_what_the_ladder_says():
    for index, (bits_per_symbol, code_rate) in enumerate(LADDER):
        mcs = mcs_at(index, 8000)
        assert mcs.efficiency == bits_per_symbol * code_rate
        assert 8000 / symbol_count(8000, mcs) == pytest.approx(mcs.efficiency, rel=0.01)  # nothing but CRC and rounding
    assert TABLE_1_LADDER == ((4, 0.75), (2, 0.75), (4, 0.5), (4, 2 / 3))


def test_steps_of_the_ladder_are_small():
    """A step is at most 0.32 bit per symbol up to 256-QAM, and at most 1.3 dB below one bit per symbol."""
    efficiencies = [a * b for a, b in LADDER]
    assert efficiencies == sorted(efficiencies)
    for low, high in pairwise(efficiencies):
        assert high - low < 0.33 if high < 6.1 else high - low < 0.41
        assert high > 1 or 10 * math.log10((2**high - 1) / (2**low - 1)) < 1.3


@pytest.mark.parametrize("bits", [100, 2000])
@pytest.mark.parametrize("index", [2, 8, 14, 24])
@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf, 0.0, 1e30])
def test_a_few_erased_symbols_are_corrected_and_all_erased_are_a_loss(bits, index, bad):
    mcs, sent = mcs_at(index, bits), payload(bits)
    symbols = encode_bits(sent, mcs)
    some = symbols.clone()
    some[:: 40 if index > 10 else 12] = complex(bad, bad)
    assert np.array_equal(decode_bits(clean(some), bits, mcs), sent)
    assert decode_bits(clean(torch.full_like(symbols, complex(bad, bad))), bits, mcs) is None


def test_erased_symbols_have_llr_zero_and_the_others_do_not():
    symbols = encode_bits(payload(96), mcs_at(10, 96))
    received = clean(symbols.clone())
    received.symbols[3] = math.nan
    received.noise_variance[5] = math.inf
    llr = demodulate(received, 4).reshape(-1, 4)
    silent = (llr == 0).all(dim=1)
    assert silent.nonzero().flatten().tolist() == [3, 5]
    assert torch.isfinite(llr).all()


@pytest.mark.parametrize("n0", [0.0, 1e-30, 1e30])
def test_extreme_noise_variance_does_no_harm(n0):
    mcs, sent = mcs_at(26, 700), payload(700)
    assert torch.isfinite(demodulate(clean(encode_bits(sent, mcs), n0), 8)).all()
    decoded = decode_bits(clean(encode_bits(sent, mcs), n0), 700, mcs)
    assert decoded is None if n0 > 1 else np.array_equal(decoded, sent)


def test_missing_symbols_are_erasures_and_later_ones_are_ignored():
    mcs, sent = mcs_at(1, 400), payload(400)
    symbols = encode_bits(sent, mcs)
    assert np.array_equal(decode_bits(clean(symbols[:-40]), 400, mcs), sent)
    assert np.array_equal(decode_bits(clean(torch.cat([symbols, -symbols])), 400, mcs), sent)
    assert decode_bits(clean(symbols[:0]), 400, mcs) is None


def test_the_same_seed_gives_the_same_bits_and_symbols():
    mcs = mcs_at(4, 900)
    first, second = (encode_bits(payload(900), mcs) for _ in range(2))
    assert torch.equal(first, second)
    a, b = (AwgnChannel(0.0, child_generator(1, "x"))(first) for _ in range(2))
    assert torch.equal(demodulate(a, 2), demodulate(b, 2))


def test_misuse_is_refused():
    with pytest.raises(ConfigError, match="0 to 31"):
        mcs_at(32, 10)
    with pytest.raises(ConfigError, match="0 to 26"):
        max_payload_bits(1000, 27)
    with pytest.raises(ConfigError, match="at least one"):
        mcs_at(3, 0)
    with pytest.raises(ConfigError, match="mcs_at"):
        encode_bits(payload(5000), Mcs(0, "polar", 2, 0.21))
    for bits in (np.zeros(0, dtype=np.uint8), np.full(5, 2, dtype=np.uint8), np.zeros((2, 2), dtype=np.uint8)):
        with pytest.raises(ShapeError):
            encode_bits(bits, mcs_at(3, 4))

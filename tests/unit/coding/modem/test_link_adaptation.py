"""Link adaptation: the stored thresholds are true, and more SNR never costs symbols."""

import math

import numpy as np
import pytest
import torch

from lgvsc.channel.awgn import AwgnChannel
from lgvsc.channel.common import child_generator
from lgvsc.coding.modem.digital import LADDER, decode_bits, encode_bits, mcs_at, symbol_count
from lgvsc.coding.modem.link_adaptation import Waterfall, choose_mcs, required_snr_db, waterfall
from lgvsc.core.air import PURPOSES
from lgvsc.schemes.table_1 import table_1


def received_share(bits, index, snr_db, trials):
    """Share of payloads that arrive, seeded."""
    mcs = mcs_at(index, bits)
    random = np.random.default_rng((bits, index))
    channel = AwgnChannel(snr_db, child_generator(0, bits, index))
    arrived = 0
    for _ in range(trials):
        sent = random.integers(0, 2, bits, dtype=np.uint8)
        decoded = decode_bits(channel(encode_bits(sent, mcs)), bits, mcs)
        arrived += decoded is not None and np.array_equal(decoded, sent)
    return arrived / trials


@pytest.mark.parametrize("index", range(len(LADDER)))
@pytest.mark.parametrize("bits", [160, 1000])
def test_every_scheme_works_above_its_threshold_and_fails_below(bits, index):
    threshold = required_snr_db(bits, mcs_at(index, bits), "keyframes")
    assert received_share(bits, index, threshold + 1.0, 4) == 1.0
    assert received_share(bits, index, waterfall(bits, mcs_at(index, bits)).mean_db - 3.0, 4) == 0.0


@pytest.mark.slow
@pytest.mark.parametrize(("bits", "index"), [(48, 3), (300, 7), (2000, 10), (6000, 13), (150, 31)])
def test_block_error_rate_between_measured_lengths_is_near_the_table(bits, index):
    """At the stored middle of the waterfall between one and nine tenths arrive."""
    assert 0.1 < received_share(bits, index, waterfall(bits, mcs_at(index, bits)).mean_db, 60) < 0.9


@pytest.mark.parametrize("purpose", PURPOSES)
@pytest.mark.parametrize("bits", [30, 190, 480, 3000, 40_000])
def test_more_snr_never_costs_symbols(purpose, bits):
    snrs_db = np.arange(-10, 35, 0.5)
    symbols = [symbol_count(bits, choose_mcs(bits, snr_db, purpose)) for snr_db in snrs_db]
    assert symbols == sorted(symbols, reverse=True)
    assert symbols[0] == symbol_count(bits, mcs_at(0, bits))
    assert symbols[-1] == symbol_count(bits, mcs_at(len(LADDER) - 1, bits))
    assert len(set(symbols)) > 20


@pytest.mark.parametrize("bits", [60, 480, 4000])
def test_text_is_better_protected_than_pictures(bits):
    for index in range(len(LADDER)):
        mcs = mcs_at(index, bits)
        assert required_snr_db(bits, mcs, "captions") > required_snr_db(bits, mcs, "keyframes") + 0.5


def test_many_blocks_need_more_snr_than_one():
    mcs = mcs_at(8, 8424)
    assert required_snr_db(84_240, mcs, "keyframes") > required_snr_db(8424, mcs, "keyframes")


def test_schemes_stay_clear_of_capacity_and_near_it():
    """No code works below Shannon's limit; these should be within 4 dB of it for long blocks."""
    for index in range(len(LADDER)):
        mcs = mcs_at(index, 8000)
        limit_db = 10 * math.log10(2**mcs.efficiency - 1)
        assert limit_db < required_snr_db(8000, mcs, "keyframes") < limit_db + 4


def test_unknown_and_infinite_snr():
    assert choose_mcs(100, math.inf, "captions").index == len(LADDER) - 1
    assert choose_mcs(100, -math.inf, "captions").index == 0
    assert choose_mcs(100, math.nan, "captions").index == 0


def test_waterfall_and_its_inverse_agree():
    fall = Waterfall(2.0, 0.5)
    assert fall.bler(2.0) == pytest.approx(0.5)
    assert fall.bler(fall.required_snr_db(1e-3)) == pytest.approx(1e-3)
    assert fall.bler(3.0) == pytest.approx(0.5 * math.erfc(2 / math.sqrt(2)))


def test_choice_needs_no_torch_randomness():
    torch.manual_seed(3)
    state = torch.get_rng_state()
    choose_mcs(1234, 5.0, "video")
    assert torch.equal(torch.get_rng_state(), state)


def test_the_papers_rules_pin_code_and_modulation():
    for snr_db, expected in ((-5.0, (2, 0.75)), (6.0, (2, 0.75)), (8.0, (4, 0.5)), (9.9, (4, 0.5)), (10.0, (4, 2 / 3))):
        mcs = choose_mcs(300, snr_db, "captions", "lgvsc-table-1")
        assert (mcs.code, mcs.bits_per_symbol, mcs.code_rate) == ("ldpc", *expected)
    assert choose_mcs(300, math.nan, "captions", "lgvsc-table-1").bits_per_symbol == 4
    mcs = choose_mcs(300, 6.0, "captions", "gvsc")
    assert (mcs.code, mcs.bits_per_symbol, mcs.code_rate) == ("turbo", 2, 1 / 3)


def test_the_pinned_choice_is_table_1_of_the_paper():
    for row in table_1():
        if row.codec == "h265":
            mcs = choose_mcs(300, row.snr_db, "side", "lgvsc-table-1")
            assert (mcs.bits_per_symbol, mcs.code_rate) == (row.bits_per_symbol, row.code_rate)


@pytest.mark.parametrize("bits", [176, 1000, 8000])
def test_what_is_lost_to_the_steps_of_the_ladder_is_small(bits):
    """Between two thresholds the lower scheme serves: at most 0.42 bit per symbol below the one about to be safe."""
    for snr_db in np.arange(-6, 22, 0.25):
        chosen = choose_mcs(bits, snr_db, "keyframes")
        if chosen.index + 1 < len(LADDER):
            faster = mcs_at(chosen.index + 1, bits)
            assert faster.efficiency - chosen.efficiency < 0.42
            assert required_snr_db(bits, chosen, "keyframes") <= snr_db or chosen.index == 0

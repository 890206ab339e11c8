"""Control blocks: format by SNR, found by trying, silent on noise."""

import numpy as np
import pytest
import torch

from lgvsc.channel.awgn import AwgnChannel
from lgvsc.channel.common import child_generator
from lgvsc.coding.burst.control_block import (
    CONTROL_FORMATS,
    control_formats,
    control_insured,
    control_symbols,
    decode_control,
    encode_control,
)
from lgvsc.core.air import Reception
from lgvsc.errors import ConfigError

BITS = 190


def block(seed=0, bits=BITS):
    return np.random.default_rng(seed).integers(0, 2, bits, dtype=np.uint8)


def channel(snr_db, *names):
    return AwgnChannel(snr_db, child_generator(0, *names))


@pytest.mark.parametrize("bits", [40, 190, 300])
def test_worse_channels_get_longer_formats(bits):
    lengths = [encode_control(block(bits=bits), snr_db).numel() for snr_db in (-10, -4, 0, 5, 10, 30)]
    assert lengths == sorted(lengths, reverse=True)
    assert lengths[0] == CONTROL_FORMATS[-1]
    assert lengths[-1] == control_formats(bits)[0]


@pytest.mark.parametrize("snr_db", [-3.0, 0.0, 5.0, 10.0, 25.0])
def test_the_receiver_finds_the_format_and_its_end(snr_db):
    for trial in range(4):
        sent = block(trial)
        symbols = encode_control(sent, snr_db)
        more = torch.ones(900, dtype=torch.complex64)
        decoded = decode_control(channel(snr_db, trial)(torch.cat([symbols, more])), BITS)
        assert decoded is not None
        assert np.array_equal(decoded[0], sent)
        assert decoded[1] == symbols.numel()


def test_the_longest_format_works_at_minus_seven_db():
    sent = block()
    symbols = encode_control(sent, -7.0)
    decoded = [decode_control(channel(-7.0, trial)(symbols), BITS) for trial in range(10)]
    assert sum(one is not None for one in decoded) >= 9


@pytest.mark.parametrize("believed_db", [10.0, 5.0, 0.0])
def test_a_block_that_is_insured_arrives_through_a_channel_six_db_worse(believed_db):
    assert control_insured(CONTROL_FORMATS[-1], BITS, believed_db, 6.0)
    read = {}
    for insured_db in (6.0, 0.0):
        made = encode_control(block(), believed_db, insured_db)
        assert len(made) == control_symbols(BITS, believed_db, insured_db)
        arrived = [decode_control(channel(believed_db - 6, "worse", str(n))(made), BITS) for n in range(20)]
        read[insured_db] = sum(found is not None for found in arrived)
    assert read[6.0] >= 19 and read[0.0] <= 10
    assert not control_insured(CONTROL_FORMATS[-1], BITS, -2.0, 6.0)


def test_the_receiver_does_not_rely_on_what_the_transmitter_believed():
    """Long format on a good channel, and every format with no noise at all."""
    for believed_db in (-10, 0, 4, 10):
        symbols = encode_control(block(), believed_db)
        decoded = decode_control(channel(15.0, believed_db)(symbols), BITS)
        assert decoded is not None
        assert decoded[1] == symbols.numel()


def test_the_beginning_of_a_long_format_is_no_shorter_one():
    """Both repeat a code word of the same length."""
    symbols = encode_control(block(), -10.0)
    assert len(symbols) == 1408
    decoded = decode_control(channel(20.0)(symbols), BITS)
    assert decoded is not None and decoded[1] == 1408


@pytest.mark.parametrize("snr_db", [-4.0, 10.0])
def test_noise_and_silence_are_no_control(snr_db):
    for trial in range(3):
        assert decode_control(channel(snr_db, trial)(torch.zeros(1000, dtype=torch.complex64)), BITS) is None
    silence = Reception(torch.zeros(800, dtype=torch.complex64), torch.full((800,), 0.1))
    assert decode_control(silence, BITS) is None
    assert decode_control(silence[:0], BITS) is None


def test_a_block_cut_short_can_still_be_read():
    symbols = encode_control(block(), -4.0)
    decoded = decode_control(channel(5.0)(symbols[:500]), BITS)
    assert decoded is not None
    assert np.array_equal(decoded[0], block())


def test_the_state_that_the_channel_grants_may_be_nonsense():
    received = channel(10.0)(encode_control(block(), 10.0))
    received.noise_variance[:20] = torch.nan
    received.symbols[20:24] = complex("inf")
    assert decode_control(received, BITS) is not None


def test_formats_that_hold_no_such_block_are_left_out():
    assert control_formats(190) == CONTROL_FORMATS
    assert control_formats(300) == CONTROL_FORMATS[1:]
    for bits in (3, 900):
        with pytest.raises(ConfigError, match="control"):
            control_formats(bits)

"""Polar and LDPC blocks: round trips, CRC, and what silence decodes to."""

import numpy as np
import pytest
import torch

from lgvsc.channel.common import keeping_random_state, seeded
from lgvsc.coding.fec import ldpc_code, polar_code
from lgvsc.errors import ConfigError

CODES = [
    pytest.param(lambda: polar_code(8, 50), id="polar short"),
    pytest.param(lambda: polar_code(192, 704), id="polar"),
    pytest.param(lambda: polar_code(192, 1408), id="polar repeated"),
    pytest.param(lambda: ldpc_code(456, 2280, 2), id="ldpc"),
    pytest.param(lambda: ldpc_code(1000, 1140, 6), id="ldpc fast"),
]


def payloads(code, blocks):
    return np.random.default_rng(0).integers(0, 2, (blocks, code.payload_bits), dtype=np.uint8)


@pytest.mark.parametrize("make", CODES)
def test_clean_words_decode(make):
    code = make()
    bits = payloads(code, 3)
    word = code.encode(bits)
    assert word.shape == (3, code.coded_bits)
    decoded, passes = code.decode(8 * word - 4)
    assert passes.all()
    assert np.array_equal(decoded, bits)


@pytest.mark.parametrize("make", CODES)
def test_silence_is_not_a_word(make):
    """All LLRs 0 decode to zeros, and zeros satisfy any linear CRC: only the whitening says no."""
    code = make()
    _, passes = code.decode(torch.zeros(1, code.coded_bits))
    assert not passes.any()


@pytest.mark.parametrize("make", CODES)
def test_noise_is_not_a_word(make):
    code = make()
    _, passes = code.decode(4 * torch.randn(12, code.coded_bits, generator=seeded(1)))
    assert not passes.any()


@pytest.mark.parametrize("make", CODES)
def test_a_lost_block_does_not_touch_the_others(make):
    code = make()
    bits = payloads(code, 3)
    llr = 8 * code.encode(bits) - 4
    llr[1] = torch.randn(code.coded_bits, generator=seeded(2))
    decoded, passes = code.decode(llr)
    assert passes.tolist() == [True, False, True]
    assert np.array_equal(decoded[[0, 2]], bits[[0, 2]])


def test_words_of_zeros_are_balanced_on_the_air():
    word = ldpc_code(1000, 1140, 6).encode(np.zeros((1, 1000), dtype=np.uint8))
    assert 0.4 < float(word.mean()) < 0.6


def test_repetition_helps():
    """The part that is sent twice counts twice: half the LLR there is as good as the whole."""
    code = polar_code(192, 1408)
    bits = payloads(code, 1)
    llr = 2 * code.encode(bits) - 1
    assert torch.equal(llr[:, :384], llr[:, 1024:])
    llr[:, :384] *= -0.5  # on its own this would be a third of the word with the wrong sign
    decoded, passes = code.decode(llr)
    assert passes.all()
    assert np.array_equal(decoded, bits)


@pytest.mark.parametrize("make", [lambda: polar_code(3, 100), lambda: polar_code(90, 100)])
def test_impossible_polar_sizes_are_refused(make):
    with pytest.raises(ConfigError, match="polar"):
        make()


@pytest.mark.parametrize("size", [(8449, 20_000, 2), (1000, 1026, 2), (1000, 9000, 2), (8000, 30_000, 2)])
def test_impossible_ldpc_sizes_are_refused(size):
    with pytest.raises(ConfigError, match="LDPC"):
        ldpc_code(*size)


def test_the_global_generator_is_left_alone():
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    with keeping_random_state():
        torch.default_generator.seed()
    polar_code(24, 70)
    assert torch.equal(torch.rand(3), expected)

"""Polar, LDPC and turbo blocks: round trips, CRC, and what silence decodes to."""

import subprocess
import sys

import numpy as np
import pytest
import torch

from lgvsc.channel.common import importing_sionna, seeded
from lgvsc.coding.modem.fec import LDPC_CRC_BITS, ldpc_code, polar_code, turbo_code
from lgvsc.errors import ConfigError

CODES = [
    pytest.param(lambda: polar_code(8, 50), id="polar short"),
    pytest.param(lambda: polar_code(192, 704), id="polar"),
    pytest.param(lambda: polar_code(192, 1408), id="polar repeated"),
    pytest.param(lambda: ldpc_code(456, 0.21, 2), id="ldpc"),
    pytest.param(lambda: ldpc_code(1000, 0.9, 6), id="ldpc fast"),
    pytest.param(lambda: ldpc_code(300, 0.1, 2), id="ldpc repeated"),
    pytest.param(lambda: ldpc_code(1, 0.75, 4), id="ldpc of one bit"),
    pytest.param(lambda: turbo_code(1), id="turbo of one bit"),
    pytest.param(lambda: turbo_code(150), id="turbo"),
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
def test_llr_of_any_size_decode(make):
    """Sionna's turbo decoder by default overflows where a channel is nearly free of noise."""
    code = make()
    bits = payloads(code, 2)
    for scale in (2.0, 100.0):
        decoded, passes = code.decode(scale * (2 * code.encode(bits) - 1))
        assert passes.all() and np.array_equal(decoded, bits)


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
    word = ldpc_code(1000, 0.9, 6).encode(np.zeros((1, 1000), dtype=np.uint8))
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


@pytest.mark.parametrize("size", [(8425, 0.5, 2), (1000, 0.97, 2), (1000, 0.04, 2), (8000, 0.3, 2), (0, 0.5, 2)])
def test_impossible_ldpc_sizes_are_refused(size):
    with pytest.raises(ConfigError, match="LDPC"):
        ldpc_code(*size)


@pytest.mark.parametrize("payload_bits", [0, 6121])
def test_impossible_turbo_sizes_are_refused(payload_bits):
    with pytest.raises(ConfigError, match="turbo"):
        turbo_code(payload_bits)


@pytest.mark.parametrize(
    ("payload_bits", "code_rate", "bits_per_symbol"),
    [(777, 0.43, 2), (1000, 0.5, 4), (2950, 0.28, 2), (3333, 0.65, 4), (5000, 0.83, 6), (8424, 0.74, 8)],
)
def test_words_are_those_of_5g(payload_bits, code_rate, bits_per_symbol):
    """Shortened and punctured from a graph of the grid, bit for bit what Sionna makes for this very length."""
    with importing_sionna():
        from sionna.phy.fec.ldpc import LDPC5GEncoder
    code = ldpc_code(payload_bits, code_rate, bits_per_symbol)
    inner = payload_bits + LDPC_CRC_BITS
    direct = LDPC5GEncoder(inner, code.coded_bits, bits_per_symbol, device="cpu")
    bits = payloads(code, 2)
    checked = (code._crc(torch.from_numpy(bits.astype(np.float32))) - code._white).abs()
    assert torch.equal(code.encode(bits), direct(checked))


def test_sionna_loads_no_compiler_and_leaves_that_of_torch_in_place():
    program = """
import sys, torch
before = torch.compile, torch.compiler.disable
from lgvsc.coding.modem.fec import ldpc_code, polar_code
polar_code(24, 70), ldpc_code(777, 0.43, 2)
print("torch._dynamo" in sys.modules, before == (torch.compile, torch.compiler.disable))
"""
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True).stdout
    assert said.split() == ["False", "True"]


def test_the_global_generator_is_left_alone():
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    with importing_sionna():
        torch.default_generator.seed()
    polar_code(24, 70)
    assert torch.equal(torch.rand(3), expected)


def test_few_graphs_serve_all_lengths():
    """Between 1000 and 2000 bits there are nine, so a video's payloads seldom need a new one."""
    graphs = {id(ldpc_code(bits, 0.5, 2)._graph) for bits in range(1000, 2000, 40)}
    assert len(graphs) <= 9

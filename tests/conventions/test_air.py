"""Conventions of the air interface that a sign or a factor of two could break."""

import math

import pytest
import torch

from lgvsc.channel.awgn import awgn
from lgvsc.channel.common import seeded
from lgvsc.coding.burst.framing import PREAMBLE
from lgvsc.coding.modem.digital import demodulate, modulate
from lgvsc.core.air import Reception


def test_n0_is_the_full_complex_variance_and_half_of_it_is_in_each_dimension():
    n = 400_000
    noise = awgn(torch.zeros(n, dtype=torch.complex64), 7.0, generator=seeded(0))
    n0 = 10**-0.7
    assert abs(float(noise.abs().square().mean()) - n0) < 4 * n0 / math.sqrt(n)
    for part in (noise.real, noise.imag):
        assert abs(float(part.square().mean()) - n0 / 2) < 4 * (n0 / 2) * math.sqrt(2 / n)


@pytest.mark.parametrize("bits_per_symbol", [2, 4, 6, 8])
def test_constellations_have_mean_energy_one(bits_per_symbol):
    labels = torch.arange(2**bits_per_symbol)[:, None] >> torch.arange(bits_per_symbol - 1, -1, -1) & 1
    points = modulate(labels.flatten().float(), bits_per_symbol)
    assert len(set(points.tolist())) == 2**bits_per_symbol
    assert float(points.abs().square().mean()) == pytest.approx(1.0, abs=1e-5)
    assert abs(complex(points.mean())) < 1e-6


def test_llr_is_positive_for_a_one_and_scaled_by_n0():
    """QPSK: ln P(1) - ln P(0) = -2 sqrt(2) y / N0 in each dimension, since 5G maps 1 to the negative side."""
    y, n0 = torch.tensor([0.3 - 0.8j, -1.2 + 0.1j], dtype=torch.complex64), torch.tensor([0.5, 2.0])
    expected = -2 * math.sqrt(2) * torch.view_as_real(y) / n0[:, None]
    assert torch.allclose(demodulate(Reception(y, n0), 2), expected.flatten(), atol=1e-4)


@pytest.mark.parametrize("bits_per_symbol", [2, 4, 6, 8])
def test_a_sent_bit_and_its_llr_have_the_same_sign(bits_per_symbol):
    bits = torch.randint(0, 2, (1200 * bits_per_symbol,), generator=seeded(3)).float()
    received = Reception(modulate(bits, bits_per_symbol), torch.full((1200,), 1e-3))
    assert torch.equal((demodulate(received, bits_per_symbol) > 0).float(), bits)


def test_preamble_has_unit_energy_and_constant_amplitude():
    assert torch.allclose(PREAMBLE.abs(), torch.ones(32))

"""Rayleigh block fading: gains, noise, and that the granted state is true."""

import math

import pytest
import torch

from lgvsc.channel.common import seeded
from lgvsc.channel.rayleigh import RayleighChannel
from lgvsc.errors import ConfigError


def test_equalised_noise_has_the_granted_variance():
    sent = torch.ones(64_000, dtype=torch.complex64)
    received = RayleighChannel(5.0, seeded(1), block_symbols=16)(sent)
    ratio = (received.symbols - sent).abs().square() / received.noise_variance  # exponential, mean 1
    assert abs(float(ratio.mean()) - 1) < 4 / math.sqrt(64_000)


def test_gain_is_constant_over_a_block_and_of_mean_power_one():
    received = RayleighChannel(0.0, seeded(2), block_symbols=8)(torch.ones(80_000, dtype=torch.complex64))
    power = (1.0 / received.noise_variance).reshape(-1, 8)
    assert torch.allclose(power, power[:, :1].expand(-1, 8))
    assert power[:, 0].unique().numel() > 9_900  # floats may meet by chance
    assert abs(float(power[:, 0].mean()) - 1) < 4 / math.sqrt(10_000)


def test_blocks_run_on_through_bursts_of_any_length():
    sent = torch.ones(5000, dtype=torch.complex64)
    whole = RayleighChannel(5.0, seeded(3), block_symbols=100)(sent)
    channel = RayleighChannel(5.0, seeded(3), block_symbols=100)
    pieces = [channel(piece) for piece in sent.split([3, 150, 47, 0, 4800])]
    # Vectorised division may round the last bit of a number otherwise at the end of an array.
    assert torch.allclose(torch.cat([piece.symbols for piece in pieces]), whole.symbols, rtol=1e-6, atol=0)
    assert torch.allclose(
        torch.cat([piece.noise_variance for piece in pieces]), whole.noise_variance, rtol=1e-6, atol=0
    )


def test_infinite_snr_returns_what_was_sent():
    sent = torch.randn(1000, dtype=torch.complex64, generator=seeded(0))
    received = RayleighChannel(math.inf, seeded(4))(sent)
    assert torch.allclose(received.symbols, sent, rtol=1e-5)
    assert not received.noise_variance.any()


def test_an_empty_block_is_refused():
    with pytest.raises(ConfigError, match="at least one"):
        RayleighChannel(5.0, seeded(0), block_symbols=0)

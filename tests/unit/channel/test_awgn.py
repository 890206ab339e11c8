"""AWGN against theory: symbol and bit error rates of every constellation, and the noise itself."""

import math

import pytest
import torch

from lgvsc.channel.awgn import AwgnChannel, awgn
from lgvsc.channel.common import child_generator, seeded
from lgvsc.coding.modem.digital import modulate
from lgvsc.errors import ConfigError, ShapeError

SYMBOLS = 100_000


def tail(x: float) -> float:
    return 0.5 * math.erfc(x / math.sqrt(2))


def symbol_error_rate(bits_per_symbol: int, snr: float) -> float:
    """Square QAM: Proakis, Digital Communications, 5th ed., Eqs. (4.3-27) and (4.3-30)."""
    root = 2 ** (bits_per_symbol // 2)
    rail = 2 * (1 - 1 / root) * tail(math.sqrt(3 * snr / (root**2 - 1)))
    return 1 - (1 - rail) ** 2


def bit_error_rate(bits_per_symbol: int, snr: float) -> float:
    """Gray-mapped square QAM: Cho and Yoon 2002, Eqs. (14) and (16), with Es/N0 for Eb/N0 log2 M."""
    root = 2 ** (bits_per_symbol // 2)
    total = 0.0
    for k in range(1, bits_per_symbol // 2 + 1):
        for i in range(round((1 - 2.0**-k) * root)):
            whole = i * 2 ** (k - 1) / root
            weight = (-1) ** math.floor(whole) * (2 ** (k - 1) - math.floor(whole + 0.5))
            total += weight * math.erfc((2 * i + 1) * math.sqrt(3 * snr / (2 * (root**2 - 1)))) / root
    return total / (bits_per_symbol // 2)


@pytest.mark.parametrize(
    ("bits_per_symbol", "snr_db"), [(2, 0.0), (2, 7.0), (4, 8.0), (4, 14.0), (6, 14.0), (6, 20.0), (8, 20.0), (8, 26.0)]
)
def test_error_rates_match_theory(bits_per_symbol, snr_db):
    bits = torch.randint(0, 2, (SYMBOLS, bits_per_symbol), generator=seeded(1))
    received = awgn(modulate(bits.flatten().float(), bits_per_symbol), snr_db, generator=seeded(2))
    labels = torch.arange(2**bits_per_symbol)[:, None] >> torch.arange(bits_per_symbol - 1, -1, -1) & 1
    points = modulate(labels.flatten().float(), bits_per_symbol)
    nearest = torch.cat([(piece[:, None] - points).abs().argmin(dim=1) for piece in received.split(5000)])
    wrong_bits = (labels[nearest] != bits).sum(dim=1).double()

    expected = SYMBOLS * symbol_error_rate(bits_per_symbol, 10 ** (snr_db / 10))
    deviation = math.sqrt(expected * (1 - expected / SYMBOLS))
    assert abs(int((wrong_bits > 0).sum()) - expected) < 4 * deviation

    expected = SYMBOLS * bits_per_symbol * bit_error_rate(bits_per_symbol, 10 ** (snr_db / 10))
    assert abs(float(wrong_bits.sum()) - expected) < 4 * math.sqrt(SYMBOLS * float(wrong_bits.var()))


def test_infinite_snr_adds_nothing():
    sent = modulate(torch.randint(0, 2, (64,), generator=seeded(0)).float(), 2)
    assert torch.equal(awgn(sent, math.inf, generator=seeded(1)), sent)


def test_real_values_and_senseless_snr_are_refused():
    with pytest.raises(ShapeError, match="pair_reals"):
        awgn(torch.ones(4), 10.0)
    with pytest.raises(ConfigError, match="nan"):
        awgn(torch.ones(4, dtype=torch.complex64), math.nan)
    with pytest.raises(ShapeError):
        AwgnChannel(3.0, seeded(0))(torch.ones(4))


def test_noise_does_not_depend_on_how_the_stream_is_cut():
    sent = torch.ones(10_000, dtype=torch.complex64)
    whole = AwgnChannel(3.0, child_generator(5, "channel", "clip"))(sent)
    channel = AwgnChannel(3.0, child_generator(5, "channel", "clip"))
    pieces = [channel(piece).symbols for piece in sent.split([1, 7, 0, 992, 4096, 4904])]
    assert torch.equal(torch.cat(pieces), whole.symbols)
    assert not torch.equal(AwgnChannel(3.0, child_generator(6, "channel", "clip"))(sent).symbols, whole.symbols)


def test_granted_noise_variance_is_that_of_the_noise():
    received = AwgnChannel(6.0, seeded(3))(torch.zeros(100_000, dtype=torch.complex64))
    n0 = 10**-0.6
    assert torch.allclose(received.noise_variance, torch.full((100_000,), n0))
    assert abs(float(received.symbols.abs().square().mean()) - n0) < 4 * n0 / math.sqrt(100_000)

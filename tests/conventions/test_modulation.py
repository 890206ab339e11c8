"""Uncoded bit error rates against closed forms, within four standard deviations."""

import math

import numpy as np
import pytest
import torch

from lgvsc.channel.awgn import awgn
from lgvsc.channel.common import seeded
from lgvsc.coding.modem.digital import demodulate, modulate
from lgvsc.core.air import Reception


def q(x):
    return 0.5 * math.erfc(x / math.sqrt(2))


def theory(bits_per_symbol, snr_db):
    """Exact BER of Gray-mapped square QAM (Cho and Yoon 2002, Eqs. (9) to (14)), Es/N0 in dB."""
    side = 2 ** (bits_per_symbol // 2)
    unit = math.sqrt(3 * 10 ** (snr_db / 10) / (side**2 - 1))
    total = 0.0
    for k in range(1, bits_per_symbol // 2 + 1):
        for i in range(round((1 - 2**-k) * side)):
            turn = i * 2 ** (k - 1) // side
            weight = 2 ** (k - 1) - math.floor(i * 2 ** (k - 1) / side + 0.5)
            total += (-1) ** turn * weight * 2 * q((2 * i + 1) * unit) / side
    return total / (bits_per_symbol // 2)


@pytest.mark.parametrize("snr_db", [-2.0, 6.0])
def test_the_closed_form_is_the_familiar_one_for_qpsk(snr_db):
    assert theory(2, snr_db) == pytest.approx(q(math.sqrt(10 ** (snr_db / 10))))


@pytest.mark.parametrize(
    ("bits_per_symbol", "snr_db"),
    [(2, 0.0), (2, 7.0), (4, 5.0), (4, 13.0), (6, 11.0), (6, 19.0), (8, 16.0), (8, 25.0)],
)
def test_bit_error_rate(bits_per_symbol, snr_db):
    symbols = 120_000
    bits = torch.randint(0, 2, (symbols * bits_per_symbol,), generator=seeded(1)).float()
    received = awgn(modulate(bits, bits_per_symbol), snr_db, generator=seeded(2))
    llr = demodulate(Reception(received, torch.full((symbols,), 10 ** (-snr_db / 10))), bits_per_symbol)
    wrong = ((llr > 0).float() != bits).reshape(symbols, bits_per_symbol).sum(1).numpy()
    # Errors within a symbol hang together, so the spread is that of whole symbols.
    deviation = wrong.std() / bits_per_symbol / np.sqrt(symbols)
    assert wrong.sum() > 200
    assert abs(wrong.mean() / bits_per_symbol - theory(bits_per_symbol, snr_db)) < 4 * deviation


@pytest.mark.parametrize("bits_per_symbol", [2, 4, 6, 8])
def test_soft_bits_are_calibrated(bits_per_symbol):
    """Of bits with an LLR of about x, a share of 1 / (1 + exp(-x)) is one; each symbol has a noise of its own."""
    symbols = 60_000
    bits = torch.randint(0, 2, (symbols * bits_per_symbol,), generator=seeded(3)).float()
    n0 = 10 ** -torch.empty(symbols).uniform_(0.0, 2.0, generator=seeded(4))
    noise = torch.randn(symbols, dtype=torch.complex64, generator=seeded(5)) * n0.sqrt()
    llr = demodulate(Reception(modulate(bits, bits_per_symbol) + noise, n0), bits_per_symbol)
    for low in (-3.0, -1.0, 0.0, 1.0, 3.0):
        near = (llr > low - 0.25) & (llr < low + 0.25)
        expected = float(torch.sigmoid(llr[near]).mean())
        assert abs(float(bits[near].mean()) - expected) < 4 * math.sqrt(0.25 / int(near.sum()))

"""What no code of finite length can do much better: the normal approximation over AWGN."""

from __future__ import annotations

from functools import lru_cache
from math import e, isfinite, log2, sqrt
from statistics import NormalDist

import numpy as np

from lgvsc.errors import ConfigError

HERMITE_POINTS = 80


def normal_approximation(
    information_bits: int, symbols: float, snr_db: float, bits_per_symbol: int | None = None
) -> float:
    """Block error rate of the best code, approximately.

    Args:
        information_bits: Bits of a block. A CRC is information here, or overhead, as one likes to see it.
        symbols: Complex channel uses of a block.
        snr_db: Es/N0.
        bits_per_symbol: Of a square QAM with equally likely points (2, 4, 6, 8); ``None``: power is limited, points
            are not.

    Source:
        Polyanskiy, Poor and Verdu 2010, Eq. (296), per real channel use: ``k = n C - sqrt(n V) Q^-1(e) + log2(n) / 2``
        with n = 2 x symbols; for QAM the moments of the information density of each real dimension. It is good from
        about a hundred symbols on.
    """
    if information_bits < 1 or symbols <= 0:
        raise ConfigError(f"{information_bits} bits in {symbols} symbols are no block; both must be above zero")
    uses = 2 * symbols
    capacity, dispersion = capacity_and_dispersion(snr_db, bits_per_symbol)
    spread = sqrt(max(uses * dispersion, 1e-12))
    return NormalDist().cdf(-(uses * capacity - information_bits + log2(uses) / 2) / spread)


def required_snr_db(information_bits: int, symbols: float, bler: float, bits_per_symbol: int | None = None) -> float:
    """Es/N0 in dB at which the best code loses a block with this probability; infinite where none does."""
    low, high = -30.0, 60.0
    if normal_approximation(information_bits, symbols, high, bits_per_symbol) > bler:
        return float("inf")
    for _ in range(40):
        middle = (low + high) / 2
        if normal_approximation(information_bits, symbols, middle, bits_per_symbol) > bler:
            low = middle
        else:
            high = middle
    return high


@lru_cache(maxsize=4096)
def capacity_and_dispersion(snr_db: float, bits_per_symbol: int | None = None) -> tuple[float, float]:
    """Mean in bits and variance in bits squared of the information density of one real channel use."""
    if not isfinite(snr_db):
        raise ConfigError(f"snr_db is {snr_db}; it must be finite")
    snr = 10 ** (snr_db / 10)
    if bits_per_symbol is None:
        return log2(1 + snr) / 2, snr * (snr + 2) / (2 * (snr + 1) ** 2) * log2(e) ** 2
    if bits_per_symbol not in (2, 4, 6, 8):
        raise ConfigError(f"bits_per_symbol is {bits_per_symbol}; a square QAM has 2, 4, 6 or 8")
    levels = np.arange(2 ** (bits_per_symbol // 2)) * 2.0
    levels -= levels.mean()
    levels /= sqrt(2 * np.mean(levels**2))  # energy one half in each dimension
    deviation = sqrt(1 / (2 * snr))
    nodes, weights = np.polynomial.hermite.hermgauss(HERMITE_POINTS)
    received = levels[:, None] + sqrt(2) * deviation * nodes  # (sent level, noise)
    exponent = -((received[:, :, None] - levels) ** 2) / (2 * deviation**2)
    sent = -(nodes**2)
    mixed = np.log(np.mean(np.exp(exponent - sent[:, None]), axis=2))  # relative to the sent level's own likelihood
    density = -mixed / np.log(2)
    probability = weights / np.sqrt(np.pi) / len(levels)
    mean = float((density * probability).sum())
    return mean, float(((density - mean) ** 2 * probability).sum())

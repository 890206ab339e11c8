"""The normal approximation: its moments against known values and simulation, its shape against its own limits."""

import math

import numpy as np
import pytest

from finite_length import capacity_and_dispersion, normal_approximation, required_snr_db
from lgvsc.errors import ConfigError


def test_capacity_of_bpsk_at_unit_noise():
    """0.4859 bit for levels of +-1 in noise of variance one, as in Richardson and Urbanke, Modern Coding Theory."""
    assert capacity_and_dispersion(0.0, 2)[0] == pytest.approx(0.4859, abs=1e-4)


def test_gaussian_capacity_and_dispersion():
    """At 0 dB, per real use: C = 1/2 bit, V = 3/8 log2(e)^2."""
    capacity, dispersion = capacity_and_dispersion(0.0)
    assert capacity == pytest.approx(0.5)
    assert dispersion == pytest.approx(0.375 * math.log2(math.e) ** 2)


@pytest.mark.parametrize(("bits_per_symbol", "snr_db"), [(2, -3.0), (2, 4.0), (4, 6.0), (6, 13.0), (8, 16.0)])
def test_moments_of_qam_match_a_simulation(bits_per_symbol, snr_db):
    random = np.random.default_rng(bits_per_symbol)
    count, deviation = 400_000, math.sqrt(10 ** (-snr_db / 10) / 2)
    levels = np.arange(2 ** (bits_per_symbol // 2)) * 2.0
    levels = (levels - levels.mean()) / math.sqrt(2 * levels.var())
    sent = random.choice(levels, count)
    received = sent + deviation * random.normal(size=count)
    likelihood = np.exp(-((received[:, None] - levels) ** 2) / (2 * deviation**2))
    own = np.exp(-((received - sent) ** 2) / (2 * deviation**2))
    density = np.log2(own / likelihood.mean(axis=1))
    capacity, dispersion = capacity_and_dispersion(snr_db, bits_per_symbol)
    assert abs(density.mean() - capacity) < 4 * math.sqrt(dispersion / count)
    assert density.var() == pytest.approx(dispersion, rel=0.02)


def test_at_low_snr_qpsk_loses_nothing_and_at_high_snr_it_ends_at_one_bit():
    assert capacity_and_dispersion(-15.0, 2)[0] == pytest.approx(capacity_and_dispersion(-15.0)[0], rel=5e-3)
    capacity, dispersion = capacity_and_dispersion(20.0, 2)
    assert capacity == pytest.approx(1.0, abs=1e-9) and dispersion < 1e-9


def test_longer_blocks_come_closer_to_capacity():
    needed = [required_snr_db(symbols, symbols, 1e-3) for symbols in (100, 1000, 10_000, 1_000_000)]
    assert needed == sorted(needed, reverse=True)
    assert needed[-1] == pytest.approx(0.0, abs=0.05) and needed[0] > 0.8


def test_the_required_snr_inverts_the_error_rate():
    snr_db = required_snr_db(200, 300, 1e-3, 2)
    assert normal_approximation(200, 300, snr_db, 2) == pytest.approx(1e-3, rel=1e-3)
    assert required_snr_db(700, 300, 1e-3, 2) == math.inf  # more than two bits per symbol


@pytest.mark.parametrize("bad", [lambda: normal_approximation(0, 5, 1.0), lambda: capacity_and_dispersion(1.0, 3)])
def test_nonsense_is_refused(bad):
    with pytest.raises(ConfigError):
        bad()

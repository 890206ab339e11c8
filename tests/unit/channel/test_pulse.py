"""Pulses: unit energy, no intersymbol interference, and filtering at any instant and rate."""

import numpy as np
import pytest

from lgvsc.channel.pulse import SPAN_SYMBOLS, PulseShaper, matched_filter, root_raised_cosine
from lgvsc.errors import ConfigError


def qpsk(count, seed=0):
    bits = np.random.default_rng(seed).integers(0, 2, (count, 2)) * 2 - 1
    return ((bits[:, 0] + 1j * bits[:, 1]) / np.sqrt(2)).astype(np.complex64)


def shaped(symbols, rate, pieces=1):
    shaper = PulseShaper(rate)
    return np.concatenate([*(shaper.shape(piece) for piece in np.array_split(symbols, pieces)), shaper.finish()])


def test_the_pulse_has_unit_energy_and_its_autocorrelation_is_zero_at_other_symbols():
    """Nyquist's criterion, from a fine sampling of the formula."""
    time = np.arange(-64 * 16, 64 * 16) / 16
    pulse = root_raised_cosine(time)
    correlation = np.correlate(pulse, pulse, "full")[len(pulse) - 1 :: 16] / 16
    assert correlation[0] == pytest.approx(1, abs=1e-3)
    assert np.abs(correlation[1:40]).max() < 1e-3


def test_known_values_of_the_pulse():
    """Limits at zero and at 1 / (4 rolloff), as the formula tends to them."""
    for exact in (0.0, 1 / 1.4):
        near = root_raised_cosine(np.array([exact + 1e-6]))
        assert root_raised_cosine(np.array([exact])) == pytest.approx(near, abs=1e-5)
    assert root_raised_cosine(np.array([0.0]))[0] == pytest.approx(1 - 0.35 + 4 * 0.35 / np.pi)


@pytest.mark.parametrize("rate", [2, 4, 7])
def test_symbols_come_back(rate):
    sent = qpsk(300)
    samples = shaped(sent, rate)
    times = rate * (SPAN_SYMBOLS + np.arange(300.0))
    error = matched_filter(samples, times, rate) - sent
    assert np.mean(np.abs(error) ** 2) < 10**-4  # what the cut pulse leaves is 40 dB below the symbols


def test_pieces_make_the_same_waveform_as_the_whole():
    sent = qpsk(200)
    assert np.allclose(shaped(sent, 4), shaped(sent, 4, pieces=9), atol=1e-6)


def test_power_is_one_symbol_s_energy_spread_over_its_samples():
    assert np.mean(np.abs(shaped(qpsk(5000), 4)) ** 2) == pytest.approx(1 / 4, rel=0.05)


def test_noise_per_sample_is_noise_per_symbol():
    rng = np.random.default_rng(1)
    noise = (rng.normal(size=(40_000, 2)) @ [1, 1j]).astype(np.complex64) / np.sqrt(2)
    filtered = matched_filter(noise, 4.0 * np.arange(20, 9000), 4)
    assert np.mean(np.abs(filtered) ** 2) == pytest.approx(1, rel=0.05)


def test_beyond_the_ends_there_is_nothing_and_nothing_fails():
    assert not matched_filter(np.ones(100, np.complex64), np.array([-1e6, 1e9]), 4)[0]
    assert matched_filter(np.empty(0, np.complex64), np.array([0.0]), 4) == 0
    assert PulseShaper(4).shape(np.empty(0, np.complex64)).size == 0


def test_rates_out_of_range_are_refused():
    for rate in (1, 33):
        with pytest.raises(ConfigError, match=f"{rate} samples for each symbol"):
            PulseShaper(rate)

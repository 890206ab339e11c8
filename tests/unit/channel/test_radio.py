"""The simulated radio: every impairment is what it says, however the waveform is cut."""

import numpy as np
import pytest

from lgvsc.channel.common import seeded
from lgvsc.channel.radio import RadioChannel, RadioConfig
from lgvsc.errors import ConfigError


def tone(count, cycles_per_sample=0.02):
    return np.exp(2j * np.pi * cycles_per_sample * np.arange(count)).astype(np.complex64)


def through(samples, snr_db=float("inf"), pieces=1, **config):
    radio = RadioChannel(RadioConfig(**config), snr_db, seeded(0))
    return np.concatenate([*(radio(piece) for piece in np.array_split(samples, pieces)), radio.finish()])


def test_a_radio_without_faults_records_what_was_sent():
    sent = tone(3000)
    assert np.abs(through(sent)[:3000] - sent).max() < 1e-5


def test_cutting_the_waveform_changes_nothing():
    config = {"delay_samples": 77.7, "clock_ppm": 300, "rate": 1.3, "frequency_offset": 0.01, "dc": 0.1, "gain": 3}
    whole, cut = (through(tone(20_000), snr_db=5, pieces=pieces, **config) for pieces in (1, 11))
    assert len(whole) == len(cut) and np.allclose(whole, cut, atol=1e-4)


@pytest.mark.parametrize("rate", [1.0, 1.25, 0.7])
def test_delay_clock_and_rate_are_a_tone_at_other_instants(rate):
    got = through(tone(20_000), delay_samples=100.25, clock_ppm=40, rate=rate)
    n = np.arange(3000, 8000)
    expected = np.exp(2j * np.pi * 0.02 * (n - 100.25) * (1 + 40e-6) / rate)
    assert np.abs(got[n] - expected).max() < 1e-3
    assert not got[:70].any(), "before the waveform there is nothing"


def test_frequency_phase_gain_and_dc():
    got = through(tone(2000), frequency_offset=0.005, phase_rad=1.0, gain=0.5, dc=0.25)
    n = np.arange(100, 1900)
    expected = 0.5 * (np.exp(2j * np.pi * 0.025 * n + 1j) + 0.25)
    assert np.abs(got[n] - expected).max() < 1e-4


@pytest.mark.parametrize("rate", [1.0, 2.0])
def test_noise_has_the_power_that_a_matched_filter_expects(rate):
    """At twice the rate a symbol is in twice as many samples, so each of them takes twice the noise."""
    noise = through(np.zeros(50_000, np.complex64), snr_db=3, rate=rate)
    assert np.mean(np.abs(noise) ** 2) == pytest.approx(rate * 10**-0.3, rel=0.03)


@pytest.mark.parametrize(
    "config",
    [
        {"delay_samples": -1},
        {"gain": 0},
        {"rate": 0},
        {"clock_ppm": 1e6},
        {"dc": float("nan")},
        {"gain": "loud"},
        {"phase_rad": True},
    ],
)
def test_settings_that_no_radio_has_are_refused(config):
    with pytest.raises(ConfigError, match=next(iter(config))):
        RadioConfig(**config)

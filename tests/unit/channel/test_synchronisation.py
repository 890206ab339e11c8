"""Recovery: what radios add is found and undone, and noise yields nothing."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lgvsc.channel.common import seeded
from lgvsc.channel.pulse import SPAN_SYMBOLS, PulseShaper
from lgvsc.channel.radio import RadioChannel, RadioConfig
from lgvsc.channel.synchronisation import clock, find_sync, gains, recover
from lgvsc.channel.waveform import frame
from lgvsc.errors import ConfigError

RATE = 4


def data(count, seed=0):
    """16-QAM: four amplitudes, so that nothing can hide behind a constant envelope."""
    levels = np.random.default_rng(seed).integers(0, 4, (count, 2)) * 2 - 3
    return ((levels @ [1, 1j]) / np.sqrt(10)).astype(np.complex64)


def waveform(*bursts, rate=RATE):
    shaper = PulseShaper(rate)
    return np.concatenate([*(shaper.shape(frame(burst)) for burst in bursts), shaper.finish()])


def recorded(*bursts, snr_db=20.0, seed=0, trailing=300, **radio):
    channel = RadioChannel(RadioConfig(**radio), snr_db, seeded(seed))
    samples = np.concatenate([waveform(*bursts), np.zeros(trailing, np.complex64)])
    return np.concatenate([channel(samples), channel.finish()])


def error_db(received, sent):
    return 10 * np.log10(np.mean(np.abs(received.symbols.numpy() - sent) ** 2))


@pytest.mark.parametrize("snr_db", [5.0, 10.0, 20.0])
@pytest.mark.parametrize(
    "radio",
    [
        {},
        {"delay_samples": 1234.37, "phase_rad": 2.0},
        {"frequency_offset": 0.02 / RATE, "gain": 0.01},
        {"frequency_offset": -0.02 / RATE, "gain": 100.0},
        {"clock_ppm": 20.0, "delay_samples": 50.5},
        {"clock_ppm": -80.0, "frequency_offset": 0.01 / RATE, "dc": 0.02},
        {"rate": 0.75, "clock_ppm": 20.0, "frequency_offset": 0.02 / RATE, "delay_samples": 3000.1},
        {"rate": 1.4, "clock_ppm": -20.0, "phase_rad": -1.0},
    ],
    ids=str,
)
def test_symbols_come_back_with_the_noise_of_the_channel_and_little_more(radio, snr_db):
    sent = [data(700, 1), data(5000, 2)]
    got = list(recover([recorded(*sent, snr_db=snr_db, **radio)], RATE * radio.get("rate", 1.0)))
    assert [len(g) for g in got] == [700, 5000]
    for reception, burst in zip(got, sent, strict=True):
        loss_db = error_db(reception, burst) + snr_db
        assert loss_db < 1.2, "what recovery costs"
        believed_db = 10 * np.log10(reception.noise_variance.mean().item())
        assert abs(believed_db - error_db(reception, burst)) < 1.5, "what the receiver thinks the noise is"


def test_without_noise_only_the_receiver_s_own_errors_are_left():
    sent = data(6000)
    (got,) = recover([recorded(sent, snr_db=60.0, clock_ppm=30, frequency_offset=0.004, delay_samples=9.4)], RATE)
    assert error_db(got, sent) < -32


def test_a_long_burst_is_followed_through_a_drift_of_many_symbols():
    """50,000 symbols at 100 ppm are five symbols late in the end."""
    sent = data(50_000)
    (got,) = recover([recorded(sent, snr_db=20.0, clock_ppm=100, frequency_offset=0.003)], RATE)
    assert error_db(got, sent) < -19 and error_db(got[-500:], sent[-500:]) < -18.5


def test_a_wandering_phase_is_followed():
    """A phase that turns back and forth over two thousand symbols, as that of a poor oscillator."""
    sent = data(8000)
    samples = waveform(sent)
    wobble = np.exp(1.2j * np.sin(2 * np.pi * np.arange(len(samples)) / (2000 * RATE)))
    noise = np.random.default_rng(0).normal(size=(len(samples), 2)) @ [1, 1j] * np.sqrt(0.01 / 2)
    (got,) = recover([(samples * wobble + noise).astype(np.complex64)], RATE)
    assert error_db(got, sent) < -18


def test_however_the_recording_is_cut_the_same_comes_out():
    samples = recorded(data(400, 1), data(900, 2), delay_samples=5000)
    whole = list(recover([samples], RATE))
    cut = list(recover(np.array_split(samples, 57), RATE))
    assert [len(g) for g in whole] == [len(g) for g in cut] == [400, 900]
    assert all(np.allclose(a.symbols, b.symbols, atol=0.02) for a, b in zip(whole, cut, strict=True))


def test_bursts_far_apart_and_of_other_gain_and_frequency_are_each_found():
    """As from a radio that is switched on for each burst."""
    first, second = data(500, 1), data(800, 2)
    gap = recorded(snr_db=20.0, trailing=20_000)
    samples = [recorded(first, gain=30, frequency_offset=0.004), 30 * gap, recorded(second, frequency_offset=-0.004)]
    got = list(recover([np.concatenate(samples).astype(np.complex64)], RATE))
    assert [len(g) for g in got] == [500, 800]
    assert error_db(got[0], first) < -18.5 and error_db(got[1], second) < -18.5


def test_what_the_recording_s_end_cuts_off_is_left_out():
    sent = data(5000)
    samples = recorded(sent)
    (got,) = recover([samples[: len(samples) // 2]], RATE)
    assert 2000 < len(got) < 2800
    assert error_db(got[:1900], sent[:1900]) < -18.5


@pytest.mark.parametrize("dc", [0.0, 1.0])
def test_noise_holds_no_bursts(dc):
    channel = RadioChannel(RadioConfig(dc=dc), 0.0, seeded(3))
    assert list(recover([channel(np.zeros(60_000, np.complex64))], RATE)) == []


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.sampled_from([0.0, 1.0, float("nan"), float("inf"), 1e30, -1e-30]) | st.floats(width=32), max_size=60),
    st.integers(1, 60),
    st.sampled_from([1.5, 2.0, 3.3, 32.0]),
)
def test_hostile_samples_never_crash(values, repeats, rate):
    samples = np.tile(np.array(values, dtype=np.complex64), repeats)
    for reception in recover([samples, samples], rate):
        assert np.isfinite(reception.symbols.numpy()).all()


def test_symbols_that_are_no_numbers_spoil_their_surroundings_only():
    sent = data(3000)
    samples = recorded(sent)
    samples[8000:8020] = np.nan
    (got,) = recover([samples], RATE)
    assert error_db(got[:1400], sent[:1400]) < -17
    assert error_db(got[2000:], sent[2000:]) < -17


def test_rates_that_no_waveform_has_are_refused():
    for rate in (1.0, 33.0, float("nan")):
        with pytest.raises(ConfigError, match="samples_per_symbol"):
            list(recover([np.zeros(10, np.complex64)], rate))


def test_the_sync_is_found_to_a_fraction_of_a_sample_and_of_a_hertz():
    samples = recorded(data(300), snr_db=20, delay_samples=777.3, frequency_offset=0.015 / RATE)
    found = find_sync(samples[:8000], RATE)
    assert found.time == pytest.approx(777.3 + SPAN_SYMBOLS * RATE, abs=0.15)
    assert found.frequency == pytest.approx(0.015, abs=3e-4)


def test_the_clock_is_read_from_the_power_alone():
    n = np.arange(4 * 4000) / 4
    power = 1 + 0.3 * np.cos(2 * np.pi * (n - 0.01 - 6e-5 * n))
    late, drift = clock(power)
    assert late == pytest.approx(0.01, abs=2e-3) and drift == pytest.approx(6e-5, abs=2e-6)


def test_few_noisy_blocks_are_not_taken_for_a_wrong_clock():
    _, drift = clock(np.random.default_rng(0).exponential(size=4 * 300))
    assert abs(drift) < 5e-5


def test_smoothing_suits_the_oscillator():
    """Steady: averaged over many pilots. Turning fast: over few."""
    rng = np.random.default_rng(0)
    where = 32 * np.arange(200)
    noise = rng.normal(size=(200, 2)) @ [1, 1j] * 0.2
    steady = gains(where, (1 + noise).astype(np.complex64), 6400)
    assert np.mean(np.abs(steady - 1) ** 2) < 0.08 / 30
    turning = np.exp(2j * np.pi * np.arange(6400) / 1000)
    error = np.abs(gains(where, turning[where].astype(np.complex64), 6400) - turning)
    assert np.mean(error[200:-200] ** 2) < 0.02

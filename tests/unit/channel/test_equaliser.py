"""Echoes are undone where there are any, and where there are none nothing changes, not a bit."""

import numpy as np
import pytest

from lgvsc.channel import synchronisation
from lgvsc.channel.common import seeded
from lgvsc.channel.equaliser import PER_SYMBOL, REACH_SYMBOLS, equalise
from lgvsc.channel.pulse import PulseShaper
from lgvsc.channel.radio import RadioChannel, RadioConfig
from lgvsc.channel.synchronisation import recover
from lgvsc.channel.waveform import frame

RATE = 4
COUNT = 3000


def data(seed=1):
    levels = np.random.default_rng(seed).integers(0, 4, (COUNT, 2)) * 2 - 3
    return ((levels @ [1, 1j]) / np.sqrt(10)).astype(np.complex64)


def echoes(*paths):
    """Taps at the samples: a direct path and others, (samples late, amplitude), together of energy one."""
    taps = np.zeros(max((late for late, _ in paths), default=0) + 1, dtype=complex)
    taps[0] = 1
    for late, amplitude in paths:
        taps[late] += amplitude
    return taps / np.linalg.norm(taps)


def recorded(taps, snr_db, seed=0, **radio):
    shaper = PulseShaper(RATE)
    sent = np.concatenate([shaper.shape(frame(data())), shaper.finish(), np.zeros(300)])
    channel = RadioChannel(RadioConfig(**radio), snr_db, seeded(seed))
    return np.concatenate([channel(np.convolve(sent, taps)), channel.finish()])


def error_db(received):
    return 10 * np.log10(np.mean(np.abs(np.asarray(received.symbols) - data()) ** 2))


RADIO = {"delay_samples": 1234.4, "frequency_offset": 0.003, "clock_ppm": 20.0}
PATHS = {
    "half a symbol": ([(2, 0.4j)], -18.0),
    "one symbol": ([(4, 0.6)], -15.5),
    "two echoes": ([(5, 0.5j), (13, -0.4)], -14.5),
    "seven symbols": ([(28, 0.5)], -14.5),
    "nearly as strong": ([(4, 0.9), (9, 0.4j)], -11.5),
}


@pytest.mark.parametrize("name", PATHS)
def test_echoes_are_undone_and_what_is_left_of_them_is_known(name):
    paths, wanted_db = PATHS[name]
    (got,) = recover([recorded(echoes(*paths), 20.0, **RADIO)], RATE)
    assert error_db(got) < wanted_db
    believed_db = 10 * np.log10(got.noise_variance.mean().item())
    assert abs(believed_db - error_db(got)) < 1.5, "what the receiver thinks the noise is"


def test_without_the_filter_they_were_noise(monkeypatch):
    monkeypatch.setattr(synchronisation, "WORTH", np.inf)
    for paths, wanted_db in PATHS.values():
        (got,) = recover([recorded(echoes(*paths), 20.0, **RADIO)], RATE)
        assert error_db(got) > wanted_db + 5


@pytest.mark.parametrize("snr_db", [-2.0, 0.0, 5.0, 10.0, 20.0])
def test_a_flat_channel_is_left_alone(snr_db, monkeypatch):
    for seed in range(3):
        samples = recorded([1.0], snr_db, seed, **RADIO)
        (got,) = recover([samples], RATE)
        with monkeypatch.context() as patch:
            patch.setattr(synchronisation, "WORTH", np.inf)
            (without,) = recover([samples], RATE)
        assert np.array_equal(got.symbols, without.symbols)
        assert np.array_equal(got.noise_variance, without.noise_variance)


def test_a_filter_is_no_longer_than_it_must_be():
    """Noise alone around the symbols gives long filters nothing to do: their taps would only add to it."""
    rng = np.random.default_rng(0)
    sent = (1 - 2 * rng.integers(0, 2, 400)).astype(np.float32)
    halves = np.zeros(PER_SYMBOL * (399 + 2 * REACH_SYMBOLS) + 1, dtype=np.complex64)
    halves[PER_SYMBOL * REACH_SYMBOLS :][: PER_SYMBOL * 400 : PER_SYMBOL] = sent
    halves += 0.3 * (rng.standard_normal(len(halves)) + 1j * rng.standard_normal(len(halves))) / np.sqrt(2)
    known = np.arange(0, 400, 2)
    got = equalise(halves, known, sent[known])
    others = np.setdiff1d(np.arange(400), known)
    gain = float(np.mean(got.symbols[others] * sent[others]).real)
    measured = gain**2 / float(np.mean(np.abs(got.symbols[others] - gain * sent[others]) ** 2))
    assert measured > 0.8 / 0.09, "200 known symbols and 9 taps cost a twentieth of the signal-to-noise ratio"
    assert got.snr == pytest.approx(measured, rel=0.25)


def test_silence_and_a_direct_current_are_no_reason_to_fail():
    for halves in (np.zeros(2 * (99 + 2 * REACH_SYMBOLS) + 1, np.complex64), np.ones(2 * (99 + 32) + 1, np.complex64)):
        got = equalise(halves, np.arange(100), np.resize(np.float32([1, -1]), 100))
        assert np.isfinite(got.symbols).all() and got.snr < 0.2

"""Symbols as samples and back: root-raised-cosine pulses, at any sampling rate and any instant.

The pulse has unit energy, so that noise of variance N0 per sample is noise of variance N0 per symbol behind the
matched filter: Es/N0 means the same in samples as in symbols.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from lgvsc.errors import ConfigError

Complex: TypeAlias = NDArray[np.complex64]

ROLLOFF = 0.35
SPAN_SYMBOLS = 10  # of the pulse, to each side; what is cut off is 50 dB below the symbol
TAIL_SYMBOLS = 2 * SPAN_SYMBOLS - 1  # that the last pulse reaches beyond the others
MIN_SAMPLES_PER_SYMBOL = 1.5  # the pulse occupies 1.35 of the symbol rate
MAX_SAMPLES_PER_SYMBOL = 32.0
_TABLE_STEPS = 2048  # per symbol, between which the pulse is interpolated
_FILTER_VALUES = 1 << 20  # weights held at once


def whole_rate(samples_per_symbol: float) -> int:
    """How a waveform that is sent is sampled.

    Raises:
        ConfigError: Not a whole number from 2 to 32.
    """
    if samples_per_symbol not in range(2, int(MAX_SAMPLES_PER_SYMBOL) + 1):
        raise ConfigError(
            f"{samples_per_symbol:g} samples for each symbol: a waveform is sent with a whole number of them, 2 to 32, "
            "and 4 is usual"
        )
    return int(samples_per_symbol)


class PulseShaper:
    """Symbols to samples, piece by piece; the pulses of one piece reach into the next.

    Args:
        samples_per_symbol: 2 to 32.
    """

    def __init__(self, samples_per_symbol: int) -> None:
        samples_per_symbol = self._rate = whole_rate(samples_per_symbol)
        reach = np.arange(-SPAN_SYMBOLS * samples_per_symbol, SPAN_SYMBOLS * samples_per_symbol)
        self._taps = root_raised_cosine(reach / samples_per_symbol) / np.sqrt(samples_per_symbol)
        self._tail = np.zeros(len(self._taps) - samples_per_symbol, dtype=np.complex128)

    def shape(self, symbols: Complex) -> Complex:
        """The next ``samples_per_symbol`` samples for each symbol. The first symbol's pulse culminates
        ``SPAN_SYMBOLS`` symbols later.
        """
        if not symbols.size:
            return np.empty(0, dtype=np.complex64)
        phases = [np.convolve(symbols, self._taps[phase :: self._rate]) for phase in range(self._rate)]
        samples = np.stack(phases, axis=1).reshape(-1)
        samples[: len(self._tail)] += self._tail
        whole = len(symbols) * self._rate
        self._tail = samples[whole:]
        return samples[:whole].astype(np.complex64)

    def finish(self) -> Complex:
        """What is left of the last pulses."""
        tail, self._tail = self._tail, np.zeros_like(self._tail)
        return tail.astype(np.complex64)


def matched_filter(samples: Complex, times: NDArray[np.floating], samples_per_symbol: float) -> Complex:
    """What a filter matched to the pulse gives at certain instants.

    One sum does filtering, interpolation and resampling: samples around each instant, weighted with the pulse.

    Args:
        samples: ``(n,)``; taken to be zero beyond both ends.
        times: Instants, in samples from the first one, any real numbers, any shape.
        samples_per_symbol: At least 1.5, not necessarily whole.

    Returns:
        complex64, in the shape of ``times``.
    """
    reach = int(np.ceil(SPAN_SYMBOLS * samples_per_symbol))
    nothing = np.zeros(2 * reach + 2, samples.dtype)
    padded = np.concatenate([nothing, samples, nothing])
    table = _table()
    offsets = np.arange(-reach + 1, reach + 1)
    flat = np.clip(times.reshape(-1), -reach - 1, len(samples) + reach + 1)
    filtered = np.empty(len(flat), dtype=np.complex64)
    step = max(1, _FILTER_VALUES // len(offsets))
    for start in range(0, len(flat), step):
        instants = flat[start : start + step, None]
        floor = np.floor(instants).astype(np.int64)
        distance = np.abs(floor + offsets - instants) * (_TABLE_STEPS / samples_per_symbol)
        weights = table[np.minimum((distance + 0.5).astype(np.int64), len(table) - 1)]
        filtered[start : start + step] = (padded[floor + offsets + len(nothing)] * weights).sum(axis=1)
    return (filtered / np.sqrt(samples_per_symbol)).reshape(times.shape)


def root_raised_cosine(time: NDArray[np.float64]) -> NDArray[np.float64]:
    """The pulse, of unit energy and rolloff 0.35, at times in symbols. Source: Proakis, Digital Communications, 9.2."""
    time = np.abs(time)
    at_zero, at_pole = time < 1e-9, np.abs(time - 1 / (4 * ROLLOFF)) < 1e-9
    t = np.where(at_zero | at_pole, 0.1, time)
    rise = np.sin(np.pi * t * (1 - ROLLOFF)) + 4 * ROLLOFF * t * np.cos(np.pi * t * (1 + ROLLOFF))
    pulse: NDArray[np.float64] = rise / (np.pi * t * (1 - (4 * ROLLOFF * t) ** 2))
    pulse[at_zero] = 1 + ROLLOFF * (4 / np.pi - 1)
    quarter = np.pi / (4 * ROLLOFF)
    pulse[at_pole] = ROLLOFF / np.sqrt(2) * ((1 + 2 / np.pi) * np.sin(quarter) + (1 - 2 / np.pi) * np.cos(quarter))
    return pulse


@lru_cache(maxsize=1)
def _table() -> NDArray[np.float32]:
    steps = np.arange(SPAN_SYMBOLS * _TABLE_STEPS + 1) / _TABLE_STEPS
    return np.append(root_raised_cosine(steps), 0.0).astype(np.float32)

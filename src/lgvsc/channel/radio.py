"""What two real radios do to a waveform: they start at different times, and their oscillators disagree."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from lgvsc.channel.common import Noise, noise_power
from lgvsc.channel.pulse import Complex
from lgvsc.errors import ConfigError

_REACH = 24  # samples to each side from which one is interpolated


@dataclass(frozen=True, slots=True, kw_only=True)
class RadioConfig:
    """How the receiving radio differs from the sending one.

    Attributes:
        delay_samples: The recording begins so much before the waveform, not necessarily a whole number.
        frequency_offset: Of the carrier, in cycles per sample.
        clock_ppm: How much slower the recorder's clock runs, in parts per million.
        rate: Nominal samples recorded for each one sent.
        phase_rad, gain: Of the whole recording.
        dc: What the recorder adds to every sample, before its gain.
    """

    delay_samples: float = 0.0
    frequency_offset: float = 0.0
    clock_ppm: float = 0.0
    rate: float = 1.0
    phase_rad: float = 0.0
    gain: float = 1.0
    dc: float = 0.0

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> RadioConfig:
        """From names and values.

        Raises:
            ConfigError: A name that no setting has, or a value out of range.
        """
        for name in values:
            if name not in cls.__slots__:
                raise ConfigError(f"no radio setting is called {name!r}; there are {', '.join(cls.__slots__)}")
        return cls(**values)

    def __post_init__(self) -> None:
        for name in self.__slots__:
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
                raise ConfigError(f"radio.{name} is {value}; it is a finite number")
        if not 0 <= self.delay_samples <= 1e9:
            raise ConfigError(f"radio.delay_samples is {self.delay_samples}; a recording begins 0 to 1e9 samples early")
        if not abs(self.clock_ppm) <= 1e4 or not 0.1 <= self.rate <= 10:
            raise ConfigError(f"radio.clock_ppm is {self.clock_ppm} and rate {self.rate}; use +-10000, and 0.1 to 10")
        if not self.gain > 0:
            raise ConfigError(f"radio.gain is {self.gain}; a receiver amplifies by more than 0")


class RadioChannel:
    """A waveform from antenna to recording, piece by piece.

    Args:
        config: See :class:`RadioConfig`.
        snr_db: Es/N0 in dB, per symbol, behind a matched filter.
        generator: Where the noise comes from.
    """

    def __init__(self, config: RadioConfig, snr_db: float, generator: torch.Generator) -> None:
        self._config = config
        self._noise = Noise(generator)
        self._deviation = math.sqrt(noise_power(snr_db) * config.rate)  # a symbol has so much more energy in samples
        self._step = (1 + config.clock_ppm * 1e-6) / config.rate
        self._ahead = np.zeros(_REACH, dtype=np.complex128)  # sent, and still needed
        self._ahead_from = -_REACH  # index of the first of them
        self._sent = 0
        self._made = 0

    def __call__(self, samples: Complex) -> Complex:
        """What is recorded while these samples are sent; a little later, as interpolation looks ahead."""
        turns = 2 * np.pi * self._config.frequency_offset * (self._sent + np.arange(len(samples)))
        turned = samples * np.exp(1j * (turns + self._config.phase_rad))
        self._ahead = np.concatenate([self._ahead, turned])
        self._sent += len(samples)
        last = self._sent - 1 - _REACH  # latest instant that can be interpolated
        count = math.floor(last / self._step + self._config.delay_samples) + 1 - self._made
        if count <= 0:
            return np.empty(0, dtype=np.complex64)
        instants = (self._made + np.arange(count) - self._config.delay_samples) * self._step
        recorded = self._interpolated(instants)
        self._made += count
        done = max(0, math.floor(last) - 2 * _REACH - self._ahead_from)
        self._ahead, self._ahead_from = self._ahead[done:], self._ahead_from + done
        noise = self._deviation * self._noise.take(count).numpy()
        return (self._config.gain * (recorded + self._config.dc + noise)).astype(np.complex64)

    def finish(self) -> Complex:
        """What is recorded of the last samples."""
        return self(np.zeros(2 * _REACH, dtype=np.complex64))

    def _interpolated(self, instants: np.ndarray) -> np.ndarray:
        """A windowed sinc at any instants; what lies outside is zero."""
        values = np.zeros(len(instants), dtype=np.complex128)
        offsets = np.arange(-_REACH + 1, _REACH + 1)
        inside = np.flatnonzero(instants > -_REACH)
        for start in range(0, len(inside), 1 << 14):
            some = inside[start : start + (1 << 14)]
            floor = np.floor(instants[some]).astype(np.int64)
            distance = floor[:, None] + offsets - instants[some, None]
            weights = np.sinc(distance) * np.cos(np.pi * distance / (2 * _REACH + 1)) ** 2
            where = floor[:, None] + offsets - self._ahead_from
            heard = np.where(where >= 0, self._ahead[np.clip(where, 0, len(self._ahead) - 1)], 0)
            values[some] = (heard * weights).sum(axis=1)
        return values

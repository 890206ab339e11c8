"""Fading: a gain on every symbol, and what the receiver knows of it."""

from __future__ import annotations

import math
from typing import Literal, NamedTuple, Protocol, TypeAlias

import torch
from torch import Tensor

from lgvsc.channel.common import Noise, Stream, branches, checked, noise_power
from lgvsc.core.air import Reception

Csi: TypeAlias = Literal["perfect", "estimated", "none"]


class EstimationFrame(NamedTuple):
    """The stretch of symbols for which a receiver estimates gains at once, the same for the whole stream.

    Attributes:
        symbols: Symbols of a frame, pilots included; a multiple of the pilot spacing.
        reach: How many frames before and after it lend it their pilots.
    """

    symbols: int
    reach: int


class Fading(Protocol):
    """A random process of complex gains ``h`` with ``E|h|^2 = 1``, one for each symbol of a stream."""

    @property
    def kind(self) -> str:
        """Name of the kind of channel, as in the settings."""
        ...

    def gains(self, generator: torch.Generator) -> Stream:
        """One realisation, from the first symbol on. This is what nature does."""
        ...

    def covariance(self, a: Tensor, b: Tensor) -> Tensor:
        """``E[h_a conj(h_b)]`` for positions in the stream, int64 ``(n,)`` and ``(m,)``: complex128 ``(n, m)``.

        This is what a receiver may know beforehand.
        """
        ...

    def frame(self, pilot_spacing: int) -> EstimationFrame:
        """How a receiver follows the gains by a pilot in every ``pilot_spacing`` symbols.

        Raises:
            ConfigError: The gains change too fast for that.
        """
        ...


class FadingChannel:
    """``y = h x + n``: gains of a fading process, and white Gaussian noise. Gains run on through all bursts.

    What the receiver knows (CSI):

    * ``perfect``: every gain. It gets ``y / h`` with noise variance ``N0 / |h|^2``.
    * ``estimated``: ``N0`` and the statistics of the fading. It gets ``y`` with ``N0``, and finds the gains itself, by
      pilots that were sent and paid for: see :mod:`lgvsc.channel.pilots`.
    * ``none``: ``N0`` alone. It gets ``y`` with ``N0``, with no way to tell amplitude and phase of ``h``. A coherent
      code is lost then, and so are all that lgvsc has.

    Args:
        fading: The process of gains.
        snr_db: Mean Es/N0 in dB, per complex symbol. Infinity adds no noise.
        generator: Where gains and noise come from. Each has its own branch, so all fading processes of one generator
            share their noise.
        csi: What the receiver knows.
    """

    def __init__(self, fading: Fading, snr_db: float, generator: torch.Generator, *, csi: Csi = "perfect") -> None:
        self.kind = fading.kind
        self.snr_db = snr_db
        self.csi = csi
        self._n0 = noise_power(snr_db)
        of_gains, of_noise = branches(generator, 2)
        self._gains, self._noise = fading.gains(of_gains), Noise(of_noise)

    def __call__(self, symbols: Tensor) -> Reception:
        sent = checked(symbols)
        gain = self._gains.take(sent.numel())
        received = gain * sent + math.sqrt(self._n0) * self._noise.take(sent.numel())
        if self.csi != "perfect":
            return Reception(received, torch.full((sent.numel(),), self._n0))
        return Reception(received / gain, self._n0 / gain.abs().square())

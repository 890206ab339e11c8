"""Rayleigh block fading, equalised with perfect channel state."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from lgvsc.channel.common import Noise, noise_power
from lgvsc.core.air import Reception
from lgvsc.errors import ConfigError, ShapeError


class RayleighChannel:
    """Complex Gaussian gains, ``E|h|^2 = 1``, one for each block of symbols, and white Gaussian noise.

    CSI: perfect. The receiver is granted each gain, so what it gets is ``y / h``, with noise variance
    ``N0 / |h|^2``. Blocks run on through the bursts of a transmission.

    Args:
        snr_db: Mean Es/N0 in dB, per complex symbol. Infinity adds no noise.
        generator: Where gains and noise come from; each has its own stream, so one ``block_symbols`` and
            another share their noise.
        block_symbols: Symbols that share one gain.

    Source:
        The flat block-fading model, for example Tse and Viswanath, Fundamentals of Wireless Communication, 5.4.
    """

    kind = "rayleigh"

    def __init__(self, snr_db: float, generator: torch.Generator, *, block_symbols: int = 64) -> None:
        if block_symbols < 1:
            raise ConfigError(f"block_symbols is {block_symbols}; a fading block holds at least one symbol")
        self.snr_db = snr_db
        self.block_symbols = block_symbols
        self._n0 = noise_power(snr_db)
        branches = torch.randint(2**31, (2,), generator=generator).tolist()
        self._gains, self._noise = (Noise(torch.Generator().manual_seed(branch)) for branch in branches)
        self._gain = torch.empty(0, dtype=torch.complex64)  # of symbols to come in the running block

    def __call__(self, symbols: Tensor) -> Reception:
        if not symbols.is_complex() or symbols.ndim != 1:
            raise ShapeError(f"a channel takes complex symbols (n,), got {tuple(symbols.shape)} of {symbols.dtype}")
        gain = self._next_gains(symbols.numel())
        received = gain * symbols + math.sqrt(self._n0) * self._noise.take(symbols.numel())
        return Reception((received / gain).to(torch.complex64), self._n0 / gain.abs().square())

    def _next_gains(self, count: int) -> Tensor:
        blocks = max(0, math.ceil((count - self._gain.numel()) / self.block_symbols))
        gain = torch.cat([self._gain, self._gains.take(blocks).repeat_interleave(self.block_symbols)])
        self._gain = gain[count:].clone()
        return gain[:count]

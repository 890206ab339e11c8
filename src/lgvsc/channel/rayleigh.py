"""Rayleigh fading: one gain for each block of symbols, or gains that change with a Doppler spectrum."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from lgvsc.channel.common import NOISE_BLOCK, Noise, Stream
from lgvsc.channel.fading import EstimationFrame
from lgvsc.errors import ConfigError

SINUSOIDS = 64  # of a Clarke process: E|h|^4 is 2 - 1/64 instead of the 2 of a Gaussian
PILOTS_PER_FRAME = 16  # where gains change all the time; three frames of them see each symbol


@dataclass(frozen=True, slots=True)
class BlockFading:
    """Independent complex Gaussian gains, one for each block of ``block_symbols``; 1 is fast fading.

    Source: the flat block-fading model, for example Tse and Viswanath, Fundamentals of Wireless Communication, 5.4.
    """

    kind: ClassVar[str] = "rayleigh"
    block_symbols: int = 64

    def __post_init__(self) -> None:
        if self.block_symbols < 1:
            raise ConfigError(
                f"channel.block_symbols is {self.block_symbols}; a fading block holds at least one symbol"
            )

    def gains(self, generator: torch.Generator) -> Stream:
        noise = Noise(generator)
        blocks = max(1, NOISE_BLOCK // self.block_symbols)
        return Stream(lambda: noise.take(blocks).repeat_interleave(self.block_symbols))

    def covariance(self, a: Tensor, b: Tensor) -> Tensor:
        return (a[:, None] // self.block_symbols == b // self.block_symbols).to(torch.complex128)

    def frame(self, pilot_spacing: int) -> EstimationFrame:
        if self.block_symbols % pilot_spacing:
            raise ConfigError(
                f"channel.block_symbols is {self.block_symbols}, and a pilot comes every {pilot_spacing} symbols, so "
                "blocks would differ in their pilots or have none; make it a multiple of channel.pilot_spacing"
            )
        return EstimationFrame(self.block_symbols, reach=0)


@dataclass(frozen=True, slots=True)
class ClarkeFading:
    """Gains with the Doppler spectrum of Clarke and Jakes: ``E[h(s) conj(h(t))] = J0(2 pi doppler (s - t))``.

    Attributes:
        doppler: Largest Doppler shift times the duration of a symbol, in [0, 0.5]. 0.001 is a walk, 0.05 very fast.

    Source: Clarke 1968; as a sum of waves that arrive under random angles, one from each of 64 equal sectors, with
    random phases (Xiao, Zheng and Beaulieu 2006). Each wave has a frequency of its own for ever, so the process has no
    period and any moment of it can be computed.
    """

    kind: ClassVar[str] = "rayleigh"
    doppler: float = 0.01

    def __post_init__(self) -> None:
        if not 0 <= self.doppler <= 0.5:
            raise ConfigError(f"channel.doppler is {self.doppler} cycles per symbol, but it lies in [0, 0.5]")

    def gains(self, generator: torch.Generator) -> Stream:
        waves = Waves(1, self.doppler, generator)
        return Stream(lambda: waves.next(NOISE_BLOCK)[:, 0].to(torch.complex64))

    def covariance(self, a: Tensor, b: Tensor) -> Tensor:
        return clarke_correlation(self.doppler * (a[:, None] - b)).to(torch.complex128)

    def frame(self, pilot_spacing: int) -> EstimationFrame:
        if self.doppler * pilot_spacing >= 0.5:
            raise ConfigError(
                f"a pilot every {pilot_spacing} symbols cannot follow channel.doppler = {self.doppler}; "
                f"channel.pilot_spacing must be below {0.5 / self.doppler:.3g}"
            )
        return EstimationFrame(PILOTS_PER_FRAME * pilot_spacing, reach=1)


def clarke_correlation(cycles: Tensor) -> Tensor:
    """``J0(2 pi c)`` of times in cycles of the largest Doppler shift, float64."""
    return torch.special.bessel_j0(2 * math.pi * cycles.double())


class Waves:
    """Independent Clarke processes of mean power one, moment by moment.

    Args:
        processes: How many.
        doppler: Largest Doppler shift in cycles per moment.
        generator: Where angles and phases come from.
    """

    def __init__(self, processes: int, doppler: float, generator: torch.Generator) -> None:
        shape = (processes, SINUSOIDS)
        sector = torch.arange(SINUSOIDS) + torch.rand(shape, dtype=torch.float64, generator=generator)
        self._cycles = doppler * torch.cos(2 * math.pi * sector / SINUSOIDS)  # per moment
        self._phase = torch.rand(shape, dtype=torch.float64, generator=generator)  # in cycles
        self._moment = 0

    def next(self, count: int) -> Tensor:
        """The next moments, complex128 ``(count, processes)``."""
        stride = math.ceil(math.sqrt(count))
        fine = torch.arange(stride, dtype=torch.float64)
        coarse = self._moment + stride * fine
        self._moment += count
        # exp(i (a + b)) = exp(i a) exp(i b): some 2 sqrt(n) waves and a product of matrices instead of n waves
        starts = turned(coarse[:, None, None] * self._cycles + self._phase)
        steps = turned(fine[:, None, None] * self._cycles)
        waves = torch.einsum("aps,bps->abp", starts, steps).flatten(0, 1)[:count]
        return waves / math.sqrt(SINUSOIDS)


def turned(cycles: Tensor) -> Tensor:
    """``exp(2 pi i c)`` of float64 ``c``, complex128. Whole turns go first, so that hours of symbols stay exact."""
    return torch.polar(torch.ones_like(cycles), 2 * math.pi * (cycles - cycles.floor()))

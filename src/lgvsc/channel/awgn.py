"""Additive white Gaussian noise: the channel of both papers."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from lgvsc.channel.common import Noise, checked, noise_power
from lgvsc.core.air import Reception
from lgvsc.errors import ShapeError


def awgn(symbols: Tensor, snr_db: float, *, generator: torch.Generator | None = None) -> Tensor:
    """Add white Gaussian noise to channel symbols.

    Args:
        symbols: Sent symbols, complex, shape ``(..., n)``, mean energy one over the whole block.
        snr_db: Es/N0 in dB, per complex symbol. Infinity adds nothing.
        generator: Where the noise comes from. ``None`` uses PyTorch's global generator.

    Returns:
        Received symbols, shape and dtype of ``symbols``. The noise has variance ``N0`` per
        symbol, half of it in each real dimension.

    Raises:
        ShapeError: ``symbols`` is real. Pair the values first with ``pair_reals``.
        ConfigError: ``snr_db`` is NaN or minus infinity.

    Source:
        The complex baseband AWGN model; same meaning of N0 as Sionna's ``AWGN`` block.

    Example:
        >>> sent = torch.ones(100_000, dtype=torch.complex64)
        >>> noise = awgn(sent, snr_db=10.0, generator=seeded(0)) - sent
        >>> round(-10 * math.log10(noise.abs().square().mean().item()), 1)
        10.0
    """
    if not symbols.is_complex():
        raise ShapeError(f"awgn needs complex symbols, got {symbols.dtype}; use pair_reals first")
    n0 = noise_power(snr_db)
    noise = torch.randn(symbols.shape, dtype=symbols.dtype, device=symbols.device, generator=generator)
    return symbols + math.sqrt(n0) * noise  # complex randn already has variance 1 per symbol


class AwgnChannel:
    """White Gaussian noise over a whole transmission, burst after burst; grants its noise variance.

    The noise depends on the generator and the position in the stream alone, not on how the stream is cut.

    Args:
        snr_db: Es/N0 in dB, per complex symbol. Infinity adds nothing.
        generator: Where the noise comes from, see ``child_generator``.
    """

    kind = "awgn"

    def __init__(self, snr_db: float, generator: torch.Generator) -> None:
        self.snr_db = snr_db
        self.noise_variance = noise_power(snr_db)
        self._noise = Noise(generator)

    def __call__(self, symbols: Tensor) -> Reception:
        received = checked(symbols) + math.sqrt(self.noise_variance) * self._noise.take(symbols.numel())
        return Reception(received, torch.full((symbols.numel(),), self.noise_variance))

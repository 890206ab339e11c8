"""What channels share: named random generators, chunk-proof streams, reals as symbols, and the erasure rule."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import RLock
from typing import Any

import torch
from torch import Tensor

from lgvsc.core.air import Reception
from lgvsc.errors import ConfigError, ShapeError

CLIP_AMPLITUDE = 1e3  # times sqrt(1 + N0): no transmitter of unit energy and no Gaussian noise gets there
NOISE_BLOCK = 4096


def child_generator(seed: int, *names: str | int | float) -> torch.Generator:
    """A generator of its own for one use, derived from the run's seed and the names of that use.

    Order matters, and so does nothing else: ``child_generator(0, "channel", clip, snr_db, trial)`` gives every
    scheme the same noise. A CPU generator of PyTorch keeps 32 of the 64 bits.
    """
    text = "\x1f".join([str(seed), *(f"{type(name).__name__}:{name!r}" for name in names)])
    digest = hashlib.sha256(text.encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:8], "big") >> 1)


def seeded(seed: int) -> torch.Generator:
    """A CPU generator with this seed."""
    return torch.Generator().manual_seed(seed)


def noise_power(snr_db: float) -> float:
    """``N0``, the full complex noise variance at symbols of mean energy one. Infinity gives 0."""
    if snr_db != snr_db or snr_db == float("-inf"):
        raise ConfigError(f"snr_db is {snr_db}; give Es/N0 in dB, a number or inf")
    return float(10 ** (-snr_db / 10))


class Stream:
    """An endless row of complex values, the same whatever the sizes in which they are taken.

    PyTorch draws small and large tensors in different orders, so values are made in blocks of one size. That
    way a stream has the same noise and the same fading whether a scheme sends it in one burst or in ten.

    Args:
        next_block: Makes the next values, complex64 ``(n,)``; how many is its own affair.
    """

    def __init__(self, next_block: Callable[[], Tensor]) -> None:
        self._next_block = next_block
        self._left = torch.empty(0, dtype=torch.complex64)

    def take(self, count: int) -> Tensor:
        """The next ``count`` values, complex64."""
        pieces = [self._left]
        have = self._left.numel()
        while have < count:
            pieces.append(self._next_block())
            have += pieces[-1].numel()
        values = torch.cat(pieces)
        self._left = values[count:].clone()
        return values[:count]


class Noise(Stream):
    """Complex Gaussian values of variance one, from a generator."""

    def __init__(self, generator: torch.Generator) -> None:
        super().__init__(lambda: torch.randn(NOISE_BLOCK, dtype=torch.complex64, generator=generator))


def branches(generator: torch.Generator, count: int) -> list[torch.Generator]:
    """Independent generators, so that the use of one does not shift the values of another."""
    return [seeded(seed) for seed in torch.randint(2**31, (count,), generator=generator).tolist()]


_ONE_AT_A_TIME = RLock()


@contextmanager
def importing_sionna() -> Iterator[None]:
    """Import Sionna and nothing else: it would seed PyTorch's global generator at random, and load a compiler for its
    decorators, of functions that are not compiled here; that takes longer than all the rest.
    """
    with _ONE_AT_A_TIME:
        state, decorators = torch.get_rng_state(), (torch.compile, torch.compiler.disable)
        torch.compile = torch.compiler.disable = _uncompiled  # type: ignore[assignment]
        try:
            yield
        finally:
            torch.compile, torch.compiler.disable = decorators
            torch.set_rng_state(state)


def _uncompiled(function: Any = None, *_: object, **__: object) -> Any:
    """A decorator, with arguments or without, that leaves a function as it is."""
    return (lambda decorated: decorated) if function is None else function


def checked(symbols: Tensor) -> Tensor:
    """Channel symbols as complex64. Raises ShapeError for anything but complex ``(n,)``."""
    if not symbols.is_complex() or symbols.ndim != 1:
        raise ShapeError(f"a channel takes complex symbols (n,), got {tuple(symbols.shape)} of {symbols.dtype}")
    return symbols.to(torch.complex64)


def pair_reals(values: Tensor) -> Tensor:
    """Real values as complex symbols: of ``(..., 2n)``, the even ones real, the odd ones imaginary, ``(..., n)``.

    Raises ShapeError where the last dimension is odd or the values are complex already.
    """
    if values.is_complex() or values.shape[-1] % 2:
        raise ShapeError(f"pair_reals needs an even number of reals, got {tuple(values.shape)} of {values.dtype}")
    return torch.view_as_complex(values.unflatten(-1, (-1, 2)).contiguous())


def unpair(symbols: Tensor) -> Tensor:
    """The inverse of :func:`pair_reals`: ``(..., n)`` complex to ``(..., 2n)`` real."""
    return torch.view_as_real(symbols).flatten(-2)


def erase_bad(received: Reception) -> tuple[Reception, int]:
    """Turn symbols that mean nothing into erasures, and count them.

    NaN, infinite, exactly zero and absurdly large symbols, and those whose noise variance is NaN or negative,
    become 0 with infinite noise variance: a demapper then gives them LLR 0.

    Returns:
        The reception with erasures, and how many there are, those of the channel included.
    """
    symbols, variance = received.symbols, received.noise_variance
    bad = ~torch.isfinite(symbols.real) | ~torch.isfinite(symbols.imag) | ~torch.isfinite(variance) | (variance < 0)
    bad |= (symbols == 0) | (symbols.abs() > CLIP_AMPLITUDE * (1 + variance).sqrt())
    count = int(bad.sum())
    if not count:
        return received, 0
    return Reception(symbols.masked_fill(bad, 0), variance.masked_fill(bad, float("inf"))), count

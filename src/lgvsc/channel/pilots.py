"""Pilots: symbols that the receiver knows, sent among the others to learn the gains of a fading channel.

Both ends agree beforehand on where pilots are, the first of every ``spacing`` symbols of the whole stream, and on the
statistics of the fading. Nothing else is granted: a pilot costs a symbol, has a symbol's energy, and passes through
the same gains, noise and losses as the others.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from lgvsc.channel.common import erase_bad
from lgvsc.channel.fading import Fading
from lgvsc.core.air import Burst, Part, Reception
from lgvsc.errors import ConfigError

PILOTS = "pilots"  # their label in the ledger
PERIOD = 64  # of the pilots' values
MIN_NOISE_VARIANCE = 1e-9  # of a pilot; keeps the estimator's equations solvable where there is no noise
MAX_FILTERS = 256  # kept for the next frame in which the same pilots arrived

INFINITY = float("inf")


class Filter(NamedTuple):
    """Estimates of the gains of a frame from its pilots, and how far off they are.

    Attributes:
        weights: complex64 ``(data symbols, pilots)``.
        error: ``E|h - estimate|^2``, float32 ``(data symbols,)``.
    """

    weights: Tensor
    error: Tensor


class Pilots:
    """Where pilots are, and what a receiver makes of them.

    Args:
        fading: What is known of the gains beforehand.
        spacing: The first of so many symbols is a pilot.

    Raises:
        ConfigError: The gains change too fast for pilots so far apart.
    """

    def __init__(self, fading: Fading, spacing: int) -> None:
        if not 2 <= spacing <= 4096:
            raise ConfigError(f"channel.pilot_spacing is {spacing}; one symbol in 2 to 4096 can be a pilot")
        self.spacing = spacing
        self._fading = fading
        self._frame_symbols, self._reach = fading.frame(spacing)

    def inserted(self, burst: Burst, data_before: int) -> Burst:
        """A burst with pilots among its symbols, as one more part that is charged to control.

        Args:
            burst: Without pilots.
            data_before: Symbols of all bursts before it, pilots not counted.
        """
        data, run = burst.symbols, self.spacing - 1
        start, stop = (-(-count // run) for count in (data_before, data_before + data.numel()))
        pilots = pilot_values(torch.arange(start, stop))
        numbers = torch.arange(data_before, data_before + data.numel())
        air = torch.empty(data.numel() + pilots.numel(), dtype=data.dtype)
        first = data_before + start  # position in the stream of the first symbol here
        air[numbers + numbers // run + 1 - first] = data
        air[torch.arange(start, stop) * self.spacing - first] = pilots.to(data.dtype)
        return Burst(burst.index, (*burst.parts, Part("control", pilots, label=PILOTS)), sent=air)

    def estimated(self, receptions: Iterable[Reception]) -> Iterator[Reception]:
        """Equalise a stream by its pilots, and take them out.

        Gains are estimated by the linear filter of least mean square error (Wiener interpolation), from the pilots
        around; so a symbol waits for the pilots that come after it. With the estimate ``g`` and its error
        ``e = h - g``, which is uncorrelated with it, ``y = g x + (e x + n)``. What is yielded is ``y / g``, with noise
        variance ``(N0 + E|e|^2) / |g|^2`` at symbols of mean energy one.

        Args:
            receptions: The stream from its first symbol on, not equalised, cut anywhere. Erasures keep their places.
        """
        size, reach = self._frame_symbols, self._reach
        estimator = _Estimator(self._fading, self.spacing, size, reach)
        queue = erased(reach * size)  # before the stream there is nothing
        for chunk in receptions:
            queue = joined([queue, erase_bad(chunk)[0]])
            ready = len(queue) // size - 2 * reach
            if ready > 0:
                yield estimator(queue[: (ready + 2 * reach) * size])
                queue = queue[ready * size :]
        left = len(queue) - reach * size
        if left > 0:
            frames = -(-left // size)
            rest = joined([queue, erased((frames + 2 * reach) * size - len(queue))])
            yield estimator(rest)[: left - -(-left // self.spacing)]


class _Estimator:
    """The receiver's filters, at some place of the stream."""

    def __init__(self, fading: Fading, spacing: int, frame_symbols: int, reach: int) -> None:
        self._size, self._reach, self._spacing = frame_symbols, reach, spacing
        window = torch.arange((2 * reach + 1) * frame_symbols)
        self._pilots = window[::spacing]
        inside = window[reach * frame_symbols : (reach + 1) * frame_symbols]
        self._data = inside[inside % spacing > 0]
        self._among_pilots = fading.covariance(self._pilots, self._pilots)
        self._with_data = fading.covariance(self._data, self._pilots)
        self._filters: dict[tuple[float, ...], Filter] = {}
        self._pilots_before = -reach * frame_symbols // spacing  # the first window begins before the stream

    def __call__(self, window: Reception) -> Reception:
        """Whole frames, with ``reach`` frames around them, to the data of the frames."""
        frames = len(window) // self._size - 2 * self._reach
        start = self._size * torch.arange(frames)[:, None]
        data, pilots = start + self._data, start + self._pilots
        known = pilot_values(pilots // self._spacing + self._pilots_before)
        observed = window.symbols[pilots] * known.conj()
        self._pilots_before += frames * self._size // self._spacing

        gain, error = torch.zeros(data.shape, dtype=torch.complex64), torch.ones(data.shape)
        kinds, kind_of = window.noise_variance[pilots].unique(dim=0, return_inverse=True)
        for index, kind in enumerate(kinds.tolist()):  # most frames are of one kind
            fitting = self._filter(tuple(kind))
            gain[kind_of == index] = observed[kind_of == index] @ fitting.weights.T
            error[kind_of == index] = fitting.error
        heard = (gain != 0) & torch.isfinite(window.noise_variance[data])
        gain = gain.where(heard, torch.ones(()))
        symbols = window.symbols[data] / gain
        variance = (window.noise_variance[data] + error) / gain.abs().square()
        return Reception(symbols.masked_fill(~heard, 0).flatten(), variance.masked_fill(~heard, INFINITY).flatten())

    def _filter(self, noise_variance: tuple[float, ...]) -> Filter:
        """For pilots with this noise; those that are infinitely noisy are left out."""
        if noise_variance not in self._filters:
            if len(self._filters) >= MAX_FILTERS:
                self._filters.clear()
            self._filters[noise_variance] = self._wiener(torch.tensor(noise_variance, dtype=torch.float64))
        return self._filters[noise_variance]

    def _wiener(self, noise_variance: Tensor) -> Filter:
        heard = torch.isfinite(noise_variance)
        noise = noise_variance[heard].clamp(min=MIN_NOISE_VARIANCE)
        received = self._among_pilots[heard][:, heard] + torch.diag(noise)
        wanted = self._with_data[:, heard]
        weights = torch.zeros(self._with_data.shape, dtype=torch.complex128)
        weights[:, heard] = torch.linalg.solve(received, wanted.mH).mH  # received is Hermitian
        error = 1 - (weights[:, heard] * wanted.conj()).sum(dim=1).real
        return Filter(weights.to(torch.complex64), error.clamp(min=0).float())


def pilot_values(numbers: Tensor) -> Tensor:
    """The pilots of these numbers, complex64 of energy one: a Chu sequence over and over, so that no two run alike."""
    n = (numbers % PERIOD).double()
    return torch.polar(torch.ones_like(n), -torch.pi * n * n / PERIOD).to(torch.complex64)


def erased(count: int) -> Reception:
    """So many erasures."""
    return Reception(torch.zeros(count, dtype=torch.complex64), torch.full((count,), INFINITY))


def joined(pieces: list[Reception]) -> Reception:
    """One after the other; none of them make an empty reception."""
    pieces = pieces or [erased(0)]
    return Reception(torch.cat([p.symbols for p in pieces]), torch.cat([p.noise_variance for p in pieces]))

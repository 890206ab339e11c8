"""What radios do to a waveform, undone: delay, frequency and clock offset, phase, gain, and how much noise there is.

The receiver knows the pulse and the frames of ``waveform.py``, and the nominal number of samples per symbol. In the
order of the steps: find the sync sequence (:func:`find_sync`), read how long the frame is, follow the clock through
the frame (:func:`clock`), correct the frequency with all that is known (:func:`residual_frequency`), follow phase and
amplitude from pilot to pilot (:func:`gains`), undo echoes where there are any (``equaliser.py``), and take what is left
at known symbols for noise.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from lgvsc.channel.equaliser import PER_SYMBOL, REACH_SYMBOLS, WORTH, equalise
from lgvsc.channel.pulse import (
    MAX_SAMPLES_PER_SYMBOL,
    MIN_SAMPLES_PER_SYMBOL,
    SPAN_SYMBOLS,
    Complex,
    matched_filter,
)
from lgvsc.channel.waveform import HEAD_SYMBOLS, SYNC, SYNC_SYMBOLS, FrameLayout, head, layout, pilots, read_length
from lgvsc.core.air import Reception
from lgvsc.errors import ConfigError

THRESHOLD = 0.18  # share of a window's energy that is like the sync: noise reaches it once in 10^8 symbols
MAX_CLOCK_OFFSET = 3e-4
USUAL_CLOCK_OFFSET = 5e-5  # standard deviation of what is expected before anything is measured
SYNC_TIMING_ERROR = 0.02  # of a symbol, likewise
MIN_NOISE = 1e-6

_SEARCH_SYMBOLS = 1024
_PIECE = 8  # symbols summed in phase while the frequency is unknown: reaches to 6 % of the symbol rate
_PIECE_BINS = 64
_FINE_BINS = 2048
_CLOCK_BLOCK = 128  # symbols over which the clock stands still
_MAX_RESIDUAL = 1 / 256  # cycles per symbol that the first estimate may be off
_WIDTHS = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0)  # of smoothing, in pilots


class Sync(NamedTuple):
    """Where a frame begins: time of its first symbol in samples, frequency in cycles per symbol."""

    time: float
    frequency: float


def recover(chunks: Iterable[Complex], samples_per_symbol: float) -> Iterator[Reception]:
    """The bursts in a recording, each as symbols with the noise variance that the receiver estimates.

    Args:
        chunks: Samples, complex64, cut anywhere. Memory is bounded by the longest frame and the longest chunk.
        samples_per_symbol: Nominal, 1.5 to 32; need not be whole, and may be wrong by 3e-4.

    Yields:
        One reception for each frame found. Its phase and amplitude are right, its noise variance is relative to
        symbols of mean energy one. What the end of the recording cuts off is left out.
    """
    if not MIN_SAMPLES_PER_SYMBOL <= samples_per_symbol <= MAX_SAMPLES_PER_SYMBOL:
        raise ConfigError(
            f"samples_per_symbol is {samples_per_symbol}; a waveform is sampled {MIN_SAMPLES_PER_SYMBOL:g} to "
            f"{MAX_SAMPLES_PER_SYMBOL:g} times per symbol"
        )
    stream = _Samples(chunks)
    margin = (SPAN_SYMBOLS + 1) * samples_per_symbol
    head_samples = HEAD_SYMBOLS * samples_per_symbol + 2 * margin
    while True:
        wanted = int(_SEARCH_SYMBOLS * samples_per_symbol + head_samples)
        window = stream.at_least(wanted)[:wanted]
        found = find_sync(window, samples_per_symbol)
        if found is None:
            if len(window) < wanted:
                return
            stream.drop(int(len(window) - SYNC_SYMBOLS * samples_per_symbol - margin))
            continue
        begin = max(0, int(found.time - margin))
        stream.drop(begin)
        found = found._replace(time=found.time - begin)
        count = _announced(stream.at_least(int(head_samples)), found, samples_per_symbol)
        if count is None:
            stream.drop(int(found.time + samples_per_symbol))
            continue
        where = layout(count)
        end = found.time + where.total * samples_per_symbol * (1 + MAX_CLOCK_OFFSET) + margin
        samples = stream.at_least(int(end))[: int(end)]
        received = _read_frame(samples, found, where, count, samples_per_symbol)
        if len(received):
            yield received
        stream.drop(max(1, int(found.time + (where.total - 1) * samples_per_symbol - 2 * margin)))


def find_sync(samples: Complex, samples_per_symbol: float) -> Sync | None:
    """The first sync sequence that lies whole in the samples, at any delay and a frequency of up to +-5 % of the
    symbol rate.

    The sequence is correlated in pieces, short enough that the frequency does not matter, and a Fourier transform
    over the pieces adds them up in phase.
    """
    spread = samples_per_symbol / 2
    times = np.arange(0, len(samples), spread)
    if len(times) < 2 * SYNC_SYMBOLS:
        return None
    likeness, frequency = _likeness(matched_filter(samples, times, samples_per_symbol))
    above = np.flatnonzero(likeness > THRESHOLD)
    if not above.size:
        return None
    near = slice(above[0], above[0] + SYNC_SYMBOLS)
    best = int(above[0] + likeness[near].argmax())
    found = Sync(best * spread, float(frequency[best]))
    for _ in range(2):
        found = _refined(samples, found, samples_per_symbol)
    return found


def clock(power: NDArray[np.float64]) -> tuple[float, float]:
    """How far symbol instants are from where they were thought to be.

    The power of a waveform swings once per symbol and is largest at the symbol instants, whatever the symbols
    are. Its phase is measured in blocks; a line through them, drawn towards what is usual as far as they are noisy,
    is the clock.

    Args:
        power: Of the matched filter's output at four instants per symbol, ``(4 n,)``.

    Returns:
        Offset at the first symbol, in symbols, and its growth per symbol.

    Source: Oerder and Meyr 1988, Digital filter and square timing recovery.
    """
    symbols = len(power) // 4
    turns = np.exp(-0.5j * np.pi * np.arange(4))
    blocks = -(-symbols // _CLOCK_BLOCK)
    per_symbol = power[: 4 * symbols].reshape(symbols, 4) @ turns
    edges = np.arange(blocks) * _CLOCK_BLOCK
    lines = np.add.reduceat(per_symbol, edges)
    middle = edges + np.minimum(_CLOCK_BLOCK, symbols - edges) / 2
    slope = 0.0
    if blocks >= 16:  # else nothing usual turns the phase by a cycle
        slope = -_peak(lines, MAX_CLOCK_OFFSET * _CLOCK_BLOCK, minimum_bins=1024) / _CLOCK_BLOCK
    straight = lines * np.exp(2j * np.pi * slope * middle)
    mean = straight.sum()
    offsets = -np.angle(straight) / (2 * np.pi)
    steady = abs(mean) / max(np.abs(lines).sum(), 1e-30)
    variance = max(-2 * np.log(max(steady, 1e-9)) / (2 * np.pi) ** 2, 1e-3**2)
    if blocks < 4:
        variance = max(variance, 0.03**2)  # too few to tell
    design = np.stack([np.ones(blocks), middle], axis=1)
    precision = np.diag([SYNC_TIMING_ERROR**-2, USUAL_CLOCK_OFFSET**-2])
    normal = design.T @ design / variance + precision
    wanted = design.T @ offsets / variance - precision @ np.array([0.0, slope])
    start, extra = np.linalg.solve(normal, wanted)
    return float(start), float(np.clip(slope + extra, -MAX_CLOCK_OFFSET, MAX_CLOCK_OFFSET))


def residual_frequency(where: NDArray[np.int64], observed: Complex) -> float:
    """Frequency, in cycles per symbol, of known symbols from which the modulation is removed."""
    line = np.zeros(int(where[-1]) + 1, dtype=np.complex64)
    line[where] = observed
    return _peak(line, _MAX_RESIDUAL, minimum_bins=_FINE_BINS)


def gains(where: NDArray[np.int64], observed: Complex, total: int) -> Complex:
    """Amplitude and phase of every symbol, from those that are known.

    Known symbols are averaged over 32 symbols and smoothed over their neighbours: over many where the oscillators are
    steady, over few where they are not. How many, cross validation tells: of all widths that predict each of them from
    the others as well as the best width does, but for one standard error, the largest.

    Args:
        where: Indices of the known symbols, rising.
        observed: What was received there over what was sent.
        total: Symbols of the frame.
    """
    groups = where // 32
    edges = np.flatnonzero(np.diff(groups, prepend=-1))
    weight = np.diff(np.append(edges, len(where))).astype(np.float64)
    value = np.add.reduceat(observed, edges) / weight
    position = np.add.reduceat(where.astype(np.float64), edges) / weight
    smoothed = [_smooth(value, weight, width) for width in _WIDTHS]
    errors = [float(np.sum(weight * np.abs(value - others) ** 2)) for _, others in smoothed]
    good_enough = min(errors) * (1 + np.sqrt(2 / len(value)))
    best = next(own for (own, _), error in reversed(list(zip(smoothed, errors, strict=True))) if error <= good_enough)
    index = np.arange(total)
    return (np.interp(index, position, best.real) + 1j * np.interp(index, position, best.imag)).astype(np.complex64)


def _announced(samples: Complex, found: Sync, samples_per_symbol: float) -> int | None:
    """How many data symbols the frame has."""
    samples = _shifted(samples, found.frequency / samples_per_symbol)
    times = found.time + samples_per_symbol * np.arange(HEAD_SYMBOLS)
    symbols = matched_filter(samples, times, samples_per_symbol)
    phase = np.angle((symbols[:SYNC_SYMBOLS] * SYNC).sum())
    count = read_length((symbols * np.exp(-1j * phase))[SYNC_SYMBOLS:].astype(np.complex64))
    if count is not None:
        return count
    halves = _halves(samples, found.time, samples_per_symbol, HEAD_SYMBOLS)
    return read_length(equalise(halves, np.arange(SYNC_SYMBOLS), SYNC).symbols[SYNC_SYMBOLS:])


def _read_frame(samples: Complex, found: Sync, where: FrameLayout, count: int, samples_per_symbol: float) -> Reception:
    samples = _shifted(samples - samples.mean(), found.frequency / samples_per_symbol)
    total = min(where.total, int((len(samples) - found.time) / samples_per_symbol))  # the recording may end here
    quarters = found.time + samples_per_symbol / 4 * np.arange(4 * total)
    power = np.abs(matched_filter(samples, quarters, samples_per_symbol)).astype(np.float64) ** 2
    late, drift = clock(power)
    start, step = found.time + samples_per_symbol * late, samples_per_symbol * (1 + drift)
    symbols = matched_filter(samples, start + step * np.arange(total), samples_per_symbol)

    heard = int(np.searchsorted(where.pilots, total))
    known = np.concatenate([np.arange(HEAD_SYMBOLS), where.pilots[:heard]])
    sent = np.concatenate([head(count), pilots(heard)])
    frequency = residual_frequency(known, symbols[known] * sent)
    symbols = symbols * np.exp(-2j * np.pi * frequency * np.arange(total))
    gain, noise = _gain_and_noise(symbols, known, sent)

    halves = _halves(samples, start, samples_per_symbol, total, step)
    at = (np.arange(len(halves)) / PER_SYMBOL) - REACH_SYMBOLS
    phase = np.unwrap(np.angle(gain))
    filtered = equalise(
        halves * np.exp(-2j * np.pi * frequency * at - 1j * np.interp(at, range(total), phase)), known, sent
    )
    if filtered.snr * noise > WORTH * float(np.mean(np.abs(gain) ** 2)):
        symbols = filtered.symbols
        gain, noise = _gain_and_noise(symbols, known, sent)

    data = where.data[: np.searchsorted(where.data, total)]
    variance = (noise / np.abs(gain[data]) ** 2).astype(np.float32)
    clean = (symbols[data] / gain[data]).astype(np.complex64)
    return Reception(torch.from_numpy(clean), torch.from_numpy(variance))


def _gain_and_noise(symbols: Complex, known: NDArray[np.int64], sent: NDArray[np.float32]) -> tuple[Complex, float]:
    """Gain of every symbol, and the variance of what is left at known ones."""
    gain = gains(known, symbols[known] * sent, len(symbols))
    gain = np.where(np.abs(gain) > 1e-12, gain, 1e-12).astype(np.complex64)
    errors = np.abs(symbols[known] * sent - gain[known]) ** 2
    return gain, max(float(errors.mean()), MIN_NOISE * float(np.mean(np.abs(gain) ** 2)))


def _halves(
    samples: Complex, start: float, samples_per_symbol: float, total: int, step: float | None = None
) -> Complex:
    """Behind the matched filter, two values for each symbol and for ``REACH_SYMBOLS`` before and after them all."""
    index = np.arange(-PER_SYMBOL * REACH_SYMBOLS, PER_SYMBOL * (total - 1 + REACH_SYMBOLS) + 1)
    return matched_filter(samples, start + (step or samples_per_symbol) / PER_SYMBOL * index, samples_per_symbol)


def _likeness(filtered: Complex) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Share of the energy that is like the sync, in [0, 1], and its frequency, for each of the instants half a symbol
    apart at which it could begin.
    """
    places = len(filtered) - 2 * (SYNC_SYMBOLS - 1)
    power = np.abs(filtered).astype(np.float64) ** 2
    energy = np.zeros(places)
    pieces = []
    for start in range(0, SYNC_SYMBOLS, _PIECE):
        piece = np.zeros(places, dtype=np.complex64)
        for symbol in range(start, min(start + _PIECE, SYNC_SYMBOLS)):
            there = slice(2 * symbol, 2 * symbol + places)
            piece += filtered[there] * SYNC[symbol]
            energy += power[there]
        pieces.append(piece)
    likeness, frequency = np.empty(places), np.empty(places)
    for start in range(0, places, 1 << 14):
        some = slice(start, start + (1 << 14))
        spectrum = np.abs(np.fft.fft(np.stack([piece[some] for piece in pieces]), _PIECE_BINS, axis=0)) ** 2
        likeness[some] = spectrum.max(axis=0) / np.maximum(SYNC_SYMBOLS * energy[some], 1e-30)
        frequency[some] = np.fft.fftfreq(_PIECE_BINS, d=_PIECE)[spectrum.argmax(axis=0)]
    return likeness, frequency


def _refined(samples: Complex, found: Sync, samples_per_symbol: float) -> Sync:
    """A better time and frequency near the ones given."""
    begin = max(0, int(found.time - (SPAN_SYMBOLS + 2) * samples_per_symbol))
    end = int(found.time + (SYNC_SYMBOLS + SPAN_SYMBOLS + 2) * samples_per_symbol)
    near = _shifted(samples[begin:end], found.frequency / samples_per_symbol)
    shifts = np.linspace(-0.5, 0.5, 17)
    times = found.time - begin + samples_per_symbol * (shifts[:, None] + np.arange(SYNC_SYMBOLS))
    lines = matched_filter(near, times, samples_per_symbol) * SYNC
    spectrum = np.abs(np.fft.fft(lines, _FINE_BINS, axis=1))
    reach = int(_FINE_BINS / (_PIECE * _PIECE_BINS)) + 4
    spectrum[:, reach:-reach] = 0
    height = spectrum.max(axis=1)
    best = int(height.argmax())
    shift = shifts[best] + (shifts[1] - shifts[0]) * _vertex(height, best)
    times = found.time - begin + samples_per_symbol * (shift + np.arange(SYNC_SYMBOLS))
    line = matched_filter(near, times, samples_per_symbol) * SYNC
    frequency = _peak(line, reach / _FINE_BINS, minimum_bins=_FINE_BINS)
    return Sync(found.time + shift * samples_per_symbol, found.frequency + frequency)


def _shifted(samples: Complex, cycles_per_sample: float) -> Complex:
    """The samples with a frequency taken off; the first sample of the array keeps its phase."""
    turns = np.exp(-2j * np.pi * cycles_per_sample * np.arange(len(samples)))
    return (samples * turns).astype(np.complex64)


def _peak(line: Complex, limit: float, *, minimum_bins: int) -> float:
    """Where the spectrum is highest, in cycles per value, within ``+-limit``."""
    bins = max(minimum_bins, 1 << int(4 * len(line) - 1).bit_length())
    reach = max(1, min(int(limit * bins), bins // 2 - 1))
    spectrum = np.abs(np.fft.fft(line, bins))
    near = np.concatenate([spectrum[-reach:], spectrum[: reach + 1]])
    best = int(near.argmax())
    return (best - reach + _vertex(near, best)) / bins


def _vertex(values: NDArray[np.float64], best: int) -> float:
    """Where a parabola through the largest value and its neighbours culminates, in steps from it."""
    if not 0 < best < len(values) - 1:
        return 0.0
    before, here, after = values[best - 1 : best + 2]
    bend = before - 2 * here + after
    return float(0.5 * (before - after) / bend) if bend < 0 else 0.0


def _smooth(value: NDArray[Any], weight: NDArray[np.float64], width: float) -> tuple[NDArray[Any], NDArray[Any]]:
    """Values averaged with their neighbours under a bell curve: with themselves, and without."""
    reach = min(int(3 * width), max(1, len(value) - 1))
    bell = np.exp(-0.5 * (np.arange(-reach, reach + 1) / width) ** 2)
    total = _same(value * weight, bell)
    counted = _same(weight, bell)
    others = (total - value * weight) / np.maximum(counted - weight, 1e-9)
    return total / counted, others


def _same(values: NDArray[Any], kernel: NDArray[np.float64]) -> NDArray[Any]:
    """Convolution centred on the values, as long as they are, however long the kernel."""
    reach = len(kernel) // 2
    return np.convolve(values, kernel)[reach : reach + len(values)]


class _Samples:
    """Chunks of samples as one queue."""

    def __init__(self, chunks: Iterable[Complex]) -> None:
        self._chunks = iter(chunks)
        self._queue = np.empty(0, dtype=np.complex64)

    def at_least(self, count: int) -> Complex:
        """Everything queued: at least ``count`` samples, or all that is left. What is no number becomes zero."""
        pieces, have = [self._queue], len(self._queue)
        while have < count and (chunk := next(self._chunks, None)) is not None:
            pieces.append(np.where(np.isfinite(chunk) & (np.abs(chunk) < 1e12), chunk, 0).astype(np.complex64))
            have += len(chunk)
        if len(pieces) > 1:
            self._queue = np.concatenate(pieces)
        return self._queue

    def drop(self, count: int) -> None:
        """Forget the first ``count`` samples."""
        self._queue = self._queue[count:]

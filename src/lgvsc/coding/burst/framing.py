"""Where bursts begin: a preamble before each, and the receiver's search for it in a continuous stream."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Generic, NamedTuple, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lgvsc.channel.common import erase_bad
from lgvsc.core.air import Reception

Header = TypeVar("Header")

PREAMBLE_SYMBOLS = 32
DETECTION_THRESHOLD = 3.0  # at -4 dB 3 % of preambles are missed, and 0.12 % of other places taken for one
MAX_BURST_SYMBOLS = 1 << 22
SEARCH_SYMBOLS = 4096


class ControlRead(NamedTuple, Generic[Header]):
    """What a control block said: its parsed content, its own symbols, and those of the body that follows it."""

    header: Header
    control_symbols: int
    body_symbols: int


def preamble() -> Tensor:
    """The 32 symbols that every burst begins with, complex64, each of energy one.

    A Zadoff-Chu sequence ``exp(-j pi u n^2 / 32)`` (Chu 1972); of all roots u, this one's aperiodic
    autocorrelation has the lowest side lobes.
    """
    n = torch.arange(PREAMBLE_SYMBOLS, dtype=torch.float64)
    return torch.polar(torch.ones_like(n), -torch.pi * PREAMBLE_ROOT * n * n / PREAMBLE_SYMBOLS).to(torch.complex64)


PREAMBLE_ROOT = 1
PREAMBLE = preamble()


def bursts(
    chunks: Iterable[Reception],
    read_control: Callable[[Reception], ControlRead[Header] | None],
    *,
    control_symbols: int,
) -> Iterator[tuple[Header, Reception]]:
    """Cut a stream of received symbols into bursts.

    Each burst is a preamble, a control block that tells how long the rest is, and that rest, the body; one
    burst follows another at once. The place right after a burst is tried first, without looking for the
    preamble, so that a stream in step needs no detection at all. Where control cannot be read, the search goes
    on for the next place that looks like a preamble. A false alarm costs one attempt to read control.

    Symbols are taken to be sampled at the right instants, without carrier offset.

    Args:
        chunks: The stream, cut anywhere. Memory is bounded by the longest burst and the longest chunk.
        read_control: Is given what follows a preamble, at most ``control_symbols`` symbols and fewer at the end
            of the stream. Returns ``None`` for what is no control block.
        control_symbols: The longest control block.

    Yields:
        Header and body of each burst whose control can be read. A body that the stream's end cuts short is
        filled up with erasures (symbol 0, infinite noise variance).
    """
    stream = _Stream(chunks)
    in_step = True
    while in_step or _skip_to_preamble(stream):
        head = stream.at_least(PREAMBLE_SYMBOLS + control_symbols)
        if len(head) <= PREAMBLE_SYMBOLS:
            return
        read = read_control(head[PREAMBLE_SYMBOLS : PREAMBLE_SYMBOLS + control_symbols])
        in_step = read is not None and 0 <= read.body_symbols <= MAX_BURST_SYMBOLS
        if read is None or not in_step:
            stream.drop(1)
            continue
        stream.drop(PREAMBLE_SYMBOLS + read.control_symbols)
        body = stream.at_least(read.body_symbols)[: read.body_symbols]
        stream.drop(len(body))
        yield read.header, _filled(body, read.body_symbols)


def preamble_likelihood(received: Reception) -> NDArray[np.float64]:
    """How much likelier it is that the preamble begins at a symbol than that data run on there.

    The log-likelihood ratio of ``y ~ CN(p, N0)`` against ``y ~ CN(0, 1 + N0)`` over 32 symbols, with the N0 that the
    channel grants; erasures say nothing. By Markov's inequality data exceed a threshold t with probability at
    most ``exp(-t)``.

    Returns:
        One value for each symbol at which a whole preamble could begin, ``(n - 31,)``.
    """
    clean, _ = erase_bad(received)
    symbols = clean.symbols.numpy().astype(np.complex128)
    weight = 1 / np.maximum(clean.noise_variance.numpy().astype(np.float64), 1e-6)
    energy = np.abs(symbols) ** 2
    likeness = 2 * np.correlate(weight * symbols, PREAMBLE.numpy(), "valid").real
    alone = np.log1p(weight) - weight + energy * (weight / (1 + weight) - weight)
    likelihood: NDArray[np.float64] = likeness + np.convolve(alone, np.ones(PREAMBLE_SYMBOLS), "valid")
    return likelihood


def _skip_to_preamble(stream: _Stream) -> bool:
    """Drop symbols up to the next place that looks like a preamble. False where the stream ends before."""
    while True:
        window = stream.at_least(SEARCH_SYMBOLS)[:SEARCH_SYMBOLS]
        if len(window) < PREAMBLE_SYMBOLS:
            return False
        found = np.flatnonzero(preamble_likelihood(window) > DETECTION_THRESHOLD)
        if found.size:
            stream.drop(int(found[0]))
            return True
        stream.drop(len(window) - PREAMBLE_SYMBOLS + 1)


def _filled(body: Reception, count: int) -> Reception:
    missing = count - len(body)
    if not missing:
        return body
    return Reception(
        torch.cat([body.symbols, torch.zeros(missing, dtype=body.symbols.dtype)]),
        torch.cat([body.noise_variance, torch.full((missing,), float("inf"))]),
    )


class _Stream:
    """Chunks of a reception as one queue of symbols."""

    def __init__(self, chunks: Iterable[Reception]) -> None:
        self._chunks = iter(chunks)
        self._queue = Reception(torch.empty(0, dtype=torch.complex64), torch.empty(0))

    def at_least(self, count: int) -> Reception:
        """Everything queued: at least ``count`` symbols, or all that is left."""
        pieces, have = [self._queue], len(self._queue)
        while have < count and (chunk := next(self._chunks, None)) is not None:
            pieces.append(chunk)
            have += len(chunk)
        if len(pieces) > 1:
            self._queue = Reception(
                torch.cat([piece.symbols for piece in pieces]), torch.cat([piece.noise_variance for piece in pieces])
            )
        return self._queue

    def drop(self, count: int) -> None:
        """Forget the first ``count`` symbols."""
        self._queue = self._queue[count:]

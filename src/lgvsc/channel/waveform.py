"""Bursts as radio frames: what must be known beforehand for a receiver to find time, frequency, phase and noise.

The symbol form of a recording is perfectly sampled and needs none of this. A waveform is for a real radio, so each
burst travels in a frame of its own, and everything added to it is charged::

    frame = sync:127  length:128  (pilot:1  data:31)*  pilot:1            symbols

``sync`` is a binary sequence of maximum length, which resembles itself at no other delay and no other frequency; the
Zadoff-Chu preamble of a burst takes a frequency offset for a delay. ``length`` says how many data symbols there are,
in four words of a biorthogonal code. Pilots come every 32 symbols.
"""

from __future__ import annotations

from math import ceil
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from lgvsc.channel.pulse import TAIL_SYMBOLS, Complex
from lgvsc.errors import InputError

Indices: TypeAlias = NDArray[np.int64]

SYNC_SYMBOLS = 127
PILOT_SPACING = 32
MAX_DATA_SYMBOLS = (1 << 22) - 1
LENGTH_SYMBOLS = 128
HEAD_SYMBOLS = SYNC_SYMBOLS + LENGTH_SYMBOLS
_WORD_SYMBOLS = 32
DATA_SHARE = 1 - 1 / PILOT_SPACING  # of the symbols between head and end
# What a frame takes of a budget that pays for pilots already: its head, its last pilot and a part of one, and the tail
# of the last pulse, which is on the air behind the last frame only.
FRAME_SYMBOLS = ceil((HEAD_SYMBOLS + 2 + TAIL_SYMBOLS) * DATA_SHARE)
_CHECKS = 4  # values of the check in the length field
_CLEAR = 1.15  # how much more the best code word must correlate than the second best


class FrameLayout(NamedTuple):
    """Where things are in a frame.

    Attributes:
        total: Symbols of the frame.
        pilots: Index of each pilot.
        data: Index of each data symbol.
    """

    total: int
    pilots: Indices
    data: Indices


def layout(data_symbols: int) -> FrameLayout:
    """The layout of a frame with so many data symbols."""
    count = -(-data_symbols // (PILOT_SPACING - 1)) + 1
    total = HEAD_SYMBOLS + data_symbols + count
    pilots = np.minimum(HEAD_SYMBOLS + PILOT_SPACING * np.arange(count), total - 1)
    is_data = np.ones(total, dtype=bool)
    is_data[:HEAD_SYMBOLS] = False
    is_data[pilots] = False
    return FrameLayout(total, pilots, np.flatnonzero(is_data))


def added_symbols(data_symbols: int) -> int:
    """What a frame costs besides its data: sync, length and pilots."""
    return layout(data_symbols).total - data_symbols


def frame(data: Complex) -> Complex:
    """A burst with all that is added to it.

    Args:
        data: complex64 ``(n,)``, at most 2^22 - 1 symbols.

    Raises:
        InputError: There are more.
    """
    if len(data) > MAX_DATA_SYMBOLS:
        raise InputError(f"a burst of {len(data)} symbols is too long for a radio frame, which has {MAX_DATA_SYMBOLS}")
    where = layout(len(data))
    symbols = np.empty(where.total, dtype=np.complex64)
    symbols[:HEAD_SYMBOLS] = head(len(data))
    symbols[where.pilots] = pilots(len(where.pilots))
    symbols[where.data] = data
    return symbols


def head(data_symbols: int) -> NDArray[np.float32]:
    """Sync and length, +1 or -1 each, ``(255,)``."""
    field = data_symbols * _CHECKS + _check(data_symbols)
    words = [field >> shift & 63 for shift in (18, 12, 6, 0)]
    return np.concatenate([SYNC, *(_WORDS[word % 32] * (1 - word // 32 * 2) for word in words)])


def read_length(symbols: Complex) -> int | None:
    """The number of data symbols; ``None`` where the field is unreadable.

    Args:
        symbols: The 128 symbols of the field, in phase where it begins; a slow turn is followed from word to word.
            Their amplitude does not matter.
    """
    field, turned = 0, 1.0 + 0.0j
    for row in symbols.reshape(-1, _WORD_SYMBOLS) @ _WORDS.T:
        likeness = (row * np.conj(turned)).real
        second, best = np.sort(np.abs(likeness))[-2:]
        if not best > _CLEAR * second:
            return None
        word = int(np.abs(likeness).argmax())
        negative = bool(likeness[word] < 0)
        turned = row[word] * (-1 if negative else 1)
        field = field << 6 | (word + 32 * negative)
    count, check = divmod(field, _CHECKS)
    return count if check == _check(count) and count else None


def pilots(count: int) -> NDArray[np.float32]:
    """The pilots of a frame, +1 or -1 each."""
    return np.resize(SYNC, count)


def _check(count: int) -> int:
    return count % 251 % _CHECKS


def _sync() -> NDArray[np.float32]:
    """The sequence of maximum length of x^7 + x^6 + 1."""
    bits = [1] * 7
    while len(bits) < SYNC_SYMBOLS:
        bits.append(bits[-7] ^ bits[-6])
    return 1 - 2 * np.array(bits, dtype=np.float32)


def _code_words() -> NDArray[np.float32]:
    """Rows of a Hadamard matrix (the other words are their negatives), spread by a piece of the sync sequence."""
    rows = np.array([[1.0]], dtype=np.float32)
    while len(rows) < _WORD_SYMBOLS:
        rows = np.block([[rows, rows], [rows, -rows]])
    return rows * SYNC[:_WORD_SYMBOLS]


SYNC = _sync()
_WORDS = _code_words()

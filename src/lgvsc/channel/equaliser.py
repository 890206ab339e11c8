"""Echoes undone: a finite filter that turns what became of a frame's known symbols back into what they were.

A flat channel needs none of this, and there it is not used: the caller compares what the filter leaves of noise and
echoes, on symbols that were not used to find it, with what is left without a filter.
"""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from lgvsc.channel.pulse import Complex

Taps: TypeAlias = NDArray[np.complex128]

REACH_SYMBOLS = 16  # of the longest filter, to each side
PER_SYMBOL = 2  # taps: with two, it does not matter when exactly the clock strikes
WORTH = 1.25  # how much larger the signal-to-noise ratio must become for the filter to be used: 1 dB
_REACHES = (2, 4, 8, REACH_SYMBOLS)  # in symbols
_KNOWN_PER_TAP = 3
_RIDGE = 1e-3  # share of the mean power, where the pulse has no spectrum to be equalised


class Filtered(NamedTuple):
    """What a filter makes of a frame.

    Attributes:
        symbols: complex64 ``(n,)``. At known places: as a filter makes them that was found without this one symbol, so
            that they can be used to measure what is wrong with the others.
        snr: Mean power of the symbols over that of all that is wrong with them.
    """

    symbols: Complex
    snr: float


def equalise(halves: Complex, known: NDArray[np.int64], sent: NDArray[np.float32]) -> Filtered:
    """The best linear filter of least squares over the known symbols, reaching 2, 4, 8 or 16 symbols to each side.

    How long: of all lengths that predict each known symbol from the others as well as the best length does, but for one
    standard error, the shortest.

    Args:
        halves: Behind the matched filter, two values for each symbol, from ``REACH_SYMBOLS`` symbols before the first
            symbol to as many behind the last one. In phase over the frame, as the filter stands still.
        known: Indices of known symbols, at least 48.
        sent: What they were, +1 or -1 each.

    Source: the Wiener filter from its sample moments, e.g. Haykin, Adaptive Filter Theory, chapter 9; leaving one out
        in closed form: Allen 1974, the relationship between variable selection and data augmentation.
    """
    found = [_fit(halves, known, sent, reach) for reach in _REACHES if _taps(reach) * _KNOWN_PER_TAP <= len(known)]
    errors = [float(np.mean(np.abs(sent - alone) ** 2)) for _, alone in found]
    good_enough = min(errors) * (1 + np.sqrt(2 / len(known)))
    (taps, alone), error = next(both for both in zip(found, errors, strict=True) if both[1] <= good_enough)
    inside = PER_SYMBOL * REACH_SYMBOLS - len(taps) // 2
    symbols = np.convolve(halves[inside : len(halves) - inside], taps[::-1], "valid")[::PER_SYMBOL].astype(np.complex64)
    symbols[known] = alone
    return Filtered(symbols, max(1 / max(error, 1e-9) - 1, 0.0))  # the filter shrinks symbols by 1 - error


def _taps(reach: int) -> int:
    return 2 * PER_SYMBOL * reach + 1


def _fit(halves: Complex, known: NDArray[np.int64], sent: NDArray[np.float32], reach: int) -> tuple[Taps, Taps]:
    """The filter, and each known symbol as the filter of all others makes it."""
    offsets = PER_SYMBOL * REACH_SYMBOLS + np.arange(-PER_SYMBOL * reach, PER_SYMBOL * reach + 1)
    heard = halves[PER_SYMBOL * known[:, None] + offsets].astype(np.complex128)
    moments = heard.conj().T @ heard
    moments += _RIDGE * np.trace(moments).real / len(offsets) * np.eye(len(offsets)) + 1e-30 * np.eye(len(offsets))
    solved = np.linalg.solve(moments, heard.conj().T)
    taps = (solved @ sent).astype(np.complex128)
    weight = np.einsum("kt,tk->k", heard, solved).real  # of each symbol in its own prediction
    alone = (sent - (sent - heard @ taps) / np.maximum(1 - weight, 1e-3)).astype(np.complex128)
    return taps, alone

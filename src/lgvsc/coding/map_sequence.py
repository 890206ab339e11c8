"""Rate maps and gains of the frames of a GOP as bits: adaptive range coding, where neighbours in space and time help.

Both ends count what they have seen in the same integers, so nothing has to be fitted or sent beforehand.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import constriction
import numpy as np
from numpy.typing import NDArray

from lgvsc.coding.rate_map import Bits, RateMap

GAIN_BITS = 8
CHECK_BITS = 8  # zeros at the end, by which most wrong bits are found out
STEP_BITS = 8  # in which the end is shortened
FIRST_WEIGHTS = (96, 40, 16, 8, 5, 3, 2)  # of an index by its distance from the guess, before anything was seen
SEEN = 48  # what an index that was seen adds to its weight
MOST = 4000  # the sum at which weights are halved
_WORD = 32


@dataclass(frozen=True, slots=True, eq=False)
class FrameRates:
    """What the receiver must know of a frame before it can read its symbols.

    Attributes:
        gain: Level of the gain, below ``2 ** GAIN_BITS``.
        motion: Rate map of motion, ``(m, n)``.
        rates: Rate map of the rest, ``(m, n)``.
    """

    gain: int
    motion: RateMap
    rates: RateMap


def encode_sequence(frames: Sequence[FrameRates], motion_rates: int, rates: int) -> Bits:
    """The frames in few bits; ``motion_rates`` and ``rates`` are how many different entries their maps can have."""
    coder = constriction.stream.queue.RangeEncoder()

    def put(index: int, model: constriction.stream.model.Categorical) -> int:
        coder.encode(index, model)
        return index

    models = Models(motion_rates, rates)
    for place, frame in enumerate(frames):
        models.frame(frame, frames[place - 1] if place else None, put)
    put(0, _uniform(CHECK_BITS))
    whole = np.unpackbits(coder.get_compressed().astype(">u4").view(np.uint8))
    shape = frames[0].rates.shape if frames else (0, 0)
    shortest = whole
    # Any number inside the coder's last interval will do, and the shortest one is shorter than whole words.
    for length in range(len(whole) - STEP_BITS, max(0, len(whole) - 2 * _WORD - 1), -STEP_BITS):
        cut = int("".join(map(str, whole[:length])), 2)
        for number in (cut, cut + 1):
            if number >> length:
                continue
            bits = np.array([int(bit) for bit in f"{number:0{length}b}"], dtype=np.uint8)
            if same(decode_sequence(bits, len(frames), shape, motion_rates, rates), frames):
                shortest = bits
                break
        else:
            break
    return shortest


def decode_sequence(
    bits: Bits, count: int, shape: tuple[int, ...], motion_rates: int, rates: int
) -> list[FrameRates] | None:
    """What :func:`encode_sequence` wrote; ``None`` where it cannot have written this."""
    padded = np.pad(np.asarray(bits, dtype=np.uint8), (0, -len(bits) % _WORD + 2 * _WORD))
    decoder = constriction.stream.queue.RangeDecoder(np.packbits(padded).view(">u4").astype(np.uint32))

    def get(_: int, model: constriction.stream.model.Categorical) -> int:
        return int(decoder.decode(model))

    models, frames = Models(motion_rates, rates), list[FrameRates]()
    try:
        for _ in range(count):
            blank = FrameRates(0, np.zeros(shape, np.int64), np.zeros(shape, np.int64))
            frames.append(models.frame(blank, frames[-1] if frames else None, get))
        return None if get(0, _uniform(CHECK_BITS)) else frames
    except AssertionError:  # impossible bits
        return None


def same(first: Sequence[FrameRates] | None, second: Sequence[FrameRates]) -> bool:
    return first is not None and all(
        a.gain == b.gain and np.array_equal(a.motion, b.motion) and np.array_equal(a.rates, b.rates)
        for a, b in zip(first, second, strict=True)
    )


Coded = Callable[[int, constriction.stream.model.Categorical], int]


class Models:
    """The weights of each index after each guess, as they stand after what was coded so far."""

    def __init__(self, motion_rates: int, rates: int) -> None:
        self._motion, self._rates = self._fresh(motion_rates), self._fresh(rates)

    def frame(self, frame: FrameRates, before: FrameRates | None, coded: Coded) -> FrameRates:
        """Pass a frame through ``coded``, index by index; what it returns makes up the result."""
        gain = coded(frame.gain, _uniform(GAIN_BITS))
        motion = self._map(frame.motion, before.motion if before else None, self._motion, coded)
        return FrameRates(gain, motion, self._map(frame.rates, before.rates if before else None, self._rates, coded))

    @staticmethod
    def _fresh(rates: int) -> NDArray[np.int64]:
        last = len(FIRST_WEIGHTS) - 1
        away = np.abs(np.subtract.outer(np.arange(rates), np.arange(rates)))
        return np.stack([np.array(FIRST_WEIGHTS)[np.minimum(away, last)]] * 2).astype(np.int64)

    def _map(self, indices: RateMap, before: RateMap | None, weights: NDArray[np.int64], coded: Coded) -> RateMap:
        out = np.zeros_like(indices)
        for row, column in np.ndindex(*indices.shape):
            near = [int(out[row, column - 1])] if column else []
            near += [int(out[row - 1, column])] if row else []
            near += [int(before[row, column])] * 2 if before is not None else []
            guess = (2 * sum(near) + len(near)) // (2 * len(near)) if near else 0
            apart = int(bool(near) and max(near) - min(near) > 1)
            row_of = weights[apart, guess]
            index = coded(int(indices[row, column]), _model(row_of))
            row_of[index] += SEEN
            if row_of.sum() > MOST:
                row_of[:] = (row_of + 1) // 2
            out[row, column] = index
        return out


def _model(weights: NDArray[np.int64]) -> constriction.stream.model.Categorical:
    chosen = weights.astype(np.float64)
    return constriction.stream.model.Categorical(chosen / chosen.sum(), perfect=False)


def _uniform(bits: int) -> constriction.stream.model.Categorical:
    return constriction.stream.model.Categorical(np.full(1 << bits, 1 / (1 << bits)), perfect=False)

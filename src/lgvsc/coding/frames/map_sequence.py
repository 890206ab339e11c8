"""Rate maps and gains of the frames of a GOP as bits: adaptive range coding, where neighbours in space and time help.

Both ends count what they have seen in the same integers, so nothing has to be fitted or sent beforehand.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import constriction
import numpy as np
from numpy.typing import NDArray

from lgvsc.coding.pictures.rate_map import Bits, RateMap

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
    """Whether two sequences of maps are equal; ``None`` equals nothing."""
    return first is not None and all(
        a.gain == b.gain and np.array_equal(a.motion, b.motion) and np.array_equal(a.rates, b.rates)
        for a, b in zip(first, second, strict=True)
    )


Coded = Callable[[int, constriction.stream.model.Categorical], int]


class Models:
    """The weights of each index, as they stand after what was coded so far: given the entry of the frame before, and
    given the entries to the left and above. Both are multiplied.
    """

    def __init__(self, motion_rates: int, rates: int) -> None:
        self._motion, self._rates = Weights.fresh(motion_rates), Weights.fresh(rates)

    def frame(self, frame: FrameRates, before: FrameRates | None, coded: Coded) -> FrameRates:
        """Pass a frame through ``coded``, index by index; what it returns makes up the result."""
        gain = coded(frame.gain, _uniform(GAIN_BITS))
        motion = self._map(frame.motion, before.motion if before else None, self._motion, coded)
        return FrameRates(gain, motion, self._map(frame.rates, before.rates if before else None, self._rates, coded))

    def _map(self, indices: RateMap, before: RateMap | None, weights: Weights, coded: Coded) -> RateMap:
        out = np.zeros_like(indices)
        for row, column in np.ndindex(*indices.shape):
            near = [int(out[row, column - 1])] if column else []
            near += [int(out[row - 1, column])] if row else []
            rows = [weights.before[before[row, column]]] if before is not None else []
            rows += [weights.near[len(near) - 1, sum(near)]] if near else []
            index = coded(int(indices[row, column]), _model(rows, len(weights.before)))
            for seen in rows:
                seen[index] += SEEN
                if seen.sum() > MOST:
                    seen[:] = (seen + 1) // 2
            out[row, column] = index
        return out


@dataclass(frozen=True, slots=True, eq=False)
class Weights:
    """Of each index, the last axis.

    Attributes:
        before: By the entry of the frame before, ``(n, n)``.
        near: By how many neighbours there are, 1 or 2, and their sum, ``(2, 2 n - 1, n)``.
    """

    before: NDArray[np.int64]
    near: NDArray[np.int64]

    @classmethod
    def fresh(cls, rates: int) -> Weights:
        last = len(FIRST_WEIGHTS) - 1
        at = np.arange(rates)
        means = np.stack([np.arange(2 * rates - 1), np.arange(2 * rates - 1) // 2])
        away = [np.abs(at[:, None] - at), np.abs(means[..., None] - at)]
        before, near = (np.array(FIRST_WEIGHTS, dtype=np.int64)[np.minimum(a, last)] for a in away)
        return cls(before, near)


def _model(rows: list[NDArray[np.int64]], rates: int) -> constriction.stream.model.Categorical:
    product = np.ones(rates, dtype=np.int64)
    for row in rows:
        product = product * row
    chosen = product.astype(np.float64)  # exact: two rows are below 2^24 together
    return constriction.stream.model.Categorical(chosen / chosen.sum(), perfect=False)


def _uniform(bits: int) -> constriction.stream.model.Categorical:
    return constriction.stream.model.Categorical(np.full(1 << bits, 1 / (1 << bits)), perfect=False)

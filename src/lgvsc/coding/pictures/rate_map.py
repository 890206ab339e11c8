"""The rate map of a picture as bits: which of a few rates each part of it has, neighbours helping to guess.

Both ends build the same integer tables, so nothing depends on how a machine rounds.
"""

from __future__ import annotations

from functools import cache

import constriction
import numpy as np
from numpy.typing import NDArray

Bits = NDArray[np.uint8]  # 0/1, most significant first
RateMap = NDArray[np.int64]

PARTS = 8  # a guess is in eighths of a step of the index
TOP_WEIGHT = 1 << 20
FLOOR_WEIGHT = 300
# Decay of an index's weight with each eighth of its distance from the guess, by how much two neighbours differ, then
# for one neighbour, then for none. Fitted to maps of training pictures.
DECAY_PERCENT = (74, 72, 88, 89, 75, 83)
ONE_NEIGHBOUR, NO_NEIGHBOUR = 4, 5
_WORD = 32


def encode_map(indices: RateMap, typical: int, rates: int, room_bits: int) -> Bits | None:
    """A rate map in exactly so many bits.

    Args:
        indices: ``(rows, columns)``, each below ``rates``.
        typical: Index that both ends expect before any is known, in eighths.
        rates: How many different indices there are.
        room_bits: Length of the result.

    Returns:
        Bits ``(room_bits,)``; ``None`` where the map does not fit.
    """
    flat = indices.flatten()
    coder = constriction.stream.queue.RangeEncoder()
    for place, index in enumerate(flat):
        coder.encode(int(index), _model(_guess(flat, place, indices.shape[1], typical), rates))
    whole = _to_bits(coder.get_compressed())
    if len(whole) <= room_bits:
        return np.pad(whole, (0, room_bits - len(whole)))
    # Any number inside the coder's last interval will do, and the shortest one is far shorter than whole words.
    cut = int("".join(map(str, whole[:room_bits])) or "0", 2)
    for number in (cut, cut + 1):
        if number >> room_bits:
            continue
        bits = np.array([int(bit) for bit in f"{number:0{room_bits}b}"], dtype=np.uint8) if room_bits else whole[:0]
        if np.array_equal(decode_map(bits, indices.shape, typical, rates), indices):
            return bits
    return None


def decode_map(bits: Bits, shape: tuple[int, ...], typical: int, rates: int) -> RateMap:
    """What :func:`encode_map` wrote. Any bits give some map."""
    flat = np.full(shape[0] * shape[1], typical // PARTS, dtype=np.int64)
    padded = np.pad(bits, (0, -len(bits) % _WORD + 2 * _WORD))
    decoder = constriction.stream.queue.RangeDecoder(np.packbits(padded).view(">u4").astype(np.uint32))
    try:
        for place in range(len(flat)):
            flat[place] = decoder.decode(_model(_guess(flat, place, shape[1], typical), rates))
    except AssertionError:  # impossible bits: the rest stays at the typical rate
        pass
    return flat.reshape(shape)


def _guess(flat: RateMap, place: int, columns: int, typical: int) -> tuple[int, int]:
    """What the index is likely to be, in eighths, from the left and upper ones and the typical one; how surely."""
    row, column = divmod(place, columns)
    left = int(flat[place - 1]) if column else None
    above = int(flat[place - columns]) if row else None
    if left is not None and above is not None:
        return (28 * (left + above) + typical) // 8, min(abs(left - above), 3)
    near = left if left is not None else above
    return (typical, NO_NEIGHBOUR) if near is None else ((40 * near + 3 * typical) // 8, ONE_NEIGHBOUR)


@cache
def _model(guess: tuple[int, int], rates: int) -> constriction.stream.model.Categorical:
    at, trust = guess
    weights = _weights(DECAY_PERCENT[trust], PARTS * rates)
    chosen = np.array([weights[abs(PARTS * index - at)] for index in range(rates)], dtype=np.float64)
    return constriction.stream.model.Categorical(chosen / chosen.sum(), perfect=False)


@cache
def _weights(percent: int, count: int) -> tuple[int, ...]:
    weights = [TOP_WEIGHT]
    for _ in range(count):
        weights.append(weights[-1] * percent // 100)
    return tuple(weight + FLOOR_WEIGHT for weight in weights)


def _to_bits(words: NDArray[np.uint32]) -> Bits:
    return np.unpackbits(words.astype(">u4").view(np.uint8))

"""What byte of a caption comes next: a back-off model over characters and words, in integers only.

Both ends must compute the very same numbers on any machine, so there is no floating point in here. The model is a
chain of contexts from short to long: the last one to six bytes, then the text since the beginning of the last one, two
or three words. Each context that was seen in training refines the shorter one's answer by absolute discounting
(Ney, Essen and Kneser 1994).
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save_file

from lgvsc.errors import InputError
from lgvsc.models.catalog import find
from lgvsc.models.weights import load_asset, read_tensors

ALPHABET = 256
END = 0xFF  # never a byte of UTF-8
PRECISION_BITS = 24
TOTAL = 1 << PRECISION_BITS  # what the frequencies of a prediction sum to

CHARACTER_ORDERS = 6
WORD_ORDERS = 3
ORDERS = CHARACTER_ORDERS + WORD_ORDERS
LONGEST_CONTEXT = 64  # bytes; longer runs without a space are not words
MAX_COUNT = 255
DISCOUNT_UNIT = 256
EVIDENCE = (1, 3, 15)  # a context seen at most so often is in the first, second, third class; others in the fourth
SHIPPED = "caption-text-model"

_START = b"\n"
_WORDS = re.compile(rb"[A-Za-z0-9\x80-\xff]+")


class TextModel:
    """Frequencies of the next byte, given those before it.

    Args:
        hashes: For each order the CRC-32 of every context kept, uint32, ascending.
        sizes: For each order the number of different successors of each context, less one, uint8.
        symbols, counts: For each order the successors of all contexts one after the other, and how often each was
            seen, uint8, 1 to ``MAX_COUNT``.
        discounts: Taken from counts of 1, 2 and more, in units of 1/256 count, int64 ``(ORDERS, 4, 3)``; the second
            axis is the class of ``EVIDENCE``.
    """

    def __init__(
        self,
        hashes: list[NDArray[np.uint32]],
        sizes: list[NDArray[np.uint8]],
        symbols: list[NDArray[np.uint8]],
        counts: list[NDArray[np.uint8]],
        discounts: NDArray[np.int64],
    ) -> None:
        self._hashes, self._sizes, self._symbols, self._counts = hashes, sizes, symbols, counts
        self.discounts = discounts
        self._starts = [np.concatenate(([0], np.cumsum(s.astype(np.int64) + 1))) for s in sizes]

    def frequencies(self, past: bytes) -> NDArray[np.int64]:
        """How likely each byte is to follow ``past``: 256 integers, each at least 1, ``TOTAL`` in all."""
        frequencies = np.full(ALPHABET, TOTAL // ALPHABET, dtype=np.int64)
        for order, symbols, counts in self.evidence(past):
            seen = int(counts.sum())
            taken = self.discounts[order, evidence_class(seen)][np.minimum(counts, 3) - 1]  # always below the count
            whole = DISCOUNT_UNIT * seen
            frequencies = frequencies * int(taken.sum()) // whole
            frequencies[symbols] += (DISCOUNT_UNIT * counts - taken) * TOTAL // whole
        frequencies += 1
        frequencies[int(frequencies.argmax())] += TOTAL - int(frequencies.sum())  # what integer division left over
        return frequencies

    def evidence(self, past: bytes) -> Iterator[tuple[int, NDArray[np.uint8], NDArray[np.int64]]]:
        """Successors and their counts in every known context that ``past`` ends with, shortest first."""
        for order, context in contexts(past):
            hashes = self._hashes[order]
            key = np.uint32(context_key(order, context))
            at = int(np.searchsorted(hashes, key))
            if at < len(hashes) and hashes[at] == key:
                where = slice(self._starts[order][at], self._starts[order][at + 1])
                yield order, self._symbols[order][where], self._counts[order][where].astype(np.int64)

    def save(self, path: Path, metadata: Mapping[str, str]) -> None:
        """Write as safetensors."""
        tensors: dict[str, NDArray[np.generic]] = {"discounts": self.discounts.astype(np.int32)}
        for order in range(ORDERS):
            tensors[f"{order}.hashes"] = self._hashes[order]
            tensors[f"{order}.sizes"] = self._sizes[order]
            tensors[f"{order}.symbols"] = self._symbols[order]
            tensors[f"{order}.counts"] = self._counts[order]
        save_file(tensors, str(path), metadata=dict(metadata))

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Read what :meth:`save` wrote. Raises InputError on anything else."""
        try:
            tensors = {name: tensor.numpy() for name, tensor in read_tensors(data)[0].items()}
            orders = range(ORDERS)
            return cls(
                [tensors[f"{order}.hashes"] for order in orders],
                [tensors[f"{order}.sizes"] for order in orders],
                [tensors[f"{order}.symbols"] for order in orders],
                [tensors[f"{order}.counts"] for order in orders],
                tensors["discounts"].astype(np.int64),
            )
        except Exception as error:  # no tensors, a missing table, or tables that do not fit each other
            raise InputError(f"not a text model: {error}") from error


@lru_cache(maxsize=1)
def shipped_model() -> TextModel:
    """The model inside the package; both ends of a link need the same one."""
    return TextModel.from_bytes(load_asset(find(SHIPPED)))


def contexts(past: bytes) -> Iterator[tuple[int, bytes]]:
    """Order and text of each context that ``past`` ends with, shortest first."""
    past = (_START + past)[-LONGEST_CONTEXT:]
    for order in range(min(CHARACTER_ORDERS, len(past))):
        yield order, past[len(past) - order - 1 :]
    begins = [match.start() for match in _WORDS.finditer(past)]
    if begins and _WORDS.fullmatch(past, begins[-1]):
        begins.pop()  # a word that is still being written is not one of the last words
    for order in range(WORD_ORDERS):
        if len(begins) > order and len(past) - begins[-1 - order] > CHARACTER_ORDERS:
            yield CHARACTER_ORDERS + order, past[begins[-1 - order] :]


def context_key(order: int, context: bytes) -> int:
    """What stands for a context in the tables: its CRC-32, begun differently for each order."""
    return zlib.crc32(context, order)


def evidence_class(seen: int) -> int:
    """Which row of the discounts is for a context seen so often."""
    return sum(seen > limit for limit in EVIDENCE)

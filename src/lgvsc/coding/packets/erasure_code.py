"""Fragments that make up for lost ones: of k fragments and any number of extra ones, every k give back all.

A systematic Reed-Solomon code over GF(256), from a Cauchy matrix, each of whose square submatrices can be inverted.

Source: Blömer et al. 1995, An XOR-based erasure-resilient coding scheme (the Cauchy construction).
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from lgvsc.errors import ShapeError

Bytes: TypeAlias = NDArray[np.uint8]

MAX_FRAGMENTS = 256  # with the extra ones: the size of the field
_POLYNOMIAL = 0x11D  # x^8 + x^4 + x^3 + x^2 + 1, of which x is a primitive element


def extra_fragments(data: Bytes, count: int) -> Bytes:
    """Extra fragments for some fragments of equal size.

    Args:
        data: uint8 ``(k, n)``.
        count: How many, at most ``256 - k``.

    Returns:
        uint8 ``(count, n)``; number them from k on.
    """
    if len(data) + count > MAX_FRAGMENTS:
        raise ShapeError(f"{len(data)} fragments and {count} extra ones are more than {MAX_FRAGMENTS}")
    return _product(_coefficients(len(data), range(len(data), len(data) + count)), data)


def all_fragments(received: Mapping[int, Bytes], count: int) -> Bytes | None:
    """The first ``count`` fragments from any ``count`` of those that were sent.

    Args:
        received: Fragments by their number, all of one size; extra ones are numbered from ``count`` on.

    Returns:
        uint8 ``(count, n)``; ``None`` where too few arrived.
    """
    missing = [index for index in range(count) if index not in received]
    extra = sorted(index for index in received if count <= index < MAX_FRAGMENTS)[: len(missing)]
    if len(extra) < len(missing) or not received:
        return None
    whole = np.zeros((count, len(next(iter(received.values())))), dtype=np.uint8)
    for index in range(count):
        if index in received:
            whole[index] = received[index]
    if missing:
        coefficients = _coefficients(count, extra)
        known = _product(coefficients, whole)  # the missing rows are zero and add nothing
        rest = np.stack([received[index] for index in extra]) ^ known
        whole[missing] = _solved(coefficients[:, missing], rest)
    return whole


def _coefficients(count: int, extra: range | list[int]) -> Bytes:
    """Of the extra fragments numbered so: ``1 / (number of the extra one + number of the fragment)``."""
    return _inverses()[np.array(extra, dtype=np.int64)[:, None] ^ np.arange(count)]


def _product(matrix: Bytes, data: Bytes) -> Bytes:
    product = np.zeros((len(matrix), data.shape[1]), dtype=np.uint8)
    for column, row in zip(matrix.T, data, strict=True):
        product ^= _products()[column[:, None], row]
    return product


def _solved(matrix: Bytes, right: Bytes) -> Bytes:
    """Gauss and Jordan; no pivot of a Cauchy matrix is zero, and neither are those that elimination leaves."""
    matrix, right = matrix.copy(), right.copy()
    products, inverses = _products(), _inverses()
    for pivot in range(len(matrix)):
        scale = inverses[matrix[pivot, pivot]]
        matrix[pivot], right[pivot] = products[scale, matrix[pivot]], products[scale, right[pivot]]
        factors = matrix[:, pivot].copy()
        factors[pivot] = 0
        matrix ^= products[factors[:, None], matrix[pivot]]
        right ^= products[factors[:, None], right[pivot]]
    return right


@lru_cache(maxsize=1)
def _products() -> Bytes:
    """The multiplication table of GF(256)."""
    power, powers = 1, []
    for _ in range(255):
        powers.append(power)
        power = power << 1 ^ (_POLYNOMIAL if power & 128 else 0)
    logarithm = np.zeros(256, dtype=np.int64)
    logarithm[powers] = np.arange(255)
    table = np.array(powers, dtype=np.uint8)[(logarithm[:, None] + logarithm) % 255]
    table[0] = table[:, 0] = 0
    return table


@lru_cache(maxsize=1)
def _inverses() -> Bytes:
    """By element; zero, which has none, gives zero."""
    return np.where(np.arange(256) > 0, (_products() == 1).argmax(axis=1), 0).astype(np.uint8)

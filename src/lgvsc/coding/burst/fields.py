"""Named integers of fixed width as a block of bits with a CRC: what the control streams are made of."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from lgvsc.errors import InputError

Layout: TypeAlias = tuple[tuple[str, int], ...]  # name and width in bits of every field, in the order sent

CRC_BITS = 16


def block_bits(layout: Layout) -> int:
    """Length of a block, its CRC included."""
    return sum(width for _, width in layout) + CRC_BITS


def pack_fields(values: Mapping[str, int], layout: Layout) -> NDArray[np.uint8]:
    """Bits of a block, uint8 0/1, ``(block_bits(layout),)``, most significant first.

    Raises:
        InputError: A value does not fit its field.
    """
    block = 0
    for name, width in layout:
        value = values[name]
        if not 0 <= value < 1 << width:
            raise InputError(f"{name.replace('_', ' ')} is {value}; the control stream carries at most {2**width - 1}")
        block = block << width | value
    block = block << CRC_BITS | _crc(block, layout)
    return np.array([block >> i & 1 for i in reversed(range(block_bits(layout)))], dtype=np.uint8)


def unpack_fields(bits: NDArray[np.uint8], layout: Layout) -> dict[str, int] | None:
    """Values by name; ``None`` where the length is another one or the CRC fails."""
    if len(bits) != block_bits(layout):
        return None
    block = int("".join("1" if bit else "0" for bit in bits), 2)
    block, crc = block >> CRC_BITS, block & (1 << CRC_BITS) - 1
    if crc != _crc(block, layout):
        return None
    values: dict[str, int] = {}
    for name, width in reversed(layout):
        values[name] = block & (1 << width) - 1
        block >>= width
    return values


def _crc(block: int, layout: Layout) -> int:
    """CRC-32 of the fields, folded to 16 bits."""
    crc = zlib.crc32(block.to_bytes((block_bits(layout) + 7) // 8, "big"))
    return (crc ^ crc >> 16) & 0xFFFF

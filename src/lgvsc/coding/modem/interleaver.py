"""A block interleaver: the symbols of a payload in another order, so that a fade does not hit neighbours.

Symbols are written row by row into a rectangle about as high as wide, and sent column by column. Those that one
fade hits then lie evenly over all code blocks, and each block sees as many different gains as the payload does.
Both ends derive the rectangle from the number of symbols; nothing is announced.
"""

from __future__ import annotations

from math import isqrt

import torch
from torch import Tensor


def interleave(symbols: Tensor) -> Tensor:
    """Coding order to sending order, ``(n,)`` to ``(n,)``."""
    rows, columns, full = _rectangle(len(symbols))
    padded = torch.cat([symbols, symbols.new_zeros(rows * columns - len(symbols))]).reshape(rows, columns).T
    return torch.cat([padded[:full].flatten(), padded[full:, : rows - 1].flatten()])


def deinterleave(symbols: Tensor) -> Tensor:
    """The inverse of :func:`interleave`."""
    rows, columns, full = _rectangle(len(symbols))
    padded = symbols.new_zeros(columns, rows)
    padded[:full] = symbols[: full * rows].reshape(full, rows)
    padded[full:, : rows - 1] = symbols[full * rows :].reshape(columns - full, rows - 1)
    return padded.T.flatten()[: len(symbols)]


def _rectangle(count: int) -> tuple[int, int, int]:
    """Rows, columns, and how many columns reach into the last row."""
    if not count:
        return 1, 0, 0
    columns = isqrt(count - 1) + 1
    rows = -(-count // columns)
    return rows, columns, count - (rows - 1) * columns

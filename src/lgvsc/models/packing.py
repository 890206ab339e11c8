"""Weights in few bits: a whole number each, and one scale for some neighbours of a row.

Rounding shifts what a row adds up to, and what comes in behind a ReLU is never negative, so such a shift would move the
output wherever the picture is. So as many weights of a group are rounded the other way as keeps its sum, those first
that lie nearest to the middle between two numbers.
"""

from __future__ import annotations

import torch
from torch import Tensor

GROUP = 64  # neighbours of a row that share a scale
SCALES = tuple(0.6 + 0.05 * k for k in range(9))  # of the largest weight of a group: which of them is tried as its end


def pack(weight: Tensor, bits: int) -> tuple[Tensor, Tensor]:
    """Weights in ``bits`` bits: bytes ``uint8 (n,)`` and scales ``float16 (rows, groups)``.

    Args:
        weight: ``(rows, ...)``.
        bits: 2 to 8.

    Raises:
        ValueError: Another number of bits.
    """
    if not 2 <= bits <= 8:
        raise ValueError(f"weights are packed in 2 to 8 bits, not in {bits}")
    rows, top = weight.shape[0], 2 ** (bits - 1) - 1
    flat = weight.detach().float().reshape(rows, -1)
    flat = torch.nn.functional.pad(flat, (0, -flat.shape[1] % GROUP)).reshape(rows, -1, GROUP)
    largest = flat.abs().amax(dim=2, keepdim=True)
    best, scales = torch.full_like(largest, torch.inf), torch.zeros_like(largest)
    for share in SCALES:
        tried = (largest * share / top).half().float().clamp_min(1e-7)
        error = ((flat / tried).round().clamp(-top - 1, top) * tried - flat).square().sum(dim=2, keepdim=True)
        scales, best = torch.where(error < best, tried, scales), torch.minimum(error, best)
    scales = scales.half().float().clamp_min(6e-8)
    numbers = _keeping_sums(flat / scales, top)
    codes = (numbers + top + 1).reshape(rows, -1)[:, : weight[0].numel()].reshape(-1).to(torch.uint8)
    spread = (codes[:, None] >> torch.arange(bits - 1, -1, -1, dtype=torch.uint8)) & 1
    spread = torch.nn.functional.pad(spread.reshape(-1), (0, -spread.numel() % 8)).reshape(-1, 8)
    packed = (spread << torch.arange(7, -1, -1, dtype=torch.uint8)).sum(dim=1).to(torch.uint8)
    return packed, scales[..., 0].half()


def unpack(packed: Tensor, scales: Tensor, shape: tuple[int, ...], bits: int) -> Tensor:
    """The float32 weights of :func:`pack`, ``shape``.

    Raises:
        ValueError: The bytes or the scales are not those of so many weights.
    """
    rows, count = shape[0], int(torch.tensor(shape).prod())
    wide = -(-count // rows // GROUP)
    if packed.dtype != torch.uint8 or packed.numel() != -(-count * bits // 8) or tuple(scales.shape) != (rows, wide):
        raise ValueError(f"{packed.numel()} bytes and {tuple(scales.shape)} scales are not {shape} in {bits} bits")
    spread = (packed[:, None] >> torch.arange(7, -1, -1, dtype=torch.uint8)) & 1
    spread = spread.reshape(-1)[: count * bits].reshape(-1, bits)
    codes = (spread << torch.arange(bits - 1, -1, -1, dtype=torch.uint8)).sum(dim=1).float() - 2 ** (bits - 1)
    of_row = scales.float().repeat_interleave(GROUP, dim=1)[:, : count // rows]
    return (codes.reshape(rows, -1) * of_row).reshape(shape)


def _keeping_sums(values: Tensor, top: int) -> Tensor:
    """Whole numbers near the values, of whose groups the sums are nearly those of the values."""
    numbers = values.round().clamp(-top - 1, top)
    excess = (numbers - values).sum(dim=2, keepdim=True)
    way = torch.where(excess > 0, -1.0, 1.0)  # in which direction some must go
    moved = numbers + way
    cost = (moved - values).abs() - (numbers - values).abs()
    cost = torch.where((moved < -top - 1) | (moved > top), torch.inf, cost)
    rank = cost.argsort(dim=2).argsort(dim=2)
    return torch.where((rank < excess.abs().round()) & (cost < 1.0), moved, numbers)

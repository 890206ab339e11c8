"""Multi-scale structural similarity that can be differentiated: what networks, and what is sent, are improved by.

Not the figure that is reported: see :mod:`lgvsc.metrics.ssim`.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

SIMILARITY_WEIGHTS = (0.1, 0.3, 0.35, 0.25)
MIN_TRAINING_SIDE = 7 * 2 ** (len(SIMILARITY_WEIGHTS) - 1)  # 56: the window must fit into the smallest scale


def training_ms_ssim(first: Tensor, second: Tensor) -> Tensor:
    """Multi-scale structural similarity on four scales with a window of 7, which crops of 128 pixels have room for.

    Args:
        first, second: ``(B, C, H, W)`` in [0, 1], float32, sides from 56 pixels.

    Returns:
        ``(B,)``.
    """
    product = torch.ones(len(first), device=first.device)
    for scale, weight in enumerate(SIMILARITY_WEIGHTS):
        if scale:
            first, second = F.avg_pool2d(first, 2), F.avg_pool2d(second, 2)
        every = 2 if scale == 0 else 1  # neighbouring windows say much the same at the finest scale
        rows, columns = (window_matrix(size).to(first.device)[::every] for size in first.shape[2:])
        maps = torch.stack([first + second, first - second])
        means = (rows @ maps @ columns.T).square()
        squares = rows @ maps.square() @ columns.T - means
        contrast = (squares[0] - squares[1] + 2 * 0.03**2) / (squares[0] + squares[1] + 2 * 0.03**2)
        value = contrast
        if scale == len(SIMILARITY_WEIGHTS) - 1:
            value = contrast * (means[0] - means[1] + 2 * 0.01**2) / (means[0] + means[1] + 2 * 0.01**2)
        product = product * value.mean((1, 2, 3)).clamp(min=1e-3) ** weight
    return product


def window_matrix(size: int) -> Tensor:
    """A Gaussian window of 7 (deviation 1.5) as a matrix: on a CPU products are faster than narrow convolutions."""
    taps = torch.exp(-0.5 * (torch.arange(-3, 4) / 1.5) ** 2)
    taps = taps / taps.sum()
    matrix = torch.zeros(size - 6, size)
    for offset, tap in enumerate(taps):
        matrix.diagonal(offset).fill_(float(tap))
    return matrix

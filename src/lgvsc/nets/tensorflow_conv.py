"""Convolutions for weights that were trained in TensorFlow; padded otherwise they would see their features shifted."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn


class TensorFlowConv(nn.Conv2d):
    """A convolution that pads as TensorFlow does: of an odd number of pixels, the greater part goes behind."""

    def __init__(self, into: int, out: int, kernel: int, *, stride: int = 1, depthwise: bool = False) -> None:
        super().__init__(into, out, kernel, stride, groups=into if depthwise else 1)
        self.whole = max(0, kernel - stride) if stride > 1 else kernel - 1  # for sides that are multiples of the stride

    def forward(self, x: Tensor) -> Tensor:
        before, behind = self.whole // 2, self.whole - self.whole // 2
        if before == behind:
            return F.conv2d(x, self.weight, self.bias, self.stride, before, 1, self.groups)
        return super().forward(F.pad(x, (before, behind, before, behind)))

"""EfficientNet-Lite0: features of a picture as a whole, and how likely it shows each of the kinds that it was taught.

Inverted residuals with ReLU6 and no gates (Tan and Le 2019, arXiv:1905.11946; the Lite variant leaves out squeeze and
excitation). Batch normalisation is part of the convolutions' weights. Padding follows TensorFlow, where the published
weights were trained.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import torch.nn.functional as F
from torch import Tensor, nn

from lgvsc.nets.tensorflow_conv import TensorFlowConv

STRIDE = 32  # sides of the input must be multiples of it
MEAN, SPREAD = 127.0, 128.0  # of the pixels, as the published weights were trained


@dataclass(frozen=True, slots=True)
class LiteStage:
    """Some blocks: channels inside for each that comes in, kernel, stride of the first, channels out, how many."""

    expand: int
    kernel: int
    stride: int
    out: int
    repeats: int


@dataclass(frozen=True, slots=True, kw_only=True)
class EfficientNetLiteConfig:
    """Size of the network."""

    kinds: int = 1000
    stem: int = 32
    stages: tuple[LiteStage, ...] = (
        LiteStage(1, 3, 1, 16, 1),
        LiteStage(6, 3, 2, 24, 2),
        LiteStage(6, 5, 2, 40, 2),
        LiteStage(6, 3, 2, 80, 3),
        LiteStage(6, 5, 1, 112, 3),
        LiteStage(6, 5, 2, 192, 4),
        LiteStage(6, 3, 1, 320, 1),
    )
    features: int = 1280


class EfficientNetLite(nn.Module):
    """Pictures ``(B, 3, H, W)`` float32 RGB in 0..255, sides multiples of 32.

    Output: features ``(B, features)``, means over the picture, and evidence ``(B, kinds)``: its softmax is a
    probability.
    """

    def __init__(self, config: EfficientNetLiteConfig | None = None) -> None:
        super().__init__()
        self.config = config = config or EfficientNetLiteConfig()
        self.stem = TensorFlowConv(3, config.stem, 3, stride=2)
        blocks, into = [], config.stem
        for stage in config.stages:
            for nth in range(stage.repeats):
                blocks.append(_Block(into, stage, stage.stride if nth == 0 else 1))
                into = stage.out
        self.blocks = nn.ModuleList(blocks)
        self.last = nn.Conv2d(into, config.features, 1)
        self.kinds = nn.Linear(config.features, config.kinds)

    @classmethod
    def tiny(cls, kinds: int = 4) -> Self:
        """Small enough for tests."""
        stages = (
            LiteStage(1, 3, 1, 8, 1),
            LiteStage(2, 3, 2, 8, 2),
            LiteStage(2, 5, 2, 8, 1),
            LiteStage(2, 3, 4, 8, 1),
        )
        return cls(EfficientNetLiteConfig(kinds=kinds, stem=8, stages=stages, features=12))

    def forward(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        if pictures.ndim != 4 or pictures.shape[1] != 3 or pictures.shape[2] % STRIDE or pictures.shape[3] % STRIDE:
            raise ValueError(f"{tuple(pictures.shape)} is not (B, 3, H, W) with sides that are multiples of {STRIDE}")
        x = F.relu6(self.stem((pictures - MEAN) / SPREAD))
        for block in self.blocks:
            x = block(x)
        features = F.relu6(self.last(x)).mean(dim=(2, 3))
        return features, self.kinds(features)


class _Block(nn.Module):
    """Expand, filter each channel, project; add what came in where shapes allow."""

    def __init__(self, into: int, stage: LiteStage, stride: int) -> None:
        super().__init__()
        inside = into * stage.expand
        self.expand = nn.Conv2d(into, inside, 1) if stage.expand > 1 else None
        self.depthwise = TensorFlowConv(inside, inside, stage.kernel, stride=stride, depthwise=True)
        self.project = nn.Conv2d(inside, stage.out, 1)
        self.adds = stride == 1 and into == stage.out

    def forward(self, x: Tensor) -> Tensor:
        y = x if self.expand is None else F.relu6(self.expand(x))
        y = self.project(F.relu6(self.depthwise(y)))
        return y + x if self.adds else y

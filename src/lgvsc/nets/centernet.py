"""MobileNetV3-CenterNet: finds things of 80 kinds in a picture.

A MobileNetV3 body (Howard et al. 2019, arXiv:1905.02244), a pyramid that brings its deep features back to a quarter
of the picture's size, and two maps there: how likely the middle of a thing of each kind lies at a spot, and how far
its four sides are from that spot (Zhou et al. 2019, arXiv:1904.07850). Batch normalisation is part of the
convolutions' weights. The layout is that of the graph which the published weights come in; padding and enlarging
follow TensorFlow, or the weights would see their features shifted.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lgvsc.nets.tensorflow_conv import TensorFlowConv

STRIDE = 32  # sides of the input must be multiples of it
PARTS = 4  # cells on either side of the grid in which a picture's features are averaged
CELL = 4  # pixels of the input for each spot of the maps
SIDE_UNIT = 16.0  # pixels for one unit of the map of sides
SIXTH = 0.16662598  # 1/6 as the published graph rounds it; the true value moves scores by up to a thousandth


@dataclass(frozen=True, slots=True)
class InvertedResidual:
    """One inverted residual: ``expand`` channels inside, ``squeeze`` channels in its gate (0: none)."""

    expand: int
    out: int
    kernel: int = 3
    stride: int = 1
    squeeze: int = 0
    hard: bool = False  # hard swish instead of ReLU


@dataclass(frozen=True, slots=True, kw_only=True)
class CenterNetConfig:
    """Size of the network. ``taps`` are the stages that feed the pyramid, finest first.

    The two finest are read inside their stage, after its expansion; the third behind it.
    """

    kinds: int = 80
    stem: int = 16
    stages: tuple[InvertedResidual, ...] = (
        InvertedResidual(16, 16),
        InvertedResidual(64, 24, stride=2),
        InvertedResidual(72, 24),
        InvertedResidual(72, 32, 5, stride=2, squeeze=24),
        InvertedResidual(96, 32, 5, squeeze=24),
        InvertedResidual(96, 32, 5, squeeze=24),
        InvertedResidual(192, 64, stride=2, hard=True),
        InvertedResidual(160, 64, hard=True),
        InvertedResidual(144, 64, hard=True),
        InvertedResidual(144, 64, hard=True),
        InvertedResidual(384, 88, squeeze=96, hard=True),
        InvertedResidual(528, 88, squeeze=136, hard=True),
        InvertedResidual(528, 120, 5, stride=2, squeeze=136, hard=True),
        InvertedResidual(720, 120, 5, squeeze=184, hard=True),
        InvertedResidual(720, 120, 5, squeeze=184, hard=True),
    )
    last: int = 480
    taps: tuple[int, int, int] = (3, 5, 11)
    lateral: tuple[int, int, int] = (64, 96, 128)  # channels that each tap brings
    upward: tuple[int, int, int] = (64, 96, 128)  # channels that come from the coarser level
    gate: int = 32


class CenterNet(nn.Module):
    """Pictures to maps, and maps to things.

    Input ``(B, 3, H, W)`` float32 RGB in 0..255, sides multiples of 32. Output: probabilities ``(B, kinds, H/4, W/4)``
    and distances ``(B, 4, H/4, W/4)`` from a spot to left, top, right, bottom in pixels of the input.
    """

    def __init__(self, config: CenterNetConfig | None = None) -> None:
        super().__init__()
        self.config = config = config or CenterNetConfig()
        self.stem = _Conv(3, config.stem, 3, stride=2)
        channels = [config.stem, *(stage.out for stage in config.stages)]
        self.stages = nn.ModuleList(_Residual(n, stage) for n, stage in zip(channels, config.stages, strict=False))
        self.last = _Conv(channels[-1], config.last, 1)
        fine, middle, coarse = config.taps
        widths = (config.stages[fine].expand, config.stages[middle].expand, config.stages[coarse].out)
        self.lateral = nn.ModuleList(_Lateral(n, out) for n, out in zip(widths, config.lateral, strict=True))
        joined = [a + b for a, b in zip(config.lateral, config.upward, strict=True)]
        below = (joined[1], joined[2], config.last)
        self.upward = nn.ModuleList(_Upward(n, out) for n, out in zip(below, config.upward, strict=True))
        self.squeeze = _Conv(joined[0], config.gate, 1)
        self.excite = nn.Conv2d(config.gate, joined[0], 1, bias=False)
        self.middles = _Separable(joined[0], config.kinds, 3)
        self.sides = _Separable(joined[0], 4, 3)

    @classmethod
    def tiny(cls, kinds: int = 5) -> Self:
        """Small enough for tests."""
        stages = (
            InvertedResidual(8, 8),
            InvertedResidual(12, 8, stride=2),
            InvertedResidual(12, 8, 5, stride=2, squeeze=4),
            InvertedResidual(12, 8, stride=2, hard=True),
            InvertedResidual(12, 8, 5, stride=2, squeeze=4, hard=True),
        )
        small = (8, 8, 8)
        return cls(
            CenterNetConfig(
                kinds=kinds, stem=8, stages=stages, last=16, taps=(2, 3, 3), lateral=small, upward=small, gate=4
            )
        )

    def forward(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        middles, sides, _, _ = self.with_summary(pictures)
        return middles, sides

    def with_summary(self, pictures: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Both maps, and what the body makes of each picture: as a whole, ``(B, summary_size)``, and in its parts.

        The summary is mean and maximum of the deepest features and mean of the coarsest that the pyramid reads; parts
        are means of the deepest features in the cells of a grid, ``(B, last, PARTS, PARTS)``.
        """
        if pictures.ndim != 4 or pictures.shape[1] != 3 or pictures.shape[2] % STRIDE or pictures.shape[3] % STRIDE:
            raise ValueError(f"{tuple(pictures.shape)} is not (B, 3, H, W) with sides that are multiples of {STRIDE}")
        seen, deep = self._body(pictures)
        summary = torch.cat((deep.mean(dim=(2, 3)), deep.amax(dim=(2, 3)), seen[-1].mean(dim=(2, 3))), dim=1)
        parts = F.adaptive_avg_pool2d(deep, PARTS)
        x = self._pyramid(seen, deep)
        x = x * torch.sigmoid(self.excite(self.squeeze(x.mean(dim=(2, 3), keepdim=True)).relu()))
        return torch.sigmoid(self.middles(x)), self.sides(x) * SIDE_UNIT, summary, parts

    @property
    def summary_size(self) -> int:
        """Numbers in the summary of a picture."""
        return 2 * self.config.last + self.config.stages[self.config.taps[2]].out

    def _body(self, pictures: Tensor) -> tuple[list[Tensor], Tensor]:
        """What the taps saw, finest first, and the deepest features."""
        seen: list[Tensor] = []
        fine, middle, coarse = self.config.taps
        x = hard_swish(self.stem(pictures))
        for index, stage in enumerate(self.stages):
            inside, x = stage(x)
            if index in (fine, middle):
                seen.append(inside)
            if index == coarse:
                seen.append(x)
        return seen, hard_swish(self.last(x))

    def _pyramid(self, seen: list[Tensor], x: Tensor) -> Tensor:
        """From the deepest features to a quarter of the picture's size, level by level."""
        for lateral, upward, tapped in zip(self.lateral[::-1], self.upward[::-1], reversed(seen), strict=True):
            x = torch.cat((lateral(tapped), upward(x)), dim=1).relu()
        return x


@dataclass(frozen=True, slots=True)
class Found:
    """One thing as the network sees it: box in pixels of the input (left, top, right, bottom), score, kind's number."""

    box: tuple[float, float, float, float]
    score: float
    kind: int


def read_maps(middles: Tensor, sides: Tensor, most: int = 100, least_score: float = 0.0) -> list[list[Found]]:
    """The likeliest things of each picture, best first.

    A spot counts where none of the eight around it is likelier for the same kind.

    Args:
        middles, sides: As :class:`CenterNet` gives them.
        most: How many to read for each picture at most.
        least_score: Kinds that are this likely nowhere in any picture are passed over, which saves most of the time.
    """
    likely = (middles.amax(dim=(0, 2, 3)) >= least_score).nonzero()[:, 0]
    if not len(likely):
        return [[] for _ in middles]
    middles = middles[:, likely]
    batch, kinds, height, width = middles.shape
    peaks = middles * (middles == F.max_pool2d(middles, 3, stride=1, padding=1))
    # The published graph counts spot by spot, all kinds of a spot together; it decides which of two equals comes first.
    scores, order = peaks.permute(0, 2, 3, 1).reshape(batch, -1).topk(min(most, kinds * height * width))
    spots, kind = order // kinds, likely[order % kinds]
    row, column = (spots // width) * CELL, (spots % width) * CELL
    reach = sides.flatten(2).gather(2, spots[:, None].expand(-1, 4, -1))
    boxes = torch.stack((column - reach[:, 0], row - reach[:, 1], column + reach[:, 2], row + reach[:, 3]), dim=-1)
    return [
        [Found(tuple(box), score, number) for box, score, number in zip(*one, strict=True)]
        for one in zip(boxes.tolist(), scores.tolist(), kind.tolist(), strict=True)
    ]


def hard_swish(x: Tensor) -> Tensor:
    return x * F.relu6(x + 3.0) * SIXTH


class _Conv(nn.Module):
    """A convolution under the name that it has in the file of the weights."""

    def __init__(self, into: int, out: int, kernel: int, *, stride: int = 1, depthwise: bool = False) -> None:
        super().__init__()
        self.conv = TensorFlowConv(into, out, kernel, stride=stride, depthwise=depthwise)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.conv(x)
        return out


class _Residual(nn.Module):
    """Expand, filter each channel, gate the channels, project; add what came in where shapes allow."""

    def __init__(self, into: int, stage: InvertedResidual) -> None:
        super().__init__()
        self.hard = stage.hard
        self.expand = _Conv(into, stage.expand, 1) if stage.expand != into else None
        self.depthwise = _Conv(stage.expand, stage.expand, stage.kernel, stride=stage.stride, depthwise=True)
        self.gate = _Gate(stage.expand, stage.squeeze) if stage.squeeze else None
        self.project = _Conv(stage.expand, stage.out, 1)
        self.adds = stage.stride == 1 and into == stage.out

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The expanded features, which the pyramid may want, and the output."""
        inside = x if self.expand is None else self._bend(self.expand(x))
        y = self._bend(self.depthwise(inside))
        y = self.project(y if self.gate is None else self.gate(y))
        return inside, y + x if self.adds else y

    def _bend(self, x: Tensor) -> Tensor:
        return hard_swish(x) if self.hard else F.relu(x)


class _Gate(nn.Module):
    """Weighs channels by what the whole picture holds. Source: Hu et al. 2018 (arXiv:1709.01507), hard sigmoid."""

    def __init__(self, channels: int, inside: int) -> None:
        super().__init__()
        self.squeeze, self.excite = nn.Conv2d(channels, inside, 1), nn.Conv2d(inside, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        weight = self.excite(F.relu(self.squeeze(x.mean(dim=(2, 3), keepdim=True))))
        return x * (F.relu6(weight + 3.0) * SIXTH)


class _Separable(nn.Module):
    """A depthwise convolution without offset, then a pointwise one."""

    def __init__(self, into: int, out: int, kernel: int) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(into, into, kernel, padding=kernel // 2, groups=into, bias=False)
        self.pointwise = nn.Conv2d(into, out, 1)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.pointwise(self.depthwise(x))
        return out


class _Lateral(nn.Module):
    """Features of the body on their way into the pyramid: a quarter of the channels inside."""

    def __init__(self, into: int, out: int) -> None:
        super().__init__()
        self.reduce = nn.Conv2d(into, into // 4, 1)
        self.widen = _Separable(into // 4, out, 5)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.widen(F.relu(self.reduce(x)))
        return out


class _Upward(nn.Module):
    """Two kernels side by side, then twice the size."""

    def __init__(self, into: int, out: int) -> None:
        super().__init__()
        self.small, self.large = _Separable(into, out, 3), _Separable(into, out, 5)

    def forward(self, x: Tensor) -> Tensor:
        return _doubled(_doubled(self.small(x) + self.large(x), -1), -2)


def _doubled(x: Tensor, side: int) -> Tensor:
    """Twice as long along a side, linear in between; the first sample stays, as in the old resize of TensorFlow."""
    count = x.shape[side]
    behind = torch.cat((x.narrow(side, 1, count - 1), x.narrow(side, count - 1, 1)), dim=side)
    pairs = torch.stack((x, (x + behind) / 2), dim=x.ndim if side == -1 else x.ndim - 1)
    return pairs.flatten(side - 1, side) if side == -1 else pairs.flatten(2, 3)

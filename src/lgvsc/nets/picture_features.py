"""What a network trained to recognise photographs sees in a picture: the convolutions of AlexNet and of VGG16.

Each gives five maps, one after each of its five stages, for distances that compare pictures as people do
(:mod:`lgvsc.nets.lpips`, :mod:`lgvsc.nets.dists`). The layers that name what is shown are left out.

Source: Krizhevsky 2014, "One weird trick for parallelizing convolutional neural networks", arXiv:1404.5997; Simonyan
and Zisserman 2015, "Very deep convolutional networks for large-scale image recognition", configuration D.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Self, TypeAlias

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Pool: TypeAlias = Callable[[Tensor], Tensor]

ALEXNET_WIDTHS = (64, 192, 384, 256, 256)
VGG16_WIDTHS = (64, 128, 256, 512, 512)
VGG16_DEPTHS = (2, 2, 3, 3, 3)
MIN_ALEXNET_SIDE = 31  # the second pooling still has a window
MIN_VGG16_SIDE = 16


class AlexNetFeatures(nn.Module):
    """The five convolutions of AlexNet, each followed by a ReLU.

    Args:
        widths: Channels of each stage.
    """

    min_side = MIN_ALEXNET_SIDE

    def __init__(self, widths: Sequence[int] = ALEXNET_WIDTHS) -> None:
        super().__init__()
        one, two, three, four, five = self.widths = tuple(widths)
        self.stages = nn.ModuleList(
            [
                nn.Conv2d(3, one, 11, stride=4, padding=2),
                nn.Conv2d(one, two, 5, padding=2),
                nn.Conv2d(two, three, 3, padding=1),
                nn.Conv2d(three, four, 3, padding=1),
                nn.Conv2d(four, five, 3, padding=1),
            ]
        )

    @classmethod
    def tiny(cls) -> Self:
        """A few channels a stage and random weights, for tests."""
        return cls((4, 4, 6, 4, 4))

    def forward(self, picture: Tensor) -> list[Tensor]:
        """Five maps ``(B, C, h, w)`` of normalised RGB ``(B, 3, H, W)``, sides from 31 pixels."""
        maps: list[Tensor] = []
        for number, convolution in enumerate(self.stages):
            if number in (1, 2):
                picture = F.max_pool2d(picture, 3, stride=2)
            picture = F.relu(convolution(picture))
            maps.append(picture)
        return maps


class Vgg16Features(nn.Module):
    """The thirteen convolutions of VGG16 in five stages, each followed by a ReLU.

    Args:
        widths: Channels of each stage.
        pool: What halves the sides between stages; DISTS has its own.
    """

    min_side = MIN_VGG16_SIDE

    def __init__(self, widths: Sequence[int] = VGG16_WIDTHS, *, pool: Pool | None = None) -> None:
        super().__init__()
        self.widths = tuple(widths)
        self.pool = pool or halve_by_maximum
        self.stages = nn.ModuleList()
        before = 3
        for width, depth in zip(widths, VGG16_DEPTHS, strict=True):
            channels = (before, *[width] * depth)
            self.stages.append(
                nn.ModuleList(nn.Conv2d(channels[place], channels[place + 1], 3, padding=1) for place in range(depth))
            )
            before = width
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # as of maps: else each is copied

    @classmethod
    def tiny(cls, *, pool: Pool | None = None) -> Self:
        """A few channels a stage and random weights, for tests."""
        return cls((4, 4, 6, 8, 8), pool=pool)

    def forward(self, picture: Tensor) -> list[Tensor]:
        """Five maps ``(B, C, h, w)`` of normalised RGB ``(B, 3, H, W)``, sides from 16 pixels."""
        maps: list[Tensor] = []
        picture = picture.contiguous(memory_format=torch.channels_last)
        for number, stage in enumerate(self.stages):
            if number:
                picture = self.pool(picture)
            for convolution in stage.children():
                picture = F.relu(convolution(picture))
            maps.append(picture)
        return maps


def halve_by_maximum(maps: Tensor) -> Tensor:
    """The largest value of each 2 x 2 block."""
    return F.max_pool2d(maps, 2)

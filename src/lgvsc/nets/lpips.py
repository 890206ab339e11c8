"""LPIPS, the learned perceptual distance of two pictures, version 0.1.

Features of every place are scaled to unit length over their channels; the squared differences are weighed channel by
channel with weights fitted to what people said, averaged over places, and added up over the five stages.

Source: Zhang et al. 2018, "The unreasonable effectiveness of deep features as a perceptual metric", Eq. (1) and
section 4; the shift and scale of the input came with version 0.1 of the authors' package.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

import torch
from torch import Tensor, nn

from lgvsc.nets.picture_features import AlexNetFeatures, Vgg16Features

# ImageNet's mean and deviation, (0.485, ...) and (0.229, ...), carried over from [0, 1] to [-1, 1] and rounded.
SHIFT = (-0.030, -0.088, -0.188)
SCALE = (0.458, 0.448, 0.450)
TINY = 1e-10


class Lpips(nn.Module):
    """Distance of two pictures: 0 for equal ones, about 1 for those that share nothing.

    It can be differentiated in both pictures. The weights are meant to be frozen.

    Args:
        features: What sees.
    """

    shift: Tensor
    scale: Tensor

    def __init__(self, features: AlexNetFeatures | Vgg16Features) -> None:
        super().__init__()
        self.features = features
        self.weights = nn.ParameterList(nn.Parameter(torch.rand(width) / width) for width in features.widths)
        self.register_buffer("shift", torch.tensor(SHIFT).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("scale", torch.tensor(SCALE).view(1, 3, 1, 1), persistent=False)

    @classmethod
    def tiny(cls) -> Self:
        """A network of some thousand random weights, for tests."""
        return cls(AlexNetFeatures.tiny())

    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        """Distances ``(B,)`` of RGB ``(B, 3, H, W)`` in [-1, 1], at the size they have.

        Raises:
            ValueError: The shapes differ, or the pictures are too small for the features.
        """
        check_pictures(first, second, self.features.min_side)
        return self.apart(self.seen(first), self.seen(second))

    def seen(self, pictures: Tensor) -> list[Tensor]:
        """What is compared of pictures in [-1, 1], for those that are compared with many."""
        maps = self.features((pictures - self.shift) / self.scale)
        return [unit_length(one.float()) for one in maps]  # the difference of two unit vectors is lost in bfloat16

    def apart(self, first: Sequence[Tensor], second: Sequence[Tensor]) -> Tensor:
        """Distances ``(B,)`` of what :meth:`seen` gave."""
        total = torch.zeros(len(first[0]), device=first[0].device)
        for one, other, weights in zip(first, second, self.weights, strict=True):
            total = total + torch.einsum("bchw,c->bhw", (one - other).square(), weights).mean((1, 2))
        return total


def unit_length(maps: Tensor) -> Tensor:
    """Each place's vector over the channels, scaled to length one; one of zeros stays so, with a gradient of zero."""
    length = maps.square().sum(1, keepdim=True).clamp(min=TINY**2).sqrt()
    return maps / (length + TINY)


def check_pictures(first: Tensor, second: Tensor, side: int) -> None:
    """Raises ValueError unless both are RGB of one size that the features have room for."""
    if first.shape != second.shape or first.ndim != 4 or first.shape[1] != 3 or min(first.shape[2:]) < side:
        raise ValueError(
            f"needs two batches of RGB pictures of one size, (B, 3, H, W) with sides from {side} pixels; got "
            f"{tuple(first.shape)} and {tuple(second.shape)}"
        )

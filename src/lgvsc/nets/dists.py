"""DISTS, a distance of two pictures that forgives texture for being another sample of the same texture.

For the picture itself and the maps of VGG16's five stages, channel by channel, the means are compared (texture) and
the covariance (structure); the weighted sum of both similarities is taken from one. Between the stages maps are halved
by the root of a blurred square instead of the maximum, so that the maps do not alias.

Source: Ding et al. 2020, "Image quality assessment: unifying structure and texture similarity", Eqs. (4) to (8). The
paper reduces pictures to a short side of 256 pixels before it measures them; as in the authors' class, that is left to
the caller.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from lgvsc.nets.lpips import check_pictures
from lgvsc.nets.picture_features import Vgg16Features

MEAN = (0.485, 0.456, 0.406)
DEVIATION = (0.229, 0.224, 0.225)
C1 = C2 = 1e-6
WINDOW = (0.25, 0.5, 0.25)  # a Hann window of five without its zeros, of sum one


class Dists(nn.Module):
    """Distance of two pictures: 0 for equal ones, in practice below 1.

    It can be differentiated in both pictures. The weights are meant to be frozen.

    Args:
        features: What sees; its pooling should be :func:`halve_by_energy`.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, features: Vgg16Features | None = None) -> None:
        super().__init__()
        self.features = features or Vgg16Features(pool=halve_by_energy)
        self.channels = (3, *self.features.widths)
        self.alpha = nn.Parameter(torch.rand(sum(self.channels)))  # of the means
        self.beta = nn.Parameter(torch.rand(sum(self.channels)))  # of the covariances
        self.register_buffer("mean", torch.tensor(MEAN).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("deviation", torch.tensor(DEVIATION).view(1, 3, 1, 1), persistent=False)

    @classmethod
    def tiny(cls) -> Self:
        """A network of some thousand random weights, for tests."""
        return cls(Vgg16Features.tiny(pool=halve_by_energy))

    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        """Distances ``(B,)`` of RGB ``(B, 3, H, W)`` in [0, 1], at the size they have.

        Raises:
            ValueError: The shapes differ, or the pictures are too small for the features.
        """
        check_pictures(first, second, self.features.min_side)
        return self.apart(self.seen(first), self.seen(second))

    def seen(self, pictures: Tensor) -> list[Tensor]:
        """What is compared of pictures in [0, 1], for those that are compared with many."""
        return [pictures, *self.features((pictures - self.mean) / self.deviation)]

    def apart(self, first: Sequence[Tensor], second: Sequence[Tensor]) -> Tensor:
        """Distances ``(B,)`` of what :meth:`seen` gave."""
        whole = self.alpha.sum() + self.beta.sum()
        alphas = (self.alpha / whole).split(self.channels)
        betas = (self.beta / whole).split(self.channels)
        similarity = torch.zeros(len(first[0]), device=first[0].device)
        for one, other, alpha, beta in zip(first, second, alphas, betas, strict=True):
            texture, structure = similarities(one, other)
            similarity = similarity + texture @ alpha + structure @ beta
        return 1 - similarity


def similarities(first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
    """Texture and structure similarity of each channel, ``(B, C)`` each: Eqs. (4) and (5)."""
    one, other, variance_one, variance_other, covariance = Moments.apply(first, second)
    texture = (2 * one * other + C1) / (one.square() + other.square() + C1)
    structure = (2 * covariance + C2) / (variance_one + variance_other + C2)
    return texture, structure


class Moments(torch.autograd.Function):
    """Means, variances and the covariance of each channel of two stacks of maps, five of ``(B, C)`` in float32.

    Left to autograd, each step of these few sums would move all maps through memory again on the way back.
    """

    @staticmethod
    def forward(ctx: Any, first: Tensor, second: Tensor) -> tuple[Tensor, ...]:
        one, other = first.float(), second.float()  # differences of means are lost in bfloat16
        mean_one, mean_other = one.mean((2, 3)), other.mean((2, 3))
        variance_one = (one - mean_one[..., None, None]).square().mean((2, 3))
        variance_other = (other - mean_other[..., None, None]).square().mean((2, 3))
        covariance = (one * other).mean((2, 3)) - mean_one * mean_other
        ctx.save_for_backward(first, second, mean_one, mean_other)
        return mean_one, mean_other, variance_one, variance_other, covariance

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        first, second, mean_one, mean_other = ctx.saved_tensors
        of_one, of_other, of_variance_one, of_variance_other, of_both = gradients
        needs_first, needs_second = ctx.needs_input_grad
        level_one = of_one - 2 * of_variance_one * mean_one - of_both * mean_other
        level_other = of_other - 2 * of_variance_other * mean_other - of_both * mean_one
        return (
            mixed(level_one, 2 * of_variance_one, first, of_both, second) if needs_first else None,
            mixed(level_other, 2 * of_variance_other, second, of_both, first) if needs_second else None,
        )


def mixed(level: Tensor, share: Tensor, maps: Tensor, other_share: Tensor, others: Tensor) -> Tensor:
    """A level and so much of each of two maps, over the places of a map; levels and shares are of channels."""
    places = maps.shape[2:].numel()
    of_level, of_maps, of_others = (
        (part / places)[..., None, None].to(maps.dtype) for part in (level, share, other_share)
    )
    return torch.addcmul(torch.addcmul(of_level, maps, of_maps), others, of_others)


def halve_by_energy(maps: Tensor) -> Tensor:
    """The root of the blurred squares at every other place, ``(B, C, ceil(h / 2), ceil(w / 2))``: Eq. (3)."""
    halved: Tensor = Halving.apply(maps)
    return halved


class Halving(torch.autograd.Function):
    """:func:`halve_by_energy`, whose way back is the enlarging by two that a Hann window of three transposed is.

    Left to autograd, the gradient of one convolution for each channel takes most of the time of a whole distance.
    """

    @staticmethod
    def forward(ctx: Any, maps: Tensor) -> Tensor:
        window = torch.tensor(WINDOW, device=maps.device, dtype=maps.dtype)
        taps = torch.outer(window, window).expand(maps.shape[1], 1, 3, 3)
        energy = F.conv2d(maps.square(), taps, stride=2, padding=1, groups=maps.shape[1])
        root = (energy + 1e-12).sqrt()
        ctx.save_for_backward(maps, root)
        return root

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        maps, root = ctx.saved_tensors
        height, width = maps.shape[2:]
        spread = F.pad(gradient / root, (0, 1, 0, 1))
        size = [2 * side - 1 for side in spread.shape[2:]]
        spread = F.interpolate(spread, size, mode="bilinear", align_corners=True)[:, :, :height, :width]
        return maps * spread / 4
